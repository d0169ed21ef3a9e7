"""Parquet, Feather and Arrow files as streams of batches, and the kinds of their columns."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

from tumorcam.readers.binary.frames import texts

BATCH_VALUES = 2**22  # values that are in memory at once
INDEX_NAME = "__index_level_"  # begins the names that pandas gives an index without name


class ColumnFault(Exception):  # noqa: N818
    """What is wrong with a column and what to do, without the file's name."""


@dataclass(frozen=True)
class Columns:
    """The columns of a file.

    Attributes
    ----------
    names : list of str
        Of all columns in their order; an index of pandas without name has none.
    index, text, number : list of int
        The columns of pandas's index, and of the others those of texts and of numbers.
    """

    names: list[str]
    index: list[int]
    text: list[int]
    number: list[int]


class Source:
    """An open file: its name of the format, its schema, and its rows in batches."""

    def __init__(self, file: Any, kind: str, schema: pa.Schema) -> None:
        self.file, self.kind, self.schema = file, kind, schema

    @property
    def step(self) -> int:
        """Rows of a batch."""
        return max(1, BATCH_VALUES // max(1, len(self.schema)))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, batch by batch; it can be called again."""
        if isinstance(self.file, pa.parquet.ParquetFile):
            yield from self.file.iter_batches(batch_size=self.step)
            return
        is_table = isinstance(self.file, pa.Table)
        whole = (
            self.file.to_batches()
            if is_table
            else map(self.file.get_batch, range(self.file.num_record_batches))
        )
        for batch in whole:
            for start in range(0, batch.num_rows, self.step):
                yield batch.slice(start, self.step)


@contextlib.contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """A file by its first bytes; any error of Arrow may come of a damaged file."""
    with path.open("rb") as stream:
        magic = stream.read(6)
    if magic.startswith(b"PAR1"):
        with pa.parquet.ParquetFile(path, memory_map=False, pre_buffer=False) as file:
            yield Source(file, "Parquet", file.schema_arrow)
    elif magic.startswith(b"FEA1"):
        table = pa.feather.read_table(path, memory_map=False)
        yield Source(table, "Feather 1", table.schema)
    else:
        with pa.OSFile(str(path), "rb") as raw, pa.ipc.RecordBatchFileReader(raw) as file:
            yield Source(file, "Feather or Arrow", file.schema)


def look_at_columns(schema: pa.Schema) -> Columns:
    """The kinds of the columns.

    Raises
    ------
    ColumnFault
        If a column is neither of numbers nor of texts.
    """
    described = schema.pandas_metadata or {}
    in_index = {name for name in described.get("index_columns", []) if isinstance(name, str)}
    names, index, text, number = list[str](), list[int](), list[int](), list[int]()
    for i, field in enumerate(schema):
        is_text = _is_text(field.type)
        if not is_text and not _is_number(field.type):
            msg = (
                f"column {field.name!r:.200} is of type {str(field.type)[:100]}; wanted numbers or "
                "texts: leave the column out, or convert it"
            )
            raise ColumnFault(msg)
        (index if field.name in in_index else text if is_text else number).append(i)
        names.append("" if field.name.startswith(INDEX_NAME) else field.name)
    return Columns(names, index, text, number)


def cells(column: pa.Array) -> list[str]:
    """A column as texts; missing cells are empty."""
    column = _plain_values(column)
    if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        column = column.cast(pa.string())
    return texts(pd.Series(column.to_pylist(), dtype=object))


def numbers(batch: pa.RecordBatch, columns: list[int]) -> np.ndarray:
    """(rows, columns) float64; missing cells are NaN."""
    values = np.empty((len(columns), batch.num_rows))
    for row, index in enumerate(columns):
        column = _plain_values(batch.column(index)).cast(pa.float64(), safe=False)
        values[row] = column.to_numpy(zero_copy_only=False)
    return values.T


def _plain_values(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_number(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
    return any(test(kind) for test in tests) or bool(pa.types.is_null(kind))
