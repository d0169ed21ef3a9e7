import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from sklearn import metrics

from tumorcam.settings import ModelSettings
from tumorcam.training.network import build_network
from tumorcam.training.prediction import (
    image_logits,
    path_share,
    probabilities,
    validation_scores,
)


def test_probabilities_by_hand():
    """exp(0) and exp(log 3) are 1 and 3."""
    np.testing.assert_allclose(probabilities(np.log([[1.0, 3.0]])), [[0.25, 0.75]])


@given(st.integers(0, 10**6))
def test_probabilities_are_float64_and_sum_to_one(seed):
    logits = np.random.default_rng(seed).normal(0, 30, (5, 22)).astype(np.float32)
    probability = probabilities(logits)
    assert probability.dtype == np.float64
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(probability.argmax(axis=1), logits.argmax(axis=1))


def test_validation_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    logits, tumor = rng.normal(0, 3, (50, 4)), rng.integers(0, 4, 50)
    scores = validation_scores(logits, tumor)
    loss = metrics.log_loss(tumor, special.softmax(logits, axis=1))
    assert scores.loss == pytest.approx(loss)
    assert scores.accuracy == metrics.accuracy_score(tumor, logits.argmax(axis=1))


def test_extreme_logits_give_finite_scores():
    scores = validation_scores(np.array([[1e6, -1e6], [0.0, 1e9]]), np.array([1, 1]))
    assert np.isfinite(scores.loss)
    assert scores.accuracy == 0.5


def test_the_share_of_a_path_by_hand():
    """Two samples, two tumors: centred logits are +-2, of which the path gives +-1.5."""
    path = np.array([[3.0, 0.0], [0.0, 3.0]])
    other = np.array([[8.0, 7.0], [-7.0, -6.0]])
    assert path_share(path + other, path) == pytest.approx(0.75)


@given(st.integers(0, 10**6))
def test_shares_of_all_paths_sum_to_one_whatever_is_common(seed):
    rng = np.random.default_rng(seed)
    paths = rng.normal(0, rng.uniform(0.1, 5, (3, 1, 1)), (3, 20, 4))
    shares = [path_share(paths.sum(axis=0), path) for path in paths]
    assert sum(shares) == pytest.approx(1)
    assert path_share(paths[0], paths[0]) == pytest.approx(1)
    shifted = paths[0] + rng.normal(size=(20, 1)) + rng.normal(size=4)
    assert path_share(paths.sum(axis=0) + 3, shifted) == pytest.approx(shares[0])


def test_equal_logits_have_no_share():
    assert np.isnan(path_share(np.ones((3, 2)), np.zeros((3, 2))))


@pytest.mark.parametrize("size", [1, 2, 7, 8, 16, 63, 64, 100])
def test_a_sample_has_the_same_bits_with_any_others(size):
    rng = np.random.default_rng(0)
    network = build_network(ModelSettings(), side=16, n_tumors=5, rng=rng)
    images = rng.normal(size=(130, 16, 16, 1)).astype(np.float32)
    order = rng.permutation(130)
    parts = [image_logits(network, images[order[i : i + size]]) for i in range(0, 130, size)]
    np.testing.assert_array_equal(np.concatenate(parts), image_logits(network, images)[order])
