"""Columns of a samples table that hold the patient, the sample type and the source."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tumorcam.errors import quoted
from tumorcam.readers import column_names
from tumorcam.readers.column_names import (
    AUTO,
    cells_of,
    plain_spelling,
    require_column,
    usual_columns,
)
from tumorcam.readers.matrix import Fact
from tumorcam.readers.samples_table.sample_types import CODES, type_code
from tumorcam.readers.wording import listed

MAX_TYPES = 100  # different values of a column of sample types
MIN_TYPED = 0.8  # share of cells that must name a type in a column without a usual name
MIN_PATIENTS = 4  # two for each of two tumors
N_CODES = 8  # counts of sample types in a fact
NUMBER = re.compile(r"\d+(?:\.0+)?")
CODE = re.compile(r"[\d.]+[A-Z]?|.")  # numbers and single letters are many things
PATIENT_NAME = re.compile(  # in plain spelling
    r"(?:bcr|tcga|submitter|gdc|source)?"
    r"(?:patients?|donors?|subjects?|subj|participants?|individuals?|cases?)"
    r"(?:ids?|barcodes?|uuid|name|number|no|num|code|submitterid|identifier)?"
)


class Column(NamedTuple):
    """A column of a table, its cells (str, empty where missing), and why it was chosen."""

    name: str
    cells: pd.Series
    fact: Fact


def named_column(table: pd.DataFrame, setting: str, name: str, path: Path) -> Column | None:
    """The column that a setting names, or None for "auto".

    Parameters
    ----------
    setting : str
        Such as "patient_column", of the section input.
    name : str
        Its value.
    path : Path
        File of the table, for messages.

    Raises
    ------
    InputError
        If the table has no such column.
    """
    if name == AUTO:
        return None
    require_column(table, name, f"input.{setting}", path)
    topic = setting.replace("_", " ")
    fact = Fact(topic, quoted(name), f"input.{setting} names it", "", f"input.{setting}", name)
    return Column(name, cells_of(table, name), fact)


def patient_column(table: pd.DataFrame) -> Column | None:
    """Of the columns with a usual name for patients the one with the fewest of them.

    So two samples that any of these columns gives to one patient are in one fold.
    A column with fewer values than two folds of two tumors have patients, or with numbers that
    count the rows, has none.

    Parameters
    ----------
    table : DataFrame
        The whole samples table, since a part of it hides that a column counts rows.
    """
    usual = usual_columns(table, column_names.PATIENT)
    names = [name for name in table.columns if PATIENT_NAME.fullmatch(plain_spelling(name))]
    columns = {name: cells_of(table, name) for name in dict.fromkeys([*usual, *names])}
    fitting = [
        name
        for name, cells in columns.items()
        if cells[cells != ""].nunique() >= MIN_PATIENTS and not _counts_rows(cells)
    ]
    if not fitting:
        return None
    name, *others = sorted(fitting, key=lambda name: columns[name].nunique())
    filled = columns[name][columns[name] != ""]
    reason = f"its name, and {filled.nunique()} different values in {len(filled)} rows"
    also = f"also {listed(others, spell=quoted)}" if others else ""
    fact = Fact("patient column", quoted(name), reason, also, "input.patient_column", name)
    return Column(name, columns[name], fact)


def type_column(table: pd.DataFrame) -> Column | None:
    """The column whose cells name sample types: one with a usual name, or all in words.

    Of several with a usual name the first one counts, of others the one with most cells.
    """
    usual = usual_columns(table, column_names.SAMPLE_TYPE)
    usual += [n for n in table.columns if n not in usual and _ends_usual(n)]
    best: Column | None = None
    for name in dict.fromkeys([*usual, *table.columns]):
        cells = cells_of(table, name)
        filled = cells[cells != ""]
        if filled.nunique() > MAX_TYPES or are_flags(filled):
            continue
        codes = filled.map(type_code)
        is_typed = codes.isin(list(CODES))
        if name not in usual:
            is_typed &= ~filled.str.fullmatch(CODE)
        share = is_typed.mean() if len(filled) else 0.0
        if share >= (MIN_TYPED if name not in usual else 1e-9):
            fact = _type_fact(str(name), codes)
            if name in usual:
                return Column(name, cells, fact)
            if best is None or len(filled) > (best.cells != "").sum():
                best = Column(name, cells, fact)
    return best


def source_column(table: pd.DataFrame, taken: Sequence[str]) -> Column | None:
    """The column with a usual name for the source that is no other column.

    Parameters
    ----------
    taken : sequence of str
        Columns that hold something else.
    """
    for name in usual_columns(table, column_names.SOURCE):
        cells = cells_of(table, name)
        if name not in taken and (cells != "").any():
            fact = Fact("source column", quoted(name), "its name", "", "input.source_column", name)
            return Column(name, cells, fact)
    return None


def are_flags(cells: pd.Series) -> bool:
    """Whether the cells are 0 and 1, or 0 alone, which are no codes of sample types."""
    filled = set(cells) - {""}
    return filled <= {"0", "0.0", "1", "1.0"} and not filled.isdisjoint({"0", "0.0"})


def _counts_rows(cells: pd.Series) -> bool:
    """Whether the cells are the numbers of the rows, in any order and from any first number."""
    if not cells.str.fullmatch(NUMBER).all():
        return False
    numbers = sorted(cells.astype(float))
    return numbers == [numbers[0] + i for i in range(len(numbers))]


def _ends_usual(name: str) -> bool:
    """Whether a part of the name, or its end, is usual, as in gdc_cases.samples.sample_type."""
    parts = [plain_spelling(part) for part in name.split(".")]
    return any(part.endswith(column_names.SAMPLE_TYPE) for part in parts)


def _type_fact(name: str, codes: pd.Series) -> Fact:
    counts = codes.value_counts().sort_index()
    reason = listed([f"{code} ({n})" for code, n in counts.items()], N_CODES)
    return Fact("sample type column", quoted(name), reason, "", "input.sample_type_column", name)
