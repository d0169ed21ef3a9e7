"""Scores of networks, ensembles and baselines on held-out samples, for the report."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from tumorcam.cohort.summary import confounded_tumors
from tumorcam.report.results import Run
from tumorcam.settings.config import Config
from tumorcam.significance.classification import (
    ClassifierScores,
    accuracy_by_source,
    confused_pairs,
    ensemble_probability,
    merged_confusion,
    score_classifier,
)
from tumorcam.training.baselines import MAX_LEARNED

MERGED = ("COAD", "READ")  # one disease by expression; READ is often lost to COAD
LOGISTIC_REGRESSION = "logistic_regression"
BASELINE_NAMES = {
    LOGISTIC_REGRESSION: "Logistic regression",
    "nearest_neighbours": "Nearest neighbours (5)",
}
MAX_PAIRS = 10  # of tumors that are confused most often
SHORTFALL_LEVEL = 0.05  # of the test whether the networks lie below logistic regression
MANY_LAYOUTS = 6  # beyond which more of them raised the accuracy no further (docs/history.md)
NO_REMEDY = "add samples, since no setting that helped elsewhere is left"
SMALL_SHARE = 1 / 3  # of the logits through the convolutions; below, the page says what it means

Rows = list[dict[Any, Any]]  # a dictionary for each row, by column


@dataclass(frozen=True)
class ClassifierRow:
    """The scores of a classifier; `merged_accuracy` is NaN unless the cohort has both of MERGED."""

    name: str
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    calibration_error: float
    merged_accuracy: float


@dataclass(frozen=True)
class Shortfall:
    """How far the networks together lie below logistic regression, and what may help.

    `only_regression` and `only_networks` count the samples that one of the two alone calls right.
    """

    only_regression: int
    only_networks: int
    p_value: float
    remedies: list[str]


@dataclass(frozen=True)
class ClassifierSummary:
    """The classifier on the page.

    Attributes
    ----------
    rows : list of ClassifierRow
        A single network, ensembles and baselines.
    scores : ClassifierScores
        The scores of the ensemble of all replicates.
    shortfall : Shortfall or None
        None unless the ensemble lies clearly below logistic regression.
    tumors, sources, pairs : Rows
        Scores of each tumor and of each source, and the most confused pairs of tumors.
    confounded : list of str
        Tumors whose samples come from a single source.
    has_merged : bool
        Whether the cohort has both tumors of MERGED.
    paths : str
        What share of the logits comes through the convolutions, in words; empty without a skip
        path beside them.
    learned : str
        How many training samples the baselines learned from, in words; empty if from all.
    """

    rows: list[ClassifierRow]
    scores: ClassifierScores
    shortfall: Shortfall | None
    tumors: Rows
    sources: Rows
    confounded: list[str]
    pairs: Rows
    has_merged: bool
    paths: str
    learned: str

    @property
    def regression(self) -> ClassifierRow:
        """The row of logistic regression."""
        name = BASELINE_NAMES[LOGISTIC_REGRESSION]
        return next(row for row in self.rows if row.name == name)


def summarise_classifier(run: Run) -> ClassifierSummary:
    """Scores of a single network, of growing ensembles and of the baselines.

    In a partial run a replicate without any sample is left out, and each classifier is scored on
    the samples for which it has a probability.
    """
    tumor, names = run.cohort.tumor, run.cohort.tumors
    probability = run.results.classification.probability
    probability = probability[~np.isnan(probability).all(axis=(1, 2))]
    ensemble = ensemble_probability(probability)
    is_explained = ~np.isnan(ensemble).any(axis=1)
    singles = [classifier_row("", replicate, tumor, names) for replicate in probability]
    rows = [mean_row(f"Single network (mean of {len(singles)})", singles)]
    rows += [
        classifier_row(
            f"Ensemble of {size}", ensemble_probability(probability[:size]), tumor, names
        )
        for size in ensemble_sizes(len(probability))
    ]
    ensemble, tumor, source = (v[is_explained] for v in (ensemble, tumor, run.cohort.source))
    rows += [
        classifier_row(BASELINE_NAMES[name], baseline[is_explained], tumor, names)
        for name, baseline in run.baselines.probability.items()
    ]
    scores = score_classifier(ensemble, tumor)
    return ClassifierSummary(
        rows=rows,
        scores=scores,
        shortfall=shortfall_of(
            ensemble.argmax(axis=1) == tumor,
            run.baselines.probability[LOGISTIC_REGRESSION][is_explained].argmax(axis=1) == tumor,
            run.config,
            n_replicates=len(probability),
        ),
        tumors=_tumor_rows(names, scores),
        sources=accuracy_by_source(ensemble, tumor, source).to_dict("records"),
        confounded=names[confounded_tumors(tumor, source)].tolist(),
        pairs=confused_pairs(scores.confusion, names, top=MAX_PAIRS).to_dict("records"),
        has_merged=set(MERGED) <= set(names.tolist()),
        paths="" if run.config.model.skip == "none" else path_words(run.convolution_share),
        learned=learned_words(run.cohort.fold),
    )


def path_words(convolution_share: float) -> str:
    """The share of the logits through the convolutions, 0 to 1, and what a small one means.

    Empty for NaN: a network whose logits are the same for all samples has no share.
    """
    if math.isnan(convolution_share):
        return ""
    words = (
        f"The convolutions account for {100 * convolution_share:.0f} % of the logits (mean over "
        "the networks). The linear path from the pixels accounts for the rest."
    )
    if convolution_share >= SMALL_SHARE:
        return words
    return (
        f"{words} So most of each prediction goes past the convolutions, and Grad-CAM maps show "
        "the smaller part of it."
    )


def learned_words(fold: np.ndarray) -> str:
    """How many training samples the baselines learned from; empty if from all.

    Parameters
    ----------
    fold : (samples,) int
        The fold that holds each sample out.
    """
    n_training = len(fold) - int(np.bincount(fold).min())
    if n_training <= MAX_LEARNED:
        return ""
    return (
        f" In each fold it learned from {MAX_LEARNED:,} of up to {n_training:,} training samples, "
        "drawn at random with the same share of each tumor."
    )


def shortfall_of(
    networks: np.ndarray, regression: np.ndarray, config: Config, *, n_replicates: int
) -> Shortfall | None:
    """The shortfall if the one-sided exact McNemar test finds one at 0.05, else None.

    Parameters
    ----------
    networks, regression : (samples,) bool
        Which samples the networks together and logistic regression call right.

    References
    ----------
    McNemar 1947, doi:10.1007/BF02295996.
    """
    only_regression = int((regression & ~networks).sum())
    only_networks = int((networks & ~regression).sum())
    n_different = only_regression + only_networks
    if not n_different:
        return None
    p_value = stats.binomtest(only_regression, n_different, alternative="greater").pvalue
    if p_value > SHORTFALL_LEVEL:
        return None
    remedies = []
    if n_replicates < MANY_LAYOUTS:
        remedies.append(f"raise layout.replicates (now {n_replicates})")
    if config.layout.spacing == 1:
        remedies.append("set layout.spacing = 2 (now 1)")
    if config.model.skip == "none":
        remedies.append('set model.skip = "linear" (now none), a path beside the convolutions')
    if config.training.input_dropout:
        remedies.append(
            f"lower training.input_dropout (now {config.training.input_dropout:g}), although "
            "that called fewer genes elsewhere"
        )
    remedies = remedies or [NO_REMEDY]
    return Shortfall(only_regression, only_networks, float(p_value), remedies)


def classifier_row(
    name: str, probability: np.ndarray, tumor: np.ndarray, tumors: np.ndarray
) -> ClassifierRow:
    """The scores of a classifier.

    Parameters
    ----------
    name : str
        The title of the row.
    probability : (samples, tumors) float
        Held-out probabilities. Samples with NaN do not count.
    tumor : (samples,) int
        Index of each sample's own tumor.
    tumors : (tumors,) str
        Names of the tumors.
    """
    has_probability = ~np.isnan(probability).any(axis=1)
    scores = score_classifier(probability[has_probability], tumor[has_probability])
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
    """The mean of the scores of several classifiers.

    `name` is that of the new row, and `rows` are the classifiers'.
    """
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
    """Sizes 3, 6, 12 … of ensembles, and the number of replicates; none for one replicate."""
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
