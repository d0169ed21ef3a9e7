"""Sets of genes to delete and insert: top genes of rankings, and genes to compare them with."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy  # whose modules are imported at their first use: they take a second

from tumorcam.cohort.cohort import Cohort
from tumorcam.settings.config import Config
from tumorcam.significance.exact_sums import column_sums, group_sums

TOP_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)  # numbers of genes
RETRAINED, RETRAINED_DRAWS = 20, 5  # genes of a tumor, and draws of random ones, to train on alone
RANDOM_DRAWS = 3  # of random genes for each sample, whose falls are averaged
BAND = 256  # genes read at once
T_TEST, RANDOM, MATCHED = "t_test", "random", "matched"


@dataclass(frozen=True)
class GeneSets:
    """Genes by set, tumor and size; each set is named after its source.

    `sizes` are the numbers of genes k. `names` are the sets: each method, `matched_set` of each
    method, and t_test. `members` has for each size an array (sets, tumors, k) int, the best gene
    first. `has_scores` (sets, tumors) bool tells where the set's method has scores; elsewhere its
    genes mean nothing. Random genes differ by sample (`random_genes`) and are not among the sets.
    """

    sizes: tuple[int, ...]
    names: tuple[str, ...]
    members: tuple[np.ndarray, ...]
    has_scores: np.ndarray

    def of_tumor(self, tumor: int) -> list[list[np.ndarray]]:
        """The genes of a tumor: for each set an array (k,) int for each size."""
        return [[members[i, tumor] for members in self.members] for i in range(len(self.names))]


def set_sizes(n_genes: int) -> tuple[int, ...]:
    """Numbers of genes that are changed together: at most half of all genes."""
    return tuple(k for k in TOP_SIZES if 2 * k <= n_genes)


def n_sets(n_methods: int) -> int:
    """Number of sets that are tried for each sample, random draws included."""
    return 2 * n_methods + 1 + RANDOM_DRAWS


def make_gene_sets(
    scores: Mapping[str, np.ndarray], t_statistic: np.ndarray, variance: np.ndarray
) -> GeneSets:
    """The top genes of each method, as many genes of the same variance, and those of the t-test.

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
    names = (*scores, *(matched_set(method) for method in scores), T_TEST)
    of_methods = [~np.isnan(score).any(axis=1) for score in scores.values()]
    always = np.ones(len(t_statistic), dtype=bool)
    has_scores = np.stack([*of_methods, *of_methods, always])
    return GeneSets(sizes=sizes, names=names, members=tuple(members), has_scores=has_scores)


def matched_set(method: str) -> str:
    """Name of the set of genes that are matched in variance with a method's top genes."""
    return f"{MATCHED}/{method}"


def ranked_genes(score: np.ndarray) -> np.ndarray:
    """(tumors, genes) int: genes from the highest score down, ties in gene order, NaN last."""
    return np.argsort(-score, axis=1, kind="stable")


def matched_genes(top: np.ndarray, by_variance: np.ndarray) -> np.ndarray:
    """For each of some top genes another gene of nearly the same variance.

    Each top gene in turn gets the gene that is nearest to it in rank by variance. Top genes and
    genes that were taken before are left out. Of two equally near genes the more variable is taken.

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
    """(draws, genes) int: random orders of all genes, by the run's seed and the sample's ID."""
    rng = config.rng("random genes", sample)
    return np.stack([rng.permutation(n_genes) for _ in range(RANDOM_DRAWS)])


def t_statistics(cohort: Cohort) -> np.ndarray:
    """(tumors, genes) float64: Welch's t of log2 expression, a tumor against all other samples."""
    parts = [
        welch_statistics(expression, cohort.tumor, len(cohort.tumors))
        for i in range(0, len(cohort.genes), BAND)
        for expression in cohort.gene_bands(slice(i, i + BAND))
    ]
    return np.concatenate(parts, axis=1)


def welch_statistics(expression: np.ndarray, tumor: np.ndarray, n_tumors: int) -> np.ndarray:
    """Welch's t of each tumor against all other samples; high where it expresses the gene more.

    Parameters
    ----------
    expression : (samples, genes) float
        log2(x + 1).
    tumor : (samples,) int
        From 0 to n_tumors - 1.

    Returns
    -------
    (tumors, genes) float64
        NaN where both variances are 0, or where one side has fewer than two samples.

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
        test = scipy.stats.ttest_ind_from_stats(
            mean, sd, n, mean_rest, sd_rest, n_rest, equal_var=False
        )
    return np.asarray(test.statistic)
