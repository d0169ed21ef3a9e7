"""Saliency of one image in float64 NumPy: slow and obvious, and no code shared with tumorcam.

A network is read from its Keras config into nodes; values are (rows, columns, channels) or
(features,) arrays by the name of the node that makes them, networks of one axis having one row.
"""

from itertools import product
from typing import Any, NamedTuple

import numpy as np

SLOPES = {"leaky_relu": 0.2}
CEILINGS = {"relu6": 6.0}
IDLE = ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise")


class Node(NamedTuple):
    """One operation: its kind, the names of its inputs, its Keras settings and its weights."""

    name: str
    kind: str
    inputs: list[str]
    settings: dict[str, Any]
    weights: list[np.ndarray]


class Network(NamedTuple):
    nodes: list[Node]
    image: str
    logits: str

    def shape(self, image: np.ndarray) -> np.ndarray:
        return image if image.ndim == 3 else image[None]


def read_network(network) -> Network:
    """The nodes of a Keras network without nested ones, in the order of computing."""
    config = network.get_config()
    nodes: list[Node] = []
    last_of = {}  # Keras layer -> the name of its last node
    before = None
    for entry in config["layers"]:
        kind, settings = entry["class_name"], entry["config"]
        if entry.get("inbound_nodes"):
            found = histories(entry["inbound_nodes"][0]["args"])
            inputs = [last_of[name] for name in found]
        else:
            inputs = [] if before is None else [before]
        name = settings["name"]
        weights = []
        if kind != "InputLayer":
            layer = network.get_layer(name)
            weights = [np.asarray(array, np.float64) for array in layer.get_weights()]
        nodes.append(Node(name, kind, inputs, settings, weights))
        if settings.get("activation") not in (None, "linear"):
            nodes.append(Node(f"{name}+", settings["activation"], [name], {}, []))
        before = last_of[name] = nodes[-1].name
    if nodes[-1].kind in ("softmax", "Softmax"):
        before = nodes.pop().inputs[0]
    return Network(nodes, nodes[0].name, before)


def histories(argument) -> list[str]:
    """Names of the layers that made the tensors among a layer's arguments."""
    if isinstance(argument, dict):
        return [argument["config"]["keras_history"][0]]
    return [name for one in argument for name in histories(one)]


