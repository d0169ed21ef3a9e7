"""Dataclasses as HDF5 groups: what is written is named after its field, and read back as it was."""

import contextlib
import dataclasses
import json
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import h5py
import hdf5plugin
import numpy as np
import pandas as pd

from tumorcam.cluster.ahead import ahead
from tumorcam.errors import DamageError, FileError
from tumorcam.storage.integrity import unreadable
from tumorcam.storage.stored_values import BAND_VALUES, StoredValues

COMPRESSION: dict[str, dict[str, Any]] = {
    "none": {},
    "gzip": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
    "bitshuffle-lz4": dict(hdf5plugin.Bitshuffle()),
    "blosc2-zstd": dict(hdf5plugin.Blosc2(cname="zstd", clevel=1)),
}
NEEDS_PLUGIN = ("bitshuffle-lz4", "blosc2-zstd")
DIGEST = "digest"  # of the file; `hdf5.create_file` writes it, so that no record does
HDF5_ERRORS = (KeyError, RuntimeError, ValueError, TypeError, SystemError)  # of h5py
ENTRIES_HERE = {"entries_here": True}  # metadata of a mapping whose entries need no group around
Chunks = tuple[int | None, ...]  # None: the whole axis

Record = TypeVar("Record")


def requirement(compression: str) -> dict[str, str]:
    """The attribute of a file that names what a reader needs for a compression; mostly empty."""
    needed = "hdf5plugin: a Python reader imports it before it reads the data"
    return {"requires": needed} if compression in NEEDS_PLUGIN else {}


def stored(*, chunks: Chunks, compressed: bool = False) -> Any:
    """A dataclass field whose array is written in chunks of this shape.

    Parameters
    ----------
    chunks : tuple of int or None
        None stands for the whole axis.
    compressed : bool
        Whether `write_record` compresses it.
    """
    return dataclasses.field(metadata={"chunks": chunks, "compressed": compressed})


def write_record(group: h5py.Group, record: Any, *, compression: str = "none") -> None:
    """Write each field of a dataclass into a group, under the field's name.

    An array or a tuple of texts becomes a dataset with a checksum on every chunk; a number or text
    an attribute; a table, a dataclass, a mapping or a tuple of arrays a group. None is not
    written, nor is a field called `digest`.

    Parameters
    ----------
    compression : str
        Of the fields that ask for it; one of COMPRESSION.
    """
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if value is None or field.name == DIGEST:
            continue
        is_mapping = isinstance(value, Mapping)
        if is_mapping and "entries_here" in field.metadata:
            for name, entry in value.items():
                _write_value(group, name, entry, field.metadata, compression)
        else:
            _write_value(group, field.name, value, field.metadata, compression)


def read_record(
    group: h5py.Group, kind: type[Record], *, without: Collection[str] = (), **given: Any
) -> Record:
    """The dataclass that `write_record` wrote into a group; DamageError where that is damaged.

    Parameters
    ----------
    kind : type
        The dataclass. Another one with some of its fields reads those alone.
    without : collection of str
        Fields that stay unread and get an empty array.
    given : object
        Values of fields that are not in the file, such as its path.
    """
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values = dict(given)
    for name in fields.keys() - given.keys():
        if name in without:
            values[name] = np.empty(0)
        elif "entries_here" in fields[name].metadata:
            entry = typing.get_args(hints[name])[1]
            with reading(group):
                names = [k for k in group if k not in fields and not _is_scale(group[k])]
            values[name] = {key: _read_value(group, key, entry) for key in names}
        else:
            values[name] = _read_value(group, name, hints[name])
    return kind(**values)


def read_array(group: h5py.Group, name: str, selection: Any = ...) -> np.ndarray:
    """A dataset, or the part of it that a NumPy index selects; text as str.

    Raises
    ------
    DamageError
        If it is missing or cannot be read.
    """
    with reading(group):
        dataset = group[name]
        if dataset.dtype.kind == "S" and not dataset.size:
            return np.empty(dataset.shape, dtype=str)
        values = np.asarray(dataset[selection])
        return np.char.decode(values, "utf-8") if dataset.dtype.kind == "S" else values


def array_shape(group: h5py.Group, name: str) -> tuple[int, ...]:
    """The shape of a dataset; DamageError where there is none."""
    with reading(group):
        return tuple(group[name].shape)


@contextlib.contextmanager
def reading(group: h5py.Group) -> Iterator[None]:
    """Turn what h5py raises in the block for missing or damaged data into a DamageError."""
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        raise unreadable(Path(group.file.filename), error) from error
    except HDF5_ERRORS as error:
        raise DamageError(f"{group.file.filename} cannot be read ({error})") from error


