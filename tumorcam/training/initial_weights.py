"""Initial weights of the network, fitted to training samples."""

import functools
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from tumorcam.training.paths import LOGITS, convolution_path

SPARSE_KERNEL = (3, 3, 1)  # pixels and channels, see sparse_kernel
N_TAPS, NEGATIVE_TAPS = 2, 0.25  # of the first filters, see sparse_kernel
BLOCK = 64  # samples that are computed at once; the patches of the first ones shape later filters
CONVOLUTION_MEAN = 1.0  # SD; keeps most units of an untrained convolution in their linear part
LOGIT_SD = 0.1  # so small that the untrained network gives all tumors about the same probability


def sparse_kernel(n_filters: int, rng: np.random.Generator) -> np.ndarray:
    """An initial 3 x 3 kernel whose filters look at two single pixels each.

    Neighbouring pixels are unrelated genes. A dense random filter would mix each gene with eight
    others before max pooling keeps one value of four. Sparse filters with different offsets keep
    genes apart (after Martens 2010, Deep learning via Hessian-free optimization, section 5).

    Returns
    -------
    (3, 3, 1, filters) float32
        Two weights of +-1/sqrt(2) a filter, or one weight where both have the same place.
    """
    kernel = np.zeros((*SPARSE_KERNEL, n_filters), dtype=np.float32)
    for _ in range(N_TAPS):
        row, column = rng.integers(0, SPARSE_KERNEL[0], (2, n_filters))
        sign = np.where(rng.random(n_filters) < NEGATIVE_TAPS, -1.0, 1.0)
        kernel[row, column, 0, np.arange(n_filters)] = sign / np.sqrt(N_TAPS)
    return kernel


def fit_initial_weights(network: keras.Model, images: np.ndarray) -> None:
    """Fit untrained weights to real samples, so that differences of samples reach the dense layers.

    The kernels of all convolutions except the first are turned towards the main directions of
    their input patches (`main_directions`). Then every layer is rescaled. The input of a ReLU gets
    SD 1; its mean becomes CONVOLUTION_MEAN after a convolution and its pooling, and 0 in dense
    layers. The logits of the convolutions get SD LOGIT_SD. Both steps are data-dependent
    initialisations after Kraehenbuehl et al. 2016, arXiv:1511.06856. Without them the network does
    not learn a weak signal from a few dozen samples a tumor. Batch normalizations start so that
    they change nothing (`_keep_moments`), and a skip path at 0.

    Parameters
    ----------
    images : (samples, *input shape of the network) float32
        Training samples; a few hundred are enough.
    """
    value, done = tf.constant(images), 0  # the value behind the first layers
    layers = convolution_path(network)
    for i, layer in enumerate(layers):
        if isinstance(layer, keras.layers.BatchNormalization):
            _keep_moments(layer, _in_blocks(layers[done:i], value))
        if not hasattr(layer, "kernel"):
            continue
        value, done = _in_blocks(layers[done:i], value), i
        if isinstance(layer, keras.layers.Dense):
            spread = LOGIT_SD if layer.name == LOGITS else 1.0
            _rescale(layer, tf.matmul(value, layer.kernel), spread=spread)
            continue
        if i:
            layer.kernel.assign(main_directions(layer, value[:BLOCK]))
        linear = functools.partial(layer.convolution_op, kernel=layer.kernel)
        behind = [linear, *_pooling_behind(layers[i + 1 :])]
        _rescale(layer, _in_blocks(behind, value), mean=CONVOLUTION_MEAN)


def main_directions(
    layer: keras.layers.Conv1D | keras.layers.Conv2D, value: tf.Tensor
) -> np.ndarray:
    """A layer's kernel times the covariance of its input patches, made orthonormal if possible.

    This is one step of the randomised range finder (Halko et al. 2011, doi:10.1137/090771806). The
    result leans to the principal components. Unlike single eigenvectors it changes smoothly with
    the data, so that the workers of one training agree to rounding.

    Parameters
    ----------
    value : (samples, [rows,] columns, channels) float32
        Input of the layer.

    Returns
    -------
    ([kernel rows,] kernel columns, channels, filters) float64
    """
    axes = (1,) * (4 - len(value.shape))  # networks of one axis get one row
    sizes, strides = [1, *axes, *layer.kernel_size, 1], [1, *axes, *layer.strides, 1]
    value = tf.reshape(value, (-1, *axes, *value.shape[1:]))
    patches = tf.image.extract_patches(value, sizes, strides, [1] * 4, layer.padding.upper())
    flat = tf.reshape(patches, (-1, patches.shape[-1]))
    centred = flat - tf.reduce_mean(flat, axis=0)
    kernel = layer.kernel.numpy().astype(np.float64)
    covariance = tf.matmul(centred, centred, transpose_a=True).numpy()
    directions = covariance @ kernel.reshape(-1, layer.filters)
    if layer.filters <= len(directions):
        directions = np.linalg.qr(directions).Q
    return directions.reshape(kernel.shape)


def _in_blocks(layers: Sequence[Callable[[tf.Tensor], tf.Tensor]], value: tf.Tensor) -> tf.Tensor:
    """The value behind some layers. Images between them are in memory for one block of samples."""
    parts = []
    for start in range(0, value.shape[0], BLOCK):
        part = value[start : start + BLOCK]
        for layer in layers:
            part = layer(part)
        parts.append(part)
    return tf.concat(parts, axis=0)


def _pooling_behind(layers: Sequence[keras.Layer]) -> list[keras.Layer]:
    """The max pooling of a convolution, given the layers behind it; empty if it has none."""
    between = (keras.layers.BatchNormalization, keras.layers.ReLU)
    following = next(layer for layer in layers if not isinstance(layer, between))
    poolings = (keras.layers.MaxPooling1D, keras.layers.MaxPooling2D)
    return [following] if isinstance(following, poolings) else []


def _keep_moments(layer: keras.layers.BatchNormalization, value: tf.Tensor) -> None:
    """Let a batch normalization divide by the moments of its input, and multiply by them again."""
    mean, variance = tf.nn.moments(value, list(range(value.shape.rank - 1)))
    layer.moving_mean.assign(mean)
    layer.moving_variance.assign(variance)
    layer.beta.assign(mean)
    layer.gamma.assign(tf.sqrt(variance + layer.epsilon))


def _rescale(
    layer: keras.Layer, linear: tf.Tensor, *, spread: float = 1.0, mean: float = 0.0
) -> None:
    axes = list(range(linear.shape.rank - 1))
    centre, variance = tf.nn.moments(linear, axes)
    scale = spread / tf.sqrt(tf.reduce_mean(variance) if len(axes) == 1 else variance)
    layer.kernel.assign(layer.kernel * scale)
    layer.bias.assign(spread * mean - centre * scale)
