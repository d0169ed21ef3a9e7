"""A Keras network, however it was built, as steps from its images to its logits."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import keras
import numpy as np

from tumorcam.errors import ModelError
from tumorcam.saliency.pooling import GlobalMaximum, MaxPooling, PooledConvolution
from tumorcam.saliency.rules import (
    Add,
    Affine,
    AveragePooling,
    Concatenate,
    Convolution,
    Dense,
    Flatten,
    GlobalAverage,
    Identity,
    Rectifier,
    Rule,
    ZeroPadding,
)

layers = keras.layers
IMAGE = 0  # the index of the network's input among its values
Arrays = tuple[np.ndarray, ...]
Shapes = dict[int, tuple[int, ...]]  # of values, without samples


class Step(NamedTuple):
    """One rule, applied to values computed before; `layer` is the name of its Keras layer."""

    rule: Rule
    inputs: tuple[int, ...]
    output: int
    layer: str


class Graph(NamedTuple):
    """Steps in the order of computing, with the weights of each.

    Value IMAGE is the image, `output` the logits. `rank` is 1 for networks of one axis, whose
    images get a row. `ends_in_softmax` tells what the network makes of the logits.
    """

    steps: tuple[Step, ...]
    weights: tuple[Arrays, ...]
    output: int
    rank: int
    ends_in_softmax: bool

    def consumers(self, value: int) -> list[Step]:
        """Steps that take a value."""
        return [step for step in self.steps if value in step.inputs]


def unroll(network: keras.Model) -> Graph:
    """The steps of a network up to its logits: a softmax at the end is left out.

    Raises
    ------
    ModelError
        If a layer cannot be explained exactly, with its name; if the network is none of layers
        alone, or has more than one input or output.
    """
    if _functional(network) is None:
        msg = (
            f"network {network.name!r} is a {type(network).__name__}; wanted a Sequential or "
            "functional model with its input shape; build it of layers"
        )
        raise ModelError(msg)
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        msg = (
            f"network {network.name!r} has {len(network.inputs)} inputs and "
            f"{len(network.outputs)} outputs; wanted one of each"
        )
        raise ModelError(msg)
    n_axes = len(network.input_shape)
    if n_axes not in (3, 4) or len(network.output_shape) != 2:
        msg = (
            f"network {network.name!r} goes from {network.input_shape} to {network.output_shape}; "
            "wanted (samples, [rows,] columns, channels) to (samples, classes)"
        )
        raise ModelError(msg)
    if None in network.input_shape[1:]:
        msg = f"network {network.name!r} takes images of any size; give its Input a shape"
        raise ModelError(msg)
    recorder = _Recorder(n_axes)
    output = recorder.run(network, IMAGE)
    return Graph(
        tuple(recorder.steps),
        tuple(recorder.weights),
        recorder.logits.get(output, output),
        n_axes - 2,
        output in recorder.logits,
    )


class _Recorder:
    """Runs a network on indices of values instead of values."""

    def __init__(self, n_axes: int) -> None:
        self.steps: list[Step] = []
        self.weights: list[Arrays] = []
        self._n_axes = n_axes
        self._n_values = 1
        self.logits: dict[int, int] = {}  # what a softmax was applied to, by the softmax's index

    def run(self, network: keras.Model, value: int) -> int:
        """The index of a network's output for the value of an index."""
        found = _functional(network)._run_through_graph([value], self._caller)
        output: int = keras.tree.flatten(found)[0]
        return output

    def _caller(self, layer: keras.Layer) -> Callable[..., int]:
        def call(*inputs: Any, **options: Any) -> int:
            values = tuple(keras.tree.flatten(inputs))
            if not all(isinstance(value, int) for value in values):
                raise _refusal(layer, "it takes constants")
            if any(value in self.logits for value in values):
                raise _refusal(layer, "it follows a softmax")
            if isinstance(layer, keras.Model) and _functional(layer) is not None:
                return self.run(layer, values[0])
            return self._record(layer, values)

        return call

    def _record(self, layer: keras.Layer, values: tuple[int, ...]) -> int:
        if getattr(layer, "data_format", "channels_last") != "channels_last":
            raise _refusal(layer, "its channels come first")
        make = LINEAR.get(type(layer))
        value = values[0]
        if make is not None:
            rule, weights = make(layer, self._n_axes)
            value = self._step(rule, values, weights, layer.name)
        elif type(layer) not in RECTIFIERS:
            raise _refusal(layer, "its gradient is not known here")
        activation = _activation(layer)
        if activation is SOFTMAX:
            softmax = self._new_value()
            self.logits[softmax] = value
            return softmax
        if isinstance(activation, Rectifier):
            value = self._step(activation, (value,), (), layer.name)
        return value

    def _new_value(self) -> int:
        self._n_values += 1
        return self._n_values - 1

    def _step(self, rule: Rule, inputs: tuple[int, ...], weights: Arrays, layer: str) -> int:
        output = self._new_value()
        self.steps.append(Step(rule, inputs, output, layer))
        self.weights.append(weights)
        return output


