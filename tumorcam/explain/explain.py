"""Saliency of held-out samples, written as shards."""

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from tumorcam.applied.networks import judging_classifier
from tumorcam.cluster import preemption
from tumorcam.cluster.logs import logger
from tumorcam.cluster.processes import Background
from tumorcam.cluster.progress import progress
from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.layout import GeneLayout
from tumorcam.errors import PreemptedError, ShardError, TumorcamError
from tumorcam.explain import devices
from tumorcam.explain.shards import (
    MethodMaps,
    Shard,
    coordinates,
    shard_attributes,
    shard_fault,
    write_shard,
)
from tumorcam.explain.views import gene_views
from tumorcam.saliency import Explainer, Maps, sample_bytes
from tumorcam.settings.config import Config
from tumorcam.settings.methods import require_cubes
from tumorcam.storage.plan import ModelKey, ShardKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.network import Classifier

Record = TypeVar("Record")


class ShardSamples(NamedTuple):
    """The samples of a shard, before they are explained.

    `row` (samples,) int is the index in the cohort; `sample` (samples,) str the ID; `target`
    (samples, 1 + rivals) int the explained tumors, the sample's own first; `expression` (samples,
    genes) and `decoy_expression` (samples, decoys) float32 are log2(x + 1).
    """

    row: np.ndarray
    sample: np.ndarray
    target: np.ndarray
    expression: np.ndarray
    decoy_expression: np.ndarray

    def part(self, rows: slice) -> "ShardSamples":
        """Some of the samples."""
        return ShardSamples(*(values[rows] for values in self))


class Passes(NamedTuple):
    """The maps of a batch of samples, explained twice.

    In `present` each decoy has the true value of its gene, so that it differs from the gene only in
    what the network has learned. In `chance` it has its permuted value, as in training.
    """

    present: Maps
    chance: Maps


