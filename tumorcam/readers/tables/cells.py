"""The cells of many rows at once: where each one ends in the bytes of a chunk."""

import contextlib
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tumorcam.errors import InputError
from tumorcam.readers.matrix import Drop
from tumorcam.readers.tables import dialect as dialects
from tumorcam.readers.tables import kinds
from tumorcam.readers.tables.dialect import Dialect
from tumorcam.readers.tables.heading import (
    BLANK,
    Heading,
    mended,
    reason_to_drop,
    wrong_width,
)
from tumorcam.readers.tables.lines import Chunk
from tumorcam.readers.wording import plain

LINE_FEED, QUOTE = ord("\n"), ord('"')


@dataclass(frozen=True)
class Cells:
    """Whole rows, all with the same number of cells.

    Attributes
    ----------
    text : bytes
        The rows, one after the other, each with its line feed.
    ends : (rows, columns) int
        Index of the delimiter or line feed after each cell.
    lines : (rows,) int
        Number of the line in which each row begins.
    path : Path
        The file, for messages.
    """

    text: bytes
    ends: np.ndarray
    lines: np.ndarray
    path: Path

    def column(self, index: int) -> list[str]:
        """The cells of a column, without blanks and quotes around them.

        Raises
        ------
        InputError
            If a cell is no UTF-8 text.
        """
        starts = (self._row_starts() if index == 0 else self.ends[:, index - 1] + 1).tolist()
        stops = self.ends[:, index].tolist()
        texts = [self.text[start:stop] for start, stop in zip(starts, stops, strict=True)]
        try:
            return [_bare(text.decode()) for text in texts]
        except UnicodeDecodeError as error:
            row = texts.index(error.object)
            fault = kinds.not_utf8(error.object, error.start, int(self.lines[row]) - 1)
            msg = f"{plain(str(self.path))} is no UTF-8 text: {fault}"
            raise InputError(msg) from error

    def row(self, index: int) -> list[str]:
        """The cells of a row, without blanks and quotes around them; damaged letters are "�"."""
        stops = self.ends[index].tolist()
        starts = [int(self._row_starts()[index]), *(stop + 1 for stop in stops[:-1])]
        return [
            _bare(self.text[start:stop].decode(errors="replace"))
            for start, stop in zip(starts, stops, strict=True)
        ]

    def rows(self, is_kept: np.ndarray) -> "Cells":
        """The rows of a (rows,) bool mask."""
        if is_kept.all():
            return self
        starts, stops = self._row_starts(), self.ends[:, -1] + 1
        kept = np.flatnonzero(is_kept).tolist()
        text = b"".join(self.text[starts[i] : stops[i]] for i in kept)
        new_starts = np.concatenate([[0], np.cumsum(stops[kept] - starts[kept])[:-1]])
        shift = starts[kept] - new_starts.astype(np.int64)
        return Cells(text, self.ends[kept] - shift[:, None], self.lines[kept], self.path)

    def flat(self, columns: np.ndarray) -> bytes:
        """The cells of some columns, row by row, each with a line feed after it.

        Parameters
        ----------
        columns : (k,) int
            Indices in their order.
        """
        letters = np.frombuffer(bytearray(self.text), np.uint8)
        letters[self.ends.ravel()] = LINE_FEED
        first, last = int(columns[0]), int(columns[-1])
        if last - first + 1 == len(columns):
            starts = self._row_starts() if first == 0 else self.ends[:, first - 1] + 1
            stops = self.ends[:, last] + 1
            view = letters.data
            pairs = zip(starts.tolist(), stops.tolist(), strict=True)
            return b"".join(view[start:stop] for start, stop in pairs)
        is_kept = np.zeros(self.ends.shape, bool)
        is_kept[:, columns] = True
        lengths = np.diff(self.ends.ravel(), prepend=-1)
        return letters[: self.ends[-1, -1] + 1][np.repeat(is_kept.ravel(), lengths)].tobytes()

    def _row_starts(self) -> np.ndarray:
        return np.concatenate([[0], self.ends[:-1, -1] + 1])


