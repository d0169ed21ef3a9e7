"""The steps that a Keras network computes, from its images to its logits.

Values (images, activations and logits) have indices in the order of computing.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

from tumorcam.errors import ModelError
from tumorcam.saliency.layers import SOFTMAX, read_layer, refusal
from tumorcam.saliency.rules import Arrays, Rectifier, Rule

IMAGE = 0  # the index of the network's input among its values
Shapes = dict[int, tuple[int, ...]]  # of values, without samples


class Step(NamedTuple):
    """One rule, the indices of its inputs and of its output, and the name of its Keras layer."""

    rule: Rule
    inputs: tuple[int, ...]
    output: int
    layer: str


class Graph(NamedTuple):
    """Steps in the order of computing, with the weights of each.

    IMAGE is the index of the image, `output` that of the logits. `rank` is the number of the
    image's axes without channels: 2, or 1 for networks of one axis, whose images get one row.
    `ends_in_softmax` says whether the network applies a softmax to the logits.
    """

    steps: tuple[Step, ...]
    weights: tuple[Arrays, ...]
    output: int
    rank: int
    ends_in_softmax: bool

    def consumers(self, value: int) -> list[Step]:
        """The steps that have a value among their inputs."""
        return [step for step in self.steps if value in step.inputs]


def unroll(network: keras.Model) -> Graph:
    """The steps of a network up to its logits; a softmax at its end is left out.

    The network is not changed.

    Raises
    ------
    ModelError
        If a layer cannot be explained exactly, with its name; if the network is neither Sequential
        nor functional; if it has more than one input or output, or other shapes than those of
        images and logits.
    """
    _require_images_to_logits(network)
    n_axes = len(network.input_shape)
    recorder = _Recorder(n_axes)
    output = recorder.record(network, [IMAGE])
    return Graph(
        steps=tuple(recorder.steps),
        weights=tuple(recorder.weights),
        output=recorder.logits.get(output, output),
        rank=n_axes - 2,
        ends_in_softmax=output in recorder.logits,
    )


def _require_images_to_logits(network: keras.Model) -> None:
    if not _is_graph_of_layers(network):
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
    if len(network.input_shape) not in (3, 4) or len(network.output_shape) != 2:
        msg = (
            f"network {network.name!r} goes from {network.input_shape} to {network.output_shape}; "
            "wanted (samples, [rows,] columns, channels) to (samples, classes)"
        )
        raise ModelError(msg)
    if None in network.input_shape[1:]:
        msg = f"network {network.name!r} takes images of any size; give its Input a shape"
        raise ModelError(msg)


def _is_graph_of_layers(network: keras.Layer) -> bool:
    """Whether this is a functional model, or a Sequential one whose input shape is given."""
    is_built = isinstance(network, keras.Sequential) and network.built
    return is_built or isinstance(network, keras.Function)


class _Recorder:
    """Records which rules a network applies to which values.

    `clone_model` walks the network and passes each layer, with its inputs, to a function of ours.
    This calls no layer, but records it and returns a placeholder for its output. Hence the
    network gets no new nodes, and the clone has no weights.
    """

    def __init__(self, n_axes: int) -> None:
        self.steps: list[Step] = []
        self.weights: list[Arrays] = []
        self.logits: dict[int, int] = {}  # a softmax's input, keyed by its output
        self._n_axes = n_axes
        self._n_values = 1

    def record(self, network: keras.Model, inputs: Sequence[int]) -> int:
        """The index of a network's output, given the indices of its inputs."""
        placeholders = [
            keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=f"input{i}")
            for i, tensor in enumerate(network.inputs)
        ]
        indices = dict(zip(placeholders, inputs, strict=True))

        def call(layer: keras.Layer, *arguments: Any, **options: Any) -> keras.KerasTensor:
            tensors = keras.tree.flatten(arguments)
            if not all(isinstance(tensor, keras.KerasTensor) for tensor in tensors):
                raise refusal(layer, "it takes constants")
            # its name is given, or else Keras counts up the names of the user's next layers
            output = keras.layers.Identity(name=f"value{len(indices)}")(tensors[0])
            indices[output] = self._record(layer, tuple(indices[tensor] for tensor in tensors))
            return output

        functional = keras.Model(network.inputs, network.outputs, name=network.name)
        walked = keras.models.clone_model(
            functional,
            input_tensors=placeholders,
            clone_function=lambda layer: layer,
            call_function=call,
        )
        return indices[walked.outputs[0]]

    def _record(self, layer: keras.Layer, inputs: tuple[int, ...]) -> int:
        """The index of a layer's output."""
        if any(value in self.logits for value in inputs):
            raise refusal(layer, "it follows a softmax")
        if isinstance(layer, keras.Model) and _is_graph_of_layers(layer):
            if len(layer.outputs) != 1:
                raise refusal(layer, f"it has {len(layer.outputs)} outputs")
            return self.record(layer, inputs)
        rules = read_layer(layer, self._n_axes)
        value = inputs[0]
        if rules.linear is not None:
            value = self._step(rules.linear, inputs, rules.weights, layer.name)
        if rules.activation is SOFTMAX:
            softmax = self._new_value()
            self.logits[softmax] = value
            return softmax
        if isinstance(rules.activation, Rectifier):
            value = self._step(rules.activation, (value,), (), layer.name)
        return value

    def _new_value(self) -> int:
        self._n_values += 1
        return self._n_values - 1

    def _step(self, rule: Rule, inputs: tuple[int, ...], weights: Arrays, layer: str) -> int:
        output = self._new_value()
        self.steps.append(Step(rule, inputs, output, layer))
        self.weights.append(weights)
        return output
