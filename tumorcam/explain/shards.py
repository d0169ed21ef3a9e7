"""Shards, the files that explain writes, and saliency.h5, which presents them as one file."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import h5py
import numpy as np

from tumorcam.errors import DamageError, FileError, MissingError, StaleError, UnreadableError
from tumorcam.explain.views import RankingKey, ranking_keys
from tumorcam.settings.config import Config
from tumorcam.storage import chain, hdf5, records
from tumorcam.storage.dimensions import name_dimensions
from tumorcam.storage.plan import Plan, ShardKey
from tumorcam.storage.records import ENTRIES_HERE, stored
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import model_digest

SHARD_TYPE, SALIENCY_TYPE = "tumorcam-shard", "tumorcam-saliency"
STAGE = "explain"
REMEDY = "run `tumorcam explain`"
CUBE_CHUNK = 8  # samples: a random one-sample read costs about 1 ms
BAND = 256  # genes of a chunk: what reduce reads at once
DIMENSIONS = {  # of the datasets of a shard
    **dict.fromkeys(("sample", "sample_index", "tumor", "predicted", "target"), ("sample",)),
    "rivals": ("sample", "rival"),
    "probability": ("sample", "tumor_name"),
    **dict.fromkeys(("own", "contrast"), ("sample", "gene_or_decoy")),
    **dict.fromkeys(("scale", "cube_scale"), ("sample",)),
    "cube": ("sample", "row", "column"),
}
SALIENCY_DIMENSIONS = {
    "sample_index": ("replicate", "position"),
    **dict.fromkeys(("own", "contrast"), ("replicate", "position", "gene_or_decoy")),
}


@dataclass(frozen=True)
class MethodMaps:
    """Saliency of the samples of a shard by one method.

    `own` and `contrast` are (samples, genes + 2 decoys) float16, divided by `scale` (samples,)
    float32: the genes, the decoys at the true values of their genes ("present"), and the decoys at
    their permuted values ("chance"). `cube` is (samples, rows, columns) float16, the map of the
    sample's own tumor with present decoys, divided by `cube_scale` (samples,) float32, its largest
    absolute value; both are None unless explain.cubes names the method.
    """

    own: np.ndarray = stored(chunks=(None, BAND), compressed=True)
    contrast: np.ndarray = stored(chunks=(None, BAND), compressed=True)
    scale: np.ndarray = stored(chunks=(None,))
    cube: np.ndarray | None = stored(chunks=(CUBE_CHUNK, None, None), compressed=True)
    cube_scale: np.ndarray | None = stored(chunks=(None,))


@dataclass(frozen=True)
class Predictions:
    """Predictions of a model for samples that it held out.

    `sample_index` (samples,) int32 is the canonical index in the cohort; `tumor` and `predicted`
    (samples,) int16 index the cohort's tumors; `probability` is (samples, tumors) float32.
    """

    sample_index: np.ndarray
    tumor: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray


@dataclass(frozen=True)
class Shard(Predictions):
    """A block of held-out samples, explained by one model.

    `sample` (samples,) str are IDs; `target` (samples,) int16 is the explained tumor, the sample's
    own; `rivals` (samples, rivals) int16 are the tumors it is contrasted with; `methods` maps the
    names of methods to their maps.
    """

    sample: np.ndarray
    target: np.ndarray
    rivals: np.ndarray
    methods: Mapping[str, MethodMaps] = field(metadata=ENTRIES_HERE)


@dataclass(frozen=True)
class _SampleOrder:
    """The array that saliency.h5 itself stores: the sample of each row, -1 where there is none."""

    sample_index: np.ndarray


def shard_attributes(
    config: Config, cohort_digest: str, model_digest: str, key: ShardKey, n_columns: int
) -> dict[str, str | int]:
    """Root attributes of a shard: its cohort, model, settings, name and size."""
    return {
        **chain.made_with(config, STAGE),
        "cohort_digest": cohort_digest,
        "model_digest": model_digest,
        "shard": key.name,
        "n_samples": key.n_samples,
        "n_columns": n_columns,
    }


def write_shard(
    path: Path,
    attributes: Mapping[str, str | int],
    shard: Shard,
    *,
    compression: str,
    coordinates: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> None:
    """Write a shard.

    Parameters
    ----------
    attributes : mapping
        From `shard_attributes`.
    compression : str
        Of the maps; one of `records.COMPRESSION`.
    coordinates : mapping
        From `coordinates`; without it the dimensions are numbered.

    Raises
    ------
    FileError
        If the disk or a quota is full.
    """
    needed = sum(
        array.nbytes
        for maps in shard.methods.values()
        for array in (maps.own, maps.contrast, maps.cube)
        if array is not None
    )
    root = {**attributes, **records.requirement(compression)}
    with hdf5.create_file(path, SHARD_TYPE, root, needed=needed) as file:
        records.write_record(file, shard, compression=compression)
        name_dimensions(file, DIMENSIONS, coordinates)


def coordinates(
    tumors: np.ndarray, genes: np.ndarray, decoy_gene: np.ndarray
) -> dict[str, np.ndarray]:
    """The names along the dimensions of shards and of saliency.h5.

    Parameters
    ----------
    tumors, genes : (tumors,) str, (genes,) str
        The names of the cohort.
    decoy_gene : (decoys,) int
        The gene that each decoy copies.
    """
    decoys = genes[decoy_gene]
    passes = (np.char.add(f"{name} decoy of ", decoys) for name in ("present", "chance"))
    return {"tumor_name": tumors, "gene_or_decoy": np.concatenate([genes, *passes])}


def shard_digest(path: Path) -> str:
    """The digest of a finished shard; FileError where it is missing or damaged."""
    return hdf5.stored_digest(path, SHARD_TYPE, remedy=REMEDY)


def read_predictions(path: Path) -> Predictions:
    """Read the predictions of a shard; FileError where it is missing or damaged."""
    with _open(path) as file:
        return records.read_record(file, Predictions)


def zero_maps(path: Path, methods: Sequence[str]) -> dict[str, int]:
    """The number of samples of a shard whose maps are all zero, for each method."""
    with _open(path) as file:
        scales = {name: records.read_array(_group(file, name), "scale") for name in methods}
    return {name: int((scale == 0).sum()) for name, scale in scales.items()}


def read_band(path: Path, keys: Sequence[RankingKey], band: slice) -> dict[str, np.ndarray]:
    """Read neighbouring columns: (samples, band) float16 by the name of the ranking.

    Raises
    ------
    FileError
        If the shard is missing or damaged.
    """
    with _open(path) as file:
        return {key.name: records.read_array(file, key.name, np.s_[:, band]) for key in keys}


def read_columns(path: Path, key: RankingKey, n_columns: int) -> np.ndarray:
    """Read the first columns of all samples of a shard: (samples, columns) float32.

    Raises
    ------
    FileError
        If the shard is missing or damaged.
    """
    return read_band(path, [key], slice(0, n_columns))[key.name].astype(np.float32)


def read_cube(path: Path, method: str, row: int) -> np.ndarray:
    """Read the map of one sample of a shard: (rows, columns) float32, multiplied by its scale."""
    with _open(path) as file:
        maps = _group(file, method)
        scale = records.read_array(maps, "cube_scale", row)
        return records.read_array(maps, "cube", row).astype(np.float32) * scale


def shard_fault(
    run: RunFolder,
    key: ShardKey,
    config: Config,
    *,
    cohort_digest: str,
    model_digest: str,
    n_columns: int,
) -> str:
    """What is wrong with a shard and what to do about it; empty if the shard is good.

    A good shard is undamaged, was made from this run's cohort and model with the present settings,
    and has the values of all genes and decoys.

    Parameters
    ----------
    cohort_digest, model_digest : str
        Digests of the cohort and of the model that explains the shard.
    n_columns : int
        `Cohort.n_columns`.

    Raises
    ------
    FileError
        If the shard cannot be read, or is of another kind or version: then a job must not write
        it anew.
    """
    path = run.shard(key)
    try:
        stored = hdf5.stored_attributes(path, SHARD_TYPE, remedy=REMEDY)
        chain.require_settings(path, stored, config, STAGE)
    except (MissingError, DamageError, StaleError) as error:
        return str(error)
    present = shard_attributes(config, cohort_digest, model_digest, key, n_columns)
    faults = [
        f"it was made with another {name}"
        for name, value in present.items()
        if name != chain.CONFIG and stored.get(name) != value
    ]
    return f"{path}: {'; '.join(faults)}; {REMEDY}" if faults else ""


def shard_faults(
    run: RunFolder, plan: Plan, keys: Sequence[ShardKey], config: Config
) -> dict[ShardKey, str]:
    """The fault of each shard that is not good; that of its model where this is missing or damaged.

    Every byte of the shards is checked. UnreadableError where one cannot be read.
    """
    faults: dict[ShardKey, str] = {}
    for model, of_model in itertools.groupby(keys, key=lambda key: key.model):
        try:
            digest = model_digest(run.model(model))
        except UnreadableError:
            raise
        except FileError as error:
            faults |= dict.fromkeys(of_model, str(error))
            continue
        for key in of_model:
            fault = shard_fault(
                run,
                key,
                config,
                cohort_digest=plan.cohort_digest,
                model_digest=digest,
                n_columns=plan.n_columns,
            )
            if fault:
                faults[key] = fault
    return faults


def shard_bytes(plan: Plan, keys: Iterable[ShardKey], config: Config) -> int:
    """Bytes that shards take at most, before compression."""
    of_sample = sample_bytes_of(config, n_columns=plan.n_columns, side=plan.side)
    return of_sample * sum(key.n_samples for key in keys)


def sample_bytes_of(config: Config, *, n_columns: int, side: int) -> int:
    """Bytes that the maps of one sample take in a shard, before compression.

    `n_columns` counts genes and decoys of both passes; `side` is that of the image, in pixels.
    """
    n_values = len(ranking_keys(config.explain.methods)) * n_columns
    n_pixels = len(config.explain.cubes) * side**2
    return (n_values + n_pixels) * np.dtype(np.float16).itemsize


def saliency_attributes(config: Config, sources: Mapping[str, str]) -> dict[str, str]:
    """Root attributes of saliency.h5: its settings, and digests of the cohort and the shards."""
    return chain.made_with(config, STAGE) | dict(sources)


def write_saliency(
    run: RunFolder,
    plan: Plan,
    sample_index: Mapping[ShardKey, np.ndarray],
    config: Config,
    sources: Mapping[str, str],
    coordinates: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> None:
    """Write saliency.h5: the replicates' shards as one virtual dataset a method and view.

    A dataset METHOD/view is (replicates, samples, genes + 2 decoys) float16, and `sample_index`
    (replicates, samples) int32 names the sample of each row. Missing shards leave no gap: the rows
    at the end stay 0, and their index is -1.

    Parameters
    ----------
    sample_index : mapping
        The shards that are there, in the order of the plan, and the indices of their samples.
    sources : mapping
        Digests of the cohort and of the shards.
    coordinates : mapping
        As for `write_shard`.
    """
    n_replicates = 1 + max(key.replicate for key in plan.shards)
    shape = (n_replicates, plan.n_samples, plan.n_columns)
    order = np.full(shape[:2], -1, dtype=np.int32)
    names = [key.name for key in ranking_keys(config.explain.methods)]
    layouts = {name: h5py.VirtualLayout(shape, np.float16) for name in names}
    n_rows = np.zeros(n_replicates, dtype=int)
    for key, index in sample_index.items():
        if key.null:
            continue
        first, n_samples = int(n_rows[key.replicate]), len(index)
        rows = slice(first, first + n_samples)
        path = run.shard(key)
        for name, layout in layouts.items():
            source = h5py.VirtualSource(
                str(path.relative_to(run.root)), name, (n_samples, shape[2]), np.float16
            )
            layout[key.replicate, rows] = source
        order[key.replicate, rows] = index
        n_rows[key.replicate] += n_samples
    attributes = saliency_attributes(config, sources)
    attributes |= records.requirement(config.explain.compression)
    with hdf5.create_file(run.saliency, SALIENCY_TYPE, attributes) as file:
        records.write_record(file, _SampleOrder(order))
        for name, layout in layouts.items():
            file.create_virtual_dataset(name, layout)
        name_dimensions(file, SALIENCY_DIMENSIONS, coordinates)


def _open(path: Path) -> AbstractContextManager[h5py.File]:
    return hdf5.open_file(path, SHARD_TYPE, remedy=REMEDY)


def _group(file: h5py.File, method: str) -> h5py.Group:
    with records.reading(file):
        return file[method]
