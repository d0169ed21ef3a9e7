"""Saliency of held-out samples, own and contrast, written as shards."""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tumorcam.cluster import preemption
from tumorcam.cluster.logs import logger, progress
from tumorcam.cluster.processes import Background
from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.layout import GeneLayout
from tumorcam.config import Config
from tumorcam.errors import ConfigError, ModelError, PreemptedError, ShardError
from tumorcam.explain import devices
from tumorcam.explain.views import VIEWS, gene_views
from tumorcam.saliency import Explainer, Maps, sample_bytes
from tumorcam.storage import hdf5, records
from tumorcam.storage.plan import (
    MODEL_TYPE,
    SHARD_TYPE,
    ModelKey,
    ShardKey,
    model_file,
    shard_attributes,
    shard_file,
)
from tumorcam.training.loop import softmax
from tumorcam.training.network import REMEDY, TrainedModel, read_model

CUBE_CHUNK = 8  # samples: a random one-sample read costs about 1 ms
BAND = 256  # genes of a chunk: what reduce reads at once


class Samples(NamedTuple):
    """The samples of a shard, as read.

    `row` (samples,) int in the cohort; `sample` (samples,) str; `target` (samples, 1 + rivals)
    int, own tumor first; `expression` (samples, genes) float32, log2(x + 1).
    """

    row: np.ndarray
    sample: np.ndarray
    target: np.ndarray
    expression: np.ndarray


def rival_tumors(sample: str, own: int, tumors: Sequence[str], n_rivals: int) -> list[int]:
    """The rivals of a sample, drawn by a hash of its ID: the same on any machine, in any run.

    Returns
    -------
    list of int
        `n_rivals` indices into `tumors` without `own`, or all others where there are fewer.
    """
    others = [i for i in range(len(tumors)) if i != own]
    return sorted(others, key=lambda i: hashlib.sha256(f"{sample}|{tumors[i]}".encode()).digest())[
        :n_rivals
    ]


def explain_shards(
    folder: Path,
    cohort: Cohort,
    wanted: Sequence[ShardKey],
    config: Config,
    *,
    gpu: str = "",
    shown: bool = True,
) -> int:
    """Write the shards that are missing among the wanted ones; how many those were.

    The next samples are read and the last ones written while TensorFlow computes. `gpu` is the one
    of `devices.take_gpu`. At a notice the shard at hand is dropped after its batch.

    Raises
    ------
    FileError, ModelError
        If a model is missing, damaged, or belongs to another cohort.
    PreemptedError
        If a notice came before the last shard was explained.
    """
    missing = [shard for shard in wanted if not _is_finished(folder, cohort, shard, config)]
    logger.info("%d of %d shards were there already", len(wanted) - len(missing), len(wanted))
    explainer: Explainer | None = None
    models: dict[ModelKey, TrainedModel] = {}  # the last one alone, of the reading thread

    def read(shard: ShardKey) -> tuple[TrainedModel, Samples]:
        if shard.model not in models:
            models.clear()
            models[shard.model] = read_run_model(folder, cohort, shard.model, config)
        return models[shard.model], read_samples(cohort, shard, config)

    explained = stopped = None  # the model whose weights the explainer has; why not all is done
    with preemption.deferred_stop() as noticed, Background() as reading, Background() as writing:
        ahead = [reading.add(read, shard) for shard in missing[:1]]
        for i, shard in enumerate(progress(missing, "explain", "shards", visible=shown)):
            trained, samples = ahead.pop().result()
            ahead = [reading.add(read, one) for one in missing[i + 1 : i + 2]]
            if explainer is None:
                explainer = make_explainer(trained, config, gpu)
            elif shard.model != explained:
                explainer.take_weights(trained.network)
            explained = shard.model
            path = shard_file(folder, shard)
            if path.exists() and _is_finished(folder, cohort, shard, config):
                continue  # by another array that runs at the same time
            batches = explain_samples(samples, trained, explainer)
            parts = [
                writing.add(batch_columns, path, maps, trained.layout, config)
                for maps in itertools.takewhile(lambda _: not noticed(), batches)
            ]
            if noticed():
                msg = f"{noticed()} came; {len(missing) - i} of {len(missing)} shards are left"
                stopped = PreemptedError(msg)
                break  # the shards before this one are still written
            attributes = shard_attributes(config, cohort.digest, trained.digest, shard)
            writing.add(write_shard, path, attributes, samples, parts, config)
    if stopped is not None:
        raise stopped
    return len(missing)


def _is_finished(folder: Path, cohort: Cohort, shard: ShardKey, config: Config) -> bool:
    digest = hdf5.stored_digest(model_file(folder, shard.model), MODEL_TYPE, remedy=REMEDY)
    attributes = shard_attributes(config, cohort.digest, digest, shard)
    return hdf5.is_complete(shard_file(folder, shard), SHARD_TYPE, attributes)


