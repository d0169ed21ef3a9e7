"""How strongly, how surely and how reproducibly each gene drives each tumor's classification."""

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import scipy  # whose modules are imported at their first use: they take a second
from scipy.special import ndtr

from tumorcam.settings import SignificanceSettings
from tumorcam.significance.exact_sums import column_sums, group_sums, midranks

Z_95 = 1.959963984540054  # 97.5 % quantile of the standard normal distribution
MAX_EXACT_PATIENTS = 50  # the largest n with an exact p-value, as scipy.stats.wilcoxon
TRIMMED = 0.2  # share of the patients cut off at either end (Wilcox 2012, section 3.3)
MIN_TRIMMED_PATIENTS = 10
TOP_GENES = 50  # largest number of a tumor's top genes
LEARNED = "learned"  # the grade of evidence of a pair that meets all thresholds
TOP_SHARE = 20  # the top has at most one gene in so many


@dataclass(frozen=True)
class Proportion:
    """Share from 0 to 1 and its 95 % interval `low` to `high`; NaN where n is 0."""

    share: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class PatientStatistics:
    """Statistics of genes over the patients of a tumor, (genes,) or (tumors, genes) float64.

    `score` is the trimmed mean, `mean` and `sd` are mean and SD (ddof = 1) over patients. `effect`
    is mean / SD, NaN where the SD is 0. `positive` is the share of patients above 0, with its 95 %
    Wilson interval from `positive_low` to `positive_high`. `p_value` is the one-sided Wilcoxon
    signed-rank p-value, NaN where the gene cannot be tested.
    """

    score: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    effect: np.ndarray
    positive: np.ndarray
    positive_low: np.ndarray
    positive_high: np.ndarray
    p_value: np.ndarray


def patient_means(values: np.ndarray, patient: np.ndarray) -> np.ndarray:
    """Mean over each patient's samples, its bits independent of the other genes and patients.

    Parameters
    ----------
    values, patient : (samples, genes) float, (samples,) int
        In canonical sample order, in which a patient's values are added up.

    Returns
    -------
    (patients, genes) float64
        In ascending order of patient.
    """
    codes, index, n_samples = np.unique(patient, return_inverse=True, return_counts=True)
    return group_sums(values, index, len(codes)) / n_samples[:, np.newaxis]


def trimmed_means(values: np.ndarray) -> np.ndarray:
    """(genes,) float64: means without the lowest and the highest fifth of the patients.

    Of fewer than 10 patients it is the mean, of none NaN; NaN stays NaN. Equal values give exactly
    that value, and the bits do not depend on the other genes.

    Parameters
    ----------
    values : (patients, genes) float64
    """
    n = len(values)
    if n == 0:
        return np.full(values.shape[1], np.nan)
    n_cut = int(TRIMMED * n) if n >= MIN_TRIMMED_PATIENTS else 0
    kept = np.sort(values, axis=0)[n_cut : n - n_cut] if n_cut else values
    means = kept[0] + column_sums(kept - kept[0]) / len(kept)
    return np.where(np.isnan(values).any(axis=0), np.nan, means)


def winsorised(values: np.ndarray) -> np.ndarray:
    """(patients, genes) float64 whose means have the spread of the trimmed means.

    A patient beyond the trimmed range counts as the nearest patient within it. Bootstrapped means
    of these values, divided by the kept share, deviate from their centre as bootstrapped trimmed
    means do, to first order (the influence function; Wilcox 2012, Introduction to Robust
    Estimation and Hypothesis Testing, section 3.3). The values are scaled and shifted so that their
    mean is the trimmed mean.
    """
    n = len(values)
    if n < MIN_TRIMMED_PATIENTS:
        return values
    n_cut = int(TRIMMED * n)
    ordered = np.sort(values, axis=0)
    clipped = np.clip(values, ordered[n_cut], ordered[n - 1 - n_cut])
    return trimmed_means(values) + (clipped - column_sums(clipped) / n) / (1 - 2 * n_cut / n)


