"""How far rankings agree with each other, with permuted labels, with known markers and drivers."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata, t
from sklearn.metrics import average_precision_score

from tumorcam.significance.exact_sums import known_mean

MAX_HALVINGS = 35  # all of seven or eight replicates
PERSISTENCE = 0.9  # p of rank-biased overlap: the first ten genes carry most of the weight
MIN_MARKERS = 5  # of a tumor among the genes; fewer give no lift


class Estimate(NamedTuple):
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float


class TopAgreement(NamedTuple):
    """Agreement of the top genes of two rankings: (tumors,) float64 from 0 to 1, NaN where unknown.

    `jaccard` is the share of the genes of either top that are in both; `overlap` the rank-biased
    overlap, which counts the first ranks most.
    """

    jaccard: np.ndarray
    overlap: np.ndarray


def spearman(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman correlation over the last axis, midranks for ties; NaN where one is constant or NaN.

    Parameters
    ----------
    first, second : (..., genes) float that broadcast

    Returns
    -------
    (...) float64
    """
    ranks = [rankdata(values, axis=-1) for values in (first, second)]
    left, right = (rank - rank.mean(axis=-1, keepdims=True) for rank in ranks)
    product = (left * right).sum(axis=-1)
    norm = np.sqrt((left**2).sum(axis=-1) * (right**2).sum(axis=-1))
    unknown = np.isnan(first).any(axis=-1) | np.isnan(second).any(axis=-1) | (norm == 0)
    return np.where(unknown, np.nan, product / np.where(norm > 0, norm, 1))


def decoy_rank_differences(
    score: np.ndarray, decoy_score: np.ndarray, decoy_gene: np.ndarray, pairs: np.ndarray
) -> np.ndarray:
    """Mean rank of some genes minus that of their own decoys, genes and decoys ranked together.

    Below 0 the genes stand higher than their decoys.

    Parameters
    ----------
    score, decoy_score : (runs, tumors, genes), (runs, tumors, decoys) float
    decoy_gene : (decoys,) int
        The gene that each decoy copies.
    pairs : (tumors, decoys) bool
        True where a decoy and its gene are compared in a tumor.

    Returns
    -------
    (runs,) float64
        NaN without any pair, or where a score is NaN.
    """
    if not pairs.any():
        return np.full(len(score), np.nan)
    rank = rankdata(-np.concatenate([score, decoy_score], axis=2), axis=2)
    difference = rank[..., decoy_gene] - rank[..., score.shape[2] :]
    return np.asarray(difference[:, pairs].mean(axis=1))


def t_interval(values: np.ndarray) -> Estimate:
    """Mean of independent values with Student's 95 % interval; NaN where there is none.

    References
    ----------
    Student 1908, doi:10.1093/biomet/6.1.1.
    """
    n = len(values)
    mean = float(values.mean()) if n else math.nan
    if n < 2 or math.isnan(mean):
        return Estimate(mean, math.nan, math.nan)
    half = float(t.ppf(0.975, n - 1) * values.std(ddof=1) / math.sqrt(n))
    return Estimate(mean, mean - half, mean + half)


def halvings(n: int, rng: np.random.Generator) -> list[tuple[list[int], list[int]]]:
    """Ways to divide n replicates into two halves; of an odd number the second half has one more.

    These are all distinct ways, or 35 random ones where there are more.
    """
    smaller = n // 2
    n_ways = math.comb(n, smaller) // (1 if n % 2 else 2)
    if n_ways <= MAX_HALVINGS:
        chosen = list(combinations(range(n), smaller))[:n_ways]  # of even n the rest mirrors them
    else:
        drawn: set[tuple[int, ...]] = set()
        while len(drawn) < MAX_HALVINGS:
            half = set(rng.permutation(n)[:smaller].tolist())
            if n % 2 == 0 and 0 not in half:
                half = set(range(n)) - half
            drawn.add(tuple(sorted(half)))
        chosen = sorted(drawn)
    return [(list(half), [i for i in range(n) if i not in half]) for half in chosen]


