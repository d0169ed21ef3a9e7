"""Training samples of a model and their batches, which depend on seed, epoch and step alone."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tumorcam.cohort import splits
from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.images import Scaler, place_genes
from tumorcam.cohort.layout import GeneLayout
from tumorcam.errors import CohortError
from tumorcam.settings.config import Config
from tumorcam.storage.plan import ModelKey
from tumorcam.training.features import StoredFeatures, scaler_of, store_features


@dataclass(frozen=True)
class LearningSet:
    """Training or validation samples of one model, ready to be batched.

    `features` (samples, genes + decoys) float32 are standardised; `tumor` (samples,) is int.
    """

    features: StoredFeatures | np.ndarray
    tumor: np.ndarray


@dataclass(frozen=True)
class TrainingTask:
    """Everything that one model learns from; `role` (all samples,) int8 is as in `splits.roles`."""

    name: str
    role: np.ndarray
    scaler: Scaler
    layout: GeneLayout
    training: LearningSet
    validation: LearningSet


@dataclass(frozen=True)
class Batch:
    """Rows of one global batch.

    `images` are (samples, rows, columns, 1) float32; `targets` (samples, tumors) float32 include
    weights and smoothing; `masks` are (samples, units) float32, one a hidden dense layer, mean 1.
    With a skip path, a last mask (samples, 2) is 0 where the convolutions, or the skip path, are
    left out and 1 elsewhere.
    """

    images: np.ndarray
    targets: np.ndarray
    masks: tuple[np.ndarray, ...]


def training_task(cohort: Cohort, key: ModelKey, config: Config) -> TrainingTask:
    """The samples that a model learns from, with its scaler.

    Decoys carry their permuted values, which say nothing about the tumor beyond chance. All
    models of a null run learn from the same labels, permuted over patients. The features stay on
    disk, beside the cohort file.

    Raises
    ------
    CohortError
        If no patient is left to choose the epoch.
    FileError
        If the disk has no room for the features.
    """
    role = sample_roles(cohort, key, config)
    gene_layout = cohort.layout_of(key)
    index = {
        "training": np.flatnonzero(role == splits.TRAINING),
        "validation": np.flatnonzero(role == splits.VALIDATION),
    }
    scaler = scaler_of(cohort, index["training"])
    labels = cohort.tumor
    if key.null:
        labels = permuted_tumors(cohort.patient, cohort.tumor, config.rng("null", key.null))
    sets = {
        kind: LearningSet(store_features(cohort, rows, scaler, gene_layout), labels[rows])
        for kind, rows in index.items()
    }
    return TrainingTask(key.name, role, scaler, gene_layout, **sets)


def sample_roles(cohort: Cohort, key: ModelKey, config: Config) -> np.ndarray:
    """(samples,) int8: the role of each sample for a model, as in `splits.roles`.

    Raises
    ------
    CohortError
        If no patient is left to choose the epoch.
    """
    role = splits.roles(
        cohort.patient,
        cohort.tumor,
        cohort.fold == key.fold,
        validation=config.training.validation,
        rng=config.rng("validation", key.fold, key.replicate),
    )
    if not (role == splits.VALIDATION).any():
        msg = (
            f"{key.name}: no tumor has two patients outside fold {key.fold}, so that none is "
            "left for validation; use more patients a tumor or more splits.folds"
        )
        raise CohortError(msg)
    return role


def permuted_tumors(
    patients: np.ndarray, tumors: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Tumors permuted over patients, so that all samples of a patient keep the same tumor.

    Parameters
    ----------
    patients, tumors : (samples,) str, int
        Where a patient has several tumors, the first counts.

    Returns
    -------
    (samples,) int
    """
    _, first, patient = np.unique(patients, return_index=True, return_inverse=True)
    return rng.permutation(tumors[first])[patient]


def class_weights(tumor: np.ndarray, n_tumors: int, *, balanced: bool) -> np.ndarray:
    """The weight of a sample of each tumor, (tumors,) float32; the mean over all samples is 1."""
    counts = np.bincount(tumor, minlength=n_tumors)
    if not balanced:
        return np.ones(n_tumors, dtype=np.float32)
    n_present = np.count_nonzero(counts)
    return (len(tumor) / (n_present * np.maximum(counts, 1))).astype(np.float32)