def window(node: Node, n: int, axis: int) -> tuple[int, int, int, int]:
    """Size, distance of the taps, stride and cells added before, along one axis."""
    keys = "kernel_size" if "Conv" in node.kind else "pool_size"
    size, stride, rate = (
        pair(node.settings.get(key, (1, 1)))[axis] for key in (keys, "strides", "dilation_rate")
    )
    reach = (size - 1) * rate + 1
    n_made = -(-n // stride)
    added = max((n_made - 1) * stride + reach - n, 0)
    return size, rate, stride, added // 2 if node.settings["padding"] == "same" else 0


def pair(values) -> tuple[int, int]:
    values = tuple(values) if isinstance(values, list | tuple) else (values,)
    return values if len(values) == 2 else (1, *values)


def n_cells(node: Node, n: int, axis: int) -> int:
    size, rate, stride, _ = window(node, n, axis)
    if node.settings["padding"] == "same":
        return -(-n // stride)
    return (n - (size - 1) * rate - 1) // stride + 1


def seen(node: Node, shape):
    """Each output cell with the input cells inside the image that it sees, and their taps."""
    along = [window(node, n, axis) for axis, n in enumerate(shape[:2])]
    for cell in product(*(range(n_cells(node, n, axis)) for axis, n in enumerate(shape[:2]))):
        taps = []
        for tap in product(*(range(size) for size, *_ in along)):
            row, column = (
                i * stride - before + a * rate
                for i, a, (_, rate, stride, before) in zip(cell, tap, along, strict=True)
            )
            if 0 <= row < shape[0] and 0 <= column < shape[1]:
                taps.append(((row, column), tap))
        yield cell, taps


def kernel_and_bias(node: Node):
    kernel = node.weights[0]
    if node.kind == "Conv1D":
        kernel = kernel[None]
    bias = node.weights[1] if node.settings["use_bias"] else np.zeros(kernel.shape[-1])
    return kernel, bias


def grouped(node: Node, kernel: np.ndarray, n_channels: int):
    """Channels and filters of each group."""
    groups = node.settings["groups"]
    return zip(
        np.split(np.arange(n_channels), groups),
        np.split(np.arange(kernel.shape[-1]), groups),
        strict=True,
    )


def batch_factor(node: Node):
    """Factor and term of a BatchNormalization in use."""
    arrays = list(node.weights)
    gamma = arrays.pop(0) if node.settings["scale"] else 1.0
    beta = arrays.pop(0) if node.settings["center"] else 0.0
    mean, variance = arrays
    factor = gamma / np.sqrt(variance + node.settings["epsilon"])
    return factor, beta - mean * factor


def rectifier(node: Node) -> tuple[float, float]:
    """Slope below zero and ceiling."""
    slope = node.settings.get("negative_slope") or SLOPES.get(node.kind, 0.0)
    ceiling = node.settings.get("max_value") or CEILINGS.get(node.kind, np.inf)
    return slope, ceiling


def is_rectifier(node: Node) -> bool:
    return node.kind in ("ReLU", "LeakyReLU", "relu", "relu6", "leaky_relu")


def padded_before(node: Node) -> tuple[int, int]:
    around = node.settings["padding"]
    return (0, around[0]) if node.kind == "ZeroPadding1D" else (around[0][0], around[1][0])


def apply(node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    value, kind = inputs[0], node.kind
    if is_rectifier(node):
        slope, ceiling = rectifier(node)
        return np.minimum(np.where(value > 0, value, slope * value), ceiling)
    if kind in (*IDLE, "Activation"):
        return value
    if kind == "Flatten":
        return value.reshape(-1)
    if kind == "Add":
        return sum(inputs)
    if kind == "Concatenate":
        return np.concatenate(inputs, axis=-1)
    if kind == "BatchNormalization":
        factor, term = batch_factor(node)
        return value * factor + term
    if kind == "Dense":
        kernel, bias = kernel_and_bias(node)
        return value @ kernel + bias
    if kind.startswith("Global"):
        return value.max((0, 1)) if "Max" in kind else value.mean((0, 1))
    if kind.startswith("ZeroPadding"):
        around = node.settings["padding"]
        return np.pad(value, [(0, 0), around, (0, 0)] if "1D" in kind else [*around, (0, 0)])
    sizes = [n_cells(node, n, axis) for axis, n in enumerate(value.shape[:2])]
    if "Conv" in kind:
        kernel, bias = kernel_and_bias(node)
        made = np.zeros((*sizes, kernel.shape[-1])) + bias
        for cell, taps in seen(node, value.shape):
            for place, tap in taps:
                for channels, filters in grouped(node, kernel, value.shape[2]):
                    weights = kernel[tap][:, filters]
                    made[(*cell, filters)] += value[(*place, channels)] @ weights
        return made
    made = np.zeros((*sizes, value.shape[2]))
    for cell, taps in seen(node, value.shape):
        cells = [value[place] for place, _ in taps]
        made[cell] = np.max(cells, axis=0) if "Max" in kind else np.mean(cells, axis=0)
    return made


def pull(node: Node, inputs: list[np.ndarray], gradient: np.ndarray, guided: bool):
    """The gradient at each input of one at the output."""
    value, kind = inputs[0], node.kind
    if is_rectifier(node):
        slope, ceiling = rectifier(node)
        derivative = np.where(value > 0, np.where(value < ceiling, 1.0, 0.0), slope)
        return [(np.maximum(gradient, 0) if guided else gradient) * derivative]
    if kind in (*IDLE, "Activation"):
        return [gradient]
    if kind == "Flatten":
        return [gradient.reshape(value.shape)]
    if kind == "Add":
        return [gradient] * len(inputs)
    if kind == "Concatenate":
        return np.split(gradient, np.cumsum([x.shape[-1] for x in inputs])[:-1], axis=-1)
    if kind == "BatchNormalization":
        return [gradient * batch_factor(node)[0]]
    if kind == "Dense":
        return [gradient @ kernel_and_bias(node)[0].T]
    made = np.zeros(value.shape)
    if kind.startswith("ZeroPadding"):
        top, left = padded_before(node)
        return [gradient[top : top + value.shape[0], left : left + value.shape[1]]]
    if kind.startswith("GlobalAverage"):
        return [made + gradient / (value.shape[0] * value.shape[1])]
    if kind.startswith("GlobalMax"):
        places = list(product(range(value.shape[0]), range(value.shape[1])))
        windows = [(None, [(place, None) for place in places])]
    else:
        windows = seen(node, value.shape)
    for cell, taps in windows:
        at_cell = gradient if cell is None else gradient[cell]
        if "Conv" in kind:
            kernel, _ = kernel_and_bias(node)
            for place, tap in taps:
                for channels, filters in grouped(node, kernel, value.shape[2]):
                    made[(*place, channels)] += kernel[tap][:, filters] @ at_cell[filters]
        elif "Average" in kind:
            for place, _ in taps:
                made[place] += at_cell / len(taps)
        else:
            for channel in range(value.shape[2]):
                best = max((place for place, _ in taps), key=lambda place: value[(*place, channel)])
                made[(*best, channel)] += at_cell[channel]  # max gives the first of equal ones
    return [made]


def forward(network: Network, image: np.ndarray) -> dict[str, np.ndarray]:
    values = {network.image: np.asarray(image, np.float64).reshape(network_shape(image))}
    for node in network.nodes[1:]:
        values[node.name] = apply(node, [values[name] for name in node.inputs])
    return values


def network_shape(image: np.ndarray) -> tuple[int, ...]:
    return image.shape if image.ndim == 3 else (1, *image.shape)


def logits(network: Network, image: np.ndarray) -> np.ndarray:
    return forward(network, image)[network.logits]


def backward(
    network: Network, values: dict[str, np.ndarray], target: int, *, guided: bool
) -> dict[str, np.ndarray]:
    """The gradient of a logit at each value; rectifiers pass only positive ones when guided."""
    gradients = {name: np.zeros(value.shape) for name, value in values.items()}
    gradients[network.logits][target] = 1.0
    for node in reversed(network.nodes[1:]):
        inputs = [values[name] for name in node.inputs]
        for name, one in zip(
            node.inputs, pull(node, inputs, gradients[node.name], guided), strict=True
        ):
            gradients[name] = gradients[name] + one
    return gradients


def gradient(network: Network, image: np.ndarray, target: int) -> np.ndarray:
    found = backward(network, forward(network, image), target, guided=False)
    return found[network.image].sum(axis=2)


def gradient_x_input(network: Network, image: np.ndarray, target: int) -> np.ndarray:
    values = forward(network, image)
    found = backward(network, values, target, guided=False)[network.image]
    return (found * values[network.image]).sum(axis=2)


def guided_backprop(network: Network, image: np.ndarray, target: int) -> np.ndarray:
    found = backward(network, forward(network, image), target, guided=True)
    return found[network.image].sum(axis=2)


def integrated_gradients(network: Network, image: np.ndarray, target: int) -> np.ndarray:
    nodes, shares = np.polynomial.legendre.leggauss(16)
    pixels = np.asarray(image, np.float64).reshape(network_shape(image))
    total = np.zeros(pixels.shape)
    for node, share in zip(nodes, shares, strict=True):
        values = forward(network, (node + 1) / 2 * pixels)
        total += share / 2 * backward(network, values, target, guided=False)[network.image]
    return (total * pixels).sum(axis=2)


def cam_node(network: Network, layer: str | None) -> str:
    """The convolution's node behind its normalisation and rectifier, where it has them."""
    convolutions = [node.name for node in network.nodes if "Conv" in node.kind]
    name = layer or convolutions[-1]
    following = name
    while True:
        users = [node for node in network.nodes if following in node.inputs]
        if len(users) == 1 and is_rectifier(users[0]):
            return users[0].name
        if len(users) != 1 or users[0].kind not in (*IDLE, "Activation", "BatchNormalization"):
            return name
        following = users[0].name


def grad_cam(
    network: Network, image: np.ndarray, target: int, layer: str | None = None
) -> np.ndarray:
    """The coarse map, resized so that each cell lies on the centre of the pixels that it sees."""
    values, name = forward(network, image), cam_node(network, layer)
    at_layer = backward(network, values, target, guided=False)[name]
    coarse = np.zeros(at_layer.shape[:2])
    for channel in range(at_layer.shape[2]):
        coarse += at_layer[:, :, channel].mean() * values[name][:, :, channel]
    coarse = np.maximum(coarse, 0)
    row_centres, column_centres = (
        [
            np.mean(pixels_seen(network, values, name, cell, axis))
            for cell in range(coarse.shape[axis])
        ]
        for axis in (0, 1)
    )
    rows, columns = (np.arange(n) for n in values[network.image].shape[:2])
    tall = np.stack([np.interp(rows, row_centres, column) for column in coarse.T], axis=1)
    return np.stack([np.interp(columns, column_centres, row) for row in tall])


def pixels_seen(network, values, name: str, cell: int, axis: int) -> tuple[int, int]:
    """First and last pixel, maybe beyond the image, that a cell sees by any path."""
    if name == network.image:
        return cell, cell
    node = next(node for node in network.nodes if node.name == name)
    first = last = cell
    if "Conv" in node.kind or "Pooling" in node.kind:
        n = values[node.inputs[0]].shape[axis]
        size, rate, stride, before = window(node, n, axis)
        first = cell * stride - before
        last = first + (size - 1) * rate
    elif node.kind.startswith("ZeroPadding"):
        first = last = cell - padded_before(node)[axis]
    ends = [
        (
            pixels_seen(network, values, one, first, axis)[0],
            pixels_seen(network, values, one, last, axis)[1],
        )
        for one in node.inputs
    ]
    return min(low for low, _ in ends), max(high for _, high in ends)


def guided_grad_cam(
    network: Network, image: np.ndarray, target: int, layer: str | None = None
) -> np.ndarray:
    coarse = grad_cam(network, image, target, layer)
    return coarse * guided_backprop(network, image, target)


ORACLES = {
    "guided_grad_cam": guided_grad_cam,
    "guided_backprop": guided_backprop,
    "gradient_x_input": gradient_x_input,
    "grad_cam": grad_cam,
    "gradient": gradient,
    "integrated_gradients": integrated_gradients,
}


def all_maps(
    network, images: np.ndarray, targets: np.ndarray, methods=tuple(ORACLES), layer=None
) -> dict[str, np.ndarray]:
    """(samples, targets, rows, columns) float64 of every method."""
    read = read_network(network)
    options = {"layer": layer} if layer else {}
    return {
        name: np.array(
            [
                [
                    ORACLES[name](read, image, target, **(options if "cam" in name else {}))
                    for target in row
                ]
                for image, row in zip(images, targets, strict=True)
            ]
        )
        for name in methods
    }
