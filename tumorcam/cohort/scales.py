"""Scales of expression values: what contradicts them, and the way to log2(x + 1)."""

import math
import re

import numpy as np

from tumorcam.cohort.evidence import MAX_LOG2, Evidence
from tumorcam.cohort.scale_reading import LINEAR, read_scale
from tumorcam.errors import InputError
from tumorcam.readers.matrix import Fact, Matrix

LOGARITHMS = ("log2", "log2_counts", "log_e", "log2_tpm_001")
COUNT_SCALES = ("counts", "expected_counts", "log2_counts")  # normalised by library sizes
NAMES_COUNTS = re.compile(r"count|numreads", re.I)  # a measure's name, of RSEM or salmon
PER_MILLION = 1e6
PSEUDOCOUNT = 0.001  # TPM that Toil adds. Vivian et al. 2017, doi:10.1038/nbt.3772; UCSC Xena's hub
MAX_VALUE = 1e30  # a cohort is stored as float32, whose largest value is 3e38
NEAR, LOG_ERROR = 0.02, 5e-5  # of whole counts whose logarithms have four decimals
COUNT_OVERFLOW = -(2.0**30)  # smaller values are counts that did not fit 32 bits


def check_scale(evidence: Evidence, scale: str, matrix: Matrix) -> list[Fact]:
    """What the values say of their scale, if they do not contradict it.

    Parameters
    ----------
    evidence : Evidence
        Of the samples and genes that are kept.
    scale : str
        As in `input.scale`.
    matrix : Matrix
        Its facts say what the file calls its values, and what other values it has. Values that it
        calls counts need not be whole numbers.

    Returns
    -------
    list of Fact
        The scale with its evidence; negative and infinite values, if there are any.

    Raises
    ------
    InputError
        If the values contradict the scale; the message names the scale that reads them right.
    """
    reading = read_scale(evidence)
    others = [name for name in reading.scales if name != scale]
    facts = {fact.topic: fact for fact in matrix.facts}
    measure = facts["measure"].text if "measure" in facts else ""
    is_named = scale == "counts" and NAMES_COUNTS.search(measure) and "rsem" in reading.scales
    if scale != "as_is" and scale not in reading.scales and not is_named:
        msg = (
            f'{matrix.path}: the values are not on the scale input.scale = "{scale}": '
            f"{reading.reason}; {_range(evidence)}; {_advice(scale, reading.scales, evidence)}"
            f"{_other_layers(facts.get('layer'))}"
        )
        raise InputError(msg)
    reason = f"{reading.reason}; {_range(evidence)}"
    return [Fact("scale", scale, reason, ", ".join(others)), *_strange_values(evidence)]


def likely_scales(evidence: Evidence) -> list[tuple[str, str]]:
    """The scales that fit the values, the best one first, each with the reason."""
    reading = read_scale(evidence)
    return [(scale, reading.reason) for scale in reading.scales]


def largest_value(scale: str) -> float:
    """The largest raw value of a scale that is no fault."""
    return MAX_LOG2 if scale in LOGARITHMS else MAX_VALUE


def to_counts(values: np.ndarray, scale: str) -> np.ndarray:
    """(genes, samples) float64: counts from values on one of `COUNT_SCALES`.

    Counts from rounded logarithms become whole again if they are as near to that as they were.
    """
    values = values.astype(np.float64)
    if scale != "log2_counts":
        return values
    counts = np.exp2(values) - 1
    whole = np.rint(counts)
    return np.where(np.abs(counts - whole) <= NEAR + LOG_ERROR * counts, whole, counts)


def to_log2(values: np.ndarray, scale: str, library: np.ndarray | None = None) -> np.ndarray:
    """(genes, samples) float32: log2(x + 1); values of the scales log2 and as_is stay as they are.

    Parameters
    ----------
    values : (genes, samples) float32
        A value that is no number of the scale, such as a negative count, gives NaN or -infinity.
    scale : str
        As in `input.scale`.
    library : (samples,) float64 or None
        Effective library sizes from `normalisation.library_sizes`, for `COUNT_SCALES`.
    """
    if scale in ("log2", "as_is"):
        return values.astype(np.float32, copy=False)
    linear = _to_linear(values, scale)
    if library is not None:
        linear = linear / library * PER_MILLION
    if scale == "log_e":
        return (linear / math.log(2)).astype(np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log2(linear + 1).astype(np.float32)


def _to_linear(values: np.ndarray, scale: str) -> np.ndarray:
    """(genes, samples) float64: x, on the scale of which log2(x + 1) is taken; log_e stays."""
    if scale == "scaled_estimate":
        return values.astype(np.float64) * PER_MILLION
    if scale == "log2_tpm_001":
        return np.maximum(np.exp2(values.astype(np.float64)) - PSEUDOCOUNT, 0)
    return to_counts(values, scale)


def _range(evidence: Evidence) -> str:
    odd = f", but for {evidence.n_odd} genes with larger ones" if evidence.n_odd else ""
    return f"the values range from {evidence.smallest:g} to {evidence.largest:g}{odd}"


def _other_layers(layer: Fact | None) -> str:
    """The other matrices of an .h5ad file, one of which may be what is meant."""
    if layer is None or not layer.others:
        return ""
    first = layer.others.split(",")[0].strip()
    return f'; or read another matrix of the file ({layer.others}), as input.layer = "{first}"'


def _advice(scale: str, scales: tuple[str, ...], evidence: Evidence) -> str:
    """What to set in place of a scale, and which other scales read the values in the same way."""
    may_be_counts = scale in COUNT_SCALES and "log2_counts" in scales
    is_open = math.isnan(evidence.log2_counts_share)  # no count is small enough to tell
    best = "log2_counts" if may_be_counts and is_open else scales[0]
    advice = f'set input.scale = "{best}"'
    same = [name for name in scales if name != best and best in LINEAR and name in LINEAR]
    if same:
        advice += f" ({' and '.join(same)} are read in the same way)"
    if may_be_counts and best == "log2":
        advice += ' if they are normalised, or to "log2_counts" if they are logarithms of counts'
    if best == "counts" and scale in LINEAR:
        advice += '; or write rounded values as log2(x + 1) and set input.scale = "log2"'
    if best in LINEAR and scale == "counts" and "expected_counts" in scales:
        advice += (
            ' if they are normalised for sequencing depth, or input.scale = "expected_counts" if '
            "they are not, as those of RSEM, salmon and kallisto"
        )
    return advice


def _strange_values(evidence: Evidence) -> list[Fact]:
    """Infinite and negative values, with what they usually come from."""
    facts = []
    if evidence.n_infinite:
        cause = "log2(0) is -infinity; log2(x + 1) never is"
        facts.append(Fact("values", f"{evidence.n_infinite} are infinite", cause))
    if evidence.n_negative:
        overflow = "; a count that does not fit 32 bits becomes so negative"
        cause = f"the smallest is {evidence.smallest:g}"
        is_overflow = evidence.smallest < COUNT_OVERFLOW
        text = f"{evidence.n_negative} are negative"
        facts.append(Fact("values", text, cause + (overflow if is_overflow else "")))
    return facts
