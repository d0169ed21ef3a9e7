"""One gene in every tumor: where it is learned, and how it is expressed there."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tumorcam.cohort.cohort import Cohort
from tumorcam.explain.views import RankingKey
from tumorcam.readers.wording import plain
from tumorcam.report import gene_columns
from tumorcam.report.gene_columns import Answer
from tumorcam.significance.exact_sums import group_sums
from tumorcam.significance.statistics import LEARNED
from tumorcam.significance.tables import Ranking, Significance

COLUMNS = [
    *("tumor", "gene", "method", "view"),
    *gene_columns.STATISTICS,
    *("evidence", "mean_inside", "mean_outside", "log2_fold_change", "expression_auroc", "partial"),
]
SAME_IN_ALL = ["gene", "method", "view", "partial"]  # columns that are not printed
DIRECTIONS: dict[str, Callable[["pd.Series[float]"], "pd.Series[bool]"]] = {  # of log2_fold_change
    "expressed higher than in the others": lambda change: change > 0,
    "expressed lower than in the others": lambda change: change < 0,
    "expressed as in the others": lambda change: change == 0,
}


class MeanExpression(NamedTuple):
    """Means of a gene, each (tumors,) float64 in log2(x + 1): in a tumor and in all others.

    They are NaN where there is no sample.
    """

    inside: np.ndarray
    outside: np.ndarray


def gene_answer(cohort: Cohort, results: Significance, key: RankingKey, gene: int) -> Answer:
    """All that the tables say of a gene, one ranking first, then a line of each other one.

    Parameters
    ----------
    cohort, results
        Of one run folder: the tables were made from this cohort. Its samples may be explained for
        another tumor than their own; they count for the one that the cohort gives them.
    key : RankingKey
        The ranking of the table.
    gene : int
        Index of the gene.

    Raises
    ------
    ConfigError
        If the ranking was not computed.
    FileError
        If a file is damaged.
    """
    ranking = gene_columns.read_ranking(results, key)
    table = gene_table(cohort, results, ranking, gene)
    lines = [
        *describe_gene(cohort, gene),
        *describe_learned(table, key),
        *gene_columns.notes(results, ranking),
        "",
        gene_columns.printed_table(table.drop(columns=SAME_IN_ALL)),
        "",
        "mean, others: of log2(x + 1) in the tumor and in the others, or of the values as read",
        gene_columns.EXPLANATION,
        "",
        *(
            f"{other.title}: {learned_words(results.tumors, results.evidence(other, gene))}"
            for other in results.keys
            if other != key
        ),
    ]
    return Answer("\n".join(lines), table)


def gene_table(cohort: Cohort, results: Significance, ranking: Ranking, gene: int) -> pd.DataFrame:
    """A row for each tumor, the lowest rank first, tumors without a rank last.

    Besides the columns of `gene_columns.statistics_of` it has mean_inside and mean_outside.
    """
    tumors = np.arange(len(results.tumors))
    columns = gene_columns.statistics_of(results, ranking, tumors, np.full(len(tumors), gene))
    mean = mean_expression(cohort, gene)
    columns |= {"mean_inside": mean.inside, "mean_outside": mean.outside}
    table = pd.DataFrame(columns)[COLUMNS]
    return table.sort_values("rank", kind="stable", na_position="last", ignore_index=True)


def mean_expression(cohort: Cohort, gene: int) -> MeanExpression:
    """Mean expression of a gene in the samples of each tumor, and in all other samples."""
    n_tumors = len(cohort.tumors)
    sums = group_sums(cohort.some_genes(np.array([gene])), cohort.tumor, n_tumors)[:, 0]
    n = np.bincount(cohort.tumor, minlength=n_tumors)
    n_others = len(cohort.tumor) - n
    inside = sums / np.where(n > 0, n, np.nan)
    return MeanExpression(inside, (sums.sum() - sums) / np.where(n_others > 0, n_others, np.nan))


def describe_gene(cohort: Cohort, gene: int) -> list[str]:
    """Lines that hold for the gene in every ranking: its name, its variance, what it is good for.

    The rank 1 is the highest variance; genes of equal variance share the best of their ranks.
    """
    variance = cohort.variance[gene]
    rank = 1 + int((cohort.variance > variance).sum())
    name = plain(str(cohort.genes[gene]))
    lines = [f"{name}: variance {variance:.3g}, rank {rank:,} of {len(cohort.genes):,} genes"]
    if cohort.is_entrapped[gene]:
        lines.append("entrapped: its values were permuted as a check, so none of this is real")
    if variance == 0:
        lines.append("constant: it has one value in all samples, so nothing can be learned from it")
    return lines


def describe_learned(table: pd.DataFrame, key: RankingKey) -> list[str]:
    """In how many tumors of a `gene_table` the gene is learned, and how it is expressed there.

    If it is learned in none, the direction is that in the tumor of its best rank.
    """
    learned = table[table["evidence"] == LEARNED]
    lines = [f"learned in {len(learned)} of {len(table)} tumors ({key.title})"]
    where = "" if len(learned) else "in the tumor of its best rank "
    rows = learned if len(learned) else table[table["rank"].notna()].head(1)
    for direction, holds in DIRECTIONS.items():
        tumors = rows.loc[holds(rows["log2_fold_change"]), "tumor"]
        if len(tumors):
            lines.append(f"  {where}{direction}: {_listed(tumors.tolist())}")
    return lines


def learned_words(tumors: np.ndarray, evidence: np.ndarray) -> str:
    """The tumors in which a gene is learned, in words.

    Parameters
    ----------
    tumors, evidence : (tumors,) str
        Their names, and the gene's grades in them.
    """
    learned = tumors[evidence == LEARNED].tolist()
    return f"learned in {_listed(learned)}" if learned else "learned in no tumor"


def _listed(tumors: Sequence[str]) -> str:
    return ", ".join(map(plain, tumors))
