"""Expression matrices as streams of blocks, and the passes over them that a cohort takes.

Every sum over a file is taken strictly in file order, one term after the other. So neither the
size of the blocks nor the orientation of the file changes a bit of any result.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from tumorcam.errors import InputError
from tumorcam.readers.text import MISSING

BLOCK_VALUES = 2**19  # of one block: 4 MiB as float64
COUNTS_PER_MILLION = 1e6
MAX_VALUE = 1e30  # of any scale; float32, in which a cohort is kept, ends at 3e38
WHOLE_FLOAT = re.compile(r"(\d+)\.0")  # an Entrez ID that pandas took for a float


class Drop(NamedTuple):
    """Something that was left out: `kind` is gene, sample or row."""

    kind: str
    name: str
    reason: str


class Block(NamedTuple):
    """A part of a matrix: `values` (samples, genes) float of the given samples and genes."""

    samples: slice
    genes: slice
    values: np.ndarray


class Expression(Protocol):
    """An expression matrix in a file, in file order, read in as many passes as wanted.

    `dropped` are rows that are no data. `blocks` gives all values once, samples ascending for each
    gene and genes ascending for each sample.
    """

    path: Path
    samples: list[str]
    genes: list[str]
    dropped: list[Drop]

    def blocks(self) -> Iterator[Block]:
        """All values of the file, a block at a time."""


@dataclass(frozen=True)
class View:
    """The part of a matrix that counts, and what its values are.

    `samples` (file samples,) bool; `genes` (file genes,) bool: False for repeats of a gene;
    `scale` as in `input.scale`.
    """

    expression: Expression
    samples: np.ndarray
    genes: np.ndarray
    scale: str

    def blocks(self) -> Iterator[Block]:
        """Blocks of the samples that count, numbered anew; values (samples, genes) float64."""
        position = np.concatenate([[0], np.cumsum(self.samples)]).tolist()
        for samples, genes, values in self.expression.blocks():
            start, stop = position[samples.start], position[samples.stop]
            if stop > start:
                kept = values[self.samples[samples]].astype(np.float64, order="C")
                yield Block(slice(start, stop), genes, kept)


@dataclass(frozen=True)
class GeneStatistics:
    """What one pass tells of each gene of the file, over the samples that count.

    `variance` (genes,) float64 of log2(x + 1); `bad_sample` (genes,) int64 the first sample with
    a bad value or -1; `bad_value` (genes,) float64 that value; `largest` of all raw values.
    """

    variance: np.ndarray
    bad_sample: np.ndarray
    bad_value: np.ndarray
    largest: float


class Moments:
    """Variance of genes from blocks, by sums of deviations from each gene's first sample.

    A constant gene gets exactly 0.
    """

    def __init__(self, n_genes: int) -> None:
        self.n_samples = 0
        self.first, self.total, self.squares = np.zeros((3, n_genes))

    def add(self, block: Block) -> None:
        """Take in a block of log2 values; each gene's samples come in ascending order."""
        values = block.values.astype(np.float64)
        if block.samples.start == 0:
            self.first[block.genes] = values[0]
        values -= self.first[block.genes]
        self.total[block.genes] = _running_sum(self.total[block.genes], values, axis=0)
        self.squares[block.genes] = _running_sum(self.squares[block.genes], values**2, axis=0)
        self.n_samples = max(self.n_samples, block.samples.stop)

    @property
    def variance(self) -> np.ndarray:
        """(genes,) float64, divided by the number of samples."""
        mean = self.total / self.n_samples
        return np.maximum(self.squares / self.n_samples - mean**2, 0)


def gene_names(ids: Iterable[str], fallbacks: Iterable[str]) -> list[str]:
    """Gene IDs without blanks and without the .0 of floats; a missing one gets its fallback."""
    names = []
    for gene_id, fallback in zip(ids, fallbacks, strict=True):
        name = gene_id.strip()
        whole = WHOLE_FLOAT.fullmatch(name)
        names.append(fallback if name in MISSING else whole[1] if whole else name)
    return names


