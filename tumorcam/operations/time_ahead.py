"""How long a run takes on this machine, roughly, before any work is done."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorcam.cohort.cohort import Cohort
from tumorcam.settings.config import Config
from tumorcam.training.shapes import n_operations

SIDE = 1024  # of the matrices whose product is timed
N_PRODUCTS = 5  # the fastest counts; the first ones start the threads
EFFICIENCY = 0.6  # of the rate of matrix products that training and explaining reach, roughly
N_PASSES = 2  # of explaining: with the genes as they are, and with permuted ones
BACKWARD = 2  # passes backwards cost twice the pass forwards


@dataclass(frozen=True)
class TimeAhead:
    """Hours of this machine, all its processors together; training may stop earlier."""

    train: float
    explain: float


def time_ahead(config: Config, cohort: Cohort, rate: float) -> TimeAhead:
    """The time of the two long stages, from the operations of the networks.

    Parameters
    ----------
    rate : float
        Floating-point operations of matrix products per second, from `matrix_rate`.
    """
    side, n_tumors = cohort.layouts[0].side, len(cohort.tumors)
    forward, dense = n_operations(config.model, side, n_tumors)
    n_samples, n_runs = len(cohort.sample), 1 + config.layout.nulls
    n_trained = n_samples * (cohort.n_folds - 1) * cohort.n_replicates * n_runs
    train = n_trained * config.training.epochs * (1 + BACKWARD) * forward
    n_targets = min(1 + config.explain.rivals, n_tumors)
    explain = N_PASSES * (forward + n_targets * (dense + forward))
    n_explained = n_samples * cohort.n_replicates * n_runs
    per_hour = rate * EFFICIENCY * 3600
    return TimeAhead(train / per_hour, n_explained * explain / per_hour)


def matrix_rate() -> float:
    """Floating-point operations per second of matrix products in float32 on this machine."""
    matrix: np.ndarray[Any, Any] = np.ones((SIDE, SIDE), np.float32)
    seconds = []
    for _ in range(N_PRODUCTS):
        started = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - started)
    return 2 * SIDE**3 / min(seconds)


def hours_text(hours: float) -> str:
    """Such as 3.2 h, 14 min or 40 s."""
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{hours * 60:.0f} min" if hours >= 1 / 60 else f"{hours * 3600:.0f} s"
