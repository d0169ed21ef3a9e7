"""Logistic regression and nearest neighbours on the same folds and genes as the networks."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from tumorcam.cluster.logs import logger
from tumorcam.cluster.progress import progress
from tumorcam.cohort.cohort import Cohort
from tumorcam.settings.config import Config
from tumorcam.training.baselines import (
    BASELINE_METHODS,
    MAX_LEARNED,
    Baselines,
    are_baselines_complete,
    write_baselines,
)

MAX_ITERATIONS = 2_000  # at most; the default penalty (C = 1) converges well before
N_NEIGHBOURS = 5  # scikit-learn's default
Read = Callable[[np.ndarray], np.ndarray]


def train_baselines(path: Path, cohort: Cohort, config: Config) -> None:
    """Write held-out probabilities of both baselines for every sample of the cohort."""
    if are_baselines_complete(path, config, cohort.digest):
        logger.info("baselines are there already")
        return
    shape = (len(cohort.tumor), len(cohort.tumors))
    probability = {name: np.zeros(shape, np.float32) for name in BASELINE_METHODS}
    with threadpool_limits(config.run.threads_per_rank):
        for fold in progress(range(cohort.n_folds), "baselines", "folds"):
            held_out = np.flatnonzero(cohort.fold == fold)
            learned, n_training = learned_samples(cohort, fold, config), (cohort.fold != fold).sum()
            if len(learned) < n_training:
                logger.info("baselines learn from %d of %d samples", len(learned), n_training)
            of_fold = held_out_probability(
                BASELINE_METHODS,
                cohort.expression,
                cohort.tumor,
                learned,
                held_out,
                n_tumors=len(cohort.tumors),
            )
            for name, values in of_fold.items():
                probability[name][held_out] = values
    write_baselines(path, config, cohort.digest, Baselines(digest="", **probability))
    for name in BASELINE_METHODS:
        accuracy = (probability[name].argmax(axis=1) == cohort.tumor).mean()
        logger.info("%s: held-out accuracy %.3f", name, accuracy)


def learned_samples(cohort: Cohort, fold: int, config: Config) -> np.ndarray:
    """(learned samples,) int, ascending: the samples that the baselines of a fold learn from.

    These are all training samples, or MAX_LEARNED of more. They are drawn at random by the run's
    seed, of each tumor the same share.
    """
    rng = config.rng("baselines", fold)
    training = rng.permutation(np.flatnonzero(cohort.fold != fold))
    tumor = cohort.tumor[training]
    place = np.empty(len(training))  # of a sample among those of its tumor, from 0 to 1
    for number in range(len(cohort.tumors)):
        own = tumor == number
        place[own] = np.arange(own.sum()) / max(1, own.sum())
    return np.sort(training[np.argsort(place, kind="stable")[:MAX_LEARNED]])


def held_out_probability(
    names: Sequence[str],
    read: Read,
    tumor: np.ndarray,
    learned: np.ndarray,
    held_out: np.ndarray,
    *,
    n_tumors: int,
) -> dict[str, np.ndarray]:
    """Probabilities of baselines, by their names: (held-out samples, tumors) float64.

    Parameters
    ----------
    names : sequence of str
        Of BASELINE_METHODS.
    read : callable
        Gives (samples, genes) float32 log2(x + 1) of ascending samples, MAX_LEARNED at most. They
        are standardised by the learned samples.
    tumor : (samples,) int
        Tumors of all samples, from 0 to n_tumors - 1.
    learned, held_out : (learned samples,), (held-out samples,) int
        Ascending indices of the samples to learn from, and of those to classify.
    """
    pipelines = {
        name: make_pipeline(
            StandardScaler(),
            LogisticRegression(max_iter=MAX_ITERATIONS)
            if name == "logistic_regression"
            else KNeighborsClassifier(N_NEIGHBOURS),
        )
        for name in names
    }
    expression = read(learned)
    for pipeline in pipelines.values():
        pipeline.fit(expression, tumor[learned])
    probability = {name: np.zeros((len(held_out), n_tumors)) for name in names}
    for start in range(0, len(held_out), MAX_LEARNED):
        block = slice(start, start + MAX_LEARNED)
        expression = read(held_out[block])
        for name, pipeline in pipelines.items():
            probability[name][block, pipeline.classes_] = pipeline.predict_proba(expression)
    return probability
