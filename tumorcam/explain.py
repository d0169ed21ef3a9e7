"""Saliency of held-out samples, own and contrast, written as shards."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tumorcam import images, model, shards, store
from tumorcam.cohort import Cohort
from tumorcam.config import Config, config_json
from tumorcam.errors import ConfigError, ModelError, ShardError
from tumorcam.layout import GeneLayout
from tumorcam.logs import logger, progress
from tumorcam.model import TrainedModel
from tumorcam.saliency import Explainer
from tumorcam.shards import Model, Shard
from tumorcam.training import softmax

VIEWS = ("own", "contrast")
CUBE_CHUNK = 8  # samples: a random one-sample read costs about 1 ms
BAND = 256  # genes of a chunk: what reduce reads at once


@dataclass(frozen=True)
class Views:
    """Own and contrast values of a batch, on one scale a sample.

    `own`, `contrast` (samples, genes + decoys) float32, dimensionless; `scale` (samples,) float32,
    0 where all maps are zero.
    """

    own: np.ndarray
    contrast: np.ndarray
    scale: np.ndarray


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


def own_and_contrast(genes: np.ndarray, *, n_genes: int) -> Views:
    """The two views of SCIENCE: own minus its median gene, own minus the mean of the rivals.

    Parameters
    ----------
    genes : (samples, 1 + rivals, genes + decoys) float32
        Maps at the pixels of genes and decoys, own target first.
    n_genes : int
        Decoys come after so many genes; they count neither in the scale nor in the median.

    Notes
    -----
    All maps of a sample are divided by one scale, the mean |S| over genes and maps: dividing each
    by its own would break the symmetry of the contrast under the null.
    """
    scale = np.abs(genes[:, :, :n_genes]).mean(axis=(1, 2), dtype=np.float64).astype(np.float32)
    divided = genes / np.where(scale == 0, 1, scale)[:, None, None]
    own, rivals = divided[:, 0], divided[:, 1:]
    median = np.median(own[:, :n_genes], axis=1, keepdims=True)
    return Views(own - median, own - rivals.mean(axis=1), scale)


def shard_attributes(
    config: Config, cohort_digest: str, model_digest: str, shard: Shard
) -> dict[str, str | int]:
    """Root attributes by which a finished shard is known to be the wanted one."""
    return {
        "cohort_digest": cohort_digest,
        "model_digest": model_digest,
        "config": config_json(config, ("explain",)),
        "shard": shard.name,
        "n_samples": shard.stop - shard.start,
    }


def explain_shards(
    folder: Path, cohort: Cohort, wanted: Sequence[Shard], config: Config, *, shown: bool = True
) -> int:
    """Write the shards that are missing among the wanted ones; how many those were.

    Raises
    ------
    FileError, ModelError
        If a model is missing, damaged, or belongs to another cohort.
    """
    explainer: Explainer | None = None
    trained: dict[Model, TrainedModel] = {}  # the last one alone
    n_written = 0
    for shard in progress(wanted, "explain", "shards", shown=shown):
        path = shards.shard_file(folder, shard)
        digest = store.stored_digest(
            shards.model_file(folder, shard.model), shards.MODEL_TYPE, remedy=model.REMEDY
        )
        attributes = shard_attributes(config, cohort.digest, digest, shard)
        if store.is_whole(path, shards.SHARD_TYPE, attributes):
            continue
        if shard.model not in trained:
            trained = {shard.model: read_run_model(folder, cohort, shard.model, config)}
            if explainer is None:
                explainer = make_explainer(trained[shard.model], config)
            else:
                explainer.take_weights(trained[shard.model].network)
        assert explainer is not None
        write_shard(path, cohort, shard, config, trained=trained[shard.model], explainer=explainer)
        n_written += 1
    logger.info("%d of %d shards were there already", len(wanted) - n_written, len(wanted))
    return n_written


def read_run_model(folder: Path, cohort: Cohort, wanted: Model, config: Config) -> TrainedModel:
    """A model of this run and cohort.

    Raises
    ------
    ModelError
        If genes or tumors of the model are not the cohort's.
    """
    path = shards.model_file(folder, wanted)
    trained = model.read_model(path, config, cohort.digest, wanted.name)
    if not (
        np.array_equal(trained.genes, cohort.genes)
        and np.array_equal(trained.tumors, cohort.tumors)
        and np.array_equal(trained.layout.pixel, cohort.layouts[wanted.replicate].pixel)
    ):
        msg = (
            f"{path} has other genes, tumors or pixels than the cohort; "
            f"delete it and {model.REMEDY}"
        )
        raise ModelError(msg)
    return trained


def make_explainer(trained: TrainedModel, config: Config) -> Explainer:
    """The explainer of a model with the config's methods and batch size.

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
    return Explainer(
        trained.network, methods=config.explain.methods, batch_size=config.explain.batch_size
    )


