"""What the rows and columns of an expression matrix are, and the first look at its columns."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tumorcam.readers.matrix import Drop, Fact
from tumorcam.readers.missing import is_missing
from tumorcam.readers.tables import words
from tumorcam.readers.tables.heading import Heading
from tumorcam.readers.tables.numbers import number

MAX_HEADER_ROWS = 4  # below the first one
MIN_NUMBERS = 0.5  # share of the cells of a column of values
LIKE_NUMBER = re.compile(r"[-+]?[\d.,_' ]*\d[\d.,_' ]*([eE][-+]?\d+)?")

IsSample = Callable[[str], bool]


class DescribingRow(NamedTuple):
    """A row that describes the columns: its name, and a cell for each column of the table."""

    name: str
    cells: list[str]


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """What the rows and columns of a text matrix are.

    Attributes
    ----------
    genes_in_rows : bool
        Else the samples are in rows.
    header : list of str
        Names of the columns.
    values : list of int
        Columns of values: samples if the genes are in rows, else genes.
    id_column : int
        Column with the names of the rows: genes or samples.
    texts : list of int
        Columns that describe the rows: annotation of genes or labels of samples.
    describing : list of DescribingRow
        Rows among the header rows that describe the columns.
    facts : list of Fact
        What was understood, and why.
    """

    genes_in_rows: bool
    header: list[str]
    values: list[int]
    id_column: int
    texts: list[int]
    describing: list[DescribingRow] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)


@dataclass(frozen=True)
class Columns:
    """The header rows of a table, and what stands in its columns below them.

    Attributes
    ----------
    headers : list of list of str
        One or more header rows, without columns that are empty throughout.
    cells : list of list of str
        The cells of each column in the first rows of values.
    is_number, is_text : list of bool
        Whether at least half of a column's cells that are not missing are numbers, or are not; a
        column without any is neither.
    line : int
        Number of lines above the first row of values.
    is_padded : bool
        Whether the rows end in delimiters and the header does not.
    dropped : list of Drop
        The header rows but the first one.
    """

    headers: list[list[str]]
    cells: list[list[str]]
    is_number: list[bool]
    is_text: list[bool]
    line: int
    is_padded: bool
    dropped: list[Drop]

    def counts_rows(self, column: int) -> bool:
        """Whether a column holds 0, 1, 2 … or 1, 2, 3 …"""
        cells = [cell.removesuffix(".0") for cell in self.cells[column]]
        return any(cells == [str(i) for i in range(start, start + len(cells))] for start in (0, 1))

    def are_whole(self, column: int) -> bool:
        """Whether the cells of a column are distinct whole numbers."""
        cells = [cell.removesuffix(".0") for cell in self.cells[column] if not is_missing(cell)]
        return all(cell.isdigit() for cell in cells) and len(set(cells)) == len(cells)

    def name(self, column: int) -> str:
        """The first name of a column in the header rows, or its number if it has none."""
        names = self.names(column)
        proper = (name for name in names if not words.is_unnamed(name))
        return next(proper, "") or next(filter(None, names), f"column {column + 1}")

    def names(self, column: int) -> list[str]:
        """The names of a column in all header rows."""
        return [header[column] for header in self.headers]


def look_at_columns(heading: Heading) -> Columns:
    """Tell header rows from rows of values, and columns of numbers from columns of text."""
    width = len(heading.header) - heading.n_trailing
    rows = [row.cells[:width] for row in heading.rows]
    n_skipped = min(max(MAX_HEADER_ROWS, heading.n_describing), len(rows) // 2)
    decimal = heading.dialect.decimal
    columns = zip(*rows[n_skipped:], strict=True)
    shares = [_share_of_numbers(column, decimal) for column in columns]
    is_number = [share >= MIN_NUMBERS for share in shares]
    n_headers = min(heading.n_describing, n_skipped)
    while n_headers < n_skipped and _is_header(rows[n_headers], is_number, decimal, n_headers):
        n_headers += 1
    reason = "a header row without numbers"
    return Columns(
        headers=[*_without_measures(heading.header[:width]), *rows[:n_headers]],
        cells=[list(column) for column in zip(*rows[n_headers:], strict=True)],
        is_number=is_number,
        is_text=[0 <= share < MIN_NUMBERS for share in shares],
        line=heading.rows[n_headers - 1].end if n_headers else heading.line,
        is_padded=heading.is_padded,
        dropped=[Drop("row", f"line {row.end}", reason) for row in heading.rows[:n_headers]],
    )


def _without_measures(header: list[str]) -> list[list[str]]:
    """A header such as unstranded_TCGA-…, tpm_unstranded_TCGA-… as one of samples and of measures.

    So is S1_count, S1_TPM, S2_count, S2_TPM, if each sample has as many columns. A header of any
    other kind stays alone.
    """
    matches = [words.MEASURE_AND_SAMPLE.fullmatch(name) for name in header]
    pairs = [(match[2], match[1]) if match else None for match in matches]
    if pairs.count(None) > len(header) / 2:
        pairs = [words.sample_and_measure(name) for name in header]
        n_columns = Counter(pair[0] for pair in pairs if pair)
        is_even = len(set(n_columns.values())) == 1 and max(n_columns.values()) > 1
        if pairs.count(None) > len(header) / 2 or not is_even:
            return [header]
    samples = [pair[0] if pair else name for name, pair in zip(header, pairs, strict=True)]
    return [samples, [pair[1] if pair else "" for pair in pairs]]


def _share_of_numbers(cells: Sequence[str], decimal: str) -> float:
    """The share of numbers among the cells that are not missing; -1 if all are missing."""
    filled = [cell for cell in cells if not is_missing(cell)]
    if not filled:
        return -1.0
    return sum(_is_like_number(cell, decimal) for cell in filled) / len(filled)


def _is_like_number(cell: str, decimal: str) -> bool:
    """Whether a cell is a number, or is meant as one, such as 1_000."""
    return LIKE_NUMBER.fullmatch(cell) is not None or number(cell, decimal) is not None


def _is_header(row: list[str], is_number: list[bool], decimal: str, n_before: int) -> bool:
    """Whether a row below the header is a header, too: texts where other rows have numbers."""
    cells = [cell for cell, is_value in zip(row, is_number, strict=True) if is_value]
    filled = [cell for cell in cells if not is_missing(cell)]
    if not filled:
        return bool(cells) and n_before > 0 and not any(cells)  # names of a pandas index
    return not any(_is_like_number(cell, decimal) for cell in filled)
