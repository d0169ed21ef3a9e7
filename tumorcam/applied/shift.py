"""How the genes of new samples differ from those of the training cohort."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from tumorcam.applied.reference import Reference, blocks
from tumorcam.cohort.cohort import Cohort

SHIFTED = 0.5  # training SDs: from here on a gene counts as shifted
MIN_SAMPLES = 10  # below, no shift can be told from chance
N_ERRORS = 3  # standard errors that a shift must exceed


class Shift(NamedTuple):
    """The shift of each gene.

    `table` has the columns gene, shift and shift_within (training SDs); `is_shifted` (genes,) bool
    are the genes whose `shift_within` is 0.5 or more, up or down, and beyond chance.
    """

    table: pd.DataFrame
    is_shifted: np.ndarray


@dataclass(frozen=True)
class HangingCalls:
    """How new samples are shifted, and how many calls hang on it.

    Attributes
    ----------
    genes : DataFrame
        gene; shift, the mean of the new samples less the training cohort's, and shift_within, the
        mean over new samples of their value less the training mean of the tumor that they are
        called, both in training SDs (NaN below 10 samples); is_shifted.
    n_tested, n_changed : int
        Samples that were called anew with all shifted genes at their mean in training, and how many
        of them got another call.
    """

    genes: pd.DataFrame
    n_tested: int
    n_changed: int

    @property
    def n_shifted(self) -> int:
        """Number of shifted genes."""
        return int(self.genes["is_shifted"].sum())


def shifted_genes(cohort: Cohort, reference: Reference, call: np.ndarray) -> Shift:
    """How far the genes of new samples are shifted against the training cohort.

    Parameters
    ----------
    cohort : Cohort
        The new samples, as the networks get them.
    call : (samples,) int
        The tumor that each of them is called, which stands for what it should look like.
    """
    n, n_genes = len(cohort.sample), len(cohort.genes)
    total, within, squares = np.zeros((3, n_genes))
    for rows in blocks(n):
        expression = cohort.expression(rows).astype(np.float64)
        residual = expression - reference.tumor_mean[call[rows]]
        total += expression.sum(axis=0)
        within += residual.sum(axis=0)
        squares += (residual**2).sum(axis=0)
    sd = np.where(cohort.variance > 0, reference.sd, np.nan) if n >= MIN_SAMPLES else np.nan
    with np.errstate(invalid="ignore"):
        error = np.sqrt(np.maximum(squares / n - (within / n) ** 2, 0) / n)
        shift, shift_within = (total / n - reference.mean) / sd, within / n / sd
        is_shifted = (np.abs(shift_within) >= SHIFTED) & (np.abs(within / n) > N_ERRORS * error)
    table = pd.DataFrame({"gene": cohort.genes, "shift": shift, "shift_within": shift_within})
    return Shift(table.assign(is_shifted=is_shifted), is_shifted)
