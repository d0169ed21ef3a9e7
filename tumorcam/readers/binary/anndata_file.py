"""AnnData's .h5ad files, read in a process of their own: which matrix, and who is who in it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py

from tumorcam.errors import InputError, quoted
from tumorcam.readers.binary.frames import Frame, read_frame
from tumorcam.readers.binary.hdf5_checks import AGAIN, Fault, refuse_links
from tumorcam.readers.binary.matrices import StoredMatrix, find_matrix, read_matrix
from tumorcam.readers.binary.messages import text_table
from tumorcam.readers.binary.worker import AreSamples
from tumorcam.readers.column_names import AUTO
from tumorcam.readers.matrix import SAMPLE, Fact, Matrix
from tumorcam.readers.missing import is_missing
from tumorcam.readers.tables.names import require_names
from tumorcam.readers.wording import listed, listed_columns, plain
from tumorcam.settings import InputSettings
from tumorcam.storage.stored_values import StoredValues

CHUNK_CACHE = 2**28  # bytes: else a chunk that two blocks share is unpacked twice


class _Place(NamedTuple):
    """Where the matrix and the table of its columns are in the file, and the other matrices."""

    matrix: str
    var: str
    others: list[str]


def read(
    path: Path, settings: InputSettings, values: StoredValues, are_samples: AreSamples
) -> Matrix:
    """Read a file, as in `tumorcam.readers.binary.h5ad`."""
    try:
        with h5py.File(path, "r", rdcc_nbytes=CHUNK_CACHE, locking="best-effort") as file:
            refuse_links(file)
            _require_anndata(file, path)
            return _read(file, path, settings, values, are_samples)
    except Fault as fault:
        raise InputError(f"{plain(str(path))}: {fault}") from None


def _read(
    file: h5py.File,
    path: Path,
    settings: InputSettings,
    values: StoredValues,
    are_samples: AreSamples,
) -> Matrix:
    place = _find_layer(file, settings.layer)
    obs, var = read_frame(file, "obs"), read_frame(file, place.var)
    matrix = find_matrix(file[place.matrix], place.matrix)
    if matrix.shape != (len(obs.names), len(var.names)) or not all(matrix.shape):
        msg = (
            f"{place.matrix} has the shape {matrix.shape}, but obs has {len(obs.names)} rows and "
            f"{place.var} {len(var.names)}; {AGAIN}"
        )
        raise Fault(msg)
    orientation = _orientation(obs, var, settings.orientation, are_samples)
    genes_in_obs = orientation.text.startswith("genes in obs")
    of_genes, of_samples = (obs, var) if genes_in_obs else (var, obs)
    sample_names, sample_facts = _sample_names(of_samples, are_samples)
    genes, gene_fact = _gene_names(of_genes, settings.gene_column)
    require_names(sample_names, "sample", path)
    require_names(genes, "gene", path)
    read_matrix(matrix, values, genes_in_obs=genes_in_obs)
    return Matrix(
        path=path,
        samples=sample_names,
        genes=genes,
        values=values,
        facts=[*_format_facts(matrix, place), orientation, *sample_facts, gene_fact],
        labels=text_table(_label_columns(sample_names, of_samples), len(sample_names)),
        annotation=text_table(list(of_genes.columns.items()), len(genes)),
    )


def _require_anndata(file: h5py.File, path: Path) -> None:
    """Check that the file is AnnData's; others are named for what they are."""
    if "obs" in file and "var" in file:
        return
    name, new = plain(str(path)), plain(f"{path.stem}.h5ad")
    kind, function = "", ""
    groups = [item for item in file.values() if isinstance(item, h5py.Group)]
    if isinstance(file.get("matrix"), h5py.Dataset) and "row_attrs" in file:
        kind, function = "a .loom file", "read_loom"
    elif any("barcodes" in group for group in groups):
        kind, function = "a 10x file of Cell Ranger", "read_10x_h5"
    if kind:
        msg = (
            f"it is {kind}, no .h5ad; convert it with "
            f"scanpy.{function}({quoted(name)}).write_h5ad({quoted(new)}) and set "
            "input.expression to the new file"
        )
        raise Fault(msg)
    msg = (
        f"it is HDF5, but no .h5ad file: it has no obs and var, but {listed_columns(file)}; check "
        "input.expression, or write it again with anndata"
    )
    raise Fault(msg)


