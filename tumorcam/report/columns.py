"""Every column of the gene tables: name, type, unit and meaning; `dictionary` adds the others."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

TEXT, WHOLE, NUMBER, FLAG = "text", "int64", "float64", "bool"  # types of a column
ARROW = {TEXT: pa.string(), WHOLE: pa.int64(), NUMBER: pa.float64(), FLAG: pa.bool_()}
NUMPY = {TEXT: np.dtype(object), WHOLE: np.dtype("i8"), NUMBER: np.dtype("f8"), FLAG: np.dtype("?")}


@dataclass(frozen=True)
class Column:
    """A column of a table; `dtype` is TEXT, WHOLE, NUMBER or FLAG."""

    name: str
    dtype: str
    meaning: str
    unit: str = ""


def named(names: str, columns: Iterable[Column]) -> tuple[Column, ...]:
    """Some columns in this order; the names stand between blanks."""
    by_name = {column.name: column for column in columns}
    return tuple(by_name[name] for name in names.split())


def require_columns(table: pd.DataFrame, columns: Iterable[Column]) -> pd.DataFrame:
    """A table with the types of its columns.

    Raises
    ------
    ValueError
        If it has other columns, or a column cannot have its type: a fault of the program.
    """
    types = {column.name: NUMPY[column.dtype] for column in columns}
    if list(table.columns) != list(types):
        msg = f"the table has the columns {list(table.columns)}; wanted {list(types)}"
        raise ValueError(msg)
    return table.astype(types)


def columns_of(table: pd.DataFrame) -> tuple[Column, ...]:
    """The columns of a table by the types that its values have, without their meaning."""
    kinds = {"i": WHOLE, "u": WHOLE, "f": NUMBER, "b": FLAG}
    return tuple(
        Column(str(name), kinds.get(values.dtype.kind, TEXT), "") for name, values in table.items()
    )


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """The columns as a schema of Parquet."""
    return pa.schema([(column.name, ARROW[column.dtype]) for column in columns])


_SALIENCY = "unit of the method"
_SHARE = "share, 0 to 1"
_P = "probability, 0 to 1"
_RANK = "rank, from 1"
_STATISTICS = (
    Column("tumor", TEXT, "The tumor that the samples were explained for."),
    Column("gene", TEXT, "The name of the gene."),
    Column("method", TEXT, "The saliency method, such as guided_grad_cam."),
    Column("view", TEXT, "The view: own, or contrast with rival tumors."),
    Column("n", WHOLE, "How many patients of the tumor count.", "patients"),
    Column("score", NUMBER, "The trimmed mean of the saliency over patients.", _SALIENCY),
    Column("mean", NUMBER, "The mean of the saliency over patients.", _SALIENCY),
    Column("sd", NUMBER, "The standard deviation over patients.", _SALIENCY),
    Column("effect", NUMBER, "The mean divided by the standard deviation.", "SD"),
    Column("positive", NUMBER, "The share of patients with a saliency above 0.", _SHARE),
    Column("positive_low", NUMBER, "The low end of the 95 % interval of that share.", _SHARE),
    Column("positive_high", NUMBER, "The high end of the 95 % interval of that share.", _SHARE),
    Column("p_value", NUMBER, "Wilcoxon signed-rank test that the saliency is above 0.", _P),
    Column("margin", NUMBER, "The score minus the higher score of the gene's decoy.", _SALIENCY),
    Column("q_value", NUMBER, "Benjamini-Hochberg over all p-values of the ranking.", _P),
    Column("p_fwer", NUMBER, "The p-value, corrected for all genes of the tumor.", _P),
    Column("q_decoy", NUMBER, "The false discovery rate that the decoys measure.", _P),
    Column("replication", NUMBER, "The share of networks with a margin above 0.", _SHARE),
    Column("rank", NUMBER, "The rank of the score in its tumor; ties share a rank.", _RANK),
    Column("rank_low", NUMBER, "The low end of the 95 % interval of the rank.", _RANK),
    Column("rank_high", NUMBER, "The high end of the 95 % interval of the rank.", _RANK),
    Column("p_null", NUMBER, "The p-value by null runs; NaN without them.", _P),
    Column(
        "expression_auroc",
        NUMBER,
        "The chance that a sample of the tumor expresses the gene more than one of another.",
        _P,
    ),
    Column(
        "log2_fold_change",
        NUMBER,
        "The mean expression in the tumor minus that in all other samples.",
        "log2(x + 1)",
    ),
    Column("evidence", TEXT, "The grade; learned is the highest. docs/method.md has all grades."),
    Column("partial", FLAG, "Whether shards were missing when the tables were made."),
    Column(
        "expression",
        TEXT,
        "Whether high or low expression speaks for the tumor: high, low, same or unknown. "
        "It is the sign of log2_fold_change.",
    ),
    Column("mean_inside", NUMBER, "The mean expression in the tumor.", "log2(x + 1)"),
    Column("mean_outside", NUMBER, "The mean expression in all other samples.", "log2(x + 1)"),
)
GENE_COLUMNS = named(
    "tumor gene method view n score mean sd effect positive positive_low positive_high p_value "
    "margin q_value p_fwer q_decoy replication rank rank_low rank_high p_null expression_auroc "
    "log2_fold_change evidence partial",
    _STATISTICS,
)
LEARNED_COLUMNS = named(
    "tumor gene expression rank q_decoy replication log2_fold_change expression_auroc score margin "
    "rank_low rank_high q_value n method view partial",
    _STATISTICS,
)
GENE_ANSWER_COLUMNS = named(
    "tumor gene method view score rank rank_low rank_high margin q_decoy q_value replication "
    "evidence mean_inside mean_outside log2_fold_change expression_auroc partial",
    _STATISTICS,
)
TUMOR_ANSWER_COLUMNS = named(
    "tumor gene method view score rank rank_low rank_high margin q_decoy q_value replication "
    "evidence log2_fold_change expression_auroc partial",
    _STATISTICS,
)
_PASSES = {
    "present": "with the decoy at the true values of its gene",
    "chance": "with the decoy at its permuted values",
}
_DECOY_STATISTICS = {
    "score": ("The score", _SALIENCY),
    "sd": ("The standard deviation over patients", _SALIENCY),
    "positive": ("The share of patients with a saliency above 0", _SHARE),
    "p_value": ("The Wilcoxon p-value", _P),
}
DECOY_COLUMNS = (
    *named("tumor", _STATISTICS),
    Column("decoy", TEXT, "The gene that the decoy copies."),
    *named("method view", _STATISTICS),
    *(
        Column(f"{name}_{statistic}", NUMBER, f"{meaning}, {where}.", unit)
        for statistic, (meaning, unit) in _DECOY_STATISTICS.items()
        for name, where in _PASSES.items()
    ),
    Column("rank_among_genes", NUMBER, "1 + the number of genes with a higher score.", _RANK),
    *named("partial", _STATISTICS),
)
RANK_LIST_COLUMNS = (
    Column("gene", TEXT, "The name of the gene; the file has no header."),
    Column("score", NUMBER, "The score in the ranking that the page shows first.", _SALIENCY),
)
GENE_SET_COLUMNS = (
    Column("tumor", TEXT, "The name of the set; the file has no header."),
    Column("description", TEXT, "The ranking and the threshold of q_decoy."),
    Column("genes", TEXT, "The learned genes, one a field, the best rank first."),
)
COLUMN_SHEET_COLUMNS = (
    Column("column", TEXT, "The name of a column of the other sheets."),
    Column("type", TEXT, "What it holds: text, int64, float64 or bool."),
    Column("unit", TEXT, "Its unit; empty where it has none."),
    Column("meaning", TEXT, "What it says."),
)
ABOUT_SHEET_COLUMNS = (
    Column("about", TEXT, "What a row is about."),
    Column("value", TEXT, "What holds for this file."),
)
