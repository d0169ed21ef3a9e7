"""The samples table: the patient, tumor, sample type and source of each sample."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tumorcam.cluster.logs import logger
from tumorcam.errors import InputError, quoted
from tumorcam.readers import column_names
from tumorcam.readers.column_names import AUTO, cells_of, require_column, usual_columns
from tumorcam.readers.files import INPUT
from tumorcam.readers.text import (
    MAX_TABLE,
    MISSING,
    read_lines,
    require_names,
    separator,
    split_cells,
)
from tumorcam.readers.wording import listed, listed_columns
from tumorcam.settings import InputSettings

TCGA_BARCODE = re.compile(r"(TCGA-\w{2}-\w{4})(?:-(\d{2}))?")
NUMERIC_CODE = re.compile(r"(\d{1,2})(?:\.0)?")  # a code that a spreadsheet took for a number
SAMPLE_TYPE_CODES = {  # TCGA code tables, sample type: gdc.cancer.gov/resources-tcga-users
    "primary solid tumor": "01",
    "primary tumor": "01",
    "recurrent solid tumor": "02",
    "recurrent tumor": "02",
    "primary blood derived cancer - peripheral blood": "03",
    "recurrent blood derived cancer - bone marrow": "04",
    "additional - new primary": "05",
    "metastatic": "06",
    "additional metastatic": "07",
    "primary blood derived cancer - bone marrow": "09",
    "blood derived normal": "10",
    "solid tissue normal": "11",
}


def read_table(path: Path, settings: str = INPUT) -> pd.DataFrame:
    """A TSV or CSV file as a table whose cells are all text.

    Parameters
    ----------
    settings : str
        The settings that name the file, for messages.

    Raises
    ------
    InputError
        If the file cannot be read or is too long, or a row has fewer or more cells than the header.
    """
    lines = read_lines(path, settings)
    number, first = next(lines)
    comma_or_tab = separator(first, path)
    header = split_cells(first, comma_or_tab, f"{path} line {number}")
    rows: list[list[str]] = []
    n_characters = 0
    for number, line in lines:
        n_characters += len(line) + 1
        if n_characters > MAX_TABLE:
            msg = (
                f"{path} has more than {MAX_TABLE:,} characters; wanted a table with a row for "
                f"each sample: check {settings}"
            )
            raise InputError(msg)
        cells = split_cells(line, comma_or_tab, f"{path} line {number}")
        if not rows and len(cells) == len(header) + 1:  # R's write.table leaves the corner out
            header = ["", *header]
        if len(cells) != len(header):
            msg = (
                f"{path} line {number} has {len(cells)} cells; wanted {len(header)} as in line 1; "
                "correct that line, or write the table again"
            )
            raise InputError(msg)
        rows.append(cells)
    return pd.DataFrame(rows, columns=[name.strip() for name in header], dtype=str)


def sample_ids(table: pd.DataFrame, settings: InputSettings, path: Path) -> set[str]:
    """All texts that may be the ID of a sample: the cells of each column that may hold IDs.

    Parameters
    ----------
    table : DataFrame
        From `read_table`.
    path : Path
        File of the table, for messages.

    Raises
    ------
    InputError
        If the table lacks the column that `input.sample_column` names.
    """
    columns = _sample_columns(table, settings, path)
    return {cell for column in columns for cell in cells_of(table, column)} - MISSING


def tidy(
    table: pd.DataFrame, matrix_samples: Sequence[str], settings: InputSettings, path: Path
) -> pd.DataFrame:
    """The samples table with the columns sample, patient, tumor, sample_type and source.

    A patient or sample type that the table lacks is read from the TCGA barcode: the patient is its
    first 12 characters, the sample type its characters 14 and 15. Where the patient stays unknown,
    the sample counts as a patient of its own; any other value that is unknown is the empty text.

    Parameters
    ----------
    table : DataFrame
        From `read_table`, or the obs of an .h5ad file.
    matrix_samples : sequence of str
        IDs of the expression matrix. The sample column is the one that has most of them.
    settings : InputSettings
        Names of the columns, or "auto".
    path : Path
        File of the table, for messages.

    Raises
    ------
    InputError
        If a column that the settings name is missing, no column has a usual name for the tumor, or
        no sample of the table is in the matrix.
    """
    sample = _sample_cells(table, set(matrix_samples), settings, path)
    tumor = _cells(table, settings.tumor_column, column_names.TUMOR, "tumor", path)
    if tumor is None:
        msg = (
            f"{path} has no column with a usual name for the tumor type; set input.tumor_column to "
            f"one of: {listed_columns(table.columns)}"
        )
        raise InputError(msg)
    barcodes = sample.str.extract(TCGA_BARCODE.pattern).fillna("")
    patient = _or_else(
        _cells(table, settings.patient_column, column_names.PATIENT, "patient", path), barcodes[0]
    )
    sample_type = _cells(
        table, settings.sample_type_column, column_names.SAMPLE_TYPE, "sample_type", path
    )
    source = _cells(table, settings.source_column, column_names.SOURCE, "source", path)
    tidied = pd.DataFrame(
        {
            "sample": sample,
            "patient": patient.where(patient != "", sample),
            "tumor": tumor,
            "sample_type": _or_else(sample_type, barcodes[1]).map(_type_code),
            "source": "" if source is None else source,
        }
    )
    for kind, cells in tidied.items():
        require_names(cells.unique(), str(kind).replace("_", " "), path)
    n_alone = int((patient[sample != ""] == "").sum())
    if n_alone:
        logger.info("%s: %d samples of unknown patient count as patients", path.name, n_alone)
    return tidied[tidied["sample"] != ""].drop_duplicates().reset_index(drop=True)


def _sample_columns(table: pd.DataFrame, settings: InputSettings, path: Path) -> list[str]:
    """The columns that may hold IDs: the configured one, or those of a usual name, or all."""
    if settings.sample_column != AUTO:
        require_column(table, settings.sample_column, "input.sample_column", path)
        return [settings.sample_column]
    return usual_columns(table, column_names.SAMPLE) or list(table.columns)


def _sample_cells(
    table: pd.DataFrame, matrix_samples: set[str], settings: InputSettings, path: Path
) -> pd.Series:
    """The sample IDs: cells of the column that has most IDs in common with the matrix."""
    columns = _sample_columns(table, settings, path)
    n_common = {name: len(matrix_samples & set(cells_of(table, name))) for name in columns}
    best = max(columns, key=n_common.__getitem__)
    if n_common[best] == 0:
        msg = (
            f"{path}: no sample of column {quoted(best)} ({listed(cells_of(table, best).tolist())})"
            f" is in the expression matrix ({listed(sorted(matrix_samples))}); the IDs must be "
            "spelled alike, and input.sample_column can name another column"
        )
        raise InputError(msg)
    return cells_of(table, best)


def _cells(
    table: pd.DataFrame, column: str, usual_names: tuple[str, ...], label: str, path: Path
) -> pd.Series | None:
    """Cells of the configured column, or on "auto" of the one with the best usual name, if any."""
    if column != AUTO:
        require_column(table, column, f"input.{label}_column", path)
        return cells_of(table, column)
    usual = usual_columns(table, usual_names)
    return cells_of(table, usual[0]) if usual else None


def _or_else(cells: pd.Series | None, otherwise: pd.Series) -> pd.Series:
    """The cells, and where one is empty or there are none, the other ones."""
    return otherwise if cells is None else cells.where(cells != "", otherwise)


def _type_code(text: str) -> str:
    """The TCGA code of a sample type, such as "01" for "1.0" or "Primary Tumor"; else the text."""
    digits = NUMERIC_CODE.fullmatch(text)
    return digits[1].zfill(2) if digits else SAMPLE_TYPE_CODES.get(text.lower(), text)
