from types import SimpleNamespace

import numpy as np

from tumorcam.applied.batch_alignment import quantile_normalised, shift_and_scale

RNG = np.random.default_rng(3)


def test_each_gene_gets_the_mean_and_sd_of_training():
    band = RNG.normal(5, 2, (3, 500)).astype(np.float32)
    every = np.vstack([np.zeros((4, 500), np.float32), band])  # the band is genes 4 to 6
    mean, sd = every.mean(axis=1, dtype=float), every.std(axis=1, dtype=float)
    reference = SimpleNamespace(mean=np.arange(7.0), sd=np.linspace(0.5, 2, 7))
    moved = shift_and_scale(band, slice(4, 7), mean, sd, reference)
    np.testing.assert_allclose(moved.mean(axis=1), [4, 5, 6], atol=1e-4)
    np.testing.assert_allclose(moved.std(axis=1), reference.sd[4:], rtol=1e-4)
    assert moved.dtype == np.float32


def test_a_constant_gene_is_moved_to_the_mean_and_a_missing_value_stays():
    band = np.array([[2, 2, 2], [1, np.nan, 3]], np.float32)
    reference = SimpleNamespace(mean=np.array([7.0, 0.0]), sd=np.array([1.0, 5.0]))
    moved = shift_and_scale(
        band, slice(0, 2), np.array([2.0, 2.0]), np.array([0.0, 1.0]), reference
    )
    np.testing.assert_array_equal(moved, [[7, 7, 7], [-5, np.nan, 5]])


def test_each_sample_gets_the_distribution_and_keeps_its_order():
    values = np.array([[3, 1, 2], [10, 30, 20]], np.float32)
    profile = np.array([0.0, 1.0, 5.0])
    np.testing.assert_array_equal(quantile_normalised(values, profile), [[5, 0, 1], [0, 5, 1]])


def test_equal_values_share_the_mean_of_their_places():
    values = np.array([[4, 4, 9, 4]], np.float32)
    profile = np.array([0.0, 1.0, 5.0, 8.0])
    np.testing.assert_array_equal(quantile_normalised(values, profile), [[2, 2, 8, 2]])
