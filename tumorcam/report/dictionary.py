"""The data dictionary: every table that any command writes, and its columns, for docs/tables.md."""

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

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
from tumorcam.report.figure_columns import CALL_FIGURES, RUN_FIGURES
from tumorcam.report.result_columns import (
    ACCURACY_COLUMNS,
    AGREEMENT_COLUMNS,
    COMPARED_GENE_COLUMNS,
    ENRICHMENT_COLUMNS,
    SETTING_COLUMNS,
)
from tumorcam.report.stage_columns import (
    EXPORT_CALL_COLUMNS,
    GDC_SHEET_COLUMNS,
    HISTORY_COLUMNS,
    MANIFEST_COLUMNS,
    SYNTHETIC_EXPRESSION_COLUMNS,
    SYNTHETIC_SAMPLE_COLUMNS,
    TRUTH_COLUMNS,
)
from tumorcam.report.summary import EVIDENCE

LINE = 132  # letters in a line of a document
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

    @property
    def files(self) -> list[str]:
        """The names of its files; a sheet of a workbook has the name of the workbook."""
        return self.name.split(": ")[0].split(", ")


class Section(NamedTuple):
    """Tables of one folder or command: a title, what writes them and where, and the tables."""

    title: str
    text: str
    tables: tuple[Table, ...]


def _figure_tables(
    texts: Mapping[str, str], columns: Mapping[str, tuple[Column, ...]]
) -> tuple[Table, ...]:
    """The tables of figures, by the texts of their names, in this order."""
    return tuple(Table(f"figures/{n}.csv", text, columns[n]) for n, text in texts.items())


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
FIGURE_TABLES = _figure_tables(
    {
        "confusion": "A row for each cell: a pair of true and called tumor.",
        "learning": "A row for each network, quantity and epoch.",
        "example": "A row for each pixel that has a gene or a decoy. Some runs have no example.",
        "genes": "A row for each cell: a pair of tumor and gene.",
        "decoys": "A row for each point of the curves, one curve for each method and view.",
        "overlaps": "A row for each bar. It is there if two tumors share a learned gene.",
        "stability": "A row for each learned pair in the figure. It is there if one is learned.",
        "deletion": "A row for each point of the curves. It needs `tumorcam faithfulness`.",
        "deletion-tumors": "A row for each marker. It needs `tumorcam faithfulness`.",
        "false-share": "A row for each point of the curves. It also needs planted drivers.",
    },
    RUN_FIGURES,
)
CALL_FIGURE_TABLES = _figure_tables(
    {
        "confusion": "A row for each cell. It is there if some samples have a tumor type.",
        "calibration": "A row for each point: a group of samples and a bin of the probability.",
        "unlike": "A row for each group of samples and bin of the distance.",
        "missing": "A row for each point of the curve.",
        "shift": "A row for each bin of the shift. It is there if the shift is known.",
    },
    CALL_FIGURES,
)
COMPARISON_TABLES = (
    Table("accuracy.csv", "A row for each classifier.", ACCURACY_COLUMNS),
    Table("changed_settings.csv", "A row for each setting that differs.", SETTING_COLUMNS),
    Table("agreement.csv", "A row for each tumor that both runs have.", AGREEMENT_COLUMNS),
    Table(
        "genes.csv",
        "A row for each tumor and gene that either run calls learned.",
        COMPARED_GENE_COLUMNS,
    ),
)
ENRICHMENT_TABLES = (
    Table("enrichment.csv", "A row for each tumor, set and test.", ENRICHMENT_COLUMNS),
)
SYNTHETIC_TABLES = (
    Table(
        "truth.csv",
        "A row for each tumor and planted gene. A file without `role` has drivers alone.",
        TRUTH_COLUMNS,
    ),
    Table("samples.tsv", "A row for each sample.", SYNTHETIC_SAMPLE_COLUMNS),
    Table(
        "expression.tsv.gz",
        "A row for each gene, and a column for each sample.",
        SYNTHETIC_EXPRESSION_COLUMNS,
    ),
)
TRAINING_TABLES = (
    Table("history.csv", "A row for each finished epoch, with all digits.", HISTORY_COLUMNS),
)
DOWNLOAD_TABLES = (
    Table("gdc_manifest.txt", "A row for each file, tabs between its cells.", MANIFEST_COLUMNS),
    Table(
        "gdc_sample_sheet.tsv",
        "A row for each file. Several patients or samples of a file stand in one cell, with a "
        "comma and a blank between them. What the GDC does not say is `--`.",
        GDC_SHEET_COLUMNS,
    ),
)
EXPORT_TABLES = (Table("calls.csv", "A row for each sample of TABLE.", EXPORT_CALL_COLUMNS),)
SECTIONS = (
    Section(
        "Report of a run",
        "`tumorcam report` writes these files to `report/` in the folder of the run.",
        RUN_TABLES,
    ),
    Section(
        "Figures of a run",
        "Beside each figure of the report stands its data, a row for each mark. Its name is that "
        "of the figure.",
        FIGURE_TABLES,
    ),
    Section(
        "Report of new samples",
        "`tumorcam apply` writes these files to `applied/NAME/report/` in the folder of the run. "
        "`genes.csv` and `genes.parquet` stand there, too, with the columns above.",
        CALL_TABLES,
    ),
    Section(
        "Figures of new samples",
        "They stand in `figures/` of that report.",
        CALL_FIGURE_TABLES,
    ),
    Section(
        "Comparison of two runs",
        "`tumorcam compare` writes these files to `compare/NAME_OF_A/` in the folder of run B, "
        "with all digits. [compare.md](compare.md) says how the numbers are computed.",
        COMPARISON_TABLES,
    ),
    Section(
        "Tests of gene sets",
        "`tumorcam enrich` writes this file to `enrichment/NAME/` in the folder of the run, with "
        "all digits.",
        ENRICHMENT_TABLES,
    ),
    Section(
        "Answers of show",
        "`tumorcam show … --csv FILE` writes the printed table to a file, with all digits.",
        ANSWER_TABLES,
    ),
    Section(
        "Made-up cohort",
        "`tumorcam synthesize` writes these files to `input/` in the folder of the run.",
        SYNTHETIC_TABLES,
    ),
    Section(
        "Training",
        "`tumorcam train` writes this file beside each network in `models/`.",
        TRAINING_TABLES,
    ),
    Section(
        "Download from the GDC",
        "`tumorcam fetch` writes these files to the folder that `--out` names. They have the "
        "layout of the GDC's own.",
        DOWNLOAD_TABLES,
    ),
    Section(
        "Exported networks",
        "`tumorcam export` writes `use.py`, and `python use.py TABLE > calls.csv` this file.",
        EXPORT_TABLES,
    ),
)


