"""The scales that the values of a matrix may have, by evidence."""

import math
from typing import NamedTuple

import numpy as np

from tumorcam.cohort.evidence import (
    MAX_LOG2,
    MAX_LOG_SKEWNESS,
    Evidence,
    relative_spread,
)

PER_MILLION = 1e6
TOIL_FLOOR = math.log2(0.001)  # -9.9658, the value of a gene without reads
FLOOR_TOLERANCE = 0.01
MAX_LOG_E = 18.5  # ln(x + 1) of a gene with 10^8 reads
MIN_VALUES = 100  # positive values; fewer say nothing of the shape
MIN_GENES = 10  # fewer say nothing by their sums
WHOLE = 0.98  # share of whole numbers among counts
MOSTLY_WHOLE = 0.3  # share of them among expected counts of genes
FRACTIONAL = 0.02  # RSEM's and salmon's expected counts have far more whole numbers than that
MANY_NEGATIVES = 0.1  # a batch-adjusted linear or log2 matrix has fewer
EQUAL = 0.005  # relative spread of sums that were made equal, and then rounded
UNEQUAL = 10.0  # times more spread have sums of the wrong exponential
MIN_LINEAR_SKEWNESS = 4.0  # of linear values
MIN_LINEAR_SPREAD = 50.0  # of sums of 2^x - 1, if x is linear
MANY_GENES = 1000  # among as many some have far more than 35 TPM
COUNTS = ("counts", "expected_counts")
LINEAR = ("rsem", "fpkm", "tpm")  # read in one way


class Reading(NamedTuple):
    """The scales that fit the values, the best one first, and the figures that say so."""

    scales: tuple[str, ...]
    reason: str


def read_scale(evidence: Evidence) -> Reading:
    """The scales that fit the values; all of them have as_is, the last one."""
    negatives = evidence.n_negative / max(1, evidence.n_values)
    if evidence.n_negative and abs(evidence.smallest - TOIL_FLOOR) < FLOOR_TOLERANCE:
        share = f"{evidence.floor_share:.1%} of the values are"
        return Reading(("log2_tpm_001", "as_is"), f"{share} log2(0.001) = -9.966, the smallest one")
    if negatives > MANY_NEGATIVES and evidence.largest <= MAX_LOG2:
        return _centred(evidence, negatives)
    if evidence.n_positive < MIN_VALUES:
        return _few(evidence)
    if evidence.whole_share >= WHOLE:
        scales = (*COUNTS, *LINEAR) if _sum_to_million(evidence) else COUNTS
        return Reading((*scales, "as_is"), f"{_whole(evidence)} are whole numbers, as counts are")
    if evidence.largest > MAX_LOG2:
        return _linear(evidence)
    return _small_values(evidence)


def _centred(evidence: Evidence, negatives: float) -> Reading:
    """Values around zero: z-scores, log ratios, or Toil's without a gene that has no reads."""
    is_toil = evidence.smallest >= TOIL_FLOOR and negatives <= 3 * MANY_NEGATIVES
    is_standardised = evidence.standardised_share > 0.5
    scales = ("as_is", "log2_tpm_001") if is_toil and not is_standardised else ("as_is",)
    z_scores = ", and the genes have mean 0 and standard deviation 1" if is_standardised else ""
    return Reading(scales, f"{negatives:.1%} of the values are negative{z_scores}")


def _few(evidence: Evidence) -> Reading:
    reason = f"there are only {evidence.n_positive} positive values to judge by"
    if evidence.largest > MAX_LOG2:
        return Reading((*COUNTS, *LINEAR, "as_is"), reason)
    scales = ("log2", *COUNTS, *LINEAR, "scaled_estimate", "log_e", "log2_counts", "log2_tpm_001")
    return Reading((*scales, "as_is"), reason)


