"""Which types of samples a cohort keeps of each tumor, so that no normal is taken for a tumor."""

from typing import NamedTuple

import pandas as pd

from tumorcam.errors import CohortError, InputError, quoted
from tumorcam.readers.matrix import Drop, Fact
from tumorcam.readers.samples_table.sample_types import (
    CODES,
    TUMOR_ORDER,
    is_normal,
    is_type_word,
    type_code,
    type_name,
)
from tumorcam.readers.samples_table.tumor_names import tumor_code
from tumorcam.readers.wording import N_COLUMNS, listed
from tumorcam.settings import CohortSettings

TUMOR = "tumor"  # in cohort.sample_types: for each tumor the type that makes it one
NORMAL = "Normal"  # the class of normal samples, unless the labels have a word for it
SAMPLE_TYPES = "sample types"  # topic of facts


class TypeChoice(NamedTuple):
    """The samples that are kept, with "Normal" as the tumor of normals; and what was left out."""

    samples: pd.DataFrame
    dropped: list[Drop]
    facts: list[Fact]


class _Items(NamedTuple):
    """The items of `cohort.sample_types`: codes for all tumors, and codes for single ones."""

    codes: frozenset[str]
    of_tumors: frozenset[tuple[str, str]]
    has_main: bool

    def name(self, samples: pd.DataFrame) -> pd.Series:
        """(samples,) bool: the samples whose type an item names."""
        pairs = pd.Series(zip(samples["tumor"], samples["sample_type"], strict=True), samples.index)
        return samples["sample_type"].isin(self.codes) | pairs.isin(self.of_tumors)


def choose_types(samples: pd.DataFrame, cohort: CohortSettings) -> TypeChoice:
    """The samples of the types that the config asks for.

    * "tumor" in `cohort.sample_types` keeps of each tumor the first type that it has of a fixed
      order: primary tumors (01), else blood (03) or bone marrow (09), else metastases (06), ...
    * A normal sample is never kept under its tumor's name. It becomes "Normal" where
      `cohort.normals` is "class" or an item of `cohort.sample_types` names its type; it keeps its
      label where that is a word for normal samples; else it is left out.
    * An empty `cohort.sample_types` keeps all samples that are not known to be normal. If all
      samples are normal, as those of GTEx, it keeps them under their labels, which are tissues.
    * Samples whose type is not known stop the job, or are left out and listed where
      `cohort.unlabelled` is "drop".

    Samples of a type that was not asked for are counted for each tumor, not listed.

    Parameters
    ----------
    samples : DataFrame
        sample, patient, tumor and sample_type (str).

    Raises
    ------
    InputError
        If types are asked for but unknown for all samples, or for some samples and
        `cohort.unlabelled` is "error".
    CohortError
        If no sample is of the types that are asked for.
    """
    says_normal = samples["tumor"].map(_is_normal_label)
    kinds = samples["sample_type"].where(~(says_normal & (samples["sample_type"] == "")), "11")
    samples = samples.assign(sample_type=kinds)
    normal = kinds.map(is_normal)
    items = _items(cohort)
    _require_tumors(samples, items)
    if not cohort.sample_types and normal.all() and cohort.normals == "drop":
        reason = "cohort.sample_types = [], and no sample is of a tumor"
        return TypeChoice(samples, [], [Fact("normals", "kept under their labels", reason)])
    as_class = normal & ((cohort.normals == "class") | items.name(samples))
    is_kept_normal = as_class | (normal & says_normal)
    words = samples.loc[says_normal, "tumor"].value_counts()
    name = str(words.index[0]) if len(words) else NORMAL
    facts = _normal_facts(samples, normal, is_kept_normal, cohort)
    labelled = samples.assign(tumor=samples["tumor"].where(~as_class | says_normal, name))
    if not cohort.sample_types:
        reason = 'a normal sample; cohort.normals = "class" keeps it as one'
        drops = [Drop("sample", s, reason) for s in samples.loc[normal & ~is_kept_normal, "sample"]]
        return TypeChoice(labelled[~normal | is_kept_normal], drops, facts)
    drops = _of_unknown_type(samples, cohort)
    is_kept, tumor_facts = _of_types(samples[~normal], cohort, items)
    kept = labelled[is_kept_normal | is_kept.reindex(samples.index, fill_value=False)]
    if kept.empty:
        raise CohortError(_no_sample(samples, cohort))
    return TypeChoice(kept, drops, [*tumor_facts, *facts])


def _items(cohort: CohortSettings) -> _Items:
    pairs = [item.rpartition(":") for item in cohort.sample_types if item != TUMOR]
    return _Items(
        codes=frozenset(type_code(kind) for tumor, _, kind in pairs if not tumor),
        of_tumors=frozenset(
            (tumor_code(tumor) or tumor, type_code(kind)) for tumor, _, kind in pairs if tumor
        ),
        has_main=TUMOR in cohort.sample_types,
    )


def _require_tumors(samples: pd.DataFrame, items: _Items) -> None:
    """Check that each tumor for which a type is named exists, as a label or by its full name."""
    tumors = sorted(set(samples["tumor"]) - {""})
    absent = sorted({tumor for tumor, _ in items.of_tumors} - set(tumors))
    if absent:
        msg = (
            f"cohort.sample_types names the tumor {quoted(absent[0])}, which no sample has; there "
            f"are: {listed(tumors, N_COLUMNS)}; correct cohort.sample_types"
        )
        raise CohortError(msg)


