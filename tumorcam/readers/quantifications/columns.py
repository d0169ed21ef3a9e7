"""Chosen columns of text files, read in one pass each."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl

from tumorcam.errors import InputError, quoted
from tumorcam.readers.missing import blank_missing
from tumorcam.readers.quantifications.formats import Quantification
from tumorcam.readers.tables.packing import open_unpacked
from tumorcam.readers.wording import plain

CHUNK_BYTES = 2**24
TAB = b"\t"
MAX_CHUNKS = 256  # of an unpacked file


class Columns(NamedTuple):
    """Columns of a file: the IDs of its (genes,) rows, and (genes, columns) float32 values."""

    ids: pl.Series
    values: np.ndarray


def read_columns(file: Quantification, columns: Sequence[str]) -> Columns:
    """The IDs of the genes and some columns of values of a file; a missing value is NaN.

    Raises
    ------
    InputError
        If the file is damaged, cut off or larger than memory allows, or a value is no number.
    """
    content = _content(file)
    names = [_column_name(file, column) for column in columns]
    ids = _column_name(file, file.format.genes)
    try:
        table = _parse(file, content, [ids, *names], pl.Float64)
    except pl.exceptions.PolarsError:  # words that stand for missing values, or a fault
        table = _parse_texts(file, content, ids, names)
    table = table.filter(~pl.all_horizontal(pl.all().is_null()))  # empty lines
    _refuse_long_rows(file, content, len(table))
    if table[ids].null_count():
        line = file.n_skipped + 1 + int(table[ids].is_null().arg_max() or 0)
        msg = f"{plain(str(file.path))} line {line}: the cell of the ID is empty; fill it in"
        raise InputError(msg)
    values = table.select(names).to_numpy()
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite: a bad value
        return Columns(table[ids], values.astype(np.float32))


def read_annotation(file: Quantification) -> pd.DataFrame:
    """What a file says of its genes besides their IDs: a row for each gene, all texts."""
    chosen = [name for name in file.format.annotation if name in file.columns]
    names = [_column_name(file, name) for name in chosen]
    ids = _column_name(file, file.format.genes)
    table = _parse(file, _content(file), [ids, *names], pl.String)
    table = table.filter(table[ids].is_not_null())
    cells = {name: table[column] for name, column in zip(chosen, names, strict=True)}
    texts = {name: column.fill_null("").to_list() for name, column in cells.items()}
    return pd.DataFrame(texts, index=range(len(table)), dtype=object)


def _column_name(file: Quantification, column: str) -> str:
    return f"column_{file.columns.index(column) + 1}"


def _content(file: Quantification) -> bytes:
    """All bytes of a file, whose last line must be complete."""
    chunks: list[bytes] = []
    with open_unpacked(file.path) as stream:
        while len(chunks) <= MAX_CHUNKS and (chunk := stream.read(CHUNK_BYTES)):
            chunks.append(chunk)
    if len(chunks) > MAX_CHUNKS:
        size = MAX_CHUNKS * CHUNK_BYTES // 2**30
        msg = f"{plain(str(file.path))} has more than {size} GiB; split it by sample"
        raise InputError(msg)
    content = b"".join(chunks)
    last = content[content.rfind(b"\n", 0, -1) + 1 :]
    n_cells = last.count(TAB) + 1
    if last.strip() and n_cells < len(file.columns):
        msg = (
            f"{plain(str(file.path))} is cut off: its last line has {n_cells} of "
            f"{len(file.columns)} cells; download or write it again"
        )
        raise InputError(msg)
    return content


def _refuse_long_rows(file: Quantification, content: bytes, n_rows: int) -> None:
    """Refuse rows with more cells than the file has columns, which polars does not always see."""
    n_tabs = len(file.columns) - 1
    is_tab = np.frombuffer(content, np.uint8) == ord(TAB)
    if np.count_nonzero(is_tab) == n_tabs * (n_rows + (file.n_skipped > 0)):
        return
    for number, line in enumerate(content.split(b"\n")[file.n_skipped :], file.n_skipped + 1):
        if line.count(TAB) > n_tabs:
            msg = (
                f"{plain(str(file.path))} line {number} has {line.count(TAB) + 1} cells, wanted "
                f"{n_tabs + 1}; download or write it again"
            )
            raise InputError(msg)


def _parse(
    file: Quantification, content: bytes, names: Sequence[str], kind: type[pl.DataType]
) -> pl.DataFrame:
    """Some columns of a file: the first as texts, the others of a type.

    Raises
    ------
    InputError
        If its rows are no table of texts.
    PolarsError
        If a cell is not of this type.
    """
    schema: dict[str, type[pl.DataType]] = {
        f"column_{number + 1}": pl.String for number in range(len(file.columns))
    }
    schema |= dict.fromkeys(names[1:], kind)
    return pl.read_csv(
        content,
        separator="\t",
        has_header=False,
        skip_lines=file.n_skipped,
        columns=list(names),
        quote_char=None,
        schema=schema,
    )


def _parse_texts(
    file: Quantification, content: bytes, ids: str, names: Sequence[str]
) -> pl.DataFrame:
    """As `_parse`, with the words for missing values; InputError for any other word."""
    try:
        table = _parse(file, content, [ids, *names], pl.String)
    except pl.exceptions.PolarsError as error:
        reason = plain(str(error).splitlines()[0])
        msg = (
            f"{plain(str(file.path))} is no table of {len(file.columns)} columns of UTF-8 text "
            f"({reason}); download or write it again"
        )
        raise InputError(msg) from error
    numbers = {name: _numbers(file, table[ids], table[name]) for name in names}
    return table.with_columns(**numbers)


def _numbers(file: Quantification, ids: pl.Series, column: pl.Series) -> pl.Series:
    cells = blank_missing(pd.Series(column.fill_null("").to_list(), dtype=object))
    values = pd.to_numeric(cells.where(cells != ""), errors="coerce").astype(float)
    is_bad = values.isna() & (cells != "")
    if is_bad.any():
        row = int(is_bad.argmax())
        msg = (
            f"{plain(str(file.path))} line {file.n_skipped + row + 1} ({quoted(ids[row])}): wanted "
            f"a number, got {quoted(cells[row])}; correct the cell or leave it empty"
        )
        raise InputError(msg)
    return pl.Series(column.name, values.to_numpy(), nan_to_null=True)
