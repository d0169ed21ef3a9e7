"""Which samples and genes a cohort keeps; whatever is wrong stops, or is dropped and listed."""

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from tumorcam.cluster.logs import logger
from tumorcam.cohort.cohort import Cohort, Selection
from tumorcam.config import Config
from tumorcam.errors import CohortError, InputError, TumorcamError
from tumorcam.readers import blocks
from tumorcam.readers.blocks import Drop, Expression, GeneStatistics, View
from tumorcam.settings import CohortSettings

MAX_GENES = 107**2  # chosen without cohort.genes: images of 107 x 107 pixels, decoys not counted
MIN_GENES = 4  # an image of 2 x 2 pixels
MIN_TUMORS = 2
MAX_LOG2 = 40.0  # log2(x + 1): nothing is counted 10^12 times
N_SHOWN = 3  # names in a message


def select(config: Config, expression: Expression, samples: pd.DataFrame) -> Selection:
    """The samples and the most variable genes that the config asks for, in canonical order.

    The file is read once for the variances and once for the chosen genes, and before that once
    for library sizes where `input.scale` is counts. A gene's variance is that of log2(x + 1) over
    the kept samples; no labels are used.

    Parameters
    ----------
    config : Config
        Its sections input, cohort and splits.
    expression : Expression
        From `readers.open_inputs`.
    samples : DataFrame
        Columns sample, patient, tumor, sample_type and source (str), one row a sample.

    Returns
    -------
    Selection
        `dropped` lists all that something was wrong with; samples that the filters took out on
        purpose are only counted in the log.

    Raises
    ------
    InputError
        If something is wrong with samples, genes or values that the config does not drop.
    CohortError
        If too few samples, tumors or genes are left, or a wanted tumor or source is not there.
    """
    kept, sample_drops = choose_samples(config, expression, samples)
    position = kept.pop("position").to_numpy()
    is_kept = np.zeros(len(expression.samples), dtype=bool)
    is_kept[position] = True
    is_first, repeats = _distinct_genes(config, expression)
    view = View(expression, is_kept, is_first, config.input.scale)
    library = blocks.library_sizes(view) if config.input.scale == "counts" else None
    statistics = blocks.gene_statistics(view, library)
    is_usable, bad = _usable_genes(config, view, statistics)
    names = np.array(expression.genes)
    genes = choose_genes(names, statistics.variance, is_usable, n_wanted=config.cohort.genes)
    matrix = blocks.extract(view, library, rows=np.argsort(position), genes=genes)
    drops = [*expression.dropped, *sample_drops, *repeats, *bad]
    _log_drops(drops)
    return Selection(
        expression=matrix,
        samples=kept,
        genes=names[genes],
        variance=blocks.variance_of(matrix),
        dropped=pd.DataFrame(drops, columns=list(Drop._fields), dtype=str),
    )


def choose_samples(
    config: Config, expression: Expression, samples: pd.DataFrame
) -> tuple[pd.DataFrame, list[Drop]]:
    """The samples to keep, sorted by ID, and those that were dropped for a fault.

    The table returned has one more column, `position` (int): where the sample is in the file.

    Raises
    ------
    InputError, CohortError
        As `select` does.
    """
    labelled, drops = _labelled_samples(config.cohort, expression, samples)
    kept = _of_sample_types(labelled, config.cohort.sample_types)
    kept = _only(kept, "source", config.cohort.sources)
    no_tumor = kept["tumor"] == ""
    drops += _stop_or_drop(
        config.cohort.unlabelled,
        [Drop("sample", name, "has no tumor type") for name in kept.loc[no_tumor, "sample"]],
        f"{expression.path}: samples without tumor type",
        'label them or set cohort.unlabelled = "drop"',
    )
    kept = _only(kept[~no_tumor], "tumor", config.cohort.tumors)
    kept, rare = _without_rare_tumors(config, kept.sort_values("sample"))
    n_tumors = kept["tumor"].nunique()
    if n_tumors < MIN_TUMORS:
        msg = (
            f"{len(kept)} samples of {n_tumors} tumors ({', '.join(kept['tumor'].unique())}) are "
            f"left; wanted at least {MIN_TUMORS} tumors; widen the filters in [cohort]"
        )
        raise CohortError(msg)
    return kept.reset_index(drop=True), drops + rare


