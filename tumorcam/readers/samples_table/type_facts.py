"""What is said of the choice of sample types: what is kept and left out of each tumor."""

from typing import NamedTuple

import pandas as pd

from tumorcam.errors import quoted
from tumorcam.readers.matrix import Fact
from tumorcam.readers.samples_table.sample_types import CODES, TUMOR_ORDER, is_normal, type_name
from tumorcam.readers.wording import N_COLUMNS, listed
from tumorcam.settings import CohortSettings


class NamedTypes(NamedTuple):
    """The types that the config names: codes of all tumors, and (tumor, code) of single ones."""

    codes: frozenset[str]
    of_tumors: frozenset[tuple[str, str]]


def kept_fact(
    main: dict[str, str],
    named: NamedTypes,
    samples: pd.DataFrame,
    left_out: pd.DataFrame,
    cohort: CohortSettings,
) -> Fact:
    """Which types are kept of which tumors, and how many samples of others are left out.

    Parameters
    ----------
    main : dict of str to str
        The type that makes each tumor one.
    named : NamedTypes
        Further types.
    samples, left_out : DataFrame
        All samples, and those that are left out; tumor and sample_type (str).
    """
    texts = []
    for code in TUMOR_ORDER:
        tumors = [tumor for tumor, kind in main.items() if kind == code and tumor]
        if tumors:
            texts.append(f"{code} ({type_name(code)}) of {listed(tumors, N_COLUMNS)}")
    texts += [f"{code} ({type_name(code)}) of all tumors" for code in sorted(named.codes)]
    texts += [f"{code} ({type_name(code)}) of {tumor}" for tumor, code in sorted(named.of_tumors)]
    pairs = set(zip(samples["tumor"], samples["sample_type"], strict=True))
    unused = sorted(named.codes - set(samples["sample_type"]))
    unused += [":".join(pair) for pair in sorted(named.of_tumors - pairs)]
    others = [_left_out(left_out[left_out["tumor"] != ""], cohort)]
    others += [f"no sample is of {listed(unused, N_COLUMNS)}"] if unused else []
    reason = f"cohort.sample_types = {quoted(list(cohort.sample_types))}"
    text = f"keeps {'; '.join(texts)}"
    return Fact("sample types", text, reason, "; ".join(filter(None, others)))


def normal_facts(
    samples: pd.DataFrame,
    normal: pd.Series,
    is_kept: pd.Series,
    says_normal: pd.Series,
    cohort: CohortSettings,
) -> list[Fact]:
    """How many normal samples are kept as a class, and how many of each tumor are left out.

    Parameters
    ----------
    normal, is_kept, says_normal : (samples,) bool
        Samples of a normal type, those of them that are kept, and samples whose label says normal.
    """
    facts = []
    n_kept, n = int(is_kept.sum()), int(normal.sum())
    reason = f'cohort.normals = "{cohort.normals}"'
    if n:
        text = f"{n} normal samples are left out"
        if n_kept:
            text = f"{n_kept} of {n} normal samples are kept, as a class of their own"
        counts = samples.loc[normal & ~is_kept, "tumor"].value_counts().sort_index()
        others = listed([f"{tumor or 'no tumor'} ({n})" for tumor, n in counts.items()], N_COLUMNS)
        facts.append(Fact("normals", text, reason, f"left out: {others}" if others else ""))
    contradictory = samples.loc[says_normal & ~normal, "sample_type"]
    if len(contradictory):
        kinds = ", ".join(f"{kind} ({n})" for kind, n in contradictory.value_counts().items())
        text = f"{len(contradictory)} samples whose label says normal are of another type"
        facts.append(Fact("normals", text, f"their sample types: {kinds}"))
    return facts


def no_sample(samples: pd.DataFrame, cohort: CohortSettings) -> str:
    """The message that no sample is of the types that the config asks for."""
    counts = samples["sample_type"].value_counts().sort_index()
    types = listed([f"{name or 'unknown'} ({n})" for name, n in counts.items()], N_COLUMNS)
    remedy = "set cohort.sample_types to some of these"
    if samples["sample_type"].map(is_normal).all():
        remedy = "all are normal: set cohort.sample_types = [], which classifies them by tissue"
    return (
        f"no sample is of cohort.sample_types = {quoted(list(cohort.sample_types))}; there are: "
        f"{types}; {remedy}"
    )


def _left_out(samples: pd.DataFrame, cohort: CohortSettings) -> str:
    """How many samples of each tumor and type are left out, and how the first of them is kept."""
    counts = samples[["tumor", "sample_type"]].value_counts().reset_index().to_numpy().tolist()
    if not counts:
        return ""
    texts = [f"{tumor} {kind or 'unknown'} ({n})" for tumor, kind, n in counts]
    coded = [f"{tumor}:{kind}" for tumor, kind, _ in counts if kind in CODES]
    items = ", ".join(f'"{item}"' for item in [*cohort.sample_types, *coded[:1]])
    remedy = f"; cohort.sample_types = [{items}] keeps the first" if coded else ""
    return f"left out: {listed(texts, N_COLUMNS)}{remedy}"
