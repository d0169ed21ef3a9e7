"""Max pooling, alone and behind a convolution: who of a window was the first maximum."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tumorcam.saliency.rules import (
    Output,
    Pair,
    Rectifier,
    Weights,
    Window,
    Windowed,
    framed,
    fused,
    product,
    total,
)


@dataclass(frozen=True)
class MaxPooling(Windowed):
    """The largest cell of each window; the gradient goes to the first such cell, row by row.

    Where windows have no cells in common, a `rectifier` of derivative 0 or 1 may follow.
    """

    rectifier: Rectifier | None = None

    @property
    def is_separate(self) -> bool:
        """Whether windows have no cells in common, nor cells between them."""
        return self.size == self.strides

    def cells(self, rows: int, columns: int) -> Pair:
        """Rows and columns of the output for an input of so many."""
        spans = (1, 1) if self.padding == "SAME" else self.size
        n_rows, n_columns = (
            -(-(n - span + 1) // stride)
            for n, span, stride in zip((rows, columns), spans, self.strides, strict=True)
        )
        return n_rows, n_columns

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        return (self._by_comparison if self.is_separate else self._by_tensorflow)(values[0])

    def _by_comparison(self, value: tf.Tensor) -> Output:
        shape, (height, width) = value.shape[1:3], self.size
        n_rows, n_columns = self.cells(*shape)
        top, left = (window.before for window in self.windows(*shape))
        spread = n_rows * height, n_columns * width

        def pool(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            whole = framed(image, (-top, -left), spread, image.dtype.min)
            whole = tf.reshape(whole, (-1, n_rows, height, n_columns, width, image.shape[3]))
            cells = [whole[:, :, a, :, b] for a in range(height) for b in range(width)]
            return rectified(*first_largest(cells), self.rectifier)

        made, first = fused(pool, value)

        def pull(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            def route(pooled: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
                cell = np.arange(height * width).reshape(1, 1, height, 1, width, 1)
                back = tf.where(
                    index[:, :, tf.newaxis, :, tf.newaxis] == tf.constant(cell, index.dtype),
                    passed(pooled, self.rectifier, guided)[:, :, tf.newaxis, :, tf.newaxis],
                    tf.zeros((), pooled.dtype),
                )
                back = tf.reshape(back, (-1, *spread, pooled.shape[3]))
                return framed(back, (top, left), shape)

            return [fused(route, gradient, first)]

        return Output(made, pull)

    def _by_tensorflow(self, value: tf.Tensor) -> Output:
        made = tf.nn.max_pool2d(value, self.size, self.strides, self.padding)

        def pull(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            back = tf.raw_ops.MaxPoolGrad(
                orig_input=value,
                orig_output=made,
                grad=gradient,
                ksize=(1, *self.size, 1),
                strides=(1, *self.strides, 1),
                padding=self.padding,
            )
            return [back]

        return Output(made, pull)


@dataclass(frozen=True)
class GlobalMaximum:
    """The largest cell of the image; the gradient goes to the first such cell, row by row."""

    keepdims: bool

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        shape = values[0].shape[1:]
        cells = tf.reshape(values[0], (-1, shape[0] * shape[1], shape[2]))
        made, first = tf.reduce_max(cells, 1), tf.argmax(cells, 1)

        def pull(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            cell = tf.range(cells.shape[1], dtype=first.dtype)[:, tf.newaxis]
            pooled = tf.reshape(gradient, (-1, 1, shape[2]))
            back = tf.where(first[:, tf.newaxis] == cell, pooled, tf.zeros_like(pooled))
            return [tf.reshape(back, (-1, *shape))]

        return Output(made[:, tf.newaxis, tf.newaxis] if self.keepdims else made, pull)


@dataclass(frozen=True)
class PooledConvolution:
    """A convolution of few channels and the pooling of its output, in one.

    Each pooling window is computed from the patch that it sees, as `size` times as many channels:
    twice the arithmetic of the convolution, but no image of its size is written, and the gradient
    comes back by small matrix products and a few shifted sums. Only for the network's first layer,
    of one or a few channels, is that faster.
    """

    convolution: tuple[Window, Window]
    pooling: tuple[Window, Window]
    image: Pair
    cells: Pair  # of the convolution's output
    pooled: Pair
    rectifier: Rectifier | None

    def weights(self, kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, ...]:
        """Kernel of a whole window, bias, and matrices that take its gradient to its patch.

        Parameters
        ----------
        kernel : (kernel rows, kernel columns, channels, filters) float32
        bias : (filters,) float32

        Returns
        -------
        tuple of ndarray
            (patch rows, patch columns, channels, window cells * filters), (filters,) and
            (window cells, filters, patch cells * channels), whose columns are blocks of the
            pooling's size.
        """
        sizes = self._sizes
        n_blocks = self._n_blocks()
        height, width = (n * size for n, size in zip(n_blocks, sizes, strict=True))
        patch = np.zeros((height, width, kernel.shape[2], *sizes, kernel.shape[3]), np.float32)
        for a, b in itertools.product(*map(range, sizes)):
            patch[a : a + len(kernel), b : b + kernel.shape[1], :, a, b] = kernel
        used = [
            size + window.size - 1 for size, window in zip(sizes, self.convolution, strict=True)
        ]
        whole = patch.reshape(height, width, kernel.shape[2], -1)
        blocks = whole.reshape(n_blocks[0], sizes[0], n_blocks[1], sizes[1], *whole.shape[2:])
        back = blocks.transpose(5, 0, 2, 1, 3, 4)
        return (
            np.ascontiguousarray(whole[: used[0], : used[1]]),
            bias,
            back.reshape(math.prod(sizes), kernel.shape[3], -1),
        )

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        kernel, bias, back = weights
        n_cells = math.prod(self._sizes)
        top, left = (
            one.before + two.before for one, two in zip(self.convolution, self.pooling, strict=True)
        )
        seen = [
            (n - 1) * size + n_patch
            for n, size, n_patch in zip(self.pooled, self._sizes, kernel.shape[:2], strict=True)
        ]
        image = framed(values[0], (-top, -left), (seen[0], seen[1]))
        outside = self._outside()

        def pool(made: tf.Tensor, term: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            cells = [
                cell if beyond is None else cell + tf.constant(beyond, cell.dtype)
                for cell, beyond in zip(tf.split(made, n_cells, -1), outside, strict=True)
            ]
            largest, first = first_largest(cells)
            return rectified(largest + term, first, self.rectifier)

        value, first = fused(pool, tf.nn.conv2d(image, kernel, self._sizes, "VALID"), bias)

        def pull(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            def route(pooled: tf.Tensor, index: tf.Tensor) -> list[tf.Tensor]:
                pooled = passed(pooled, self.rectifier, guided)
                zero = tf.zeros_like(pooled)
                return [tf.where(index == cell, pooled, zero) for cell in range(n_cells)]

            def overlap(*patches: tf.Tensor) -> tf.Tensor:
                return framed(self._overlap(total(patches)), (top, left), self.image)

            cells = fused(route, gradient, first)
            return [fused(overlap, *(product(cell, back[i]) for i, cell in enumerate(cells)))]

        return Output(value, pull)

    @property
    def _sizes(self) -> Pair:
        rows, columns = self.pooling
        return rows.size, columns.size

    def _n_blocks(self) -> Pair:
        """Blocks of the pooling's size that a patch spans."""
        rows, columns = (
            -(-(pool.size + one.size - 1) // pool.size)
            for pool, one in zip(self.pooling, self.convolution, strict=True)
        )
        return rows, columns

    def _overlap(self, blocks: tf.Tensor) -> tf.Tensor:
        """The image, each pixel the sum of what the patches over it say."""
        (n_rows, n_columns), sizes = self._n_blocks(), self._sizes
        parts = tf.split(blocks, n_rows * n_columns, -1)
        strips = [
            total(
                [
                    tf.pad(part, [(0, 0), (0, 0), (v, n_columns - 1 - v), (0, 0)])
                    for v, part in enumerate(parts[u * n_columns : (u + 1) * n_columns])
                ]
            )
            for u in range(n_rows)
        ]
        whole = total(
            [
                tf.pad(strip, [(0, 0), (u, n_rows - 1 - u), (0, 0), (0, 0)])
                for u, strip in enumerate(strips)
            ]
        )
        _, rows, columns, size = whole.shape
        n_channels = size // math.prod(sizes)
        cells = tf.reshape(whole, (-1, rows, columns, *sizes, n_channels))
        shape = (-1, rows * sizes[0], columns * sizes[1], n_channels)
        return tf.reshape(tf.transpose(cells, (0, 1, 3, 2, 4, 5)), shape)

    def _outside(self) -> list[np.ndarray | None]:
        """For each cell of a window: minus infinity where it lies outside the convolution."""
        found: list[np.ndarray | None] = []
        for place in itertools.product(*map(range, self._sizes)):
            inside = [
                (np.arange(n) * window.size - window.before + a >= 0)
                & (np.arange(n) * window.size - window.before + a < n_cells)
                for a, n, window, n_cells in zip(
                    place, self.pooled, self.pooling, self.cells, strict=True
                )
            ]
            seen = np.logical_and.outer(*inside)[..., None]
            found.append(None if seen.all() else np.where(seen, 0, -np.inf))
        return found


def first_largest(cells: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """The largest of a window's cells, and the int16 index of the first such cell."""
    largest, first = cells[0], tf.zeros_like(cells[0], tf.int16)
    for i, cell in enumerate(cells[1:], 1):
        first = tf.where(cell > largest, tf.constant(i, tf.int16), first)
        largest = tf.maximum(largest, cell)
    return largest, first


def rectified(
    value: tf.Tensor, first: tf.Tensor, rectifier: Rectifier | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """A pooled value behind its rectifier, and its index, -1 where the derivative is 0."""
    if rectifier is None:
        return value, first
    made = rectifier.rectified(value)
    is_active = rectifier.derivative(made) > 0
    return made, tf.where(is_active, first, tf.constant(-1, first.dtype))


def passed(gradient: tf.Tensor, rectifier: Rectifier | None, guided: bool) -> tf.Tensor:
    """What a rectifier of derivative 1 passes of a gradient."""
    return tf.nn.relu(gradient) if guided and rectifier else gradient
