"""Columns of a samples table that hold the patient, the sample type and the source."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tumorcam.errors import quoted
from tumorcam.readers import column_names
from tumorcam.readers.column_names import AUTO, require_column, usual_columns
from tumorcam.readers.matrix import Fact
from tumorcam.readers.missing import blank_missing
from tumorcam.readers.samples_table.identifiers import identify
from tumorcam.readers.samples_table.sample_types import CODES, type_code
from tumorcam.readers.wording import listed

MIN_TYPED = 0.8  # share of cells that must name a type in a column of sample types


class Column(NamedTuple):
    """The cells of a chosen column (str, empty where missing), its name, and why it was chosen."""

    name: str
    cells: pd.Series
    facts: list[Fact]


def column_cells(table: pd.DataFrame, name: str) -> pd.Series:
    """The texts of a column, the first one of that name; a missing value is empty."""
    return blank_missing(table.loc[:, table.columns == name].iloc[:, 0])


def named_column(table: pd.DataFrame, setting: str, name: str, path: Path) -> Column | None:
    """The column that a setting names, or None for "auto"; InputError if it does not exist."""
    if name == AUTO:
        return None
    require_column(table, name, f"input.{setting}", path)
    topic = setting.replace("_", " ")
    fact = Fact(topic, quoted(name), f"input.{setting} names it", "", f"input.{setting}", name)
    return Column(name, column_cells(table, name), [fact])


def barcodes(table: pd.DataFrame, first: pd.Series) -> pd.DataFrame:
    """What the barcodes of each row say: patient and sample_type (str, empty if unknown).

    Parameters
    ----------
    first : Series
        The names that count first: those of the matrix, in the order of the table's rows. Then
        come the columns, from left to right.
    """
    best = _identities(first)
    for position in range(table.shape[1]):
        if (best["patient"] != "").all() and (best["sample_type"] != "").all():
            break
        cells = table.iloc[:, position]
        if sum(bool(identify(cell)) for cell in cells.head(20)):
            other = _identities(cells.reset_index(drop=True))
            fits = (best["patient"] == "") | (best["patient"] == other["patient"])
            for name in best:
                best[name] = best[name].where((best[name] != "") | ~fits, other[name])
    return best


def _identities(cells: pd.Series) -> pd.DataFrame:
    identities = [identify(cell) for cell in cells]
    return pd.DataFrame(
        {
            "patient": [identity.patient if identity else "" for identity in identities],
            "sample_type": [identity.sample_type if identity else "" for identity in identities],
        },
        dtype=str,
    )


def patient_column(table: pd.DataFrame, samples: Sequence[str]) -> Column | None:
    """The column with a usual name for patients whose cells can be patients.

    Row numbers, a single value for all rows, and the IDs of the samples themselves cannot be.
    """
    for name in usual_columns(table, column_names.PATIENT):
        cells = column_cells(table, name)
        filled = cells[cells != ""]
        is_counted = filled.tolist() == [str(i) for i in range(len(filled))]
        is_counted |= filled.tolist() == [str(i + 1) for i in range(len(filled))]
        if filled.nunique() > 1 and not is_counted:
            n = filled.nunique()
            reason = f"its name, and {n} different values for {len(set(samples))} samples"
            fact = Fact("patient column", quoted(name), reason, "", "input.patient_column", name)
            return Column(name, cells, [fact])
    return None


def type_column(table: pd.DataFrame) -> Column | None:
    """The column whose cells name sample types, those with a usual name first."""
    usual = usual_columns(table, column_names.SAMPLE_TYPE)
    for name in usual + [name for name in table.columns if name not in usual]:
        cells = column_cells(table, name)
        filled = cells[cells != ""]
        codes = filled.map(type_code)
        is_typed = codes.isin(list(CODES))
        if name not in usual:
            is_typed &= ~filled.str.fullmatch(r"[\d.]+[A-Z]?|.")  # numbers are many things
        if len(filled) and is_typed.mean() >= (0 if name in usual else MIN_TYPED):
            counts = codes.value_counts().sort_index()
            reason = listed([f"{code} ({n})" for code, n in counts.items()], 8)
            setting = "input.sample_type_column"
            fact = Fact("sample type column", quoted(name), reason, "", setting, name)
            return Column(name, cells, [fact])
    return None


def source_column(table: pd.DataFrame, taken: Sequence[str]) -> Column | None:
    """The column with a usual name for the source, that is no other column."""
    usual = [n for n in usual_columns(table, column_names.SOURCE) if n not in taken]
    if not usual:
        return None
    fact = Fact("source column", quoted(usual[0]), "its name", "", "input.source_column", usual[0])
    return Column(usual[0], column_cells(table, usual[0]), [fact])
