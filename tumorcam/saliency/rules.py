"""How each kind of layer computes, and how a gradient, guided or not, comes back through it.

Values are (samples, rows, columns, channels) or (samples, features); networks of one axis have one
row. Gradients are (targets, samples, ...): all targets share what the forward pass left. A rule
holds a layer's settings but no weights, so that networks of the same layers have equal rules.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

Pair = tuple[int, int]  # along rows, along columns
Weights = Sequence[tf.Tensor]
Pull = Callable[[tf.Tensor, bool], list[tf.Tensor]]  # of a gradient, guided or not, to the inputs

PRODUCT_ROWS = 64  # oneDNN computes the last 1 to 3 rows after blocks of 6 in another order


class Output(NamedTuple):
    """A layer's value, and what pulls a gradient at it back to the layer's inputs."""

    value: tf.Tensor
    pull: Pull


class Window(NamedTuple):
    """What the cells of an output see of the input along one axis."""

    size: int
    stride: int
    before: int  # cells added before the first one


POINT = Window(1, 1, 0)


class Rule(Protocol):
    """One kind of layer with its settings."""

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        """The layer's output for its inputs."""
        ...


@dataclass(frozen=True)
class Identity:
    """What does nothing to a trained network's values, such as Dropout."""

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        return Output(values[0], lambda gradient, guided: [gradient])


