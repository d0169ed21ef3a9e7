"""The steps that a Keras network computes, from its images to its logits.

Values (images, activations and logits) have indices in the order of computing.
"""

from collections.abc import Sequence
from os import PathLike
from typing import Any, NamedTuple

import keras

from tumorcam.errors import ModelError, quoted
from tumorcam.saliency.activations import SIGMOID, SOFTMAX, Smooth
from tumorcam.saliency.layers import read_layer, refusal
from tumorcam.saliency.rules import Arrays, Rule

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
    `link` is what the network applies to the logits: SOFTMAX, SIGMOID, or "" for nothing.
    """

    steps: tuple[Step, ...]
    weights: tuple[Arrays, ...]
    output: int
    rank: int
    link: str

    def consumers(self, value: int) -> list[Step]:
        """The steps that have a value among their inputs."""
        return [step for step in self.steps if value in step.inputs]


def unroll(network: keras.Model) -> Graph:
    """The steps of a network up to its logits; a softmax or sigmoid at its end is left out.

    The network is not changed.

    Raises
    ------
    ModelError
        If a layer cannot be explained exactly, with its name; if the network is neither Sequential
        nor functional; if it has more than one input or output, or other shapes than those of
        images and logits.
    """
    require_network(network)
    n_axes = len(network.input_shape)
    recorder = _Recorder(n_axes)
    output = recorder.record(network, [IMAGE])
    graph = Graph(
        steps=tuple(recorder.steps),
        weights=tuple(recorder.weights),
        output=recorder.logits.get(output, output),
        rank=n_axes - 2,
        link=SOFTMAX if output in recorder.logits else "",
    )
    return _without_sigmoid(graph)


def _without_sigmoid(graph: Graph) -> Graph:
    """The graph up to the logits, if its last step is a sigmoid of them."""
    if not graph.steps or graph.link:
        return graph
    (*steps, last), (*weights, _) = graph.steps, graph.weights
    is_sigmoid = isinstance(last.rule, Smooth) and last.rule.name == SIGMOID
    if last.output != graph.output or not is_sigmoid:
        return graph
    return graph._replace(
        steps=tuple(steps), weights=tuple(weights), output=last.inputs[0], link=SIGMOID
    )


def require_network(network: object) -> None:
    """Check that this is a Keras network from one image to the logits of classes.

    Raises
    ------
    ModelError
        If it is anything else.
    """
    if isinstance(network, str | PathLike):
        msg = (
            f"network is the text {quoted(str(network))}; wanted a Sequential or functional Keras "
            "network. Load a file with keras.models.load_model; pass a layer's name as layer=..."
        )
        raise ModelError(msg)
    if not isinstance(network, keras.Model):
        msg = (
            f"network is a {type(network).__name__}; wanted a Sequential or functional Keras "
            "network; call the function once for each network"
        )
        raise ModelError(msg)
    if isinstance(network, keras.Sequential) and not _is_graph_of_layers(network):
        msg = (
            f"network {network.name!r} is not built: its input has no shape; wanted a Sequential "
            "or functional network; begin it with keras.Input((rows, columns, channels))"
        )
        raise ModelError(msg)
    if not _is_graph_of_layers(network):
        msg = (
            f"network {network.name!r} is a {type(network).__name__}; wanted a Sequential or "
            "functional Keras network; write the class as keras.Model(inputs, outputs)"
        )
        raise ModelError(msg)
    _require_shapes(network)


def _require_shapes(network: keras.Model) -> None:
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        msg = (
            f"network {network.name!r} has {len(network.inputs)} inputs and "
            f"{len(network.outputs)} outputs; wanted one of each; make a keras.Model from one "
            "input to one output"
        )
        raise ModelError(msg)
    if len(network.input_shape) not in (3, 4) or len(network.output_shape) != 2:
        msg = (
            f"network {network.name!r} goes from {network.input_shape} to {network.output_shape}; "
            "wanted (samples, [rows,] columns, channels) to (samples, classes); end it with "
            "Flatten or a global pooling, and Dense"
        )
        raise ModelError(msg)
    if None in network.input_shape[1:]:
        msg = (
            f"network {network.name!r} takes images of any size, {network.input_shape}; wanted "
            "one size; rebuild it with keras.Input((rows, columns, channels))"
        )
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
            if options.get("training"):
                reason = "it is called with training=True, not as in prediction"
                raise refusal(layer, reason, "Call it without training=True")
            if not all(isinstance(tensor, keras.KerasTensor) for tensor in tensors):
                raise refusal(layer, "it takes constants", "Compute with layers only")
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
            raise refusal(layer, "it follows a softmax", "Move the softmax to the network's end")
        if isinstance(layer, keras.Model) and _is_graph_of_layers(layer):
            if len(layer.outputs) != 1:
                reason = f"it has {len(layer.outputs)} outputs"
                raise refusal(layer, reason, "Give the inner network one output")
            return self.record(layer, inputs)
        rules = read_layer(layer, self._n_axes)
        value = inputs[0]
        if rules.linear is not None:
            value = self._step(rules.linear, inputs, rules.weights, layer.name)
        if rules.activation is SOFTMAX:
            softmax = self._new_value()
            self.logits[softmax] = value
            return softmax
        if isinstance(rules.activation, Rule):
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