def mean_agreement(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], *, k: np.ndarray
) -> TopAgreement:
    """Mean `top_agreement` over pairs of rankings, each (tumors, genes) float scores.

    A pair counts in the tumors where both are known.
    """
    agreements = [top_agreement(first, second, k=k) for first, second in pairs]
    return TopAgreement(*(known_mean(np.stack(part)) for part in zip(*agreements, strict=True)))


def half_scores(
    replicate_score: np.ndarray, ways: Sequence[tuple[list[int], list[int]]]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Mean scores (tumors, genes) of both halves of each way to divide the replicates."""
    return [
        (known_mean(replicate_score[first]), known_mean(replicate_score[second]))
        for first, second in ways
    ]


def top_agreement(first: np.ndarray, second: np.ndarray, *, k: np.ndarray) -> TopAgreement:
    """Jaccard index and rank-biased overlap of the highest scores, tumor by tumor.

    Parameters
    ----------
    first, second : (tumors, genes) float
        Of equal scores the first gene comes first.
    k : (tumors,) int
        How many scores of each tumor are compared.
    """
    has_scores = ~(np.isnan(first).any(axis=1) | np.isnan(second).any(axis=1))
    jaccard, overlap = np.full((2, len(first)), np.nan)
    for tumor in np.flatnonzero(has_scores):
        top, other_top = (
            np.argsort(-score[tumor], kind="stable")[: k[tumor]] for score in (first, second)
        )
        n_shared = len(np.intersect1d(top, other_top))
        jaccard[tumor] = n_shared / (2 * k[tumor] - n_shared)
        overlap[tumor] = rank_biased_overlap(top, other_top)
    return TopAgreement(jaccard, overlap)


def rank_biased_overlap(first: np.ndarray, second: np.ndarray, p: float = PERSISTENCE) -> float:
    """Extrapolated rank-biased overlap of two lists of one length, from 0 to 1.

    `first` and `second` are (items,) and hold each item once; `p` is the persistence, above 0,
    below 1.

    With X_d items shared by the first d of both, k the length:
    RBO_ext = X_k/k p^k + (1 - p)/p sum over d = 1..k of X_d/d p^d.

    References
    ----------
    Webber et al. 2010, doi:10.1145/1852102.1852106, equation 23.
    """
    k = len(first)
    place = {item: i for i, item in enumerate(second.tolist())}
    # both lists have an item from the depth of its lower place on
    depth = [max(i, place[item]) for i, item in enumerate(first.tolist()) if item in place]
    shared = np.cumsum(np.bincount(depth, minlength=k)) if depth else np.zeros(k)
    depths = np.arange(1, k + 1)
    return float(shared[-1] / k * p**k + (1 - p) / p * (shared / depths * p**depths).sum())


def marker_lift(score: np.ndarray, is_marker: np.ndarray) -> np.ndarray:
    """Area under the precision-recall curve over the share of markers: 1 is a random ranking.

    Parameters
    ----------
    score : (tumors, genes) float
    is_marker : (tumors, genes) bool

    Returns
    -------
    (tumors,) float64
        NaN for tumors with fewer than 5 markers, nothing but markers, or without scores.
    """
    n = is_marker.sum(axis=1)
    usable = (n >= MIN_MARKERS) & (n < is_marker.shape[1]) & ~np.isnan(score).any(axis=1)
    prevalence = np.where(usable, is_marker.mean(axis=1), np.nan)
    return np.asarray(average_precision(score, is_marker) / prevalence)


def average_precision(score: np.ndarray, is_true: np.ndarray) -> np.ndarray:
    """(tumors,) float64 area under the precision-recall curve; NaN without a true gene or score."""
    usable = is_true.any(axis=1) & ~np.isnan(score).any(axis=1)
    area = np.full(len(score), np.nan)
    for tumor in np.flatnonzero(usable):
        area[tumor] = average_precision_score(is_true[tumor], score[tumor])
    return area
