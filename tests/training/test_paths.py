import keras
import numpy as np
import pytest
import tensorflow as tf

from tumorcam.settings import ModelSettings
from tumorcam.training.network import build_network
from tumorcam.training.paths import (
    convolution_path,
    convolutions_alone,
    has_skip,
    max_pool,
    moving_moments,
    training_forward,
)

NAMES = ["conv1", "pool1", "flatten", "dense1", "logits"]
IMAGES = np.random.default_rng(0).normal(size=(5, 8, 8, 1)).astype(np.float32)
ONES, ZEROS = np.ones((5, 6)), np.zeros((5, 6))
KEPT = np.array([[1, 1], [1, 0], [0, 1], [0, 1], [1, 0]])  # of the convolutions, of the skip path


def network_of(**settings):
    """A network whose skip path, if it has one, is not 0."""
    rng = np.random.default_rng(1)
    model = ModelSettings(filters=(4,), dense=(6,), **settings)
    network = build_network(model, side=8, n_tumors=3, rng=rng)
    if has_skip(network):
        network.get_layer("skip").kernel.assign(rng.normal(size=(64, 3)))
    return network


def forward(network, *masks):
    return training_forward(network, IMAGES, [mask.astype(np.float32) for mask in masks])


@pytest.mark.parametrize("skip", ["none", "linear"])
def test_the_path_through_the_convolutions_is_the_same_with_and_without_a_skip(skip):
    network = network_of(skip=skip)
    assert has_skip(network) == (skip == "linear")
    assert [layer.name for layer in convolution_path(network)] == NAMES
    assert moving_moments(network) == []
    value = IMAGES
    for layer in convolution_path(network):
        value = layer(value)
    np.testing.assert_array_equal(convolutions_alone(network)(IMAGES), value)


def test_dropout_multiplies_each_hidden_dense_layer():
    network = network_of()
    np.testing.assert_allclose(forward(network, ONES).logits, network(IMAGES), rtol=1e-6)
    bias = network.get_layer("logits").bias.numpy()
    np.testing.assert_allclose(forward(network, ZEROS).logits, np.tile(bias, (5, 1)), rtol=1e-6)


def test_each_path_is_left_out_of_the_samples_whose_mask_is_zero():
    network = network_of(skip="linear")
    whole, convolutions = network(IMAGES).numpy(), convolutions_alone(network)(IMAGES).numpy()
    logits = forward(network, ONES, KEPT).logits.numpy()
    kept_logits = KEPT[:, :1] * convolutions + KEPT[:, 1:] * (whole - convolutions)
    np.testing.assert_allclose(logits, kept_logits, rtol=1e-4, atol=1e-6)
    assert np.abs(whole - convolutions).min() > 1e-4


def test_batch_normalizations_use_the_moments_of_the_micro_batch_and_move_nothing():
    network = network_of(batch_norm=True, skip="linear")
    norm = network.get_layer("norm1")
    norm.gamma.assign([1.0, 2.0, 3.0, 4.0])
    norm.beta.assign([0.1, 0.2, 0.3, 0.4])
    before = network.get_weights()
    logits, moments, _ = forward(network, ONES, KEPT * 0 + 1)
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    value = keras.Model(network.inputs, network.get_layer("conv1").output)(IMAGES).numpy()
    np.testing.assert_allclose(moments[0], value.mean(axis=(0, 1, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(moments[1], value.var(axis=(0, 1, 2)), rtol=1e-5)
    assert moving_moments(network) == [norm.moving_mean, norm.moving_variance]
    np.testing.assert_allclose(logits, network(IMAGES, training=True), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_poolings_have_the_values_and_gradients_of_tensorflow_s_relu_and_pooling(padding):
    layer = keras.layers.MaxPooling2D(2, padding=padding)
    draw = np.random.default_rng(0).integers(-2, 3, (4, 7, 5, 3))  # many equal maxima
    image, weight = tf.constant(draw, tf.float32), tf.random.stateless_normal((), (1, 2))

    @tf.function
    def value_and_gradient(pool):
        with tf.GradientTape() as tape:
            tape.watch(image)
            value = pool(image)
            loss = tf.reduce_sum(value * tf.cumsum(tf.ones_like(value), 1) * weight)
        return value, tape.gradient(loss, image)

    ours = value_and_gradient(lambda image: max_pool(layer, image))
    of_tensorflow = value_and_gradient(lambda image: layer(tf.nn.relu(image)))
    for array, expected in zip(ours, of_tensorflow, strict=True):
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    "settings", [{}, {"batch_norm": True, "skip": "linear"}, {"image": "row"}], ids=str
)
def test_mixed_precision_rounds_to_bfloat16_and_gives_float32_logits(settings):
    """bfloat16 has 8 bits; the errors of a few layers add up to some of its steps of 2**-8."""
    network, masks = network_of(**settings), [ONES, KEPT] if "skip" in settings else [ONES]
    images = IMAGES.reshape(-1, *network.input_shape[1:])
    masks = [mask.astype(np.float32) for mask in masks]
    single = training_forward(network, images, masks)
    mixed = training_forward(network, images, masks, tf.bfloat16)
    assert {mixed.logits.dtype, *(moment.dtype for moment in mixed.moments)} == {tf.float32}
    assert mixed.products[0].inputs.dtype == tf.bfloat16
    for moment, expected in zip(mixed.moments, single.moments, strict=True):
        np.testing.assert_allclose(moment, expected, rtol=0.02, atol=0.02)
    logits, expected = mixed.logits.numpy(), single.logits.numpy()
    error = np.abs(logits - expected).max() / np.abs(expected).max()
    assert 1e-5 < error < 0.03
