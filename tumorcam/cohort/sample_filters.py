"""Which samples of an input a cohort keeps: those with a tumor, of the types that were asked for.

Whatever a filter takes out is counted for each tumor type, so that no tumor shrinks unsaid.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from tumorcam.cohort import tally
from tumorcam.cohort.drops import STOP, stop_or_drop
from tumorcam.cohort.splits import thin_tumors
from tumorcam.errors import CohortError, InputError, quoted
from tumorcam.readers.matrix import Drop, Fact
from tumorcam.readers.samples_table.aliquots import latest_aliquots
from tumorcam.readers.samples_table.type_choice import choose_types
from tumorcam.readers.wording import N_COLUMNS, listed
from tumorcam.settings import CohortSettings
from tumorcam.settings.config import Config
from tumorcam.storage.run_folder import slugs

MIN_TUMORS = 2


class KeptSamples(NamedTuple):
    """The samples that are kept, sorted by ID, and what was left out and why.

    `table` has the columns sample, patient, tumor, sample_type and source. `steps` has the number
    of samples that were left out for each reason, those that a filter takes out on purpose too.
    """

    table: pd.DataFrame
    dropped: list[Drop]
    facts: list[Fact]
    steps: list[tuple[str, int]]


def filter_samples(config: Config, names: list[str], samples: pd.DataFrame) -> KeptSamples:
    """The samples to keep; those of tumors with too few patients are still among them.

    Parameters
    ----------
    names : list of str
        The samples of the matrix, which may repeat.
    samples : DataFrame
        One row a sample: sample, patient, tumor, sample_type and source (str), as
        `samples_table.tidy.tidy` gives them.

    Raises
    ------
    InputError
        If samples are repeated, unlabelled, or of an unknown patient or type, and the config does
        not say what to do.
    CohortError
        If no sample has a tumor, type or source that the config names.
    """
    cohort = config.cohort
    labelled, dropped = distinct_samples(cohort, names, samples)
    choice = choose_types(labelled, cohort)
    of_types = choice.samples
    n_named = len(choice.dropped)
    steps = [
        (tally.TABLE_ALONE, samples["sample"].nunique() - len(labelled)),
        *tally.by_reason([*dropped, *choice.dropped]),
        (tally.UNLIKE_TYPES, len(labelled) - n_named - len(of_types)),
    ]
    of_tumors = _with_tumors(cohort, of_types)
    kept, facts = of_tumors.table, [*choice.facts, *of_tumors.facts]
    dropped += [*choice.dropped, *of_tumors.dropped]
    steps += of_tumors.steps
    _require_patients(cohort, kept)
    kept = kept.assign(patient=kept["patient"].where(kept["patient"] != "", kept["sample"]))
    if cohort.aliquots == "latest":
        is_latest = latest_aliquots(kept)
        reason = (
            "another aliquot of the same sample is kept: the one with the highest plate and "
            "portion, or the first of equal ones"
        )
        dropped += [Drop("sample", name, reason) for name in kept.loc[~is_latest, "sample"]]
        steps.append((reason, int((~is_latest).sum())))
        kept = kept[is_latest]
    return KeptSamples(kept.sort_values("sample").reset_index(drop=True), dropped, facts, steps)


def without_rare_tumors(config: Config, samples: pd.DataFrame) -> KeptSamples:
    """The samples of tumors that have patients for every fold.

    Parameters
    ----------
    samples : DataFrame
        Sorted by ID, from `filter_samples`.

    Raises
    ------
    CohortError
        If a tumor has too few patients and `cohort.rare_tumors` is "error", or if fewer than two
        tumors are left.
    """
    kept, dropped = samples, list[Drop]()
    while len(rare := _thin_tumors(config, kept)):
        n_patients = kept.groupby("tumor")["patient"].nunique()
        is_rare = kept["tumor"].isin(rare)
        dropped += stop_or_drop(
            config.cohort.rare_tumors,
            [
                Drop(
                    "sample",
                    sample,
                    f"tumor {tumor} has {n_patients[tumor]} patients for the folds",
                )
                for sample, tumor in kept.loc[is_rare, ["sample", "tumor"]].to_numpy().tolist()
            ],
            f"samples of tumors whose patients do not fill splits.folds = {config.splits.folds}",
            'lower splits.folds, choose cohort.tumors, or set cohort.rare_tumors = "drop"',
            error=CohortError,
        )
        kept = kept[~is_rare]
    kept = kept.reset_index(drop=True)
    tumors = sorted(set(kept["tumor"]))
    if len(tumors) < MIN_TUMORS:
        msg = (
            f"{len(kept)} samples of {len(tumors)} tumors ({listed(tumors)}) are left; wanted "
            f"at least {MIN_TUMORS} tumors; widen the filters in [cohort]"
        )
        raise CohortError(msg)
    slugs(np.array(tumors))  # refuses tumors that give the same file name
    return KeptSamples(kept, dropped, [], [(tally.RARE_TUMOR, len(dropped))])


def _thin_tumors(config: Config, samples: pd.DataFrame) -> np.ndarray:
    """(tumors,) str: those that some fold would have no patient of."""
    tumors, tumor = np.unique(samples["tumor"].to_numpy(str), return_inverse=True)
    patients = samples["patient"].to_numpy(str)
    return tumors[thin_tumors(patients, tumor, n_folds=config.splits.folds)]


def distinct_samples(
    cohort: CohortSettings, names: list[str], samples: pd.DataFrame
) -> tuple[pd.DataFrame, list[Drop]]:
    """The samples that are both in the matrix and in the table, once each, and those left out.

    Parameters and errors are as in `filter_samples`.
    """
    is_row_repeated = samples["sample"].duplicated()
    matrix = pd.Index(names)
    is_repeated, has_row = matrix.duplicated(), matrix.isin(samples["sample"])
    _refuse_conflicts(samples)
    repeats = [
        Drop("sample", name, "repeated in the samples table")
        for name in samples.loc[is_row_repeated, "sample"]
    ]
    repeats += [
        Drop("sample", name, "repeated in the expression matrix") for name in matrix[is_repeated]
    ]
    strangers = [
        Drop("sample", name, "not in the samples table") for name in matrix[~has_row & ~is_repeated]
    ]
    dropped = stop_or_drop(
        cohort.duplicates,
        repeats,
        "repeated samples",
        'make their IDs unique or set cohort.duplicates = "drop", which keeps the first',
    )
    dropped += stop_or_drop(
        cohort.unlabelled,
        strangers,
        "samples of the matrix that the samples table lacks",
        'add them to the table, or set cohort.unlabelled = "drop", which leaves them out and lists '
        "them",
    )
    table = samples[~is_row_repeated]
    return table[table["sample"].isin(matrix)], dropped


def _with_tumors(cohort: CohortSettings, samples: pd.DataFrame) -> KeptSamples:
    """The samples that have a tumor, of the sources and tumors that the config names."""
    of_source, facts = _only(samples, "source", cohort.sources)
    is_unlabelled = of_source["tumor"] == ""
    names = of_source.loc[is_unlabelled, "sample"]
    dropped = stop_or_drop(
        cohort.unlabelled,
        [Drop("sample", name, "has no tumor type") for name in names],
        "samples without tumor type",
        'label them, or set cohort.unlabelled = "drop", which leaves them out and lists them',
    )
    labelled = of_source[~is_unlabelled]
    kept, more = _only(labelled, "tumor", cohort.tumors)
    steps = [
        (tally.OTHER_SOURCE, len(samples) - len(of_source)),
        *tally.by_reason(dropped),
        (tally.OTHER_TUMOR, len(labelled) - len(kept)),
    ]
    return KeptSamples(kept, dropped, facts + more, steps)


def _only(
    samples: pd.DataFrame, column: str, names: tuple[str, ...]
) -> tuple[pd.DataFrame, list[Fact]]:
    """The samples whose tumor or source is one of the names, or all if there are no names."""
    if not names:
        return samples, []
    existing = set(samples[column]) - {""}
    absent = sorted(set(names) - existing)
    if absent:
        msg = (
            f"cohort.{column}s names {listed(absent)}, which no sample has (of those that other "
            f"filters keep); there are: {listed(sorted(existing), N_COLUMNS) or 'none'}; correct "
            f"cohort.{column}s, or set input.{column}_column to the column that has them"
        )
        raise CohortError(msg)
    kept = samples[samples[column].isin(names)]
    left_out = samples.loc[~samples[column].isin(names), column].value_counts()
    texts = [f"{name or 'none'} ({n})" for name, n in left_out.items()]
    text = f"keeps {len(kept)} of {len(samples)} samples"
    reason = f"cohort.{column}s = {quoted(list(names))}"
    return kept, [Fact(f"{column}s", text, reason, f"left out: {listed(texts, N_COLUMNS)}")]


def _require_patients(cohort: CohortSettings, samples: pd.DataFrame) -> None:
    """Stop where a patient is unknown, unless each sample is said to be one.

    Two samples of one patient in two folds would let a network see the patient that it is tested
    on.
    """
    unknown = samples.loc[samples["patient"] == "", "sample"].tolist()
    if unknown and cohort.patients == STOP:
        msg = (
            f"the patient of {len(unknown)} of {len(samples)} samples is not known "
            f"({listed(unknown)}): these IDs are no barcodes of TCGA, TARGET or GTEx, and no "
            "column names patients; set input.patient_column to the column that does, or, if no "
            'patient gave two of these samples, cohort.patients = "samples"'
        )
        raise InputError(msg)


def _refuse_conflicts(samples: pd.DataFrame) -> None:
    """Stop where the samples table gives one sample two tumors: no rule knows which is right."""
    n_tumors = samples[samples["tumor"] != ""].groupby("sample")["tumor"].nunique()
    conflicts = n_tumors.index[n_tumors > 1].tolist()
    if conflicts:
        first = conflicts[0]
        tumors = sorted(set(samples.loc[samples["sample"] == first, "tumor"]))
        msg = (
            f"{len(conflicts)} samples are repeated in the samples table with more than one tumor "
            f"type ({quoted(first)}: {listed(tumors)}); correct the table"
        )
        raise InputError(msg)
