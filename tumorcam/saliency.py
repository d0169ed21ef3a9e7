"""Exact saliency maps of a network: every method and target from one forward pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from tumorcam.errors import ModelError

METHODS = ("guided_grad_cam", "guided_backprop", "gradient_x_input")


@dataclass(frozen=True)
class Maps:
    """Saliency of a batch.

    `logits` (samples, classes) float32; `methods` maps each method's name to
    (samples, targets, rows, columns) float32, signed and not rescaled.
    """

    logits: np.ndarray
    methods: dict[str, np.ndarray]


class Explainer:
    """Saliency maps of one network, traced once for one batch size.

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
        self._layers = list(network.layers)
        convolutions = [x for x in self._layers if isinstance(x, keras.layers.Conv2D)]
        self._cam_layer = convolutions[-1]
        rows, columns = network.input_shape[1:3]
        height, width = self._cam_layer.output.shape[1:3]
        stride, offset = receptive_field_grid(network, self._cam_layer.name)
        self._resize_rows = tf.constant(interpolation_matrix(rows, height, stride, offset))
        self._resize_columns = tf.constant(interpolation_matrix(columns, width, stride, offset))
        self._n_classes = int(network.output_shape[-1])
        self._traced = tf.function(self._explain)

    def __call__(self, images: np.ndarray, targets: np.ndarray) -> Maps:
        """Maps of every target of every image.

        Parameters
        ----------
        images : (samples, rows, columns, 1) float32
            At most `batch_size` samples.
        targets : (samples, targets) int
            Classes whose logits are explained.
        """
        n_samples, missing = len(images), self.batch_size - len(images)
        padded = np.pad(images, [(0, missing), (0, 0), (0, 0), (0, 0)])
        targets = np.pad(targets, [(0, missing), (0, 0)])
        logits, maps = self._traced(tf.constant(padded), tf.constant(targets, tf.int32))
        return Maps(
            logits.numpy()[:n_samples],
            {name: value.numpy()[:n_samples] for name, value in maps.items()},
        )

    def _explain(
        self, images: tf.Tensor, targets: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        inputs, value = [], images
        for layer in self._layers:
            inputs.append(value)
            value = layer(value)
        outputs = [*inputs[1:], value]
        per_target = [
            self._explain_target(inputs, outputs, targets[:, t]) for t in range(targets.shape[1])
        ]
        return value, {
            name: tf.stack([m[name] for m in per_target], axis=1) for name in self.methods
        }

    def _explain_target(
        self, inputs: list[tf.Tensor], outputs: list[tf.Tensor], target: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        start = tf.one_hot(target, self._n_classes)
        to_input = "gradient_x_input" in self.methods
        gradient, at_cam = self._backward(start, inputs, outputs, guided=False, to_input=to_input)
        maps = {"gradient_x_input": gradient * inputs[0]} if to_input else {}
        if set(self.methods) - {"gradient_x_input"}:
            guided, _ = self._backward(start, inputs, outputs, guided=True, to_input=True)
            maps["guided_backprop"] = guided
            activation = outputs[self._layers.index(self._cam_layer)]
            maps["guided_grad_cam"] = self._grad_cam(activation, at_cam)[..., None] * guided
        return {name: tf.reduce_sum(maps[name], axis=-1) for name in self.methods}

    def _backward(
        self,
        gradient: tf.Tensor,
        inputs: list[tf.Tensor],
        outputs: list[tf.Tensor],
        *,
        guided: bool,
        to_input: bool,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The gradient at the input, or where it stopped, and at the Grad-CAM layer's output."""
        at_cam = gradient
        for layer, value, output in zip(
            reversed(self._layers), reversed(inputs), reversed(outputs), strict=True
        ):
            if layer is self._cam_layer:
                at_cam = gradient
                if not to_input:
                    break
            gradient = _layer_gradient(layer, value, output, gradient, guided=guided)
        return gradient, at_cam

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
        If the network has a layer that cannot be explained exactly.

    References
    ----------
    Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74.
    """
    explainer = Explainer(network, methods=("guided_grad_cam",), batch_size=min(64, len(images)))
    starts = range(0, len(images), explainer.batch_size)
    stops = [start + explainer.batch_size for start in starts]
    parts = [explainer(images[a:b], targets[a:b, None]) for a, b in zip(starts, stops, strict=True)]
    return np.concatenate([part.methods["guided_grad_cam"][:, 0] for part in parts])


def require_explainable(network: keras.Sequential) -> None:
    """Check that every layer is one whose gradient and guided gradient are known exactly.

    Raises
    ------
    ModelError
        With the name of the first layer that is not.
    """
    last = network.layers[-1]
    for layer in network.layers:
        kind = type(layer)
        activation = getattr(layer, "activation", None)
        is_relu = activation is keras.activations.relu
        is_known = (
            (kind is keras.layers.Conv2D and is_relu and _is_plain_convolution(layer))
            or (kind is keras.layers.Dense and is_relu and layer is not last)
            or (kind is keras.layers.MaxPooling2D and layer.pool_size == layer.strides)
            or kind is keras.layers.Flatten
            or (
                layer is last
                and kind is keras.layers.Dense
                and activation is keras.activations.linear
            )
        )
        if not is_known:
            msg = (
                f"layer {layer.name!r} ({kind.__name__}) cannot be explained exactly; wanted "
                "Conv2D and Dense with ReLU, MaxPooling2D, Flatten, and a last Dense without "
                "activation"
            )
            raise ModelError(msg)


def receptive_field_grid(network: keras.Sequential, name: str) -> tuple[float, float]:
    """Distance and first position, in input pixels, of the centres that a layer's cells see.

    Cell j of the layer `name` looks at the pixels around offset + j * stride.
    """
    stride, offset = 1.0, 0.0
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.MaxPooling2D):
            is_convolution = isinstance(layer, keras.layers.Conv2D)
            window = layer.kernel_size[0] if is_convolution else layer.pool_size[0]
            n_cells = layer.input.shape[1]
            padded = 0
            if layer.padding == "same":
                padded = max(
                    (-(-n_cells // layer.strides[0]) - 1) * layer.strides[0] + window - n_cells, 0
                )
            offset += stride * ((window - 1) / 2 - padded // 2)
            stride *= layer.strides[0]
        if layer.name == name:
            break
    return stride, offset


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


def _layer_gradient(
    layer: keras.Layer, value: tf.Tensor, output: tf.Tensor, gradient: tf.Tensor, *, guided: bool
) -> tf.Tensor:
    """The gradient at a layer's input; every ReLU passes only positive gradient when guided."""
    if isinstance(layer, keras.layers.Flatten):
        return tf.reshape(gradient, tf.shape(value))
    if isinstance(layer, keras.layers.MaxPooling2D):
        ksize, strides = [1, *layer.pool_size, 1], [1, *layer.strides, 1]
        padding = layer.padding.upper()
        return tf.raw_ops.MaxPoolGrad(
            orig_input=value,
            orig_output=output,
            grad=gradient,
            ksize=ksize,
            strides=strides,
            padding=padding,
        )
    if layer.activation is keras.activations.relu:
        gradient = tf.nn.relu(gradient) if guided else gradient
        gradient *= tf.cast(output > 0, gradient.dtype)
    if isinstance(layer, keras.layers.Dense):
        return tf.matmul(gradient, layer.kernel, transpose_b=True)
    return tf.nn.conv2d_transpose(
        gradient, layer.kernel, tf.shape(value), layer.strides, layer.padding.upper()
    )


def _is_plain_convolution(layer: keras.layers.Conv2D) -> bool:
    return layer.groups == 1 and tuple(layer.dilation_rate) == (1, 1)
