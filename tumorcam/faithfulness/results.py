"""The files faithfulness.h5 and, while its job works, responses/*.h5."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.config import Config
from tumorcam.errors import StaleError
from tumorcam.faithfulness.deletion import Deletion, Responses, SampleFalls
from tumorcam.faithfulness.ranking_checks import (
    Entrapment,
    MarkerLifts,
    Nulls,
    PlantedScores,
    Stability,
)
from tumorcam.storage import chain, hdf5, integrity, records
from tumorcam.storage.run_folder import RunFolder

FAITHFULNESS_TYPE, RESPONSES_TYPE = "tumorcam-faithfulness", "tumorcam-responses"
REMEDY = "run `tumorcam faithfulness`"
STAGE = "faithfulness"


@dataclass(frozen=True)
class FaithfulnessChecks:
    """All checks of a run; a part is None where the run lacks what it needs.

    `tumors` (tumors,), `methods` (methods,) and `rankings` (rankings,) are str, the last ones
    METHOD/view. `changes` and `controls` name the axes of `deletion`, which, like `retrained`, is
    about `methods` in one view alone. `marker_file` is the name of the user's list of markers.
    """

    tumors: np.ndarray
    methods: np.ndarray
    rankings: np.ndarray
    changes: tuple[str, ...]
    controls: tuple[str, ...]
    samples: SampleFalls
    deletion: Deletion
    retrained: pd.DataFrame
    stability: Stability
    nulls: Nulls | None
    entrapment: Entrapment | None
    markers: MarkerLifts | None
    planted: PlantedScores | None
    marker_file: str


@dataclass(frozen=True)
class Faithfulness(FaithfulnessChecks):
    """A file faithfulness.h5; `view` is that of `deletion` and `retrained`.

    `config` is the settings that it was made with, as JSON.
    """

    view: str
    config: str
    digest: str


def write_faithfulness(
    path: Path, attributes: Mapping[str, str], checks: FaithfulnessChecks
) -> None:
    """Write faithfulness.h5.

    Parameters
    ----------
    attributes : mapping
        Digests and settings, the view among them.
    """
    with hdf5.create_file(path, FAITHFULNESS_TYPE, attributes) as file:
        records.write_record(file, checks)


def read_faithfulness(path: Path, significance_digest: str, config: Config) -> Faithfulness | None:
    """The checks of these tables; None where there are none.

    Raises
    ------
    FileError
        If they are damaged; StaleError if they are of other tables or other settings.
    """
    if not os.path.lexists(path):
        return None
    attributes = hdf5.stored_attributes(path, FAITHFULNESS_TYPE, remedy=REMEDY)
    if attributes["significance_digest"] != significance_digest:
        raise StaleError(f"{path} was made from another significance.h5; {REMEDY}")
    chain.require_settings(path, attributes, config, STAGE)
    with hdf5.open_file(path, FAITHFULNESS_TYPE, remedy=REMEDY) as file:
        return records.read_record(file, Faithfulness, config=attributes["config"])


def list_digests(run: RunFolder, config: Config) -> dict[str, str]:
    """Digests of the list of markers and of the planted drivers; empty for a missing file."""
    files = {"markers": Path(config.faithfulness.markers), "truth": run.input.truth}
    return {
        f"{name}_digest": integrity.file_digest(file) if file.is_file() else ""
        for name, file in files.items()
    }


def has_responses(path: Path, attributes: Mapping[str, str]) -> bool:
    """Whether a block's responses were finished with these attributes."""
    return hdf5.is_complete(path, RESPONSES_TYPE, attributes)


def write_responses(path: Path, attributes: Mapping[str, str], responses: Responses) -> None:
    """Write the responses of one block of samples."""
    with hdf5.create_file(path, RESPONSES_TYPE, attributes) as file:
        records.write_record(file, responses)


def read_responses(path: Path) -> Responses:
    """The responses of one block; FileError where they are missing or damaged."""
    with hdf5.open_file(path, RESPONSES_TYPE, remedy=REMEDY) as file:
        return records.read_record(file, Responses)