class CutRows(NamedTuple):
    """The rows of a chunk, and those that are none of the table."""

    cells: Cells
    dropped: list[Drop]


class _Line(NamedTuple):
    """A row and the number of its first line."""

    number: int
    text: bytes


class _Piece(NamedTuple):
    """The text of a row, and the number of its cells, or -1 where that is to be seen."""

    text: bytes
    n_cells: int


class _Ends(NamedTuple):
    """Where cells end, which of them end a row, and the cells of each row.

    `is_clean` is false if quotes stand elsewhere than around whole cells.
    """

    ends: np.ndarray
    row_ends: np.ndarray
    widths: np.ndarray
    is_clean: bool


def cut_rows(chunk: Chunk, heading: Heading, path: Path) -> CutRows:
    """Cut a chunk into the cells of the table.

    Blank rows and comments are left out and listed; delimiters that a row has too many or too few
    at its end are mended.

    Raises
    ------
    InputError
        If a row has another number of cells than the header.
    """
    width, dropped = len(heading.header), list[Drop]()
    first_lines = None
    text = chunk.text
    cut = _ends(text, heading.dialect)
    if not _is_regular(text, cut, width):
        pieces, lines = [], list[int]()
        for number, piece in _mended_rows(chunk, cut, heading, dropped, path):
            pieces.append(piece)
            lines.append(number)
        text, first_lines = b"".join(pieces), np.array(lines, dtype=np.int64)
        cut = _ends(text, heading.dialect)
    n_rows = len(cut.row_ends)
    if first_lines is None:
        first_lines = _line_numbers(chunk, cut)
    return CutRows(Cells(text, cut.ends.reshape(n_rows, width), first_lines, path), dropped)


def _ends(text: bytes, dialect: Dialect) -> _Ends:
    letters = np.frombuffer(text, np.uint8)
    is_end = letters == ord(dialect.delimiter)
    is_end |= letters == LINE_FEED
    is_clean = True
    if dialect.has_quotes and b'"' in text:
        is_clean = _quotes_are_clean(letters, is_end)
        is_end &= ~np.bitwise_xor.accumulate(letters == QUOTE)
    ends = np.flatnonzero(is_end)
    row_ends = np.flatnonzero(letters[ends] == LINE_FEED)
    return _Ends(ends, row_ends, np.diff(row_ends, prepend=-1), is_clean)


def _quotes_are_clean(letters: np.ndarray, is_end: np.ndarray) -> bool:
    """Whether each quote that opens begins a cell, and each that closes ends one.

    A quote within a cell is doubled: there one closes and the next one opens at once.
    """
    quotes = np.flatnonzero(letters == QUOTE)
    if len(quotes) % 2:
        return False
    opening, closing = quotes[::2], quotes[1::2]
    before, after = opening - 1, np.minimum(closing + 1, len(letters) - 1)
    begins = (opening == 0) | is_end[before] | (letters[before] == QUOTE)
    ends = is_end[after] | (letters[after] == QUOTE)
    return bool(begins.all() and ends.all())


def _is_regular(text: bytes, cut: _Ends, width: int) -> bool:
    """Whether all rows have their cells, and none of them is blank."""
    if not cut.is_clean or not len(cut.ends) or not (cut.widths == width).all():
        return False
    stops = cut.ends[cut.row_ends]
    starts = np.concatenate([[0], stops[:-1] + 1])
    short = np.flatnonzero(stops - starts < 2 * width).tolist()
    return all(text[starts[i] : stops[i]].strip(b' \t,;"') for i in short)


def _line_numbers(chunk: Chunk, cut: _Ends) -> np.ndarray:
    """The number of the line in which each row begins."""
    starts = np.concatenate([[0], cut.ends[cut.row_ends][:-1] + 1])
    if chunk.text.count(b"\n") == len(starts):
        return chunk.line + np.arange(len(starts))
    breaks = np.flatnonzero(np.frombuffer(chunk.text, np.uint8) == LINE_FEED)
    return chunk.line + np.searchsorted(breaks, starts)


