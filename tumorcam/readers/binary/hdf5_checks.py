"""Checks of an HDF5 file of other people before its data are used."""

import importlib
import math
from typing import Any

import h5py

from tumorcam.readers.wording import plain

NUMBERS = "biuf"  # numpy's kinds of real numbers
MAX_ROWS = 10**7  # of obs and var
MAX_COLUMN_BYTES = 2**31  # of a column of obs or var, unpacked
AGAIN = "download or write the file again"


class Fault(Exception):  # noqa: N818
    """What is wrong with a file and what to do, without the file's name."""


def refuse_links(file: h5py.File) -> None:
    """Refuse what points elsewhere: soft and external links, virtual datasets, external storage.

    Raises
    ------
    Fault
        With the name of the first.
    """
    groups, entered = [(b"", file.id)], set[int]()
    while groups:
        path, group = groups.pop()
        for name in group:
            place = path + b"/" + name
            if group.links.get_info(name).type != h5py.h5l.TYPE_HARD:
                raise Fault(_elsewhere(place, "is a link to another place"))
            item = h5py.h5o.open(group, name)
            if isinstance(item, h5py.h5d.DatasetID) and _leads_outside(item):
                raise Fault(_elsewhere(place, "has its data in another place"))
            address = h5py.h5o.get_info(item).addr
            if isinstance(item, h5py.h5g.GroupID) and address not in entered:
                entered.add(address)
                groups.append((place, item))


def _elsewhere(place: bytes, fault: str) -> str:
    return (
        f"{plain(place.decode(errors='replace'))} {fault}, which is refused; write the file again "
        "with anndata, which makes it whole: anndata.read_h5ad(FILE).write_h5ad(NEW_FILE)"
    )


def check_numbers(dataset: Any, n_axes: int) -> None:
    """Check that a dataset has real numbers, so many axes, and every value in the file.

    Raises
    ------
    Fault
        If it has not.
    """
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        msg = f"{dataset.name} holds no numbers; {AGAIN}"
        raise Fault(msg)
    dtype = dataset.dtype
    is_real = dtype.kind in NUMBERS and h5py.check_enum_dtype(dtype) is None
    if dataset.ndim != n_axes or not is_real:
        kind = "enumeration" if dtype.kind in NUMBERS and not is_real else dtype
        msg = (
            f"{dataset.name} has {dataset.ndim} axes of type {str(kind)[:100]}; wanted {n_axes} of "
            f"real numbers: {AGAIN} with such values"
        )
        raise Fault(msg)
    check_data(dataset)


def check_data(dataset: h5py.Dataset) -> None:
    """Check that HDF5 has the filters of a dataset, and the file every value.

    HDF5 gives zeros for values that nobody has written.

    Raises
    ------
    Fault
        If it has not.
    """
    creation = dataset.id.get_create_plist()
    for i in range(creation.get_nfilters()):
        code, _, _, name = creation.get_filter(i)
        if not _is_available(code):
            msg = (
                f"{dataset.name} is compressed with the filter {code} "
                f"({name.decode(errors='replace')[:50] or 'without name'}), which is not installed "
                'here; write the file again with write_h5ad(FILE, compression="gzip")'
            )
            raise Fault(msg)
    n_values = math.prod(dataset.shape or ())
    if dataset.shape is None or not n_values:
        return
    if dataset.chunks:
        steps = zip(dataset.shape, dataset.chunks, strict=True)
        n_chunks = math.prod(-(-n // step) for n, step in steps)
        is_whole = dataset.id.get_num_chunks() == n_chunks
    else:
        n_bytes = n_values * dataset.id.get_type().get_size()
        is_whole = dataset.id.get_storage_size() >= n_bytes  # texts take more in the file
    if not is_whole:
        msg = (
            f"{dataset.name} of shape {dataset.shape} is not whole: some of its values were never "
            f"written; {AGAIN}"
        )
        raise Fault(msg)


def check_table(item: Any) -> None:
    """Check the columns of obs or var: their size and data.

    Raises
    ------
    Fault
        If a column is declared to be huge, or as in `check_data`.
    """
    columns = [item] if isinstance(item, h5py.Dataset) else []
    if isinstance(item, h5py.Group):
        item.visititems(lambda _, part: columns.append(part) if _is_dataset(part) else None)
    for column in columns:
        n_values = math.prod(column.shape or ())  # HDF5's "null" has no shape
        if n_values > MAX_ROWS or n_values * column.dtype.itemsize > MAX_COLUMN_BYTES:
            msg = f"{column.name} is too large, {column.shape} of {column.dtype}; {AGAIN}"
            raise Fault(msg)
        check_data(column)


def _is_dataset(item: Any) -> bool:
    return isinstance(item, h5py.Dataset)


def _leads_outside(dataset: h5py.h5d.DatasetID) -> bool:
    creation = dataset.get_create_plist()
    return bool(creation.get_layout() == h5py.h5d.VIRTUAL or creation.get_external_count() > 0)


def _is_available(code: int) -> bool:
    if not h5py.h5z.filter_avail(code):
        importlib.import_module("hdf5plugin")  # it registers its filters; few files need them
    return bool(h5py.h5z.filter_avail(code))
