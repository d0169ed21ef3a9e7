"""Workbooks of Excel: plain text and numbers, and equal bytes for equal tables."""

import io
import math
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from tumorcam.report.columns import (
    ABOUT_SHEET_COLUMNS,
    COLUMN_SHEET_COLUMNS,
    NUMBER,
    TEXT,
    WHOLE,
    Column,
    require_columns,
)
from tumorcam.storage import hdf5

MAX_CELL = 32_767  # characters, of Excel
MAX_WIDTH = 80  # characters
NUMBER_WIDTH = 9
FORMATS = {TEXT: "@", WHOLE: "0", NUMBER: "0.000"}  # of cells; @ is text, which stays text
FORMATS_OF = dict.fromkeys(("q_decoy", "q_value"), "0.0E+00") | dict.fromkeys(
    ("rank", "rank_low", "rank_high"), "General"
)
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a ZIP file can have
DATES = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*")


@dataclass(frozen=True)
class Sheet:
    """A sheet of a workbook; `fixed` columns at the left stay in view, and so does the header."""

    title: str
    table: pd.DataFrame
    columns: Sequence[Column]
    fixed: int = 0


def column_sheet(columns: Sequence[Column]) -> Sheet:
    """The sheet that documents the columns of others."""
    rows = [(column.name, column.dtype, column.unit, column.meaning) for column in columns]
    names = [column.name for column in COLUMN_SHEET_COLUMNS]
    return Sheet("columns", pd.DataFrame(rows, columns=names), COLUMN_SHEET_COLUMNS)


def about_sheet(facts: Mapping[str, str]) -> Sheet:
    """The sheet that says what a workbook is of."""
    names = [column.name for column in ABOUT_SHEET_COLUMNS]
    return Sheet("about", pd.DataFrame(list(facts.items()), columns=names), ABOUT_SHEET_COLUMNS)


def write_workbook(path: Path, sheets: Iterable[Sheet]) -> None:
    """Write a workbook whose sheets have a filter and a header that stays in view.

    Text stays text, whatever it looks like: no cell is a formula or a date. An unknown number is an
    empty cell.
    """
    workbook, content = Workbook(write_only=True), io.BytesIO()
    for sheet in sheets:
        _fill(workbook.create_sheet(sheet.title), sheet)
    workbook.save(content)
    with hdf5.write_aside(path) as aside:
        aside.write_bytes(_undated(content))


def _fill(worksheet: Worksheet, sheet: Sheet) -> None:
    table = require_columns(sheet.table, sheet.columns)
    last = get_column_letter(len(sheet.columns))
    worksheet.freeze_panes = f"{get_column_letter(sheet.fixed + 1)}2"
    worksheet.auto_filter.ref = f"A1:{last}{len(table) + 1}"
    for i, column in enumerate(sheet.columns, start=1):
        width = _width(table[column.name], column)
        worksheet.column_dimensions[get_column_letter(i)].width = width
    heading = [_cell(worksheet, column.name, "@") for column in sheet.columns]
    for cell in heading:
        cell.font = Font(bold=True)
    worksheet.append(heading)
    formats = [FORMATS_OF.get(c.name, FORMATS.get(c.dtype, "General")) for c in sheet.columns]
    for row in zip(*(table[column.name].tolist() for column in sheet.columns), strict=True):
        worksheet.append(
            [_cell(worksheet, value, form) for value, form in zip(row, formats, strict=True)]
        )


def _cell(worksheet: Worksheet, value: Any, number_format: str) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        value = ILLEGAL_CHARACTERS_RE.sub("?", value)[:MAX_CELL]
    cell = WriteOnlyCell(worksheet, value)
    if isinstance(value, str):
        cell.data_type = "s"  # also where it starts with =
    cell.number_format = number_format
    return cell


def _width(values: pd.Series, column: Column) -> int:
    """Characters that a column needs, with room for the button of the filter."""
    texts = values.astype(str).str.len() if column.dtype == TEXT else pd.Series([NUMBER_WIDTH])
    longest = max(len(column.name), int(texts.max()) if len(texts) else 0)
    return min(longest + 4, MAX_WIDTH)


def _undated(content: io.BytesIO) -> bytes:
    """A workbook without the time at which it was written."""
    steady = io.BytesIO()
    with (
        zipfile.ZipFile(content) as source,
        zipfile.ZipFile(steady, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for info in source.infolist():
            part = DATES.sub(rb"\g<1>1980-01-01T00:00:00Z", source.read(info))
            target.writestr(zipfile.ZipInfo(info.filename, ZIP_DATE), part, zipfile.ZIP_DEFLATED)
    return steady.getvalue()
