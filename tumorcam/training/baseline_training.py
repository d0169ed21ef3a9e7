"""Logistic regression and nearest neighbours on the same folds and genes as the networks."""

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
    Baselines,
    are_baselines_complete,
    write_baselines,
)

MAX_ITERATIONS = 2_000  # at most; the default penalty (C = 1) converges well before
N_NEIGHBOURS = 5  # scikit-learn's default


def train_baselines(path: Path, cohort: Cohort, config: Config) -> None:
    """Write held-out probabilities of both baselines for every sample of the cohort."""
    if are_baselines_complete(path, config, cohort.digest):
        logger.info("baselines are there already")
        return
    expression = cohort.expression()
    shape = (len(cohort.tumor), len(cohort.tumors))
    probability = {name: np.zeros(shape, np.float32) for name in BASELINE_METHODS}
    with threadpool_limits(config.run.threads_per_rank):
        for fold in progress(range(cohort.n_folds), "baselines", "folds"):
            held_out = cohort.fold == fold
            for name in BASELINE_METHODS:
                probability[name][held_out] = held_out_probability(
                    name, expression, cohort.tumor, held_out, n_tumors=len(cohort.tumors)
                )
    write_baselines(path, config, cohort.digest, Baselines(digest="", **probability))
    for name in BASELINE_METHODS:
        accuracy = (probability[name].argmax(axis=1) == cohort.tumor).mean()
        logger.info("%s: held-out accuracy %.3f", name, accuracy)


def held_out_probability(
    name: str, expression: np.ndarray, tumor: np.ndarray, held_out: np.ndarray, *, n_tumors: int
) -> np.ndarray:
    """(held-out samples, tumors) float64 probabilities of a baseline fitted to all other samples.

    Parameters
    ----------
    name : str
        One of BASELINE_METHODS.
    expression : (samples, genes) float32
        log2(x + 1); standardised by the samples that are not held out.
    tumor, held_out : (samples,) int, bool
    """
    classifier = (
        LogisticRegression(max_iter=MAX_ITERATIONS)
        if name == "logistic_regression"
        else KNeighborsClassifier(N_NEIGHBOURS)
    )
    pipeline = make_pipeline(StandardScaler(), classifier)
    pipeline.fit(expression[~held_out], tumor[~held_out])
    probability = np.zeros((int(held_out.sum()), n_tumors))
    probability[:, pipeline.classes_] = pipeline.predict_proba(expression[held_out])
    return probability
