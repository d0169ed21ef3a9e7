"""Saliency of one image in float64 NumPy: slow and obvious, and no code shared with tumorcam.

A network is a list of Layer; `values[i]` is the input of layer i, `values[-1]` are the logits.
"""

from itertools import product
from typing import NamedTuple

import numpy as np


class Layer(NamedTuple):
    """One layer: kind is conv, pool, flatten or dense; `kernel` and `bias` float64 where it has."""

    kind: str
    kernel: np.ndarray | None = None
    bias: np.ndarray | float = 0.0
    size: int = 0
    stride: int = 1
    padding: str = "valid"
    relu: bool = False


def read_layers(network) -> list[Layer]:
    """The layers of a Keras network."""
    layers = []
    for layer in network.layers:
        arrays = [np.asarray(array, dtype=np.float64) for array in layer.get_weights()]
        weights = dict(zip(("kernel", "bias"), arrays, strict=False))
        relu = getattr(getattr(layer, "activation", None), "__name__", "") == "relu"
        kind = type(layer).__name__
        if kind == "Conv2D":
            size, stride = layer.kernel_size[0], layer.strides[0]
            sizes = {"size": size, "stride": stride, "padding": layer.padding}
            layers.append(Layer("conv", **weights, **sizes, relu=relu))
        elif kind == "MaxPooling2D":
            size = layer.pool_size[0]
            layers.append(Layer("pool", size=size, stride=size, padding=layer.padding))
        elif kind == "Dense":
            layers.append(Layer("dense", **weights, relu=relu))
        else:
            assert kind == "Flatten"
            layers.append(Layer("flatten"))
    return layers


def n_cells(n: int, layer: Layer) -> int:
    if layer.padding == "same":
        return -(-n // layer.stride)
    return (n - layer.size) // layer.stride + 1


def n_padded_before(n: int, layer: Layer) -> int:
    if layer.padding == "valid":
        return 0
    return max((n_cells(n, layer) - 1) * layer.stride + layer.size - n, 0) // 2


def windows(shape: tuple[int, ...], layer: Layer):
    """Each output cell with the input positions that it sees, inside the image and row by row."""
    rows, columns = shape[:2]
    top, left = n_padded_before(rows, layer), n_padded_before(columns, layer)
    for i, j in product(range(n_cells(rows, layer)), range(n_cells(columns, layer))):
        seen = []
        for a, b in product(range(layer.size), range(layer.size)):
            row, column = i * layer.stride - top + a, j * layer.stride - left + b
            if 0 <= row < rows and 0 <= column < columns:
                seen.append((row, column, a, b))
        yield i, j, seen


def apply(layer: Layer, value: np.ndarray) -> np.ndarray:
    if layer.kind == "flatten":
        return value.reshape(-1)
    if layer.kind == "dense":
        made = value @ layer.kernel + layer.bias
    else:
        channels = value.shape[2] if layer.kind == "pool" else layer.kernel.shape[3]
        made = np.zeros((*(n_cells(n, layer) for n in value.shape[:2]), channels))
        for i, j, seen in windows(value.shape, layer):
            if layer.kind == "pool":
                made[i, j] = np.max([value[r, c] for r, c, _, _ in seen], axis=0)
            else:
                made[i, j] = layer.bias + sum(
                    value[r, c] @ layer.kernel[a, b] for r, c, a, b in seen
                )
    return np.maximum(made, 0) if layer.relu else made


def forward(layers: list[Layer], image: np.ndarray) -> list[np.ndarray]:
    values = [np.asarray(image, dtype=np.float64)]
    for layer in layers:
        values.append(apply(layer, values[-1]))
    return values


def backward(
    layers: list[Layer], values: list[np.ndarray], target: int, *, guided: bool
) -> list[np.ndarray]:
    """The gradient of a logit at each of `values`; ReLUs pass only positive ones when guided."""
    gradient = np.zeros(len(values[-1]))
    gradient[target] = 1.0
    gradients = [gradient]
    for layer, value, output in reversed(list(zip(layers, values[:-1], values[1:], strict=True))):
        if layer.relu:
            gradient = np.where(output > 0, gradient, 0)
            gradient = np.where(gradient > 0, gradient, 0) if guided else gradient
        gradient = pull(layer, value, gradient)
        gradients.insert(0, gradient)
    return gradients


def pull(layer: Layer, value: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    if layer.kind == "flatten":
        return gradient.reshape(value.shape)
    if layer.kind == "dense":
        return layer.kernel @ gradient
    made = np.zeros(value.shape)
    for i, j, seen in windows(value.shape, layer):
        if layer.kind == "conv":
            for r, c, a, b in seen:
                made[r, c] += layer.kernel[a, b] @ gradient[i, j]
        else:
            for channel in range(value.shape[2]):
                best = max(seen, key=lambda place: value[place[0], place[1], channel])  # the first
                made[best[0], best[1], channel] += gradient[i, j, channel]
    return made


def gradient_x_input(layers: list[Layer], image: np.ndarray, target: int) -> np.ndarray:
    values = forward(layers, image)
    return (backward(layers, values, target, guided=False)[0] * values[0]).sum(axis=2)


def guided_backprop(layers: list[Layer], image: np.ndarray, target: int) -> np.ndarray:
    return backward(layers, forward(layers, image), target, guided=True)[0].sum(axis=2)


def grad_cam(layers: list[Layer], image: np.ndarray, target: int) -> np.ndarray:
    """The coarse map, resized so that each cell lies on the centre of the pixels that it sees."""
    values = forward(layers, image)
    last = max(i for i, layer in enumerate(layers) if layer.kind == "conv")
    gradient = backward(layers, values, target, guided=False)[last + 1]
    coarse = np.zeros(gradient.shape[:2])
    for channel in range(gradient.shape[2]):
        coarse += gradient[:, :, channel].mean() * values[last + 1][:, :, channel]
    coarse = np.maximum(coarse, 0)
    row_centres, column_centres = (
        cell_centres(layers[: last + 1], [v.shape[axis] for v in values[: last + 1]])
        for axis in (0, 1)
    )
    rows, columns = (np.arange(n) for n in image.shape[:2])
    tall = np.stack([np.interp(rows, row_centres, column) for column in coarse.T], axis=1)
    return np.stack([np.interp(columns, column_centres, row) for row in tall])


def guided_grad_cam(layers: list[Layer], image: np.ndarray, target: int) -> np.ndarray:
    return grad_cam(layers, image, target) * guided_backprop(layers, image, target)


def cell_centres(layers: list[Layer], sizes: list[int]) -> list[float]:
    """Middle of the pixels, some beyond the image, that each cell of the last layer sees.

    `sizes` holds the length of one axis at the input of each layer.
    """
    centres = []
    for cell in range(n_cells(sizes[-1], layers[-1])):
        first = last = cell
        for layer, n in zip(reversed(layers), reversed(sizes), strict=True):
            before = n_padded_before(n, layer)
            first = first * layer.stride - before
            last = last * layer.stride - before + layer.size - 1
        centres.append((first + last) / 2)
    return centres


ORACLES = {
    "guided_grad_cam": guided_grad_cam,
    "guided_backprop": guided_backprop,
    "gradient_x_input": gradient_x_input,
}


def all_maps(network, images: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
    """(samples, targets, rows, columns) float64 of every method."""
    layers = read_layers(network)
    return {
        name: np.array(
            [
                [oracle(layers, image, target) for target in row]
                for image, row in zip(images, targets, strict=True)
            ]
        )
        for name, oracle in ORACLES.items()
    }
