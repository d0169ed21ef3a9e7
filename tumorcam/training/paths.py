"""The paths through a network: its convolutions, and a linear skip path beside them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from tumorcam.saliency.pooling import MaxPooling
from tumorcam.saliency.rules import Rectifier

LOGITS = "logits"  # the layer at which the path through the convolutions ends
SKIP = "skip"  # the dense layer of the skip path
PIXELS, SUM = "pixels", "sum"  # the layers before it, and behind both paths


class DenseProduct(NamedTuple):
    """Inputs (samples, features) of a dense layer and its outputs (samples, units).

    The outputs have the bias, but not the activation.
    """

    inputs: tf.Tensor
    outputs: tf.Tensor


class TrainingForward(NamedTuple):
    """Logits of a micro-batch, and what its layers computed on the way.

    `logits` is (samples, tumors) float32; `moments` holds a mean and a variance (channels,) float32
    by which each batch normalization divided, in the order of `moving_moments`; `products` has one
    item for each of `dense_layers`.
    """

    logits: tf.Tensor
    moments: list[tf.Tensor]
    products: list[DenseProduct]


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


def dense_layers(network: keras.Model) -> list[keras.layers.Dense]:
    """All dense layers, in the order of the network's layers."""
    return [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]


def training_forward(
    network: keras.Model,
    images: tf.Tensor,
    masks: Sequence[tf.Tensor],
    precision: tf.DType = tf.float32,
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
    precision : DType
        In which all layers compute but those of the logits, whose weights, sums and outputs are
        float32, as in Keras's policy mixed_bfloat16 (Micikevicius et al. 2018, arXiv:1710.03740).
    """
    value, remaining = tf.cast(images, precision), list(masks)
    moments: list[tf.Tensor] = []
    products: dict[str, DenseProduct] = {}
    layers = convolution_path(network)
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        is_pooled = isinstance(following, keras.layers.MaxPooling2D)
        if isinstance(layer, keras.layers.BatchNormalization):
            value, *of_layer = normalise(layer, value)
            moments += of_layer
        elif isinstance(layer, keras.layers.Conv1D | keras.layers.Conv2D):
            value = layer.convolution_op(value, tf.cast(layer.kernel, precision))
            value = tf.nn.bias_add(value, tf.cast(layer.bias, precision))
            if layer.activation is keras.activations.relu and not is_pooled:
                value = tf.nn.relu(value)
        elif isinstance(layer, keras.layers.MaxPooling2D):
            value = max_pool(layer, value)
        elif isinstance(layer, keras.layers.Dense):
            product = dense_product(layer, value)
            products[layer.name] = product
            value = layer.activation(product.outputs)
            if layer.name != LOGITS:
                value *= tf.cast(remaining.pop(0), precision)
        elif not (isinstance(layer, keras.layers.ReLU) and is_pooled):
            value = layer.call(value)  # calling the layer itself would make the value float32
    if has_skip(network):
        pixels = tf.reshape(images, (images.shape[0], -1))
        convolutions, skip = tf.split(remaining.pop(0), 2, axis=1)
        products[SKIP] = dense_product(network.get_layer(SKIP), pixels)
        value = convolutions * value + skip * products[SKIP].outputs
    return TrainingForward(value, moments, [products[x.name] for x in dense_layers(network)])


def dense_product(layer: keras.layers.Dense, inputs: tf.Tensor) -> DenseProduct:
    """The product of a dense layer; that of logits is float32."""
    dtype = tf.float32 if layer.name in (LOGITS, SKIP) else inputs.dtype
    outputs = tf.matmul(tf.cast(inputs, dtype), tf.cast(layer.kernel, dtype))
    if layer.use_bias:
        outputs = tf.nn.bias_add(outputs, tf.cast(layer.bias, dtype))
    return DenseProduct(inputs, outputs)


def normalise(layer: keras.layers.BatchNormalization, value: tf.Tensor) -> list[tf.Tensor]:
    """The normalised value, and the mean and variance by which it was, which are float32."""
    wide = tf.cast(value, tf.float32)
    mean, variance = tf.nn.moments(wide, list(range(value.shape.rank - 1)))
    output = tf.nn.batch_normalization(wide, mean, variance, layer.beta, layer.gamma, layer.epsilon)
    return [tf.cast(output, value.dtype), mean, variance]


def max_pool(layer: keras.layers.MaxPooling2D, value: tf.Tensor) -> tf.Tensor:
    """The layer's output behind a ReLU, in one step.

    Values and gradients have the bits of TensorFlow's ReLU and max pooling. No array of the image's
    size stands between the two, and the gradient takes a quarter of the time.
    """
    rule = MaxPooling(layer.pool_size, layer.strides, layer.padding.upper(), Rectifier())

    @tf.custom_gradient
    def pool(image: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        output = rule([image], ())
        return output.value, lambda gradient: output.vjp(gradient, False)[0]

    return pool(value)
