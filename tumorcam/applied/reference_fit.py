"""How the reference of a run is computed from its own samples."""

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA

from tumorcam.applied.reference import (
    SMALLEST,
    Calibration,
    FoldReference,
    Reference,
    blocks,
    calibrated,
    models_of,
    store_reference,
)
from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.images import Scaler
from tumorcam.settings.config import Config
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import read_held_out

N_AXES = 50  # principal components
MAX_FITTED = 2000  # samples of a fold from which the axes are fitted
SAMPLES_PER_AXIS = 4  # at least, so that a covariance can be estimated
TEMPERATURES = (0.1, 10.0)  # limits of the search


def write_reference(
    run: RunFolder, cohort: Cohort, config: Config, missing: pd.DataFrame
) -> Reference:
    """Compute and write the reference of a run.

    Parameters
    ----------
    missing : DataFrame
        As in `Reference`, from `missing_genes.missing_curve`.

    Raises
    ------
    FileError
        If a model is missing or damaged.
    """
    sums = _sums(cohort)
    folds, distance = fold_references(cohort, config, sums)
    whole = sums.scaler(np.ones(cohort.n_folds, bool))
    calibration = _calibration(run, cohort)
    is_right = calibration.before.argmax(axis=1) == cohort.tumor
    reference = Reference(
        mean=whole.mean,
        sd=whole.sd,
        tumor_mean=sums.tumor_mean(),
        folds=folds,
        distance=distance,
        recall=np.bincount(cohort.tumor, is_right) / sums.n_of_tumor,
        calibration=calibration,
        missing=missing,
    )
    store_reference(run, cohort, config, reference)
    return reference


def fold_references(
    cohort: Cohort, config: Config, sums: "_Sums | None" = None
) -> tuple[tuple[FoldReference, ...], np.ndarray]:
    """Where the tumors lie for each fold, and how far each sample lies from them.

    Parameters
    ----------
    sums : _Sums, or None
        Those of the cohort, if they are computed already.

    Returns
    -------
    tuple of FoldReference, (samples,) float64
        The distance of a sample is that of the fold that holds it out.
    """
    sums = sums or _sums(cohort)
    folds = tuple(_fold_reference(cohort, config, sums, fold) for fold in range(cohort.n_folds))
    distance = np.empty(len(cohort.sample))
    for rows in blocks(len(cohort.sample)):
        expression = cohort.expression(rows)
        for fold in range(cohort.n_folds):
            is_own = cohort.fold[rows] == fold
            distance[rows][is_own] = folds[fold].distance(expression[is_own])
    return folds, distance


def fit_temperature(probability: np.ndarray, tumor: np.ndarray) -> float:
    """The temperature with the smallest mean cross-entropy.

    Parameters
    ----------
    probability : (samples, tumors) float
    tumor : (samples,) int
        Each sample's own tumor.
    """
    logarithm = np.log(np.maximum(probability.astype(np.float64), SMALLEST))
    rows = np.arange(len(tumor))

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logarithm / np.exp(log_temperature), axis=1)
        return -float(scaled[rows, tumor].mean())

    limits = tuple(np.log(TEMPERATURES))
    return float(np.exp(minimize_scalar(loss, bounds=limits, method="bounded").x))