def choose_genes(
    names: np.ndarray, variance: np.ndarray, usable: np.ndarray, *, n_wanted: int
) -> np.ndarray:
    """Indices of the most variable usable genes, sorted by name.

    Equal variances go by name; a constant gene is taken only where `n_wanted` leaves no choice.

    Parameters
    ----------
    names : (genes,) str
    variance : (genes,) float64
    usable : (genes,) bool
    n_wanted : int
        0: as many of the genes that vary as fill the largest square, at most 107 x 107.

    Raises
    ------
    CohortError
        If there are not so many usable genes, or fewer than 4.
    """
    n_usable, n_varying = int(usable.sum()), int((usable & (variance > 0)).sum())
    n_genes = n_wanted or math.isqrt(min(n_varying, MAX_GENES)) ** 2
    if n_genes > n_usable or n_genes < MIN_GENES:
        wanted = n_wanted or f"a square of at least {MIN_GENES}"
        msg = (
            f"the matrix has {n_usable} usable genes, {n_varying} of which vary; wanted {wanted}; "
            "set cohort.genes = 0 or give a matrix with more genes"
        )
        raise CohortError(msg)
    candidates = np.flatnonzero(usable)
    order = np.lexsort((names[candidates], -variance[candidates]))
    chosen = candidates[order[:n_genes]]
    return chosen[np.argsort(names[chosen])]


def single_source_tumors(tumors: np.ndarray, sources: np.ndarray) -> list[str]:
    """Tumors whose samples all come from one source, where there are several sources.

    For such a tumor source and tumor type cannot be told apart.

    Parameters
    ----------
    tumors, sources : (samples,) str
    """
    if len(set(sources)) < 2:
        return []
    return [t for t in sorted(set(tumors)) if len(set(sources[tumors == t])) == 1]


def summary(made: Cohort) -> list[str]:
    """What a cohort holds, in lines for a log: tumors, sizes, drops and tumors of one source."""
    lines = [f"{'tumor':12} samples patients  samples in each fold"]
    for index, name in enumerate(made.tumors):
        own = made.tumor == index
        folds = " ".join(map(str, np.bincount(made.fold[own], minlength=made.n_folds)))
        lines.append(f"{name:12} {own.sum():7} {len(set(made.patient[own])):8}  {folds}")
    side = made.layouts[0].side
    lines.append(
        f"{len(made.sample)} samples of {len(made.tumors)} tumors, {len(made.genes)} genes and "
        f"{len(made.decoy_gene)} decoys on images of {side} x {side} pixels, {made.n_folds} folds, "
        f"{len(made.layouts)} layouts; {len(made.dropped)} drops"
    )
    single = single_source_tumors(made.tumors[made.tumor], made.source)
    if single:
        lines.append(
            f"warning: all samples of {', '.join(single)} come from one source each: source and "
            "tumor type cannot be told apart"
        )
    return lines


