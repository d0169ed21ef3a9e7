"""Exact saliency maps of a network: every method and target from one forward pass."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from tumorcam.errors import ModelError

METHODS = ("guided_grad_cam", "guided_backprop", "gradient_x_input")
Pull = Callable[[tf.Tensor, bool], tf.Tensor]  # of a gradient, guided or not, through a layer


@dataclass(frozen=True)
class Maps:
    """Saliency of a batch.

    `logits` (samples, classes) float32; `methods` maps each method's name to
    (samples, targets, rows, columns) float32, signed and not rescaled.
    """

    logits: np.ndarray
    methods: dict[str, np.ndarray]


class Explainer:
    """Saliency maps of a network, traced once for one batch size.

    Parameters
    ----------
    network : keras.Sequential
        Conv2D and Dense layers with ReLU (the last Dense layer linear: the logits),
        non-overlapping MaxPooling2D, Flatten.
    methods : sequence of str
        Some of METHODS.
    batch_size : int
        Samples computed at once; smaller batches are padded, which changes no other sample.

    Raises
    ------
    ModelError
        If a layer cannot be explained exactly; its name is given.
    """

    def __init__(
        self, network: keras.Sequential, *, methods: Sequence[str] = METHODS, batch_size: int = 64
    ) -> None:
        require_explainable(network)
        self.methods, self.batch_size = tuple(methods), batch_size
        self._network, self._layers = network, list(network.layers)
        self._cam_layer = [x for x in self._layers if isinstance(x, keras.layers.Conv2D)][-1]
        self._resize_rows, self._resize_columns = (
            tf.constant(_resize_matrix(network, self._cam_layer, axis)) for axis in (0, 1)
        )
        self._n_classes = int(network.output_shape[-1])
        self._traced = tf.function(self._explain, autograph=False)

    def take_weights(self, network: keras.Sequential) -> None:
        """Explain another network of the same layers from now on, without tracing anew.

        Its weights replace those of the network that this explainer was made with.
        """
        self._network.set_weights(network.get_weights())

    def __call__(self, images: np.ndarray, targets: np.ndarray) -> Maps:
        """Maps of every target of every image.

        Parameters
        ----------
        images : (samples, rows, columns, 1) float32
            At most `batch_size` samples.
        targets : (samples, targets) int
            Classes whose logits are explained.

        Raises
        ------
        ModelError
            If a target is no class of the network.
        """
        if not np.isin(targets, np.arange(self._n_classes)).all():
            msg = (
                f"targets go from {targets.min()} to {targets.max()}, but the network has "
                f"{self._n_classes} classes; pass indices from 0 to {self._n_classes - 1}"
            )
            raise ModelError(msg)
        n_samples, missing = len(images), self.batch_size - len(images)
        padded = np.pad(images, [(0, missing), (0, 0), (0, 0), (0, 0)])
        targets = np.pad(targets, [(0, missing), (0, 0)])
        # transposed here: oneDNN's transpose complains of integers on some CPUs
        logits, maps = self._traced(
            tf.constant(padded, tf.float32), tf.constant(targets.T, tf.int32)
        )
        return Maps(
            logits.numpy()[:n_samples],
            {name: value.numpy().swapaxes(0, 1)[:n_samples] for name, value in maps.items()},
        )

    def _explain(
        self, images: tf.Tensor, targets: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        values = [images]
        for layer in self._layers:
            values.append(layer(values[-1]))
        pulls = [
            _pull(layer, value, output)
            for layer, value, output in zip(self._layers, values[:-1], values[1:], strict=True)
        ]
        per_target = tf.map_fn(  # one after the other: the maps of all at once would not fit
            lambda target: self._explain_target(pulls, values, target),
            targets,
            fn_output_signature=dict.fromkeys(self.methods, images.dtype),
            parallel_iterations=1,
        )
        return values[-1], per_target

    def _explain_target(
        self, pulls: list[Pull], values: list[tf.Tensor], target: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        start = tf.one_hot(target, self._n_classes)
        n_below = self._layers.index(self._cam_layer) + 1  # layers up to Grad-CAM's
        at_cam = _backward(pulls[n_below:], start, guided=False)
        maps = {}
        if "gradient_x_input" in self.methods:
            maps["gradient_x_input"] = _backward(pulls[:n_below], at_cam, guided=False) * values[0]
        if set(self.methods) - {"gradient_x_input"}:
            guided = _backward(pulls, start, guided=True)
            maps["guided_backprop"] = guided
            maps["guided_grad_cam"] = self._grad_cam(values[n_below], at_cam)[..., None] * guided
        return {name: tf.reduce_sum(maps[name], axis=-1) for name in self.methods}

    def _grad_cam(self, activation: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
        weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
        cam = tf.nn.relu(tf.reduce_sum(weights * activation, axis=-1))
        return tf.einsum("ph,nhw,qw->npq", self._resize_rows, cam, self._resize_columns)


def guided_grad_cam(
    network: keras.Sequential, images: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    """Guided Grad-CAM of one class an image: (samples, rows, columns) float32, signed.

    The coarse map ReLU(sum_k alpha_k A^k) of the last convolution, alpha_k being the mean over
    space of the logit's gradient, is resized bilinearly so that each cell lies on the pixels that
    it sees, and multiplied by guided backpropagation (Springenberg et al. 2015, arXiv:1412.6806).

    Parameters
    ----------
    images : (samples, rows, columns, 1) float32
    targets : (samples,) int
        Class explained for each image.

    Raises
    ------
    ModelError
        If the network has a layer that cannot be explained exactly, or lacks a target.

    References
    ----------
    Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74.
    """
    explainer = Explainer(network, methods=("guided_grad_cam",), batch_size=64)
    maps = np.empty(images.shape[:3], dtype=np.float32)
    for start in range(0, len(images), explainer.batch_size):
        part = slice(start, start + explainer.batch_size)
        found = explainer(images[part], targets[part, np.newaxis])
        maps[part] = found.methods["guided_grad_cam"][:, 0]
    return maps


def require_explainable(network: keras.Sequential) -> None:
    """Check that every layer is one whose gradient and guided gradient are known exactly.

    Raises
    ------
    ModelError
        With the name of the first layer that is not, or if there is no convolution.
    """
    for layer in network.layers:
        if not _is_explainable(layer, is_last=layer is network.layers[-1]):
            msg = (
                f"layer {layer.name!r} ({type(layer).__name__}) cannot be explained exactly; "
                "wanted plain Conv2D and Dense with ReLU, MaxPooling2D without overlap, Flatten, "
                "and at the end a Dense without activation; build the network of these"
            )
            raise ModelError(msg)
    if not any(isinstance(layer, keras.layers.Conv2D) for layer in network.layers):
        msg = f"network {network.name!r} has no convolution; Grad-CAM needs at least one Conv2D"
        raise ModelError(msg)


def receptive_field_grid(
    network: keras.Sequential, name: str, axis: int = 0
) -> tuple[float, float]:
    """Distance and first position, in input pixels, of the centres that a layer's cells see.

    Cell j of the layer `name` looks at the pixels around offset + j * stride.

    Parameters
    ----------
    axis : int
        0 along the rows, 1 along the columns.
    """
    distance, offset = 1.0, 0.0
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.MaxPooling2D):
            window, stride = _window(layer)[axis], layer.strides[axis]
            padded = _padding(layer.input.shape[1 + axis], window, stride, layer.padding)[0]
            offset += distance * ((window - 1) / 2 - padded)
            distance *= stride
        if layer.name == name:
            break
    return distance, offset


def interpolation_matrix(n_pixels: int, n_cells: int, stride: float, offset: float) -> np.ndarray:
    """(pixels, cells) float32: linear interpolation of cells to pixels, constant beyond the ends.

    Parameters
    ----------
    stride, offset : float
        From `receptive_field_grid`, in pixels.
    """
    position = np.clip((np.arange(n_pixels) - offset) / stride, 0, n_cells - 1)
    distance = np.abs(position[:, None] - np.arange(n_cells)[None, :])
    return np.maximum(0.0, 1.0 - distance).astype(np.float32)


def _is_explainable(layer: keras.Layer, *, is_last: bool) -> bool:
    kind, activation = type(layer), getattr(layer, "activation", None)
    if is_last:
        return kind is keras.layers.Dense and activation is keras.activations.linear
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return False
    if kind is keras.layers.MaxPooling2D:
        return layer.pool_size == layer.strides
    if kind is keras.layers.Conv2D and (layer.groups, *layer.dilation_rate) != (1, 1, 1):
        return False
    is_linear = kind in (keras.layers.Conv2D, keras.layers.Dense)
    return kind is keras.layers.Flatten or (is_linear and activation is keras.activations.relu)


def _backward(pulls: Sequence[Pull], gradient: tf.Tensor, *, guided: bool) -> tf.Tensor:
    for pull in reversed(pulls):
        gradient = pull(gradient, guided)
    return gradient


def _pull(layer: keras.Layer, value: tf.Tensor, output: tf.Tensor) -> Pull:
    """What turns the gradient at a layer's output, guided or not, into that at its input."""
    if isinstance(layer, keras.layers.Flatten):
        return lambda gradient, guided: tf.reshape(gradient, tf.shape(value))
    if isinstance(layer, keras.layers.MaxPooling2D):
        return _pooling_pull(layer, value, output)
    if isinstance(layer, keras.layers.Dense):
        kernel = tf.transpose(layer.kernel)  # once: faster than transpose_b in every product

        def linear(gradient: tf.Tensor) -> tf.Tensor:
            return tf.matmul(gradient, kernel)
    else:

        def linear(gradient: tf.Tensor) -> tf.Tensor:
            shape, padding = tf.shape(value), layer.padding.upper()
            return tf.nn.conv2d_transpose(gradient, layer.kernel, shape, layer.strides, padding)

    if layer.activation is not keras.activations.relu:
        return lambda gradient, guided: linear(gradient)

    def through_relu(gradient: tf.Tensor, guided: bool) -> tf.Tensor:
        gradient = tf.nn.relu(gradient) if guided else gradient
        return linear(tf.raw_ops.ReluGrad(gradients=gradient, features=output))

    return through_relu


