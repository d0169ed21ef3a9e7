"""The text of a table in pieces of whole rows, with one kind of line end."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from tumorcam.errors import InputError
from tumorcam.readers.wording import plain

FIRST_BYTES = 2**22  # of the first chunk, by which the shape of the table is decided
FIRST_LINES = 8  # that the first chunk has at least, where a header alone is as long
CHUNK_BYTES = (
    2**22
)  # of every other chunk: larger ones are slower, since their memory is new each time
MAX_LINE = 2**28  # bytes; a row of 60,000 genes or 100,000 samples has about 2 million
MAX_QUOTED = 2**20  # bytes of a cell between quotes; a longer one has a quote that does not end
MIN_FAST = 2**10  # bytes, from which numpy counts faster
MAX_STEPS = 1000  # line breaks that are tried as the end of a chunk, from the last one backwards


class Chunk(NamedTuple):
    """Whole rows of a file.

    Attributes
    ----------
    text : bytes
        Lines that end in line feeds, also the last one of the file.
    line : int
        Number of the first line, from 1.
    is_last : bool
        Whether the file ends here.
    """

    text: bytes
    line: int
    is_last: bool


def read_chunks(
    stream: BinaryIO, path: Path, first_bytes: int = FIRST_BYTES, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[Chunk]:
    """The text of a file in chunks of whole rows; carriage returns become line feeds.

    A chunk ends in no quoted cell, as far as that can be told.

    Parameters
    ----------
    stream : binary stream
        From `open_unpacked`.
    first_bytes, chunk_bytes : int
        Sizes of the first and the other chunks, roughly.

    Raises
    ------
    InputError
        If a line is too long or has a NUL byte.
    """
    line, rest, size, is_first = 1, b"", first_bytes, True
    while True:
        block = stream.read(size)
        is_last = len(block) < size
        if block.endswith(b"\r"):
            block += stream.read(1)
        text = rest + _with_line_feeds(block)
        if is_first:
            text = text.removeprefix(codecs.BOM_UTF8)
        if b"\0" in block:
            msg = f"{plain(str(path))} line {line} or later has a NUL byte, so that it is damaged"
            raise InputError(msg + "; download or write it again")
        if is_last and text and not text.endswith(b"\n"):
            text += b"\n"
        cut = len(text) if is_last else _end_of_rows(text)
        if cut == 0 and len(text) > MAX_QUOTED + size:
            cut = text.rfind(b"\n") + 1
        n_lines = count_byte(text[:cut], b"\n")
        if is_first and not is_last and n_lines < FIRST_LINES:
            cut = 0
        if not is_last and len(text) - text.rfind(b"\n") - 1 > MAX_LINE:
            number = line + text.count(b"\n")
            msg = (
                f"{plain(str(path))} line {number} has more than {MAX_LINE:,} bytes; wanted a "
                "table with a row for each gene or each sample"
            )
            raise InputError(msg)
        if cut or is_last:
            yield Chunk(text[:cut], line, is_last)
            line += n_lines
            is_first, size = False, chunk_bytes
        rest = text[cut:]
        if is_last:
            return


def blanks_to_tabs(chunk: Chunk) -> Chunk:
    """The chunk with a tab in place of each run of blanks that stands in no quotes."""
    text = re.sub(rb"[ \t]*\n[ \t]*", b"\n", chunk.text).strip(b" \t")
    if b'"' in text:
        text = re.sub(rb'("[^"\n]*")|[ \t]+', lambda match: match[1] or b"\t", text)
    else:
        text = re.sub(rb"[ \t]+", b"\t", text)
    return chunk._replace(text=text)


def count_byte(text: bytes, byte: bytes) -> int:
    """How often a byte is in a text; several times as fast as `bytes.count` for long texts."""
    if len(text) < MIN_FAST:
        return text.count(byte)
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == byte[0]))


def _with_line_feeds(block: bytes) -> bytes:
    if b"\r" not in block:
        return block
    return block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _end_of_rows(text: bytes) -> int:
    """Where the last whole row ends: at a line feed with an even number of quotes before it.

    0 if there is none.
    """
    end = text.rfind(b"\n") + 1
    if b'"' not in text:
        return end
    n_quotes = text.count(b'"', 0, end)
    for _ in range(MAX_STEPS):
        if n_quotes % 2 == 0 or end == 0:
            break
        start = text.rfind(b"\n", 0, end - 1) + 1
        n_quotes -= text.count(b'"', start, end)
        end = start
    return end if n_quotes % 2 == 0 and end > len(text) // 2 else 0
