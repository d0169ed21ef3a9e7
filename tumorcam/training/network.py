"""The network and its artifact: weights bound to genes, layout, scaler, classes and cohort."""

import ctypes
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf

from tumorcam.cohort import layout
from tumorcam.cohort.images import Scaler, place_genes
from tumorcam.cohort.layout import GeneLayout
from tumorcam.config import Config, changed_settings, config_json
from tumorcam.errors import ModelError
from tumorcam.settings import ModelSettings
from tumorcam.storage import hdf5, records
from tumorcam.storage.plan import MODEL_TYPE

SECTIONS = ("run", "model", "training")  # of the config that a model depends on
KERNEL, POOL = 3, 2  # pixels: 3 x 3 convolutions, 2 x 2 poolings
N_TAPS, NEGATIVE_TAPS = 2, 0.25  # of the first filters, see sparse_kernel
COVARIANCE_SAMPLES = 64  # whose patches shape the later filters: thousands of patches
CONVOLUTION_MEAN = 1.0  # SD; keeps most units of an untrained convolution in their linear part
LOGIT_SD = 0.1  # of an untrained network: it starts with no opinion
# glibc's M_ARENA_MAX, M_MMAP_THRESHOLD and M_TRIM_THRESHOLD (malloc.h), the latter in bytes
KEEP_FREED_MEMORY = {-8: 1, -3: 2**30, -1: 2**31 - 1}
REMEDY = "run jobs.train"


@dataclass(frozen=True)
class TrainedModel:
    """A model artifact as explain needs it."""

    network: keras.Sequential
    tumors: np.ndarray
    genes: np.ndarray
    layout: GeneLayout
    scaler: Scaler
    digest: str

    def images(self, expression: np.ndarray) -> np.ndarray:
        """(samples, rows, columns, 1) float32 of (samples, genes) log2(x + 1).

        Decoys carry the true value of the gene that they copy.
        """
        genes = self.scaler.standardise(expression)
        return place_genes(genes[:, self.layout.source_gene], self.layout)


def use_threads(n_threads: int) -> None:
    """Let TensorFlow compute with so many threads; call it before anything is computed.

    Also tells glibc to keep freed memory: giving tensors back to the kernel after each operation
    costs a third to a half of a training step in page faults.
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
        Draws the initial kernels: sparse in the first convolution (`sparse_kernel`), normal in the
        others, He-normal in the dense layers (He et al. 2015, doi:10.1109/ICCV.2015.123).

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

    Neighbouring pixels are unrelated genes, so a dense random filter would bury a gene under eight
    others before max pooling keeps one value of four; sparse filters with different offsets keep
    genes apart. After Martens 2010 (Deep learning via Hessian-free optimization, section 5).

    Returns
    -------
    (3, 3, 1, filters) float32
        Two taps of +-1/sqrt(2), or one where both fall on the same place.
    """
    kernel = np.zeros((KERNEL, KERNEL, 1, n_filters), dtype=np.float32)
    for _ in range(N_TAPS):
        row, column = rng.integers(0, KERNEL, (2, n_filters))
        sign = np.where(rng.random(n_filters) < NEGATIVE_TAPS, -1.0, 1.0)
        kernel[row, column, 0, np.arange(n_filters)] = sign / np.sqrt(N_TAPS)
    return kernel


def fit_initial_weights(network: keras.Sequential, images: np.ndarray) -> None:
    """Fit untrained weights to real samples, so that their differences reach the dense layers.

    The kernels of all convolutions but the first are turned towards the main directions of the
    patches that they see (`main_directions`). Then every layer is rescaled: what enters a ReLU gets
    SD 1, and mean CONVOLUTION_MEAN after a convolution and its pooling, 0 in dense layers; the
    logits get SD LOGIT_SD. Both are data-dependent initialisations after Kraehenbuehl et al. 2016,
    arXiv:1511.06856. Without them a weak signal is not learned from a few dozen samples a tumor.

    Parameters
    ----------
    images : (samples, rows, columns, 1) float32
        Training samples; some hundred are enough.
    """
    value = tf.constant(images)
    layers = list(network.layers)
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        if isinstance(layer, keras.layers.Conv2D):
            if layer is not layers[0]:
                layer.kernel.assign(main_directions(layer, value[:COVARIANCE_SAMPLES]))
            linear = tf.nn.conv2d(value, layer.kernel, layer.strides, layer.padding.upper())
            seen = following(linear) if isinstance(following, keras.layers.MaxPooling2D) else linear
            _rescale(layer, seen, spread=1.0, mean=CONVOLUTION_MEAN)
        elif isinstance(layer, keras.layers.Dense):
            spread = 1.0 if following is not None else LOGIT_SD
            _rescale(layer, tf.matmul(value, layer.kernel), spread=spread, mean=0.0)
        value = layer(value)


