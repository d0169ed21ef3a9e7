"""The file of the baselines: their held-out probabilities."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from tumorcam.settings.config import Config
from tumorcam.storage import chain, hdf5, records

BASELINES_TYPE = "tumorcam-baselines"
STAGE = "prepare"  # whose settings they depend on: they have none of their own
REMEDY = "run `tumorcam train CONFIG --model baselines`"
MAX_LEARNED = 10_000  # samples that a baseline learns from; it classifies as many at once


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


def read_baselines(path: Path, cohort_digest: str) -> Baselines:
    """Read the baselines; FileError where they are missing, damaged, or of another cohort."""
    attributes = hdf5.stored_attributes(path, BASELINES_TYPE, remedy=REMEDY)
    hdf5.require_cohort(attributes, path, cohort_digest, remedy=REMEDY)
    with hdf5.open_file(path, BASELINES_TYPE, remedy=REMEDY) as file:
        return records.read_record(file, Baselines)


def are_baselines_complete(path: Path, config: Config, cohort_digest: str) -> bool:
    """Whether the baselines of a cohort are finished."""
    return hdf5.is_complete(path, BASELINES_TYPE, baseline_attributes(config, cohort_digest))


def write_baselines(path: Path, config: Config, cohort_digest: str, baselines: Baselines) -> None:
    """Write the baselines; FileError if the disk or a quota is full."""
    attributes = baseline_attributes(config, cohort_digest)
    with hdf5.create_file(path, BASELINES_TYPE, attributes) as file:
        records.write_record(file, baselines)


def baseline_attributes(config: Config, cohort_digest: str) -> dict[str, str]:
    """Root attributes of the baselines' file: its cohort, and the cohort's settings."""
    return {"cohort_digest": cohort_digest} | chain.made_with(config, STAGE)
