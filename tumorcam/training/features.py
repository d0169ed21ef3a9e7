"""Standardised features of a model's samples. They stay on disk, so that memory does not grow."""

from dataclasses import dataclass

import numpy as np

from tumorcam.cluster.ahead import ahead
from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.images import (
    Scaler,
    features_without_decoys,
    fit_scaler,
    sample_blocks,
    standardised_features,
)
from tumorcam.cohort.layout import GeneLayout
from tumorcam.storage.stored_values import StoredValues


class StoredFeatures:
    """(samples, genes + decoys) float32 in a temporary file, sample by sample.

    Slices and arrays of indices give samples, as from an array. Any sample is one read of
    neighbouring bytes, so that training takes samples in whatever order it draws.

    Parameters
    ----------
    values : StoredValues
        Its rows are the samples.
    """

    def __init__(self, values: StoredValues) -> None:
        self._values = values

    def __len__(self) -> int:
        return self._values.shape[0]

    def __getitem__(self, samples: slice | np.ndarray) -> np.ndarray:
        if isinstance(samples, slice):
            return self._values.block(slice(*samples.indices(len(self))))
        return self._values.rows(samples)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of samples and of features."""
        return self._values.shape


@dataclass(frozen=True)
class SomeExpression:
    """The expression of some samples of a cohort, read where it is sliced.

    `rows` (samples,) int are ascending indices in the cohort. A slice gives (samples, genes)
    float32, log2(x + 1).
    """

    cohort: Cohort
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, samples: slice) -> np.ndarray:
        return self.cohort.expression(self.rows[samples])


@dataclass(frozen=True)
class HeldOutFeatures:
    """Features of samples as they are classified, with decoys at 0, read where they are sliced.

    `rows` is as in `SomeExpression`. A slice gives (samples, genes + decoys) float32.
    """

    cohort: Cohort
    rows: np.ndarray
    scaler: Scaler
    layout: GeneLayout

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, samples: slice) -> np.ndarray:
        expression = self.cohort.expression(self.rows[samples])
        return features_without_decoys(expression, self.scaler, self.layout)


def scaler_of(cohort: Cohort, rows: np.ndarray) -> Scaler:
    """The scaler of some samples of a cohort; the cohort file is read twice, block by block."""
    return fit_scaler(SomeExpression(cohort, rows))


def store_features(
    cohort: Cohort, rows: np.ndarray, scaler: Scaler, layout: GeneLayout
) -> StoredFeatures:
    """The features of some samples, in a temporary file beside the cohort file.

    Parameters
    ----------
    rows : (samples,) int
        Ascending indices in the cohort.

    Raises
    ------
    FileError
        If the disk or a quota is full: the file takes 4 bytes for each gene and decoy of a sample.
    """
    values = StoredValues(cohort.path.parent)

    def features(part: slice) -> np.ndarray:
        samples = rows[part]
        decoys = cohort.decoy_expression(samples)
        return standardised_features(cohort.expression(samples), decoys, scaler, layout)

    for block in ahead(features, sample_blocks(len(rows))):
        values.add_genes(block)
    return StoredFeatures(values)
