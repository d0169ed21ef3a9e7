"""Expression matrices in AnnData's .h5ad files, dense or sparse, read a block at a time."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem, sparse_dataset

from tumorcam.errors import InputError
from tumorcam.readers import blocks
from tumorcam.readers.blocks import Block, Drop

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
SAMPLE_COLUMN = "obs_names"  # what the index is called in the samples table


class H5adExpression:
    """The matrix X of an .h5ad file: samples in `obs`, genes in `var`.

    Parameters
    ----------
    path : Path
    gene_column : str
        Column of `var` with the gene IDs; "auto": its index, which also names genes without one.

    Raises
    ------
    InputError
        If the file cannot be read, is no AnnData file or lacks the column.
    """

    def __init__(self, path: Path, gene_column: str = "auto") -> None:
        self.path = path
        self.dropped: list[Drop] = []
        with _open(path) as file:
            obs, var = read_elem(file["obs"]), read_elem(file["var"])
            shape = tuple(_matrix(file).shape)
        self.samples = [str(name) for name in obs.index]
        index = blocks.gene_names(map(str, var.index), (f"gene {i + 1}" for i in range(len(var))))
        if gene_column != "auto" and gene_column not in var:
            columns = ", ".join(map(str, var.columns))
            msg = f"{path}: var has no column {gene_column!r}; there are: {columns}"
            raise InputError(msg)
        ids = index if gene_column == "auto" else _strings(var[gene_column])
        self.genes = blocks.gene_names(ids, index)
        self.obs = pd.DataFrame(
            {SAMPLE_COLUMN: self.samples} | {str(c): _strings(obs[c]) for c in obs.columns}
        )
        if shape != (len(obs), len(var)):
            msg = f"{path}: X is {shape} but obs and var are {(len(obs), len(var))}; write it anew"
            raise InputError(msg)

    def blocks(self) -> Iterator[Block]:
        """All values of X: some samples at a time, or some genes of a CSC matrix.

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
                    yield Block(slice(0, n_samples), part, matrix[:, part].toarray())
            else:
                for part in _parts(n_samples, n_genes):
                    rows = matrix[part]
                    values = rows if isinstance(rows, np.ndarray) else rows.toarray()
                    yield Block(part, slice(0, n_genes), values)


@contextlib.contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path, "r") as file:
            yield file
    except InputError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        msg = (
            f"{path} cannot be read as .h5ad ({error}); it may be missing, cut off or another "
            "kind of file: check the paths in [input], or download or write it again"
        )
        raise InputError(msg) from error


def _matrix(file: h5py.File) -> Any:
    matrix = file["X"]
    return sparse_dataset(matrix) if isinstance(matrix, h5py.Group) else matrix


def _parts(n_items: int, n_values_each: int) -> Iterator[slice]:
    step = max(1, blocks.BLOCK_VALUES // max(1, n_values_each))
    for start in range(0, n_items, step):
        yield slice(start, min(start + step, n_items))


def _strings(column: pd.Series) -> list[str]:
    """A column as text; a missing value is empty."""
    return [
        "" if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)
    ]
