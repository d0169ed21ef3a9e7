"""CSV files that every reader understands alike, and that a spreadsheet opens whole.

A number with a fraction always has a point or an exponent, also where it is whole. An unknown
one is NaN, a flag true or false. So pandas, polars and R read one type from each column without
options, also where the first thousand cells are unknown.
"""

import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from tumorcam.cluster.logs import logger
from tumorcam.report.columns import NUMBER, TEXT, Column, require_columns
from tumorcam.storage import hdf5

MAX_ROWS = 1_000_000  # of a file; a spreadsheet has 1,048,576, its header included
DIGITS = 6  # significant, of numbers in files; a Parquet file keeps every bit
FORMULA_STARTS = tuple("=+-@\t\r\n")  # a spreadsheet would run such a cell
QUOTED = re.compile(r'[",\t\r\n]')


def plain_text(cell: str) -> str:
    """The cell, with a quote before it where a spreadsheet would take it for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


def number_text(value: float, digits: int = DIGITS) -> str:
    """A number that every reader takes for one with a fraction, such as 7.0; NaN if unknown.

    `value` is written with so many significant `digits`.
    """
    text = repr(float(f"{value:.{digits}g}"))
    return "NaN" if text == "nan" else text


def part_names(name: str, *, blocks: int, rows: int) -> list[str]:
    """The names of the files that a table is written to.

    It is one file, such as genes.csv, if that has at most MAX_ROWS rows; else genes-1.csv,
    genes-2.csv and so on, each with as many whole blocks as fit.

    Parameters
    ----------
    blocks, rows : int
        The number of blocks, such as one tumor in one ranking, and of rows of each.
    """
    if blocks * rows <= MAX_ROWS:
        return [name]
    stem, dot, kind = name.rpartition(".")
    n_files = -(-blocks // _blocks_of_a_part(rows))
    return [f"{stem}-{i}{dot}{kind}" for i in range(1, n_files + 1)]


def write_parts(
    folder: Path,
    names: Sequence[str],
    tables: Iterable[pd.DataFrame],
    columns: Sequence[Column],
    *,
    rows: int,
) -> None:
    """Write tables one below the other, into one file or several.

    Parameters
    ----------
    names : sequence of str
        From `part_names`.
    tables : iterable of DataFrame
        Each of them has whole blocks.
    rows : int
        The number of rows of a block.
    """
    if len(names) == 1:
        write_csv(folder / names[0], tables, columns)
        return
    logger.info(
        "a table of more than %s rows is split, so that a spreadsheet opens it: %s to %s",
        f"{MAX_ROWS:,}",
        names[0],
        names[-1],
    )
    blocks = (
        table.iloc[start : start + rows] for table in tables for start in range(0, len(table), rows)
    )
    for name in names:
        part = itertools.islice(blocks, _blocks_of_a_part(rows))
        write_csv(folder / name, part, columns)


def write_csv(
    path: Path,
    tables: Iterable[pd.DataFrame],
    columns: Sequence[Column],
    *,
    separator: str = ",",
    digits: int = DIGITS,
) -> None:
    """Write tables one below the other to a file, whole or not at all.

    Parameters
    ----------
    columns : sequence of Column
        Those of each table, whose types it gets.
    """
    with hdf5.write_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as stream:
        header = separator.join(quoted_text(column.name) for column in columns)
        stream.write(f"{header}\n")
        for table in tables:
            typed = require_columns(table, columns)
            cells = [_texts(typed[column.name], column.dtype, digits=digits) for column in columns]
            stream.writelines(f"{separator.join(row)}\n" for row in zip(*cells, strict=True))


def quoted_text(cell: str) -> str:
    """A text as a cell: no formula, and in quotes where it needs them."""
    text = plain_text(cell)
    if QUOTED.search(text):
        doubled = text.replace('"', '""')
        return f'"{doubled}"'
    return text


def _texts(column: pd.Series, dtype: str, *, digits: int) -> list[str]:
    values = column.tolist()
    if dtype == TEXT:
        cells = {value: quoted_text(str(value)) for value in set(values)}
        return [cells[value] for value in values]
    if dtype == NUMBER:
        return [number_text(value, digits) for value in values]
    return [str(value).lower() for value in values]


def _blocks_of_a_part(rows: int) -> int:
    return max(1, MAX_ROWS // max(1, rows))
