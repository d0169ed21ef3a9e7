"""The file of the baselines: their held-out probabilities."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from tumorcam.storage import hdf5, records

BASELINES_TYPE = "tumorcam-baselines"
REMEDY = "run `tumorcam train CONFIG --model baselines`"


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
    with hdf5.open_file(path, BASELINES_TYPE, remedy=REMEDY) as file:
        hdf5.require_cohort(file, path, cohort_digest, remedy=REMEDY)
        return records.read_record(file, Baselines)


def are_baselines_complete(path: Path, cohort_digest: str) -> bool:
    """Whether the baselines of a cohort are finished."""
    return hdf5.is_complete(path, BASELINES_TYPE, _attributes(cohort_digest))


def write_baselines(path: Path, cohort_digest: str, baselines: Baselines) -> None:
    """Write the baselines; FileError if the disk or a quota is full."""
    with hdf5.create_file(path, BASELINES_TYPE, _attributes(cohort_digest)) as file:
        records.write_record(file, baselines)


def _attributes(cohort_digest: str) -> dict[str, str]:
    """Root attributes of the baselines' file: its cohort."""
    return {"cohort_digest": cohort_digest}
