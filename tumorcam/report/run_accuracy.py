"""How often the classifiers of two runs are right, and whether they differ in the same samples."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from tumorcam.cohort.cohort import Cohort
from tumorcam.report.classifier import BASELINE_NAMES, LOGISTIC_REGRESSION
from tumorcam.significance.classification import ensemble_probability
from tumorcam.significance.exact_sums import known_mean
from tumorcam.significance.tables import Significance
from tumorcam.training.baselines import Baselines

ENSEMBLE, SINGLE = "Ensemble of all networks", "Single network (mean)"
COUNTS = ("only_a", "only_b")  # columns of whole numbers, NaN without a test


class McNemarTest(NamedTuple):
    """Samples that the first or the second classifier alone calls right, and the p-value."""

    n_first: float
    n_second: float
    p_value: float


NO_TEST = McNemarTest(math.nan, math.nan, math.nan)


class CommonSamples(NamedTuple):
    """Samples that two cohorts both have, as indices of each, and those of another tumor.

    `first` and `second` (samples,) int are of the same samples in the same order. `n_relabelled`
    counts further samples that both have, but not with the same tumor.
    """

    first: np.ndarray
    second: np.ndarray
    n_relabelled: int


def common_samples(first: Cohort, second: Cohort) -> CommonSamples:
    """The samples that two cohorts both have under one ID and with one tumor."""
    _, i, j = np.intersect1d(first.sample, second.sample, return_indices=True)
    is_same = first.tumors[first.tumor[i]] == second.tumors[second.tumor[j]]
    return CommonSamples(i[is_same], j[is_same], int((~is_same).sum()))


def correct_shares(
    results: Significance, baselines: Baselines, tumor: np.ndarray
) -> dict[str, np.ndarray]:
    """How often each classifier of a run calls each held-out sample right.

    Parameters
    ----------
    tumor : (samples,) int
        Index of each sample's own tumor.

    Returns
    -------
    dict
        For each classifier (samples,) float64: 0 or 1, or for the single network the share of
        replicates that are right; NaN where no network explained the sample.
    """
    probability = results.classification.probability
    regression = baselines.probability[LOGISTIC_REGRESSION]
    replicates = np.stack([_is_correct(replicate, tumor) for replicate in probability])
    return {
        ENSEMBLE: _is_correct(ensemble_probability(probability), tumor),
        SINGLE: known_mean(replicates),
        BASELINE_NAMES[LOGISTIC_REGRESSION]: _is_correct(regression, tumor),
    }


def mcnemar_test(first: np.ndarray, second: np.ndarray) -> McNemarTest:
    """Exact two-sided McNemar test of two classifiers on the same samples; NaN without any sample.

    Parameters
    ----------
    first, second : (samples,) float
        1 where the classifier is right, else 0.

    References
    ----------
    McNemar 1947, doi:10.1007/BF02295996.
    """
    if not len(first):
        return NO_TEST
    n_first, n_second = int((first > second).sum()), int((second > first).sum())
    if not n_first + n_second:
        return McNemarTest(0, 0, 1.0)
    p_value = stats.binomtest(n_first, n_first + n_second).pvalue
    return McNemarTest(n_first, n_second, float(p_value))


def accuracy_table(
    first: dict[str, np.ndarray], second: dict[str, np.ndarray], common: CommonSamples
) -> pd.DataFrame:
    """A row for each classifier: its accuracy in both runs, and the difference.

    Parameters
    ----------
    first, second : dict
        From `correct_shares` of each run.
    common : CommonSamples
        Samples that both runs have.

    Returns
    -------
    DataFrame
        `accuracy_a` and `accuracy_b` are over `samples_a` and `samples_b`, all samples of a run.
        `common_a`, `common_b` and `difference` (B minus A) are over the `common_samples`, and so
        are `only_a` and `only_b`, the samples that one run alone calls right, and `p_value`. The
        mean of single networks has no test: its share in a sample is not 0 or 1.
    """
    rows = []
    for name, share_a in first.items():
        share_b = second[name]
        pair_a, pair_b = share_a[common.first], share_b[common.second]
        is_judged = ~(np.isnan(pair_a) | np.isnan(pair_b))
        pair_a, pair_b = pair_a[is_judged], pair_b[is_judged]
        test = NO_TEST if name == SINGLE else mcnemar_test(pair_a, pair_b)
        rows.append(
            {
                "classifier": name,
                "samples_a": int((~np.isnan(share_a)).sum()),
                "accuracy_a": float(known_mean(share_a)),
                "samples_b": int((~np.isnan(share_b)).sum()),
                "accuracy_b": float(known_mean(share_b)),
                "common_samples": len(pair_a),
                "common_a": float(known_mean(pair_a)),
                "common_b": float(known_mean(pair_b)),
                "difference": float(known_mean(pair_b) - known_mean(pair_a)),
                "only_a": test.n_first,
                "only_b": test.n_second,
                "p_value": test.p_value,
            }
        )
    return pd.DataFrame(rows)


def _is_correct(probability: np.ndarray, tumor: np.ndarray) -> np.ndarray:
    """(samples,) float64: 1 where the most probable tumor is right, else 0; NaN without any."""
    is_judged = ~np.isnan(probability).any(axis=1)
    called = np.nan_to_num(probability).argmax(axis=1)
    return np.where(is_judged, (called == tumor).astype(float), np.nan)