def _pooling_pull(layer: keras.layers.MaxPooling2D, value: tf.Tensor, output: tf.Tensor) -> Pull:
    """The gradient goes to each window's first maximum in row-major order, as in MaxPoolGrad.

    Windows do not overlap, so one mask serves all targets; MaxPoolGrad takes ten times as long.
    """
    n_rows, n_columns, n_channels = value.shape[1:]
    height, width = layer.pool_size
    top, bottom = _padding(n_rows, height, height, layer.padding)
    left, right = _padding(n_columns, width, width, layer.padding)
    padded = tf.pad(value, [(0, 0), (top, bottom), (left, right), (0, 0)], constant_values=-np.inf)
    cells = (-1, output.shape[1], height, output.shape[2], width, n_channels)
    used = padded[:, : output.shape[1] * height, : output.shape[2] * width]
    mask = _first_true(tf.reshape(used, cells) == output[:, :, None, :, None])

    def pull(gradient: tf.Tensor, guided: bool) -> tf.Tensor:
        routed = tf.reshape(gradient[:, :, None, :, None] * mask, tf.shape(used))
        left_over = [(0, a - b) for a, b in zip(padded.shape[1:3], used.shape[1:3], strict=True)]
        whole = tf.pad(routed, [(0, 0), *left_over, (0, 0)])
        return whole[:, top : top + n_rows, left : left + n_columns]

    return pull


