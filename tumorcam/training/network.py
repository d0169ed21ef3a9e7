"""The network: how it is built, and how it is read from a file."""

import gc
import json
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.images import Scaler, place_genes, standardised_features
from tumorcam.cohort.layout import GeneLayout, require_reachable
from tumorcam.errors import ModelError
from tumorcam.settings import ModelSettings
from tumorcam.settings.config import Config
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training import shapes
from tumorcam.training.artifact import REMEDY, HeldOut, TrainedModel, read_model
from tumorcam.training.initial_weights import SPARSE_KERNEL, sparse_kernel
from tumorcam.training.paths import LOGITS, add_skip
from tumorcam.training.source import network_source

MOMENTUM = 0.9  # of the moving averages of batch normalizations, a step
KINDS = {  # of convolutions and poolings, by the number of the image's axes
    1: (keras.layers.Conv1D, keras.layers.MaxPooling1D),
    2: (keras.layers.Conv2D, keras.layers.MaxPooling2D),
}


@dataclass(frozen=True)
class Classifier:
    """A trained network, with the layout and scaler that turn expression into its images.

    `held_out` are its predictions and `digest` that of the model's file.
    """

    network: keras.Model
    layout: GeneLayout
    scaler: Scaler
    held_out: HeldOut
    digest: str

    def images(
        self, expression: np.ndarray, decoy_expression: np.ndarray | None = None
    ) -> np.ndarray:
        """Images in the network's shape, float32, of expression in log2(x + 1).

        Parameters
        ----------
        expression : (samples, genes) float32
        decoy_expression : (samples, decoys) float32, or None
            None gives each decoy the true value of its gene.

        Returns
        -------
        (samples, rows, columns, 1) or (samples, pixels, 1) float32
        """
        features = standardised_features(expression, decoy_expression, self.scaler, self.layout)
        return network_images(self.network, features, self.layout)


def network_images(network: keras.Model, features: np.ndarray, layout: GeneLayout) -> np.ndarray:
    """Images of standardised features in the shape that the network takes.

    Parameters
    ----------
    features : (samples, genes + decoys) float32

    Returns
    -------
    (samples, rows, columns, 1) or (samples, pixels, 1) float32
        A row has the pixels of the square image, row by row.
    """
    return place_genes(features, layout).reshape(-1, *network.input_shape[1:])


def build_network(
    settings: ModelSettings, *, side: int, n_tumors: int, rng: np.random.Generator
) -> keras.Model:
    """An untrained network from an image to one logit a tumor.

    Parameters
    ----------
    side : int
        Pixels; the input is (samples, side, side, 1) float32, or (samples, side * side, 1) if
        `settings.image` is "row".
    rng : Generator
        Draws the initial kernels, which are sparse in a first convolution of 3 x 3 pixels
        (`sparse_kernel`), normal in the others, and He-normal in the dense layers (He et al. 2015,
        doi:10.1109/ICCV.2015.123).

    Raises
    ------
    ModelError
        If the image is too small for the kernels or poolings, or there are too many weights.
    """
    shapes.require_buildable(settings, side, n_tumors)
    shape = shapes.image_shape(settings, side)
    blocks = _convolution_layers(settings, len(shape), rng)
    blocks.append(keras.layers.Flatten(name="flatten"))
    for i, units in enumerate((*settings.dense, n_tumors), start=1):
        is_last = i > len(settings.dense)
        layer = keras.layers.Dense(
            units,
            activation=None if is_last else "relu",
            kernel_initializer=keras.initializers.HeNormal(int(rng.integers(2**31))),
            name=LOGITS if is_last else f"dense{i}",
        )
        blocks.append(layer)
    network = keras.Sequential([keras.Input((*shape, 1)), *blocks])
    return network if settings.skip == "none" else add_skip(network, n_tumors)