def write_shard(
    path: Path,
    cohort: Cohort,
    shard: Shard,
    config: Config,
    *,
    trained: TrainedModel,
    explainer: Explainer,
) -> None:
    """Explain one shard's samples for their own tumor and its rivals, and write them.

    Raises
    ------
    ShardError
        If a value overflows float16.
    """
    index = np.flatnonzero(cohort.fold == shard.fold)[shard.start : shard.stop]
    target = np.array(
        [
            [own, *rival_tumors(sample, own, cohort.tumors.tolist(), config.explain.rivals)]
            for sample, own in zip(
                cohort.sample[index].tolist(), cohort.tumor[index].tolist(), strict=True
            )
        ]
    )
    pictures = trained.images(cohort.expression(index))
    batch = config.explain.batch_size
    parts = [
        explain_batch(
            explainer, pictures[i : i + batch], target[i : i + batch], trained.layout, config
        )
        for i in range(0, len(index), batch)
    ]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    columns |= {
        "sample": cohort.sample[index],
        "sample_index": index.astype(np.int32),
        "tumor": cohort.tumor[index].astype(np.int16),
        "target": target[:, 0].astype(np.int16),
        "rivals": target[:, 1:].astype(np.int16),
    }
    attributes = shard_attributes(config, cohort.digest, trained.digest, shard)
    with store.create_file(path, shards.SHARD_TYPE, attributes) as file:
        for name, values in columns.items():
            chunks = None
            if values.ndim == 3:
                chunks = (CUBE_CHUNK, *values.shape[1:])
            elif name.startswith(VIEWS):
                chunks = (len(values), BAND)
            store.write_dataset(
                file,
                name,
                to_half(values, f"{path}:/{name}") if chunks else values,
                chunks=chunks,
                compression=config.explain.compression if chunks else "none",
            )


def explain_batch(
    explainer: Explainer,
    pictures: np.ndarray,
    target: np.ndarray,
    gene_layout: GeneLayout,
    config: Config,
) -> dict[str, np.ndarray]:
    """All computed columns of a shard for at most one batch of samples, float32.

    Parameters
    ----------
    pictures : (samples, rows, columns, 1) float32
    target : (samples, 1 + rivals) int
        Own tumor first.
    """
    maps = explainer(pictures, target)
    probability = softmax(maps.logits.astype(np.float64))
    columns = {
        "probability": probability.astype(np.float32),
        "predicted": probability.argmax(axis=1).astype(np.int16),
    }
    for name, value in maps.methods.items():
        flat = value.reshape(-1, *value.shape[2:])
        genes = images.pick_genes(flat, gene_layout).reshape(*value.shape[:2], -1)
        views = own_and_contrast(genes, n_genes=gene_layout.n_genes)
        columns[f"own/{name}"], columns[f"contrast/{name}"] = views.own, views.contrast
        columns[f"scale/{name}"] = views.scale
        if name in config.explain.cubes:
            peak = np.abs(value[:, 0]).max(axis=(1, 2))
            peak = np.where(peak == 0, 1, peak).astype(np.float32)
            columns[name] = value[:, 0] / peak[:, None, None]
            columns[f"cube_scale/{name}"] = peak
    return columns


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
