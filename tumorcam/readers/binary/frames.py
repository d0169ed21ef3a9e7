"""The tables obs and var of an .h5ad file, of any version of AnnData, as texts."""

from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem

from tumorcam.readers.binary.hdf5_checks import AGAIN, Fault, check_table

INDEX = ("index", "_index")  # of a table of AnnData 0.6


class Frame(NamedTuple):
    """A table of texts: its name in the file, the index and its name, and the columns."""

    place: str
    names: list[str]
    index_name: str
    columns: dict[str, list[str]]


def read_frame(file: h5py.File, place: str) -> Frame:
    """A table of the file, such as obs or raw/var; what is declared to be huge is refused unread.

    Raises
    ------
    Fault
        If it is no table.
    """
    if place not in file:
        msg = f"it has no {place}; {AGAIN} with anndata"
        raise Fault(msg)
    check_table(file[place])
    is_old = isinstance(file[place], h5py.Dataset)
    is_table = is_old or file[place].attrs.get("encoding-type") == "dataframe"
    table = _read_compound(file, place) if is_old else is_table and read_elem(file[place])
    if not isinstance(table, pd.DataFrame):
        msg = f"{place} is no table of AnnData; {AGAIN} with anndata"
        raise Fault(msg)
    columns = {str(name): texts(table[name]) for name in table.columns}
    return Frame(place, texts(table.index.to_series()), str(table.index.name or ""), columns)


def texts(column: pd.Series) -> list[str]:
    """The cells of a column as texts: whole floats without ".0", missing cells empty."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = [*texts(column.cat.categories.to_series()), ""]  # the code -1 is missing
        return [categories[code] for code in column.cat.codes]
    return [
        "" if missing else _text(cell) for cell, missing in zip(column, column.isna(), strict=True)
    ]


def _text(cell: Any) -> str:
    if isinstance(cell, bytes):
        return cell.decode()
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    return str(cell)


def _read_compound(file: h5py.File, place: str) -> pd.DataFrame:
    """A table of AnnData 0.6: an array of records, whose categories stand in uns."""
    records = file[place][()]
    names = records.dtype.names
    if not names or records.ndim != 1:
        msg = f"{place} is no table of AnnData; {AGAIN} with anndata"
        raise Fault(msg)
    index = next((name for name in INDEX if name in names), names[0])
    columns = {
        name: _decoded(file, name, records[name])
        for name in names
        if name != index and records[name].ndim == 1
    }
    return pd.DataFrame(columns, index=pd.Index(texts(pd.Series(list(records[index]))), name=index))


def _decoded(file: h5py.File, name: str, cells: np.ndarray) -> Any:
    """A column of records; numbers of categories become the categories."""
    place = f"uns/{name}_categories"
    if place not in file or cells.dtype.kind not in "iu":
        return texts(pd.Series(list(cells))) if cells.dtype.kind in "SO" else cells
    check_table(file[place])
    categories = texts(pd.Series(list(np.atleast_1d(file[place][()]))))
    return pd.Categorical.from_codes(cells, pd.Index(categories))