def signed_rank_p_values(values: np.ndarray) -> np.ndarray:
    """One-sided Wilcoxon signed-rank p-values that a gene's values lie above 0.

    Half the ranks of zeros count as positive (zsplit). A gene without zeros or ties gets its exact
    p-value for up to 50 patients, any other the normal approximation with midranks and without
    continuity correction.

    Parameters
    ----------
    values : (patients, genes) float

    Returns
    -------
    (genes,) float64
        NaN where a value is NaN or there are no patients.

    References
    ----------
    Wilcoxon 1945, doi:10.2307/3001968.
    """
    n = len(values)
    if n == 0:
        return np.full(values.shape[1], np.nan)
    genes = np.ascontiguousarray(values.T)
    ranks = midranks(np.abs(genes))
    positive_ranks = (ranks * (np.sign(genes) + 1) / 2).sum(axis=1)
    square_ranks = (ranks**2).sum(axis=1)  # 4 x the null variance; ties make it smaller
    p_value = ndtr((n * (n + 1) / 4 - positive_ranks) / np.sqrt(square_ranks / 4))
    if n <= MAX_EXACT_PATIENTS:
        untied = square_ranks == n * (n + 1) * (2 * n + 1) / 6
        exact = untied & (values != 0).all(axis=0)
        p_value[exact] = _signed_rank_tail(n)[positive_ranks[exact].astype(int)]
    return p_value


def tumor_statistics(
    values: np.ndarray, testable: np.ndarray, *, min_patients: int
) -> PatientStatistics:
    """Score, spread, sign and p-value of each gene in one tumor, each (genes,) float64.

    Parameters
    ----------
    values : (patients, genes) float
        Saliency of one method and view (in units of the samples' scales), a row a patient.
    testable : (genes,) bool
        False for constant genes, which get no p-value.
    min_patients : int
        With fewer no gene gets a p-value.
    """
    values = np.asarray(values, dtype=np.float64)
    n, n_genes = values.shape
    if n == 0:
        nothing = np.full(n_genes, np.nan)
        return PatientStatistics(**{field.name: nothing for field in fields(PatientStatistics)})
    above_first = values - values[0]  # so that equal values have an SD of exactly 0
    shift = column_sums(above_first) / n
    mean = values[0] + shift
    sd = np.sqrt(column_sums((above_first - shift) ** 2) / (n - 1 if n > 1 else np.nan))
    effect = np.divide(mean, sd, out=np.full(n_genes, np.nan), where=sd > 0)
    positive = wilson_interval(np.where(np.isnan(mean), np.nan, (values > 0).sum(axis=0)), n)
    p_value = np.full(n_genes, np.nan)
    if n >= min_patients:
        p_value[testable] = signed_rank_p_values(values[:, testable])
    return PatientStatistics(
        score=trimmed_means(values),
        mean=mean,
        sd=sd,
        effect=effect,
        positive=positive.share,
        positive_low=positive.low,
        positive_high=positive.high,
        p_value=p_value,
    )


def wilson_interval(successes: np.ndarray, n: np.ndarray | int) -> Proportion:
    """Shares of successes with their 95 % Wilson score intervals.

    Parameters
    ----------
    successes, n : int or float arrays that broadcast
        Successes, from 0 to n, of n trials; no trials give NaN, and NaN stays NaN.

    References
    ----------
    Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    trials = np.where(np.asarray(n) > 0, n, np.nan)
    share = np.asarray(successes) / trials
    shrink = 1 + Z_95**2 / trials
    center = (share + Z_95**2 / (2 * trials)) / shrink
    half = Z_95 * np.sqrt(share * (1 - share) / trials + (Z_95 / (2 * trials)) ** 2) / shrink
    return Proportion(share, np.clip(center - half, 0, share), np.clip(center + half, share, 1))


def benjamini_hochberg(p_value: np.ndarray) -> np.ndarray:
    """q-values, float64 of the same shape, over all p-values of an array jointly.

    NaN is no test: it stays NaN and does not count.

    References
    ----------
    Benjamini & Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    q_value = np.full(p_value.shape, np.nan)
    tested = ~np.isnan(p_value)
    q_value[tested] = scipy.stats.false_discovery_control(p_value[tested])
    return q_value


def rank_genes(score: np.ndarray) -> np.ndarray:
    """(tumors, genes) float64: rank of a score in its tumor, 1 the highest, ties as midranks.

    NaN stays NaN and is not counted.
    """
    return scipy.stats.rankdata(-score, axis=1, nan_policy="omit")


