"""The samples and genes that a cohort keeps, and their values as log2(x + 1)."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tumorcam.cohort import bad_values, sample_filters, tally
from tumorcam.cohort.bad_values import BadValueCounts, Names
from tumorcam.cohort.drops import log_drops
from tumorcam.cohort.evidence import EvidenceSum
from tumorcam.cohort.genes import distinct_genes
from tumorcam.cohort.kept_values import KeptValues, LogValues, kept_values
from tumorcam.cohort.mixed_scales import (
    SampleFigures,
    require_one_scale,
    require_scale_of_files,
)
from tumorcam.cohort.normalisation import library_sizes
from tumorcam.cohort.scales import COUNT_SCALES, check_scale, to_counts
from tumorcam.cohort.summary import count_by_type
from tumorcam.cohort.variance import gene_statistics
from tumorcam.errors import CohortError
from tumorcam.readers.genes.naming import NamedGenes, name_genes
from tumorcam.readers.inputs import Inputs
from tumorcam.readers.matrix import Drop, Fact, Matrix
from tumorcam.settings.config import Config
from tumorcam.storage.stored_values import StoredValues

MAX_GENES = 107**2  # if cohort.genes is 0: images of 107 x 107 pixels, decoys not counted
MIN_GENES = 4  # an image of 2 x 2 pixels


@dataclass(frozen=True)
class Selection:
    """The samples and genes of the input that a cohort keeps, in canonical order.

    Attributes
    ----------
    expression : StoredValues
        (genes, samples) float32, log2(x + 1), on disk.
    samples : DataFrame
        One row a sample, sorted by ID: sample, patient, tumor, sample_type and source (str).
    genes : (genes,) str
        Names, sorted.
    variance : (genes,) float64
        Variance of log2(x + 1) over all samples.
    dropped : DataFrame
        Genes, samples and rows that were left out: kind, name and reason (str).
    facts : DataFrame
        What was understood of the input; a row for each `Fact` (str).
    counts : DataFrame
        Samples of the input and of the cohort by tumor and type, from `summary.count_by_type`.
    tally : DataFrame
        Genes and samples that were read, left out for each reason, and kept: kind, step and n.
    """

    expression: StoredValues
    samples: pd.DataFrame
    genes: np.ndarray
    variance: np.ndarray
    dropped: pd.DataFrame
    facts: pd.DataFrame
    counts: pd.DataFrame
    tally: pd.DataFrame


class CheckedValues(NamedTuple):
    """The raw values of the samples that are kept, and which rows of the matrix are good genes.

    `steps` has the number of samples that were left out for each reason, `gene_steps` of genes.
    """

    kept: KeptValues
    samples: pd.DataFrame
    is_usable: np.ndarray
    dropped: list[Drop]
    facts: list[Fact]
    steps: list[tuple[str, int]]
    gene_steps: list[tuple[str, int]]


def select(config: Config, given: Inputs, folder: Path | None = None) -> Selection:
    """The samples and the most variable genes that the config asks for, in canonical order.

    The stored values are read once to check them, once for the variances and once for the chosen
    genes; counts are read once more for the library sizes. The variance of a gene is that of
    log2(x + 1) over the kept samples; no labels are used.

    Parameters
    ----------
    config : Config
        Its sections input, cohort and splits.
    given : Inputs
        From `inputs.open_inputs`.
    folder : Path or None
        A folder on a disk with room for the values of the selection.

    Returns
    -------
    Selection
        `dropped` lists all that was left out but for samples that a filter leaves out on purpose:
        these are counted in `facts`.

    Raises
    ------
    InputError
        If samples, genes or values have a fault for which the config does not say "drop".
    CohortError
        If too few samples, tumors or genes are left, if no sample has a tumor or source that the
        config names, or if two tumors would give the same file name.
    """
    matrix = given.matrix
    samples = sample_filters.filter_samples(config, matrix.samples, given.samples)
    named = name_genes(matrix, config.input)
    checked = _without_rare_tumors(config, check_values(config, matrix, samples.table, named))
    values = log_values(config, checked, named, matrix.path)
    statistics = gene_statistics(values.genes.bands(), len(values.names), checked.samples["tumor"])
    is_usable = ~statistics.is_label
    if config.cohort.duplicates in ("drop", "max_variance"):
        is_usable &= _most_variable(values.names, statistics.variance)
    genes = choose_genes(values.names, statistics.variance, is_usable, n_wanted=config.cohort.genes)
    expression = StoredValues(folder)
    for _, band in values.genes.only(genes).bands():
        expression.add_genes(band)
    dropped = [
        *(*matrix.dropped, *given.dropped, *samples.dropped, *named.dropped),
        *(*checked.dropped, *values.dropped),
        *(Drop("gene", name, tally.IS_LABEL) for name in values.names[statistics.is_label]),
    ]
    log_drops(dropped)
    facts = [*matrix.facts, *given.facts, *samples.facts, *named.facts, *checked.facts]
    return Selection(
        expression=expression,
        samples=checked.samples,
        genes=values.names[genes],
        variance=statistics.variance[genes],
        dropped=pd.DataFrame(dropped, columns=list(Drop._fields), dtype=str),
        facts=pd.DataFrame(facts, columns=list(Fact._fields), dtype=str),
        counts=count_by_type(given.samples, checked.samples),
        tally=tally.tally_of(
            tally.gene_rows(
                matrix,
                named,
                [
                    *checked.gene_steps,
                    *tally.choice_steps(
                        int(checked.is_usable.sum()),
                        values.dropped,
                        statistics,
                        is_usable,
                        len(genes),
                    ),
                ],
                len(genes),
            ),
            tally.sample_rows(given, samples.steps + checked.steps, len(checked.samples)),
        ),
    )


def check_values(
    config: Config,
    matrix: Matrix,
    samples: pd.DataFrame,
    named: NamedGenes,
    *,
    keeps_missing: bool = False,
) -> CheckedValues:
    """The values of the kept samples, held against the scale, without bad samples and genes.

    Parameters
    ----------
    samples : DataFrame
        Sorted by ID: sample, patient, tumor, sample_type and source (str).
    keeps_missing : bool
        Whether a missing value is no bad value. Then a gene is left out only by "drop_genes": of
        others that are too large nothing is known in their own sample alone.

    Raises
    ------
    InputError
        If samples or values contradict the scale, or there are bad values for which the config
        does not say "drop".
    """
    cohort = config.cohort
    evidence, figures = EvidenceSum(len(samples)), SampleFigures(len(samples))
    kept = kept_values(
        matrix.values, matrix.samples, samples["sample"].to_numpy(str), cohort.duplicates
    )
    count = functools.partial(
        _count_bad_values, config, named=named, where=str(matrix.path), keeps_missing=keeps_missing
    )
    names, counts = count(kept, samples, sums=(evidence, figures))
    result = evidence.result()
    in_order = samples["sample"].tolist()
    require_one_scale(figures, result, kept, named.is_gene, in_order)
    require_scale_of_files(kept, named.is_gene, in_order, matrix, config.input.scale)
    facts = check_scale(result, config.input.scale, matrix)
    totals = np.flatnonzero(named.is_gene)[result.total_gene :][: int(result.total_gene >= 0)]
    bad_values.require_good(counts, names, cohort.bad_values)
    left_out = bad_values.bad_samples(counts, names, cohort)
    if counts.of_gene.any():
        text = f'cohort.bad_values = "{cohort.bad_values}"'
        facts.append(Fact("bad values", text, counts.figures(names)))
    if left_out.dropped:
        kept = kept.only(~left_out.mask)
        samples = samples[~left_out.mask].reset_index(drop=True)
        names, counts = count(kept, samples)
    bad = bad_values.LeftOut(np.zeros(len(named.names), bool), [])
    if not keeps_missing or cohort.bad_values == "drop_genes":
        bad = bad_values.bad_genes(counts, names, cohort)
    is_usable = named.is_gene & ~bad.mask & ~np.isin(np.arange(len(bad.mask)), totals)
    n_bad = int(named.is_gene.sum() - is_usable.sum()) - len(totals)
    return CheckedValues(
        kept,
        samples,
        is_usable,
        [
            *(Drop("gene", named.names[row], tally.IS_TOTAL) for row in totals),
            *(*left_out.dropped, *bad.dropped),
        ],
        facts,
        [(tally.BAD_VALUES, len(left_out.dropped))],
        [(tally.IS_TOTAL, len(totals)), (tally.BAD_VALUES, n_bad)],
    )


def _without_rare_tumors(config: Config, checked: CheckedValues) -> CheckedValues:
    """The values without the samples of tumors that have too few patients."""
    left = sample_filters.without_rare_tumors(config, checked.samples)
    kept = checked.kept
    if left.dropped:
        kept = kept.only(checked.samples["sample"].isin(left.table["sample"]).to_numpy())
    dropped = [*checked.dropped, *left.dropped]
    steps = [*checked.steps, *left.steps]
    return checked._replace(kept=kept, samples=left.table, dropped=dropped, steps=steps)


def _count_bad_values(
    config: Config,
    kept: KeptValues,
    samples: pd.DataFrame,
    *,
    named: NamedGenes,
    where: str,
    keeps_missing: bool,
    sums: Sequence[EvidenceSum | SampleFigures] = (),
) -> tuple[Names, BadValueCounts]:
    """One pass over the values of the genes; it also feeds what tells the scale."""
    tumors, tumor = np.unique(samples["tumor"].to_numpy(str), return_inverse=True)
    names = Names(
        genes=named.names,
        is_gene=named.is_gene,
        samples=samples["sample"].to_numpy(str),
        tumors=tumors,
        where=where,
    )
    counts = BadValueCounts(len(named.names), tumor, config.input.scale)
    for genes, band in kept.bands():
        is_gene = named.is_gene[genes]
        counts.add(genes, np.nan_to_num(band, nan=0) if keeps_missing else band, is_gene)
        for figures in sums:
            figures.add(band[is_gene])
    return names, counts


class GeneValues(NamedTuple):
    """log2(x + 1) of each distinct gene, its (genes,) name, and the repeats that were dropped."""

    genes: LogValues
    names: np.ndarray
    dropped: list[Drop]


def log_values(
    config: Config,
    checked: CheckedValues,
    named: NamedGenes,
    path: Path,
    *,
    is_chosen: np.ndarray | None = None,
) -> GeneValues:
    """log2(x + 1) of the genes; counts are divided by library sizes.

    Parameters
    ----------
    path : Path
        File of the matrix, for messages.
    is_chosen : (rows,) bool, or None
        The rows of the matrix that become genes, while all usable ones count for the library
        sizes; missing values then stay NaN. None: all usable rows, without missing values.

    Raises
    ------
    InputError
        If a gene is repeated and `cohort.duplicates` is "error", or a sample has no counts.
    """
    scale, is_usable = config.input.scale, checked.is_usable
    keeps_missing = is_chosen is not None
    if is_chosen is not None:
        is_usable = is_usable & is_chosen
    sizes = None
    if scale in COUNT_SCALES:
        counts = (
            (genes, to_counts(band[checked.is_usable[genes]], scale))
            for genes, band in checked.kept.bands()
        )
        names, method = checked.samples["sample"].tolist(), config.input.normalisation
        folder = checked.kept.values.folder
        sizes = library_sizes(counts, method, names, path, folder=folder)
    distinct = distinct_genes(
        np.array(named.names),
        is_usable,
        config.cohort.duplicates,
        are_transcripts=named.are_transcripts,
    )
    values = LogValues(
        kept=checked.kept,
        scale=scale,
        sizes=sizes,
        rows=distinct.rows,
        starts=distinct.starts,
        merge="sum" if config.cohort.duplicates == "sum" else "mean",
        repairs=config.cohort.bad_values in bad_values.REPAIRING,
        keeps_missing=keeps_missing,
    )
    return GeneValues(
        values, np.array(named.names)[distinct.rows[distinct.starts]], distinct.dropped
    )


def _most_variable(names: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """(genes,) bool: True for the most variable gene of each name, the first of equals."""
    order = np.lexsort((np.arange(len(names)), -variance))
    is_chosen = np.zeros(len(names), bool)
    is_chosen[order[~pd.Index(names[order]).duplicated()]] = True
    return is_chosen


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
