"""The network: how it is built, which pixels reach its output, and how it is read from a file."""

import json
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.images import Scaler, place_genes, standardised_features
from tumorcam.cohort.layout import GeneLayout, require_reachable
from tumorcam.config import Config
from tumorcam.errors import ModelError
from tumorcam.settings import ModelSettings
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import REMEDY, read_model
from tumorcam.training.initial_weights import KERNEL, sparse_kernel

POOL = 2  # pixels: poolings are 2 x 2


@dataclass(frozen=True)
class Classifier:
    """A trained network, with the layout and scaler that turn expression into its images.

    `digest` is that of the model's file.
    """

    network: keras.Sequential
    layout: GeneLayout
    scaler: Scaler
    digest: str

    def images(
        self, expression: np.ndarray, decoy_expression: np.ndarray | None = None
    ) -> np.ndarray:
        """Images, (samples, rows, columns, 1) float32, of expression in log2(x + 1).

        Parameters
        ----------
        expression : (samples, genes) float32
        decoy_expression : (samples, decoys) float32, or None
            None gives each decoy the true value of its gene.
        """
        features = standardised_features(expression, decoy_expression, self.scaler, self.layout)
        return place_genes(features, self.layout)


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