def write_dataset(
    group: h5py.Group,
    name: str,
    values: Any,
    *,
    chunks: Chunks | None = None,
    compression: str = "none",
) -> None:
    """Write an array with a checksum on every chunk; strings become fixed-width UTF-8.

    `name` is the dataset's in `group`; `compression` is as for `write_record`.
    """
    array = np.asarray(values)
    if array.dtype.kind in "UO":
        array = np.char.encode(array.astype(str), "utf-8")
    if array.dtype.kind == "S" and array.dtype.itemsize == 0:
        array = array.astype("S1")
    if array.ndim == 0 or array.size == 0:
        group.create_dataset(name, data=array)
        return
    whole = chunks or array.shape
    sizes = tuple(
        n if size is None else min(size, n) for size, n in zip(whole, array.shape, strict=True)
    )
    group.create_dataset(
        name, data=array, chunks=sizes, fletcher32=True, **COMPRESSION[compression]
    )


def _is_scale(item: h5py.Group | h5py.Dataset) -> bool:
    """Whether this is a dimension that `dimensions.name_dimensions` has added."""
    return isinstance(item, h5py.Dataset) and item.is_scale


def _write_stored(
    group: h5py.Group, name: str, values: StoredValues, chunks: tuple[int, int]
) -> None:
    """Write (genes, samples) values as (samples, genes), chunk by chunk."""
    n_genes, n_samples = values.shape
    if not n_genes:
        write_dataset(group, name, np.empty((n_samples, 0), np.float32))
        return
    step, width = min(chunks[0], n_samples), min(chunks[1], n_genes)
    dataset = group.create_dataset(
        name, (n_samples, n_genes), np.float32, chunks=(step, width), fletcher32=True
    )
    n_rows = step * max(1, BAND_VALUES // (step * width))
    blocks = [
        (slice(first, min(first + n_rows, n_samples)), slice(start, min(start + width, n_genes)))
        for start in range(0, n_genes, width)
        for first in range(0, n_samples, n_rows)
    ]
    arrays = ahead(lambda block: np.ascontiguousarray(values.block(*block[::-1]).T), blocks)
    for block, array in zip(blocks, arrays, strict=True):
        dataset[block] = array


def _write_value(
    group: h5py.Group, name: str, value: Any, metadata: Mapping[str, Any], compression: str
) -> None:
    if isinstance(value, str | bool | int | float | np.generic):
        group.attrs[name] = value
    elif isinstance(value, np.ndarray):
        packed = compression if metadata.get("compressed") else "none"
        write_dataset(group, name, value, chunks=metadata.get("chunks"), compression=packed)
    elif isinstance(value, StoredValues):
        _write_stored(group, name, value, metadata["chunks"])
    elif isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        write_dataset(group, name, np.array(value, dtype=str))
    elif isinstance(value, pd.DataFrame):
        _write_table(group.create_group(name), value)
    elif dataclasses.is_dataclass(value):
        write_record(group.create_group(name), value, compression=compression)
    else:
        entries = group.create_group(name)
        for key, entry in _entries(value):
            _write_value(entries, key, entry, {}, compression)


def _entries(values: Any) -> Iterator[tuple[str, Any]]:
    """Name and value of what a mapping or a tuple holds."""
    if isinstance(values, Mapping):
        yield from values.items()
    else:
        yield from ((f"{i:03d}", value) for i, value in enumerate(values))


def _read_value(group: h5py.Group, name: str, kind: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):  # X | None
        with reading(group):
            is_there = name in group or name in group.attrs
        inner = next(argument for argument in arguments if argument is not types.NoneType)
        return _read_value(group, name, inner) if is_there else None
    if kind in (str, bool, int, float):
        with reading(group):
            return kind(group.attrs[name])
    if kind is np.ndarray:
        return read_array(group, name)
    if origin is tuple and arguments[0] is str:
        return tuple(read_array(group, name).tolist())
    with reading(group):
        inside = group[name]
    if kind is pd.DataFrame:
        return _read_table(inside)
    if dataclasses.is_dataclass(kind):
        return read_record(inside, typing.cast(type, kind))
    if origin is tuple:
        return tuple(_read_value(inside, key, arguments[0]) for key in sorted(inside))
    return {key: _read_value(inside, key, arguments[1]) for key in inside}


def _write_table(group: h5py.Group, table: pd.DataFrame) -> None:
    """Write each column of a table as a dataset, in order."""
    group.attrs["columns"] = json.dumps(list(table.columns))
    for column in table.columns:
        write_dataset(group, column, table[column].to_numpy())


def _read_table(group: h5py.Group) -> pd.DataFrame:
    """The table that `_write_table` wrote."""
    with reading(group):
        columns = json.loads(group.attrs["columns"])
    return pd.DataFrame({name: read_array(group, name) for name in columns})
