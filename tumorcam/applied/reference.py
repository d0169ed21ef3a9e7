"""The file reference.h5: what new samples are held against, from the run's own samples.

How far a held-out sample lies from the tumors of the run, how far probabilities can be trusted, and
what missing genes cost. A run has one such file, whatever it is applied to.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from tumorcam.cohort.cohort import CHUNK_SAMPLES, Cohort
from tumorcam.cohort.images import Scaler
from tumorcam.settings.config import Config
from tumorcam.storage import chain, hdf5, integrity, records
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import model_digest

REFERENCE_TYPE = "tumorcam-reference"
REMEDY = "run `tumorcam apply`"
STAGE = "train"
SMALLEST = 1e-30  # probability whose logarithm is taken


@dataclass(frozen=True)
class FoldReference:
    """Where the tumors lie, for the samples that one fold holds out.

    Attributes
    ----------
    scaler : Scaler
        Mean and SD of each gene over the samples of the other folds.
    axes : (axes, genes) float32
        Principal components of these samples, standardised; rows are orthonormal.
    centre : (tumors, axes) float64
        Mean of each tumor along the axes, whitened.
    whitening : (axes, axes) float64
        Turns coordinates along the axes into whitened ones, in which the samples of a tumor
        scatter with variance 1 around its mean.
    """

    scaler: Scaler
    axes: np.ndarray
    centre: np.ndarray
    whitening: np.ndarray

    def distance(self, expression: np.ndarray) -> np.ndarray:
        """(samples,) float64: distance to the nearest tumor, in SDs within a tumor.

        The smallest Mahalanobis distance to the mean of a tumor, with one covariance for all
        tumors (Lee et al. 2018, arXiv:1807.03888), along the leading principal components.

        Parameters
        ----------
        expression : (samples, genes) float32
            log2(x + 1).
        """
        return self._nearest(self.scaler.standardise(expression) @ self.axes.T)

    def _nearest(self, coordinates: np.ndarray) -> np.ndarray:
        whitened = coordinates.astype(np.float64) @ self.whitening
        squares = [((whitened - centre) ** 2).sum(axis=1) for centre in self.centre]
        return np.asarray(np.sqrt(np.min(squares, axis=0)))


@dataclass(frozen=True)
class Calibration:
    """How far probabilities can be trusted, before and after they are calibrated.

    Attributes
    ----------
    temperature : float
        By which the logarithms of the ensemble's probabilities are divided (Guo et al. 2017,
        arXiv:1706.04599): above 1 the networks are too sure, below 1 not sure enough. Fitted on all
        held-out samples.
    before, after : (samples, tumors) float32
        Probabilities of the run's held-out samples; `after` with the temperature fitted on the
        samples of the other folds.
    """

    temperature: float
    before: np.ndarray
    after: np.ndarray


@dataclass(frozen=True)
class Reference:
    """What new samples are held against.

    Attributes
    ----------
    mean, sd : (genes,) float32
        Of log2(x + 1) over all samples of the run.
    tumor_mean : (tumors, genes) float32
        Mean over the samples of each tumor.
    folds : tuple of FoldReference
        One for each fold.
    distance : (samples,) float64
        `FoldReference.distance` of the run's samples, each by the fold that holds it out.
    recall : (tumors,) float64
        Share of each tumor's held-out samples that the networks together call right.
    calibration : Calibration
    missing : DataFrame
        What missing genes cost: share of the genes, accuracy of the ensemble without them, and the
        number of held-out samples that were judged.
    """

    mean: np.ndarray
    sd: np.ndarray
    tumor_mean: np.ndarray
    folds: tuple[FoldReference, ...]
    distance: np.ndarray
    recall: np.ndarray
    calibration: Calibration
    missing: pd.DataFrame

    def false_alarm(self, distance: np.ndarray) -> np.ndarray:
        """(samples,) float64: the share of the run's held-out samples that lie as far.

        (1 + held-out samples at this distance or farther) / (1 + held-out samples): the chance
        that a sample like those of the run would lie so far.
        """
        ordered = np.sort(self.distance)
        n_as_far = len(ordered) - np.searchsorted(ordered, distance, side="left")
        return np.asarray((1 + n_as_far) / (1 + len(ordered)))


def is_reference_current(run: RunFolder, cohort: Cohort, config: Config) -> bool:
    """Whether the file is there, and of these networks and settings."""
    return hdf5.is_complete(
        run.reference, REFERENCE_TYPE, reference_attributes(run, cohort, config)
    )


def store_reference(run: RunFolder, cohort: Cohort, config: Config, reference: Reference) -> None:
    """Write the reference of a run; FileError if the disk or a quota is full."""
    attributes = reference_attributes(run, cohort, config)
    with hdf5.create_file(run.reference, REFERENCE_TYPE, attributes) as file:
        records.write_record(file, reference)


def read_reference(path: Path) -> Reference:
    """Read the reference; FileError where it is missing or damaged."""
    with hdf5.open_file(path, REFERENCE_TYPE, remedy=REMEDY) as file:
        return records.read_record(file, Reference)


def blocks(n_samples: int) -> Iterator[slice]:
    """All samples, a chunk of the cohort's file at a time."""
    for start in range(0, n_samples, CHUNK_SAMPLES):
        yield slice(start, min(start + CHUNK_SAMPLES, n_samples))


def calibrated(probability: np.ndarray, temperature: float) -> np.ndarray:
    """(samples, tumors) float64: probabilities whose logarithms were divided by a temperature."""
    logarithm = np.log(np.maximum(probability.astype(np.float64), SMALLEST))
    return np.asarray(softmax(logarithm / temperature, axis=1))


def models_of(cohort: Cohort) -> list[ModelKey]:
    """All models of the run of a cohort."""
    return [ModelKey(r, f) for r in range(cohort.n_replicates) for f in range(cohort.n_folds)]


def reference_attributes(run: RunFolder, cohort: Cohort, config: Config) -> dict[str, str]:
    """Root attributes of the file: cohort, models and settings of the run."""
    digests = "".join(model_digest(run.model(key)) for key in models_of(cohort))
    models = {"cohort_digest": cohort.digest, "models_digest": integrity.text_digest(digests)}
    return models | chain.made_with(config, STAGE)
