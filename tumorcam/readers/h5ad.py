"""Expression matrices in AnnData's .h5ad files, dense or sparse, read block by block."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem, sparse_dataset

from tumorcam.errors import InputError, quoted
from tumorcam.readers import blocks
from tumorcam.readers.blocks import Block
from tumorcam.readers.column_names import AUTO
from tumorcam.readers.files import require_file
from tumorcam.readers.matrix import Drop
from tumorcam.readers.text import require_names
from tumorcam.readers.wording import listed_columns, plain
from tumorcam.storage.integrity import refuse_links

SAMPLE_COLUMN = "obs_names"  # name of the index of obs in the samples table
NUMBERS = "biuf"  # numpy's kinds of real numbers
MAX_ROWS = 10**7  # of obs and var
MAX_COLUMN_BYTES = 2**31  # of a column of obs or var, unpacked


class H5adExpression:
    """The matrix X of an .h5ad file: samples in `obs`, genes in `var`.

    Parameters
    ----------
    path : Path
        An .h5ad file.
    gene_column : str
        Column of `var` with the gene IDs. On "auto" the IDs are the index of `var`. A gene without
        an ID gets its name in the index.

    Raises
    ------
    InputError
        If the file cannot be read, is no AnnData file or lacks the column.
    """

    def __init__(self, path: Path, gene_column: str = AUTO) -> None:
        self.path = path
        self.dropped: list[Drop] = []
        with _open(path) as file:
            shape = tuple(_matrix(file).shape)
            obs, var = _read_frame(file, "obs"), _read_frame(file, "var")
            self.samples = [str(name) for name in obs.index]
            index = blocks.gene_names(
                map(str, var.index), (f"gene {i + 1}" for i in range(len(var)))
            )
            if gene_column != AUTO and gene_column not in var:
                msg = (
                    f"{path}: var has no column {quoted(gene_column)} as input.gene_column says; "
                    f"its columns are {listed_columns(map(str, var.columns))}; set "
                    "input.gene_column to one of them"
                )
                raise InputError(msg)
            ids = index if gene_column == AUTO else _strings(var[gene_column])
            self.genes = blocks.gene_names(ids, index)
            self.obs = pd.DataFrame(
                {SAMPLE_COLUMN: self.samples} | {str(c): _strings(obs[c]) for c in obs.columns}
            )
        if shape != (len(obs), len(var)):
            msg = (
                f"{path}: X has the shape {shape} but obs and var have {len(obs)} and {len(var)} "
                "rows; download or write the file again"
            )
            raise InputError(msg)
        require_names(self.samples, "sample", path)
        require_names(self.genes, "gene", path)

    def blocks(self) -> Iterator[Block]:
        """The values of X in blocks of some samples, or of some genes if X is a CSC matrix.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        n_samples, n_genes = len(self.samples), len(self.genes)
        with _open(self.path) as file:
            matrix = _matrix(file)
            if getattr(matrix, "format", "") == "csc":
                for part in _parts(n_genes, n_samples):
                    yield Block(slice(0, n_samples), part, _dense(matrix[:, part]))
            else:
                for part in _parts(n_samples, n_genes):
                    yield Block(part, slice(0, n_genes), _dense(matrix[part]))


@contextlib.contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    """The open file; an error of h5py or anndata while it is read becomes an InputError."""
    require_file(path)
    try:
        with h5py.File(path, "r") as file:
            refuse_links(file, path)
            yield file
    except InputError:
        raise
    except Exception as error:  # of any kind: a damaged file reaches all corners of both libraries
        reason = plain(" ".join(str(error).split()))
        msg = (
            f"{path} cannot be read as .h5ad ({reason}); it may be cut off or another kind of "
            "file: check the paths in [input], or download or write it again"
        )
        raise InputError(msg) from error


def _read_frame(file: h5py.File, name: str) -> pd.DataFrame:
    """A table of the file, obs or var; what is declared to be huge is refused unread."""
    columns: list[h5py.Dataset] = []
    file[name].visititems(
        lambda _, item: columns.append(item) if isinstance(item, h5py.Dataset) else None
    )
    for column in columns:
        n_values = math.prod(column.shape or ())  # HDF5's "null" has no shape
        if n_values > MAX_ROWS or n_values * column.dtype.itemsize > MAX_COLUMN_BYTES:
            msg = f"{column.name} is too large, {column.shape} {column.dtype}"
            raise ValueError(msg)
    frame = read_elem(file[name])
    if not isinstance(frame, pd.DataFrame):
        msg = f"{name} is no table"
        raise TypeError(msg)
    return frame


def _matrix(file: h5py.File) -> Any:
    """X, unread: an HDF5 dataset or a sparse one of anndata. It is whole and has numbers."""
    matrix = file["X"]
    if isinstance(matrix, h5py.Dataset):
        _require_numbers(matrix, n_axes=2)
        return matrix
    sparse = sparse_dataset(matrix)
    values, minor, start = (matrix[name] for name in ("data", "indices", "indptr"))
    for part in (values, minor, start):
        _require_numbers(part, n_axes=1)
    n_major, n_minor = sparse.shape if sparse.format == "csr" else sparse.shape[::-1]
    if len(values) != len(minor) or len(start) != n_major + 1 or len(start) > MAX_ROWS + 1:
        msg = f"X has {len(values)} values, {len(minor)} indices and {len(start)} starts"
        raise ValueError(msg)
    length = np.diff(start[:].astype(np.int64))
    if start[0] != 0 or start[-1] != len(values) or ((length < 0) | (length > n_minor)).any():
        msg = "the starts of the rows or columns of X do not ascend from 0 to the number of values"
        raise ValueError(msg)
    return sparse


def _require_numbers(dataset: h5py.Dataset, *, n_axes: int) -> None:
    """Check that a dataset has real numbers, so many axes, and every value in the file.

    HDF5 gives zeros for values that nobody has written.
    """
    shape, chunks = dataset.shape, dataset.chunks
    if dataset.ndim != n_axes or dataset.dtype.kind not in NUMBERS:
        msg = (
            f"{dataset.name} has {dataset.ndim} axes of {dataset.dtype}, wanted {n_axes} of numbers"
        )
        raise ValueError(msg)
    if chunks:
        n_chunks = math.prod(-(-n // step) for n, step in zip(shape, chunks, strict=True))
        is_whole = dataset.id.get_num_chunks() == n_chunks
    else:
        is_whole = dataset.id.get_storage_size() == math.prod(shape) * dataset.dtype.itemsize
    if not is_whole:
        msg = f"{dataset.name} of shape {shape} is not whole: some of its values were never written"
        raise ValueError(msg)


def _dense(part: Any) -> np.ndarray:
    """A part of X as an array; ValueError if an index of a sparse one is out of range."""
    if isinstance(part, np.ndarray):
        return part
    part.check_format(full_check=True)
    return part.toarray()


def _parts(n_items: int, values_per_item: int) -> Iterator[slice]:
    """Slices of so many items that the values of each make a block."""
    step = max(1, blocks.BLOCK_VALUES // max(1, values_per_item))
    for start in range(0, n_items, step):
        yield slice(start, min(start + step, n_items))


def _strings(column: pd.Series) -> list[str]:
    """The cells of a column as text; a missing one is empty."""
    return [
        "" if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)
    ]
