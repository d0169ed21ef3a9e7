"""The computation of maps from images and weights, traced once for networks of one structure."""

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import tensorflow as tf

from tumorcam.saliency.cam import CamPoint
from tumorcam.saliency.graph import IMAGE, Step
from tumorcam.saliency.methods import (
    AVERAGED,
    GUIDED,
    PLAIN,
    SHARED,
    SHARED_PARTS,
    Ingredients,
    mean_gradient_on_path,
    mean_gradient_under_noise,
    target_maps,
)
from tumorcam.saliency.passes import Forward, backward, forward
from tumorcam.saliency.rules import Weights, fused, matrix_product

MAX_PROGRAMS = 32  # that are kept after their last network is gone


@dataclass(frozen=True, eq=False)
class Program:
    """What a network of one structure computes for batches of one size. It holds no weights.

    `steps` are the optimised steps, `logits` is the index of the logits' value, `cam` is None
    where no method needs Grad-CAM.
    """

    steps: tuple[Step, ...]
    logits: int
    n_classes: int
    cam: CamPoint | None
    methods: tuple[str, ...]
    dtype: tf.DType

    def trace(self, image_shape: Sequence[int], weights: Sequence[Weights]) -> Callable:
        """The computation as a function of images, targets and weights, traced at its first call.

        Parameters
        ----------
        image_shape : sequence of int
            (batch size, rows, columns, channels).
        weights : sequence
            Weights of each step, of which only shapes and dtypes are used.
        """
        signature = [
            tf.TensorSpec(image_shape, tf.float32),
            tf.TensorSpec((None, image_shape[0]), tf.int32),
            tf.nest.map_structure(tf.TensorSpec.from_tensor, weights),
        ]
        # TensorFlow counts the traces of a plain method over all its objects and then warns
        explain = functools.partial(self._explain)
        return tf.function(explain, input_signature=signature, autograph=False)

    def _explain(
        self, images: tf.Tensor, targets: tf.Tensor, weights: Sequence[Weights]
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Logits (samples, classes), and maps (targets, samples, rows, columns) of each method.

        Targets are computed one after the other, because all at once would not fit in memory.
        """

        def gradient(pictures: tf.Tensor) -> tf.Tensor:
            activations = self._forward(pictures, weights)
            return tf.map_fn(
                lambda target: self._gradients(activations, target, [IMAGE], guided=False)[IMAGE],
                targets,
                fn_output_signature=tf.float32,
                parallel_iterations=1,
            )

        needed = [*self.methods, *(SHARED_PARTS if SHARED in self.methods else ())]
        methods = [name for name in dict.fromkeys(needed) if name not in {*AVERAGED, SHARED}]
        activations = self._forward(images, weights)
        maps: dict[str, tf.Tensor] = {}
        if methods:
            maps = tf.map_fn(
                lambda target: self._target_maps(activations, target, methods, weights[-1]),
                targets,
                fn_output_signature=dict.fromkeys(methods, tf.float32),
                parallel_iterations=1,
            )
        if SHARED in self.methods:
            coarse, guided = (maps[name] for name in SHARED_PARTS)
            maps[SHARED] = tf.reduce_mean(coarse, axis=0) * guided
        zeros = tf.zeros(tf.concat([tf.shape(targets)[:1], tf.shape(images)], 0))
        if "integrated_gradients" in self.methods:
            mean = mean_gradient_on_path(gradient, images, zeros)
            maps["integrated_gradients"] = tf.reduce_sum(mean * images, -1)
        if "smooth_grad" in self.methods:
            mean = mean_gradient_under_noise(gradient, images, zeros)
            maps["smooth_grad"] = tf.reduce_sum(mean, -1)
        return tf.cast(activations.values[self.logits], tf.float32), maps

    def _forward(self, images: tf.Tensor, weights: Sequence[Weights]) -> Forward:
        return forward(self.steps, weights[:-1], {IMAGE: tf.cast(images, self.dtype)})

    def _gradients(
        self, activations: Forward, target: tf.Tensor, at: list[int], *, guided: bool
    ) -> dict[int, tf.Tensor]:
        """Gradients of each sample's target logit at some values, float32, keyed by value index."""
        start = {self.logits: tf.one_hot(target, self.n_classes, dtype=self.dtype)}
        gradients = backward(self.steps, activations.vjps, start, at, guided=guided)
        return {value: tf.cast(gradient, tf.float32) for value, gradient in gradients.items()}

    def _target_maps(
        self, activations: Forward, target: tf.Tensor, methods: Sequence[str], summed: Weights
    ) -> dict[str, tf.Tensor]:
        """Maps (samples, rows, columns) of one target of each sample, by each method."""
        at = [IMAGE] if PLAIN & set(methods) else []
        if self.cam:
            at.append(self.cam.gradient)
        plain = self._gradients(activations, target, at, guided=False)
        guided: dict[int, tf.Tensor] = {}
        if GUIDED & set(methods):
            guided = self._gradients(activations, target, [IMAGE], guided=True)
        cam_gradient = plain[self.cam.gradient] if self.cam else None
        if summed:
            cam_gradient = matrix_product(tf.cast(cam_gradient, self.dtype), summed[0])
        ingredients = Ingredients(
            image=activations.values[IMAGE],
            gradient=plain[IMAGE] if PLAIN & set(methods) else None,
            guided_gradient=guided.get(IMAGE),
            activation=activations.values[self.cam.activation] if self.cam else None,
            cam_gradient=cam_gradient,
        )
        maps: dict[str, tf.Tensor] = fused(lambda parts: target_maps(parts, self.cam), ingredients)
        return {name: maps[name] for name in methods}


_PROGRAMS: OrderedDict[Hashable, Callable] = OrderedDict()
_LOCK = threading.Lock()


def shared_program(key: Hashable, trace: Callable[[], Callable]) -> Callable:
    """The traced function of a key, made by `trace` if no network had this key lately.

    TensorFlow never frees what XLA compiled, so that networks of one structure share it.

    Parameters
    ----------
    key : hashable
        All on which the traced computation depends.
    trace : callable
        Makes the function.
    """
    with _LOCK:
        traced = _PROGRAMS.pop(key, None) or trace()
        _PROGRAMS[key] = traced
        while len(_PROGRAMS) > MAX_PROGRAMS:
            _PROGRAMS.popitem(last=False)
    return traced