def rival_tumors(sample: str, own: int, tumors: Sequence[str], n_rivals: int) -> list[int]:
    """The rival tumors of a sample, drawn by a hash of its ID: the same on any machine, in any run.

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
    run: RunFolder,
    cohort: Cohort,
    keys: Sequence[ShardKey],
    config: Config,
    *,
    gpu: str = "",
    visible: bool = True,
) -> None:
    """Write some shards, such as those with one of `shards.shard_faults`.

    While TensorFlow computes a shard, one thread reads the samples of the next and another writes
    the previous one. When a signal asks the job to stop, the shard at hand is dropped.

    Parameters
    ----------
    gpu : str
        From `devices.take_gpu`.
    visible : bool
        Whether this process shows its progress.

    Raises
    ------
    FileError, ModelError
        If a model is missing, damaged, or belongs to another cohort.
    PreemptedError
        If a signal came before the last shard was explained.
    """
    reader = _Reader(run, cohort, config)
    names = coordinates(cohort.tumors, cohort.genes, cohort.decoy_gene)
    explainer: Explainer | None = None
    stopped: TumorcamError | None = None  # why it stops early
    model = None  # whose weights the explainer has
    with (
        preemption.deferred_stop() as stop_signal,
        Background() as reading,
        Background() as writing,
    ):
        ahead = [reading.add(reader.read, key) for key in keys[:1]]
        for i, key in enumerate(progress(keys, "explain", "shards", visible=visible)):
            try:
                classifier, samples = ahead.pop().result()
            except TumorcamError as error:
                stopped = error
                break  # the shards before this one are still written
            ahead = [reading.add(reader.read, following) for following in keys[i + 1 : i + 2]]
            if _is_written(run, cohort, key, config, classifier):
                continue  # by another array that runs at the same time
            if explainer is None:
                explainer = make_explainer(classifier, config, gpu)
            elif key.model != model:
                explainer.take_weights(classifier.network)
            model, path = key.model, run.shard(key)
            batches = explain_samples(samples, classifier, explainer)
            parts = [
                writing.add(batch_shard, path, passes, batch, classifier, config)
                for batch, passes in itertools.takewhile(lambda _: not stop_signal(), batches)
            ]
            if signal := stop_signal():
                msg = f"stopped by {signal}: {len(keys) - i} of {len(keys)} shards are left"
                stopped = PreemptedError(msg, signal)
                break  # as above
            attributes = shard_attributes(
                config, cohort.digest, classifier.digest, key, cohort.n_columns
            )
            writing.add(_write_parts, path, attributes, parts, config, names)
    if stopped is not None:
        raise stopped


class _Reader:
    """Reads samples and classifiers of shards. It keeps the last classifier for the next shard."""

    def __init__(self, run: RunFolder, cohort: Cohort, config: Config) -> None:
        self._run, self._cohort, self._config = run, cohort, config
        self._classifiers: dict[ModelKey, Classifier] = {}

    def read(self, key: ShardKey) -> tuple[Classifier, ShardSamples]:
        """The classifier and the samples of a shard."""
        if key.model not in self._classifiers:
            classifier = judging_classifier(self._run, self._cohort, key.model, self._config)
            self._classifiers = {key.model: classifier}
        samples = read_samples(self._cohort, key, self._config)
        return self._classifiers[key.model], samples


def _is_written(
    run: RunFolder, cohort: Cohort, key: ShardKey, config: Config, classifier: Classifier
) -> bool:
    return run.shard(key).exists() and not shard_fault(
        run,
        key,
        config,
        cohort_digest=cohort.digest,
        model_digest=classifier.digest,
        n_columns=cohort.n_columns,
    )


def make_explainer(classifier: Classifier, config: Config, gpu: str = "") -> Explainer:
    """The explainer of a classifier, with the config's methods and batch size.

    On a GPU the batch holds as many samples of a block as fit the free memory.

    Raises
    ------
    ConfigError
        If explain.cubes names a method that explain.methods does not name.
    """
    require_cubes(config.explain)
    batch_size, free = config.explain.batch_size, devices.free_bytes(gpu)
    if free is not None:
        batch_size = devices.fitting_batch_size(
            batch_size, config.explain.block, sample_bytes(classifier.network), free
        )
        logger.info("%d samples at once on GPU %s", batch_size, gpu)
    return Explainer(
        classifier.network,
        methods=config.explain.methods,
        layer=config.explain.cam_layer or None,
        batch_size=batch_size,
        precision=config.explain.precision,
    )


def read_samples(cohort: Cohort, key: ShardKey, config: Config) -> ShardSamples:
    """Read the samples of a shard, and choose the tumors for which they are explained."""
    index = cohort.rows_of(key)
    tumors = cohort.tumors.tolist()
    target = [
        [own, *rival_tumors(sample, own, tumors, config.explain.rivals)]
        for sample, own in zip(
            cohort.sample[index].tolist(), cohort.tumor[index].tolist(), strict=True
        )
    ]
    return ShardSamples(
        index,
        cohort.sample[index],
        np.array(target),
        cohort.expression(index),
        cohort.decoy_expression(index),
    )


def explain_samples(
    samples: ShardSamples, classifier: Classifier, explainer: Explainer
) -> Iterator[tuple[ShardSamples, Passes]]:
    """A batch of samples at a time, with the maps of all their targets.

    Without decoys there is one pass.
    """
    for start in range(0, len(samples.row), explainer.batch_size):
        batch = samples.part(slice(start, start + explainer.batch_size))
        images = classifier.images(batch.expression, batch.decoy_expression)
        chance = present = explainer(images, batch.target)
        if batch.decoy_expression.size:
            present = explainer(classifier.images(batch.expression), batch.target)
        yield batch, Passes(present, chance)


def batch_shard(
    path: Path, passes: Passes, samples: ShardSamples, classifier: Classifier, config: Config
) -> Shard:
    """One batch of samples and their maps as a part of a shard.

    Parameters
    ----------
    path : Path
        Of the shard, for messages.

    Raises
    ------
    ShardError
        If a value is not finite or exceeds the range of float16.
    """
    probability = classifier.held_out.probability_of(samples.row)
    methods = {
        name: _method_maps(
            values,
            passes.chance.methods[name],
            classifier.layout,
            f"{path}:/{name}",
            has_cube=name in config.explain.cubes,
        )
        for name, values in passes.present.methods.items()
    }
    own = samples.target[:, 0].astype(np.int16)
    return Shard(
        sample_index=samples.row.astype(np.int32),
        tumor=own,
        predicted=probability.argmax(axis=1).astype(np.int16),
        probability=probability,
        sample=samples.sample,
        target=own,
        rivals=samples.target[:, 1:].astype(np.int16),
        methods=methods,
    )


def _method_maps(
    values: np.ndarray, chance: np.ndarray, gene_layout: GeneLayout, where: str, *, has_cube: bool
) -> MethodMaps:
    """The maps of one method, of (samples, targets, [rows,] columns) float32 saliency.

    Genes, present decoys and the cube are from `values`, chance decoys from `chance`. The cube is
    square, also where the network gets the image as one row.
    """
    views, decoys = gene_views(values, gene_layout), slice(gene_layout.n_genes, None)
    of_chance = gene_views(chance, gene_layout)
    own = np.hstack([views.own, of_chance.own[:, decoys]])
    contrast = np.hstack([views.contrast, of_chance.contrast[:, decoys]])
    cube = peak = None
    if has_cube:
        squares = values[:, 0].reshape(-1, gene_layout.side, gene_layout.side)
        peak = np.abs(squares).max(axis=(1, 2))
        peak = np.where(peak == 0, 1, peak).astype(np.float32)
        cube = to_half(squares / peak[:, np.newaxis, np.newaxis], f"{where}/cube")
    return MethodMaps(
        own=to_half(own, f"{where}/own"),
        contrast=to_half(contrast, f"{where}/contrast"),
        scale=views.scale,
        cube=cube,
        cube_scale=peak,
    )


def _write_parts(
    path: Path,
    attributes: Mapping[str, str | int],
    parts: Sequence[Future[Shard]],
    config: Config,
    names: Mapping[str, np.ndarray],
) -> None:
    shard = _joined([part.result() for part in parts])
    compression = config.explain.compression
    write_shard(path, attributes, shard, compression=compression, coordinates=names)


def _joined(records: Sequence[Record]) -> Record:
    """One record whose arrays are the concatenated arrays of all records."""
    values = {
        field.name: _joined_values([getattr(record, field.name) for record in records])
        for field in fields(records[0])  # type: ignore[arg-type]
    }
    return type(records[0])(**values)


def _joined_values(values: Sequence[Any]) -> Any:
    if values[0] is None:
        return None
    if isinstance(values[0], np.ndarray):
        return np.concatenate(values)
    return {name: _joined([methods[name] for methods in values]) for name in values[0]}


def to_half(values: np.ndarray, where: str) -> np.ndarray:
    """The values as float16.

    Parameters
    ----------
    where : str
        File and dataset, for messages.

    Raises
    ------
    ShardError
        If a value is not finite or exceeds the range of float16.
    """
    limit = float(np.finfo(np.float16).max)
    largest = float(np.abs(values).max(initial=0.0))
    if not largest <= limit:
        msg = f"{where} holds {largest}, beyond float16's {limit:.0f}; the model may have diverged"
        raise ShardError(msg)
    return values.astype(np.float16)
