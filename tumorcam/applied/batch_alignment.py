"""New values brought to those of the training cohort, if a user asks for it; no labels are used."""

from collections.abc import Iterator

import numpy as np

from tumorcam.applied.reference import Reference, blocks
from tumorcam.cohort.cohort import Cohort
from tumorcam.storage.stored_values import StoredValues

MAX_PROFILED = 1000  # samples of the training cohort whose values give the distribution
MIN_SAMPLES = 10  # of which a mean and an SD are taken
TINY = 1e-12  # in place of an SD of 0, which is not used


def shift_and_scale(
    band: np.ndarray, genes: slice, mean: np.ndarray, sd: np.ndarray, reference: Reference
) -> np.ndarray:
    """(band, samples) float32: each gene with the mean and SD that it has in the training cohort.

    Parameters
    ----------
    band : (band, samples) float32
        log2(x + 1) of the genes `genes`.
    mean, sd : (all genes,) float64
        Of the new samples; where the SD is 0, the mean alone is shifted.
    """
    scale = np.where(sd[genes] > 0, reference.sd[genes] / np.maximum(sd[genes], TINY), 1)
    centred = (band - mean[genes, np.newaxis]) * scale[:, np.newaxis]
    return (centred + reference.mean[genes, np.newaxis]).astype(np.float32)


def typical_profile(cohort: Cohort, is_present: np.ndarray) -> np.ndarray:
    """(present genes,) float64: the mean of the sorted values of a training sample.

    Parameters
    ----------
    is_present : (genes,) bool
        The genes that the new samples have.
    """
    step = max(1, -(-len(cohort.sample) // MAX_PROFILED))
    chosen = np.arange(0, len(cohort.sample), step)
    total = np.zeros(int(is_present.sum()))
    for rows in blocks(len(chosen)):
        total += np.sort(cohort.expression(chosen[rows])[:, is_present], axis=1).sum(axis=0)
    return total / len(chosen)


def quantile_normalised(values: np.ndarray, profile: np.ndarray) -> np.ndarray:
    """(samples, genes) float32: each sample with the distribution of values of a training sample.

    Equal values of a sample get the mean of the values that they share (Bolstad et al. 2003,
    doi:10.1093/bioinformatics/19.2.185).

    Parameters
    ----------
    values : (samples, genes) float32
    profile : (genes,) float64
        From `typical_profile`.
    """
    result = np.empty_like(values)
    for row, sample in zip(result, values, strict=True):
        _, group, n = np.unique(sample, return_inverse=True, return_counts=True)
        ends = np.cumsum(n)
        means = np.add.reduceat(profile, ends - n) / n
        row[:] = means[group]
    return result


def quantile_blocks(
    stored: StoredValues, is_present: np.ndarray, profile: np.ndarray
) -> Iterator[np.ndarray]:
    """Blocks (samples, genes) float32 of stored (genes, samples) values, quantile normalised.

    Genes that are not present keep their values.
    """
    for rows in blocks(stored.shape[1]):
        values = stored.block(slice(0, stored.shape[0]), rows).T.copy()
        values[:, is_present] = quantile_normalised(values[:, is_present], profile)
        yield values
