"""Which types of samples a cohort keeps of each tumor, so that no normal is taken for a tumor."""

from typing import NamedTuple

import pandas as pd

from tumorcam.errors import CohortError, InputError, quoted
from tumorcam.readers.matrix import Drop, Fact
from tumorcam.readers.samples_table import type_facts
from tumorcam.readers.samples_table.sample_types import (
    TUMOR_ORDER,
    is_normal,
    is_type_word,
    type_code,
)
from tumorcam.readers.samples_table.type_facts import NamedTypes
from tumorcam.readers.wording import N_COLUMNS, listed
from tumorcam.settings import CohortSettings

TUMOR = "tumor"  # in cohort.sample_types: for each tumor the type that makes it one
NORMAL = "Normal"  # the class of normal samples, unless the labels have a word for it
PRIMARY = "01"  # the type of the other samples, if no sample has a known type
NORMAL_TISSUE = "11"  # the type of a sample of unknown type whose label says that it is normal


class TypeChoice(NamedTuple):
    """The samples that are kept, with "Normal" as the tumor of normals; and what was left out."""

    samples: pd.DataFrame
    dropped: list[Drop]
    facts: list[Fact]


def choose_types(samples: pd.DataFrame, cohort: CohortSettings) -> TypeChoice:
    """The samples of the types that the config asks for.

    * "tumor" in `cohort.sample_types` keeps of each tumor the first type that it has of a fixed
      order: primary tumors (01), else blood (03) or bone marrow (09), else metastases (06), ...
    * A normal sample is never kept under its tumor's name. It becomes "Normal" where
      `cohort.normals` is "class" or an item of `cohort.sample_types` names its type; it keeps its
      label where that is a word for normal samples and `cohort.normals` is "labelled"; else it is
      left out.
    * An empty `cohort.sample_types` keeps all samples that are not known to be normal. If all
      samples are normal, as those of GTEx, it keeps them under their labels, which are tissues.
    * Where no type is known but some labels are words for normal samples, the others are tumors,
      unless one sounds as if it were not, such as "Normal breast".
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
    is_implied = says_normal & (samples["sample_type"] == "")
    kinds = samples["sample_type"].where(~is_implied, NORMAL_TISSUE)
    facts = list[Fact]()
    sounds_normal = samples["tumor"].map(lambda label: is_normal(type_code(label)))
    if is_implied.any() and is_implied.equals(sounds_normal) and not any(samples["sample_type"]):
        kinds = kinds.where(is_implied | (samples["tumor"] == ""), PRIMARY)
        words = listed(sorted(set(samples.loc[is_implied, "tumor"])))
        facts = [Fact("sample types", "from the labels", f"{words} are normal, the others tumors")]
    samples = samples.assign(sample_type=kinds)
    normal = kinds.map(is_normal)
    if not cohort.sample_types and normal.all() and cohort.normals != "class":
        reason = "cohort.sample_types = [], and no sample is of a tumor"
        return TypeChoice(samples, [], [Fact("normals", "kept under their labels", reason)])
    named = _named_types(cohort)
    as_class = normal & ((cohort.normals == "class") | _is_named(samples, named))
    is_kept_normal = as_class | (normal & says_normal & (cohort.normals == "labelled"))
    words = samples.loc[says_normal, "tumor"].value_counts()
    name = str(words.index[0]) if len(words) else NORMAL
    labelled = samples.assign(tumor=samples["tumor"].where(~as_class | says_normal, name))
    facts += type_facts.normal_facts(samples, normal, is_kept_normal, says_normal, cohort)
    if not cohort.sample_types:
        reason = 'a normal sample; cohort.normals = "class" keeps it as one'
        drops = [Drop("sample", s, reason) for s in samples.loc[normal & ~is_kept_normal, "sample"]]
        return TypeChoice(labelled[~normal | is_kept_normal], drops, facts)
    drops = _of_unknown_type(samples, cohort)
    tumors = samples[~normal]
    main = _main_types(tumors) if TUMOR in cohort.sample_types else {}
    is_main = (tumors["sample_type"] != "") & (tumors["sample_type"] == tumors["tumor"].map(main))
    is_kept = _is_named(tumors, named) | is_main
    kept = labelled[is_kept_normal | is_kept.reindex(samples.index, fill_value=False)]
    if kept.empty:
        raise CohortError(type_facts.no_sample(samples, cohort))
    fact = type_facts.kept_fact(main, named, samples, tumors[~is_kept], cohort)
    return TypeChoice(kept, drops, [fact, *facts])


def _named_types(cohort: CohortSettings) -> NamedTypes:
    pairs = [item.rpartition(":") for item in cohort.sample_types if item != TUMOR]
    return NamedTypes(
        codes=frozenset(type_code(kind) for tumor, _, kind in pairs if not tumor),
        of_tumors=frozenset((tumor, type_code(kind)) for tumor, _, kind in pairs if tumor),
    )


def _is_named(samples: pd.DataFrame, named: NamedTypes) -> pd.Series:
    """(samples,) bool: the samples whose type an item of the config names."""
    pairs = pd.Series(zip(samples["tumor"], samples["sample_type"], strict=True), samples.index)
    return samples["sample_type"].isin(named.codes) | pairs.isin(named.of_tumors)


def _main_types(samples: pd.DataFrame) -> dict[str, str]:
    """The type that makes each tumor one; the empty text for a tumor that has none."""
    present = samples.groupby("tumor")["sample_type"].agg(set)
    return {
        str(tumor): next((code for code in TUMOR_ORDER if code in kinds), "")
        for tumor, kinds in present.items()
    }


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
        "sample types, set cohort.sample_types = [] if all samples that are not known to be normal "
        'are tumors, or set cohort.unlabelled = "drop", which leaves these samples out and lists '
        "them"
    )
    raise InputError(msg)


def _is_normal_label(label: str) -> bool:
    return is_type_word(label) and is_normal(type_code(label))
