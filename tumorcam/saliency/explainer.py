"""Saliency maps of a network: every method and target from one forward pass."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from tumorcam.errors import ModelError
from tumorcam.saliency.cam import CamPoint, cam_point, summed_kernel
from tumorcam.saliency.graph import IMAGE, Graph, Shapes, fuse_first_pooling, rectify_pooled, unroll
from tumorcam.saliency.passes import Forward, backward, forward
from tumorcam.saliency.rules import Weights, fused, product
from tumorcam.settings import DEFAULT_METHODS, METHODS, PRECISIONS

GUIDED = {"guided_grad_cam", "guided_backprop", "guided_gradient", "guided_grad_cam_shared"}
COARSE = {"guided_grad_cam", "grad_cam", "guided_grad_cam_shared"}
PLAIN = {"gradient", "gradient_x_input", "guided_gradient"}
SHARED = "guided_grad_cam_shared"  # made of two others' maps of all targets
SHARED_PARTS = ("grad_cam", "guided_backprop")
AVERAGED = {"integrated_gradients", "smooth_grad"}  # over passes of their own
PATH_NODES = 16  # of integrated gradients
NOISE_DRAWS, NOISE_SHARE = 25, 0.15  # of SmoothGrad, and its SD as a share of the image's range
NOISE_SEED = 2017

Gradient = Callable[[tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Maps:
    """Saliency of a batch.

    `logits` (samples, classes) float32; `methods` maps each method's name to
    (samples, targets, rows, columns) float32, signed, not rescaled, summed over channels.
    """

    logits: np.ndarray
    methods: dict[str, np.ndarray]


class Explainer:
    """Saliency maps of a network, traced once.

    Parameters
    ----------
    network : keras.Model
        Sequential or functional, from (samples, [rows,] columns, channels) to one logit or softmax
        share a class; see `graph.LINEAR` for its layers. Its weights are copied.
    methods : sequence of str
        Some of METHODS.
    layer : str, optional
        Convolution of Grad-CAM; by default the last one.
    batch_size : int
        Samples computed at once; smaller batches are padded, which changes no other sample.
    precision : str
        "float32", or "bfloat16" for images, weights and gradients in half the bits.

    Raises
    ------
    ModelError
        If a layer cannot be explained exactly; its name is given.
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
        _require_known("method", methods, METHODS)
        _require_known("precision", [precision], PRECISIONS)
        self.methods, self.batch_size = tuple(methods), batch_size
        self._dtype = tf.as_dtype(precision)
        plain = unroll(network)
        self._rank = plain.rank
        self._shapes = shapes = _shapes(plain, network)
        self._layers = _layers(plain)
        self._image_shape, self.n_classes = shapes[IMAGE], shapes[plain.output][0]
        self.map_shape = self._image_shape[2 - self._rank : 2]
        self._cam = cam_point(plain, shapes, layer) if COARSE & set(methods) else None
        self._graph = _optimised(plain, shapes, self._cam)
        self._weights = self._constants(self._graph)
        signature = [
            tf.TensorSpec((batch_size, *self._image_shape), tf.float32),
            tf.TensorSpec((None, batch_size), tf.int32),
            tf.nest.map_structure(tf.TensorSpec.from_tensor, self._weights),
        ]
        self._traced = tf.function(self._explain, input_signature=signature, autograph=False)

    def take_weights(self, network: keras.Model) -> None:
        """Explain another network of the same layers from now on, without tracing anew.

        Raises
        ------
        ModelError
            If its layers are others.
        """
        plain = unroll(network)
        if _layers(plain) != self._layers or network.input_shape[1:] != self._input_shape:
            msg = f"network {network.name!r} has other layers; make an Explainer of its own"
            raise ModelError(msg)
        self._weights = self._constants(_optimised(plain, self._shapes, self._cam))

    def __call__(self, images: np.ndarray, targets: np.ndarray) -> Maps:
        """Maps of every target of every image.

        Parameters
        ----------
        images : (samples, [rows,] columns, channels) float32
            At most `batch_size` samples.
        targets : (samples, targets) int
            Classes whose logits are explained.

        Raises
        ------
        ModelError
            If images have another shape than the network's, or a target is none of its classes.
        """
        self._require_fit(images, targets)
        n_samples, missing = len(images), self.batch_size - len(images)
        pictures = images.reshape(n_samples, *self._image_shape).astype(np.float32, copy=False)
        if missing:
            pictures = np.pad(pictures, [(0, missing), (0, 0), (0, 0), (0, 0)])
            targets = np.pad(targets, [(0, missing), (0, 0)])
        # transposed here: oneDNN's transpose complains of integers on some CPUs
        logits, maps = self._traced(
            tf.constant(pictures), tf.constant(targets.T, tf.int32), self._weights
        )
        axes = slice(None) if self._rank == 2 else 0
        return Maps(
            logits.numpy()[:n_samples],
            {name: maps[name].numpy().swapaxes(0, 1)[:n_samples, :, axes] for name in self.methods},
        )

    @property
    def _input_shape(self) -> tuple[int, ...]:
        return self._image_shape if self._rank == 2 else self._image_shape[1:]

    def _constants(self, graph: Graph) -> list[list[tf.Tensor]]:
        """The weights of each step, and what `summed_kernel` gives, last."""
        summed = summed_kernel(graph, self._cam) if self._cam else ()
        return [
            [tf.constant(array, self._dtype) for array in arrays]
            for arrays in (*graph.weights, summed)
        ]

    def _require_fit(self, images: np.ndarray, targets: np.ndarray) -> None:
        wanted = self._input_shape
        if images.shape[1:] != wanted or len(images) != len(targets) or np.ndim(targets) != 2:
            msg = (
                f"images are {images.shape} and targets {np.shape(targets)}; wanted "
                f"(samples, {', '.join(map(str, wanted))}) and (samples, targets)"
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

    def _explain(
        self, images: tf.Tensor, targets: tf.Tensor, weights: Sequence[Weights]
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Logits (samples, classes), and maps (targets, samples, rows, columns).

        One target after the other: what is computed for all of them at once would not fit.
        """
        wanted = [*self.methods, *(SHARED_PARTS if SHARED in self.methods else ())]
        methods = [name for name in dict.fromkeys(wanted) if name not in {*AVERAGED, SHARED}]

        def gradient(pictures: tf.Tensor) -> tf.Tensor:
            made = self._forward(pictures, weights)
            return tf.map_fn(
                lambda target: self._pulled(made, target, [IMAGE], guided=False)[IMAGE],
                targets,
                fn_output_signature=tf.float32,
                parallel_iterations=1,
            )

        made = self._forward(images, weights)
        maps: dict[str, tf.Tensor] = {}
        if methods:
            maps = tf.map_fn(
                lambda target: self._maps(made, target, methods, weights[-1]),
                targets,
                fn_output_signature=dict.fromkeys(methods, tf.float32),
                parallel_iterations=1,
            )
        if SHARED in self.methods:
            coarse, guided = (maps[name] for name in SHARED_PARTS)
            maps[SHARED] = tf.reduce_mean(coarse, axis=0) * guided
        zeros = tf.zeros(tf.concat([tf.shape(targets)[:1], tf.shape(images)], 0))
        if "integrated_gradients" in self.methods:
            way = _mean_on_the_way(gradient, images, zeros)
            maps["integrated_gradients"] = tf.reduce_sum(way * images, -1)
        if "smooth_grad" in self.methods:
            maps["smooth_grad"] = tf.reduce_sum(_mean_under_noise(gradient, images, zeros), -1)
        return tf.cast(made.values[self._graph.output], tf.float32), maps

    def _forward(self, images: tf.Tensor, weights: Sequence[Weights]) -> Forward:
        return forward(self._graph.steps, weights[:-1], {IMAGE: tf.cast(images, self._dtype)})

    def _pulled(
        self, made: Forward, target: tf.Tensor, wanted: list[int], *, guided: bool
    ) -> dict[int, tf.Tensor]:
        """Gradients of each sample's target logit at some values, float32."""
        start = {self._graph.output: tf.one_hot(target, self.n_classes, dtype=self._dtype)}
        pulled = backward(self._graph.steps, made.pulls, start, wanted, guided=guided)
        return {value: tf.cast(gradient, tf.float32) for value, gradient in pulled.items()}

    def _maps(
        self, made: Forward, target: tf.Tensor, methods: Sequence[str], summed: Weights
    ) -> dict[str, tf.Tensor]:
        """Maps (samples, rows, columns) of one target a sample."""
        seen = {"image": made.values[IMAGE]}
        wanted = [IMAGE] if PLAIN & set(methods) else []
        if self._cam:
            wanted.append(self._cam.gradient)
        plain = self._pulled(made, target, wanted, guided=False)
        if PLAIN & set(methods):
            seen["gradient"] = plain[IMAGE]
        if self._cam:
            seen["activation"] = made.values[self._cam.activation]
            seen["cam_gradient"] = plain[self._cam.gradient]
            if summed:
                gradient = tf.cast(seen["cam_gradient"], self._dtype)
                seen["cam_gradient"] = product(gradient, summed[0])
        if GUIDED & set(methods):
            seen["guided"] = self._pulled(made, target, [IMAGE], guided=True)[IMAGE]
        found: dict[str, tf.Tensor] = fused(self._finished, seen)
        return {name: found[name] for name in methods}

    def _finished(self, seen: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """All maps that can be made of what was computed, summed over channels."""
        seen = {name: tf.cast(value, tf.float32) for name, value in seen.items()}
        maps = {}
        if "gradient" in seen:
            maps["gradient"] = tf.reduce_sum(seen["gradient"], -1)
            maps["gradient_x_input"] = tf.reduce_sum(seen["gradient"] * seen["image"], -1)
        if "guided" in seen:
            maps["guided_backprop"] = tf.reduce_sum(seen["guided"], -1)
        if self._cam:
            activation = seen["activation"]
            n_cells = activation.shape[1] * activation.shape[2]
            alpha = seen["cam_gradient"] / n_cells
            if len(alpha.shape) == 4:
                alpha = tf.reduce_sum(alpha, (1, 2))
            cam = tf.nn.relu(tf.einsum("nhwk,nk->nhw", activation, alpha))
            maps["grad_cam"] = tf.einsum("ph,nhw,qw->npq", self._cam.rows, cam, self._cam.columns)
        if "guided" in seen and "gradient" in seen:
            guided, agreeing = maps["guided_backprop"], tf.nn.relu(maps["gradient"])
            maps["guided_gradient"] = tf.sign(guided) * tf.sqrt(tf.abs(guided) * agreeing)
        if self._cam and "guided" in seen:
            maps["guided_grad_cam"] = maps["grad_cam"] * maps["guided_backprop"]
        return maps


def sample_bytes(network: keras.Model) -> int:
    """About what a sample takes: all values, and a gradient at each of two backward passes."""
    sizes = [math.prod(layer.output.shape[1:]) for layer in network.layers]
    return 3 * 4 * sum(sizes)


def _optimised(graph: Graph, shapes: Shapes, cam: CamPoint | None) -> Graph:
    kept = cam.activation if cam else graph.output
    return fuse_first_pooling(rectify_pooled(graph, kept), shapes)


def _layers(graph: Graph) -> list[tuple[object, ...]]:
    """What networks have in common that differ in their weights alone."""
    return [
        (step.rule, step.inputs, *(array.shape for array in arrays))
        for step, arrays in zip(graph.steps, graph.weights, strict=True)
    ]


def _shapes(graph: Graph, network: keras.Model) -> Shapes:
    """Shape of each value, without samples; the logits are compared with the network's own.

    Raises
    ------
    ModelError
        If the steps compute something else than the network.
    """
    axes = network.input_shape[1:]
    image = np.random.default_rng(0).normal(size=(1, *axes)).astype(np.float32)
    weights = [[tf.constant(array) for array in arrays] for arrays in graph.weights]
    flat = image.reshape(1, *(1,) * (2 - graph.rank), *axes)
    made = forward(graph.steps, weights, {IMAGE: tf.constant(flat)})
    found, wanted = made.values[graph.output].numpy(), network(image, training=False).numpy()
    if graph.ends_in_softmax:
        found = tf.nn.softmax(found).numpy()
    if not np.allclose(found, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max()):
        msg = f"network {network.name!r} computes something else than its layers say; please report"
        raise ModelError(msg)
    return {value: tuple(tensor.shape[1:]) for value, tensor in made.values.items()}


def _mean_on_the_way(gradient: Gradient, images: tf.Tensor, zeros: tf.Tensor) -> tf.Tensor:
    """Mean gradient between a zero image and the image, by Gauss-Legendre quadrature.

    Sundararajan et al. 2017, arXiv:1703.01365.
    """
    nodes, shares = np.polynomial.legendre.leggauss(PATH_NODES)
    steps = np.stack([(nodes + 1) / 2, shares / 2], axis=1).astype(np.float32)

    def add(total: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        return total + step[1] * gradient(step[0] * images)

    return tf.foldl(add, steps, zeros, parallel_iterations=1)


def _mean_under_noise(gradient: Gradient, images: tf.Tensor, zeros: tf.Tensor) -> tf.Tensor:
    """Mean gradient over noisy images, the noise being the same for all samples.

    Smilkov et al. 2017, arXiv:1706.03825.
    """
    axes = (1, 2, 3)
    spread = tf.reduce_max(images, axes) - tf.reduce_min(images, axes)
    spread = NOISE_SHARE * spread[:, None, None, None]

    def add(total: tf.Tensor, draw: tf.Tensor) -> tf.Tensor:
        noise = tf.random.stateless_normal(images.shape[1:], tf.stack([NOISE_SEED, draw]))
        return total + gradient(images + spread * noise) / NOISE_DRAWS

    return tf.foldl(add, tf.range(NOISE_DRAWS), zeros, parallel_iterations=1)


def _require_known(what: str, given: Sequence[str], known: Sequence[str]) -> None:
    unknown = [name for name in given if name not in known]
    if unknown:
        msg = f"{what} {unknown[0]!r} is unknown; known: {', '.join(known)}"
        raise ModelError(msg)