def tables_document() -> str:
    """The part of docs/tables.md that lists every table and its columns, as Markdown."""
    rows = f"A CSV file has at most {MAX_ROWS:,} rows below its header."
    sections = (
        f"## {section.title}\n\n{_paragraph(section.text)}\n\n{_tables(section.tables)}"
        for section in SECTIONS
    )
    overview = ["| tables | files |", "| --- | --- |", *map(_overview_row, SECTIONS), ""]
    return "\n".join([f"{rows}\n", *overview, *sections])


def _overview_row(section: Section) -> str:
    """The title of a section with a link to it, and the names of its tables."""
    anchor = section.title.lower().replace(" ", "-")
    names = dict.fromkeys(name for table in section.tables for name in table.files)
    return f"| [{section.title}](#{anchor}) | {', '.join(f'`{name}`' for name in names)} |"


def _tables(tables: Iterable[Table]) -> str:
    return "\n".join(_table(table) for table in tables)


def _table(table: Table) -> str:
    lines = [f"### {table.name}", "", _paragraph(table.text), ""]
    lines += ["| column | type | unit | meaning |", "| --- | --- | --- | --- |"]
    lines += [f"| `{c.name}` | {c.dtype} | {c.unit} | {c.meaning} |" for c in table.columns]
    return "\n".join([*lines, ""])


def _paragraph(text: str) -> str:
    """The text in lines as long as those of the other documents."""
    return textwrap.fill(text, LINE, break_long_words=False, break_on_hyphens=False)
