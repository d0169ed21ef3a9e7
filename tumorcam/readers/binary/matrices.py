"""The matrices of an .h5ad file, dense or sparse, checked and read in blocks."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from tumorcam.readers.binary.hdf5_checks import AGAIN, MAX_ROWS, Fault, check_numbers
from tumorcam.storage.stored_values import FLOAT32, StoredValues

BLOCK_VALUES = 2**22  # values that are in memory at once
MAX_ALIGNED = 2**25  # values of a block that is made larger to hold whole chunks


@dataclass(frozen=True)
class StoredMatrix:
    """A matrix of the file, unread.

    Attributes
    ----------
    name : str
        Its place in the file.
    parts : dict
        The datasets: "values", and of a sparse one also "indices".
    starts : (major + 1,) int64
        Where each row of CSR or column of CSC begins; empty of a dense one.
    format : str
        "dense", "csr" or "csc".
    shape : (int, int)
        Of obs by var.
    """

    name: str
    parts: dict[str, h5py.Dataset]
    starts: np.ndarray
    format: str
    shape: tuple[int, int]

    @property
    def description(self) -> str:
        """Such as "csr float32"."""
        return f"{self.format} {self.parts['values'].dtype}"

    @property
    def by_column(self) -> bool:
        """Whether blocks are columns: of CSC, and of chunks that hold whole columns."""
        chunks = self.parts["values"].chunks
        if self.format != "dense" or not chunks:
            return self.format == "csc"
        return bool(chunks[0] >= self.shape[0] and chunks[1] < self.shape[1])


def find_matrix(item: Any, name: str) -> StoredMatrix:
    """A matrix of the file by its dataset or group, checked but for its values.

    `item` is the dataset or group, and `name` its path in the file, for messages.

    Raises
    ------
    Fault
        If it is not whole, not real numbers or contradicts itself.
    """
    if isinstance(item, h5py.Dataset):
        check_numbers(item, n_axes=2)
        return StoredMatrix(name, {"values": item}, np.empty(0, np.int64), "dense", item.shape)
    attributes = item.attrs
    kind = str(_text(attributes.get("encoding-type", attributes.get("h5sparse_format", ""))))[:3]
    shape = attributes.get("shape", attributes.get("h5sparse_shape"))
    if kind not in ("csr", "csc"):
        msg = f"{name} is neither a dense nor a CSR or CSC matrix; {AGAIN} with anndata"
        raise Fault(msg)
    if np.shape(shape) != (2,) or np.asarray(shape).dtype.kind not in "iu" or np.min(shape) < 0:
        msg = f"{name} does not say its shape; {AGAIN} with anndata"
        raise Fault(msg)
    parts = {"values": item.get("data"), "indices": item.get("indices"), "": item.get("indptr")}
    for part in parts.values():
        if part is None:
            msg = f"{name} lacks data, indices or indptr; {AGAIN}"
            raise Fault(msg)
        check_numbers(part, n_axes=1)
    shape = (int(shape[0]), int(shape[1]))
    starts = _starts(name, parts, shape[0] if kind == "csr" else shape[1])
    return StoredMatrix(name, parts, starts, kind, shape)


def read_matrix(matrix: StoredMatrix, values: StoredValues, *, genes_in_obs: bool) -> None:
    """Append all values of a matrix, block by block.

    Raises
    ------
    Fault
        If an index is out of range or repeats in its row, or the disk has no room.
    """
    _require_room(matrix, values)
    add = values.add_samples if matrix.by_column == genes_in_obs else values.add_genes
    blocks = _dense_blocks(matrix) if matrix.format == "dense" else _sparse_blocks(matrix)
    for block in blocks:
        add(block)


def _starts(name: str, parts: dict[str, h5py.Dataset], n_major: int) -> np.ndarray:
    values, indices, indptr = parts["values"], parts["indices"], parts[""]
    if indices.dtype.kind not in "iu" or indptr.dtype.kind not in "iu":
        msg = f"the indices and indptr of {name} are no integers; {AGAIN}"
        raise Fault(msg)
    if len(values) != len(indices) or len(indptr) != n_major + 1 or n_major > MAX_ROWS:
        msg = (
            f"{name} has {len(values)} values, {len(indices)} indices and {len(indptr)} starts of "
            f"{n_major} rows or columns, which do not fit together; {AGAIN}"
        )
        raise Fault(msg)
    starts: np.ndarray = indptr[:].astype(np.int64)
    if starts[0] != 0 or starts[-1] != len(values) or (np.diff(starts) < 0).any():
        msg = (
            f"the starts of the rows or columns of {name} (indptr) do not ascend from 0 to the "
            f"number of values, {len(values)}; {AGAIN}"
        )
        raise Fault(msg)
    return starts


def _require_room(matrix: StoredMatrix, values: StoredValues) -> None:
    needed = matrix.shape[0] * matrix.shape[1] * FLOAT32
    free = shutil.disk_usage(values.folder or tempfile.gettempdir()).free
    if needed > free:
        msg = (
            f"{matrix.name} has {matrix.shape[0]:,} x {matrix.shape[1]:,} values, which take "
            f"{needed / 1e9:,.1f} GB in {values.folder}, where {free / 1e9:,.1f} GB are free; free "
            "some space, or set run.folder to a larger disk"
        )
        raise Fault(msg)


def _dense_blocks(matrix: StoredMatrix) -> Iterator[np.ndarray]:
    """Blocks (rows, var) or, by column, (columns, obs)."""
    data, axis = matrix.parts["values"], int(matrix.by_column)
    n_major, n_minor = matrix.shape[axis], matrix.shape[1 - axis]
    chunk = data.chunks[axis] if data.chunks else 1
    step = max(1, BLOCK_VALUES // max(1, n_minor))
    if chunk * n_minor <= MAX_ALIGNED:
        step = max(chunk, step // chunk * chunk)
    for start in range(0, n_major, step):
        part = slice(start, min(start + step, n_major))
        yield data[:, part].T if axis else data[part]


def _sparse_blocks(matrix: StoredMatrix) -> Iterator[np.ndarray]:
    """Blocks (rows, var) of CSR, or (columns, obs) of CSC, with zeros."""
    n_major, n_minor = matrix.shape[:: -1 if matrix.by_column else 1]
    step = max(1, BLOCK_VALUES // max(1, n_minor))
    for first in range(0, n_major, step):
        starts = matrix.starts[first : first + step + 1]
        part = slice(int(starts[0]), int(starts[-1]))
        if part.stop - part.start > (len(starts) - 1) * n_minor:
            raise Fault(_repeated(matrix.name))
        indices = matrix.parts["indices"][part]
        if (indices < 0).any() or (indices >= n_minor).any():
            msg = f"{matrix.name} is damaged: an index is outside 0 to {n_minor - 1}; {AGAIN}"
            raise Fault(msg)
        rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        places = rows * n_minor + indices.astype(np.int64)
        is_taken = np.zeros((len(starts) - 1) * n_minor, bool)
        is_taken[places] = True
        if np.count_nonzero(is_taken) != len(places):
            raise Fault(_repeated(matrix.name))
        block = np.zeros(len(is_taken), np.float32)
        with np.errstate(over="ignore"):
            block[places] = matrix.parts["values"][part]
        yield block.reshape(-1, n_minor)


def _repeated(name: str) -> str:
    return (
        f"{name} gives a value twice: an index repeats in its row or column; remove what "
        f"repeats, or {AGAIN}"
    )


def _text(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
