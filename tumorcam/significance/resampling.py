"""Family-wise p-values by sign flips and rank intervals by a bootstrap, both over patients."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tumorcam.cohort.cohort import Cohort
from tumorcam.settings.config import Config
from tumorcam.significance.exact_sums import midranks

N_FLIPS = 999  # the smallest p-value is 1 / 1,000
N_BOOTSTRAPS = 200
INTERVAL = (0.025, 0.975)  # quantiles of the bootstrapped ranks
ROWS = 128  # of a matrix that are worked on at once, so that they stay in a CPU's cache
RANKED = 16  # bootstraps that are ranked at once, since that takes several copies of them
BLOCK = 1024  # patients whose signs are in memory at once; fixed, since it orders the sums


@dataclass(frozen=True)
class FlipRecords:
    """Statistics of some genes after random sign flips, if they can be the largest of a flip.

    `statistic` (genes,) float64 are those without a flip. In record i, flip number `flip`
    (records,) int16 gave gene `gene` (records,) int32 the statistic `value` (records,) float64.
    """

    statistic: np.ndarray
    flip: np.ndarray
    gene: np.ndarray
    value: np.ndarray


@dataclass(frozen=True)
class Patients:
    """The patients of some samples; a person with two tumors is two patients.

    `patient` (samples,) int is the patient of each sample, ascending with the tumor; `tumor`
    (patients,) is int; `weights` (bootstraps, patients) uint8 are those of the bootstraps.
    """

    patient: np.ndarray
    tumor: np.ndarray
    weights: np.ndarray


class Interval(NamedTuple):
    """The 2.5 and the 97.5 % quantile."""

    low: np.ndarray
    high: np.ndarray


def flip_records(values: np.ndarray, draw: Callable[[int], np.random.Generator]) -> FlipRecords:
    """Studentised means of genes after random sign flips of the patients, as far as they matter.

    All genes get the same signs, which keeps their correlation. A flipped statistic matters if it
    reaches the gene's statistic without a flip and exceeds the flipped statistics of all genes
    whose statistic without a flip is lower. No other can be the maximum that `step_down_p_values`
    compares with.

    Parameters
    ----------
    values : (patients, genes) float
        At least 2 patients.
    draw : callable
        Gives the random generator of a block of 1,024 patients, by the number of the block.
    """
    n, n_genes = values.shape
    sums = np.zeros((1 + N_FLIPS, n_genes))
    for number, start in enumerate(range(0, n, BLOCK)):
        block = values[start : start + BLOCK]
        signs = draw(number).integers(0, 2, (1 + N_FLIPS, len(block)), dtype=np.int8)
        signs[0] = 1  # no flip
        sums += (2.0 * signs - 1.0) @ block
    statistic = _studentised(sums, (values**2).sum(axis=0) / n, n)
    own, flipped = statistic[0], statistic[1:]
    order = np.argsort(own, kind="stable")
    upwards = np.take(flipped, order, axis=1)
    highest = np.maximum.accumulate(upwards, axis=1)
    matters = upwards >= own[order]
    matters[:, 1:] &= upwards[:, 1:] > highest[:, :-1]
    record = np.flatnonzero(matters)
    flip, place = np.divmod(record, n_genes)
    return FlipRecords(
        statistic=own,
        flip=flip.astype(np.int16),
        gene=order[place].astype(np.int32),
        value=upwards.ravel()[record],
    )


def _studentised(sums: np.ndarray, mean_square: np.ndarray, n: int) -> np.ndarray:
    """Means of n values over their standard errors, in place of the sums; 0 for 0 / 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        for start in range(0, len(sums), ROWS):
            mean = sums[start : start + ROWS]
            mean /= n
            variance = np.maximum(mean_square - mean**2, 0) * n / (n - 1)
            mean /= np.sqrt(variance / n)
            mean[np.isnan(mean)] = 0
    return sums