def _find_layer(file: h5py.File, layer: str) -> _Place:
    layers = list(file["layers"]) if isinstance(file.get("layers"), h5py.Group) else []
    raw = next((name for name in ("raw/X", "raw.X") if name in file), "")
    matrices = {"X": "X"} if _has_values(file.get("X")) else {}
    matrices |= {"raw": raw} if raw else {}
    matrices |= {name: f"layers/{name}" for name in layers if name not in ("X", "raw")}
    others = [name for name in matrices if name != layer]
    if layer in matrices:
        is_raw = layer == "raw"
        return _Place(matrices[layer], raw.replace("X", "var") if is_raw else "var", others)
    if not matrices:
        msg = f"it has no matrix: neither X nor raw nor layers; {AGAIN} with one"
        raise Fault(msg)
    msg = (
        f"it has no {'X' if layer == 'X' else f'layer {quoted(layer)}'}; its matrices are "
        f"{listed_columns(others)}; set input.layer to one of them, such as "
        f"input.layer = {quoted(others[0])}"
    )
    raise Fault(msg)


def _has_values(item: Any) -> bool:
    """Whether X is there; AnnData also writes None as an empty dataset."""
    return item is not None and (isinstance(item, h5py.Group) or item.shape is not None)


def _format_facts(matrix: StoredMatrix, place: _Place) -> list[Fact]:
    others = listed(place.others) if place.others else ""
    return [
        Fact("format", f"AnnData .h5ad, {matrix.description}", "it has obs, var and a matrix"),
        Fact("layer", place.matrix, "input.layer", others, "input.layer"),
    ]


def _orientation(obs: Frame, var: Frame, setting: str, are_samples: AreSamples) -> Fact:
    in_obs, in_var = are_samples(obs.names), are_samples(var.names)
    reason = (
        f"{sum(in_obs)} of {len(in_obs)} names in obs are samples, and {sum(in_var)} of "
        f"{len(in_var)} in var"
    )
    is_turned = 2 * sum(in_var) > len(in_var) and 2 * sum(in_obs) <= len(in_obs)
    if setting != AUTO:
        is_turned = setting == "genes_in_rows"
        reason = f'input.orientation = "{setting}"; {reason}'
    if is_turned:
        return Fact("orientation", "genes in obs, samples in var", reason)
    return Fact("orientation", "samples in obs, genes in var", reason)


def _sample_names(frame: Frame, are_samples: AreSamples) -> tuple[list[str], list[Fact]]:
    """The index, or where it only counts the rows, the column whose cells are samples."""
    if not all(name.isdecimal() for name in frame.names) or all(are_samples(frame.names)):
        return frame.names, []
    for name, cells in frame.columns.items():
        if len(set(cells)) == len(cells) and all(are_samples(cells)):
            reason = f"the index of {frame.place} counts the rows, and all cells here are samples"
            return cells, [Fact("sample column", name, reason)]
    return frame.names, []


def _gene_names(frame: Frame, column: str) -> tuple[list[str], Fact]:
    place = f"the index of {frame.place}"
    others = listed(list(frame.columns)) if frame.columns else ""
    if column in (AUTO, frame.index_name) and column not in frame.columns:
        return frame.names, Fact("gene column", place, f'input.gene_column = "{column}"', others)
    if column not in frame.columns:
        msg = (
            f"{frame.place} has no column {quoted(column)} as input.gene_column says; its columns "
            f"are {listed_columns(frame.columns) or 'none'}; set input.gene_column to one of them, "
            "or to auto for the index"
        )
        raise Fault(msg)
    cells = frame.columns[column]
    n_missing = sum(map(is_missing, cells))
    reason = f"input.gene_column = {quoted(column)}"
    if n_missing:
        reason += f"; {n_missing} missing IDs are taken from the index"
    names = [
        name if is_missing(cell) else cell for cell, name in zip(cells, frame.names, strict=True)
    ]
    return names, Fact("gene column", f"{quoted(column)} of {frame.place}", reason, others)


def _label_columns(names: Sequence[str], frame: Frame) -> list[tuple[str, list[str]]]:
    """The names, then the columns; one that is also called "sample" gets a number."""
    columns = [(SAMPLE, list(names))]
    for name, cells in frame.columns.items():
        if name != SAMPLE:
            columns.append((name, cells))
        elif cells != names:
            number = next(n for n in range(2, 10**6) if f"{SAMPLE} ({n})" not in frame.columns)
            columns.append((f"{SAMPLE} ({number})", cells))
    return columns
