import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.settings import ModelSettings
from tumorcam.training.initial_weights import (
    LOGIT_SD,
    fit_initial_weights,
    main_directions,
    sparse_kernel,
)
from tumorcam.training.network import build_network


def rng(seed=0):
    return np.random.default_rng(seed)


def network_of(settings, side=8):
    return build_network(settings, side=side, n_tumors=3, rng=rng())


def features_before_relu(network, images):
    """What enters each layer's nonlinearity, by (layer's name, value after its pooling)."""
    value, linears = images, []
    for layer in network.layers:
        if isinstance(layer, keras.layers.MaxPooling2D):
            name, linear = linears.pop()
            linears.append((name, tf.nn.max_pool2d(linear, 2, 2, layer.padding.upper())))
        elif isinstance(layer, keras.layers.Conv2D):
            linear = tf.nn.conv2d(value, layer.kernel, 1, layer.padding.upper()) + layer.bias
            linears.append((layer.name, linear))
        elif isinstance(layer, keras.layers.Dense):
            linears.append((layer.name, tf.matmul(value, layer.kernel) + layer.bias))
        value = layer(value)
    return {name: linear.numpy() for name, linear in linears}


@given(n_filters=st.integers(1, 70), seed=st.integers(0))
def test_every_first_filter_looks_at_one_or_two_pixels(n_filters, seed):
    kernel = sparse_kernel(n_filters, rng(seed))
    assert kernel.shape == (3, 3, 1, n_filters)
    assert kernel.dtype == np.float32
    taps = np.count_nonzero(kernel, axis=(0, 1, 2))
    assert set(taps) <= {1, 2}
    np.testing.assert_allclose(np.abs(kernel[kernel != 0]), 0.5**0.5, rtol=1e-6)


def test_a_quarter_of_the_taps_is_negative():
    kernel = sparse_kernel(4000, rng())
    assert 0.2 < (kernel[kernel != 0] < 0).mean() < 0.3


def test_later_filters_lean_to_the_main_directions_of_their_patches():
    """Channel 1 varies ten times as much as channel 0: the filters look at it almost alone."""
    layer = keras.layers.Conv2D(4, 3, padding="same")
    values = rng().normal(size=(20, 6, 6, 2)).astype(np.float32) * np.array([1, 10], np.float32)
    layer(values)
    kernel = main_directions(layer, values)
    flat = kernel.reshape(-1, 4)
    np.testing.assert_allclose(flat.T @ flat, np.eye(4), atol=1e-12)
    assert (kernel[:, :, 1] ** 2).sum() > 0.99 * 4
    nudged = main_directions(layer, values * np.float32(1 + 1e-6))
    np.testing.assert_allclose(nudged, kernel, atol=1e-4)


def test_more_filters_than_patch_values_are_only_turned():
    layer = keras.layers.Conv2D(12, 3)
    values = rng().normal(size=(20, 6, 6, 1)).astype(np.float32)
    layer(values)
    assert np.linalg.matrix_rank(main_directions(layer, values).reshape(9, 12)) == 9


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_initial_scale_gives_unit_spread_and_the_documented_mean(padding):
    settings = ModelSettings(filters=(8, 16), dense=(64, 32), padding=padding)
    network = network_of(settings, side=12)
    images = rng().normal(0.3, 2, (200, 12, 12, 1)).astype(np.float32)
    fit_initial_weights(network, images)
    inputs = features_before_relu(network, images)
    for name in ("conv1", "conv2"):
        np.testing.assert_allclose(inputs[name].std(axis=(0, 1, 2)), 1, rtol=1e-3)
        np.testing.assert_allclose(inputs[name].mean(axis=(0, 1, 2)), 1, rtol=1e-3)
    for name, spread in (("dense1", 1), ("dense2", 1), ("logits", LOGIT_SD)):
        np.testing.assert_allclose(inputs[name].mean(axis=0), 0, atol=1e-3)
        np.testing.assert_allclose(inputs[name].var(axis=0).mean() ** 0.5, spread, rtol=1e-3)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_initial_scale_of_a_row_with_strides_and_poolings(batch_norm):
    """The values before each ReLU, taken from a network of the layers up to there."""
    settings = ModelSettings(
        image="row", filters=(8, 6), kernel=(20, 5), stride=(2, 1), pool=(1, 4), dense=(16,),
        batch_norm=batch_norm,
    )  # fmt: skip
    network = network_of(settings, side=12)
    images = rng().normal(0.3, 2, (200, 144, 1)).astype(np.float32)
    fit_initial_weights(network, images)
    for name, size in (("conv1", 1), ("conv2", 4)):
        layer = network.get_layer("norm" + name[-1] if batch_norm else name)
        layer.activation = None
        network.get_layer(name).activation = keras.activations.linear
        before = keras.Model(network.inputs, layer.output)(images).numpy()
        pooled = before.reshape(200, -1, size, before.shape[-1]).max(axis=2)
        np.testing.assert_allclose(pooled.std(axis=(0, 1)), 1, rtol=2e-3)
        np.testing.assert_allclose(pooled.mean(axis=(0, 1)), 1, rtol=2e-3)
        network.get_layer(name).activation = (
            keras.activations.linear if batch_norm else keras.activations.relu
        )
    logits = network(images).numpy()
    np.testing.assert_allclose(logits.var(axis=0).mean() ** 0.5, LOGIT_SD, rtol=1e-3)


def test_main_directions_of_a_row_are_those_of_an_image_of_one_row():
    values = rng().normal(size=(20, 1, 30, 2)).astype(np.float32)
    flat = keras.layers.Conv2D(4, (1, 5), strides=(1, 2), padding="same")
    row = keras.layers.Conv1D(4, 5, strides=2, padding="same")
    flat(values), row(values[:, 0])
    row.kernel.assign(flat.kernel[0])
    np.testing.assert_array_equal(
        main_directions(row, values[:, 0]), main_directions(flat, values)[0]
    )


def test_batch_normalizations_start_without_effect():
    settings = ModelSettings(filters=(8, 6), dense=(16,))
    images = rng().normal(0.3, 2, (100, 8, 8, 1)).astype(np.float32)
    plain, normed = (
        network_of(dataclasses.replace(settings, batch_norm=norm)) for norm in (False, True)
    )
    for network in (plain, normed):
        fit_initial_weights(network, images)
    np.testing.assert_allclose(normed(images), plain(images), atol=1e-5)


def test_a_skip_path_changes_no_other_initial_weight():
    images = rng().normal(size=(50, 8, 8, 1)).astype(np.float32)
    weights = []
    for skip in ("none", "linear"):
        network = network_of(ModelSettings(filters=(8, 8), dense=(16,), skip=skip))
        fit_initial_weights(network, images)
        weights.append({layer.name: layer.get_weights() for layer in network.layers})
    (added,) = weights[1]["skip"]
    assert added.shape == (64, 3) and not added.any()
    for layer, arrays in weights[0].items():
        for values, others in zip(arrays, weights[1][layer], strict=True):
            np.testing.assert_array_equal(values, others)


def test_initial_scale_keeps_the_dense_kernels_directions():
    network = network_of(ModelSettings(filters=(8, 8), dense=(16, 8)))
    before = network.get_layer("dense1").kernel.numpy()
    fit_initial_weights(network, rng().normal(size=(50, 8, 8, 1)).astype(np.float32))
    ratio = network.get_layer("dense1").kernel.numpy() / before
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-5)
