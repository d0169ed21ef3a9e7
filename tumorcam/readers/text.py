"""Text files of other people: lines of plain or gzip files, and cells between tabs or commas."""

import contextlib
import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pandas as pd

from tumorcam.errors import InputError, quoted
from tumorcam.readers.files import INPUT, open_input
from tumorcam.readers.wording import plain

GZIP_MAGIC = b"\x1f\x8b"
BUFFER_BYTES = 2**20
MAX_LINE = 2**26  # characters; a row of 60,000 genes or 100,000 samples has about 2 million
MAX_TABLE = 2**28  # characters of a table that is held in memory as a whole
MAX_NAME = 500  # characters of a sample, patient, tumor or gene; each sample's stands in memory
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # no letters: \t, \n, ...
MISSING = frozenset(  # texts that stand for a missing number, label or gene ID
    ("", "NA", "N/A", "nan", "NaN", "NAN", "None", "null", "NULL", "<NA>", "[Not Available]")
)


def read_lines(path: Path, settings: str = INPUT) -> Iterator[tuple[int, str]]:
    """The number, from 1, and the text of each line; blank lines are left out.

    Parameters
    ----------
    settings : str
        The settings that name the file, for messages.

    Raises
    ------
    InputError
        If the file is missing, empty or no UTF-8 text, if it is a gzip file that is cut off or
        damaged, or if a line is too long or has a NUL byte.
    """
    number, is_blank = 0, True
    with _open_text(path, settings, lambda: f" after line {number}") as stream:
        while line := stream.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise InputError(_too_long(f"{path} line {number}", MAX_LINE, settings))
            if "\0" in line:
                raise InputError(_nul_byte(f"{path} line {number}", settings))
            if line != "\n":
                is_blank = False
                yield number, line.rstrip("\n")
    if is_blank:
        raise InputError(_empty(path, settings))


def read_text(path: Path, settings: str = INPUT) -> str:
    """The whole text of a file; InputError as in `read_lines`, or if it is too long."""
    with _open_text(path, settings, lambda: "") as stream:
        text = stream.read(MAX_TABLE + 1)
    if len(text) > MAX_TABLE:
        raise InputError(_too_long(str(path), MAX_TABLE, settings))
    if "\0" in text:
        raise InputError(_nul_byte(str(path), settings))
    if not text.strip():
        raise InputError(_empty(path, settings))
    return text


def read_columns(path: Path, kind: str, settings: str) -> pd.DataFrame:
    """A TSV or CSV file as a table whose cells are texts or missing; rows may be short.

    The header may lack its first cell, as R's `write.table` writes it.

    Parameters
    ----------
    kind : str
        What the file is to be, for messages, such as "a table of markers".
    settings : str
        The settings that name the file.

    Raises
    ------
    InputError
        If the file cannot be read as such a table.
    """
    text = read_text(path, settings).lstrip("\n")
    comma_or_tab = "\t" if "\t" in text.partition("\n")[0] else ","
    try:
        table = pd.read_csv(io.StringIO(text), sep=comma_or_tab, dtype=str)
        if table.index.nlevels > 1:
            raise ValueError("its rows have more cells than line 1")
        if not isinstance(table.index, pd.RangeIndex):
            table = table.reset_index(names="row names")
    except (ValueError, OverflowError, csv.Error) as error:
        reason = plain(" ".join(str(error).split()))
        msg = (
            f"{path} cannot be read as {kind} ({reason}); wanted TSV or CSV, plain or .gz: check "
            f"{settings}, or download or write it again"
        )
        raise InputError(msg) from error
    return table


def separator(header: str, path: Path) -> str:
    """The character between the cells: a tab if the header has one, else a comma.

    Raises
    ------
    InputError
        If the header has neither.
    """
    for character in ("\t", ","):
        if character in header:
            return character
    msg = f"{path} line 1 has neither tab nor comma ({quoted(header[:60])}); save it as TSV or CSV"
    raise InputError(msg)


def split_cells(line: str, separator: str, where: str) -> list[str]:
    """The cells of a line, without the quotes around them.

    Parameters
    ----------
    where : str
        File and line, for messages.

    Raises
    ------
    InputError
        If a quoted cell is too long.
    """
    if '"' not in line:
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator))
    except csv.Error as error:
        msg = (
            f"{where} has a quoted cell that is too long, or a quote that does not end ({error}); "
            "correct that line, or write the file again"
        )
        raise InputError(msg) from error


def require_names(names: Iterable[str], kind: str, path: Path) -> None:
    """Check that names fit in tables: no tabs, line breaks or other control characters.

    Parameters
    ----------
    kind : str
        What the names are, such as "sample".

    Raises
    ------
    InputError
        If a name has a control character or more than 500 characters.
    """
    for name in names:
        if len(name) > MAX_NAME or CONTROL.search(name):
            msg = (
                f"{path} has the {kind} {quoted(name)}; wanted a name of at most {MAX_NAME} "
                "characters without tabs, line breaks and other control characters: rename it"
            )
            raise InputError(msg)


@contextlib.contextmanager
def _open_text(path: Path, settings: str, place: Callable[[], str]) -> Iterator[io.TextIOWrapper]:
    """The open text, unpacked; `place` says after which line an error came."""
    with open_input(path, settings) as raw:
        is_packed = raw.peek(len(GZIP_MAGIC))[: len(GZIP_MAGIC)] == GZIP_MAGIC
        stream = io.BufferedReader(gzip.GzipFile(fileobj=raw), BUFFER_BYTES) if is_packed else raw
        try:
            yield io.TextIOWrapper(stream, encoding="utf-8-sig")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            msg = (
                f"{path} is damaged{place()}: its gzip stream is cut off or broken "
                f"({plain(str(error))}); download or write it again"
            )
            raise InputError(msg) from error
        except UnicodeDecodeError as error:
            msg = f"{path} is no UTF-8 text{place()} ({error.reason}); save it as UTF-8"
            raise InputError(msg) from error


def _too_long(where: str, limit: int, settings: str) -> str:
    return (
        f"{where} has more than {limit:,} characters; wanted a table of text, plain or .gz: check "
        f"{settings}"
    )


def _nul_byte(where: str, settings: str) -> str:
    return (
        f"{where} has a NUL byte, so that it is damaged or no text; wanted TSV or CSV: check "
        f"{settings}, or download or write it again"
    )


def _empty(path: Path, settings: str) -> str:
    return f"{path} is empty; check {settings}, or download or write it again"
