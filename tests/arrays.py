"""Expression matrices in memory as readers and selections give them."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.cohort.selection import Selection
from tumorcam.cohort.summary import count_by_type
from tumorcam.cohort.tally import KEPT, READ, tally_of
from tumorcam.readers.inputs import Inputs
from tumorcam.readers.matrix import Drop, Fact, Matrix
from tumorcam.storage.stored_values import StoredValues


@dataclass
class ArrayExpression:
    """An array (samples, genes) as the matrix of an input."""

    matrix: np.ndarray
    samples: list[str] = field(default_factory=list)
    genes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.samples = self.samples or [f"s{i}" for i in range(self.matrix.shape[0])]
        self.genes = self.genes or [f"GENE{i}" for i in range(self.matrix.shape[1])]

    def inputs(self, table: pd.DataFrame) -> Inputs:
        """The input that it is together with a tidy samples table."""
        matrix = Matrix(
            path=Path("array"),
            samples=self.samples,
            genes=self.genes,
            values=StoredValues.of(self.matrix.T),
        )
        return Inputs(matrix, table, [], [])


def values_of(stored: StoredValues) -> np.ndarray:
    """(samples, genes): all values, in the order that cohorts have."""
    return stored.block(slice(0, stored.shape[0])).T


def selection_of(
    log2: np.ndarray, samples: pd.DataFrame, genes: np.ndarray, variance: np.ndarray
) -> Selection:
    """A selection of (samples, genes) values without drops."""
    return Selection(
        expression=StoredValues.of(log2.T),
        samples=samples,
        genes=genes,
        variance=variance,
        dropped=pd.DataFrame(columns=list(Drop._fields), dtype=str),
        facts=pd.DataFrame(columns=list(Fact._fields), dtype=str),
        counts=count_by_type(samples, samples),
        tally=tally_of(
            [("gene", READ, len(genes)), ("gene", KEPT, len(genes))],
            [("sample", READ, len(samples)), ("sample", KEPT, len(samples))],
        ),
    )
