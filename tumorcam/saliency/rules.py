"""The output of each kind of layer and its vector-Jacobian product, guided or not.

Values and gradients are (samples, rows, columns, channels) or (samples, features); networks of one
axis have one row. A rule holds a layer's settings but no weights, so that networks of the same
layers have equal rules. TensorFlow computes the matrix products and convolutions. The operations
between them only move memory; XLA compiles them into single loops (`fused`).
"""

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

Pair = tuple[int, int]  # along rows, along columns
Arrays = tuple[np.ndarray, ...]
Weights = Sequence[tf.Tensor]
Vjp = Callable[[tf.Tensor, bool], list[tf.Tensor]]

PRODUCT_ROWS = 64  # oneDNN computes the last 1 to 3 rows after blocks of 6 in another order


class LayerOutput(NamedTuple):
    """A layer's value and its vector-Jacobian product.

    `vjp(gradient, guided)` takes the gradient at the value and returns the gradients at the layer's
    inputs. If `guided`, rectifiers pass positive gradient only.
    """

    value: tf.Tensor
    vjp: Vjp


class Window(NamedTuple):
    """The windows that a layer lays on its input along one axis: one for each cell of its output.

    `before` is the number of cells of padding before the input's first cell.
    """

    size: int
    stride: int
    before: int


POINT = Window(1, 1, 0)


class Rule(ABC):
    """One kind of layer with its settings."""

    def prepare(self, *weights: np.ndarray) -> Arrays:
        """The arrays that a call takes, computed from the layer's own weights."""
        return weights

    @abstractmethod
    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> LayerOutput:
        """The layer's output for its inputs and its prepared weights."""


@dataclass(frozen=True)
class Identity(Rule):
    """Layers that change no value of a trained network, such as Dropout."""

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> LayerOutput:
        return LayerOutput(values[0], lambda gradient, guided: [gradient])


