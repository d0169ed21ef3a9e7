"""Which Keras layers can be explained, and how each is written as rules with weights."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from tumorcam.errors import ModelError
from tumorcam.saliency.activations import (
    Activation,
    ParametricRectifier,
    activation_of,
    layer_activation,
)
from tumorcam.saliency.pooling import GlobalMaximum, MaxPooling
from tumorcam.saliency.rules import (
    Add,
    Affine,
    Arrays,
    AveragePooling,
    Concatenate,
    Convolution,
    Dense,
    Flatten,
    GlobalAverage,
    Identity,
    Rule,
    ZeroPadding,
)

REBUILD = (
    "Build the network of these layers: Conv1D, Conv2D, Dense, BatchNormalization, poolings, "
    "ZeroPadding, Flatten, Concatenate, Add, dropout, noise and activations; docs/api.md lists them"
)


class LayerRules(NamedTuple):
    """What a Keras layer computes: a linear rule with its weights, then an activation.

    `linear` is None for layers that only activate. `activation` is a rule, SOFTMAX or None.
    """

    linear: Rule | None
    weights: Arrays
    activation: Activation


def read_layer(layer: keras.Layer, n_axes: int) -> LayerRules:
    """The rules of a Keras layer, with a copy of its weights.

    Parameters
    ----------
    layer : keras.Layer
        Built, so that its weights and shapes exist.
    n_axes : int
        Axes of the network's images with samples and channels: 4, or 3 for networks of one axis.

    Raises
    ------
    ModelError
        If the layer cannot be explained exactly.
    """
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise refusal(layer, "its channels come first")
    kind = type(layer)
    make_rule = LINEAR.get(kind)
    if make_rule is None and kind not in (*ACTIVATION_LAYERS, keras.layers.Activation):
        raise refusal(layer, f"tumorcam has no rule for layers of type {kind.__name__}")
    linear, weights = make_rule(layer, n_axes) if make_rule else (None, ())
    return LayerRules(linear, weights, _activation(layer))


def refusal(layer: keras.Layer, reason: str, advice: str = REBUILD) -> ModelError:
    """The error for a layer that cannot be explained exactly, with the reason and what to do."""
    msg = (
        f"layer {layer.name!r} ({type(layer).__name__}) cannot be explained exactly: {reason}. "
        f"{advice}"
    )
    return ModelError(msg)


def _pair(values: Sequence[int] | int, fill: Any = 1) -> Any:
    """The values for rows and columns; networks of one axis get `fill` for their one row."""
    along_axes = tuple(values) if isinstance(values, Sequence) else (values,)
    return along_axes if len(along_axes) == 2 else (fill, *along_axes)


def _convolution(layer: keras.Layer, n_axes: int) -> tuple[Rule, Arrays]:
    if layer.padding not in ("same", "valid"):
        raise refusal(layer, f"its padding is {layer.padding!r}")
    kernel, bias = _kernel_and_bias(layer)
    kernel = kernel.reshape(*(1,) * (4 - kernel.ndim), *kernel.shape)
    kernel = _without_groups(_without_dilation(kernel, _pair(layer.dilation_rate)), layer.groups)
    strides = _pair(layer.strides)
    return Convolution(kernel.shape[:2], strides, layer.padding.upper()), (kernel, bias)


def _without_dilation(kernel: np.ndarray, rate: tuple[int, int]) -> np.ndarray:
    """The kernel of an undilated convolution, with zeros between the cells of the dilated one."""
    if rate == (1, 1):
        return kernel
    size = [(n - 1) * step + 1 for n, step in zip(kernel.shape[:2], rate, strict=True)]
    wide = np.zeros((*size, *kernel.shape[2:]), kernel.dtype)
    wide[:: rate[0], :: rate[1]] = kernel
    return wide


def _without_groups(kernel: np.ndarray, n_groups: int) -> np.ndarray:
    """The kernel of an ungrouped convolution, which is zero between channels of two groups."""
    if n_groups == 1:
        return kernel
    *size, n_channels, n_filters = kernel.shape
    whole = np.zeros((*size, n_channels * n_groups, n_filters), kernel.dtype)
    for group, filters in enumerate(np.split(np.arange(n_filters), n_groups)):
        channels = slice(group * n_channels, (group + 1) * n_channels)
        whole[:, :, channels, filters] = kernel[..., filters]
    return whole


def _dense(layer: keras.Layer, n_axes: int) -> tuple[Rule, Arrays]:
    return Dense(), _kernel_and_bias(layer)


def _kernel_and_bias(layer: keras.Layer) -> tuple[np.ndarray, np.ndarray]:
    kernel = np.asarray(layer.kernel, np.float32)
    n_units = kernel.shape[-1]
    bias = layer.bias if layer.use_bias else np.zeros(n_units)
    return kernel, np.asarray(bias, np.float32)


def _affine(layer: keras.Layer, n_axes: int) -> tuple[Rule, Arrays]:
    rank = len(layer.input.shape)
    if layer.axis not in (-1, rank - 1):
        raise refusal(layer, f"its axis is {layer.axis}, not the last")
    mean, variance = (
        np.asarray(array, np.float64) for array in (layer.moving_mean, layer.moving_variance)
    )
    gamma = np.asarray(layer.gamma, np.float64) if layer.scale else 1.0
    beta = np.asarray(layer.beta, np.float64) if layer.center else 0.0
    factor = gamma / np.sqrt(variance + layer.epsilon)
    return Affine(), (factor.astype(np.float32), (beta - mean * factor).astype(np.float32))


def _pooling(kind: type) -> Any:
    def make_rule(layer: keras.Layer, n_axes: int) -> tuple[Rule, Arrays]:
        size, strides = _pair(layer.pool_size), _pair(layer.strides)
        return kind(size, strides, layer.padding.upper()), ()

    return make_rule


def _global_pooling(kind: type) -> Any:
    return lambda layer, n_axes: (kind(bool(layer.keepdims)), ())


def _padding(layer: keras.Layer, n_axes: int) -> tuple[Rule, Arrays]:
    around = layer.padding
    rows, columns = around if n_axes == 4 else ((0, 0), around)
    return ZeroPadding(tuple(rows), tuple(columns)), ()


def _concatenate(layer: keras.Layer, n_axes: int) -> tuple[Rule, Arrays]:
    rank = len(layer.output.shape)
    return Concatenate(layer.axis if layer.axis < 0 else layer.axis - rank), ()


def _simple(rule: Rule) -> Any:
    return lambda layer, n_axes: (rule, ())


def _parametric(layer: keras.Layer, n_axes: int) -> tuple[Rule, Arrays]:
    slope = np.asarray(layer.alpha, np.float32)
    if n_axes == 3 and slope.ndim == 2:  # images of one axis get one row
        slope = slope[np.newaxis]
    return ParametricRectifier(), (slope,)


def _activation(layer: keras.Layer) -> Activation:
    """The activation after a layer's linear part, SOFTMAX or None."""
    if isinstance(layer, ACTIVATION_LAYERS):
        try:
            return layer_activation(layer)
        except ModelError as error:
            raise refusal(layer, f"its {error}") from None
    function = getattr(layer, "activation", None)
    if isinstance(function, keras.Layer):
        return _activation(function)
    try:
        return activation_of(function)
    except ModelError as error:
        raise refusal(layer, f"its activation is {error}, which has no rule") from None


