import warnings

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorcam.errors import ConfigError
from tumorcam.significance import classification

NAN = np.nan
TUMORS = np.array(["BRCA", "COAD", "LUAD", "READ"])
seeds = st.integers(0, 2**32 - 1)
fifty = settings(max_examples=50)


def one_hot(predicted, n_tumors):
    return np.eye(n_tumors, dtype=np.float32)[predicted]


def random_probability(rng, *shape):
    return rng.dirichlet(np.ones(4), shape).astype(np.float32)


# scores


def test_score_classifier_by_hand():
    tumor = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
    predicted = np.array([0, 0, 0, 1, 1, 1, 2, 2, 0, 1])
    scores = classification.score_classifier(one_hot(predicted, 4), tumor)
    assert scores.confusion.tolist() == [[3, 1, 0, 0], [0, 2, 0, 0], [1, 1, 2, 0], [0, 0, 0, 0]]
    assert scores.n.tolist() == [4, 2, 4, 0]
    assert scores.accuracy == 0.7
    assert scores.balanced_accuracy == 0.75
    assert scores.macro_f1 == pytest.approx((3 / 4 + 2 / 3 + 2 / 3) / 3)
    np.testing.assert_array_equal(scores.precision, [3 / 4, 1 / 2, 1.0, NAN])
    np.testing.assert_array_equal(scores.recall, [3 / 4, 1.0, 1 / 2, NAN])
    assert scores.recall_low[1] == pytest.approx(0.342, abs=5e-4)  # Wilson, 2 of 2
    assert scores.recall_high[1] == 1.0
    assert scores.expected_calibration_error == pytest.approx(0.3)  # sure, and right in 0.7


