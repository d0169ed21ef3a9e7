"""Text files, plain or packed by gzip, and small tables with a header."""

import contextlib
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import pandas as pd

from tumorcam.errors import InputError
from tumorcam.readers.files import INPUT, open_input
from tumorcam.readers.wording import plain

GZIP_MAGIC = b"\x1f\x8b"


@contextlib.contextmanager
def open_unpacked(path: Path, setting: str = INPUT) -> Iterator[BinaryIO]:
    """The bytes of a plain or gzip file; InputError if it cannot be read or is damaged."""
    with open_input(path, setting) as raw:
        try:
            is_packed = raw.peek(2).startswith(GZIP_MAGIC)
            yield cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if is_packed else raw
        except (EOFError, gzip.BadGzipFile) as error:
            msg = f"{plain(str(path))} is cut off or damaged ({error}); download it again"
            raise InputError(msg) from error


def read_table(path: Path, setting: str = INPUT) -> pd.DataFrame:
    """A small table with a header, separated by tabs, all texts; an empty cell is ""."""
    with open_unpacked(path, setting) as stream:
        try:
            return pd.read_csv(stream, sep="\t", dtype=str, keep_default_na=False)
        except ValueError as error:
            msg = f"{plain(str(path))} is no table separated by tabs; check {setting}"
            raise InputError(msg) from error
