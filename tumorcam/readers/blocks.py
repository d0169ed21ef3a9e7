"""Expression matrices as streams of blocks, and the passes over them that a cohort takes.

Every sum over a file adds one term after the other in the order of the file. So neither the size
of the blocks nor the orientation of the file changes a bit of any result.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from tumorcam.errors import InputError
from tumorcam.readers.matrix import Drop
from tumorcam.readers.text import MISSING
from tumorcam.readers.wording import plain

BLOCK_VALUES = 2**19  # values of a block: 4 MiB as float64
COUNTS_PER_MILLION = 1e6
MAX_VALUE = 1e30  # on any scale; a cohort is stored as float32, whose largest value is 3e38
WHOLE_FLOAT = re.compile(r"(\d+)\.0")  # an Entrez ID that pandas took for a float


class Block(NamedTuple):
    """A part of a matrix: `values` (samples, genes) float of consecutive samples and genes."""

    samples: slice
    genes: slice
    values: np.ndarray


class Expression(Protocol):
    """An expression matrix in a file, in the order of the file; it can be read any number of times.

    `dropped` lists rows of the file that hold no data. `blocks` gives each value once, so that the
    samples of a gene come in ascending order, and so do the genes of a sample.
    """

    path: Path
    samples: list[str]
    genes: list[str]
    dropped: list[Drop]

    def blocks(self) -> Iterator[Block]:
        """The values of the file, one block after the other."""


@dataclass(frozen=True)
class SelectedExpression:
    """An expression matrix, which of its samples and genes are selected, and the scale of it.

    Attributes
    ----------
    expression : Expression
        The whole matrix.
    sample_mask : (file samples,) bool
        True for the samples that the cohort keeps.
    gene_mask : (file genes,) bool
        True for the first gene of each name, False for its repeats.
    scale : str
        Scale of the values, as in `input.scale`.
    """

    expression: Expression
    sample_mask: np.ndarray
    gene_mask: np.ndarray
    scale: str

    def blocks(self) -> Iterator[Block]:
        """Blocks of the selected samples, which are counted from 0, and of all genes.

        The values are (samples, genes) float64.
        """
        position = np.concatenate([[0], np.cumsum(self.sample_mask)]).tolist()
        for samples, genes, values in self.expression.blocks():
            start, stop = position[samples.start], position[samples.stop]
            if stop > start:
                selected = values[self.sample_mask[samples]].astype(np.float64, order="C")
                yield Block(slice(start, stop), genes, selected)


@dataclass(frozen=True)
class GeneStatistics:
    """Statistics of each gene of a file over the selected samples.

    Attributes
    ----------
    variance : (genes,) float64
        Variance of log2(x + 1).
    bad_sample : (genes,) int64
        The first selected sample whose value is missing, infinite or negative; -1 if there is none.
    bad_value : (genes,) float64
        The value of that sample; 0 if there is none.
    largest : float
        The largest value of the file before log2.
    """

    variance: np.ndarray
    bad_sample: np.ndarray
    bad_value: np.ndarray
    largest: float


class Moments:
    """Sums over blocks that give the variance of each gene.

    The sums are of deviations from the gene's first sample, so that the variance of a constant gene
    is exactly 0.
    """

    def __init__(self, n_genes: int) -> None:
        self.n_samples = 0
        self.first, self.total, self.squares = np.zeros((3, n_genes))

    def add(self, block: Block) -> None:
        """Add a block of log2 values; the samples of a gene must come in ascending order."""
        values = block.values.astype(np.float64)
        if block.samples.start == 0:
            self.first[block.genes] = values[0]
        values -= self.first[block.genes]
        self.total[block.genes] = _running_sum(self.total[block.genes], values, axis=0)
        self.squares[block.genes] = _running_sum(self.squares[block.genes], values**2, axis=0)
        self.n_samples = max(self.n_samples, block.samples.stop)

    @property
    def variance(self) -> np.ndarray:
        """(genes,) float64: squared deviations from the mean, divided by the number of samples."""
        mean = self.total / self.n_samples
        return np.maximum(self.squares / self.n_samples - mean**2, 0)


def gene_names(ids: Iterable[str], fallbacks: Iterable[str]) -> list[str]:
    """Gene IDs without blanks and without the ".0" of a float; a missing ID gets its fallback."""
    names = []
    for gene_id, fallback in zip(ids, fallbacks, strict=True):
        name = gene_id.strip()
        whole = WHOLE_FLOAT.fullmatch(name)
        names.append(fallback if name in MISSING else whole[1] if whole else name)
    return names


def library_sizes(selected: SelectedExpression) -> np.ndarray:
    """(selected samples,) float64: the sum of each sample's counts over the selected genes.

    Missing, infinite and negative values add nothing: a later step drops or refuses their genes.

    Raises
    ------
    InputError
        If the counts of a sample add up to 0.
    """
    sizes = np.zeros(selected.sample_mask.sum())
    for samples, genes, values in selected.blocks():
        terms = np.where(_is_bad(values, selected.scale) | ~selected.gene_mask[genes], 0, values)
        sizes[samples] = _running_sum(sizes[samples], terms, axis=1)
    empty = np.flatnonzero(sizes == 0)
    if len(empty):
        names = np.array(selected.expression.samples)[selected.sample_mask]
        msg = (
            f"{selected.expression.path}: {len(empty)} samples have no counts "
            f"(first: {plain(names[empty[0]])}); take them out of the samples table or check "
            "input.scale"
        )
        raise InputError(msg)
    return sizes


def gene_statistics(selected: SelectedExpression, library: np.ndarray | None) -> GeneStatistics:
    """Variance and first bad value of each gene, from one pass over the file.

    Parameters
    ----------
    library : (selected samples,) float64 or None
        From `library_sizes` if the scale is counts, else None.
    """
    n_genes = len(selected.gene_mask)
    moments = Moments(n_genes)
    bad_sample, bad_value = np.full(n_genes, -1), np.zeros(n_genes)
    largest = 0.0
    for samples, genes, values in selected.blocks():
        is_bad = _is_bad(values, selected.scale)
        newly_bad = np.flatnonzero(is_bad.any(axis=0) & (bad_sample[genes] < 0))
        row = is_bad[:, newly_bad].argmax(axis=0)
        bad_sample[genes.start + newly_bad] = samples.start + row
        bad_value[genes.start + newly_bad] = values[row, newly_bad]
        values[is_bad] = 0
        largest = max(largest, float(values.max()))
        moments.add(Block(samples, genes, _log2(values, selected.scale, library, samples)))
    return GeneStatistics(moments.variance, bad_sample, bad_value, largest)


def extract(
    selected: SelectedExpression,
    library: np.ndarray | None,
    *,
    rows: np.ndarray,
    genes: np.ndarray,
) -> np.ndarray:
    """(selected samples, chosen genes) float32: log2(x + 1), from one pass over the file.

    Parameters
    ----------
    library : (selected samples,) float64 or None
        From `library_sizes` if the scale is counts, else None.
    rows : (selected samples,) int
        Row of the result for each selected sample.
    genes : (chosen genes,) int
        Index in the file of each column of the result.
    """
    expression = np.empty((len(rows), len(genes)), dtype=np.float32)
    column = np.full(len(selected.gene_mask), -1)
    column[genes] = np.arange(len(genes))
    for samples, block_genes, values in selected.blocks():
        target = column[block_genes]
        log2 = _log2(values[:, target >= 0], selected.scale, library, samples)
        expression[np.ix_(rows[samples], target[target >= 0])] = log2
    return expression


def variance_of(expression: np.ndarray) -> np.ndarray:
    """(genes,) float64: variance of each gene of a (samples, genes) array.

    It reads one block of samples after the other, so that it needs little memory.
    """
    n_samples, n_genes = expression.shape
    moments = Moments(n_genes)
    step = max(1, BLOCK_VALUES // n_genes)
    for start in range(0, n_samples, step):
        rows = slice(start, min(start + step, n_samples))
        moments.add(Block(rows, slice(0, n_genes), expression[rows]))
    return moments.variance


def _log2(values: np.ndarray, scale: str, library: np.ndarray | None, samples: slice) -> np.ndarray:
    """(samples, genes) float32: log2(x + 1) of the values, unless the scale says log2 or as_is."""
    if scale in ("log2", "as_is"):
        return values.astype(np.float32)
    if library is not None:
        values = values / library[samples, np.newaxis] * COUNTS_PER_MILLION
    return np.log2(values + 1).astype(np.float32)


def _is_bad(values: np.ndarray, scale: str) -> np.ndarray:
    """(samples, genes) bool: True for values that are missing, infinite, too large or negative.

    With the scale as_is, negative values are good.
    """
    is_bad = ~(np.abs(values) <= MAX_VALUE)  # NaN and infinity are bad too
    return is_bad if scale == "as_is" else is_bad | (values < 0)


def _running_sum(start: np.ndarray, terms: np.ndarray, *, axis: int) -> np.ndarray:
    """`start` plus the terms, added one after the other along an axis.

    `numpy.sum` adds in pairs, whose sums depend on the size of the block.
    """
    stacked = np.concatenate([np.expand_dims(start, axis), terms], axis=axis)
    return np.add.accumulate(stacked, axis=axis).take(-1, axis=axis)
