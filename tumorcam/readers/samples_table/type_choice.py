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
)
from tumorcam.readers.wording import N_COLUMNS, listed
from tumorcam.settings import CohortSettings

TUMOR = "tumor"  # in cohort.sample_types: for each tumor the type that makes it one
NORMAL = "Normal"  # the class of normal samples


class TypeChoice(NamedTuple):
    """The samples that are kept, with "Normal" as the tumor of normals; and what was left out."""

    samples: pd.DataFrame
    dropped: list[Drop]
    facts: list[Fact]


def choose_types(samples: pd.DataFrame, cohort: CohortSettings) -> TypeChoice:
    """The samples of the types that the config asks for.

    Samples of a type that was not asked for are counted, not listed. A normal sample is never kept
    under its tumor's name: it is left out or becomes "Normal", unless its label says that it is
    normal, or no sample of the cohort is a tumor.

    Parameters
    ----------
    samples : DataFrame
        sample, patient, tumor and sample_type (str).

    Raises
    ------
    InputError
        If types are asked for but unknown for all samples, or for some samples of a tumor.
    CohortError
        If no sample is of the types that are asked for.
    """
    normal = samples["sample_type"].map(is_normal)
    says_normal = samples["tumor"].map(_is_normal_label)
    items = [item for item in cohort.sample_types if ":" not in item]
    codes = {type_code(item) for item in items if item != TUMOR}
    keeps_normals = cohort.normals == "class" or any(map(is_normal, codes))
    keeps_label = says_normal | bool(normal.all())
    samples = samples.assign(
        tumor=samples["tumor"].where(~(normal & keeps_normals & ~keeps_label), NORMAL)
    )
    is_kept_normal = normal & (says_normal | keeps_normals)
    facts = _normal_facts(normal, is_kept_normal, cohort)
    if not cohort.sample_types:
        kept = _require_any(samples[~normal | is_kept_normal], samples, cohort)
        dropped = [
            Drop("sample", name, 'a normal sample; cohort.normals = "class" keeps it')
            for name in samples.loc[normal & ~is_kept_normal, "sample"]
        ]
        return TypeChoice(kept, dropped, facts)
    _require_types(samples, cohort)
    is_kept, tumor_facts = _of_types(samples[~normal], cohort, codes)
    kept = samples[is_kept_normal | is_kept.reindex(samples.index, fill_value=False)]
    return TypeChoice(_require_any(kept, samples, cohort), [], [*tumor_facts, *facts])


def _of_types(
    samples: pd.DataFrame, cohort: CohortSettings, codes: set[str]
) -> tuple[pd.Series, list[Fact]]:
    """Which samples are kept, and a fact for each way in which tumors differ from the first."""
    is_kept = samples["sample_type"].isin(codes)
    main: dict[str, str] = {}
    if TUMOR in cohort.sample_types:
        for tumor, types in samples.groupby("tumor")["sample_type"]:
            present = set(types)
            main[str(tumor)] = next((code for code in TUMOR_ORDER if code in present), "")
        is_kept |= samples["sample_type"] == samples["tumor"].map(main)
    for item in cohort.sample_types:
        tumor, colon, kind = item.rpartition(":")
        if colon:
            is_kept |= (samples["tumor"] == tumor) & (samples["sample_type"] == type_code(kind))
    reason = f"cohort.sample_types = {quoted(list(cohort.sample_types))}"
    texts = []
    for code in TUMOR_ORDER:
        tumors = [tumor for tumor, kind in main.items() if kind == code and tumor]
        if tumors:
            texts.append(f"{code} ({_words(code)}) of {listed(tumors, N_COLUMNS)}")
    left_out = samples[~is_kept & (samples["tumor"] != "")]
    counts = left_out[["tumor", "sample_type"]].value_counts().reset_index()
    others = [
        f"{tumor} {kind or 'unknown'} ({n})"
        + (f', kept by "{tumor}:{kind}" in the list' if main.get(tumor, kind) != kind else "")
        for tumor, kind, n in counts.to_numpy().tolist()
    ]
    text = f"keeps {'; '.join(texts) if texts else listed(sorted(codes), N_COLUMNS)}"
    more = f"left out: {listed(others, 6, spell=str)}" if others else ""
    return is_kept, [Fact("sample types", text, reason, more)]


def _normal_facts(normal: pd.Series, is_kept: pd.Series, cohort: CohortSettings) -> list[Fact]:
    if not normal.any():
        return []
    n_kept, n = int(is_kept.sum()), int(normal.sum())
    text = f"{n_kept} of {n} normal samples are kept"
    text += f', as "{NORMAL}"' if n_kept else ""
    return [Fact("normals", text, f'cohort.normals = "{cohort.normals}"')]


def _require_types(samples: pd.DataFrame, cohort: CohortSettings) -> None:
    """Stop where a filter by type would take out samples whose type nobody knows."""
    unknown = samples["sample_type"] == ""
    if not unknown.any():
        return
    types = quoted(list(cohort.sample_types))
    if unknown.all():
        msg = (
            f"cohort.sample_types = {types}, but no sample type is known: no ID is a barcode that "
            "tells it, and no column names types such as Primary Tumor or 01; set "
            "input.sample_type_column to the column that does, or cohort.sample_types = [] if all "
            "samples are tumors"
        )
        raise InputError(msg)
    names = samples.loc[unknown, "sample"].tolist()
    tumors = samples.loc[unknown, "tumor"].value_counts()
    counts = listed([f"{tumor or 'no tumor'} ({n})" for tumor, n in tumors.items()], N_COLUMNS)
    msg = (
        f"cohort.sample_types = {types}, but the type of {len(names)} of {len(samples)} samples is "
        f"not known ({listed(names)}; by tumor: {counts}): complete the column of sample types, or "
        "set cohort.sample_types = [], which keeps all samples that are not known to be normal"
    )
    raise InputError(msg)


def _require_any(kept: pd.DataFrame, samples: pd.DataFrame, cohort: CohortSettings) -> pd.DataFrame:
    if kept.empty:
        raise CohortError(_no_sample(samples, cohort))
    return kept


def _no_sample(samples: pd.DataFrame, cohort: CohortSettings) -> str:
    if samples["sample_type"].map(is_normal).all():
        codes = sorted(set(samples["sample_type"]))
        return (
            f"all {len(samples)} samples are normal tissue or blood (sample type {listed(codes)}), "
            "none is a tumor; to classify them by their labels, set cohort.sample_types = "
            f"{quoted(codes)}"
        )
    counts = samples["sample_type"].value_counts().sort_index()
    types = listed([f"{name or 'unknown'} ({n})" for name, n in counts.items()], N_COLUMNS)
    return (
        f"no sample is of cohort.sample_types = {quoted(list(cohort.sample_types))}; there are: "
        f"{types}; set cohort.sample_types to some of these, or to [] for all tumors"
    )


def _is_normal_label(label: str) -> bool:
    return is_type_word(label) and is_normal(type_code(label))


def _words(code: str) -> str:
    return CODES[code].split(";")[-1 if code == "06" else 1]