@dataclass(frozen=True)
class BatchMaker:
    """All batches of one model's training."""

    config: Config
    name: str
    data: LearningSet
    layout: GeneLayout
    n_tumors: int

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch, in which every training sample occurs at least once."""
        return math.ceil(len(self.data.tumor) / self.config.training.batch_size)

    @functools.cached_property
    def _order(self) -> Callable[[int], np.ndarray]:
        """(samples,) int: the order of an epoch, each as likely as any other; kept for its steps.

        Neighbouring epochs may be at work at once.
        """
        n_samples = len(self.data.tumor)

        @functools.lru_cache(maxsize=2)
        def order(epoch: int) -> np.ndarray:
            return self.config.rng(self.name, "order", epoch).permutation(n_samples)

        return order

    @functools.cached_property
    def _weights(self) -> np.ndarray:
        """(tumors,) float32, as in `class_weights`."""
        balanced = self.config.training.class_weights
        return class_weights(self.data.tumor, self.n_tumors, balanced=balanced)

    def batch(self, epoch: int, step: int, rows: slice = slice(None)) -> Batch:
        """The given rows of one global batch, the same for any worker.

        The last batch of an epoch is filled up with the first samples of the epoch. Mixup (Zhang et
        al. 2018, arXiv:1710.09412) mixes each sample with one drawn at random.

        Parameters
        ----------
        epoch, step : int
            From 0; step within the epoch.
        rows : slice
            Part of the global batch.
        """
        training, size = self.config.training, self.config.training.batch_size
        n_samples = len(self.data.tumor)
        first = self._order(epoch)[(step * size + np.arange(size)) % n_samples][rows]
        rng = self.config.rng(self.name, "batch", epoch, step)
        second = rng.integers(0, n_samples, size)[rows]
        mixup = rng.beta(training.mixup, training.mixup, size) if training.mixup else np.ones(size)
        share = mixup.astype(np.float32)[rows, None]
        masks = [_mask(rng, (size, n), training.dropout) for n in self.config.model.dense]
        if self.config.model.skip != "none":
            masks.append(self._path_mask(epoch, step))
        added, kept = self._pixel_noise(rng)
        features, targets = self.data.features[first], self._targets(first)
        if training.mixup:
            features = share * features + (1 - share) * self.data.features[second]
            targets = share * targets + (1 - share) * self._targets(second)
        features = (features + _of_rows(added, rows)) * _of_rows(kept, rows)
        return Batch(place_genes(features, self.layout), targets, tuple(m[rows] for m in masks))

    def _targets(self, sample: np.ndarray) -> np.ndarray:
        tumor, smoothing = self.data.tumor[sample], self.config.training.label_smoothing
        sharp = np.eye(self.n_tumors, dtype=np.float32)[tumor]
        smooth = (1 - smoothing) * sharp + smoothing / self.n_tumors
        return smooth * self._weights[tumor][:, None]

    def _path_mask(self, epoch: int, step: int) -> np.ndarray:
        """(batch, 2) of 0 or 1: whether a sample has the convolutions, and the skip path.

        Not rescaled: where both are present, the network is the one that is used later.
        """
        dropped = self.config.training.path_dropout
        rng = self.config.rng(self.name, "paths", epoch, step)
        draw = rng.random((self.config.training.batch_size, 1), dtype=np.float32)
        return np.hstack([draw >= dropped, draw < 1 - dropped]).astype(np.float32)

    def _pixel_noise(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """What is added to the features of a batch, and what multiplies them; or one row."""
        training = self.config.training
        shape = (training.batch_size, self.data.features.shape[1])
        added = np.zeros((1, 1), np.float32)
        if training.input_noise:
            added = training.input_noise * rng.standard_normal(shape, dtype=np.float32)
        kept = np.ones((1, 1), np.float32)
        if training.input_dropout:
            kept = (rng.random(shape, dtype=np.float32) >= training.input_dropout).astype(
                np.float32
            )
        return added, kept


def _of_rows(noise: np.ndarray, rows: slice) -> np.ndarray:
    """The noise of some rows of a batch; all rows share a single one."""
    return noise[rows] if len(noise) > 1 else noise


def _mask(rng: np.random.Generator, shape: tuple[int, int], dropped: float) -> np.ndarray:
    kept = rng.random(shape, dtype=np.float32) >= dropped
    return kept.astype(np.float32) / np.float32(1 - dropped)
