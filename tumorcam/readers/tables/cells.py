"""The rows of a chunk, cut into cells only where it is needed, so that wide rows are fast."""

import csv
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tumorcam.errors import InputError
from tumorcam.readers.matrix import Drop
from tumorcam.readers.tables import kinds
from tumorcam.readers.tables.heading import (
    BLANK,
    Heading,
    mended,
    reason_to_drop,
    wrong_width,
)
from tumorcam.readers.tables.lines import Chunk, count_byte
from tumorcam.readers.wording import plain

# What stands for a delimiter or a line feed within a cell; no text has these bytes.
INNER_DELIMITER, INNER_LINE_FEED = "\0", "\x01"
MAX_LINES = 1000  # of one row with line feeds in quotes


@dataclass(frozen=True)
class Rows:
    """Rows of a table, all with the same number of cells and without quotes around them.

    Attributes
    ----------
    lines : list of bytes
        The rows, without line feeds; a delimiter within a cell is INNER_DELIMITER.
    numbers : list of int
        Number of the line in which each row begins.
    width : int
        Number of cells of a row.
    delimiter : bytes
    path : Path
        The file, for messages.
    """

    lines: list[bytes]
    numbers: list[int]
    width: int
    delimiter: bytes
    path: Path

    def column(self, index: int) -> list[str]:
        """The cells of a column, without blanks around them.

        Raises
        ------
        InputError
            If a cell is no UTF-8 text.
        """
        if index < self.width // 2 or index == 0:
            cells = [line.split(self.delimiter, index + 1)[index] for line in self.lines]
        else:
            n_after = self.width - index
            cells = [line.rsplit(self.delimiter, n_after)[1] for line in self.lines]
        try:
            return [self._restored(cell.decode()) for cell in cells]
        except UnicodeDecodeError as error:
            number = self.numbers[cells.index(error.object)]
            fault = kinds.not_utf8(error.object, error.start, number - 1)
            msg = f"{plain(str(self.path))} is no UTF-8 text: {fault}"
            raise InputError(msg) from error

    def row(self, index: int) -> list[str]:
        """The cells of a row, without blanks around them; damaged letters are "�"."""
        cells = self.lines[index].decode(errors="replace").split(self.delimiter.decode())
        return [self._restored(cell) for cell in cells]

    def select(self, is_kept: Sequence[bool]) -> "Rows":
        """The rows of a mask."""
        if all(is_kept):
            return self
        lines, numbers = compress(self.lines, is_kept), compress(self.numbers, is_kept)
        return Rows([*lines], [*numbers], self.width, self.delimiter, self.path)

    def flat(self, columns: Sequence[int]) -> bytes:
        """The cells of some columns in their order, row by row, each with a line feed after it."""
        first, last = columns[0], columns[-1]
        lines = self.lines
        if last - first + 1 != len(columns):
            take = operator.itemgetter(*columns)
            parts = [part for line in lines for part in take(line.split(self.delimiter))]
            return b"\n".join(parts) + b"\n"
        if first > 0:
            lines = [line.split(self.delimiter, first)[first] for line in lines]
        if last < self.width - 1:
            n_after = self.width - 1 - last
            lines = [line.rsplit(self.delimiter, n_after)[0] for line in lines]
        text = np.frombuffer(b"\n".join(lines) + b"\n", np.uint8)
        is_delimiter, change = text == self.delimiter[0], self.delimiter[0] ^ ord("\n")
        return (text ^ (is_delimiter * np.uint8(change))).tobytes()  # faster than bytes.translate

    def _restored(self, cell: str) -> str:
        if INNER_DELIMITER in cell or INNER_LINE_FEED in cell:
            cell = cell.replace(INNER_DELIMITER, self.delimiter.decode())
            cell = cell.replace(INNER_LINE_FEED, "\n")
        return cell.strip()


class CutRows(NamedTuple):
    """The rows of a chunk, and those that are none of the table."""

    rows: Rows
    dropped: list[Drop]


class _Cells(NamedTuple):
    """The cells of a row, and how many lines it takes."""

    cells: list[str]
    n_lines: int


