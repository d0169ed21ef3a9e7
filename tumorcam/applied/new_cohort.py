"""The cohort file of new samples: as a run's own, and what is particular to new samples."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.cohort.cohort import COHORT_TYPE, CohortFile
from tumorcam.storage import hdf5, records

REMEDY = "run `tumorcam apply`"
UNKNOWN = -1  # index of a tumor that is not known, or that the run does not have


@dataclass(frozen=True)
class NewSamples:
    """What is known of new samples besides their expression.

    Attributes
    ----------
    label : (samples,) str
        Tumor type in the samples table, which the run need not have; empty where unknown.
    n_missing : (samples,) int64
        How many of the run's genes the sample lacks.
    is_own : (samples,) bool
        Whether the patient is one of the run's: only networks that held it out judge the sample.
    genes : DataFrame
        A row for each gene of the run: gene; row (its ID in the new matrix, empty where it lacks
        the gene); missing (share of the samples without a value); mean and sd of log2(x + 1) over
        the new samples as they were read, before any alignment (NaN without values).
    """

    label: np.ndarray
    n_missing: np.ndarray
    is_own: np.ndarray
    genes: pd.DataFrame


@dataclass(frozen=True, kw_only=True)
class NewCohortFile(CohortFile):
    """A cohort file of new samples; `new` is what is particular to them.

    Genes, tumors and layouts are the run's. A missing value is the gene's mean in the training
    cohort. `samples.tumor_index` is -1 where the tumor type is unknown or not one of the run's, and
    `samples.fold` that of the networks that explain the sample.
    """

    new: NewSamples


@dataclass(frozen=True)
class _NewPart:
    """The part of `NewCohortFile` that a run's own cohort file lacks."""

    new: NewSamples


def read_new_samples(path: Path) -> NewSamples:
    """Read what is particular to new samples; FileError where the file is missing or damaged."""
    with hdf5.open_file(path, COHORT_TYPE, remedy=REMEDY) as file:
        return records.read_record(file, _NewPart).new