def _labelled_samples(
    cohort: CohortSettings, expression: Expression, samples: pd.DataFrame
) -> tuple[pd.DataFrame, list[Drop]]:
    """Samples that are in the matrix and in the table, each once, with their `position`."""
    twice = samples["sample"].duplicated()
    matrix = pd.Index(expression.samples)
    again, known = matrix.duplicated(), matrix.isin(samples["sample"])
    repeats = [
        Drop("sample", name, "repeated in the samples table")
        for name in samples.loc[twice, "sample"]
    ]
    repeats += [Drop("sample", name, "repeated in the expression matrix") for name in matrix[again]]
    strangers = [
        Drop("sample", name, "not in the samples table") for name in matrix[~known & ~again]
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
    position = np.flatnonzero(known & ~again)
    table = samples[~twice].set_index("sample", drop=False)
    logger.info(
        "%d samples of the table are in the matrix, %d are not",
        len(position),
        len(table) - len(position),
    )
    return table.loc[matrix[position]].assign(position=position), drops


def _of_sample_types(samples: pd.DataFrame, wanted: tuple[str, ...]) -> pd.DataFrame:
    if not wanted:
        return samples
    if (samples["sample_type"] == "").all():
        msg = (
            f"cohort.sample_types = {list(wanted)} but no sample type is known: there is neither "
            "such a column nor a TCGA barcode; set input.sample_type_column or "
            "cohort.sample_types = []"
        )
        raise InputError(msg)
    kept = samples[samples["sample_type"].isin(wanted)]
    counts = samples["sample_type"].value_counts().sort_index()
    shown = ", ".join(f"{name or 'unknown'} ({n})" for name, n in counts.items())
    if kept.empty:
        msg = f"no sample is of cohort.sample_types = {list(wanted)}; there are: {shown}"
        raise CohortError(msg)
    logger.info("sample types: %s; kept %d samples of %s", shown, len(kept), ", ".join(wanted))
    lost = sorted(set(samples["tumor"]) - set(kept["tumor"]) - {""})
    if lost:
        logger.info("warning: no sample of %s is of these sample types", ", ".join(lost))
    return kept


def _only(samples: pd.DataFrame, column: str, wanted: tuple[str, ...]) -> pd.DataFrame:
    """The samples whose tumor or source is one of the wanted, where any are named."""
    existing = set(samples[column]) - {""}
    absent = sorted(set(wanted) - existing)
    if absent:
        msg = (
            f"cohort.{column}s names {', '.join(absent)}, which no sample has (of those that "
            f"other filters keep); there are: {', '.join(sorted(existing)) or 'none'}"
        )
        raise CohortError(msg)
    kept = samples[samples[column].isin(wanted)] if wanted else samples
    if wanted:
        logger.info("cohort.%ss keeps %d of %d samples", column, len(kept), len(samples))
    return kept


def _without_rare_tumors(config: Config, samples: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
    """Without tumors of fewer patients than folds; a patient counts for the first sample's tumor.

    `samples` are sorted by ID, as `splits.patient_folds` gets them.
    """
    first = samples.drop_duplicates("patient")["tumor"].value_counts()
    n_patients = {tumor: int(first.get(tumor, 0)) for tumor in sorted(set(samples["tumor"]))}
    rare = {t: n for t, n in n_patients.items() if n < config.splits.folds}
    is_rare = samples["tumor"].isin(rare)
    drops = [
        Drop("sample", sample, f"tumor {tumor} has {rare[tumor]} patients")
        for sample, tumor in samples.loc[is_rare, ["sample", "tumor"]].to_numpy().tolist()
    ]
    return samples[~is_rare], _stop_or_drop(
        config.cohort.rare_tumors,
        drops,
        f"samples of tumors with fewer patients than splits.folds = {config.splits.folds}",
        'lower splits.folds, choose cohort.tumors, or set cohort.rare_tumors = "drop"',
        error=CohortError,
    )


def _distinct_genes(config: Config, expression: Expression) -> tuple[np.ndarray, list[Drop]]:
    """(genes,) bool: True for the first gene of each name; and the others."""
    names = pd.Index(expression.genes)
    repeated = names.duplicated()
    return ~repeated, _stop_or_drop(
        config.cohort.duplicates,
        [Drop("gene", name, "repeated: the first is kept") for name in names[repeated]],
        f"{expression.path}: repeated genes",
        'make IDs unique, set input.gene_column, or set cohort.duplicates = "drop"',
    )


def _usable_genes(
    config: Config, view: View, statistics: GeneStatistics
) -> tuple[np.ndarray, list[Drop]]:
    """(genes,) bool: distinct and without bad values; and the genes with bad values."""
    path, samples = view.expression.path, np.array(view.expression.samples)[view.samples]
    if config.input.scale == "log2" and statistics.largest > MAX_LOG2:
        msg = (
            f"{path} has the value {statistics.largest:g}, too large for log2(x + 1) as "
            "input.scale says; set input.scale to counts, tpm, fpkm, rsem or as_is"
        )
        raise InputError(msg)
    is_bad = view.genes & (statistics.bad_sample >= 0)
    drops = [
        Drop(
            "gene",
            view.expression.genes[i],
            f"is {statistics.bad_value[i]:g} in sample {samples[statistics.bad_sample[i]]}",
        )
        for i in np.flatnonzero(is_bad)
    ]
    return view.genes & ~is_bad, _stop_or_drop(
        config.cohort.bad_values,
        drops,
        f"{path}: genes with missing, infinite or negative values",
        'correct them, set input.scale = "as_is" for values around zero, or set '
        'cohort.bad_values = "drop"',
    )


def _stop_or_drop(
    policy: str,
    drops: list[Drop],
    what: str,
    remedy: str,
    *,
    error: type[TumorcamError] = InputError,
) -> list[Drop]:
    """The drops, if the config says so; else an error that says what, how many and which first."""
    if drops and policy == "error":
        shown = ", ".join(f"{drop.name} ({drop.reason})" for drop in drops[:N_SHOWN])
        more = ", ..." if len(drops) > N_SHOWN else ""
        msg = f"{what}: {len(drops)}, {shown}{more}; {remedy}"
        raise error(msg)
    return drops


def _log_drops(drops: Iterable[Drop]) -> None:
    kinds = pd.Series([drop.kind for drop in drops], dtype=str).value_counts()
    for kind, n in kinds.items():
        logger.info("dropped %d %ss, listed in cohort.h5", n, kind)
