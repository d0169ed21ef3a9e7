"""Files of tables against the columns that the data dictionary has for them."""

import dataclasses
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow.parquet as pq

from tumorcam.report.columns import FLAG, NUMBER, TEXT, WHOLE, Column, arrow_schema
from tumorcam.report.dictionary import Table

POLARS = {TEXT: pl.String, WHOLE: pl.Int64, NUMBER: pl.Float64, FLAG: pl.Boolean}
PANDAS = {TEXT: "object", WHOLE: "int64", NUMBER: "float64", FLAG: "bool"}
SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t", ".gz": "\t"}
KINDS = (*SEPARATORS, ".parquet")
SPELLINGS = {  # a number has a point or an exponent
    NUMBER: r"NaN|-?(inf|\d+\.\d+|\d+(\.\d+)?e[+-]?\d+)",
    FLAG: "true|false",
    WHOLE: r"-?\d+",
}
CODED = {  # columns of text whose cells may all be numbers, so that a reader must be told
    "changed_settings.csv": ("a", "b"),
    "samples.tsv": ("sample_type",),
    "calls.csv": ("sample_type",),
}


def check_folder(folder: Path, tables: Iterable[Table], *, optional: Collection[str] = ()) -> None:
    """Check that a folder has exactly these tables, and every column of each.

    Parameters
    ----------
    optional : collection of str
        Names of tables that may be missing.
    """
    listed = {name: table for table in tables for name in table.files if Path(name).suffix in KINDS}
    files = [path for path in folder.rglob("*") if path.suffix in KINDS]
    written = {path.relative_to(folder).as_posix() for path in files}
    assert not written - set(listed), "tables that the dictionary lacks"
    assert not set(listed) - written - set(optional), "tables that are not written"
    for name in written:
        check_file(folder / name, listed[name].columns)


def check_file(path: Path, columns: Sequence[Column]) -> None:
    """Check names and types of columns, as pandas and polars read them without options."""
    if path.suffix == ".parquet":
        assert pq.read_schema(path).remove_metadata() == arrow_schema(columns)
        return
    names = [column.name for column in columns]
    separator = SEPARATORS[path.suffix]
    coded = [name for name in CODED.get(path.name, ()) if name in names]
    by_pandas = pd.read_csv(path, sep=separator, dtype=dict.fromkeys(coded, "object"))
    cells = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    texts = dict.fromkeys(coded, pl.String)
    by_polars = pl.read_csv(path.read_bytes(), separator=separator, schema_overrides=texts)
    assert len(by_pandas) == len(by_polars) > 0, path
    assert list(by_pandas) == by_polars.columns == names, path
    for column in columns:
        where = path.name, column.name
        pandas, polars = by_pandas[column.name], by_polars[column.name]
        assert polars.dtype == POLARS[column.dtype], where
        is_empty = column.dtype == TEXT and pandas.isna().all()  # pandas takes it for float64
        assert is_empty or str(pandas.dtype) == PANDAS[column.dtype], where
        if column.dtype in SPELLINGS:
            assert cells[column.name].str.fullmatch(SPELLINGS[column.dtype]).all(), where
        if column.dtype == NUMBER:
            assert pandas.isna().sum() == polars.is_nan().sum() and not polars.null_count(), where


def columns_of_file(tables: Iterable[Table], name: str) -> tuple[Column, ...]:
    """The columns of the first table, or sheet, of this name."""
    return next(table.columns for table in tables if name in (table.name, *table.files))


def named_tables(tables: Iterable[Table], placeholder: str, names: Sequence[str]) -> list[Table]:
    """The tables with a column for each name where one column stands for all of them."""
    result = []
    for table in tables:
        columns: list[Column] = []
        for column in table.columns:
            own = names if column.name == placeholder else [column.name]
            columns += [dataclasses.replace(column, name=name) for name in own]
        result.append(dataclasses.replace(table, columns=tuple(columns)))
    return result