def rectify_pooled(graph: Graph, keep: int) -> Graph:
    """The same network with max pooling before the rectifier that it followed, or with it in one.

    A rectifier never decreases, so the largest cell is the same; but it works on fewer cells. Where
    the rectified value is the value `keep`, it is computed before the pooling as well.
    """
    steps: list[Step] = []
    weights: list[Arrays] = []
    n_values = 1 + max(step.output for step in graph.steps)
    moved: dict[int, Step] = {}  # rectifier by the value that it made
    for step, arrays in zip(graph.steps, graph.weights, strict=True):
        following = graph.consumers(step.output)
        if isinstance(step.rule, Rectifier) and [type(s.rule) for s in following] == [MaxPooling]:
            moved[step.output] = step
            if step.output != keep:
                continue
        elif step.inputs[0] in moved:
            rectifier, pooling = moved[step.inputs[0]], step.rule
            assert isinstance(rectifier.rule, Rectifier) and isinstance(pooling, MaxPooling)
            step = step._replace(inputs=rectifier.inputs)
            if pooling.is_separate and not rectifier.rule.slope:
                step = step._replace(rule=replace(pooling, rectifier=rectifier.rule))
            else:
                steps.append(step._replace(output=n_values))
                weights.append(())
                step = rectifier._replace(inputs=(n_values,), output=step.output)
                n_values += 1
        steps.append(step)
        weights.append(arrays)
    return graph._replace(steps=tuple(steps), weights=tuple(weights))


def fuse_first_pooling(graph: Graph, shapes: Shapes) -> Graph:
    """The same network with its first convolution and the pooling behind it in one step."""
    index, first = next((i, step) for i, step in enumerate(graph.steps) if step.inputs == (IMAGE,))
    behind = graph.consumers(first.output)
    if not (
        isinstance(first.rule, Convolution)
        and first.rule.strides == (1, 1)
        and shapes[IMAGE][-1] <= MAX_FUSED_CHANNELS
        and len(behind) == 1
        and isinstance(behind[0].rule, MaxPooling)
        and behind[0].rule.is_separate
        and len(graph.consumers(IMAGE)) == 1
    ):
        return graph
    pooling = behind[0]
    assert isinstance(pooling.rule, MaxPooling)
    rule = PooledConvolution(
        first.rule.windows(*shapes[IMAGE][:2]),
        pooling.rule.windows(*shapes[first.output][:2]),
        (shapes[IMAGE][0], shapes[IMAGE][1]),
        (shapes[first.output][0], shapes[first.output][1]),
        pooling.rule.cells(*shapes[first.output][:2]),
        pooling.rule.rectifier,
    )
    kernel, bias, _ = graph.weights[index]
    kept = [
        (step, arrays)
        for step, arrays in zip(graph.steps, graph.weights, strict=True)
        if step not in (first, pooling)
    ]
    fused = Step(rule, (IMAGE,), pooling.output, first.layer)
    return graph._replace(
        steps=(fused, *(step for step, _ in kept)),
        weights=(rule.weights(kernel, bias), *(arrays for _, arrays in kept)),
    )


def _functional(network: keras.Model) -> Any:
    """The graph of layers behind a Sequential or functional model; None for other models."""
    inner = getattr(network, "_functional", network)
    return inner if hasattr(inner, "_run_through_graph") else None


def _refusal(layer: keras.Layer, why: str) -> ModelError:
    msg = (
        f"layer {layer.name!r} ({type(layer).__name__}) cannot be explained exactly: {why}; "
        f"known are {', '.join(sorted(kind.__name__ for kind in (*LINEAR, *RECTIFIERS)))} "
        "with ReLU, ReLU6, LeakyReLU or no activation, and a softmax at the end"
    )
    return ModelError(msg)


def _pair(values: Sequence[int] | int, fill: Any = 1) -> Any:
    """One value an axis, rows first; networks of one axis have one row."""
    found = tuple(values) if isinstance(values, Sequence) else (values,)
    return found if len(found) == 2 else (fill, *found)


def _convolution(layer: keras.Layer, n_axes: int) -> tuple[Rule, Arrays]:
    if layer.padding not in ("same", "valid"):
        raise _refusal(layer, f"its padding is {layer.padding!r}")
    kernel, bias = _kernel_and_bias(layer)
    kernel = kernel.reshape(*(1,) * (4 - kernel.ndim), *kernel.shape)
    kernel = _without_groups(_without_dilation(kernel, _pair(layer.dilation_rate)), layer.groups)
    strides = _pair(layer.strides)
    transposed = np.ascontiguousarray(kernel[::-1, ::-1].swapaxes(2, 3))
    rule = Convolution(kernel.shape[:2], strides, layer.padding.upper())
    return rule, (kernel, bias, transposed)


def _without_dilation(kernel: np.ndarray, rate: tuple[int, int]) -> np.ndarray:
    """The kernel with zeros between its cells."""
    size = [(n - 1) * step + 1 for n, step in zip(kernel.shape[:2], rate, strict=True)]
    wide = np.zeros((*size, *kernel.shape[2:]), kernel.dtype)
    wide[:: rate[0], :: rate[1]] = kernel
    return wide