def _of_types(
    samples: pd.DataFrame, cohort: CohortSettings, items: _Items
) -> tuple[pd.Series, list[Fact]]:
    """Which samples are kept (bool), and what was kept and left out of each tumor."""
    is_kept = items.name(samples)
    main: dict[str, str] = {}
    if items.has_main:
        for tumor, kinds in samples.groupby("tumor")["sample_type"]:
            present = set(kinds)
            main[str(tumor)] = next((code for code in TUMOR_ORDER if code in present), "")
        is_main = samples["sample_type"] == samples["tumor"].map(main)
        is_kept |= is_main & (samples["sample_type"] != "")
    texts = []
    for code in TUMOR_ORDER:
        tumors = [tumor for tumor, kind in main.items() if kind == code and tumor]
        if tumors:
            texts.append(f"{code} ({type_name(code)}) of {listed(tumors, N_COLUMNS)}")
    texts += [f"{code} ({type_name(code)}) of all tumors" for code in sorted(items.codes)]
    texts += [f"{code} ({type_name(code)}) of {tumor}" for tumor, code in sorted(items.of_tumors)]
    left_out = samples[~is_kept & (samples["tumor"] != "")]
    reason = f"cohort.sample_types = {quoted(list(cohort.sample_types))}"
    others = _left_out(left_out, cohort)
    return is_kept, [Fact(SAMPLE_TYPES, f"keeps {'; '.join(texts)}", reason, others)]


def _left_out(samples: pd.DataFrame, cohort: CohortSettings) -> str:
    """How many samples of each tumor and type are left out, and how the first of them is kept."""
    counts = samples[["tumor", "sample_type"]].value_counts().reset_index().to_numpy().tolist()
    if not counts:
        return ""
    texts = [f"{tumor} {kind or 'unknown'} ({n})" for tumor, kind, n in counts]
    coded = [f"{tumor}:{kind}" for tumor, kind, _ in counts if kind in CODES]
    advice = quoted([*cohort.sample_types, coded[0]]) if coded else ""
    remedy = f"; cohort.sample_types = {advice} keeps the first" if coded else ""
    return f"left out: {listed(texts, N_COLUMNS)}{remedy}"


def _normal_facts(
    samples: pd.DataFrame, normal: pd.Series, is_kept: pd.Series, cohort: CohortSettings
) -> list[Fact]:
    if not normal.any():
        return []
    n_kept, n = int(is_kept.sum()), int(normal.sum())
    text = f"{n_kept} of {n} normal samples are kept, as a class of their own"
    if not n_kept:
        text = f"{n} normal samples are left out"
    counts = samples.loc[normal & ~is_kept, "tumor"].value_counts().sort_index()
    others = listed([f"{tumor or 'no tumor'} ({n})" for tumor, n in counts.items()], N_COLUMNS)
    reason = f'cohort.normals = "{cohort.normals}"'
    return [Fact("normals", text, reason, f"left out: {others}" if others else "")]


def _of_unknown_type(samples: pd.DataFrame, cohort: CohortSettings) -> list[Drop]:
    """The samples that are left out since nobody knows their type; InputError where that stops."""
    unknown = samples[samples["sample_type"] == ""]
    if unknown.empty:
        return []
    types = quoted(list(cohort.sample_types))
    if len(unknown) == len(samples):
        msg = (
            f"cohort.sample_types = {types}, but no sample type is known: no ID is a barcode that "
            "tells it, and no column names types such as Primary Tumor or 01; set "
            "input.sample_type_column to the column that does, or cohort.sample_types = [] if all "
            "samples are tumors"
        )
        raise InputError(msg)
    names = unknown["sample"].tolist()
    if cohort.unlabelled == "drop":
        return [Drop("sample", name, "its sample type is not known") for name in names]
    tumors = unknown["tumor"].value_counts()
    counts = listed([f"{tumor or 'no tumor'} ({n})" for tumor, n in tumors.items()], N_COLUMNS)
    msg = (
        f"cohort.sample_types = {types}, but the sample type of {len(names)} of {len(samples)} "
        f"samples is not known ({listed(names)}; by tumor: {counts}): complete the column of "
        'sample types, or set cohort.unlabelled = "drop", which leaves these samples out and lists '
        "them"
    )
    raise InputError(msg)


def _no_sample(samples: pd.DataFrame, cohort: CohortSettings) -> str:
    counts = samples["sample_type"].value_counts().sort_index()
    types = listed([f"{name or 'unknown'} ({n})" for name, n in counts.items()], N_COLUMNS)
    remedy = "set cohort.sample_types to some of these"
    if samples["sample_type"].map(is_normal).all():
        remedy = "all are normal: set cohort.sample_types = [], which classifies them by tissue"
    return (
        f"no sample is of cohort.sample_types = {quoted(list(cohort.sample_types))}; there are: "
        f"{types}; {remedy}"
    )


def _is_normal_label(label: str) -> bool:
    return is_type_word(label) and is_normal(type_code(label))
