"""Logistic regression and nearest neighbours on the same folds and genes as the networks."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from tumorcam.cluster.logs import logger, progress
from tumorcam.cohort.cohort import Cohort
from tumorcam.storage import hdf5, records

BASELINES_TYPE = "tumorcam-baselines"
REMEDY = "run `tumorcam train CONFIG --model baselines`"
MAX_ITERATIONS = 2_000  # at most; the default penalty (C = 1) converges well before
N_NEIGHBOURS = 5  # scikit-learn's default


@dataclass(frozen=True)
class Baselines:
    """Held-out probabilities of the baselines, each (samples, tumors) float32."""

    logistic_regression: np.ndarray
    nearest_neighbours: np.ndarray
    digest: str

    @property
    def probability(self) -> dict[str, np.ndarray]:
        """The probabilities by the name of the baseline."""
        return {name: getattr(self, name) for name in BASELINE_METHODS}


BASELINE_METHODS = tuple(f.name for f in fields(Baselines) if f.name != records.DIGEST)


def baseline_attributes(cohort_digest: str) -> dict[str, str]:
    """Root attributes of the baselines' file: its cohort."""
    return {"cohort_digest": cohort_digest}


def read_baselines(path: Path, cohort_digest: str) -> Baselines:
    """Read the baselines; FileError where they are missing, damaged, or of another cohort."""
    with hdf5.open_file(path, BASELINES_TYPE, remedy=REMEDY) as file:
        hdf5.require_cohort(file, path, cohort_digest, remedy=REMEDY)
        return records.read_record(file, Baselines)


def train_baselines(path: Path, cohort: Cohort, *, n_threads: int) -> None:
    """Write held-out probabilities of both baselines for every sample of the cohort."""
    attributes = baseline_attributes(cohort.digest)
    if hdf5.is_complete(path, BASELINES_TYPE, attributes):
        logger.info("baselines are there already")
        return
    expression = cohort.expression()
    shape = (len(cohort.tumor), len(cohort.tumors))
    probability = {name: np.zeros(shape, np.float32) for name in BASELINE_METHODS}
    with threadpool_limits(n_threads):
        for fold in progress(range(cohort.n_folds), "baselines", "folds"):
            held_out = cohort.fold == fold
            for name in BASELINE_METHODS:
                probability[name][held_out] = held_out_probability(
                    name, expression, cohort.tumor, held_out, n_tumors=len(cohort.tumors)
                )
    with hdf5.create_file(path, BASELINES_TYPE, attributes) as file:
        records.write_record(file, Baselines(digest="", **probability))
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
    from sklearn.linear_model import LogisticRegression  # seconds that readers do not wait for
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

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