def _without_groups(kernel: np.ndarray, n_groups: int) -> np.ndarray:
    """The kernel over all channels, zero between those of different groups."""
    *size, n_channels, n_filters = kernel.shape
    whole = np.zeros((*size, n_channels * n_groups, n_filters), kernel.dtype)
    for group, filters in enumerate(np.split(np.arange(n_filters), n_groups)):
        channels = slice(group * n_channels, (group + 1) * n_channels)
        whole[:, :, channels, filters] = kernel[..., filters]
    return whole


def _dense(layer: keras.Layer, n_axes: int) -> tuple[Rule, Arrays]:
    kernel, bias = _kernel_and_bias(layer)
    return Dense(), (kernel, bias, np.ascontiguousarray(kernel.T))


def _kernel_and_bias(layer: keras.Layer) -> tuple[np.ndarray, np.ndarray]:
    kernel = np.asarray(layer.kernel, np.float32)
    n_units = kernel.shape[-1]
    bias = layer.bias if layer.use_bias else np.zeros(n_units)
    return kernel, np.asarray(bias, np.float32)


def _affine(layer: keras.Layer, n_axes: int) -> tuple[Rule, Arrays]:
    rank = len(layer.input.shape)
    if layer.axis not in (-1, rank - 1):
        raise _refusal(layer, f"its axis is {layer.axis}, not the last")
    mean, variance = (
        np.asarray(array, np.float64) for array in (layer.moving_mean, layer.moving_variance)
    )
    gamma = np.asarray(layer.gamma, np.float64) if layer.scale else 1.0
    beta = np.asarray(layer.beta, np.float64) if layer.center else 0.0
    factor = gamma / np.sqrt(variance + layer.epsilon)
    return Affine(), (factor.astype(np.float32), (beta - mean * factor).astype(np.float32))


def _pooling(kind: type) -> Any:
    def make(layer: keras.Layer, n_axes: int) -> tuple[Rule, Arrays]:
        size, strides = _pair(layer.pool_size), _pair(layer.strides)
        return kind(size, strides, layer.padding.upper()), ()

    return make


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


def _activation(layer: keras.Layer) -> Rectifier | str | None:
    """What follows a layer's linear part: a rectifier, SOFTMAX or nothing."""
    if isinstance(layer, layers.ReLU):
        if layer.threshold:
            raise _refusal(layer, f"its threshold is {layer.threshold}")
        ceiling = math.inf if layer.max_value is None else float(layer.max_value)
        return Rectifier(float(layer.negative_slope), ceiling)
    if isinstance(layer, layers.LeakyReLU):
        return Rectifier(float(layer.negative_slope))
    if isinstance(layer, layers.Softmax):
        return SOFTMAX
    function = getattr(layer, "activation", None)
    if isinstance(function, keras.Layer):
        return _activation(function)
    if function is None:
        return None
    if function not in ACTIVATIONS:
        raise _refusal(layer, f"its activation is {getattr(function, '__name__', function)}")
    return ACTIVATIONS[function]


SOFTMAX = "softmax"
MAX_FUSED_CHANNELS = 3
ACTIVATIONS: dict[Any, Rectifier | str | None] = {
    keras.activations.linear: None,
    keras.activations.relu: Rectifier(),
    keras.activations.relu6: Rectifier(ceiling=6.0),
    keras.activations.leaky_relu: Rectifier(slope=0.2),  # Keras 3's default
    keras.activations.softmax: SOFTMAX,
}
RECTIFIERS = (layers.ReLU, layers.LeakyReLU, layers.Softmax, layers.Activation)
LINEAR: dict[type, Callable[[keras.Layer, int], tuple[Rule, Arrays]]] = {
    layers.Conv1D: _convolution,
    layers.Conv2D: _convolution,
    layers.Dense: _dense,
    layers.BatchNormalization: _affine,
    layers.MaxPooling1D: _pooling(MaxPooling),
    layers.MaxPooling2D: _pooling(MaxPooling),
    layers.AveragePooling1D: _pooling(AveragePooling),
    layers.AveragePooling2D: _pooling(AveragePooling),
    layers.GlobalMaxPooling1D: _global_pooling(GlobalMaximum),
    layers.GlobalMaxPooling2D: _global_pooling(GlobalMaximum),
    layers.GlobalAveragePooling1D: _global_pooling(GlobalAverage),
    layers.GlobalAveragePooling2D: _global_pooling(GlobalAverage),
    layers.ZeroPadding1D: _padding,
    layers.ZeroPadding2D: _padding,
    layers.Concatenate: _concatenate,
    layers.Add: _simple(Add()),
    layers.Flatten: _simple(Flatten()),
    layers.Dropout: _simple(Identity()),
    layers.SpatialDropout1D: _simple(Identity()),
    layers.SpatialDropout2D: _simple(Identity()),
    layers.GaussianNoise: _simple(Identity()),
    layers.GaussianDropout: _simple(Identity()),
}
