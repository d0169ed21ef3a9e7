"""The paths through a network: its convolutions, and a linear skip path beside them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from tumorcam.saliency.pooling import MaxPooling

LOGITS = "logits"  # the layer at which the path through the convolutions ends
SKIP = "skip"  # the dense layer of the skip path
PIXELS, SUM = "pixels", "sum"  # the layers before it, and behind both paths


class TrainingForward(NamedTuple):
    """Logits of a micro-batch, and the moments by which its batch normalizations divided.

    `logits` is (samples, tumors) float32; `moments` holds a mean and a variance (channels,) float32
    for each batch normalization, in the order of `moving_moments`.
    """

    logits: tf.Tensor
    moments: list[tf.Tensor]


def convolution_path(network: keras.Model) -> list[keras.Layer]:
    """The layers from the image through the convolutions to their logits, in order."""
    beside = {PIXELS, SKIP, SUM}
    return [
        layer
        for layer in network.layers
        if layer.name not in beside and not isinstance(layer, keras.layers.InputLayer)
    ]


def has_skip(network: keras.Model) -> bool:
    """Whether a skip path runs beside the convolutions."""
    return any(layer.name == SKIP for layer in network.layers)


def add_skip(network: keras.Sequential, n_tumors: int) -> keras.Model:
    """The network with a linear path from the pixels added to its logits.

    The path's weights start at 0. Such networks are called wide and deep (Cheng et al. 2016,
    arXiv:1606.07792).
    """
    image = network.inputs[0]
    skip = keras.layers.Dense(n_tumors, use_bias=False, kernel_initializer="zeros", name=SKIP)
    linear = skip(keras.layers.Flatten(name=PIXELS)(image))
    return keras.Model(image, keras.layers.Add(name=SUM)([network.outputs[0], linear]))


def convolutions_alone(network: keras.Model) -> keras.Model:
    """The network from the image to the logits of the convolutions, with the same weights."""
    return keras.Model(network.inputs[0], network.get_layer(LOGITS).output)


def moving_moments(network: keras.Model) -> list[keras.Variable]:
    """The moving mean and the moving variance of each batch normalization, in order."""
    return [
        moment
        for layer in convolution_path(network)
        if isinstance(layer, keras.layers.BatchNormalization)
        for moment in (layer.moving_mean, layer.moving_variance)
    ]


def training_forward(
    network: keras.Model, images: tf.Tensor, masks: Sequence[tf.Tensor]
) -> TrainingForward:
    """Logits of a micro-batch as training computes them; no variable of the network changes.

    Batch normalizations use the moments of this micro-batch (Ioffe & Szegedy 2015,
    arXiv:1502.03167).

    Parameters
    ----------
    images : (samples, *input shape of the network) float32
    masks : sequence of (samples, units) float32
        As in `Batch`. They multiply the outputs of the hidden dense layers (Srivastava et al. 2014)
        and the logits of both paths.
    """
    value, remaining = images, list(masks)
    moments: list[tf.Tensor] = []
    for layer in convolution_path(network):
        if isinstance(layer, keras.layers.BatchNormalization):
            mean, variance = tf.nn.moments(value, list(range(value.shape.rank - 1)))
            moments += [mean, variance]
            value = tf.nn.batch_normalization(
                value, mean, variance, layer.beta, layer.gamma, layer.epsilon
            )
        elif isinstance(layer, keras.layers.MaxPooling2D):
            value = max_pool(layer, value)
        else:
            value = layer(value)
        if isinstance(layer, keras.layers.Dense) and layer.name != LOGITS:
            value *= remaining.pop(0)
    if has_skip(network):
        pixels = network.get_layer(PIXELS)(images)
        convolutions, skip = tf.split(remaining.pop(0), 2, axis=1)
        value = convolutions * value + skip * network.get_layer(SKIP)(pixels)
    return TrainingForward(value, moments)


def max_pool(layer: keras.layers.MaxPooling2D, value: tf.Tensor) -> tf.Tensor:
    """The layer's output; its gradient has the bits of TensorFlow's in a quarter of the time."""
    rule = MaxPooling(layer.pool_size, layer.strides, layer.padding.upper())

    @tf.custom_gradient
    def pool(image: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        output = rule([image], ())
        return output.value, lambda gradient: output.vjp(gradient, False)[0]

    return pool(value)
