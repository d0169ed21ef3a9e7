"""The format of a file, recognised by its first lines, whatever its name."""

import re
from pathlib import Path

from tumorcam.readers.binary.columnar import is_columnar
from tumorcam.readers.column_names import GENE_ID, plain_spelling
from tumorcam.readers.files import open_input
from tumorcam.readers.missing import is_missing
from tumorcam.readers.quantifications.formats import (
    COUNTS,
    FEATURE_COLUMNS,
    FEATURE_COUNTS,
    FPKM,
    NAMED_COUNTS,
    READS_PER_GENE,
    SALMON_GENES,
    STAR_MEASURES,
    WITH_HEADER,
    Format,
    Quantification,
)
from tumorcam.readers.tables.packing import open_unpacked
from tumorcam.storage.integrity import HDF5_SIGNATURE

HEAD_BYTES = 2**14  # by which the format is told
LONG_HEAD_BYTES = 2**22  # where the first lines are longer, as of featureCounts with many samples
MIN_LINES = 4
INTEGER = re.compile(r"\d+")


def recognise(path: Path) -> Quantification | None:
    """The format of a file, told by its first lines; None for any other file, such as a matrix.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    if is_columnar(path) or _is_hdf5(path):
        return None
    with open_unpacked(path) as stream:
        head = stream.read(HEAD_BYTES)
        if head.count(b"\n") < MIN_LINES:
            head += stream.read(LONG_HEAD_BYTES)
    text = head.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")
    lines = text.removesuffix("\n").split("\n")
    if len(head) in (HEAD_BYTES, HEAD_BYTES + LONG_HEAD_BYTES):
        lines = lines[:-1]  # which is cut off
    n_comments = next((n for n, line in enumerate(lines) if line[:1] not in ("#", "")), len(lines))
    rows = [line.split("\t") for line in lines[n_comments:]]
    if len(rows) < 2:
        return None
    if _is_values(rows[0]) and plain_spelling(rows[0][0]) not in ("", *GENE_ID):
        return _without_header(path, rows, n_comments)
    if all(len(row) == 3 and INTEGER.fullmatch(row[2]) for row in rows):
        columns = [NAMED_COUNTS.genes, *NAMED_COUNTS.annotation, *NAMED_COUNTS.measures]
        return Quantification(path, NAMED_COUNTS, columns, n_comments)
    return _with_header(path, rows, n_comments + 1)


def _is_hdf5(path: Path) -> bool:
    with open_input(path) as stream:
        return stream.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE


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