@dataclass(frozen=True)
class Rectifier:
    """ReLU, ReLU6 (`ceiling` 6) and LeakyReLU (`slope` below zero); its derivative at 0 is `slope`.

    Guided backpropagation passes the positive part of the gradient times the derivative
    (Springenberg et al. 2015, arXiv:1412.6806, for ReLU).
    """

    slope: float = 0.0
    ceiling: float = math.inf

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        value = tf.nn.relu(values[0])
        if self.slope:
            value -= self.slope * tf.nn.relu(-values[0])
        if self.ceiling < math.inf:
            value = tf.minimum(value, self.ceiling)
        active = (value > 0) & (value < self.ceiling)
        derivative = tf.cast(active, value.dtype)
        if self.slope:
            derivative += self.slope * tf.cast(value <= 0, value.dtype)

        def pull(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            return [(tf.nn.relu(gradient) if guided else gradient) * derivative]

        return Output(value, pull)


@dataclass(frozen=True)
class Affine:
    """A factor and a term a channel: BatchNormalization of a trained network."""

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        factor, term = weights
        return Output(values[0] * factor + term, lambda gradient, guided: [gradient * factor])


@dataclass(frozen=True)
class Flatten:
    """Row by row, channels fastest."""

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        shape = values[0].shape[1:]

        def pull(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            return [tf.reshape(gradient, (*gradient.shape[:2], *shape))]

        return Output(tf.reshape(values[0], (-1, math.prod(shape))), pull)


@dataclass(frozen=True)
class Dense:
    """A matrix product over the last axis; the weights hold its transpose too."""

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        kernel, bias, transposed = weights
        return Output(
            tf.nn.bias_add(product(values[0], kernel), bias),
            lambda gradient, guided: [product(gradient, transposed)],
        )


@dataclass(frozen=True)
class Convolution:
    """A convolution without dilation or groups, which `graph` writes into its kernel.

    Its gradient is a convolution with the kernel turned around (`transposed`) where the stride is
    1, which is faster than the general form.
    """

    size: Pair
    strides: Pair
    padding: str

    def windows(self, rows: int, columns: int) -> tuple[Window, Window]:
        """What an output's cells see of an input of so many rows and columns."""
        return windows_of((rows, columns), self.size, self.strides, self.padding)

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        kernel, bias, transposed = weights
        shape = values[0].shape
        made = tf.nn.conv2d(values[0], kernel, self.strides, self.padding)

        def pull(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            flat = merge_targets(gradient)
            if self.strides == (1, 1):
                windows = self.windows(*shape[1:3])
                around = [
                    (window.size - 1 - window.before, n_seen - n_made + window.before)
                    for window, n_seen, n_made in zip(
                        windows, shape[1:3], made.shape[1:3], strict=True
                    )
                ]
                back = tf.nn.conv2d(flat, transposed, 1, [(0, 0), *around, (0, 0)])
            else:
                whole = (flat.shape[0], *shape[1:])
                back = tf.nn.conv2d_transpose(flat, kernel, whole, self.strides, self.padding)
            return [split_targets(back, gradient)]

        return Output(tf.nn.bias_add(made, bias), pull)


@dataclass(frozen=True)
class ZeroPadding:
    """Zeros around an image: cells before and after, along rows and columns."""

    rows: Pair
    columns: Pair

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        n_rows, n_columns = values[0].shape[1:3]
        top, left = self.rows[0], self.columns[0]

        def pull(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            return [gradient[:, :, top : top + n_rows, left : left + n_columns]]

        return Output(tf.pad(values[0], [(0, 0), self.rows, self.columns, (0, 0)]), pull)


@dataclass(frozen=True)
class AveragePooling:
    """The mean of each window's cells inside the image."""

    size: Pair
    strides: Pair
    padding: str

    def windows(self, rows: int, columns: int) -> tuple[Window, Window]:
        """What an output's cells see of an input of so many rows and columns."""
        return windows_of((rows, columns), self.size, self.strides, self.padding)

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        shape = values[0].shape[1:]

        def pull(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            flat = merge_targets(gradient)
            back = tf.raw_ops.AvgPoolGrad(
                orig_input_shape=(flat.shape[0], *shape),
                grad=flat,
                ksize=(1, *self.size, 1),
                strides=(1, *self.strides, 1),
                padding=self.padding,
            )
            return [split_targets(back, gradient)]

        return Output(tf.nn.avg_pool2d(values[0], self.size, self.strides, self.padding), pull)


@dataclass(frozen=True)
class GlobalAverage:
    """The mean over rows and columns."""

    keepdims: bool

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        n_rows, n_columns, n_channels = values[0].shape[1:]

        def pull(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            cell = tf.reshape(gradient, (*gradient.shape[:2], 1, 1, n_channels))
            return [tf.tile(cell / (n_rows * n_columns), (1, 1, n_rows, n_columns, 1))]

        return Output(tf.reduce_mean(values[0], (1, 2), keepdims=self.keepdims), pull)


@dataclass(frozen=True)
class Concatenate:
    """Values side by side along `axis`, counted from the last."""

    axis: int

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        sizes = [value.shape[self.axis] for value in values]
        return Output(
            tf.concat(values, self.axis),
            lambda gradient, guided: tf.split(gradient, sizes, self.axis),
        )


@dataclass(frozen=True)
class Add:
    """The sum of values of one shape."""

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        return Output(total(values), lambda gradient, guided: [gradient] * len(values))


def windows_of(shape: Pair, sizes: Pair, strides: Pair, padding: str) -> tuple[Window, Window]:
    """Windows along rows and columns with the padding that TensorFlow adds."""
    rows, columns = (
        Window(size, stride, added_cells(n, size, stride)[0] if padding == "SAME" else 0)
        for n, size, stride in zip(shape, sizes, strides, strict=True)
    )
    return rows, columns


def added_cells(n_cells: int, size: int, stride: int) -> Pair:
    """Cells that TensorFlow's padding "same" adds before and after an axis."""
    total = max((-(-n_cells // stride) - 1) * stride + size - n_cells, 0)
    return total // 2, total - total // 2


def merge_targets(gradient: tf.Tensor) -> tf.Tensor:
    """(targets * samples, ...) of (targets, samples, ...)."""
    return tf.reshape(gradient, (-1, *gradient.shape[2:]))


def split_targets(flat: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """(targets, samples, ...) of (targets * samples, ...)."""
    return tf.reshape(flat, (*like.shape[:2], *flat.shape[1:]))


def total(values: Sequence[tf.Tensor]) -> tf.Tensor:
    """The sum of tensors of one shape in their order.

    `tf.add_n`, into which TensorFlow also turns chains of additions, starts with any value whose
    memory it can reuse, so that its last bits depend on what else is computed.
    """
    if len(values) == 1:
        return values[0]
    if len(values) == 2:
        return values[0] + values[1]
    return tf.reduce_sum(tf.stack(values), 0)


def product(value: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """The product of a value's last axis with a matrix, as one product of two matrices.

    Its rows are filled up with zeros to a multiple of PRODUCT_ROWS, so that a row has the same bits
    wherever it stands.
    """
    flat = tf.reshape(value, (-1, value.shape[-1]))
    n_rows = flat.shape[0]
    missing = -n_rows % PRODUCT_ROWS
    if missing:
        flat = tf.pad(flat, [(0, missing), (0, 0)])
    return tf.reshape(tf.matmul(flat, matrix)[:n_rows], (*value.shape[:-1], matrix.shape[-1]))
