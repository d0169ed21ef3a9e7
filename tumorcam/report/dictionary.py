"""The data dictionary: every table that a run writes, and its columns, as in docs/tables.md."""

from collections.abc import Iterable
from dataclasses import dataclass

from tumorcam.report.call_columns import (
    CALL_COLUMNS,
    MAP_ANSWER_COLUMNS,
    SHEET_COLUMNS,
    SHIFT_COLUMNS,
    TOP_GENE_COLUMNS,
    probability_columns,
)
from tumorcam.report.columns import (
    ABOUT_SHEET_COLUMNS,
    COLUMN_SHEET_COLUMNS,
    DECOY_COLUMNS,
    GENE_ANSWER_COLUMNS,
    GENE_COLUMNS,
    GENE_SET_COLUMNS,
    LEARNED_COLUMNS,
    RANK_LIST_COLUMNS,
    TUMOR_ANSWER_COLUMNS,
    Column,
)
from tumorcam.report.csv_files import MAX_ROWS
from tumorcam.report.summary import EVIDENCE

_FLOAT32, _P = "float32", "probability, 0 to 1"
_CODES = ", ".join(f"{code} {grade}" for code, grade in enumerate(EVIDENCE))
H5AD_PARTS = (
    Column("X", _FLOAT32, "The score by the ranking shown first; 0 where it is unknown."),
    Column("obs.tumor", "category", "The tumor, for groupby in scanpy."),
    Column("obs.n", "int64", "How many patients of the tumor count.", "patients"),
    Column("obs.recall", "float64", "The share of its samples that are called right.", "0 to 1"),
    Column("var.has_decoy", "bool", "Whether the gene has a decoy."),
    Column("layers.METHOD_VIEW_score", _FLOAT32, "The score by this method and view."),
    Column("layers.METHOD_VIEW_q_decoy", _FLOAT32, "Its q_decoy.", _P),
    Column("layers.METHOD_VIEW_rank", _FLOAT32, "Its rank in the tumor.", "rank, from 1"),
    Column("layers.METHOD_VIEW_q_value", _FLOAT32, "Its q_value.", _P),
    Column("layers.METHOD_VIEW_evidence", "int8", f"Its grade as a code: {_CODES}."),
    Column("uns.rank_genes_groups.params", "dict", "What scanpy asks of a test."),
    Column("uns.rank_genes_groups.names", "text", "The genes by descending score."),
    Column("uns.rank_genes_groups.scores", _FLOAT32, "The score; 0 where it is unknown."),
    Column("uns.rank_genes_groups.pvals", "float64", "The p_value; 1 where there is none.", _P),
    Column("uns.rank_genes_groups.pvals_adj", "float64", "The q_decoy, else 1.", _P),
    Column("uns.rank_genes_groups.logfoldchanges", _FLOAT32, "The log2_fold_change."),
    Column("uns.dendrogram_tumor", "dict", "The tumors by the correlation of X, for plots."),
    Column("uns.evidence_codes", "dict", "The code of each grade in the layers."),
    Column("uns.X", "text", "The layer that X is of."),
    Column("uns.significance_digest", "text", "The digest of significance.h5."),
    Column("uns.partial", "bool", "Whether shards were missing."),
)


@dataclass(frozen=True)
class Table:
    """A table file, or a kind of them: its names, what it holds, and its columns."""

    name: str
    text: str
    columns: tuple[Column, ...]


RUN_TABLES = (
    Table(
        "learned.csv",
        "Open this first. It has a row for each learned (tumor, gene) pair by the ranking that the "
        "page shows first, by tumor and rank.",
        LEARNED_COLUMNS,
    ),
    Table(
        "learned.xlsx",
        "The same for every method and view, a sheet each. An unknown number is an empty cell.",
        LEARNED_COLUMNS,
    ),
    Table(
        "learned.xlsx: columns",
        "The sheet that documents the columns of the others.",
        COLUMN_SHEET_COLUMNS,
    ),
    Table("learned.xlsx: about", "The sheet that says what the file is of.", ABOUT_SHEET_COLUMNS),
    Table(
        "learned.gmt",
        "A gene set for each tumor that has a learned gene, by the ranking that the page shows "
        "first. Tabs stand between the fields.",
        GENE_SET_COLUMNS,
    ),
    Table(
        "genes.csv, genes.parquet",
        "A row for each tumor, gene, method and view, sorted by method, view, tumor and rank.",
        GENE_COLUMNS,
    ),
    Table(
        "decoys.csv",
        "A row for each tumor, decoy, method and view, sorted by method, view, tumor and rank.",
        DECOY_COLUMNS,
    ),
    Table(
        "TUMOR.rnk",
        "A rank list for GSEA, the highest score first. Genes without a score are left out.",
        RANK_LIST_COLUMNS,
    ),
    Table(
        "ranking.h5ad",
        "AnnData, tumors × genes. METHOD and VIEW stand for each method and view.",
        H5AD_PARTS,
    ),
)
CALL_TABLES = (
    Table("calls.csv, calls.parquet", "A row for each new sample.", CALL_COLUMNS),
    Table(
        "calls.tsv",
        "A row for each new sample, in the columns of a sample sheet of the GDC.",
        tuple(SHEET_COLUMNS.values()),
    ),
    Table("probabilities.csv", "A row for each new sample.", probability_columns(["TUMOR"])),
    Table("top_genes.csv", "Ten rows for each new sample, its top genes.", TOP_GENE_COLUMNS),
    Table("shift.csv", "A row for each gene, the largest shift first.", SHIFT_COLUMNS),
)
ANSWER_TABLES = (
    Table("show --gene", "A row for each tumor, the best rank first.", GENE_ANSWER_COLUMNS),
    Table("show --tumor", "A row for each of the first genes.", TUMOR_ANSWER_COLUMNS),
    Table("show --sample", "A row for each gene or decoy of the map.", MAP_ANSWER_COLUMNS),
)


def tables_document() -> str:
    """The part of docs/tables.md that lists every table and its columns, as Markdown."""
    parts = {
        "Report of a run": RUN_TABLES,
        "Report of new samples": CALL_TABLES,
        "Answers of `tumorcam show … --csv FILE`": ANSWER_TABLES,
    }
    sections = (f"## {title}\n\n{_sections(tables)}" for title, tables in parts.items())
    rows = f"A CSV file has at most {MAX_ROWS:,} rows below its header."
    return "\n".join([f"{rows}\n", *sections])


def _sections(tables: Iterable[Table]) -> str:
    return "\n".join(_section(table) for table in tables)


def _section(table: Table) -> str:
    lines = [f"### {table.name}", "", table.text, ""]
    lines += ["| column | type | unit | meaning |", "| --- | --- | --- | --- |"]
    lines += [f"| `{c.name}` | {c.dtype} | {c.unit} | {c.meaning} |" for c in table.columns]
    return "\n".join([*lines, ""])