def main_directions(layer: keras.layers.Conv2D, value: tf.Tensor) -> np.ndarray:
    """The kernel times the covariance of the patches that it sees, orthonormal where it can be.

    One step of the randomised range finder (Halko et al. 2011, doi:10.1137/090771806): it leans to
    the principal components, but moves smoothly with the data, unlike single eigenvectors, so that
    workers of one training agree to rounding.

    Parameters
    ----------
    value : (samples, rows, columns, channels) float32
        What enters the layer.

    Returns
    -------
    (3, 3, channels, filters) float64
    """
    sizes, strides = [1, *layer.kernel_size, 1], [1, *layer.strides, 1]
    patches = tf.image.extract_patches(value, sizes, strides, [1] * 4, layer.padding.upper())
    flat = tf.reshape(patches, (-1, patches.shape[-1]))
    centred = flat - tf.reduce_mean(flat, axis=0)
    kernel = layer.kernel.numpy().astype(np.float64)
    turned = tf.matmul(centred, centred, transpose_a=True).numpy() @ kernel.reshape(
        -1, layer.filters
    )
    if layer.filters <= len(turned):
        turned = np.linalg.qr(turned).Q
    return turned.reshape(kernel.shape)


def reachable_pixels(network: keras.Sequential) -> np.ndarray:
    """(rows, columns) bool: pixels from which some path of weights leads to the output.

    Ones stand for the weights, since one that starts at 0 can still learn, and averages for maxima;
    there is no ReLU.
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
    """An untrained network that can see every gene and decoy of the layout.

    Raises
    ------
    ModelError
        If it cannot.
    """
    network = build_network(config.model, side=gene_layout.side, n_tumors=n_tumors, rng=rng)
    layout.require_reachable(gene_layout, reachable_pixels(network), genes)
    return network


def describe_layers(network: keras.Sequential) -> list[dict[str, Any]]:
    """Name, kind, output shape and number of weights of each layer, for the report."""
    return [
        {
            "name": layer.name,
            "kind": type(layer).__name__,
            "output": list(layer.output.shape[1:]),
            "weights": int(layer.count_params()),
        }
        for layer in network.layers
    ]


def model_attributes(config: Config, cohort_digest: str, name: str) -> dict[str, str]:
    """Root attributes by which a finished model is known to be the wanted one."""
    return {
        "cohort_digest": cohort_digest,
        "config": config_json(config, SECTIONS),
        "model": name,
    }


def write_network(
    file: h5py.File,
    network: keras.Sequential,
    *,
    tumors: np.ndarray,
    genes: np.ndarray,
    gene_layout: GeneLayout,
    scaler: Scaler,
) -> None:
    """Write everything that explaining new samples needs into an open artifact."""
    file.attrs["layers"] = json.dumps(describe_layers(network))
    file.attrs["side"] = gene_layout.side
    for i, weights in enumerate(network.get_weights()):
        records.write_dataset(file, f"weights/{i:03d}", weights)
    columns: Mapping[str, np.ndarray] = {
        "tumors": tumors,
        "genes": genes,
        "pixel": gene_layout.pixel,
        "decoy_gene": gene_layout.decoy_gene,
        "scaler/mean": scaler.mean,
        "scaler/sd": scaler.sd,
    }
    for name, values in columns.items():
        records.write_dataset(file, name, values)


def read_model(path: Path, config: Config, cohort_digest: str, name: str) -> TrainedModel:
    """A finished model; weights are read as numbers, never as code.

    Parameters
    ----------
    config, cohort_digest, name
        The settings, the cohort and the model name that the artifact must have been made with.

    Raises
    ------
    FileError
        If the file is missing or damaged.
    ModelError
        If it was trained on another cohort or with other settings, or its weights do not fit.
    """
    with hdf5.open_file(path, MODEL_TYPE, remedy=REMEDY) as file:
        _require_same(file, path, model_attributes(config, cohort_digest, name))
        tumors = records.read_strings(file["tumors"])
        gene_layout = GeneLayout(
            int(file.attrs["side"]), file["pixel"][...], file["decoy_gene"][...]
        )
        network = build_network(
            config.model, side=gene_layout.side, n_tumors=len(tumors), rng=np.random.default_rng(0)
        )
        _read_weights(file, path, network)
        return TrainedModel(
            network=network,
            tumors=tumors,
            genes=records.read_strings(file["genes"]),
            layout=gene_layout,
            scaler=Scaler(file["scaler/mean"][...], file["scaler/sd"][...]),
            digest=str(file.attrs["digest"]),
        )


def _require_same(file: h5py.File, path: Path, attributes: Mapping[str, str]) -> None:
    found = {name: str(file.attrs.get(name)) for name in attributes}
    if found == attributes:
        return
    if found["cohort_digest"] != attributes["cohort_digest"]:
        cohorts = [names["cohort_digest"][:12] for names in (found, attributes)]
        what = f"its cohort is {cohorts[0]}, this run's {cohorts[1]}"
    elif found["config"] != attributes["config"]:
        what = "; ".join(changed_settings(found["config"], attributes["config"]))
    else:
        what = f"it is {found['model']}, wanted {attributes['model']}"
    msg = (
        f"{path} was trained on another cohort or with other settings ({what}); "
        f"delete it and {REMEDY}, or use another run.folder"
    )
    raise ModelError(msg)


def _read_weights(file: h5py.File, path: Path, network: keras.Sequential) -> None:
    weights = [file["weights"][name][...] for name in sorted(file["weights"])]
    wanted = [(w.shape, w.dtype) for w in network.get_weights()]
    if [(w.shape, w.dtype) for w in weights] != wanted:
        msg = f"{path}:/weights are not those of its layers; delete it and {REMEDY}"
        raise ModelError(msg)
    network.set_weights(weights)
