"""The classifier in the report: networks, ensembles and baselines on the same held-out samples."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorcam.cohort.summary import confounded_tumors
from tumorcam.report.results import Run
from tumorcam.significance.classification import (
    ClassifierScores,
    accuracy_by_source,
    confused_pairs,
    ensemble_probability,
    merged_confusion,
    score_classifier,
)

MERGED = ("COAD", "READ")  # one disease by expression; READ is often lost to COAD
BASELINE_NAMES = {
    "logistic_regression": "Logistic regression",
    "nearest_neighbours": "Nearest neighbours (5)",
}
MAX_PAIRS = 10  # most confused pairs shown

Rows = list[dict[Any, Any]]  # a dict a row, by column


@dataclass(frozen=True)
class ClassifierRow:
    """A classifier's scores; `merged_accuracy` is NaN unless both of MERGED are present."""

    name: str
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    calibration_error: float
    merged_accuracy: float


@dataclass(frozen=True)
class ClassifierSummary:
    """What the page shows of the classifier; tables are lists of rows, `scores` the ensemble's."""

    rows: list[ClassifierRow]
    scores: ClassifierScores
    tumors: Rows
    sources: Rows
    confounded: list[str]
    pairs: Rows
    has_merged: bool


def summarise_classifier(run: Run) -> ClassifierSummary:
    """Scores of a single network, of growing ensembles and of the baselines."""
    tumor, names, probability = run.cohort.tumor, run.cohort.tumors, run.results.probability
    known = ~np.isnan(probability).any(axis=(0, 2))  # all but the samples of missing shards
    tumor, probability, source = tumor[known], probability[:, known], run.cohort.source[known]
    ensemble = ensemble_probability(probability)
    scores = score_classifier(ensemble, tumor)
    singles = [classifier_row("", one, tumor, names) for one in probability]
    rows = [mean_row(f"Single network (mean of {len(singles)})", singles)]
    rows += [
        classifier_row(f"Ensemble of {r}", ensemble_probability(probability[:r]), tumor, names)
        for r in ensemble_sizes(len(probability))
    ]
    rows += [
        classifier_row(BASELINE_NAMES[name], baseline[known], tumor, names)
        for name, baseline in run.baselines.probability.items()
    ]
    return ClassifierSummary(
        rows=rows,
        scores=scores,
        tumors=_tumor_rows(names, scores),
        sources=accuracy_by_source(ensemble, tumor, source).to_dict("records"),
        confounded=names[confounded_tumors(tumor, source)].tolist(),
        pairs=confused_pairs(scores.confusion, names, top=MAX_PAIRS).to_dict("records"),
        has_merged=set(MERGED) <= set(names.tolist()),
    )


def classifier_row(
    name: str, probability: np.ndarray, tumor: np.ndarray, tumors: np.ndarray
) -> ClassifierRow:
    """The scores of (samples, tumors) held-out probabilities."""
    scores = score_classifier(probability, tumor)
    merged = merged_confusion(scores.confusion, tumors, groups=[MERGED])
    return ClassifierRow(
        name=name,
        accuracy=scores.accuracy,
        balanced_accuracy=scores.balanced_accuracy,
        macro_f1=scores.macro_f1,
        calibration_error=scores.expected_calibration_error,
        merged_accuracy=merged.accuracy if set(MERGED) <= set(tumors.tolist()) else float("nan"),
    )


def mean_row(name: str, rows: list[ClassifierRow]) -> ClassifierRow:
    """The mean of several classifiers' scores."""
    return ClassifierRow(
        name,
        *(
            float(np.mean([getattr(row, score) for row in rows]))
            for score in (
                "accuracy", "balanced_accuracy", "macro_f1", "calibration_error", "merged_accuracy"
            )
        ),
    )  # fmt: skip


def ensemble_sizes(n_replicates: int) -> list[int]:
    """3, 6, 12 … and the number of replicates itself; none of a single one."""
    doubled = [3 * 2**i for i in range(n_replicates.bit_length())]
    return sorted({size for size in doubled if size < n_replicates} | {n_replicates} - {1})


def _tumor_rows(names: np.ndarray, scores: ClassifierScores) -> Rows:
    columns = [
        f"{score}{end}" for score in ("precision", "recall") for end in ("", "_low", "_high")
    ]
    return [
        {"tumor": name, "n": int(scores.n[t])}
        | {column: float(getattr(scores, column)[t]) for column in columns}
        for t, name in enumerate(names.tolist())
    ]