def _first_true(hits: tf.Tensor) -> tf.Tensor:
    """1.0 at the first True, row by row, of each (:, row, :, column, :) window, else 0.0."""
    taken = tf.zeros_like(hits[:, :, 0, :, 0])
    rows = []
    for a in range(hits.shape[2]):
        first = []
        for b in range(hits.shape[4]):
            hit = hits[:, :, a, :, b]
            first.append(hit & ~taken)
            taken |= hit
        rows.append(tf.stack(first, axis=3))
    return tf.cast(tf.stack(rows, axis=2), tf.float32)


def _resize_matrix(network: keras.Sequential, layer: keras.layers.Conv2D, axis: int) -> np.ndarray:
    grid = receptive_field_grid(network, layer.name, axis)
    return interpolation_matrix(network.input_shape[1 + axis], layer.output.shape[1 + axis], *grid)


def _window(layer: keras.layers.Conv2D | keras.layers.MaxPooling2D) -> tuple[int, int]:
    return layer.kernel_size if isinstance(layer, keras.layers.Conv2D) else layer.pool_size


def _padding(n_cells: int, window: int, stride: int, padding: str) -> tuple[int, int]:
    """Cells that TensorFlow adds before and after an axis."""
    if padding == "valid":
        return 0, 0
    total = max((-(-n_cells // stride) - 1) * stride + window - n_cells, 0)
    return total // 2, total - total // 2
