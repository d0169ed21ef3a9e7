"""The dialect of a text table: what stands between its cells, and between the digits of a number.

Both are decided over many rows.
"""

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tumorcam.errors import InputError, quoted
from tumorcam.readers.column_names import AUTO
from tumorcam.readers.matrix import Fact
from tumorcam.readers.missing import is_missing
from tumorcam.readers.wording import plain

NO_SETTING = ""  # "auto" for tables whose delimiter no setting tells
DELIMITERS = {"tab": "\t", "semicolon": ";", "comma": ",", "blanks": " "}
N_LINES = 200  # by which the dialect is decided
N_CHARACTERS = 2**18  # at least so many, and three lines
N_ODD, MAX_ODD = 2, 0.2  # rows, or share of them, that may have another number of cells
MIN_LEAD = 0.02  # of the best delimiter over the next one, in shares of cells that look whole
MIN_EVEN = 0.5  # score of a delimiter that is preferred since its header lacks no cell
MIN_COMMAS = 0.05  # share of the numbers that have a comma where it is the decimal sign
POINT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
COMMA = re.compile(r"[-+]?(\d+,\d*|,\d+)([eE][-+]?\d+)?")
THOUSANDS = r"[-+]?[1-9]\d{0,2}(,\d{3})+"
MIN_GROUPED = 50  # numbers by which separators of thousands are told from decimal signs
ANY_NUMBER = re.compile(r"[-+]?[\d.,]*\d[\d.,]*([eE][-+]?\d+)?")


class Dialect(NamedTuple):
    """How the rows of a text are cut into cells.

    Attributes
    ----------
    delimiter : str
        One character; runs of blanks have become tabs before.
    decimal : str
        "." or ",".
    has_quotes : bool
        Whether quotes around a cell keep delimiters and line breaks in it.
    """

    delimiter: str
    decimal: str = "."
    has_quotes: bool = True


class Row(NamedTuple):
    """The cells of a row, and the number of lines of the text up to its end."""

    cells: list[str]
    end: int


def choose_delimiter(text: str, setting: str, path: Path) -> str:
    """The name of the delimiter that cuts all lines into the same number of whole cells.

    Parameters
    ----------
    text : str
        The first lines of the file, without comments.
    setting : str
        `input.delimiter`: a name of DELIMITERS, or "auto"; or NO_SETTING.

    Raises
    ------
    InputError
        If no delimiter fits, or two fit equally well.
    """
    if setting not in (AUTO, NO_SETTING):
        return setting
    text = first_lines(text)
    scores = {name: _share_of_whole_cells(text, DELIMITERS[name]) for name in DELIMITERS}
    even = [name for name in scores if scores[name] >= MIN_EVEN and _is_even(text, name)]
    order = sorted(scores, key=lambda name: (name not in even, -scores[name]))
    best, second = order[:2]
    if scores[best] == 0:
        first = text.split("\n", 1)[0][:60]
        msg = (
            f"{plain(str(path))}: tabs, commas, semicolons or blanks cut its lines into no "
            f"two or more cells alike (first line: {quoted(first)}{_odd_line(text)}); save it as "
            "TSV or CSV"
        )
        raise InputError(msg)
    if scores[best] - scores[second] < MIN_LEAD and (best in even) == (second in even):
        advice = f'set input.delimiter = "{best}" or input.delimiter = "{second}"'
        if setting == NO_SETTING:
            advice = "save it as TSV, with quotes around the texts"
        msg = f"{plain(str(path))} can be read with {best} or with {second} between its cells; "
        raise InputError(msg + advice)
    return best


def _odd_line(text: str) -> str:
    """A line with another number of cells than most, where most are alike by some delimiter."""
    for name, delimiter in DELIMITERS.items():
        widths = [len(row) for row in _split(text, Dialect(delimiter, has_quotes=True))]
        usual = _most_common(widths)
        odd = next((i for i, width in enumerate(widths) if width not in (0, usual.n_cells)), None)
        if usual.n_cells > 1 and usual.share > MIN_EVEN and odd is not None:
            return (
                f"; by {name} line {odd + 1} of the table has {widths[odd]} cells, most have "
                f"{usual.n_cells}: a cell that holds the delimiter needs quotes around it"
            )
    return ""


def first_lines(text: str) -> str:
    """The beginning of a text, by which its dialect is decided: some whole lines."""
    end = 0
    for _ in range(N_LINES):
        if end > N_CHARACTERS and text.count("\n", 0, end) > 2:
            break
        end = text.find("\n", end) + 1 or len(text)
    return text[:end]


def dialect_of(text: str, delimiter: str) -> Dialect:
    """The dialect of a text whose delimiter has that name; its decimal sign is not decided yet."""
    text = first_lines(text)
    character = "\t" if delimiter == "blanks" else DELIMITERS[delimiter]
    return Dialect(character, has_quotes=keeps_quotes(text, character))


def split_rows(text: str, dialect: Dialect, n_rows: int | None = None) -> list[Row]:
    """The rows of a text, all or the first ones; a blank line is a row without cells."""
    if dialect.has_quotes and '"' in text:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter)
        try:
            return [
                Row([cell.strip() for cell in cells], reader.line_num)
                for cells in itertools.islice(reader, n_rows)
            ]
        except csv.Error:  # a cell without end
            pass
    lines = text.split("\n", n_rows or -1)
    del lines[n_rows or len(lines) - (not lines[-1]) :]
    return [
        Row([cell.strip() for cell in line.split(dialect.delimiter)] if line else [], end)
        for end, line in enumerate(lines, start=1)
    ]


