"""How each kind of layer computes, and how a gradient, guided or not, comes back through it.

Values and gradients are (samples, rows, columns, channels) or (samples, features); networks of one
axis have one row. A rule holds a layer's settings but no weights, so that networks of the same
layers have equal rules. Matrix products and convolutions are TensorFlow's; what lies between them
only moves memory, and XLA makes one loop of it (`fused`).
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

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
        value = fused(self.rectified, values[0])

        def pull(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            return [
                fused(
                    lambda g, v: (tf.nn.relu(g) if guided else g) * self.derivative(v),
                    gradient,
                    value,
                )
            ]

        return Output(value, pull)

    def rectified(self, value: tf.Tensor) -> tf.Tensor:
        """The rectifier's output."""
        made = tf.nn.relu(value)
        if self.slope:
            made -= self.slope * tf.nn.relu(-value)
        return tf.minimum(made, self.ceiling) if self.ceiling < math.inf else made

    def derivative(self, rectified: tf.Tensor) -> tf.Tensor:
        """The derivative where the output is this."""
        active = (rectified > 0) & (rectified < self.ceiling)
        derivative = tf.cast(active, rectified.dtype)
        if self.slope:
            derivative += self.slope * tf.cast(rectified <= 0, rectified.dtype)
        return derivative


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
            return [tf.reshape(gradient, (-1, *shape))]

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
class Windowed:
    """What layers have in common whose cells see windows; `padding` is "SAME" or "VALID"."""

    size: Pair
    strides: Pair
    padding: str

    def windows(self, rows: int, columns: int) -> tuple[Window, Window]:
        """What an output's cells see of an input of so many rows and columns."""
        first, second = (
            Window(size, stride, self._n_added(n, size, stride) // 2)
            for n, size, stride in zip((rows, columns), self.size, self.strides, strict=True)
        )
        return first, second

    def _n_added(self, n_cells: int, size: int, stride: int) -> int:
        """Cells that TensorFlow adds to an axis, the odd one at its end."""
        if self.padding == "VALID":
            return 0
        return max((-(-n_cells // stride) - 1) * stride + size - n_cells, 0)


@dataclass(frozen=True)
class Convolution(Windowed):
    """A convolution without dilation or groups, which `graph` writes into its kernel.

    Its gradient is a convolution with the kernel turned around (`transposed`) where the stride is
    1, which is faster than the general form.
    """

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        kernel, bias, transposed = weights
        shape = values[0].shape
        made = tf.nn.conv2d(values[0], kernel, self.strides, self.padding)

        def pull(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            if self.strides == (1, 1):
                windows = self.windows(*shape[1:3])
                around = [
                    (window.size - 1 - window.before, n_seen - n_made + window.before)
                    for window, n_seen, n_made in zip(
                        windows, shape[1:3], made.shape[1:3], strict=True
                    )
                ]
                return [tf.nn.conv2d(gradient, transposed, 1, [(0, 0), *around, (0, 0)])]
            return [tf.nn.conv2d_transpose(gradient, kernel, shape, self.strides, self.padding)]

        return Output(tf.nn.bias_add(made, bias), pull)


@dataclass(frozen=True)
class ZeroPadding:
    """Zeros around an image: cells before and after, along rows and columns."""

    rows: Pair
    columns: Pair

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        n_rows, n_columns = values[0].shape[1:3]
        start = self.rows[0], self.columns[0]
        whole = n_rows + sum(self.rows), n_columns + sum(self.columns)
        return Output(
            framed(values[0], (-start[0], -start[1]), whole),
            lambda gradient, guided: [framed(gradient, start, (n_rows, n_columns))],
        )


@dataclass(frozen=True)
class AveragePooling(Windowed):
    """The mean of each window's cells inside the image."""

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        shape = values[0].shape

        def pull(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            back = tf.raw_ops.AvgPoolGrad(
                orig_input_shape=shape,
                grad=gradient,
                ksize=(1, *self.size, 1),
                strides=(1, *self.strides, 1),
                padding=self.padding,
            )
            return [back]

        return Output(tf.nn.avg_pool2d(values[0], self.size, self.strides, self.padding), pull)


@dataclass(frozen=True)
class GlobalAverage:
    """The mean over rows and columns."""

    keepdims: bool

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        n_rows, n_columns, n_channels = values[0].shape[1:]

        def pull(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            cell = tf.reshape(gradient, (-1, 1, 1, n_channels)) / (n_rows * n_columns)
            return [tf.tile(cell, (1, n_rows, n_columns, 1))]

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


def framed(image: tf.Tensor, start: Pair, shape: Pair, fill: float = 0.0) -> tf.Tensor:
    """So many rows and columns of an image from `start` on; `fill` where it has none."""
    seen, edges = [], []
    for first, n, n_cells in zip(start, shape, image.shape[1:3], strict=True):
        seen.append(slice(max(first, 0), min(first + n, n_cells)))
        edges.append((max(-first, 0), max(first + n - n_cells, 0)))
    cut = image[:, seen[0], seen[1]]
    return tf.pad(cut, [(0, 0), *edges, (0, 0)], constant_values=fill)


def fused(function: Callable[..., Any], *tensors: tf.Tensor) -> Any:
    """What a function without matrix products makes of tensors, compiled by XLA while tracing.

    Three to five times as fast as an operation at a time, each of which reads and writes it all.
    """
    if tf.executing_eagerly() or not can_compile():
        return function(*tensors)
    return tf.function(function, autograph=False, jit_compile=True)(*tensors)


@functools.cache
def can_compile() -> bool:
    """Whether this TensorFlow has XLA for its first device."""
    with tf.init_scope():
        try:
            tf.function(tf.nn.relu, autograph=False, jit_compile=True)(tf.zeros(1))
        except tf.errors.OpError:
            return False
    return True


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
