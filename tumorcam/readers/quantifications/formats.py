"""Formats with a file for each sample, recognised by content: STAR, HTSeq, RSEM, salmon ..."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tumorcam.errors import InputError
from tumorcam.readers.column_names import GENE_ID, plain_spelling
from tumorcam.readers.missing import is_missing
from tumorcam.readers.tables.packing import open_unpacked

HEAD_BYTES = 2**16  # by which the format is told
COUNTS, TPM, FPKM, RSEM, SCALED = "counts", "tpm", "fpkm", "rsem", "scaled_estimate"
INTEGER = re.compile(r"\d+")


@dataclass(frozen=True, kw_only=True)
class Format:
    """What the columns of a file of one sample mean.

    Attributes
    ----------
    name : str
        Such as "GDC STAR counts".
    genes : str
        The column that holds the IDs of genes or transcripts.
    measures : mapping of str to str
        The columns of values and what `input.scale` calls them, the usual one of a scale first; a
        scale that is not known is the empty text.
    annotation : tuple of str
        Columns that say more of the genes.
    has_transcripts : bool
        Whether the rows are transcripts.
    is_in_folder : bool
        Whether the program writes each sample to a folder of its own.
    first_sample : int
        The first column that belongs to a sample and has its name; 0 if there are none.
    """

    name: str
    genes: str
    measures: Mapping[str, str]
    annotation: tuple[str, ...] = ()
    has_transcripts: bool = False
    is_in_folder: bool = False
    first_sample: int = 0


@dataclass(frozen=True)
class Quantification:
    """A file whose format is known.

    Attributes
    ----------
    columns : list of str
        The names of all columns.
    n_skipped : int
        Lines above the first row of values.
    """

    path: Path
    format: Format
    columns: list[str] = field(default_factory=list)
    n_skipped: int = 0


STAR_MEASURES = ("unstranded", "stranded_first", "stranded_second")
RSEM_MEASURES = {"expected_count": COUNTS, "TPM": TPM, "FPKM": FPKM}
LEGACY_MEASURES = {"raw_count": COUNTS, "scaled_estimate": SCALED}
WITH_HEADER = (
    Format(
        name="GDC STAR counts",
        genes="gene_id",
        measures={
            **dict.fromkeys(STAR_MEASURES, COUNTS),
            "tpm_unstranded": TPM,
            "fpkm_unstranded": FPKM,
            "fpkm_uq_unstranded": FPKM,
        },
        annotation=("gene_name", "gene_type"),
    ),
    Format(
        name="RSEM isoforms",
        genes="transcript_id",
        measures=RSEM_MEASURES | {"IsoPct": ""},
        annotation=("gene_id",),
        has_transcripts=True,
    ),
    Format(name="RSEM genes", genes="gene_id", measures=RSEM_MEASURES),
    Format(name="TCGA RSEM genes", genes="gene_id", measures=LEGACY_MEASURES),
    Format(name="TCGA RSEM normalized genes", genes="gene_id", measures={"normalized_count": RSEM}),
    Format(
        name="TCGA RSEM isoforms",
        genes="isoform_id",
        measures=LEGACY_MEASURES,
        has_transcripts=True,
    ),
    Format(
        name="TCGA RSEM normalized isoforms",
        genes="isoform_id",
        measures={"normalized_count": RSEM},
        has_transcripts=True,
    ),
    Format(
        name="salmon quant.sf",
        genes="Name",
        measures={"NumReads": COUNTS, "TPM": TPM},
        has_transcripts=True,
        is_in_folder=True,
    ),
    Format(
        name="kallisto abundance.tsv",
        genes="target_id",
        measures={"est_counts": COUNTS, "tpm": TPM},
        has_transcripts=True,
        is_in_folder=True,
    ),
)
SALMON_GENES = Format(
    name="salmon quant.genes.sf",
    genes="Name",
    measures={"NumReads": COUNTS, "TPM": TPM},
    is_in_folder=True,
)
FEATURE_COLUMNS = "Geneid Chr Start End Strand Length".split()
FEATURE_COUNTS = Format(
    name="featureCounts",
    genes="Geneid",
    measures={COUNTS: COUNTS},
    first_sample=len(FEATURE_COLUMNS),
)
READS_PER_GENE = Format(
    name="STAR ReadsPerGene.out.tab",
    genes="gene",
    measures=dict.fromkeys(STAR_MEASURES, COUNTS),
)


def recognise(path: Path) -> Quantification | None:
    """The format of a file, told by its first lines; None for any other file, such as a matrix."""
    try:
        with open_unpacked(path) as stream:
            head = stream.read(HEAD_BYTES)
    except InputError:  # no text; its own reader says what is wrong with it
        return None
    lines = head.decode("utf-8", "replace").removeprefix("\ufeff").splitlines()
    if len(head) == HEAD_BYTES:
        lines = lines[:-1]  # which is cut off
    n_comments = next((n for n, line in enumerate(lines) if line[:1] not in ("#", "")), len(lines))
    rows = [line.split("\t") for line in lines[n_comments:]]
    if len(rows) < 2:
        return None
    if _is_values(rows[0]) and plain_spelling(rows[0][0]) not in ("", *GENE_ID):
        return _without_header(path, rows, n_comments)
    return _with_header(path, rows, n_comments + 1)


def _with_header(path: Path, rows: list[list[str]], n_skipped: int) -> Quantification | None:
    header = rows[0]
    if header[: len(FEATURE_COLUMNS)] == FEATURE_COLUMNS and len(header) > len(FEATURE_COLUMNS):
        return Quantification(path, FEATURE_COUNTS, header, n_skipped)
    for layout in WITH_HEADER:
        if {layout.genes, *layout.measures} <= {*header}:
            is_genes = layout.is_in_folder and ".genes." in path.name
            return Quantification(path, SALMON_GENES if is_genes else layout, header, n_skipped)
    if len(header) == 2 and _are_values(rows[1:], 2):
        layout = _two_columns(path, rows[1:], genes=header[0], first_sample=1)
        return Quantification(path, layout, header, n_skipped)
    return None


def _without_header(path: Path, rows: list[list[str]], n_skipped: int) -> Quantification | None:
    if not _are_values(rows, len(rows[0])):
        return None
    if len(rows[0]) == 2:
        layout = _two_columns(path, rows)
        return Quantification(path, layout, ["gene", *layout.measures], n_skipped)
    if len(rows[0]) == 4 and rows[0][0] == "N_unmapped":
        columns = [READS_PER_GENE.genes, *STAR_MEASURES]
        return Quantification(path, READS_PER_GENE, columns, n_skipped)
    return None


def _two_columns(
    path: Path, rows: list[list[str]], *, genes: str = "gene", first_sample: int = 0
) -> Format:
    """IDs and one value: counts as of HTSeq, or FPKM as the GDC had them, told by the name."""
    if all(INTEGER.fullmatch(row[-1]) or is_missing(row[-1]) for row in rows):
        name, measures = "two columns of IDs and counts", {COUNTS: COUNTS}
    elif "fpkm" in path.name.lower():
        measure = "FPKM-UQ" if re.search("fpkm.?uq", path.name.lower()) else "FPKM"
        name, measures = f"two columns of IDs and {measure}", {measure: FPKM}
    else:
        name, measures = "two columns of IDs and values", {"values": ""}
    return Format(name=name, genes=genes, measures=measures, first_sample=first_sample)


def _are_values(rows: list[list[str]], n_columns: int) -> bool:
    return all(_is_values(row) and len(row) == n_columns for row in rows if row != [""])


def _is_values(row: list[str]) -> bool:
    """Whether a row is an ID with numbers or missing values behind it."""
    return len(row) > 1 and all(_is_number(cell) for cell in row[1:])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return is_missing(cell)
    return True
