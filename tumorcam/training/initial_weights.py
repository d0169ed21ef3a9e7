"""Initial weights of the network, fitted to training samples."""

import keras
import numpy as np
import tensorflow as tf

KERNEL = 3  # pixels: convolutions are 3 x 3
N_TAPS, NEGATIVE_TAPS = 2, 0.25  # of the first filters, see sparse_kernel
COVARIANCE_SAMPLES = 64  # whose patches shape the later filters: thousands of patches
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
    kernel = np.zeros((KERNEL, KERNEL, 1, n_filters), dtype=np.float32)
    for _ in range(N_TAPS):
        row, column = rng.integers(0, KERNEL, (2, n_filters))
        sign = np.where(rng.random(n_filters) < NEGATIVE_TAPS, -1.0, 1.0)
        kernel[row, column, 0, np.arange(n_filters)] = sign / np.sqrt(N_TAPS)
    return kernel


def fit_initial_weights(network: keras.Sequential, images: np.ndarray) -> None:
    """Fit untrained weights to real samples, so that differences of samples reach the dense layers.

    The kernels of all convolutions except the first are turned towards the main directions of
    their input patches (`main_directions`). Then every layer is rescaled. The input of a ReLU gets
    SD 1; its mean becomes CONVOLUTION_MEAN after a convolution and its pooling, and 0 in dense
    layers. The logits get SD LOGIT_SD. Both steps are data-dependent initialisations after
    Kraehenbuehl et al. 2016, arXiv:1511.06856. Without them the network does not learn a weak
    signal from a few dozen samples a tumor.

    Parameters
    ----------
    images : (samples, rows, columns, 1) float32
        Training samples; a few hundred are enough.
    """
    value = tf.constant(images)
    layers = list(network.layers)
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        if isinstance(layer, keras.layers.Conv2D):
            if layer is not layers[0]:
                layer.kernel.assign(main_directions(layer, value[:COVARIANCE_SAMPLES]))
            linear = tf.nn.conv2d(value, layer.kernel, layer.strides, layer.padding.upper())
            is_pooled = isinstance(following, keras.layers.MaxPooling2D)
            pooled = following(linear) if is_pooled else linear
            _rescale(layer, pooled, spread=1.0, mean=CONVOLUTION_MEAN)
        elif isinstance(layer, keras.layers.Dense):
            spread = 1.0 if following is not None else LOGIT_SD
            _rescale(layer, tf.matmul(value, layer.kernel), spread=spread, mean=0.0)
        value = layer(value)


def main_directions(layer: keras.layers.Conv2D, value: tf.Tensor) -> np.ndarray:
    """A layer's kernel times the covariance of its input patches, made orthonormal if possible.

    This is one step of the randomised range finder (Halko et al. 2011, doi:10.1137/090771806). The
    result leans to the principal components. Unlike single eigenvectors it changes smoothly with
    the data, so that the workers of one training agree to rounding.

    Parameters
    ----------
    value : (samples, rows, columns, channels) float32
        Input of the layer.

    Returns
    -------
    (3, 3, channels, filters) float64
    """
    sizes, strides = [1, *layer.kernel_size, 1], [1, *layer.strides, 1]
    patches = tf.image.extract_patches(value, sizes, strides, [1] * 4, layer.padding.upper())
    flat = tf.reshape(patches, (-1, patches.shape[-1]))
    centred = flat - tf.reduce_mean(flat, axis=0)
    kernel = layer.kernel.numpy().astype(np.float64)
    covariance = tf.matmul(centred, centred, transpose_a=True).numpy()
    directions = covariance @ kernel.reshape(-1, layer.filters)
    if layer.filters <= len(directions):
        directions = np.linalg.qr(directions).Q
    return directions.reshape(kernel.shape)


def _rescale(layer: keras.Layer, linear: tf.Tensor, *, spread: float, mean: float) -> None:
    axes = list(range(linear.shape.rank - 1))
    centre, variance = tf.nn.moments(linear, axes)
    scale = spread / tf.sqrt(tf.reduce_mean(variance) if len(axes) == 1 else variance)
    layer.kernel.assign(layer.kernel * scale)
    layer.bias.assign(spread * mean - centre * scale)
