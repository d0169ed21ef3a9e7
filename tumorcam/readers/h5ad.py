"""Expression matrices in AnnData's .h5ad files, dense or sparse, read block by block."""

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
from tumorcam.readers.column_names import AUTO

SAMPLE_COLUMN = "obs_names"  # name of the index of obs in the samples table


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
            obs, var = read_elem(file["obs"]), read_elem(file["var"])
            shape = tuple(_matrix(file).shape)
        self.samples = [str(name) for name in obs.index]
        index = blocks.gene_names(map(str, var.index), (f"gene {i + 1}" for i in range(len(var))))
        if gene_column != AUTO and gene_column not in var:
            columns = ", ".join(map(str, var.columns))
            msg = (
                f"{path}: var has no column {gene_column!r} as input.gene_column says; its columns "
                f"are {columns}; set input.gene_column to one of them"
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
                    yield Block(slice(0, n_samples), part, matrix[:, part].toarray())
            else:
                for part in _parts(n_samples, n_genes):
                    rows = matrix[part]
                    values = rows if isinstance(rows, np.ndarray) else rows.toarray()
                    yield Block(part, slice(0, n_genes), values)


@contextlib.contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    """The open file; an error of h5py or anndata while it is read becomes an InputError."""
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
    """X, unread: an HDF5 dataset or a sparse one of anndata."""
    matrix = file["X"]
    return sparse_dataset(matrix) if isinstance(matrix, h5py.Group) else matrix


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
