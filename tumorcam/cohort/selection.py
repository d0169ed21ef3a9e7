"""The samples and genes that a cohort keeps.

A fault of the input stops the job, or its sample or gene is dropped and listed, as the config says.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from tumorcam.cluster.logs import logger
from tumorcam.config import Config
from tumorcam.errors import CohortError, InputError, TumorcamError, quoted
from tumorcam.readers import blocks
from tumorcam.readers.blocks import Expression, GeneStatistics, SelectedExpression
from tumorcam.readers.matrix import Drop
from tumorcam.readers.wording import N_COLUMNS, N_SHOWN, listed, plain
from tumorcam.settings import CohortSettings
from tumorcam.storage.run_folder import slugs

MAX_GENES = 107**2  # if cohort.genes is 0: images of 107 x 107 pixels, decoys not counted
MIN_GENES = 4  # an image of 2 x 2 pixels
MIN_TUMORS = 2
MAX_LOG2 = 40.0  # log2(x + 1): no gene is counted 10^12 times


@dataclass(frozen=True)
class Selection:
    """The samples and genes of the input that a cohort keeps, in canonical order.

    Attributes
    ----------
    expression : (samples, genes) float32
        log2(x + 1).
    samples : DataFrame
        One row a sample, sorted by ID: sample, patient, tumor, sample_type and source (str).
    genes : (genes,) str
        Names, sorted.
    variance : (genes,) float64
        Variance of log2(x + 1) over all samples.
    dropped : DataFrame
        Genes, samples and rows that were left out because of a fault: kind, name and reason (str).
    """

    expression: np.ndarray
    samples: pd.DataFrame
    genes: np.ndarray
    variance: np.ndarray
    dropped: pd.DataFrame


class KeptSamples(NamedTuple):
    """Rows of the samples table to keep, and the samples that were dropped because of a fault.

    `table` has, besides the columns of the samples table, `position` (int): the index of the sample
    in the file.
    """

    table: pd.DataFrame
    dropped: list[Drop]


class KeptGenes(NamedTuple):
    """`mask` (file genes,) bool, True for the genes to keep, and the genes that were dropped."""

    mask: np.ndarray
    dropped: list[Drop]


def select(config: Config, expression: Expression, samples: pd.DataFrame) -> Selection:
    """The samples and the most variable genes that the config asks for, in canonical order.

    The file is read once for the variances and once for the chosen genes. If `input.scale` is
    counts, it is read once more before that, for the library sizes. The variance of a gene is that
    of log2(x + 1) over the kept samples; no labels are used.

    Parameters
    ----------
    config : Config
        Its sections input, cohort and splits.
    expression : Expression
        From `inputs.open_inputs`.
    samples : DataFrame
        One row a sample: sample, patient, tumor, sample_type and source (str).

    Returns
    -------
    Selection
        `dropped` lists what was left out because of a fault. Samples that a filter left out on
        purpose are only counted in the log.

    Raises
    ------
    InputError
        If samples, genes or values have a fault for which the config does not say "drop".
    CohortError
        If too few samples, tumors or genes are left, if no sample has a tumor or source that the
        config names, or if two tumors would give the same file name.
    """
    kept = filter_samples(config, expression, samples)
    position = kept.table.pop("position").to_numpy()
    is_kept = np.zeros(len(expression.samples), dtype=bool)
    is_kept[position] = True
    distinct = _distinct_genes(config, expression)
    selected = SelectedExpression(expression, is_kept, distinct.mask, config.input.scale)
    library = blocks.library_sizes(selected) if config.input.scale == "counts" else None
    statistics = blocks.gene_statistics(selected, library)
    usable = _usable_genes(config, selected, statistics)
    names = np.array(expression.genes)
    genes = choose_genes(names, statistics.variance, usable.mask, n_wanted=config.cohort.genes)
    matrix = blocks.extract(selected, library, rows=np.argsort(position), genes=genes)
    drops = [*expression.dropped, *kept.dropped, *distinct.dropped, *usable.dropped]
    _log_drops(drops)
    return Selection(
        expression=matrix,
        samples=kept.table,
        genes=names[genes],
        variance=blocks.variance_of(matrix),
        dropped=pd.DataFrame(drops, columns=list(Drop._fields), dtype=str),
    )


def filter_samples(config: Config, expression: Expression, samples: pd.DataFrame) -> KeptSamples:
    """The samples to keep, sorted by ID, and the samples that were dropped because of a fault.

    Raises
    ------
    InputError, CohortError
        For the same reasons as in `select`.
    """
    labelled = _labelled_samples(config.cohort, expression, samples)
    kept = _of_sample_types(labelled.table, config.cohort.sample_types)
    kept = _only(kept, "source", config.cohort.sources)
    is_unlabelled = kept["tumor"] == ""
    unlabelled = _stop_or_drop(
        config.cohort.unlabelled,
        [Drop("sample", name, "has no tumor type") for name in kept.loc[is_unlabelled, "sample"]],
        f"{expression.path}: samples without tumor type",
        'label them or set cohort.unlabelled = "drop"',
    )
    kept = _only(kept[~is_unlabelled], "tumor", config.cohort.tumors)
    kept, rare = _without_rare_tumors(config, kept.sort_values("sample"))
    tumors = kept["tumor"].unique().tolist()
    if len(tumors) < MIN_TUMORS:
        msg = (
            f"{len(kept)} samples of {len(tumors)} tumors ({listed(tumors)}) are left; wanted "
            f"at least {MIN_TUMORS} tumors; widen the filters in [cohort]"
        )
        raise CohortError(msg)
    slugs(np.unique(kept["tumor"].to_numpy(str)))  # refuses tumors that give the same file name
    return KeptSamples(kept.reset_index(drop=True), [*labelled.dropped, *unlabelled, *rare])


def choose_genes(
    names: np.ndarray, variance: np.ndarray, is_usable: np.ndarray, *, n_wanted: int
) -> np.ndarray:
    """(chosen genes,) int: indices of the most variable usable genes, sorted by name.

    Of genes with equal variance the first by name is chosen. A constant gene is chosen only if
    `n_wanted` leaves no choice.

    Parameters
    ----------
    names : (genes,) str
    variance : (genes,) float64
    is_usable : (genes,) bool
    n_wanted : int
        How many genes to choose. 0 stands for the largest square number of genes that vary, at most
        107 x 107.

    Raises
    ------
    CohortError
        If there are fewer usable genes, or if fewer than 4 would be chosen.
    """
    n_usable, n_varying = int(is_usable.sum()), int((is_usable & (variance > 0)).sum())
    n_genes = n_wanted or math.isqrt(min(n_varying, MAX_GENES)) ** 2
    if n_genes > n_usable or n_genes < MIN_GENES:
        size = n_wanted or f"a square of at least {MIN_GENES}"
        msg = (
            f"the matrix has {n_usable} usable genes, {n_varying} of which vary; wanted {size}; "
            "set cohort.genes = 0 or give a matrix with more genes"
        )
        raise CohortError(msg)
    candidates = np.flatnonzero(is_usable)
    order = np.lexsort((names[candidates], -variance[candidates]))
    chosen = candidates[order[:n_genes]]
    return chosen[np.argsort(names[chosen])]


def _labelled_samples(
    cohort: CohortSettings, expression: Expression, samples: pd.DataFrame
) -> KeptSamples:
    """The samples that are both in the matrix and in the table, once, with their `position`."""
    is_row_repeated = samples["sample"].duplicated()
    matrix = pd.Index(expression.samples)
    is_repeated, has_label = matrix.duplicated(), matrix.isin(samples["sample"])
    repeats = [
        Drop("sample", name, "repeated in the samples table")
        for name in samples.loc[is_row_repeated, "sample"]
    ]
    repeats += [
        Drop("sample", name, "repeated in the expression matrix") for name in matrix[is_repeated]
    ]
    strangers = [
        Drop("sample", name, "not in the samples table")
        for name in matrix[~has_label & ~is_repeated]
    ]
    drops = _stop_or_drop(
        cohort.duplicates,
        repeats,
        f"{expression.path}: repeated samples",
        'make their IDs unique or set cohort.duplicates = "drop", which keeps the first',
    )
    drops += _stop_or_drop(
        cohort.unlabelled,
        strangers,
        f"{expression.path}: unknown samples",
        'add them, leave them out, or set cohort.unlabelled = "drop"',
    )
    position = np.flatnonzero(has_label & ~is_repeated)
    table = samples[~is_row_repeated].set_index("sample", drop=False)
    logger.info(
        "%d samples of the table are in the matrix, %d are not",
        len(position),
        len(table) - len(position),
    )
    return KeptSamples(table.loc[matrix[position]].assign(position=position), drops)


def _of_sample_types(samples: pd.DataFrame, sample_types: tuple[str, ...]) -> pd.DataFrame:
    """The samples of the given types, or all if none is given."""
    if not sample_types:
        return samples
    if (samples["sample_type"] == "").all():
        msg = (
            f"cohort.sample_types = {quoted(list(sample_types))} but no sample type is known: "
            "there is neither such a column nor a TCGA barcode; set input.sample_type_column or "
            "cohort.sample_types = []"
        )
        raise InputError(msg)
    kept = samples[samples["sample_type"].isin(sample_types)]
    counts = samples["sample_type"].value_counts().sort_index()
    types = listed([f"{name or 'unknown'} ({n})" for name, n in counts.items()], N_COLUMNS)
    if kept.empty:
        msg = (
            f"no sample is of cohort.sample_types = {quoted(list(sample_types))}; there are: "
            f"{types}; set cohort.sample_types to some of these, or to [] for all"
        )
        raise CohortError(msg)
    logger.info("sample types: %s; kept %d samples of %s", types, len(kept), listed(sample_types))
    lost = sorted(set(samples["tumor"]) - set(kept["tumor"]) - {""})
    if lost:
        logger.info("warning: no sample of %s is of these sample types", listed(lost, N_COLUMNS))
    return kept


def _only(samples: pd.DataFrame, column: str, names: tuple[str, ...]) -> pd.DataFrame:
    """The samples whose tumor or source is one of the names, or all if there are no names."""
    existing = set(samples[column]) - {""}
    absent = sorted(set(names) - existing)
    if absent:
        msg = (
            f"cohort.{column}s names {listed(absent)}, which no sample has (of those that other "
            f"filters keep); there are: {listed(sorted(existing), N_COLUMNS) or 'none'}; correct "
            f"cohort.{column}s"
        )
        raise CohortError(msg)
    kept = samples[samples[column].isin(names)] if names else samples
    if names:
        logger.info("cohort.%ss keeps %d of %d samples", column, len(kept), len(samples))
    return kept


def _without_rare_tumors(config: Config, samples: pd.DataFrame) -> KeptSamples:
    """The samples of tumors that have at least as many patients as there are folds, and the others.

    A patient with several tumors counts for the tumor of the first sample, as in
    `splits.patient_folds`; therefore `samples` must be sorted by ID.
    """
    first = samples.drop_duplicates("patient")["tumor"].value_counts()
    n_patients = {tumor: int(first.get(tumor, 0)) for tumor in sorted(set(samples["tumor"]))}
    rare = {t: n for t, n in n_patients.items() if n < config.splits.folds}
    is_rare = samples["tumor"].isin(rare)
    drops = [
        Drop("sample", sample, f"tumor {tumor} has {rare[tumor]} patients")
        for sample, tumor in samples.loc[is_rare, ["sample", "tumor"]].to_numpy().tolist()
    ]
    dropped = _stop_or_drop(
        config.cohort.rare_tumors,
        drops,
        f"samples of tumors with fewer patients than splits.folds = {config.splits.folds}",
        'lower splits.folds, choose cohort.tumors, or set cohort.rare_tumors = "drop"',
        error=CohortError,
    )
    return KeptSamples(samples[~is_rare], dropped)


def _distinct_genes(config: Config, expression: Expression) -> KeptGenes:
    """The first gene of each name; the genes that repeat a name are dropped."""
    names = pd.Index(expression.genes)
    is_repeated = names.duplicated()
    dropped = _stop_or_drop(
        config.cohort.duplicates,
        [Drop("gene", name, "repeated: the first is kept") for name in names[is_repeated]],
        f"{expression.path}: repeated genes",
        'make IDs unique, set input.gene_column, or set cohort.duplicates = "drop"',
    )
    return KeptGenes(~is_repeated, dropped)


def _usable_genes(
    config: Config, selected: SelectedExpression, statistics: GeneStatistics
) -> KeptGenes:
    """The selected genes without bad values; the genes with bad values are dropped."""
    path = selected.expression.path
    samples = np.array(selected.expression.samples)[selected.sample_mask]
    if config.input.scale == "log2" and statistics.largest > MAX_LOG2:
        msg = (
            f"{path} has the value {statistics.largest:g}, too large for log2(x + 1) as "
            "input.scale says; set input.scale to counts, tpm, fpkm, rsem or as_is"
        )
        raise InputError(msg)
    is_bad = selected.gene_mask & (statistics.bad_sample >= 0)
    drops = [
        Drop(
            "gene",
            selected.expression.genes[i],
            f"is {statistics.bad_value[i]:g} in sample {samples[statistics.bad_sample[i]]}",
        )
        for i in np.flatnonzero(is_bad)
    ]
    dropped = _stop_or_drop(
        config.cohort.bad_values,
        drops,
        f"{path}: genes with missing, infinite or negative values",
        'correct them, set input.scale = "as_is" for values around zero, or set '
        'cohort.bad_values = "drop"',
    )
    return KeptGenes(selected.gene_mask & ~is_bad, dropped)


def _stop_or_drop(
    policy: str,
    drops: list[Drop],
    fault: str,
    remedy: str,
    *,
    error: type[TumorcamError] = InputError,
) -> list[Drop]:
    """The drops, unless the policy is "error".

    Raises
    ------
    TumorcamError
        If there are drops and the policy is "error". The message has the fault, the number of drops
        and the first of them, and the remedy.
    """
    if drops and policy == "error":
        examples = [f"{plain(drop.name)} ({plain(drop.reason)})" for drop in drops[:N_SHOWN]]
        more = ", ..." if len(drops) > N_SHOWN else ""
        msg = f"{fault}: {len(drops)}, {', '.join(examples)}{more}; {remedy}"
        raise error(msg)
    return drops


def _log_drops(drops: Iterable[Drop]) -> None:
    """Log how many genes, samples and rows were dropped."""
    kinds = pd.Series([drop.kind for drop in drops], dtype=str).value_counts()
    for kind, n in kinds.items():
        logger.info("dropped %d %ss, listed in cohort.h5", n, kind)
