"""What stands above the rows of a text table: comments, format lines, and the header."""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tumorcam.errors import InputError
from tumorcam.readers.column_names import AUTO
from tumorcam.readers.matrix import Drop, Fact
from tumorcam.readers.tables import kinds
from tumorcam.readers.tables.dialect import (
    NO_SETTING,
    Dialect,
    Row,
    choose_decimal,
    choose_delimiter,
    dialect_fact,
    dialect_of,
    refuse_thousands,
    split_rows,
)
from tumorcam.readers.tables.lines import FIRST_LINES, Chunk, blanks_to_tabs
from tumorcam.readers.wording import listed, plain

ROW_NAMES = "row names"  # the first column where R's write.table names only the others
GCT_VERSION = re.compile(r"#1\.[23]\s*")
SEPARATOR = re.compile(r"\"?sep=(.|\\t)\"?", re.I)  # tells Excel the delimiter
GEO_EMPTY = re.compile(rb'"?ID_REF"?[^\n]*\n"?!series_matrix_table_end')
GEO_BEGIN = re.compile(rb'^"?!series_matrix_table_begin"?[^\n]*\n', re.M)
N_ROWS = 200  # by which the shape of a table is decided
MIN_ROWS = 6  # also where rows are long
MAX_CELLS = 2**18  # of these rows, roughly
MAX_DESCRIBING = 100  # rows below the header that describe the samples
HEAD_BYTES = 2**22  # in which these rows stand
BLANK, COMMENT = "a row without any cell", "a comment or title"


@dataclass(frozen=True, kw_only=True)
class Heading:
    """The shape of a table as its first rows tell it.

    Attributes
    ----------
    dialect : Dialect
        How rows are cut into cells.
    header : list of str
        Names of the columns, as many as a row has cells.
    rows : list of Row
        The first rows below the header, all with that number of cells.
    n_trailing : int
        Number of columns at the end that have neither name nor cells.
    is_padded : bool
        Whether the header had no cells for them.
    n_describing : int
        Number of rows below the header that describe the samples, as the format says.
    line : int
        Number of lines above the first row, the header among them.
    chunks : iterator of Chunk
        The whole text, lines above the first row among it.
    or_set : str
        The end of advice where a setting tells the delimiter.
    facts, dropped : list
        What was understood, and the lines that were left out.
    """

    dialect: Dialect
    header: list[str]
    rows: list[Row]
    n_trailing: int
    is_padded: bool
    n_describing: int
    line: int
    chunks: Iterator[Chunk]
    or_set: str
    facts: list[Fact] = field(default_factory=list)
    dropped: list[Drop] = field(default_factory=list)


class _Top(NamedTuple):
    """Lines above the header: how many, those that begin with #, and what they are.

    `n_describing` is the number of rows below the header that describe the samples.
    """

    n_lines: int
    comments: list[str]
    facts: list[Fact]
    n_describing: int = 0


class _Names(NamedTuple):
    """The header, with the number of lines up to its end, and the rows above and below it."""

    header: Row
    above: list[Row]
    rows: list[Row]


class _Shape(NamedTuple):
    header: list[str]
    n_trailing: int
    is_padded: bool
    facts: list[Fact]