def top_k(n_genes: int) -> int:
    """Genes of a tumor's top: 50, or one in twenty of fewer than 1,000 genes, at least 1."""
    return max(1, min(TOP_GENES, n_genes // TOP_SHARE))


def replication(model_margins: np.ndarray) -> np.ndarray:
    """Share of the models in which a gene stands above its own decoy.

    Of a gene that the networks do not use, that is the case in about one model of three, since the
    decoy has two scores, of which the larger counts.

    Parameters
    ----------
    model_margins : (models, tumors, genes) float
        NaN where a model's fold lacks the tumor, and such models are left out of the share.

    Returns
    -------
    (tumors, genes) float64
        From 0 to 1; NaN for a tumor that no model has, and for a gene without a decoy.
    """
    n_models = (~np.isnan(model_margins)).sum(axis=0)
    return (model_margins > 0).sum(axis=0) / np.where(n_models > 0, n_models, np.nan)


def expression_auroc(expression: np.ndarray, tumor: np.ndarray, *, n_tumors: int) -> np.ndarray:
    """Probability that a tumor's sample expresses a gene more than another's, ties as half.

    Parameters
    ----------
    expression : (samples, genes) float
        log2(x + 1).
    tumor : (samples,) int
        From 0 to n_tumors - 1.

    Returns
    -------
    (tumors, genes) float64
        NaN for a tumor with no samples or all of them.

    References
    ----------
    Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747.
    """
    n = np.bincount(tumor, minlength=n_tumors)[:, np.newaxis]
    ranks = midranks(np.ascontiguousarray(expression.T)).T
    rank_sums = group_sums(ranks, tumor, n_tumors)
    n_pairs = n * (len(tumor) - n)
    return (rank_sums - n * (n + 1) / 2) / np.where(n_pairs > 0, n_pairs, np.nan)


def log2_fold_change(expression: np.ndarray, tumor: np.ndarray, *, n_tumors: int) -> np.ndarray:
    """(tumors, genes) float64: a gene's mean in the tumor minus its mean in the rest, in log2.

    Parameters and NaN are as in `expression_auroc`.
    """
    n = np.bincount(tumor, minlength=n_tumors)[:, np.newaxis]
    n = np.where((n > 0) & (n < len(tumor)), n, np.nan)
    sums = group_sums(expression, tumor, n_tumors)
    return sums / n - (column_sums(sums) - sums) / (len(tumor) - n)


def grade_evidence(
    q_decoy: np.ndarray,
    q_value: np.ndarray,
    replication: np.ndarray,
    rank: np.ndarray,
    recall: np.ndarray,
    *,
    settings: SignificanceSettings,
) -> np.ndarray:
    """Grade of each gene in each tumor: the first of the following that holds.

    untestable: q_value is NaN, since the gene is constant or there are too few patients.
    unknown: q_decoy is NaN, since there are no decoys.
    learned: all thresholds are met; that of replication does not count for a gene without a decoy.
    unstable: all thresholds but that of replication are met.
    expression-driven: the gene is in the tumor's top k, but its q_decoy is above the threshold.
    none: nothing of this holds.

    Parameters
    ----------
    q_decoy, q_value, replication, rank : (tumors, genes) float64
    recall : (tumors,) float64
        Share of each tumor's held-out samples that the ensemble classifies correctly.
    settings : SignificanceSettings
        The thresholds; each may be met exactly.

    Returns
    -------
    (tumors, genes) str
    """
    is_called = (
        (q_decoy <= settings.q_decoy)
        & (q_value <= settings.q_value)
        & (recall[:, np.newaxis] >= settings.recall)
    )
    grades = {
        "untestable": np.isnan(q_value),
        "unknown": np.isnan(q_decoy),
        LEARNED: is_called & ~(replication < settings.replication),
        "unstable": is_called,
        "expression-driven": (rank <= top_k(rank.shape[1])) & (q_decoy > settings.q_decoy),
    }
    return np.select(list(grades.values()), list(grades), default="none")


@lru_cache
def _signed_rank_tail(n: int) -> np.ndarray:
    """P(W ≥ w) for w from 0 to n (n + 1) / 2 under the null; exact, as counts stay below 2^53."""
    counts = np.zeros(n * (n + 1) // 2 + 1)
    counts[0] = 1
    for rank in range(1, n + 1):
        counts[rank:] += counts[:-rank].copy()
    return np.cumsum(counts[::-1])[::-1] / 2.0**n