def _convolution_layers(
    settings: ModelSettings, n_axes: int, rng: np.random.Generator
) -> list[keras.Layer]:
    """All convolutions of an image with some axes, each with the layers behind it."""
    convolution, pooling = KINDS[n_axes]
    names = shapes.convolution_names(settings)
    layers: list[keras.Layer] = []
    n_channels = 1
    for i, (name, conv) in enumerate(zip(names, settings.convolutions, strict=True), start=1):
        shape = (*(conv.kernel,) * n_axes, n_channels, conv.filters)
        is_sparse = i == 1 and shape[:-1] == SPARSE_KERNEL
        kernel = sparse_kernel(conv.filters, rng) if is_sparse else rng.normal(size=shape)
        layers.append(
            convolution(
                conv.filters,
                conv.kernel,
                strides=conv.stride,
                padding=settings.padding,
                activation=None if settings.batch_norm else "relu",
                kernel_initializer=keras.initializers.Constant(kernel),
                name=name,
            )
        )
        if settings.batch_norm:
            layers.append(keras.layers.BatchNormalization(momentum=MOMENTUM, name=f"norm{i}"))
            layers.append(keras.layers.ReLU(name=f"relu{i}"))
        if conv.pool > 1:
            layers.append(pooling(conv.pool, padding=settings.padding, name=f"pool{i}"))
        n_channels = conv.filters
    return layers


def new_network(
    config: Config,
    gene_layout: GeneLayout,
    genes: np.ndarray,
    n_tumors: int,
    rng: np.random.Generator,
) -> keras.Model:
    """An untrained network in which every gene and decoy of the layout can reach the output.

    Raises
    ------
    ModelError
        If one cannot.
    """
    network = build_network(config.model, side=gene_layout.side, n_tumors=n_tumors, rng=rng)
    require_reachable(gene_layout, shapes.reachable_pixels(config.model, gene_layout.side), genes)
    return network


def describe_layers(network: keras.Model) -> str:
    """Name, kind, output shape and number of weights of each layer, as JSON for the report."""
    layers = [
        {
            "name": layer.name,
            "kind": type(layer).__name__,
            "output": list(layer.output.shape[1:]),
            "weights": int(layer.count_params()),
        }
        for layer in network.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]
    return json.dumps(layers)


def load_classifier(
    run: RunFolder,
    cohort: Cohort,
    key: ModelKey,
    config: Config,
    network: keras.Model | None = None,
) -> Classifier:
    """The classifier of a trained model of this run and cohort, or of the run that is applied.

    Parameters
    ----------
    network : keras.Model, or None
        A network of this run that takes the weights, and loses its own. None builds a new one,
        which takes longer.

    Raises
    ------
    FileError
        If the model is missing or damaged.
    ModelError
        If it has other genes, tumors or pixels than the cohort, or its weights do not fit.
    """
    model = model_of_run(run, cohort, key, config)
    return classifier_of(model, run.model(key), config, network)


def model_of_run(run: RunFolder, cohort: Cohort, key: ModelKey, config: Config) -> TrainedModel:
    """A trained model of this run and cohort, or of the run that is applied, without a network.

    Raises
    ------
    FileError, ModelError
        As in `load_classifier`.
    """
    path = run.model(key)
    source = network_source(run, cohort, config)
    model = read_model(path, source.config, source.cohort_digest, key.name)
    if not (
        np.array_equal(model.genes, cohort.genes)
        and np.array_equal(model.tumors, cohort.tumors)
        and np.array_equal(model.pixel, cohort.layout_of(key).pixel)
    ):
        msg = f"{path} has other genes, tumors or pixels than the cohort; move it away and {REMEDY}"
        raise ModelError(msg)
    return model


def classifier_of(
    model: TrainedModel, path: Path, config: Config, network: keras.Model | None = None
) -> Classifier:
    """The classifier of a model in the file `path`; `network` is as in `load_classifier`.

    Raises
    ------
    ModelError
        If the weights do not fit the layers that the config describes.
    """
    if network is None:
        gc.collect()  # Keras networks are cycles, which would keep the weights of earlier models
        rng = np.random.default_rng(0)
        network = build_network(config.model, side=model.side, n_tumors=len(model.tumors), rng=rng)
    shapes = [(w.shape, w.dtype) for w in network.get_weights()]
    if [(w.shape, w.dtype) for w in model.weights] != shapes:
        msg = f"the weights in {path} do not fit its layers; move it away and {REMEDY}"
        raise ModelError(msg)
    network.set_weights(list(model.weights))
    return Classifier(network, model.layout, model.scaler, model.held_out, model.digest)
