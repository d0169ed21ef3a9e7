import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from tumorcam.cohort.images import (
    Scaler,
    fit_scaler,
    pick_genes,
    place_genes,
    standardised_features,
)
from tumorcam.cohort.layout import GeneLayout, random_layout


def rng(seed=0):
    return np.random.default_rng(seed)


def test_three_genes_and_a_decoy_on_a_4_by_4_image():
    layout = GeneLayout(4, np.array([0, 5, 15, 2], np.int32), np.array([1], np.int32))
    images = place_genes(np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32), layout)
    assert images.shape == (2, 4, 4, 1) and images.dtype == np.float32
    assert images[0, :, :, 0].tolist() == [[1, 0, 4, 0], [0, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 3]]
    assert pick_genes(images, layout).tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


@given(st.integers(1, 60), st.integers(0, 20), st.integers(1, 5), st.integers(0, 99))
def test_picking_undoes_placing(n_genes, n_decoys, n_samples, seed):
    decoy_gene = rng(seed).integers(0, n_genes, n_decoys).astype(np.int32)
    layout = random_layout(n_genes, decoy_gene, rng(seed))
    features = rng(seed).normal(size=(n_samples, n_genes + n_decoys)).astype(np.float32)
    images = place_genes(features, layout)
    assert np.array_equal(pick_genes(images, layout), features)
    assert np.array_equal(pick_genes(images[..., 0], layout), features), "without channels too"
    assert np.count_nonzero(images) == np.count_nonzero(features), "left-over pixels are 0"


def test_two_genes_are_standardised_by_hand():
    scaler = fit_scaler(np.array([[1, 7], [3, 7]], np.float32))
    assert scaler.mean.tolist() == [2, 7] and scaler.sd.tolist() == [1, 1]
    assert scaler.standardise(np.array([[3, 7], [0, 9]], np.float32)).tolist() == [[1, 0], [-2, 2]]


def test_features_of_two_genes_and_a_decoy_by_hand():
    """Means 2 and 7, SDs 1 and 2; the decoy is one of gene 1 and has its mean and SD."""
    layout = GeneLayout(2, np.array([0, 3, 1], np.int32), np.array([1], np.int32))
    scaler = Scaler(np.array([2, 7], np.float32), np.array([1, 2], np.float32))
    expression = np.array([[3, 7], [0, 9]], np.float32)
    permuted = np.array([[9], [5]], np.float32)
    features = standardised_features(expression, permuted, scaler, layout)
    assert features.tolist() == [[1, 0, 1], [-2, 1, -1]] and features.dtype == np.float32
    features = standardised_features(expression, None, scaler, layout)
    assert features.tolist() == [[1, 0, 0], [-2, 1, 1]] and features.dtype == np.float32


@given(st.integers(1, 30), st.integers(0, 20), st.integers(0, 99))
def test_without_values_of_their_own_decoys_have_those_of_their_genes(n_genes, n_decoys, seed):
    decoy_gene = rng(seed).integers(0, n_genes, n_decoys).astype(np.int32)
    layout = GeneLayout(9, rng(seed).permutation(81)[: n_genes + n_decoys], decoy_gene)
    expression = rng(seed).normal(8, 2, (5, n_genes)).astype(np.float32)
    scaler = fit_scaler(expression)
    true = standardised_features(expression, None, scaler, layout)
    given_anyway = standardised_features(expression, expression[:, decoy_gene], scaler, layout)
    np.testing.assert_array_equal(true, given_anyway)
    np.testing.assert_array_equal(true, scaler.standardise(expression)[:, layout.source_gene])


@given(st.integers(10, 40), st.integers(1, 20), st.floats(0.1, 10), st.integers(0, 99))
def test_training_samples_get_mean_0_and_sd_1(n_samples, n_genes, spread, seed):
    expression = rng(seed).normal(8, spread, (n_samples, n_genes)).astype(np.float32)
    values = fit_scaler(expression).standardise(expression)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(values.std(axis=0), 1, atol=1e-3)


def test_the_scaler_agrees_with_scikit_learns():
    expression = rng().gamma(2, 3, (300, 50)).astype(np.float32)
    theirs = StandardScaler().fit(expression)
    ours = fit_scaler(expression)
    np.testing.assert_allclose(ours.mean, theirs.mean_, rtol=1e-6)
    np.testing.assert_allclose(ours.sd, theirs.scale_, rtol=1e-6)
    np.testing.assert_allclose(
        ours.standardise(expression), theirs.transform(expression), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("level", [0.0, 0.1, 7.3, 1e4])
def test_a_constant_gene_becomes_0_and_not_noise(level):
    expression = np.full((1000, 2), level, np.float32)
    scaler = fit_scaler(expression)
    assert scaler.sd.tolist() == [1, 1]
    np.testing.assert_allclose(scaler.standardise(expression), 0, atol=1e-3)


def test_mean_and_sd_are_computed_in_float64():
    """In float32 the mean of two million values drifts."""
    expression = np.full((2_000_000, 1), 10.1, np.float32)
    expression[::2] += 0.5
    scaler = fit_scaler(expression)
    assert scaler.mean[0] == pytest.approx(10.35, abs=1e-5)
    assert scaler.sd[0] == pytest.approx(0.25, abs=1e-5)


def test_float16_input_still_gives_float32():
    scaler = Scaler(np.zeros(2, np.float32), np.ones(2, np.float32))
    assert scaler.standardise(np.ones((1, 2), np.float16)).dtype == np.float32
