"""The network: how it is built, its initial weights, and trained networks read from files."""

import ctypes
import json
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.images import Scaler, place_genes
from tumorcam.cohort.layout import GeneLayout, require_reachable
from tumorcam.config import Config
from tumorcam.errors import ModelError
from tumorcam.settings import ModelSettings
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import REMEDY, read_model

KERNEL, POOL = 3, 2  # pixels: 3 x 3 convolutions, 2 x 2 poolings
N_TAPS, NEGATIVE_TAPS = 2, 0.25  # of the first filters, see sparse_kernel
COVARIANCE_SAMPLES = 64  # whose patches shape the later filters: thousands of patches
CONVOLUTION_MEAN = 1.0  # SD; keeps most units of an untrained convolution in their linear part
LOGIT_SD = 0.1  # of an untrained network: it starts with no opinion
# glibc's M_ARENA_MAX, M_MMAP_THRESHOLD and M_TRIM_THRESHOLD (malloc.h), the latter in bytes
KEEP_FREED_MEMORY = {-8: 1, -3: 2**30, -1: 2**31 - 1}


@dataclass(frozen=True)
class Classifier:
    """A trained network with what makes images of expression for it."""

    network: keras.Sequential
    layout: GeneLayout
    scaler: Scaler
    digest: str

    def images(self, expression: np.ndarray) -> np.ndarray:
        """(samples, rows, columns, 1) float32 images of (samples, genes) float32 log2(x + 1).

        Decoys carry the true value of their gene.
        """
        genes = self.scaler.standardise(expression)
        return place_genes(genes[:, self.layout.source_gene], self.layout)


