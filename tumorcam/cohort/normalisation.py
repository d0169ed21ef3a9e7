"""Effective library sizes: what makes the counts of samples comparable."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.errors import InputError
from tumorcam.readers.wording import plain
from tumorcam.storage.stored_values import StoredValues

TRIM_RATIO, TRIM_EXPRESSION = 0.3, 0.05  # of TMM. Robinson & Oshlack 2010, "Methods"
MIN_LOG_RATIO = 1e-6  # of TMM in edgeR: samples that differ less are the same
MIN_QUANTILE = 1e-20  # of TMM in edgeR: below, the sample with most expression is the reference
BLOCK_VALUES = 2**22  # counts that are read at once: 16 MiB

Bands = Iterable[tuple[slice, np.ndarray]]


def library_sizes(
    bands: Bands, method: str, samples: Sequence[str], path: Path, *, folder: Path | None = None
) -> np.ndarray:
    """Effective library size of each sample, by which its counts are divided.

    Missing, infinite and negative values count as 0. The counts are read once; for tmm and
    median_of_ratios they are then on disk a second time, one sample after the other.

    Parameters
    ----------
    bands : iterable of (slice, (genes, samples) array)
        The counts of the genes and samples that are kept, in their order.
    method : str
        As in `input.normalisation`: cpm, the sum of the counts; tmm, that sum times edgeR's factor;
        median_of_ratios, DESeq2's size factor times the geometric mean of the sums.
    samples : sequence of str
        Names, for messages.
    path : Path
        The matrix, for messages.
    folder : Path or None
        With room for four bytes a value; None takes the system's folder for temporary files.

    Returns
    -------
    (samples,) float64

    Raises
    ------
    InputError
        If a sample has no counts, or if no gene has counts in all samples and the method needs one.

    References
    ----------
    Robinson & Oshlack 2010, doi:10.1186/gb-2010-11-3-r25; Anders & Huber 2010,
    doi:10.1186/gb-2010-11-10-r106, equation 5; `fpm` of DESeq2, whose robust library size this is.
    """
    by_sample = None if method == "cpm" else StoredValues(folder)
    counts = _Counts(bands, len(samples), by_sample)
    empty = np.flatnonzero(counts.sums == 0)
    if len(empty):
        msg = (
            f"{path}: {len(empty)} samples have no counts (first: {plain(samples[empty[0]])}); "
            "take them out of the samples table or check input.scale"
        )
        raise InputError(msg)
    if method == "tmm":
        return counts.sums * _tmm_factors(counts)
    if method == "median_of_ratios":
        return _size_factors(counts, path) * np.exp(np.log(counts.sums).mean())
    return counts.sums


class _Counts:
    """What one pass over the counts gives.

    Attributes
    ----------
    sums : (samples,) float64
        Sums over the genes, one after the other.
    by_sample : StoredValues or None
        (samples, genes) float32 of the genes that have counts in any sample.
    log_means : (genes,) float64
        Mean of ln(count) of each of these genes; -infinity if a count is 0.
    """

    def __init__(self, bands: Bands, n_samples: int, by_sample: StoredValues | None) -> None:
        self.sums, self.by_sample = np.zeros(n_samples), by_sample
        log_means = [np.empty(0)]
        for _, band in bands:
            counts = _good(band)
            for row in counts:
                self.sums += row
            counts = counts[counts.any(axis=1)]
            if by_sample is not None and len(counts):
                log_means.append(_log(counts).mean(axis=1))
                by_sample.add_samples(counts)  # a gene is a row here, and a column there
        self.log_means = np.concatenate(log_means)


def _good(band: np.ndarray) -> np.ndarray:
    """(genes, samples) float64: the counts, and 0 where there is no count."""
    counts = band.astype(np.float64)
    return np.where(np.isfinite(counts) & (counts > 0), counts, 0)


def _log(counts: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(counts)


def _tmm_factors(counts: _Counts) -> np.ndarray:
    """(samples,) float64: edgeR's factors, whose product is 1."""
    assert counts.by_sample is not None
    reference = _reference(counts)
    reference_counts = _sample_counts(counts.by_sample, reference, reference + 1)[0]
    share = reference_counts / counts.sums[reference]
    factors = np.empty(len(counts.sums))
    for start, block in _sample_blocks(counts):
        for i, row in enumerate(block, start):
            pair = counts.sums[[i, reference]]
            factors[i] = _tmm_factor(row / counts.sums[i], share, *pair)
    return factors / np.exp(np.log(factors).mean())


def _reference(counts: _Counts) -> int:
    """The sample whose upper quartile is nearest to the mean of all, as edgeR chooses it."""
    quantiles, roots = np.empty((2, len(counts.sums)))
    for start, block in _sample_blocks(counts):
        rows = slice(start, start + len(block))
        quantiles[rows] = np.quantile(block, 0.75, axis=1) / counts.sums[rows]
        roots[rows] = np.sqrt(block).sum(axis=1)
    if np.median(quantiles) < MIN_QUANTILE:
        return int(roots.argmax())
    return int(np.abs(quantiles - quantiles.mean()).argmin())


def _sample_blocks(counts: _Counts) -> Iterable[tuple[int, np.ndarray]]:
    """The first of some samples, and their (samples, genes) float64 counts."""
    assert counts.by_sample is not None
    step = max(1, BLOCK_VALUES // max(1, len(counts.log_means)))
    for start in range(0, len(counts.sums), step):
        stop = min(start + step, len(counts.sums))
        yield start, _sample_counts(counts.by_sample, start, stop)


def _sample_counts(by_sample: StoredValues, start: int, stop: int) -> np.ndarray:
    return by_sample.block(slice(start, stop)).astype(np.float64)


def _tmm_factor(
    share: np.ndarray, reference: np.ndarray, n_counts: float, n_reference: float
) -> float:
    """Trimmed mean of log2 ratios of two samples, given their (genes,) shares of all counts."""
    is_usable = (share > 0) & (reference > 0)
    share, reference = share[is_usable], reference[is_usable]
    log_ratio = np.log2(share / reference)
    if not len(log_ratio) or np.abs(log_ratio).max() < MIN_LOG_RATIO:
        return 1.0
    expression = (np.log2(share) + np.log2(reference)) / 2
    variance = (1 - share) / (share * n_counts) + (1 - reference) / (reference * n_reference)
    is_kept = _is_middle(log_ratio, TRIM_RATIO) & _is_middle(expression, TRIM_EXPRESSION)
    if not is_kept.any():
        return 1.0
    return float(2 ** np.average(log_ratio[is_kept], weights=1 / variance[is_kept]))


def _is_middle(values: np.ndarray, trim: float) -> np.ndarray:
    """True for values whose rank is not among the lowest or highest share."""
    ranks, low = pd.Series(values).rank().to_numpy(), int(len(values) * trim) + 1
    return (ranks >= low) & (ranks <= len(values) + 1 - low)


def _size_factors(counts: _Counts, path: Path) -> np.ndarray:
    """(samples,) float64: median over the genes of the count divided by its geometric mean."""
    is_usable = np.isfinite(counts.log_means)
    if not is_usable.any():
        msg = (
            f'{path}: no gene has counts in all samples, as input.normalisation = "median_of_'
            'ratios" needs; set input.normalisation = "tmm"'
        )
        raise InputError(msg)
    means = counts.log_means[is_usable]
    medians = [
        np.median(np.log(block[:, is_usable]) - means, axis=1)
        for _, block in _sample_blocks(counts)
    ]
    return np.exp(np.concatenate(medians))