def read_run_model(folder: Path, cohort: Cohort, wanted: ModelKey, config: Config) -> TrainedModel:
    """A model of this run and cohort.

    Raises
    ------
    ModelError
        If genes or tumors of the model are not the cohort's.
    """
    path = model_file(folder, wanted)
    trained = read_model(path, config, cohort.digest, wanted.name)
    if not (
        np.array_equal(trained.genes, cohort.genes)
        and np.array_equal(trained.tumors, cohort.tumors)
        and np.array_equal(trained.layout.pixel, cohort.layout_of(wanted).pixel)
    ):
        msg = f"{path} has other genes, tumors or pixels than the cohort; delete it and {REMEDY}"
        raise ModelError(msg)
    return trained


def make_explainer(trained: TrainedModel, config: Config, gpu: str = "") -> Explainer:
    """The explainer of a model with the config's methods.

    It takes the config's batch size, on a GPU as many samples of a block as fit its free memory.

    Raises
    ------
    ConfigError
        If cubes are to be kept of a method that is not computed.
    """
    absent = sorted(set(config.explain.cubes) - set(config.explain.methods))
    if absent:
        msg = (
            f"explain.cubes names {', '.join(absent)}, but explain.methods is "
            f"{', '.join(config.explain.methods)}; name it in both or in neither"
        )
        raise ConfigError(msg)
    batch_size, free = config.explain.batch_size, devices.free_bytes(gpu)
    if free is not None:
        batch_size = devices.fitting_batch_size(
            batch_size, config.explain.block, sample_bytes(trained.network), free
        )
        logger.info("%d samples at once on GPU %s", batch_size, gpu)
    return Explainer(
        trained.network,
        methods=config.explain.methods,
        layer=config.explain.cam_layer or None,
        batch_size=batch_size,
        precision=config.explain.precision,
    )


def read_samples(cohort: Cohort, shard: ShardKey, config: Config) -> Samples:
    """A shard's samples with their targets."""
    index = np.flatnonzero(cohort.fold == shard.fold)[shard.start : shard.stop]
    tumors = cohort.tumors.tolist()
    target = [
        [own, *rival_tumors(sample, own, tumors, config.explain.rivals)]
        for sample, own in zip(
            cohort.sample[index].tolist(), cohort.tumor[index].tolist(), strict=True
        )
    ]
    return Samples(index, cohort.sample[index], np.array(target), cohort.expression(index))


def explain_samples(
    samples: Samples, trained: TrainedModel, explainer: Explainer
) -> Iterator[Maps]:
    """Maps of all targets, a batch at a time."""
    for start in range(0, len(samples.row), explainer.batch_size):
        batch = slice(start, start + explainer.batch_size)
        yield explainer(trained.images(samples.expression[batch]), samples.target[batch])


def batch_columns(
    path: Path, maps: Maps, gene_layout: GeneLayout, config: Config
) -> dict[str, np.ndarray]:
    """All computed columns of the shard of a path for at most one batch of samples.

    Raises
    ------
    ShardError
        If a value overflows float16.
    """
    probability = softmax(maps.logits.astype(np.float64))
    columns = {
        "probability": probability.astype(np.float32),
        "predicted": probability.argmax(axis=1).astype(np.int16),
    }
    for name, value in maps.methods.items():
        views = gene_views(value, gene_layout)
        columns[f"own/{name}"] = to_half(views.own, f"{path}:/own/{name}")
        columns[f"contrast/{name}"] = to_half(views.contrast, f"{path}:/contrast/{name}")
        columns[f"scale/{name}"] = views.scale
        if name in config.explain.cubes:
            peak = np.abs(value[:, 0]).max(axis=(1, 2))
            peak = np.where(peak == 0, 1, peak).astype(np.float32)
            columns[name] = to_half(value[:, 0] / peak[:, None, None], f"{path}:/{name}")
            columns[f"cube_scale/{name}"] = peak
    return columns


def write_shard(
    path: Path,
    attributes: dict[str, str | int],
    samples: Samples,
    parts: Sequence["Future[dict[str, np.ndarray]]"],
    config: Config,
) -> None:
    """Write a shard of the columns of its batches."""
    found = [part.result() for part in parts]
    columns = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
    columns |= {
        "sample": samples.sample,
        "sample_index": samples.row.astype(np.int32),
        "tumor": samples.target[:, 0].astype(np.int16),
        "target": samples.target[:, 0].astype(np.int16),
        "rivals": samples.target[:, 1:].astype(np.int16),
    }
    needed = sum(values.nbytes for values in columns.values())
    with hdf5.create_file(path, SHARD_TYPE, attributes, needed=needed) as file:
        for name, values in columns.items():
            chunks = None
            if values.ndim == 3:
                chunks = (CUBE_CHUNK, *values.shape[1:])
            elif name.startswith(VIEWS):
                chunks = (len(values), BAND)
            records.write_dataset(
                file,
                name,
                values,
                chunks=chunks,
                compression=config.explain.compression if chunks else "none",
            )


def to_half(values: np.ndarray, where: str) -> np.ndarray:
    """The values as float16.

    Raises
    ------
    ShardError
        If one is not finite or too large.
    """
    limit = float(np.finfo(np.float16).max)
    worst = float(np.abs(values).max(initial=0.0))
    if not worst <= limit:
        msg = f"{where} holds {worst}, beyond float16's {limit:.0f}; the model may have diverged"
        raise ShardError(msg)
    return values.astype(np.float16)
