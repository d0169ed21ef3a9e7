"""Scores of a classifier, from the probabilities that it gives to held-out samples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tumorcam.errors import ConfigError
from tumorcam.significance.exact_sums import known_mean
from tumorcam.significance.statistics import wilson_interval

CALIBRATION_BINS = 10  # of equal width from 0 to 1


@dataclass(frozen=True)
class ClassifierScores:
    """How well held-out samples are classified.

    `balanced_accuracy` and `macro_f1` are means over the tumors that have samples. `n` (tumors,)
    int counts the samples of a tumor. `precision` and `recall` (tumors,) float64 have 95 % Wilson
    intervals; they are NaN for a tumor that is never predicted or has no samples. `confusion`
    (tumors, tumors) int64 counts samples by own (row) and predicted tumor. `reliability` has a row
    for each calibration bin with the columns low, high, samples, confidence (its mean) and
    accuracy; the last two are NaN in an empty bin.
    """

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    expected_calibration_error: float
    n: np.ndarray
    precision: np.ndarray
    precision_low: np.ndarray
    precision_high: np.ndarray
    recall: np.ndarray
    recall_low: np.ndarray
    recall_high: np.ndarray
    confusion: np.ndarray
    reliability: pd.DataFrame


@dataclass(frozen=True)
class MergedConfusion:
    """`confusion` of `tumors` (str), some of them groups, and the `accuracy` that it gives."""

    tumors: np.ndarray
    confusion: np.ndarray
    accuracy: float


def ensemble_probability(probability: np.ndarray) -> np.ndarray:
    """Mean of the replicates' probabilities.

    Parameters
    ----------
    probability : (replicates, samples, tumors) float
        NaN where a replicate's shard is missing.

    Returns
    -------
    (samples, tumors) float64
        Over the replicates that have the sample; NaN for a sample that none has.
    """
    return known_mean(probability)


def score_classifier(probability: np.ndarray, tumor: np.ndarray) -> ClassifierScores:
    """Scores of held-out probabilities, each sample predicted as its most probable tumor.

    Parameters
    ----------
    probability : (samples, tumors) float
        Of equal probabilities the first tumor counts.
    tumor : (samples,) int
        Index of each sample's own tumor.

    References
    ----------
    Calibration: Guo et al. 2017, doi:10.48550/arXiv.1706.04599.
    """
    confusion = confusion_matrix(probability, tumor)
    n, n_predicted, n_correct = confusion.sum(axis=1), confusion.sum(axis=0), np.diag(confusion)
    precision, recall = wilson_interval(n_correct, n_predicted), wilson_interval(n_correct, n)
    reliability = reliability_table(probability, tumor)
    gap = (reliability["accuracy"] - reliability["confidence"]).abs()
    return ClassifierScores(
        accuracy=_accuracy(confusion),
        balanced_accuracy=_balanced_accuracy(confusion),
        macro_f1=_macro_f1(confusion),
        expected_calibration_error=float((gap * reliability["samples"]).sum() / n.sum()),
        n=n,
        precision=precision.share,
        precision_low=precision.low,
        precision_high=precision.high,
        recall=recall.share,
        recall_low=recall.low,
        recall_high=recall.high,
        confusion=confusion,
        reliability=reliability,
    )


def confusion_matrix(probability: np.ndarray, tumor: np.ndarray) -> np.ndarray:
    """(tumors, tumors) int64: samples by own (row) and most probable (column) tumor.

    Parameters are as in `score_classifier`.
    """
    n_tumors = probability.shape[1]
    pairs = tumor * n_tumors + probability.argmax(axis=1)
    return np.bincount(pairs, minlength=n_tumors**2).reshape(n_tumors, n_tumors)


def reliability_table(probability: np.ndarray, tumor: np.ndarray) -> pd.DataFrame:
    """Accuracy of the samples by the probability of their predicted tumor, in ten equal bins.

    A bin holds its upper edge. Parameters are as in `score_classifier`, the columns as in
    `ClassifierScores.reliability`.
    """
    confidence = probability.max(axis=1).astype(np.float64)
    edges = np.arange(CALIBRATION_BINS + 1) / CALIBRATION_BINS
    bin_index = np.searchsorted(edges[1:-1], confidence)
    correct = probability.argmax(axis=1) == tumor
    n, confidence_sum, n_correct = (
        np.bincount(bin_index, weights, minlength=CALIBRATION_BINS)
        for weights in (None, confidence, correct)
    )
    filled = np.where(n > 0, n, np.nan)
    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "samples": n,
            "confidence": confidence_sum / filled,
            "accuracy": n_correct / filled,
        }
    )


def merged_confusion(
    confusion: np.ndarray, tumors: np.ndarray, *, groups: Sequence[Sequence[str]]
) -> MergedConfusion:
    """The confusion matrix and accuracy when the tumors of a group count as one.

    Parameters
    ----------
    confusion : (tumors, tumors) int
    tumors : (tumors,) str
    groups : sequence of sequences of str
        Such as [("COAD", "READ")]; names that the cohort lacks are passed over. A group is called
        COAD+READ and stands where the first of its tumors stood.

    Raises
    ------
    ConfigError
        If a tumor is in two groups.
    """
    named = [name for group in groups for name in group]
    if len(set(named)) < len(named):
        msg = f"the groups of tumors to merge, {groups}, overlap; name each tumor once"
        raise ConfigError(msg)
    present = [[name for name in group if name in tumors] for group in groups]
    merged_name = {name: "+".join(group) for group in present for name in group}
    names = [merged_name.get(name, name) for name in tumors.tolist()]
    merged = list(dict.fromkeys(names))
    member = np.array([[name == group for name in names] for group in merged], dtype=np.int64)
    counts = member @ confusion @ member.T
    return MergedConfusion(np.array(merged), counts, _accuracy(counts))


def accuracy_by_source(
    probability: np.ndarray, tumor: np.ndarray, source: np.ndarray
) -> pd.DataFrame:
    """How well the samples of each source are classified.

    Parameters
    ----------
    probability, tumor
        As in `score_classifier`.
    source : (samples,) str
        Where each sample was measured.

    Returns
    -------
    DataFrame
        A row for each source, in sorted order. The columns are source, samples, tumors (the number
        of tumors that it has samples of), accuracy, balanced (the balanced accuracy) and macro_f1;
        the last two are means over the source's own tumors.
    """
    rows = []
    for name in np.unique(source):
        confusion = confusion_matrix(probability[source == name], tumor[source == name])
        rows.append(
            {
                "source": name,
                "samples": confusion.sum(),
                "tumors": confusion.any(axis=1).sum(),
                "accuracy": _accuracy(confusion),
                "balanced": _balanced_accuracy(confusion),
                "macro_f1": _macro_f1(confusion),
            }
        )
    return pd.DataFrame(rows)


def confused_pairs(confusion: np.ndarray, tumors: np.ndarray, *, top: int) -> pd.DataFrame:
    """The tumors most often taken for another, at most `top`, most samples first.

    Parameters
    ----------
    confusion : (tumors, tumors) int
    tumors : (tumors,) str

    Returns
    -------
    DataFrame
        tumor, predicted, samples, and their share of all the tumor's samples; ties in the order
        of `tumors`.
    """
    wrong = confusion - np.diag(np.diag(confusion))
    largest = np.argsort(-wrong, axis=None, kind="stable")[:top]
    own, predicted = np.divmod(largest[wrong.ravel()[largest] > 0], len(tumors))
    samples = wrong[own, predicted]
    return pd.DataFrame(
        {
            "tumor": tumors[own],
            "predicted": tumors[predicted],
            "samples": samples,
            "share": samples / confusion.sum(axis=1)[own],
        }
    )


def _accuracy(confusion: np.ndarray) -> float:
    return float(np.trace(confusion) / confusion.sum())


def _balanced_accuracy(confusion: np.ndarray) -> float:
    n = confusion.sum(axis=1)
    return float((np.diag(confusion)[n > 0] / n[n > 0]).mean())


def _macro_f1(confusion: np.ndarray) -> float:
    n, n_predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    return float((2 * np.diag(confusion) / np.maximum(n + n_predicted, 1))[n > 0].mean())