def cut_rows(chunk: Chunk, heading: Heading, path: Path) -> CutRows:
    """The rows of a chunk that are rows of the table.

    Blank rows and comments are left out and listed; delimiters that a row has too many or too few
    at its end are mended; quotes around cells are taken away.

    Raises
    ------
    InputError
        If a row has another number of cells than the header.
    """
    width, delimiter = len(heading.header), heading.dialect.delimiter.encode()
    has_quotes = heading.dialect.has_quotes and b'"' in chunk.text
    lines = chunk.text.split(b"\n")[:-1]
    kept, numbers, dropped = list[bytes](), list[int](), list[Drop]()
    i = 0
    while i < len(lines):
        line, number = lines[i], chunk.line + i
        if has_quotes and b'"' in line:
            line = _without_quotes(line, delimiter, width)
        has_width = count_byte(line, delimiter) == width - 1
        i += 1
        if not (has_width and line.strip(b" \t,;")) or (has_quotes and b'"' in line):
            cells, n_lines = _cells(lines, i - 1, heading) if line else _Cells([], 1)
            i += n_lines - 1
            whole = mended(cells, heading)
            if reason := reason_to_drop(cells, width):
                if len(cells) > 1 or reason != BLANK:
                    dropped.append(Drop("row", f"line {number}", reason))
                continue
            if whole is None:
                is_end = chunk.is_last and i >= len(lines)
                fault = wrong_width(number, cells, heading, is_end)
                raise InputError(f"{plain(str(path))} {fault}")
            line = _written(whole, heading.dialect.delimiter)
        kept.append(line)
        numbers.append(number)
    return CutRows(Rows(kept, numbers, width, delimiter, path), dropped)


def _without_quotes(line: bytes, delimiter: bytes, width: int) -> bytes:
    """The line without the quotes around its cells; as it is where they are not that simple."""
    first, last = line.find(b'"'), line.rfind(b'"') + 1
    before, quoted, after = line[:first], line[first:last], line[last:]
    is_simple = quoted.count(b'"') % 2 == 0 and (not before or before.endswith(delimiter))
    if not is_simple or (after and not after.startswith(delimiter)):
        return line
    letter = delimiter.decode()
    between = b'"' + delimiter + b'"'
    if quoted.count(b'"') == 2 * quoted.count(between) + 2:  # "a","b","c"
        bare = quoted[1:-1].replace(between, b"\n").replace(delimiter, INNER_DELIMITER.encode())
        bare = bare.replace(b"\n", delimiter)
    else:
        try:
            cells = next(csv.reader([quoted.decode(errors="surrogateescape")], delimiter=letter))
        except csv.Error:
            return line
        bare = _written(cells, letter)
    bare = before + bare + after
    return bare if b'"' not in bare and bare.count(delimiter) == width - 1 else line


def _cells(lines: list[bytes], index: int, heading: Heading) -> _Cells:
    """The cells of the row that begins in a line, which may go on in the next ones."""
    delimiter = heading.dialect.delimiter
    line = lines[index].decode(errors="surrogateescape")
    as_letters = [_bare(cell) for cell in line.split(delimiter)]
    if '"' not in line or not heading.dialect.has_quotes:
        return _Cells([cell.strip() for cell in line.split(delimiter)], 1)
    for n_lines in (MAX_LINES, 1):
        texts = (
            text.decode(errors="surrogateescape") + "\n" for text in lines[index : index + n_lines]
        )
        reader = csv.reader(texts, delimiter=delimiter)
        try:
            cells = [cell.strip() for cell in next(reader)]
        except csv.Error:
            continue
        if mended(cells, heading) is not None:
            return _Cells(cells, reader.line_num)
    return _Cells(as_letters, 1)


def _bare(cell: str) -> str:
    """A cell without blanks and without the quotes around it."""
    cell = cell.strip()
    if len(cell) > 1 and cell[0] == cell[-1] == '"':
        return cell[1:-1].replace('""', '"').strip()
    return cell


def _written(cells: list[str], delimiter: str) -> bytes:
    """A row of cells as a line."""
    safe = (
        cell.replace(delimiter, INNER_DELIMITER).replace("\n", INNER_LINE_FEED) for cell in cells
    )
    return delimiter.join(safe).encode(errors="surrogateescape")