def use_threads(n_threads: int) -> None:
    """Set the number of threads of TensorFlow, before it computes anything.

    It also tells glibc to keep freed memory. Otherwise each operation gives its tensors back to the
    kernel, and page faults take a third to a half of a training step.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        for option, value in KEEP_FREED_MEMORY.items():
            libc.mallopt(option, value)
    tf.config.threading.set_intra_op_parallelism_threads(n_threads)
    tf.config.threading.set_inter_op_parallelism_threads(n_threads)


def build_network(
    settings: ModelSettings, *, side: int, n_tumors: int, rng: np.random.Generator
) -> keras.Sequential:
    """An untrained network from an image to one logit a tumor.

    Parameters
    ----------
    side : int
        Pixels; the input is (samples, side, side, 1) float32.
    rng : Generator
        Draws the initial kernels, which are sparse in the first convolution (`sparse_kernel`),
        normal in the others, and He-normal in the dense layers (He et al. 2015,
        doi:10.1109/ICCV.2015.123).

    Raises
    ------
    ModelError
        If the image is too small for the poolings.
    """
    blocks: list[keras.Layer] = []
    n_channels = 1
    for i, filters in enumerate(settings.filters, start=1):
        shape = (KERNEL, KERNEL, n_channels, filters)
        kernel = sparse_kernel(filters, rng) if i == 1 else rng.normal(size=shape)
        blocks += [
            keras.layers.Conv2D(
                filters,
                KERNEL,
                padding=settings.padding,
                activation="relu",
                kernel_initializer=keras.initializers.Constant(kernel),
                name=f"conv{i}",
            ),
            keras.layers.MaxPooling2D(POOL, padding=settings.padding, name=f"pool{i}"),
        ]
        n_channels = filters
    blocks.append(keras.layers.Flatten(name="flatten"))
    for i, units in enumerate((*settings.dense, n_tumors), start=1):
        is_last = i > len(settings.dense)
        layer = keras.layers.Dense(
            units,
            activation=None if is_last else "relu",
            kernel_initializer=keras.initializers.HeNormal(int(rng.integers(2**31))),
            name="logits" if is_last else f"dense{i}",
        )
        blocks.append(layer)
    try:
        return keras.Sequential([keras.Input((side, side, 1)), *blocks])
    except ValueError as error:
        msg = (
            f"an image of {side} x {side} pixels is too small for {len(settings.filters)} poolings "
            f"with padding {settings.padding!r}; keep more genes or use fewer model.filters"
        )
        raise ModelError(msg) from error


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


def reachable_pixels(network: keras.Sequential) -> np.ndarray:
    """(rows, columns) bool: pixels from which some path of weights leads to the output.

    The test replaces all weights by 1, since a weight of 0 can still learn, and each maximum by the
    average; it leaves out the ReLUs.
    """
    pixels = tf.ones((1, *network.input_shape[1:]))
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        value = pixels
        for layer in network.layers:
            if isinstance(layer, keras.layers.Conv2D):
                kernel = tf.ones_like(layer.kernel)
                value = tf.nn.conv2d(value, kernel, layer.strides, layer.padding.upper())
            elif isinstance(layer, keras.layers.MaxPooling2D):
                value = tf.nn.avg_pool2d(
                    value, layer.pool_size, layer.strides, layer.padding.upper()
                )
            elif isinstance(layer, keras.layers.Dense):
                value = tf.matmul(value, tf.ones_like(layer.kernel))
            else:
                value = layer(value)
            value /= tf.stop_gradient(
                tf.reduce_max(value)
            )  # against overflow; only the signs count
    return tape.gradient(value, pixels).numpy()[0, :, :, 0] > 0


def _rescale(layer: keras.Layer, linear: tf.Tensor, *, spread: float, mean: float) -> None:
    axes = list(range(linear.shape.rank - 1))
    centre, variance = tf.nn.moments(linear, axes)
    scale = spread / tf.sqrt(tf.reduce_mean(variance) if len(axes) == 1 else variance)
    layer.kernel.assign(layer.kernel * scale)
    layer.bias.assign(spread * mean - centre * scale)


def new_network(
    config: Config,
    gene_layout: GeneLayout,
    genes: np.ndarray,
    n_tumors: int,
    rng: np.random.Generator,
) -> keras.Sequential:
    """An untrained network in which every gene and decoy of the layout can reach the output.

    Raises
    ------
    ModelError
        If one cannot.
    """
    network = build_network(config.model, side=gene_layout.side, n_tumors=n_tumors, rng=rng)
    require_reachable(gene_layout, reachable_pixels(network), genes)
    return network


def describe_layers(network: keras.Sequential) -> str:
    """Name, kind, output shape and number of weights of each layer, as JSON for the report."""
    layers = [
        {
            "name": layer.name,
            "kind": type(layer).__name__,
            "output": list(layer.output.shape[1:]),
            "weights": int(layer.count_params()),
        }
        for layer in network.layers
    ]
    return json.dumps(layers)


def load_classifier(run: RunFolder, cohort: Cohort, key: ModelKey, config: Config) -> Classifier:
    """The classifier of a trained model of this run and cohort.

    Raises
    ------
    FileError
        If the model is missing or damaged.
    ModelError
        If it has other genes, tumors or pixels than the cohort, or its weights do not fit.
    """
    path = run.model(key)
    model = read_model(path, config, cohort.digest, key.name)
    if not (
        np.array_equal(model.genes, cohort.genes)
        and np.array_equal(model.tumors, cohort.tumors)
        and np.array_equal(model.pixel, cohort.layout_of(key).pixel)
    ):
        msg = f"{path} has other genes, tumors or pixels than the cohort; delete it and {REMEDY}"
        raise ModelError(msg)
    network = build_network(
        config.model, side=model.side, n_tumors=len(model.tumors), rng=np.random.default_rng(0)
    )
    shapes = [(w.shape, w.dtype) for w in network.get_weights()]
    if [(w.shape, w.dtype) for w in model.weights] != shapes:
        msg = f"the weights in {path} do not fit its layers; delete it and {REMEDY}"
        raise ModelError(msg)
    network.set_weights(list(model.weights))
    return Classifier(network, model.layout, model.scaler, model.digest)
