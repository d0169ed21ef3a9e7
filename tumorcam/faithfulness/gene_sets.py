"""Sets of genes to delete and insert: a ranking's top genes, and what they are held against."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import ttest_ind_from_stats

from tumorcam.cohort.cohort import Cohort
from tumorcam.config import Config
from tumorcam.significance.exact_sums import column_sums, group_sums

TOP_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)  # genes; those that at least as many others leave
RANDOM_DRAWS = 3  # for each sample, from which its fall is averaged
BAND = 256  # genes read at once
T_TEST, RANDOM, MATCHED = "t_test", "random", "matched"


@dataclass(frozen=True)
class GeneSets:
    """Genes by set, tumor and number; each set is named after where it comes from.

    `sizes` are the numbers of genes k; `names` the sets: each method, matched/METHOD for each
    method, t_test. `members` has an array (sets, tumors, k) int a size, the best gene first;
    `known` (sets, tumors) bool says where the set's method has scores: elsewhere its genes mean
    nothing. Random genes are drawn for each sample anew (`random_genes`) and are no member.
    """

    sizes: tuple[int, ...]
    names: tuple[str, ...]
    members: tuple[np.ndarray, ...]
    known: np.ndarray

    def of_tumor(self, tumor: int) -> list[list[np.ndarray]]:
        """A tumor's genes: for each set one array (k,) a size."""
        return [[one[i, tumor] for one in self.members] for i in range(len(self.names))]


def set_sizes(n_genes: int) -> tuple[int, ...]:
    """The numbers of genes that are changed together: at most half of all."""
    return tuple(k for k in TOP_SIZES if 2 * k <= n_genes)


def n_sets(n_methods: int) -> int:
    """Sets of a sample that are tried, random draws among them."""
    return 2 * n_methods + 1 + RANDOM_DRAWS


def make_gene_sets(
    scores: Mapping[str, np.ndarray], t_statistic: np.ndarray, variance: np.ndarray
) -> GeneSets:
    """Each method's top genes, as many of the same variance, and the t-test's.

    Parameters
    ----------
    scores : mapping
        Method to (tumors, genes) float.
    t_statistic, variance : (tumors, genes), (genes,) float
    """
    sizes = set_sizes(len(variance))
    ranked = {method: ranked_genes(score) for method, score in scores.items()}
    t_ranked = ranked_genes(t_statistic)
    by_variance = np.argsort(-variance, kind="stable")
    members = []
    for k in sizes:
        tops = [order[:, :k] for order in ranked.values()]
        matched = [
            np.stack([matched_genes(top, by_variance) for top in of_method]) for of_method in tops
        ]
        members.append(np.stack([*tops, *matched, t_ranked[:, :k]]))
    names = (*scores, *(f"{MATCHED}/{method}" for method in scores), T_TEST)
    has_scores = [~np.isnan(score).any(axis=1) for score in scores.values()]
    always = np.ones(len(t_statistic), dtype=bool)
    known = np.stack([*has_scores, *has_scores, always])
    return GeneSets(sizes, names, tuple(members), known)


def ranked_genes(score: np.ndarray) -> np.ndarray:
    """(tumors, genes) int: genes from the highest score down; of equal ones the first, NaN last."""
    return np.argsort(-score, axis=1, kind="stable")


def matched_genes(top: np.ndarray, by_variance: np.ndarray) -> np.ndarray:
    """For each gene of a top another gene of nearly its variance, outside the top.

    In the order of the top, each gene gets the gene nearest in rank by variance that is neither in
    the top nor taken; of two as near, the more variable one.

    Parameters
    ----------
    top : (k,) int
        At most half of all genes.
    by_variance : (genes,) int
        All genes, the most variable first.

    Returns
    -------
    (k,) int
    """
    place = np.empty(len(by_variance), dtype=int)
    place[by_variance] = np.arange(len(by_variance))
    free = np.setdiff1d(np.arange(len(by_variance)), place[top])
    matched = []
    for gene in top:
        nearest = int(np.abs(free - place[gene]).argmin())
        matched.append(by_variance[free[nearest]])
        free = np.delete(free, nearest)
    return np.array(matched)


def random_genes(sample: str, n_genes: int, config: Config) -> np.ndarray:
    """(draws, genes) int: all genes in random orders, by the run's seed and the sample's ID."""
    rng = config.rng("random genes", sample)
    return np.stack([rng.permutation(n_genes) for _ in range(RANDOM_DRAWS)])


def t_statistics(cohort: Cohort) -> np.ndarray:
    """(tumors, genes) float64 Welch's t of a tumor's log2 expression against all other samples."""
    parts = [
        welch_statistics(cohort.gene_band(slice(i, i + BAND)), cohort.tumor, len(cohort.tumors))
        for i in range(0, len(cohort.genes), BAND)
    ]
    return np.concatenate(parts, axis=1)


def welch_statistics(expression: np.ndarray, tumor: np.ndarray, n_tumors: int) -> np.ndarray:
    """Welch's t of each tumor against the rest: high where the tumor expresses the gene more.

    Parameters
    ----------
    expression : (samples, genes) float
        log2(x + 1).
    tumor : (samples,) int
        From 0 to n_tumors - 1.

    Returns
    -------
    (tumors, genes) float64
        NaN where both variances are 0 or a side has fewer than two samples.

    References
    ----------
    Welch 1947, doi:10.1093/biomet/34.1-2.28.
    """
    n = np.bincount(tumor, minlength=n_tumors)[:, np.newaxis]
    sums = group_sums(expression, tumor, n_tumors)
    mean = sums / np.maximum(n, 1)
    squares = group_sums((expression - mean[tumor]) ** 2, tumor, n_tumors)
    n_rest = len(tumor) - n
    mean_rest = (column_sums(sums) - sums) / np.maximum(n_rest, 1)
    squares_rest = np.empty_like(squares)
    for t in range(n_tumors):
        others = np.arange(n_tumors) != t
        between = n[others] * (mean[others] - mean_rest[t]) ** 2
        squares_rest[t] = (squares[others] + between).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        sd, sd_rest = np.sqrt(squares / (n - 1)), np.sqrt(squares_rest / (n_rest - 1))
        found = ttest_ind_from_stats(mean, sd, n, mean_rest, sd_rest, n_rest, equal_var=False)
    return np.asarray(found.statistic)