def _mended_rows(
    chunk: Chunk, cut: _Ends, heading: Heading, dropped: list[Drop], path: Path
) -> Iterator[_Line]:
    """The line number and the text of each row that is one of the table, now with all cells."""
    width, line = len(heading.header), chunk.line
    last_line = chunk.line + chunk.text.count(b"\n") - 1
    pieces = _pieces(chunk.text, cut) if cut.is_clean else _quoted_pieces(chunk.text, heading)
    for piece, n_cells in pieces:
        if n_cells == width and piece.strip(b' \t\n,;"'):
            yield _Line(line, piece)
        else:
            for row, cells in _rows_of(piece, heading):
                whole = mended(cells, heading)
                if reason := reason_to_drop(cells, width):
                    if len(cells) > 1 or reason != BLANK:
                        dropped.append(Drop("row", f"line {line + row}", reason))
                elif whole is None:
                    is_end = chunk.is_last and line + row >= last_line
                    fault = wrong_width(line + row, cells, heading, is_end)
                    raise InputError(f"{plain(str(path))} {fault}")
                else:
                    yield _Line(line + row, _written(whole, heading.dialect))
        line += piece.count(b"\n")


def _pieces(text: bytes, cut: _Ends) -> Iterator[_Piece]:
    """The rows of a text whose quotes are clean."""
    start = 0
    for stop, n_cells in zip(
        (cut.ends[cut.row_ends] + 1).tolist(), cut.widths.tolist(), strict=True
    ):
        yield _Piece(text[start:stop], n_cells)
        start = stop


def _quoted_pieces(text: bytes, heading: Heading) -> Iterator[_Piece]:
    """The rows of a text as its quotes tell them, each to be looked at again; else its lines."""
    lines = text.splitlines(keepends=True)
    start = 0
    try:
        rows = dialects.split_rows(text.decode(errors="surrogateescape"), heading.dialect)
    except csv.Error:
        rows = []
    for _, end in rows:
        yield _Piece(b"".join(lines[start:end]), -1)
        start = end
    for line in lines[start:]:
        yield _Piece(line, -1)


def _rows_of(piece: bytes, heading: Heading) -> Iterator[tuple[int, list[str]]]:
    """The rows of a piece that quotes may hold together wrongly, and how many lines into it."""
    text = piece.decode(errors="surrogateescape")
    if heading.dialect.has_quotes:
        try:
            rows = dialects.split_rows(text, heading.dialect)
        except csv.Error:
            rows = []
        if len(rows) == 1 and mended(rows[0].cells, heading) is not None:
            yield 0, rows[0].cells
            return
    for i, line in enumerate(text.split("\n")[:-1]):
        as_letters = dialects.split_rows(line, heading.dialect._replace(has_quotes=False))
        cells = as_letters[0].cells if as_letters else []
        if mended(cells, heading) is None and heading.dialect.has_quotes and '"' in line:
            with contextlib.suppress(csv.Error):
                cells = dialects.split_rows(line, heading.dialect)[0].cells
        yield i, cells


def _written(cells: list[str], dialect: Dialect) -> bytes:
    """A row as text."""
    if not dialect.has_quotes:
        return (dialect.delimiter.join(cells) + "\n").encode(errors="surrogateescape")
    text = io.StringIO()
    csv.writer(text, delimiter=dialect.delimiter, lineterminator="\n").writerow(cells)
    return text.getvalue().encode(errors="surrogateescape")


def _bare(cell: str) -> str:
    """A cell without blanks and without the quotes around it."""
    cell = cell.strip()
    if len(cell) > 1 and cell[0] == cell[-1] == '"':
        return cell[1:-1].replace('""', '"').strip()
    return cell
