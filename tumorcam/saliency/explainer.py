"""Saliency maps of a network: all methods and targets from one forward pass."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from tumorcam.errors import ModelError
from tumorcam.saliency.activations import SIGMOID, SOFTMAX, require_guidable
from tumorcam.saliency.cam import cam_point, summed_kernel
from tumorcam.saliency.fusion import fuse_first_pooling, rectify_pooled
from tumorcam.saliency.graph import IMAGE, Graph, Shapes, Step, unroll
from tumorcam.saliency.methods import GUIDED
from tumorcam.saliency.passes import forward
from tumorcam.saliency.program import Program, shared_program
from tumorcam.saliency.rules import Arrays
from tumorcam.settings import DEFAULT_METHODS, METHODS, PRECISIONS
from tumorcam.settings.methods import COARSE

HALF = ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16")  # of a layer's computing


@dataclass(frozen=True)
class Maps:
    """Logits and saliency maps of a batch of samples.

    `logits` (samples, classes) float32; `methods` (samples, targets, rows, columns) float32, keyed
    by the method's name: signed, not rescaled, summed over channels.
    """

    logits: np.ndarray
    methods: dict[str, np.ndarray]


class Explainer:
    """Saliency maps of a network, compiled once for many calls.

    Parameters
    ----------
    network : keras.Model
        Sequential or functional, from (samples, [rows,] columns, channels) to one logit or softmax
        share for each class. `layers.LINEAR` and `activations.ACTIVATIONS` list its layers. Its
        weights are copied; the network itself is not kept.
    methods : sequence of str
        Some of METHODS.
    layer : str, optional
        Name of the convolution of Grad-CAM; by default the last one.
    batch_size : int
        Number of samples computed at once. Smaller batches are padded with zeros, which does not
        change the maps of the other samples.
    precision : str
        "float32", or "bfloat16" for images, weights and gradients of half the bits.

    Raises
    ------
    ModelError
        If a layer cannot be explained exactly, with its name, or a guided method meets an
        activation for which it is not defined.
    """

    def __init__(
        self,
        network: keras.Model,
        *,
        methods: Sequence[str] = DEFAULT_METHODS,
        layer: str | None = None,
        batch_size: int = 64,
        precision: str = "float32",
    ) -> None:
        _require_choices("method", methods, METHODS)
        _require_choices("precision", [precision], PRECISIONS)
        self.methods, self.batch_size = tuple(methods), batch_size
        self._dtype = tf.as_dtype(precision)
        self.release_weights()
        graph = unroll(network)
        for step in graph.steps:
            require_guidable(step.layer, step.rule, [m for m in methods if m in GUIDED])
        self._layer, self._structure = layer, _structure(graph, layer)
        self._rank = graph.rank
        self._shapes = _shapes(graph, network)
        self._image_shape, self.n_classes = self._shapes[IMAGE], self._shapes[graph.output][0]
        self.map_shape = self._image_shape[2 - self._rank : 2]
        self._cam = cam_point(graph, self._shapes, layer) if COARSE & set(methods) else None
        self._steps = self._prepare(graph)
        program = Program(
            steps=self._steps,
            logits=graph.output,
            n_classes=self.n_classes,
            cam=self._cam,
            methods=self.methods,
            dtype=self._dtype,
        )
        shape = (batch_size, *self._image_shape)
        self._traced = shared_program(
            (self._structure, graph.output, shape, self.methods, precision),
            lambda: program.trace(shape, self._weights),
        )

    def take_weights(self, network: keras.Model) -> None:
        """Explain a network with the same layers from now on, without compiling anew.

        It may be another network, or the same one with other weights.

        Raises
        ------
        ModelError
            If the network has other layers.
        """
        graph = unroll(network)
        is_same = _structure(graph, self._layer) == self._structure
        if not is_same or network.input_shape[1:] != self._input_shape:
            msg = f"network {network.name!r} has other layers; make an Explainer of its own"
            raise ModelError(msg)
        self._prepare(graph)

    def release_weights(self) -> None:
        """Free the memory of the weights; call `take_weights` before the next maps."""
        self._source: tuple[Arrays, ...] = ()
        self._weights: list[list[tf.Tensor]] = []

    def __call__(self, images: np.ndarray, targets: np.ndarray) -> Maps:
        """Maps of all targets of each image.

        Parameters
        ----------
        images : (samples, [rows,] columns, channels) float32
            At most `batch_size` samples.
        targets : (samples, targets) int
            Classes whose logits are explained.

        Raises
        ------
        ModelError
            If images have another shape than the network's, a target is none of its classes, or
            the weights were released.
        """
        self._require_fit(images, targets)
        n_samples, n_padding = len(images), self.batch_size - len(images)
        batch = images.reshape(n_samples, *self._image_shape).astype(np.float32, copy=False)
        if n_padding:
            batch = np.pad(batch, [(0, n_padding), (0, 0), (0, 0), (0, 0)])
            targets = np.pad(targets, [(0, n_padding), (0, 0)])
        # transposed here: oneDNN's transpose complains of integers on some CPUs
        logits, maps = self._traced(
            tf.constant(batch), tf.constant(targets.T, tf.int32), self._weights
        )
        axes = slice(None) if self._rank == 2 else 0
        return Maps(
            logits.numpy()[:n_samples],
            {name: maps[name].numpy().swapaxes(0, 1)[:n_samples, :, axes] for name in self.methods},
        )

    @property
    def _input_shape(self) -> tuple[int, ...]:
        return self._image_shape if self._rank == 2 else self._image_shape[1:]

    def _prepare(self, graph: Graph) -> tuple[Step, ...]:
        """Copy the weights of a network in the form that its optimised steps take; these steps.

        The tensors of steps whose weights are the same as before are kept.
        """
        keep = self._cam.activation if self._cam else graph.output
        optimised = fuse_first_pooling(rectify_pooled(graph, keep), self._shapes)
        earlier = self._source if len(self._source) == len(optimised.weights) else None
        is_same = [
            earlier is not None and _are_equal([arrays], [earlier[i]])
            for i, arrays in enumerate(optimised.weights)
        ]
        weights = [
            self._weights[i] if is_same[i] else self._tensors(step.rule.prepare(*arrays))
            for i, (step, arrays) in enumerate(zip(optimised.steps, optimised.weights, strict=True))
        ]
        if not self._weights or not all(is_same):
            dense = self._cam.dense.output if self._cam and self._cam.dense else None
            outputs = [step.output for step in optimised.steps]
            if dense is not None and is_same[outputs.index(dense)]:
                weights.append(self._weights[-1])
            else:
                summed = summed_kernel(optimised, self._cam) if self._cam else ()
                weights.append(self._tensors(summed))
            self._source, self._weights = optimised.weights, weights
        return optimised.steps

    def _tensors(self, arrays: Arrays) -> list[tf.Tensor]:
        return [tf.constant(array, self._dtype) for array in arrays]

    def _require_fit(self, images: np.ndarray, targets: np.ndarray) -> None:
        if not self._weights:
            msg = "the weights were released; call take_weights before the next maps"
            raise ModelError(msg)
        shape = self._input_shape
        if images.shape[1:] != shape or len(images) != len(targets) or np.ndim(targets) != 2:
            msg = (
                f"images are {images.shape} and targets {np.shape(targets)}; wanted "
                f"(samples, {', '.join(map(str, shape))}) and (samples, targets)"
            )
            raise ModelError(msg)
        if len(images) > self.batch_size:
            msg = f"{len(images)} images are more than the batch size {self.batch_size}"
            raise ModelError(msg)
        if not np.isin(targets, np.arange(self.n_classes)).all():
            msg = (
                f"targets go from {targets.min()} to {targets.max()}, but the network has "
                f"{self.n_classes} classes; pass indices from 0 to {self.n_classes - 1}"
            )
            raise ModelError(msg)


def sample_bytes(network: keras.Model) -> int:
    """Approximate memory that one sample takes: all values, and their gradients in two passes."""
    sizes = [math.prod(layer.output.shape[1:]) for layer in network.layers]
    return 3 * 4 * sum(sizes)


def _structure(graph: Graph, layer: str | None) -> tuple[tuple[object, ...], ...]:
    """A description of a network without its weights; `layer` is the convolution of Grad-CAM."""
    return tuple(
        (step.rule, step.inputs, step.output, step.layer == layer, *(a.shape for a in arrays))
        for step, arrays in zip(graph.steps, graph.weights, strict=True)
    )


def _are_equal(weights: Sequence[Arrays], others: Sequence[Arrays]) -> bool:
    """Whether the weights of two networks with the same layers are equal."""
    return len(weights) == len(others) and all(
        np.array_equal(array, other)
        for arrays, other_arrays in zip(weights, others, strict=True)
        for array, other in zip(arrays, other_arrays, strict=True)
    )


def _shapes(graph: Graph, network: keras.Model) -> Shapes:
    """The shape of each value without samples.

    Raises
    ------
    ModelError
        If the steps do not compute the network's output for a random image.
    """
    axes = network.input_shape[1:]
    image = np.random.default_rng(0).normal(size=(1, *axes)).astype(np.float32)
    weights = [
        [tf.constant(array) for array in step.rule.prepare(*arrays)]
        for step, arrays in zip(graph.steps, graph.weights, strict=True)
    ]
    start = {IMAGE: tf.constant(image.reshape(1, *(1,) * (2 - graph.rank), *axes))}
    values = forward(graph.steps, weights, start).values
    output = values[graph.output]
    if graph.link:
        output = {SOFTMAX: tf.nn.softmax, SIGMOID: tf.sigmoid}[graph.link](output)
    expected = tf.cast(network(image, training=False), tf.float32).numpy()
    if not np.isfinite(expected).all():
        msg = f"network {network.name!r} gives outputs that are NaN or infinite; check its weights"
        raise ModelError(msg)
    is_half = any(getattr(step, "compute_dtype", "") in HALF for step in network.layers)
    share = 0.05 if is_half else 1e-3
    if not np.allclose(output, expected, rtol=share, atol=share / 10 * np.abs(expected).max()):
        msg = (
            f"the output of network {network.name!r} is not what its layers compute; explain a "
            "model whose call only calls its layers"
        )
        raise ModelError(msg)
    return {value: tuple(tensor.shape[1:]) for value, tensor in values.items()}


def _require_choices(setting: str, values: Sequence[str], choices: Sequence[str]) -> None:
    unknown = [name for name in values if name not in choices]
    if unknown:
        msg = f"{setting} {unknown[0]!r} is unknown; choose from {', '.join(choices)}"
        raise ModelError(msg)
