"""Samples whose values are on another scale than those of the others, which no setting reads."""

from collections.abc import Sequence
from itertools import compress

import numpy as np

from tumorcam.cohort.evidence import (
    MAX_LOG2,
    MAX_LOG_SKEWNESS,
    MAX_LOG_WHOLE,
    Evidence,
    EvidenceSum,
)
from tumorcam.cohort.kept_values import KeptValues
from tumorcam.cohort.scale_reading import (
    FLOOR_TOLERANCE,
    MANY_NEGATIVES,
    MIN_VALUES,
    TOIL_FLOOR,
    read_scale,
)
from tumorcam.cohort.scales import MAX_VALUE
from tumorcam.errors import InputError
from tumorcam.readers.matrix import Matrix
from tumorcam.readers.wording import listed, plain

MIN_LINEAR = 0.01  # share of the genes whose linear values are larger than any logarithm; and two
MIN_OF_FILE, MAX_OF_FILE = 3, 32  # samples of a file by which its scale is told
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
            (self.n_large, (band > MAX_LOG2) & (band < MAX_VALUE)),
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


def require_scale_of_files(
    kept: KeptValues, is_gene: np.ndarray, names: Sequence[str], matrix: Matrix, scale: str
) -> None:
    """Check that no file of several is on another scale than the others.

    Parameters
    ----------
    kept : KeptValues
        The values of the samples `names`.
    is_gene : (rows,) bool
        Which rows of the matrix are genes.
    matrix : Matrix
        Its `sources` are the files of its samples.
    scale : str
        As `input.scale`; with as_is nothing is checked.

    Raises
    ------
    InputError
        If the values of some files fit the scale and those of others contradict it.
    """
    file_of = dict(zip(matrix.samples, matrix.sources, strict=False))
    columns: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        columns.setdefault(file_of.get(name, ""), []).append(column)
    columns = {file: of_file for file, of_file in columns.items() if len(of_file) >= MIN_OF_FILE}
    if len(columns) < 2 or scale == "as_is":
        return
    places = {
        file: of_file[:: max(1, len(of_file) // MAX_OF_FILE)] for file, of_file in columns.items()
    }
    sums = {file: EvidenceSum(len(place)) for file, place in places.items()}
    for genes, band in kept.bands():
        values = band[is_gene[genes]]
        for file, place in places.items():
            sums[file].add(values[:, place])
    readings = {file: read_scale(total.result()) for file, total in sums.items()}
    wrong = [file for file, reading in readings.items() if scale not in reading.scales]
    right = [file for file in readings if file not in wrong]
    if wrong and right:
        msg = (
            f"{plain(wrong[0])} is not on the scale of {plain(right[0])}: in the first, "
            f"{readings[wrong[0]].reason}; in the second, {readings[right[0]].reason} "
            f'({len(wrong)} of {len(readings)} files contradict input.scale = "{scale}"); bring '
            "all files to one scale, or leave some out"
        )
        raise InputError(msg)


def _refuse(is_odd: np.ndarray, text: str, names: Sequence[str]) -> None:
    odd = [*compress(names, is_odd)]
    msg = (
        f"the samples are on different scales: {len(odd)} of {len(names)} ({listed(odd)}) {text}, "
        "unlike the others; bring all samples to one scale, or leave some out"
    )
    raise InputError(msg)