@fifty
@given(seeds)
def test_score_classifier_agrees_with_sklearn(seed):
    rng = np.random.default_rng(seed)
    tumor, probability = rng.integers(0, 4, 50), random_probability(rng, 50)
    tumor[tumor == rng.integers(0, 4)] = 2  # one tumor may have no samples
    predicted, present = probability.argmax(axis=1), np.unique(tumor)
    scores = classification.score_classifier(probability, tumor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sklearn's, for predicted tumors without samples
        balanced = sklearn.metrics.balanced_accuracy_score(tumor, predicted)
    precision, recall, _, n = sklearn.metrics.precision_recall_fscore_support(
        tumor, predicted, labels=range(4), zero_division=np.nan
    )
    f1 = sklearn.metrics.f1_score(
        tumor, predicted, labels=present, average="macro", zero_division=0
    )
    expected = sklearn.metrics.confusion_matrix(tumor, predicted, labels=range(4))
    np.testing.assert_array_equal(scores.confusion, expected)
    np.testing.assert_array_equal(scores.n, n)
    np.testing.assert_allclose(scores.precision, precision)
    np.testing.assert_allclose(scores.recall, recall)
    np.testing.assert_allclose(
        [scores.accuracy, scores.balanced_accuracy, scores.macro_f1],
        [sklearn.metrics.accuracy_score(tumor, predicted), balanced, f1],
    )


@fifty
@given(seeds)
def test_score_classifier_does_not_depend_on_sample_order(seed):
    rng = np.random.default_rng(seed)
    tumor, probability, order = rng.integers(0, 4, 50), random_probability(rng, 50), np.arange(50)
    rng.shuffle(order)
    one = classification.score_classifier(probability, tumor)
    other = classification.score_classifier(probability[order], tumor[order])
    np.testing.assert_array_equal(one.confusion, other.confusion)
    np.testing.assert_array_equal(one.recall_low, other.recall_low)
    assert one.macro_f1 == other.macro_f1
    assert one.expected_calibration_error == pytest.approx(other.expected_calibration_error)
    assert 0 <= one.expected_calibration_error <= 1


def test_reliability_table_by_hand():
    probability = np.array([[0.5, 0.5], [0.6, 0.4], [0.375, 0.625], [0.0, 1.0], [1.0, 0.0]])
    table = classification.reliability_table(probability, np.array([0, 1, 1, 1, 1]))
    assert table["samples"].tolist() == [0, 0, 0, 0, 1, 1, 1, 0, 0, 2]
    assert table["accuracy"].dropna().tolist() == [1.0, 0.0, 1.0, 0.5]
    assert table["confidence"].dropna().tolist() == [0.5, 0.6, 0.625, 1.0]
    assert (table["low"].iloc[4], table["high"].iloc[4]) == (0.4, 0.5)
    scores = classification.score_classifier(probability, np.array([0, 1, 1, 1, 1]))
    assert scores.expected_calibration_error == pytest.approx((0.5 + 0.6 + 0.375 + 1.0) / 5)


# ensembles


def test_ensemble_probability_by_hand():
    probability = np.array([[[1.0, 0.0]], [[0.5, 0.5]], [[0.0, 1.0]], [[0.5, 0.5]]], np.float32)
    found = classification.ensemble_probability(probability)
    assert found.dtype == np.float64
    assert found.tolist() == [[0.5, 0.5]]


def test_ensemble_probability_is_the_mean_of_the_replicates_that_have_the_sample():
    first, second = [[0.25, 0.75], [1.0, 0.0], [NAN, NAN]], [[0.75, 0.25], [NAN, NAN], [NAN, NAN]]
    lost = np.full((3, 2), NAN)  # a whole replicate
    ensemble = classification.ensemble_probability(np.array([first, lost, second], np.float32))
    np.testing.assert_array_equal(ensemble, [[0.5, 0.5], [1.0, 0.0], [NAN, NAN]])


def test_ensemble_probability_does_not_depend_on_other_samples():
    probability = random_probability(np.random.default_rng(0), 40, 30)
    together = classification.ensemble_probability(probability)
    alone = [classification.ensemble_probability(probability[:, [i]])[0] for i in range(30)]
    np.testing.assert_array_equal(together, alone)


# confusion


def test_merged_confusion_by_hand():
    confusion = np.array([[5, 0, 1, 0], [0, 4, 0, 2], [0, 0, 3, 0], [1, 3, 0, 1]])
    merged = classification.merged_confusion(confusion, TUMORS, groups=[("COAD", "READ")])
    assert merged.tumors.tolist() == ["BRCA", "COAD+READ", "LUAD"]
    assert merged.confusion.tolist() == [[5, 0, 1], [1, 10, 0], [0, 0, 3]]
    assert merged.accuracy == 18 / 20


@fifty
@given(seeds)
def test_merging_keeps_samples_and_never_lowers_accuracy(seed):
    confusion = np.random.default_rng(seed).integers(0, 9, (4, 4)) + np.eye(4, dtype=int)
    merged = classification.merged_confusion(confusion, TUMORS, groups=[("READ", "BRCA")])
    assert merged.confusion.sum() == confusion.sum()
    assert merged.accuracy >= np.trace(confusion) / confusion.sum()


def test_merging_passes_over_absent_tumors_and_refuses_overlap():
    confusion = np.diag([1, 2])
    merged = classification.merged_confusion(
        confusion, np.array(["BRCA", "COAD"]), groups=[("COAD", "READ"), ("GBM", "LGG")]
    )
    assert merged.tumors.tolist() == ["BRCA", "COAD"]
    np.testing.assert_array_equal(merged.confusion, confusion)
    with pytest.raises(ConfigError, match="overlap; name each tumor once"):
        classification.merged_confusion(confusion, TUMORS[:2], groups=[("A", "B"), ("B", "C")])


def test_confused_pairs_by_hand():
    confusion = np.array([[5, 0, 1, 0], [0, 4, 0, 4], [0, 0, 3, 0], [1, 3, 0, 0]])
    pairs = classification.confused_pairs(confusion, TUMORS, top=3)
    assert pairs.to_dict("list") == {
        "tumor": ["COAD", "READ", "BRCA"],
        "predicted": ["READ", "COAD", "LUAD"],
        "samples": [4, 3, 1],
        "share": [0.5, 0.75, 1 / 6],
    }
    assert classification.confused_pairs(np.diag([3, 3, 3, 3]), TUMORS, top=3).empty


# sources


def test_accuracy_by_source_counts_a_sources_own_tumors():
    tumor, source = np.array([0, 0, 1, 1, 1]), np.array(["b", "b", "a", "a", "b"])
    predicted = np.array([0, 2, 1, 1, 1])
    table = classification.accuracy_by_source(one_hot(predicted, 3), tumor, source)
    assert table.to_dict("list") == {
        "source": ["a", "b"],
        "samples": [2, 3],
        "tumors": [1, 2],
        "accuracy": [1.0, 2 / 3],
        "balanced": [1.0, 0.75],
        "macro_f1": [1.0, pytest.approx((2 / 3 + 1) / 2)],
    }


def test_one_source_scores_as_all_samples():
    rng = np.random.default_rng(2)
    tumor, probability = rng.integers(0, 4, 60), random_probability(rng, 60)
    table = classification.accuracy_by_source(probability, tumor, np.full(60, ""))
    whole = classification.score_classifier(probability, tumor)
    expected = [whole.accuracy, whole.balanced_accuracy, whole.macro_f1]
    assert table[["accuracy", "balanced", "macro_f1"]].to_numpy()[0].tolist() == expected
