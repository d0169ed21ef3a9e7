"""Samples whose values are on another scale than those of the others, which no setting reads."""

from collections.abc import Sequence

import numpy as np

from tumorcam.cohort.evidence import Evidence, EvidenceSum
from tumorcam.cohort.kept_values import KeptValues
from tumorcam.cohort.scale_reading import (
    FLOOR_TOLERANCE,
    MANY_NEGATIVES,
    MAX_LOG2,
    MAX_LOG_SKEWNESS,
    MIN_VALUES,
    TOIL_FLOOR,
)
from tumorcam.errors import InputError
from tumorcam.readers.wording import listed

MIN_LINEAR = 0.01  # share of the genes whose linear values are larger than any logarithm; and two
MAX_FINITE = 1e30  # larger values are faults
MAX_LOG_WHOLE = 0.5  # share of whole numbers; small counts are whole, their logarithms are not
MIN_GENES = 20  # of which a centred sample has a negative value, but for one chance in a million


class SampleFigures:
    """Numbers of values of each sample that tell its scale.

    Attributes
    ----------
    n_large : (samples,) int
        Finite values that are larger than any logarithm.
    n_negative : (samples,) int
    n_genes : int
    """

    def __init__(self, n_samples: int) -> None:
        self.n_large, self.n_negative = np.zeros((2, n_samples), int)
        self.n_genes = 0

    def add(self, band: np.ndarray) -> None:
        """Add the next genes: (genes, samples) float32."""
        self.n_genes += len(band)
        for total, mask in (
            (self.n_large, (band > MAX_LOG2) & (band < MAX_FINITE)),
            (self.n_negative, band < 0),
        ):
            if mask.any():
                total += mask.sum(axis=0)


def require_one_scale(
    figures: SampleFigures,
    evidence: Evidence,
    kept: KeptValues,
    is_gene: np.ndarray,
    names: Sequence[str],
) -> None:
    """Check that no samples are logarithms or centred where others are not.

    Parameters
    ----------
    figures, evidence
        Of the kept samples and the genes.
    is_gene : (rows,) bool
        Which rows of the matrix are genes.
    names : sequence of str
        The kept samples.

    Raises
    ------
    InputError
        If there are such samples; the message names them.
    """
    is_small = figures.n_large == 0
    n_min = max(2, MIN_LINEAR * figures.n_genes)
    if is_small.any() and (figures.n_large >= n_min).any():
        small = EvidenceSum(int(is_small.sum()))
        for genes, band in kept.only(is_small).bands():
            small.add(band[is_gene[genes]])
        of_small = small.result()
        is_log = of_small.skewness < MAX_LOG_SKEWNESS and of_small.whole_share < MAX_LOG_WHOLE
        if is_log and of_small.n_positive >= MIN_VALUES:
            _refuse(is_small, f"have values up to {of_small.largest:g}, as logarithms have", names)
    is_centred = figures.n_negative > MANY_NEGATIVES * figures.n_genes
    is_positive = figures.n_negative == 0
    is_toil = abs(evidence.smallest - TOIL_FLOOR) < FLOOR_TOLERANCE
    n_centred, n_positive = int(is_centred.sum()), int(is_positive.sum())
    if figures.n_genes >= MIN_GENES and not is_toil and n_centred and n_positive:
        fewer = is_positive if n_positive < n_centred else is_centred
        text = "no" if fewer is is_positive else "many"
        _refuse(fewer, f"have {text} negative values", names)


def _refuse(is_odd: np.ndarray, text: str, names: Sequence[str]) -> None:
    odd = [name for name, is_one in zip(names, is_odd, strict=True) if is_one]
    msg = (
        f"the samples are on different scales: {len(odd)} of {len(names)} ({listed(odd)}) {text}, "
        "unlike the others; bring all samples to one scale, or leave some out"
    )
    raise InputError(msg)