def read_heading(
    chunks: Iterator[Chunk], path: Path, delimiter: str = AUTO, decimal: str = AUTO
) -> Heading:
    """Decide the dialect, the header and the number of columns over the first rows of a file.

    Parameters
    ----------
    chunks : iterator of Chunk
        From `read_chunks`; go on with those of the result.
    delimiter, decimal : str
        Settings of `input`; the delimiter may be NO_SETTING.

    Raises
    ------
    InputError
        If it is no table of two or more columns, has no rows, or can be read in two ways.
    """
    first = next(chunks)
    while first.text.startswith((b"!", b'"!')) and not (first.is_last or _has_table(first.text)):
        more = next(chunks)
        first = Chunk(first.text + more.text, first.line, more.is_last)
    top = _top(first.text)
    body = _head(first, top.n_lines, path)
    name = choose_delimiter(body, delimiter, path)
    chunks = itertools.chain([first], chunks)
    if name == "blanks":
        chunks = map(blanks_to_tabs, chunks)
        body = blanks_to_tabs(Chunk(body.encode(), 1, True)).text.decode()
    dialect = dialect_of(body, name)
    n_cells = body.split("\n", 1)[0].count(dialect.delimiter) + 1
    rows = split_rows(body, dialect, min(N_ROWS, max(MIN_ROWS, MAX_CELLS // n_cells)))
    rows = [Row(row.cells, row.end + top.n_lines) for row in rows if any(row.cells)]
    if not rows:
        msg = f"{plain(str(path))} has delimiters but no cells; download or write it again"
        raise InputError(msg)
    names = _names(top, rows, dialect)
    or_set = "" if delimiter == NO_SETTING else ", or set input.delimiter"
    shape = _shape(names.header.cells, [row.cells for row in names.rows], path, or_set)
    rows = [row for row in names.rows if len(row.cells) == len(shape.header)]
    if delimiter != NO_SETTING:
        refuse_thousands([row.cells for row in rows], path)
    dialect = dialect._replace(decimal=choose_decimal([row.cells for row in rows], decimal, path))
    return Heading(
        dialect=dialect,
        header=shape.header,
        rows=rows,
        n_trailing=shape.n_trailing,
        is_padded=shape.is_padded,
        n_describing=top.n_describing,
        line=names.header.end,
        chunks=chunks,
        or_set=or_set,
        facts=[
            *top.facts,
            dialect_fact(dialect, name, len(shape.header), len(rows)),
            *shape.facts,
        ],
        dropped=[Drop("row", f"line {row.end}", COMMENT) for row in names.above],
    )


def mended(cells: list[str], heading: Heading) -> list[str] | None:
    """The cells of a row without surplus delimiters at its end, or with those that it lacks.

    None if the row has another number of cells than the header for another reason.
    """
    width = len(heading.header)
    if not any(cells[width:]) and len(cells) >= width:
        return cells[:width]
    if width - heading.n_trailing <= len(cells) < width:
        return cells + [""] * (width - len(cells))
    return None


def reason_to_drop(cells: Sequence[str], width: int) -> str:
    """Why a row is none of the table; empty if it is one.

    `cells` are those of the row, and `width` is the number of cells in the header.
    """
    if not any(cells):
        return BLANK
    is_comment = cells[0].startswith(("!", "#")) and len(cells) != width
    return COMMENT if is_comment else ""


def wrong_width(line: int, cells: Sequence[str], heading: Heading, is_end: bool) -> str:
    """The message for a row with too few or too many cells, to follow the name of the file.

    `line` is its number from 1 and `cells` are its cells; `is_end` says whether it is the file's
    last.
    """
    width = len(heading.header) - heading.n_trailing
    remedy = "correct that line, or write the file again"
    if is_end and len(cells) < width:
        remedy = "the file is cut off there: download or write it again"
    elif len(cells) > width:
        reason = "a cell may hold the delimiter without quotes around it: "
        remedy = reason + remedy + heading.or_set
    return f"line {line} has {len(cells)} cells; wanted {width} as in the header; {remedy}"


def _has_table(text: bytes) -> bool:
    """Whether the table of a GEO series matrix begins in a text."""
    begin = GEO_BEGIN.search(text)
    return begin is not None and text.count(b"\n", begin.end()) > MIN_ROWS


def _top(text: bytes) -> _Top:
    """The lines above the header that a format or a comment sign marks."""
    if begin := GEO_BEGIN.search(text):
        fact = Fact("format", "GEO series matrix", "it has !series_matrix_table_begin")
        return _Top(text.count(b"\n", 0, begin.end()), [], [fact])
    lines = text[:HEAD_BYTES].decode("utf-8", "replace").split("\n")
    if GCT_VERSION.fullmatch(lines[0]):
        sizes = "".join(lines[1:2]).split()  # rows, columns and, in 1.3, what describes each
        n_describing = int(sizes[3]) if len(sizes) == 4 and sizes[3].isdigit() else 0
        fact = Fact("format", "GCT", f"line 1 is {lines[0].strip()}")
        return _Top(2, [], [fact], min(n_describing, MAX_DESCRIBING))
    if SEPARATOR.fullmatch(lines[0]):
        return _Top(1, [], [Fact("format", "a line for Excel on top", f"line 1 is {lines[0]}")])
    above = list(itertools.takewhile(lambda line: not line.strip() or line[0] in "#!", lines))
    comments = [line for line in above if line.startswith("#")]
    fact = Fact("dropped lines", f"{len(comments)} lines on top", "they begin with #")
    return _Top(len(above), comments, [fact] if comments else [])


def _head(first: Chunk, n_lines: int, path: Path) -> str:
    """The text of the first rows, without the lines above them."""
    body = first.text.split(b"\n", n_lines)[-1] if n_lines else first.text
    if len(body) > HEAD_BYTES:
        ends = (match.end() for match in re.finditer(b"\n", body))
        first_ends = itertools.islice(ends, FIRST_LINES)
        body = body[: max(body.rfind(b"\n", 0, HEAD_BYTES) + 1, *first_ends)]
    if GEO_EMPTY.match(body):
        msg = (
            f"{plain(str(path))} is a GEO series matrix without values, as of most RNA-seq "
            "studies: the authors' supplementary file has them; name that in input.expression"
        )
        raise InputError(msg)
    if not body.strip():
        msg = f"{plain(str(path))} has no table below its first {n_lines} lines; check the file"
        raise InputError(msg)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        msg = f"{plain(str(path))} is no UTF-8 text: {kinds.not_utf8(body, error.start, n_lines)}"
        raise InputError(msg) from error


def _names(top: _Top, rows: list[Row], dialect: Dialect) -> _Names:
    """Which of the first rows is the header: the last comment line, or the first whole row.

    A comment line is the header if it alone has as many cells as the rows, or if it alone has no
    blank after its sign.
    """
    width = _usual_width(rows[1:] or rows)
    cells = [split_rows(line, dialect)[0].cells for line in top.comments]
    fits = [line for line in cells if len(line) > 1 and width - len(line) in (0, 1)]
    bare = [line for line in top.comments if re.match(r"#\w", line)]
    is_bare = len(bare) == 1 and bare[0] is top.comments[-1]
    if fits and fits[-1] is cells[-1] and (len(fits) == 1 or is_bare):
        header = Row([fits[-1][0].lstrip("# "), *fits[-1][1:]], top.n_lines)
        top.facts.append(Fact("header", "a line that begins with #", "it has a cell a column"))
        return _Names(header, [], rows)
    n_above = 0
    if width > 2:
        while n_above < len(rows) - 1 and len(rows[n_above].cells) == 1:
            n_above += 1
    return _Names(rows[n_above], rows[:n_above], rows[n_above + 1 :])


def _usual_width(rows: Sequence[Row]) -> int:
    return Counter(len(row.cells) for row in rows).most_common(1)[0][0]


def _shape(header: list[str], rows: list[list[str]], path: Path, or_set: str) -> _Shape:
    """The names of all columns, after delimiters at the end of rows and R's missing corner."""
    if not rows:
        msg = f"{plain(str(path))} has a header but no rows; download or write it again"
        raise InputError(msg)
    width = Counter(map(len, rows)).most_common(1)[0][0]
    whole = [cells for cells in rows if len(cells) == width]
    n_named = _n_filled([header])
    n_filled = _n_filled(whole)
    is_short = len(header) < width
    if is_short and n_filled == n_named + 1:
        names = [ROW_NAMES, *header[:n_named]]
        reason = f"it has {n_named} names, and the rows have {n_filled} cells"
        fact = Fact("header", "the first column has no name, as R's write.table writes it", reason)
    elif n_named > width or (is_short and n_filled > n_named):
        msg = (
            f"{plain(str(path))}: the header ({listed(header)}) has {len(header)} cells, but most "
            f"rows ({listed(whole[0])}) have {width}; wanted a name for each column: correct the "
            f"header{or_set}"
        )
        raise InputError(msg)
    else:
        names = header[:width]
        reason = "nothing stands after the last of them"
        fact = Fact("format", "delimiters at the end of a line count for nothing", reason)
    n_trailing = width - max(n_filled, _n_filled([names]))
    has_fact = len(header) != width or n_trailing > 0
    names = names + [""] * (width - len(names))
    return _Shape(names, n_trailing, is_short and n_trailing > 0, [fact] if has_fact else [])


def _n_filled(rows: Sequence[list[str]]) -> int:
    """The number of columns without those at the end that are empty in all rows."""
    n_columns = len(rows[0])
    while n_columns > 0 and not any(cells[n_columns - 1] for cells in rows):
        n_columns -= 1
    return n_columns
