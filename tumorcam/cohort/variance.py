"""Variance of each gene over all samples, and genes that are labels in disguise.

Every sum adds one sample after the other in the cohort's order, so that neither the size of the
bands nor the order of the file changes a bit of any result.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

MIN_OF_TUMOR = 2  # samples of a tumor, of which the same value in all is more than chance
PART_VALUES = 2**18  # values that are in work at once: 2 MiB as float64


class GeneStatistics(NamedTuple):
    """`variance` (genes,) float64 of log2(x + 1), and `is_label` (genes,) bool.

    A label has one value in each tumor type, and not the same in all of them.
    """

    variance: np.ndarray
    is_label: np.ndarray


def gene_statistics(
    bands: Iterable[tuple[slice, np.ndarray]], n_genes: int, tumors: pd.Series
) -> GeneStatistics:
    """Statistics of each gene, from one pass over all values.

    Parameters
    ----------
    bands : iterable of (slice, (band, samples) float32)
        log2(x + 1).
    tumors : (samples,) str
        The tumor type of each sample.
    """
    variance, is_label = np.empty(n_genes), np.zeros(n_genes, bool)
    code = pd.Categorical(tumors).codes
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    has_several = np.bincount(code).min() >= MIN_OF_TUMOR
    for genes, band in bands:
        variance[genes] = row_variance(band)
        if has_several:  # two samples of each tumor tell most genes apart from labels
            may_be = (band[:, order[starts]] == band[:, order[starts + 1]]).all(axis=1)
            rows = np.flatnonzero(may_be & (variance[genes] > 0))
            is_label[genes.start + rows] = _is_constant(band[rows][:, order], starts)
    return GeneStatistics(variance, is_label)


def row_variance(values: np.ndarray) -> np.ndarray:
    """(genes,) float64: variance of each row of (genes, samples); 0 exactly for a constant row.

    Squared deviations from the mean, divided by the number of samples.
    """
    step = max(1, PART_VALUES // max(1, values.shape[1]))
    parts = [_variance(values[start : start + step]) for start in range(0, len(values), step)]
    return np.concatenate(parts) if parts else np.empty(0)


def _variance(values: np.ndarray) -> np.ndarray:
    deviation = values.astype(np.float64)
    deviation -= deviation[:, :1].copy()
    total = np.add.accumulate(deviation, axis=1)[:, -1]
    squares = np.add.accumulate(deviation**2, axis=1)[:, -1]
    n_samples = values.shape[1]
    return np.maximum(squares / n_samples - (total / n_samples) ** 2, 0)


def _is_constant(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(genes,) bool: whether a gene has one value in each of the tumors that begin at `starts`."""
    low, high = (f.reduceat(values, starts, axis=1) for f in (np.minimum, np.maximum))
    return (low == high).all(axis=1)