@dataclass(frozen=True)
class Rectifier(Rule):
    """ReLU, ReLU6 (`ceiling` 6) and LeakyReLU (`slope` below zero); the derivative at 0 is `slope`.

    Guided backpropagation passes the positive part of the gradient times the derivative.

    References
    ----------
    Springenberg et al. 2015, arXiv:1412.6806, for ReLU.
    """

    slope: float = 0.0
    ceiling: float = math.inf

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> LayerOutput:
        value = fused(self.apply, values[0])

        def vjp(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            return [
                fused(
                    lambda g, v: (tf.nn.relu(g) if guided else g) * self.derivative(v),
                    gradient,
                    value,
                )
            ]

        return LayerOutput(value, vjp)

    def apply(self, value: tf.Tensor) -> tf.Tensor:
        """The rectified value."""
        rectified = tf.nn.relu(value)
        if self.slope:
            rectified -= self.slope * tf.nn.relu(-value)
        return tf.minimum(rectified, self.ceiling) if self.ceiling < math.inf else rectified

    def derivative(self, rectified: tf.Tensor) -> tf.Tensor:
        """The rectifier's derivative, from its output."""
        active = (rectified > 0) & (rectified < self.ceiling)
        derivative = tf.cast(active, rectified.dtype)
        if self.slope:
            derivative += self.slope * tf.cast(rectified <= 0, rectified.dtype)
        return derivative


@dataclass(frozen=True)
class Affine(Rule):
    """Multiplies each channel by a factor and adds a term: BatchNormalization after training."""

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> LayerOutput:
        factor, term = weights
        return LayerOutput(values[0] * factor + term, lambda gradient, guided: [gradient * factor])


@dataclass(frozen=True)
class Flatten(Rule):
    """Turns an image into features: row by row, with channels as the fastest axis."""

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> LayerOutput:
        shape = values[0].shape[1:]

        def vjp(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            return [tf.reshape(gradient, (-1, *shape))]

        return LayerOutput(tf.reshape(values[0], (-1, math.prod(shape))), vjp)


@dataclass(frozen=True)
class Dense(Rule):
    """A matrix product over the last axis, plus a bias.

    The prepared weights are (kernel, bias, transposed kernel).
    """

    def prepare(self, *weights: np.ndarray) -> Arrays:
        """Kernel (inputs, units), bias (units,) and the kernel's transpose (units, inputs)."""
        kernel, bias = weights
        return kernel, bias, np.ascontiguousarray(kernel.T)

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> LayerOutput:
        kernel, bias, transposed = weights
        return LayerOutput(
            tf.nn.bias_add(matrix_product(values[0], kernel), bias),
            lambda gradient, guided: [matrix_product(gradient, transposed)],
        )


@dataclass(frozen=True)
class Windowed(Rule):
    """Layers that compute each output cell from a window; `padding` is "SAME" or "VALID"."""

    size: Pair
    strides: Pair
    padding: str

    def windows(self, rows: int, columns: int) -> tuple[Window, Window]:
        """The windows along rows and along columns of an input of a given size."""
        first, second = (
            Window(size, stride, self._n_added(n, size, stride) // 2)
            for n, size, stride in zip((rows, columns), self.size, self.strides, strict=True)
        )
        return first, second

    def _n_added(self, n_cells: int, size: int, stride: int) -> int:
        """Number of cells that TensorFlow adds to an axis; an odd one is added at its end."""
        if self.padding == "VALID":
            return 0
        return max((-(-n_cells // stride) - 1) * stride + size - n_cells, 0)


@dataclass(frozen=True)
class Convolution(Windowed):
    """A convolution with bias; `layers` writes dilation and groups into the kernel as zeros.

    If the stride is 1, the vector-Jacobian product is a convolution with the flipped kernel, which
    is faster than the general form.
    """

    def prepare(self, *weights: np.ndarray) -> Arrays:
        """Kernel (rows, columns, channels, filters), bias (filters,) and the flipped kernel.

        The flipped kernel is (rows, columns, filters, channels), reversed along rows and columns.
        """
        kernel, bias = weights
        return kernel, bias, np.ascontiguousarray(kernel[::-1, ::-1].swapaxes(2, 3))

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> LayerOutput:
        kernel, bias, flipped = weights
        shape = values[0].shape
        output = tf.nn.conv2d(values[0], kernel, self.strides, self.padding)

        def vjp(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            if self.strides == (1, 1):
                windows = self.windows(*shape[1:3])
                around = [
                    (window.size - 1 - window.before, n_inputs - n_outputs + window.before)
                    for window, n_inputs, n_outputs in zip(
                        windows, shape[1:3], output.shape[1:3], strict=True
                    )
                ]
                return [tf.nn.conv2d(gradient, flipped, 1, [(0, 0), *around, (0, 0)])]
            return [tf.nn.conv2d_transpose(gradient, kernel, shape, self.strides, self.padding)]

        return LayerOutput(tf.nn.bias_add(output, bias), vjp)


@dataclass(frozen=True)
class ZeroPadding(Rule):
    """Adds zeros around an image: numbers of cells before and after, along rows and columns."""

    rows: Pair
    columns: Pair

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> LayerOutput:
        n_rows, n_columns = values[0].shape[1:3]
        start = self.rows[0], self.columns[0]
        whole = n_rows + sum(self.rows), n_columns + sum(self.columns)
        return LayerOutput(
            crop_or_pad(values[0], (-start[0], -start[1]), whole),
            lambda gradient, guided: [crop_or_pad(gradient, start, (n_rows, n_columns))],
        )


@dataclass(frozen=True)
class AveragePooling(Windowed):
    """The mean of the cells of each window that lie inside the image."""

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> LayerOutput:
        shape = values[0].shape

        def vjp(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            at_input = tf.raw_ops.AvgPoolGrad(
                orig_input_shape=shape,
                grad=gradient,
                ksize=(1, *self.size, 1),
                strides=(1, *self.strides, 1),
                padding=self.padding,
            )
            return [at_input]

        return LayerOutput(tf.nn.avg_pool2d(values[0], self.size, self.strides, self.padding), vjp)


@dataclass(frozen=True)
class GlobalAverage(Rule):
    """The mean over rows and columns."""

    keepdims: bool

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> LayerOutput:
        n_rows, n_columns, n_channels = values[0].shape[1:]

        def vjp(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            cell = tf.reshape(gradient, (-1, 1, 1, n_channels)) / (n_rows * n_columns)
            return [tf.tile(cell, (1, n_rows, n_columns, 1))]

        return LayerOutput(tf.reduce_mean(values[0], (1, 2), keepdims=self.keepdims), vjp)


@dataclass(frozen=True)
class Concatenate(Rule):
    """Concatenates values along `axis`, a negative number counted from the last axis."""

    axis: int

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> LayerOutput:
        sizes = [value.shape[self.axis] for value in values]
        return LayerOutput(
            tf.concat(values, self.axis),
            lambda gradient, guided: tf.split(gradient, sizes, self.axis),
        )


@dataclass(frozen=True)
class Add(Rule):
    """The sum of values of one shape."""

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> LayerOutput:
        return LayerOutput(add_all(values), lambda gradient, guided: [gradient] * len(values))


def crop_or_pad(image: tf.Tensor, start: Pair, shape: Pair, fill: float = 0.0) -> tf.Tensor:
    """The part of an image that begins at `start` and has `shape` rows and columns.

    `start` may be negative, and the part may end beyond the image: the cells outside are `fill`.
    """
    inside, edges = [], []
    for first, n, n_cells in zip(start, shape, image.shape[1:3], strict=True):
        inside.append(slice(max(first, 0), min(first + n, n_cells)))
        edges.append((max(-first, 0), max(first + n - n_cells, 0)))
    cropped = image[:, inside[0], inside[1]]
    return tf.pad(cropped, [(0, 0), *edges, (0, 0)], constant_values=fill)


def fused(function: Callable[..., Any], *tensors: tf.Tensor) -> Any:
    """The result of a function without matrix products, compiled by XLA while TensorFlow traces.

    This takes a third to a fifth of the time of single operations, each of which reads and writes
    the whole tensor. Where TensorFlow runs eagerly or has no XLA, the function is simply called.
    """
    if tf.executing_eagerly() or not can_compile():
        return function(*tensors)
    return tf.function(function, autograph=False, jit_compile=True)(*tensors)


@functools.cache
def can_compile() -> bool:
    """Whether XLA can compile for TensorFlow's first device."""
    with tf.init_scope():
        try:
            tf.function(tf.nn.relu, autograph=False, jit_compile=True)(tf.zeros(1))
        except tf.errors.OpError:
            return False
    return True


def add_all(values: Sequence[tf.Tensor]) -> tf.Tensor:
    """The sum of tensors of one shape, added in their order.

    `tf.add_n` starts with any tensor whose memory it can reuse, so that its last bits depend on
    what else is computed. TensorFlow also turns chains of additions into `tf.add_n`.
    """
    if len(values) == 1:
        return values[0]
    if len(values) == 2:
        return values[0] + values[1]
    return tf.reduce_sum(tf.stack(values), 0)


def matrix_product(value: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """The product of a value's last axis with a matrix, as one product of two matrices.

    The rows are padded with zeros to a multiple of PRODUCT_ROWS, so that each row has the same bits
    at any place in the batch.
    """
    flat = tf.reshape(value, (-1, value.shape[-1]))
    n_rows = flat.shape[0]
    missing = -n_rows % PRODUCT_ROWS
    if missing:
        flat = tf.pad(flat, [(0, missing), (0, 0)])
    return tf.reshape(tf.matmul(flat, matrix)[:n_rows], (*value.shape[:-1], matrix.shape[-1]))
