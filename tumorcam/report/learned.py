"""The learned genes alone: the first table that a user opens, a workbook and gene sets."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam import __version__
from tumorcam.explain.views import RankingKey
from tumorcam.report import gene_columns
from tumorcam.report.columns import LEARNED_COLUMNS
from tumorcam.report.csv_files import MAX_ROWS, write_csv
from tumorcam.report.gene_text import DIRECTIONS
from tumorcam.report.results import Run
from tumorcam.report.tables import one_cell
from tumorcam.report.workbook import Sheet, about_sheet, column_sheet, write_workbook
from tumorcam.significance.tables import Ranking, Significance
from tumorcam.storage import hdf5

EXPRESSION = dict(zip(DIRECTIONS, ("high", "low", "same"), strict=True))  # that speaks for a tumor
UNKNOWN = "unknown"


def learned_table(results: Significance, ranking: Ranking) -> pd.DataFrame:
    """A row for each learned (tumor, gene) pair of a ranking, by tumor and rank.

    The columns are LEARNED_COLUMNS.
    """
    tumors, genes = np.nonzero(ranking.is_learned)
    order = np.lexsort((genes, ranking.rank[tumors, genes], tumors))
    tumors, genes = tumors[order], genes[order]
    table = pd.DataFrame(gene_columns.statistics_of(results, ranking, tumors, genes))
    table["n"] = results.n[tumors]
    table["expression"] = UNKNOWN
    for direction, holds in DIRECTIONS.items():
        table.loc[holds(table["log2_fold_change"]), "expression"] = EXPRESSION[direction]
    return table[[column.name for column in LEARNED_COLUMNS]]


def write_learned_csv(path: Path, results: Significance, ranking: Ranking) -> None:
    """Write the `learned_table` of a ranking as CSV, with 6 significant digits."""
    write_csv(path, [learned_table(results, ranking)], LEARNED_COLUMNS)


def write_gene_sets(path: Path, results: Significance, ranking: Ranking, *, level: float) -> None:
    """Write the learned genes of each tumor as a gene set of GMT, the best rank first.

    A tumor without a learned gene has no set.

    Parameters
    ----------
    level : float
        The threshold of q_decoy, for the description.

    References
    ----------
    GMT is a format of GSEA: Subramanian et al. 2005, doi:10.1073/pnas.0506580102.
    """
    text = f"learned by {ranking.method} {ranking.view} of tumorcam at q_decoy <= {level:g}"
    if results.missing_shards:
        text += f"; partial: {len(results.missing_shards)} shards were missing"
    lines = [
        "\t".join([one_cell(str(tumor)), text, *map(one_cell, rows["gene"])]) + "\n"
        for tumor, rows in learned_table(results, ranking).groupby("tumor", sort=False)
    ]
    hdf5.write_text(path, "".join(lines))


def write_learned_workbook(path: Path, run: Run) -> None:
    """Write the learned genes of every ranking as a workbook for a spreadsheet.

    There is a sheet for each ranking, the one that the page shows first in front. The sheet
    `columns` documents every column, and `about` says what the workbook is of.
    """
    results, first = run.results, run.first_ranking
    keys = sorted(results.keys, key=lambda key: (key != first, key))
    n_learned: dict[str, str] = {}

    def sheet(key: RankingKey) -> Sheet:
        table = learned_table(results, results.ranking(key))
        cut = f"; only the first {MAX_ROWS:,} are here" if len(table) > MAX_ROWS else ""
        n_learned[f"learned by {key.title}"] = f"{len(table):,} (tumor, gene) pairs{cut}"
        return Sheet(f"{key.method} {key.view}", table.head(MAX_ROWS), LEARNED_COLUMNS, fixed=2)

    def sheets() -> Iterator[Sheet]:
        yield from map(sheet, keys)
        yield column_sheet(LEARNED_COLUMNS)
        yield about_sheet(_about(run) | n_learned)

    write_workbook(path, sheets())


def _about(run: Run) -> dict[str, str]:
    results = run.results
    n_missing = len(results.missing_shards)
    return {
        "what this is": "the genes that tumorcam grades learned, a sheet for each ranking",
        "run": run.config.run.name,
        "tumorcam": __version__,
        "first sheet": f"{run.first_ranking.title}, the ranking that the page shows first",
        "false discovery rate": f"q_decoy is at most {run.config.significance.q_decoy:g}",
        "partial": f"yes: {n_missing} shards were missing" if n_missing else "no",
        "made from": f"{run.folder.significance.name}, digest {results.digest}",
        "all genes": "genes.csv and genes.parquet, in the folder of this file",
    }
