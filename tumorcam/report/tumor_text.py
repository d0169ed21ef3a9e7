"""One tumor: how well it is recognised, and the genes that speak for it."""

import math

import numpy as np
import pandas as pd

from tumorcam.cohort.cohort import Cohort
from tumorcam.errors import ConfigError
from tumorcam.explain.views import RankingKey
from tumorcam.readers.wording import plain
from tumorcam.report import gene_columns
from tumorcam.report.gene_columns import Answer
from tumorcam.report.summary import EVIDENCE
from tumorcam.significance.classification import (
    confused_pairs,
    confusion_matrix,
    ensemble_probability,
)
from tumorcam.significance.tables import Ranking, Significance

SAME_IN_ALL = ["tumor", "method", "view", "partial"]  # columns that are not printed
MAX_CONFUSED = 5  # tumors for which it is taken most often


def tumor_answer(
    cohort: Cohort, results: Significance, key: RankingKey, tumor: int, *, top: int
) -> Answer:
    """All that the tables say of a tumor, and its first genes in one ranking.

    Parameters
    ----------
    cohort, results
        Of one run folder, as in `gene_text.gene_answer`.
    key : RankingKey
        The ranking of the table.
    tumor : int
        Index of the tumor for which samples were explained.
    top : int
        The number of genes in the table.

    Raises
    ------
    ConfigError
        If the ranking was not computed, or `top` is below 1.
    FileError
        If a file is damaged.
    """
    require_top(top)
    ranking = gene_columns.read_ranking(results, key)
    table = top_genes(results, ranking, tumor, top=top)
    counts = (f"{(ranking.evidence[tumor] == grade).sum():,} {grade}" for grade in EVIDENCE)
    lines = [
        *describe_tumor(cohort, results, tumor),
        f"genes by evidence ({key.title}): {', '.join(counts)}",
        *gene_columns.notes(results, ranking),
    ]
    if table.empty:
        lines.append("no gene has a rank in this tumor: too few of its samples were explained")
    else:
        text = gene_columns.printed_table(table.drop(columns=SAME_IN_ALL))
        lines += ["", text, "", gene_columns.EXPLANATION]
    return Answer("\n".join(lines), table)


def require_top(top: int) -> None:
    """Check the number of genes to print; ConfigError if it is below 1."""
    if top < 1:
        raise ConfigError(f"--top is {top}; wanted 1 gene or more")


def top_genes(results: Significance, ranking: Ranking, tumor: int, *, top: int) -> pd.DataFrame:
    """The genes of lowest rank in a tumor, with the columns of `gene_columns.statistics_of`.

    Genes of equal rank stand in the order of the tables; those without a rank are left out.
    """
    rank = ranking.rank[tumor]
    genes = np.argsort(rank, kind="stable")[:top]
    genes = genes[~np.isnan(rank[genes])]
    columns = gene_columns.statistics_of(results, ranking, np.full(len(genes), tumor), genes)
    return pd.DataFrame(columns)


def describe_tumor(cohort: Cohort, results: Significance, tumor: int) -> list[str]:
    """How many samples and patients are explained for a tumor, and what the ensemble calls them.

    Patients are those over whom the statistics are computed, which may be of correct calls alone.
    """
    name = plain(str(results.tumors[tumor]))
    is_explained = ~np.isnan(results.classification.probability[:, :, 0]).all(axis=0)
    n_samples = int((cohort.tumor[is_explained] == tumor).sum())
    recall = results.classification.recall[tumor]
    lines = [f"{name}: {results.n[tumor]:,} patients, {n_samples:,} samples explained for {name}"]
    if math.isnan(recall):
        lines.append("recall is unknown: no sample was explained for it")
        return lines
    taken_for = ", ".join(
        f"{plain(row['predicted'])} {row['samples']} ({100 * row['share']:.1f} %)"
        for row in taken_for_others(cohort, results, tumor).to_dict("records")
    )
    if cohort.recall is None:
        lines.append(f"recall {recall:.3f}: the ensemble calls {100 * recall:.1f} % of them {name}")
    else:
        lines.append(f"recall {recall:.3f}, that of the run's own held-out samples")
    lines.append(f"most often taken for {taken_for}" if taken_for else "taken for no other tumor")
    return lines


def taken_for_others(cohort: Cohort, results: Significance, tumor: int) -> pd.DataFrame:
    """The tumors that the ensemble most often calls the samples of a tumor.

    The columns are those of `confused_pairs`, of which this is the part of one tumor.
    """
    ensemble = ensemble_probability(results.classification.probability)
    is_explained = ~np.isnan(ensemble).any(axis=1)
    confusion = confusion_matrix(ensemble[is_explained], cohort.tumor[is_explained])
    pairs = confused_pairs(confusion, results.tumors, top=confusion.size)
    return pairs[pairs["tumor"] == results.tumors[tumor]].head(MAX_CONFUSED)
