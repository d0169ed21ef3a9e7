"""The numbers of many cells at once, in no other spellings than those of plain numbers."""

import re
from collections.abc import Sequence

import numpy as np
import polars

from tumorcam.errors import InputError, quoted
from tumorcam.readers.missing import is_missing, spellings_of_missing
from tumorcam.readers.tables.cells import INNER_DELIMITER, Rows
from tumorcam.readers.tables.dialect import COMMA, THOUSANDS
from tumorcam.readers.wording import plain

EDGE_BLANKS = re.compile(rb"[ \t]*\n[ \t]*?(?=[^ \t])")


def read_numbers(
    rows: Rows, columns: Sequence[int], decimal: str, names: Sequence[str]
) -> np.ndarray:
    """The numbers in some columns; a missing value is NaN.

    Numbers are those that Python's `float` reads, in ASCII and without underscores, so 1e-5 and inf
    but neither 1_000 nor 0x1F nor 1,000.

    Parameters
    ----------
    columns : sequence of int
        Indices of the columns in their order.
    decimal : str
        The decimal sign, "." or ",".
    names : sequence of str
        Names of all columns, for messages.

    Returns
    -------
    (rows, k) float64

    Raises
    ------
    InputError
        If a cell is neither a number nor a word for a missing value.
    """
    shape = (len(rows.lines), len(columns))
    if not rows.lines:
        return np.empty(shape)
    flat = _with_decimal_points(rows.flat(columns), decimal)
    for words in (["NA"], spellings_of_missing()):
        values = None if flat is None else _parsed(flat, words)
        if values is not None and len(values) == shape[0] * shape[1]:
            return values.reshape(shape)
        flat = None if flat is None else EDGE_BLANKS.sub(b"\n", flat)
    return np.array([_row(rows, i, columns, decimal, names) for i in range(shape[0])])


def number(cell: str, decimal: str) -> float | None:
    """The number in a cell, NaN for a missing value, or None for any other text."""
    cell = cell.strip()
    if is_missing(cell):
        return float("nan")
    if decimal == ",":
        if "." in cell:
            return None
        cell = cell.replace(",", ".")
    if not cell.isascii() or "_" in cell:
        return None
    try:
        return float(cell)
    except ValueError:
        return None


def _with_decimal_points(flat: bytes, decimal: str) -> bytes | None:
    """The cells with decimal points; None if a cell has several signs that may be decimal."""
    if decimal == ".":
        return flat
    if b"." in flat:
        return None
    return flat.replace(b",", b".").replace(INNER_DELIMITER.encode(), b".")


def _parsed(flat: bytes, missing: list[str]) -> np.ndarray | None:
    """The numbers of the lines of a text; None if a line is no number."""
    try:
        column = polars.read_csv(
            flat,
            has_header=False,
            schema={"value": polars.Float64},
            separator="\x01",
            quote_char=None,
            null_values=missing,
        )["value"]
    except polars.exceptions.PolarsError:
        return None
    return column.to_numpy()


def _row(
    rows: Rows, index: int, columns: Sequence[int], decimal: str, names: Sequence[str]
) -> list[float]:
    """The numbers of a row, cell by cell."""
    texts = rows.row(index)
    values = []
    for column in columns:
        value = number(texts[column], decimal)
        if value is None:
            where = f"{plain(str(rows.path))} line {rows.numbers[index]}, column {column + 1}"
            fault = _fault(texts[column], decimal)
            raise InputError(f"{where} ({quoted(names[column])}): {fault}")
        values.append(value)
    return values


def _fault(cell: str, decimal: str) -> str:
    """What is wrong with a cell that is no number, and what to do."""
    cell_text = quoted(cell)
    if re.fullmatch(THOUSANDS + r"(\.\d*)?", cell):
        return f"{cell_text} has separators of thousands; write the numbers without them"
    if decimal == "." and COMMA.fullmatch(cell):
        return f'{cell_text} has a decimal comma; if all numbers have, set input.decimal = "comma"'
    if decimal == "," and re.fullmatch(r"[-+\d.,eE]+", cell):
        return (
            f"{cell_text} has a point, but the numbers were taken to have decimal commas; write "
            'all numbers alike, or set input.decimal = "point"'
        )
    return f"{cell_text} is no number; correct it or leave that row or column out"