def _linear(evidence: Evidence) -> Reading:
    """Fractional values too large for logarithms."""
    reason = f"the largest value, {evidence.largest:g}, is no logarithm, and {_whole(evidence)}"
    if _sum_to_million(evidence):
        reason = f"the values of each sample sum to a million, and {_whole(evidence)}"
        return Reading(("tpm", "fpkm", "rsem", "as_is"), f"{reason} are whole numbers")
    if evidence.whole_share > MOSTLY_WHOLE:
        return Reading((*COUNTS, "as_is"), f"{reason} are whole numbers, as of expected counts")
    if evidence.whole_share > FRACTIONAL:
        return Reading((*LINEAR, *COUNTS, "as_is"), f"{reason} are whole numbers")
    return Reading((*LINEAR, "expected_counts", "as_is"), f"{reason} are whole numbers")


def _small_values(evidence: Evidence) -> Reading:
    """Values that may be logarithms: none is larger than 35, and not all are whole numbers."""
    log_e, log2 = relative_spread(evidence.sums_exp), relative_spread(evidence.sums_exp2)
    if evidence.largest <= 1 and evidence.smallest >= 0 and evidence.n_genes >= MIN_GENES:
        return _fractions(evidence)
    if evidence.log2_counts_share > 0.5:
        share = f"{evidence.log2_counts_share:.1%} of the values up to log2(31)"
        return Reading(("log2_counts", "as_is"), f"{share} are log2(count + 1) of a whole count")
    if evidence.log_e_counts_share > 0.5:
        share = f"{evidence.log_e_counts_share:.1%} of the values up to ln(31)"
        return Reading(("log_e", "as_is"), f"{share} are ln(count + 1) of a whole count")
    if len(evidence.sums) > 2 and log_e < EQUAL and log2 > max(UNEQUAL * log_e, EQUAL / 5):
        total = f"{np.median(evidence.sums_exp):.5g}"
        return Reading(
            ("log_e", "as_is"), f"e^x - 1 sums to {total} in each sample; x is ln(x + 1)"
        )
    if len(evidence.sums) > 2 and log2 < EQUAL and log_e > max(UNEQUAL * log2, EQUAL / 5):
        total = f"{np.median(evidence.sums_exp2):.5g}"
        return Reading(("log2", "as_is"), f"2^x - 1 sums to {total} in each sample")
    if evidence.skewness > MIN_LINEAR_SKEWNESS and log2 > MIN_LINEAR_SPREAD:
        reason = f"as logarithms, the samples' sums would differ {log2:.0f}-fold"
        return Reading((*LINEAR, "as_is"), reason)
    return _logarithms(evidence)


def _fractions(evidence: Evidence) -> Reading:
    total = float(np.median(evidence.sums))
    if total <= 1.05:
        reason = f"all values are below 1, and those of a sample sum to {total:.3g}"
        return Reading(("scaled_estimate", "as_is"), reason)
    reason = "all values are from 0 to 1, as rescaled values are"
    return Reading(("log2", "log_e", "as_is"), reason)


def _logarithms(evidence: Evidence) -> Reading:
    log_e = ("log_e",) if evidence.largest <= MAX_LOG_E else ()
    scales = ["log2", *log_e]
    if not evidence.n_negative:
        scales.append("log2_counts")  # of expected counts, which are not whole
    if evidence.n_negative or (not evidence.zero_share and evidence.n_genes < MANY_GENES):
        scales.append("log2_tpm_001")
    is_clear = evidence.skewness < MAX_LOG_SKEWNESS or evidence.n_genes >= MANY_GENES
    if not is_clear:
        scales += LINEAR
    reason = f"the range is that of logarithms, and {_whole(evidence)} are whole numbers"
    return Reading((*scales, "as_is"), reason)


def _sum_to_million(evidence: Evidence) -> bool:
    sums = evidence.sums
    return (
        len(sums) > 0
        and bool(np.isclose(np.median(sums), PER_MILLION, rtol=EQUAL))
        and (relative_spread(sums) < EQUAL)
    )


def _whole(evidence: Evidence) -> str:
    return f"{evidence.whole_share:.1%} of the positive values"
