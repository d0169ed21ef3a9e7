"""Text files of other people: lines of plain or gzip files, and cells between tabs or commas."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

from tumorcam.errors import InputError

GZIP_MAGIC = b"\x1f\x8b"
BUFFER_BYTES = 2**20
MISSING = frozenset(  # texts that stand for a missing number, label or gene ID
    ("", "NA", "N/A", "nan", "NaN", "NAN", "None", "null", "NULL", "<NA>", "[Not Available]")
)


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The number, from 1, and the text of each line; blank lines are left out.

    Raises
    ------
    InputError
        If the file is missing, empty or no UTF-8 text, or if it is a gzip file that is cut off or
        damaged.
    """
    number, is_blank = 0, True
    try:
        with path.open("rb") as raw:
            is_packed = raw.peek(len(GZIP_MAGIC))[: len(GZIP_MAGIC)] == GZIP_MAGIC
            stream = (
                io.BufferedReader(gzip.GzipFile(fileobj=raw), BUFFER_BYTES) if is_packed else raw
            )
            for number, line in enumerate(io.TextIOWrapper(stream, encoding="utf-8-sig"), start=1):
                if line != "\n":
                    is_blank = False
                    yield number, line.rstrip("\n")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        msg = (
            f"{path} is damaged after line {number}: its gzip stream is cut off or broken "
            f"({error}); download or write it again"
        )
        raise InputError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{path} is no UTF-8 text after line {number} ({error.reason}); save it as UTF-8"
        raise InputError(msg) from error
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}; check the paths in [input]"
        raise InputError(msg) from error
    if is_blank:
        msg = f"{path} is empty; check the paths in [input], or download or write it again"
        raise InputError(msg)


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
    msg = f"{path} line 1 has neither tab nor comma ({header[:60]!r}); save it as TSV or CSV"
    raise InputError(msg)


def split_cells(line: str, separator: str) -> list[str]:
    """The cells of a line, without the quotes around them."""
    if '"' not in line:
        return line.split(separator)
    return next(csv.reader([line], delimiter=separator))
