"""Activations that a layer may have: rectifiers, parametric ones, and smooth functions."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from tumorcam.errors import ModelError
from tumorcam.saliency.rules import LayerOutput, Rectifier, Rule, Weights, fused

SOFTMAX = "softmax"
SIGMOID = "sigmoid"


@dataclass(frozen=True)
class Smooth(Rule):
    """A function of each value with a derivative that is not that of a rectifier, such as GELU.

    The gradient is exact. Guided backpropagation is not defined: `require_guidable` refuses it.
    `options` are arguments of the function by name.
    """

    name: str
    function: Callable[..., tf.Tensor]
    options: tuple[tuple[str, float], ...] = ()

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> LayerOutput:
        (value,) = values

        def apply(points: tf.Tensor) -> tf.Tensor:
            return self.function(points, **dict(self.options))

        def product(gradient: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(points)
                activation = apply(points)
            return tape.gradient(activation, points, output_gradients=gradient)

        def vjp(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            return [fused(product, gradient, value)]

        return LayerOutput(fused(apply, value), vjp)


@dataclass(frozen=True)
class ParametricRectifier(Rule):
    """PReLU: a rectifier with a trained slope below zero; the derivative at 0 is 0, as in Keras.

    Guided backpropagation passes the positive part of the gradient times the derivative, as for
    `Rectifier`.
    """

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> LayerOutput:
        (value,), (slope,) = values, weights

        def apply(points: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
            return tf.nn.relu(points) - factor * tf.nn.relu(-points)

        def vjp(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            def product(g: tf.Tensor, points: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
                above, below = (tf.cast(side, g.dtype) for side in (points > 0, points < 0))
                return (tf.nn.relu(g) if guided else g) * (above + factor * below)

            return [fused(product, gradient, value, slope)]

        return LayerOutput(fused(apply, value, slope), vjp)


Activation = Rectifier | Smooth | str | None


def activation_of(function: Any) -> Activation:
    """The rule of an activation function, SOFTMAX, or None if it changes nothing.

    Parameters
    ----------
    function : callable or None
        Of Keras, or the function of TensorFlow that computes the same.

    Raises
    ------
    ModelError
        If there is no rule; the message is the function's name.
    """
    if function is None:
        return None
    if function not in ACTIVATIONS:
        raise ModelError(str(getattr(function, "__name__", function)))
    return ACTIVATIONS[function]


def layer_activation(layer: keras.Layer) -> Activation:
    """The rule of a layer that is an activation with settings of its own, such as ELU.

    Raises
    ------
    ModelError
        If it has a setting for which there is no rule; the message is the setting.
    """
    if isinstance(layer, keras.layers.ReLU):
        if layer.threshold:
            raise ModelError(f"threshold is {layer.threshold}")
        ceiling = math.inf if layer.max_value is None else float(layer.max_value)
        return Rectifier(float(layer.negative_slope), ceiling)
    if isinstance(layer, keras.layers.LeakyReLU):
        return Rectifier(float(layer.negative_slope))
    if isinstance(layer, keras.layers.ELU):
        return Smooth("elu", keras.activations.elu, (("alpha", float(layer.alpha)),))
    return SOFTMAX


def require_guidable(layer: str, rule: Rule, methods: Sequence[str]) -> None:
    """Check that guided backpropagation is defined for a step of a network.

    Parameters
    ----------
    layer : str
        The name of the step's layer, for the message.
    rule : Rule
    methods : sequence of str
        The methods to compute that use guided backpropagation.

    Raises
    ------
    ModelError
        If the step is a smooth activation, and there are such methods.

    References
    ----------
    Springenberg et al. 2015, arXiv:1412.6806.
    """
    if isinstance(rule, Smooth) and methods:
        msg = (
            f"{', '.join(methods)} cannot explain layer {layer!r}: its activation is {rule.name}. "
            "Guided backpropagation is defined for ReLU (Springenberg et al. 2015); tumorcam knows "
            "no published rule for smooth activations. Use gradient, gradient_x_input, "
            "integrated_gradients, smooth_grad or grad_cam, or train the network with ReLU"
        )
        raise ModelError(msg)


def _smooth(*names: str) -> dict[Any, Activation]:
    """Rules of Keras activations by their names, and of TensorFlow's functions of these names."""
    rules: dict[Any, Activation] = {}
    for name in names:
        function = getattr(keras.activations, name, None)  # older versions of Keras lack some
        for same in (function, getattr(tf.nn, name, None)):
            if same is not None:
                rules[same] = Smooth(name, same)
    return rules


ACTIVATIONS: dict[Any, Activation] = _smooth(
    *("celu", "elu", "exponential", "gelu", "hard_sigmoid", "hard_silu", "hard_tanh"),
    *("log_sigmoid", "mish", "selu", "sigmoid", "silu", "softplus", "softsign", "sparse_plus"),
    *("squareplus", "tanh", "tanh_shrink"),
) | {
    keras.activations.linear: None,
    keras.activations.relu: Rectifier(),
    tf.nn.relu: Rectifier(),
    keras.activations.relu6: Rectifier(ceiling=6.0),
    tf.nn.relu6: Rectifier(ceiling=6.0),
    keras.activations.leaky_relu: Rectifier(slope=0.2),  # Keras 3's default
    tf.nn.leaky_relu: Rectifier(slope=0.2),
    keras.activations.softmax: SOFTMAX,
    tf.nn.softmax: SOFTMAX,
}
