"""The columns of the tables that `show` prints of genes, and the lines that explain them."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from tumorcam.explain.views import RankingKey
from tumorcam.readers.wording import plain
from tumorcam.report.results import require_ranking
from tumorcam.significance.tables import Ranking, Significance

UNKNOWN = "-"  # in a printed table, a number that is unknown
STATISTICS = (
    *("score", "rank", "rank_low", "rank_high"),
    *("margin", "q_decoy", "q_value", "replication"),
)
EXPLANATION = """rank: 1 is the highest score of a tumor, with its 95 % interval
margin: score minus the higher score of the gene's own decoy; q_decoy: of that margin
q_value: that the score is above 0; replication: share of networks with a margin above 0
log2_fc: mean of log2(x + 1) in the tumor minus that in the others
auroc: chance that a sample of the tumor expresses the gene more than one of another
docs/method.md explains how each is computed, and the grades of evidence"""
FORMATS: dict[str, Callable[[float], str]] = {
    "score": "{:.3g}".format,
    "margin": "{:.3g}".format,
    "q_decoy": "{:.2g}".format,
    "q_value": "{:.2g}".format,
    "replication": "{:.2f}".format,
    "mean_inside": "{:.2f}".format,
    "mean_outside": "{:.2f}".format,
    "log2_fold_change": "{:+.2f}".format,
    "expression_auroc": "{:.2f}".format,
}
HEADINGS = {  # that are shorter, or differ from the names in a file
    "mean_inside": "mean",
    "mean_outside": "others",
    "log2_fold_change": "log2_fc",
    "expression_auroc": "auroc",
}


class Answer(NamedTuple):
    """What `show` prints of a sample, gene or tumor: a text, and the table in it, all digits.

    The table has further columns that are the same in all rows, so that a file says what it is of.
    In a dry run it is None.
    """

    text: str
    table: pd.DataFrame | None


def read_ranking(results: Significance, key: RankingKey) -> Ranking:
    """One ranking of the tables.

    Raises
    ------
    ConfigError
        If it was not computed.
    FileError
        If the file is damaged.
    """
    require_ranking(results, key)
    return results.ranking(key)


def statistics_of(
    results: Significance, ranking: Ranking, tumors: np.ndarray, genes: np.ndarray
) -> dict[str, object]:
    """Columns of some (tumor, gene) pairs, by the names that genes.csv has for them.

    Parameters
    ----------
    tumors, genes : (pairs,) int
        Indices of each pair's tumor and gene.
    """
    pairs = tumors, genes
    columns: dict[str, object] = {
        "tumor": results.tumors[tumors].astype(object),
        "gene": results.genes[genes].astype(object),
        "method": ranking.method,
        "view": ranking.view,
    }
    columns |= {name: getattr(ranking, name)[pairs] for name in STATISTICS}
    columns["evidence"] = ranking.evidence[pairs].astype(object)
    columns["log2_fold_change"] = results.log2_fold_change[pairs]
    columns["expression_auroc"] = results.expression_auroc[pairs]
    columns["partial"] = bool(results.missing_shards)
    return columns


def printed_table(table: pd.DataFrame) -> str:
    """A table of `statistics_of` and other columns as text, with the interval beside the rank."""
    texts = {}
    for name in table:
        if name in ("rank_low", "rank_high"):
            continue
        if name == "rank":
            columns = zip(table["rank"], table["rank_low"], table["rank_high"], strict=True)
            texts["rank (95 %)"] = [_rank_text(*values) for values in columns]
        elif name in FORMATS:
            texts[HEADINGS.get(name, name)] = [_number(FORMATS[name], x) for x in table[name]]
        else:
            texts[str(name)] = [plain(str(cell)) for cell in table[name]]
    return pd.DataFrame(texts).to_string(index=False)


def notes(results: Significance, ranking: Ranking) -> list[str]:
    """What a reader must know of these tables before trusting them; empty for most runs."""
    lines = []
    if results.missing_shards:
        n_missing = len(results.missing_shards)
        lines.append(f"partial: {n_missing} shards were missing when reduce ran")
    if ranking.too_few_decoys:
        lines.append(
            "too few decoys to call a gene: the smallest q_decoy that they allow is "
            f"{ranking.smallest_q_decoy:.2g}"
        )
    return lines


def _rank_text(rank: float, low: float, high: float) -> str:
    interval = "" if math.isnan(low) else f" ({low:.0f}-{high:.0f})"
    return f"{_number('{:g}'.format, rank)}{interval}"


def _number(spell: Callable[[float], str], value: float) -> str:
    return UNKNOWN if math.isnan(value) else spell(value)