ACTIVATION_LAYERS = (
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.ELU,
    keras.layers.Softmax,
)
LINEAR: dict[type, Callable[[keras.Layer, int], tuple[Rule, Arrays]]] = {
    keras.layers.Conv1D: _convolution,
    keras.layers.Conv2D: _convolution,
    keras.layers.Dense: _dense,
    keras.layers.BatchNormalization: _affine,
    keras.layers.MaxPooling1D: _pooling(MaxPooling),
    keras.layers.MaxPooling2D: _pooling(MaxPooling),
    keras.layers.AveragePooling1D: _pooling(AveragePooling),
    keras.layers.AveragePooling2D: _pooling(AveragePooling),
    keras.layers.GlobalMaxPooling1D: _global_pooling(GlobalMaximum),
    keras.layers.GlobalMaxPooling2D: _global_pooling(GlobalMaximum),
    keras.layers.GlobalAveragePooling1D: _global_pooling(GlobalAverage),
    keras.layers.GlobalAveragePooling2D: _global_pooling(GlobalAverage),
    keras.layers.ZeroPadding1D: _padding,
    keras.layers.ZeroPadding2D: _padding,
    keras.layers.Concatenate: _concatenate,
    keras.layers.Add: _simple(Add()),
    keras.layers.PReLU: _parametric,
    keras.layers.Identity: _simple(Identity()),
    keras.layers.Flatten: _simple(Flatten()),
    keras.layers.Dropout: _simple(Identity()),
    keras.layers.SpatialDropout1D: _simple(Identity()),
    keras.layers.SpatialDropout2D: _simple(Identity()),
    keras.layers.GaussianNoise: _simple(Identity()),
    keras.layers.GaussianDropout: _simple(Identity()),
}