def library_sizes(view: View) -> np.ndarray:
    """(samples,) float64: sum of each sample's raw values over genes that count.

    Bad values add nothing; their genes are dropped or refused later.

    Raises
    ------
    InputError
        If a sample has no counts at all.
    """
    sizes = np.zeros(view.samples.sum())
    for samples, genes, values in view.blocks():
        terms = np.where(_bad(values, view.scale) | ~view.genes[genes], 0, values)
        sizes[samples] = _running_sum(sizes[samples], terms, axis=1)
    empty = np.flatnonzero(sizes == 0)
    if len(empty):
        names = np.array(view.expression.samples)[view.samples]
        msg = (
            f"{view.expression.path}: {len(empty)} samples have no counts "
            f"(first: {names[empty[0]]}); take them out of the samples table or check input.scale"
        )
        raise InputError(msg)
    return sizes


def gene_statistics(view: View, library: np.ndarray | None) -> GeneStatistics:
    """Variance and first bad value of each gene, in one pass.

    Parameters
    ----------
    library : (samples,) float64 or None
        From `library_sizes`, where the scale is counts.
    """
    n_genes = len(view.genes)
    moments = Moments(n_genes)
    bad_sample, bad_value = np.full(n_genes, -1), np.zeros(n_genes)
    largest = 0.0
    for samples, genes, values in view.blocks():
        bad = _bad(values, view.scale)
        new = np.flatnonzero(bad.any(axis=0) & (bad_sample[genes] < 0))
        row = bad[:, new].argmax(axis=0)
        bad_sample[genes.start + new] = samples.start + row
        bad_value[genes.start + new] = values[row, new]
        values[bad] = 0
        largest = max(largest, float(values.max()))
        moments.add(Block(samples, genes, _log2(values, view.scale, library, samples)))
    return GeneStatistics(moments.variance, bad_sample, bad_value, largest)


def extract(
    view: View, library: np.ndarray | None, *, rows: np.ndarray, genes: np.ndarray
) -> np.ndarray:
    """(samples, genes) float32 of log2(x + 1).

    Parameters
    ----------
    library : (samples,) float64 or None
        From `library_sizes`, where the scale is counts.
    rows : (samples,) int
        Row of the result for each sample that counts.
    genes : (chosen genes,) int
        Index in the file of each column of the result.
    """
    expression = np.empty((len(rows), len(genes)), dtype=np.float32)
    column = np.full(len(view.genes), -1)
    column[genes] = np.arange(len(genes))
    for samples, block_genes, values in view.blocks():
        target = column[block_genes]
        log2 = _log2(values[:, target >= 0], view.scale, library, samples)
        expression[np.ix_(rows[samples], target[target >= 0])] = log2
    return expression


def variance_of(expression: np.ndarray) -> np.ndarray:
    """(genes,) float64 variance of a (samples, genes) array, a block of samples at a time."""
    n_samples, n_genes = expression.shape
    moments = Moments(n_genes)
    step = max(1, BLOCK_VALUES // n_genes)
    for start in range(0, n_samples, step):
        rows = slice(start, min(start + step, n_samples))
        moments.add(Block(rows, slice(0, n_genes), expression[rows]))
    return moments.variance


def _log2(values: np.ndarray, scale: str, library: np.ndarray | None, samples: slice) -> np.ndarray:
    """(samples, genes) float32 of log2(x + 1), or of the values as they are."""
    if scale in ("log2", "as_is"):
        return values.astype(np.float32)
    if library is not None:
        values = values / library[samples, np.newaxis] * COUNTS_PER_MILLION
    return np.log2(values + 1).astype(np.float32)


def _bad(values: np.ndarray, scale: str) -> np.ndarray:
    bad = ~(np.abs(values) <= MAX_VALUE)  # so are NaN and infinity
    return bad if scale == "as_is" else bad | (values < 0)


def _running_sum(start: np.ndarray, terms: np.ndarray, *, axis: int) -> np.ndarray:
    """`start` plus the terms, one after the other: `sum` would add in pairs of a block's size."""
    stacked = np.concatenate([np.expand_dims(start, axis), terms], axis=axis)
    return np.add.accumulate(stacked, axis=axis).take(-1, axis=axis)