class _Sums:
    """Sums of expression over the samples of each fold and of each tumor, in float64.

    `n` (folds,), `total` and `squares` (folds, genes), `n_of_tumor` (tumors,) and `of_tumor`
    (tumors, genes).
    """

    def __init__(self, cohort: Cohort) -> None:
        shape = (cohort.n_folds, len(cohort.genes))
        self.n = np.bincount(cohort.fold, minlength=cohort.n_folds)
        self.total, self.squares = np.zeros(shape), np.zeros(shape)
        self.n_of_tumor = np.bincount(cohort.tumor, minlength=len(cohort.tumors))
        self.of_tumor = np.zeros((len(cohort.tumors), len(cohort.genes)))

    def scaler(self, is_used: np.ndarray) -> Scaler:
        """Mean and SD over the samples of some folds; the SD of a constant gene is 1."""
        n = self.n[is_used].sum()
        mean = self.total[is_used].sum(axis=0) / n
        variance = np.maximum(self.squares[is_used].sum(axis=0) / n - mean**2, 0)
        sd = np.where(variance <= 1e-9 * np.maximum(1, mean**2), 1, np.sqrt(variance))
        return Scaler(mean.astype(np.float32), sd.astype(np.float32))

    def tumor_mean(self) -> np.ndarray:
        """(tumors, genes) float32."""
        return (self.of_tumor / self.n_of_tumor[:, np.newaxis]).astype(np.float32)


def _sums(cohort: Cohort) -> _Sums:
    sums = _Sums(cohort)
    for rows in blocks(len(cohort.sample)):
        expression = cohort.expression(rows).astype(np.float64)
        sums.total += group_sums(expression, cohort.fold[rows], cohort.n_folds)
        sums.squares += group_sums(expression**2, cohort.fold[rows], cohort.n_folds)
        sums.of_tumor += group_sums(expression, cohort.tumor[rows], len(cohort.tumors))
    return sums


def group_sums(values: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """(groups, columns) float64: sums over the rows of each group.

    Parameters
    ----------
    values : (rows, columns) float64
    group : (rows,) int
        Number of each row's group; rows of -1 count in none.
    """
    member = group == np.arange(n_groups)[:, np.newaxis]
    return np.asarray(member.astype(np.float64) @ values)


def _fold_reference(cohort: Cohort, config: Config, sums: _Sums, fold: int) -> FoldReference:
    """The tumors as the samples of all other folds have them."""
    scaler = sums.scaler(np.arange(cohort.n_folds) != fold)
    is_used = cohort.fold != fold
    fitted = _some_samples(np.flatnonzero(is_used), config.rng("reference", fold))
    n_axes = min(N_AXES, max(1, len(fitted) // SAMPLES_PER_AXIS), len(cohort.genes))
    pca = PCA(n_axes, svd_solver="randomized", random_state=0)
    pca.fit(scaler.standardise(cohort.expression(fitted)))
    axes = pca.components_.astype(np.float32)
    parts = [scaler.standardise(cohort.expression(rows)) @ axes.T
             for rows in blocks(len(cohort.sample))]  # fmt: skip
    coordinates = np.concatenate(parts).astype(np.float64)[is_used]
    tumor = cohort.tumor[is_used]
    n_of_tumor = np.bincount(tumor, minlength=len(cohort.tumors))
    centre = group_sums(coordinates, tumor, len(cohort.tumors)) / n_of_tumor[:, np.newaxis]
    within = LedoitWolf(assume_centered=True).fit(coordinates - centre[tumor])
    whitening = np.linalg.cholesky(within.precision_)
    return FoldReference(scaler, axes, centre @ whitening, whitening)


def _some_samples(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """At most MAX_FITTED of the samples, ascending."""
    if len(samples) <= MAX_FITTED:
        return samples
    return np.sort(rng.choice(samples, MAX_FITTED, replace=False))


def _calibration(run: RunFolder, cohort: Cohort) -> Calibration:
    """The temperature of the ensemble, fitted on the samples that its networks held out."""
    before = np.zeros((len(cohort.sample), len(cohort.tumors)))
    for key in models_of(cohort):
        held_out = read_held_out(run.model(key))
        before[held_out.sample] += held_out.probability / cohort.n_replicates
    after = np.empty_like(before)
    for fold in range(cohort.n_folds):
        is_own = cohort.fold == fold
        temperature = fit_temperature(before[~is_own], cohort.tumor[~is_own])
        after[is_own] = calibrated(before[is_own], temperature)
    temperature = fit_temperature(before, cohort.tumor)
    return Calibration(temperature, before.astype(np.float32), after.astype(np.float32))
