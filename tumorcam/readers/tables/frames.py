"""Small text tables that are held in memory as texts: samples, clinical data, annotation."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from tumorcam.errors import InputError
from tumorcam.readers.files import INPUT
from tumorcam.readers.matrix import Drop, Fact
from tumorcam.readers.tables import kinds
from tumorcam.readers.tables.cells import cut_rows
from tumorcam.readers.tables.dialect import NO_SETTING
from tumorcam.readers.tables.heading import read_heading
from tumorcam.readers.tables.lines import Chunk, read_chunks
from tumorcam.readers.tables.packing import open_unpacked
from tumorcam.readers.wording import plain

MAX_BYTES = 2**28  # of a table that is held in memory as a whole
TYPE_WORDS = frozenset("STRING NUMBER NUMERIC BOOLEAN CATEGORICAL TEXT FLOAT INTEGER".split())
CDE_ID = re.compile(r"CDE_ID:\d*")  # third row of the GDC's legacy clinical tables
N_TYPE_ROWS = 4  # rows below the header in which types and descriptions of columns stand


@dataclass(frozen=True)
class Frame:
    """A small table as a file has it.

    Attributes
    ----------
    table : DataFrame
        All texts, without blanks around them; a cell that is empty in the file is the empty text.
        The columns have different names.
    facts : list of Fact
        What was understood of the file.
    dropped : list of Drop
        Rows of the file that are not in the table.
    """

    table: pd.DataFrame
    facts: list[Fact] = field(default_factory=list)
    dropped: list[Drop] = field(default_factory=list)


def read_frame(path: Path, setting: str = INPUT) -> Frame:
    """Any small text table with a header, plain or packed, as texts.

    Comment lines, delimiters at the end of rows, R's missing corner (whose column is then called
    "row names"), rows of types or descriptions below the header and blank rows are recognised. Of
    columns with the same name, the first one keeps it; the next one gets " (2)" after it.

    Parameters
    ----------
    setting : str
        The settings that name the file, for messages.

    Raises
    ------
    InputError
        If the file cannot be read as such a table.
    """
    text = _whole_text(path, setting)
    heading = read_heading(iter([Chunk(text, 1, True)]), path, NO_SETTING, "point")
    [chunk] = heading.chunks
    body = chunk.text.split(b"\n", heading.line)[-1]
    rows, dropped = cut_rows(Chunk(body, heading.line + 1, True), heading, path)
    width = len(heading.header) - heading.n_trailing
    cells = [rows.row(i)[:width] for i in range(len(rows.lines))]
    n_types = _n_type_rows(cells[:N_TYPE_ROWS])
    reason = "types or descriptions of the columns, below the header"
    dropped += [Drop("row", f"line {number}", reason) for number in rows.numbers[:n_types]]
    names = distinct_names(heading.header[:width])
    table = pd.DataFrame(cells[n_types:], columns=names, dtype=str)
    return Frame(table, heading.facts, [*heading.dropped, *dropped])


def distinct_names(names: Sequence[str]) -> list[str]:
    """The names; one that occurred before gets a number, as in "stage (2)"."""
    distinct: list[str] = []
    taken = set(names)
    n_before: Counter[str] = Counter()
    for name in names:
        n_before[name] += 1
        new = name
        while n_before[name] > 1 and new in taken:
            new = f"{name} ({n_before[name]})"
            n_before[name] += new in taken
        taken.add(new)
        distinct.append(new)
    return distinct


def read_text(path: Path, setting: str = INPUT) -> str:
    """The whole text of a small file, plain or packed; InputError as in `read_frame`."""
    return _whole_text(path, setting).decode()


def _whole_text(path: Path, setting: str) -> bytes:
    texts, n_bytes = [], 0
    with open_unpacked(path, setting) as stream:
        for chunk in read_chunks(stream, path):
            texts.append(chunk.text)
            n_bytes += len(chunk.text)
            if n_bytes > MAX_BYTES:
                msg = (
                    f"{plain(str(path))} has more than {MAX_BYTES:,} bytes; wanted a table with "
                    f"a row for each sample or gene: check {setting}"
                )
                raise InputError(msg)
    text = b"".join(texts)
    try:
        text.decode()
    except UnicodeDecodeError as error:
        fault = kinds.not_utf8(text, error.start)
        raise InputError(f"{plain(str(path))} is no UTF-8 text: {fault}") from error
    return text


def _n_type_rows(rows: Sequence[Sequence[str]]) -> int:
    """How many rows below the header hold types or descriptions of the columns, not values."""
    for i, cells in reversed(list(enumerate(rows))):
        filled = [cell for cell in cells if cell]
        is_type = all(cell in TYPE_WORDS or CDE_ID.fullmatch(cell) for cell in filled)
        if filled and is_type:
            return i + 1
    return 0