def keeps_quotes(text: str, delimiter: str) -> bool:
    """Whether the rows of a text are more alike with quotes taken as such than as letters."""
    if '"' not in text:
        return True
    shares = [
        _most_common(_widths(text, Dialect(delimiter, has_quotes=has_quotes)))
        for has_quotes in (True, False)
    ]
    return shares[0].share >= shares[1].share


def choose_decimal(rows: Sequence[Sequence[str]], setting: str, path: Path) -> str:
    """The decimal sign of the numbers in some rows.

    Raises
    ------
    InputError
        If commas may be decimal signs or separate thousands.
    """
    if setting != AUTO:
        return "." if setting == "point" else ","
    numbers = [cell for row in rows for cell in row if ANY_NUMBER.fullmatch(cell)]
    with_comma = [cell for cell in numbers if "," in cell]
    if (
        not with_comma
        or len(with_comma) < MIN_COMMAS * len(numbers)
        or any("." in cell for cell in numbers)
    ):
        return "."
    if all(re.fullmatch(THOUSANDS, cell) for cell in with_comma):
        msg = (
            f"{plain(str(path))} has numbers such as {quoted(with_comma[0])}, in which the comma "
            "may be the decimal sign or separate thousands; write the numbers without separators "
            'of thousands, or set input.decimal = "comma"'
        )
        raise InputError(msg)
    return ","


def refuse_thousands(rows: Sequence[Sequence[str]], path: Path) -> None:
    """Refuse rows of numbers with separators of thousands, which no setting reads.

    1.234,5 has two signs, so that the first separates thousands. A single sign does so if there are
    many numbers with it, all of them have three digits after it and are 1 or more, and some other
    numbers are whole. (Rounding to three decimals leaves fewer digits in every tenth number.)

    Raises
    ------
    InputError
        If at least a twentieth of the numbers are so written.
    """
    numbers = [cell for row in rows for cell in row if ANY_NUMBER.fullmatch(cell)]
    for sign, other in ((",", "."), (".", ",")):
        grouped = re.compile(rf"[-+]?[1-9]\d{{0,2}}({re.escape(sign)}\d{{3}})+")
        signed = [number for number in numbers if sign in number]
        both = [n for n in signed if other in n and grouped.fullmatch(n.partition(other)[0])]
        is_certain = len(signed) >= MIN_GROUPED and all(map(grouped.fullmatch, signed))
        is_certain &= any(number.isdigit() for number in numbers)
        examples = both or (signed if is_certain else [])
        if len(examples) >= max(1, MIN_COMMAS * len(numbers)):
            msg = (
                f"{plain(str(path))} has numbers such as {quoted(examples[0])}, with separators of "
                "thousands; write the numbers without them"
            )
            raise InputError(msg)


def dialect_fact(dialect: Dialect, name: str, n_columns: int, n_rows: int) -> Fact:
    """What was understood of the dialect, for the report.

    `name` is the delimiter in words; `n_columns` and `n_rows` are the size of what was looked at.
    """
    decimal = "" if dialect.decimal == "." else ", decimal commas"
    return Fact(
        "format",
        f"text with {name} between the cells{decimal}",
        f"{n_columns} cells in each of the first {n_rows} rows",
    )


def _is_even(text: str, name: str) -> bool:
    """Whether all rows have as many cells as the header, which then lacks no corner."""
    delimiter = DELIMITERS[name]
    dialect = Dialect(delimiter, has_quotes=keeps_quotes(text, delimiter))
    return len(set(_widths(text, dialect))) == 1


class _Width(NamedTuple):
    """The most common number of cells of a row, and the share of the rows that have it."""

    n_cells: int
    share: float


def _share_of_whole_cells(text: str, delimiter: str) -> float:
    """The share of whole cells, times that of the rows that are alike; 0 for no delimiter."""
    dialect = Dialect(delimiter, has_quotes=keeps_quotes(text, delimiter))
    rows = [row for row in _split(text, dialect) if any(row)]
    width = _most_common([len(row) for row in rows])
    n_odd = round(len(rows) * (1 - width.share))
    if width.n_cells < 2 or n_odd > max(N_ODD, MAX_ODD * len(rows)):
        return 0.0
    cells = [cell for row in rows if len(row) == width.n_cells for cell in row]
    return width.share * sum(_is_whole(cell, delimiter) for cell in cells) / len(cells)


def _is_whole(cell: str, delimiter: str) -> bool:
    """Whether a cell is a number or missing, or a text without any other delimiter."""
    if POINT.fullmatch(cell) or COMMA.fullmatch(cell) or is_missing(cell):
        return True
    others = {"\t", ";", ","} - {delimiter}
    return others.isdisjoint(cell.replace(", ", ""))


def _widths(text: str, dialect: Dialect) -> list[int]:
    return [len(row) for row in _split(text, dialect) if row]


def _split(text: str, dialect: Dialect) -> list[list[str]]:
    rows = split_rows(text, dialect, N_LINES)
    if dialect.delimiter == " ":
        return [[cell for cell in row.cells if cell] for row in rows]
    return [row.cells for row in rows]


def _most_common(widths: list[int]) -> _Width:
    """Of the widths, where a header may lack its first cell."""
    if not widths:
        return _Width(0, 0.0)
    (n_cells, n_rows), *_ = Counter(widths).most_common(1)
    return _Width(n_cells, n_rows / len(widths))
