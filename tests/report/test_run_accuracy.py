from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from tumorcam.report.run_accuracy import (
    ENSEMBLE,
    SINGLE,
    accuracy_table,
    common_samples,
    correct_shares,
    mcnemar_test,
)


def cohort(samples, tumors):
    names = np.unique(tumors)
    return SimpleNamespace(
        sample=np.array(samples), tumors=names, tumor=np.searchsorted(names, tumors)
    )


def test_samples_are_matched_by_id_and_tumor():
    first = cohort(["a", "b", "c", "d"], ["X", "Y", "Y", "Z"])
    second = cohort(["b", "d", "e", "c"], ["Y", "Y", "Y", "Y"])
    common = common_samples(first, second)
    assert first.sample[common.first].tolist() == ["b", "c"]
    assert second.sample[common.second].tolist() == ["b", "c"]
    assert common.n_relabelled == 1  # d is Z in one and Y in the other


def test_the_test_counts_samples_that_one_alone_calls_right():
    first = np.array([1, 1, 1, 1, 1, 1, 0, 0.0])
    second = np.array([1, 0, 0, 0, 0, 0, 0, 1.0])
    test = mcnemar_test(first, second)
    assert (test.n_first, test.n_second) == (5, 1)
    assert test.p_value == pytest.approx(14 / 64)  # 2 (C(6,0) + C(6,1)) / 2^6
    reverse = mcnemar_test(second, first)
    assert (reverse.n_first, reverse.n_second, reverse.p_value) == (1, 5, test.p_value)


def test_equal_classifiers_have_p_one_and_no_sample_has_no_p():
    assert mcnemar_test(np.ones(3), np.ones(3)) == (0, 0, 1.0)
    assert np.isnan(mcnemar_test(np.ones(0), np.ones(0))).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_p_value_is_that_of_the_binomial_distribution(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 2, (2, 60)).astype(float)
    n, k = int((first != second).sum()), int((first > second).sum())
    tail = stats.binom.cdf(min(k, n - k), n, 0.5)
    assert mcnemar_test(first, second).p_value == pytest.approx(min(1, 2 * tail))


def test_shares_are_those_of_the_ensemble_the_networks_and_the_regression():
    probability = np.array(
        [
            [[0.9, 0.1], [0.4, 0.6], [np.nan, np.nan]],
            [[0.2, 0.8], [0.3, 0.7], [np.nan, np.nan]],
        ]
    )
    results = SimpleNamespace(classification=SimpleNamespace(probability=probability))
    regression = np.array([[0.1, 0.9], [0.1, 0.9], [0.9, 0.1]])
    baselines = SimpleNamespace(probability={"logistic_regression": regression})
    shares = correct_shares(results, baselines, np.array([0, 1, 0]))
    np.testing.assert_array_equal(shares[ENSEMBLE], [1, 1, np.nan])
    np.testing.assert_array_equal(shares[SINGLE], [0.5, 1, np.nan])
    np.testing.assert_array_equal(shares["Logistic regression"], [0, 1, 1])


def test_the_table_holds_both_runs_and_the_samples_in_common():
    common = common_samples(
        cohort(["a", "b", "c", "d"], ["X"] * 4), cohort(["b", "c", "d"], ["X"] * 3)
    )
    first = {ENSEMBLE: np.array([0, 1, 1, np.nan]), SINGLE: np.array([0, 0.5, 1, np.nan])}
    second = {ENSEMBLE: np.array([0.0, 1, 1]), SINGLE: np.array([0.5, 1, 1])}
    table = accuracy_table(first, second, common).set_index("classifier")
    row = table.loc[ENSEMBLE]
    assert (row["samples_a"], row["samples_b"], row["common_samples"]) == (3, 3, 2)
    assert row["accuracy_a"] == row["accuracy_b"] == pytest.approx(2 / 3)
    assert (row["common_a"], row["common_b"], row["difference"]) == (1.0, 0.5, -0.5)
    assert (row["only_a"], row["only_b"], row["p_value"]) == (1, 0, 1.0)
    single = table.loc[SINGLE]
    assert single["difference"] == pytest.approx(0.0)
    assert np.isnan(single[["only_a", "only_b", "p_value"]].to_numpy(float)).all()
