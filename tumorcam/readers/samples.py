"""The samples table: which patient, tumor, sample type and source each sample has."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tumorcam.cluster.logs import logger
from tumorcam.errors import InputError
from tumorcam.readers.text import MISSING, read_lines, separator, split_cells
from tumorcam.settings import InputSettings

# Well-known names in order of preference, without case, blanks and punctuation.
SAMPLE_COLUMNS = tuple(
    "obsnames sampleid sample samplebarcode barcode tcgabarcode aliquot samplename samples "
    "samplesubmitterid id index".split()
)
TUMOR_COLUMNS = tuple(
    "tumortype tumor tumour tumourtype cancertype cancertypeabbreviation cancer disease "
    "diseasecode acronym projectid project study cohort primarydisease label".split()
)
PATIENT_COLUMNS = tuple(
    "patient patientid patientbarcode bcrpatientbarcode caseid case casesubmitterid "
    "participant individual donor subject".split()
)
SAMPLE_TYPE_COLUMNS = tuple("sampletypecode sampletypeid sampletype".split())
SOURCE_COLUMNS = tuple("source batch dataset".split())

TCGA_BARCODE = re.compile(r"(TCGA-\w{2}-\w{4})(?:-(\d{2}))?")
ONE_DIGIT = re.compile(r"(\d{1,2})(?:\.0)?")  # a code that a spreadsheet took for a number
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


def read_table(path: Path) -> pd.DataFrame:
    """A TSV or CSV file as it is, every cell as text.

    Raises
    ------
    InputError
        If it cannot be read or a row has too few or too many cells.
    """
    lines = read_lines(path)
    _, first = next(lines)
    comma_or_tab = separator(first, path)
    header = split_cells(first, comma_or_tab)
    rows: list[list[str]] = []
    for number, line in lines:
        cells = split_cells(line, comma_or_tab)
        if not rows and len(cells) == len(header) + 1:  # R's write.table leaves the corner out
            header = ["", *header]
        if len(cells) != len(header):
            msg = f"{path} line {number} has {len(cells)} cells; wanted {len(header)} as in line 1"
            raise InputError(msg)
        rows.append(cells)
    return pd.DataFrame(rows, columns=[name.strip() for name in header], dtype=str)


def sample_ids(table: pd.DataFrame, settings: InputSettings, path: Path) -> set[str]:
    """All that may be a sample's ID: the values of every column that may hold them."""
    columns = _sample_columns(table, settings, path)
    return {value.strip() for name in columns for value in _first(table, name)} - MISSING


def tidy(
    table: pd.DataFrame, matrix_samples: Sequence[str], settings: InputSettings, path: Path
) -> pd.DataFrame:
    """The samples table with the columns sample, patient, tumor, sample_type and source.

    What the table lacks comes from TCGA barcodes: the patient is their first 12 characters, the
    sample type the characters 14 and 15. Anything else unknown is empty; a sample of unknown
    patient is a patient of its own.

    Parameters
    ----------
    table : DataFrame
        From `read_table`, or the obs of an .h5ad file.
    matrix_samples : sequence of str
        IDs in the expression matrix; the column with most of them is the sample column.
    settings : InputSettings
        Names of the columns, or "auto".
    path : Path
        Of the table, for messages.

    Raises
    ------
    InputError
        If a named column is missing, none is known for the tumor, or no sample is in the matrix.
    """
    sample = _sample_column(table, set(matrix_samples), settings, path)
    tumor = _column(table, settings.tumor_column, TUMOR_COLUMNS, "tumor", path)
    if tumor is None:
        msg = (
            f"{path} has no column that is known to be the tumor type; set input.tumor_column to "
            f"one of: {', '.join(map(repr, table.columns))}"
        )
        raise InputError(msg)
    barcodes = sample.str.extract(TCGA_BARCODE.pattern).fillna("")
    patient = _column(table, settings.patient_column, PATIENT_COLUMNS, "patient", path)
    sample_type = _column(
        table, settings.sample_type_column, SAMPLE_TYPE_COLUMNS, "sample_type", path
    )
    source = _column(table, settings.source_column, SOURCE_COLUMNS, "source", path)
    known_patient = _or_else(patient, barcodes[0])
    tidied = pd.DataFrame(
        {
            "sample": sample,
            "patient": known_patient.where(known_patient != "", sample),
            "tumor": tumor,
            "sample_type": _or_else(sample_type, barcodes[1]).map(_type_code),
            "source": "" if source is None else source,
        }
    )
    n_alone = int((known_patient[sample != ""] == "").sum())
    if n_alone:
        logger.info("%s: %d samples of unknown patient count as patients", path.name, n_alone)
    return tidied[tidied["sample"] != ""].drop_duplicates().reset_index(drop=True)


def _sample_columns(table: pd.DataFrame, settings: InputSettings, path: Path) -> list[str]:
    if settings.sample_column != "auto":
        _require(table, settings.sample_column, "sample", path)
        return [settings.sample_column]
    return _known(table, SAMPLE_COLUMNS) or list(table.columns)


def _sample_column(
    table: pd.DataFrame, matrix_samples: set[str], settings: InputSettings, path: Path
) -> pd.Series:
    columns = _sample_columns(table, settings, path)
    n_common = {name: len(matrix_samples & set(_first(table, name))) for name in columns}
    best = max(columns, key=n_common.__getitem__)
    if n_common[best] == 0:
        msg = (
            f"{path}: no sample of column {best!r} ({', '.join(_first(table, best)[:3])} ...) is "
            f"in the expression matrix ({', '.join(sorted(matrix_samples)[:3])} ...); the IDs must "
            "be spelled alike, and input.sample_column can name another column"
        )
        raise InputError(msg)
    return _first(table, best)


def _column(
    table: pd.DataFrame, name: str, known: tuple[str, ...], what: str, path: Path
) -> pd.Series | None:
    """The named column, or on "auto" the best known one, stripped, missing values empty."""
    if name != "auto":
        _require(table, name, what, path)
    found = [name] if name != "auto" else _known(table, known)
    return _first(table, found[0]) if found else None


def _require(table: pd.DataFrame, name: str, what: str, path: Path) -> None:
    if name not in table.columns:
        msg = (
            f"{path} has no column {name!r} as input.{what}_column says; there are: "
            f"{', '.join(map(repr, table.columns))}"
        )
        raise InputError(msg)


def _known(table: pd.DataFrame, known: tuple[str, ...]) -> list[str]:
    plain = {name: re.sub(r"[\W_]", "", name).lower() for name in table.columns}
    return sorted((n for n in plain if plain[n] in known), key=lambda n: known.index(plain[n]))


def _first(table: pd.DataFrame, name: str) -> pd.Series:
    """The first column of that name."""
    column = table.loc[:, table.columns == name].iloc[:, 0].str.strip()
    return column.where(~column.isin(MISSING), "")


def _or_else(column: pd.Series | None, otherwise: pd.Series) -> pd.Series:
    return otherwise if column is None else column.where(column != "", otherwise)


def _type_code(text: str) -> str:
    digits = ONE_DIGIT.fullmatch(text)
    return digits[1].zfill(2) if digits else SAMPLE_TYPE_CODES.get(text.lower(), text)