def step_down_p_values(parts: Sequence[FlipRecords]) -> np.ndarray:
    """Step-down max-T p-values of all genes of a tumor, which bound its family-wise error.

    Let m be the number of flips whose largest statistic, among the genes with no higher own
    statistic, reaches the gene's own. The p-value is (1 + m) / (1 + flips), and never below the
    p-value of a gene with a higher statistic.

    Parameters
    ----------
    parts : sequence of FlipRecords
        Of neighbouring sets of genes, in order; all genes have the same flips.

    Returns
    -------
    (genes,) float64

    References
    ----------
    Westfall & Young 1993, Resampling-Based Multiple Testing, algorithm 2.8.
    """
    own = np.concatenate([part.statistic for part in parts])
    first = np.cumsum([0, *(len(part.statistic) for part in parts)])
    order = np.argsort(own, kind="stable")
    place = np.empty(len(own), int)
    place[order] = np.arange(len(own))
    upwards = own[order]
    of_record = np.concatenate(
        [place[start + part.gene] for part, start in zip(parts, first[:-1], strict=True)]
    )
    record = np.argsort(of_record, kind="stable")
    of_record = of_record[record]
    flip = np.concatenate([part.flip for part in parts])[record]
    value = np.concatenate([part.value for part in parts])[record]
    reached = np.empty(len(own), int)
    highest = np.full(N_FLIPS, -np.inf)
    for start in range(0, len(own), ROWS):
        stop = min(start + ROWS, len(own))
        inside = slice(*np.searchsorted(of_record, (start, stop)))
        largest = np.full((stop - start, N_FLIPS), -np.inf)
        largest[of_record[inside] - start, flip[inside]] = value[inside]
        for row in largest:
            highest = np.maximum(row, highest, out=row)
        reached[start:stop] = (largest >= upwards[start:stop, np.newaxis]).sum(axis=1)
    last = np.searchsorted(upwards, upwards, side="right") - 1  # of equal ones: all of them count
    p_value = (1 + reached[last]) / (1 + N_FLIPS)
    downwards = np.maximum.accumulate(p_value[::-1])[::-1]
    return downwards[place]


def group_patients(cohort: Cohort, samples: np.ndarray, config: Config) -> Patients:
    """The patients of the given samples; a person has the same weights in two tumors."""
    names, person = np.unique(cohort.patient, return_inverse=True)
    code = cohort.tumor * len(names) + person
    codes, patient = np.unique(code[samples], return_inverse=True)
    draws = (config.rng("bootstrap", str(names[i])) for i in (codes % len(names)).tolist())
    return Patients(patient, codes // len(names), bootstrap_weights(draws))


def bootstrap_weights(draws: Iterable[np.random.Generator]) -> np.ndarray:
    """(bootstraps, patients) uint8 Poisson(1) weights; each patient has its own generator."""
    weights = [draw.poisson(1.0, N_BOOTSTRAPS).astype(np.uint8) for draw in draws]
    return np.array(weights, np.uint8).reshape(-1, N_BOOTSTRAPS).T


def bootstrap_means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(bootstraps, genes) float32 weighted means of (patients, genes); NaN if all weights are 0."""
    weights = weights.astype(np.float64)
    total = weights.sum(axis=1, keepdims=True)
    return (weights @ values / np.where(total > 0, total, np.nan)).astype(np.float32)


def rank_intervals(means: np.ndarray) -> Interval:
    """The 95 % interval of each gene's rank over bootstraps; both ends are (genes,) float64.

    Parameters
    ----------
    means : (bootstraps, genes) float
        Scores of all genes of a tumor. Bootstraps with NaN are left out. Rank 1 is the highest
        score, ties get midranks, and a quantile is one of the ranks that occur.
    """
    complete = means[~np.isnan(means).any(axis=1)]
    if not complete.size:
        return Interval(*np.full((2, means.shape[1]), np.nan))
    ranks = np.empty(complete.shape, np.float32)  # exact: halves below 2^23
    for start in range(0, len(complete), RANKED):
        ranks[start : start + RANKED] = midranks(-complete[start : start + RANKED])
    ranks.sort(axis=0)
    low, high = (int(np.ceil(share * len(ranks))) - 1 for share in INTERVAL)
    return Interval(ranks[low].astype(np.float64), ranks[high].astype(np.float64))


def null_p_values(scores: np.ndarray, null_scores: np.ndarray) -> np.ndarray:
    """(tumors, genes) float64: (1 + null scores at or above the gene's) / (1 + null scores).

    The null scores of all genes of a tumor are pooled.

    Parameters
    ----------
    scores : (tumors, genes) float
        NaN stays NaN.
    null_scores : (null runs, tumors, genes) float
        NaN is left out. Without null runs all p-values are NaN.
    """
    p_value = np.full(scores.shape, np.nan)
    for tumor, own in enumerate(scores):
        pool = np.sort(null_scores[:, tumor][~np.isnan(null_scores[:, tumor])])
        if pool.size:
            at_least = pool.size - np.searchsorted(pool, own)
            p_value[tumor] = np.where(np.isnan(own), np.nan, (1 + at_least) / (1 + pool.size))
    return p_value
