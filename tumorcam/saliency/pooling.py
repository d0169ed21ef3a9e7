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
    Pull,
    Weights,
    Window,
    added_cells,
    merge_targets,
    product,
    split_targets,
    total,
    windows_of,
)


@dataclass(frozen=True)
class MaxPooling:
    """The largest cell of each window; the gradient goes to the first such cell, row by row."""

    size: Pair
    strides: Pair
    padding: str

    def windows(self, rows: int, columns: int) -> tuple[Window, Window]:
        """What an output's cells see of an input of so many rows and columns."""
        return windows_of((rows, columns), self.size, self.strides, self.padding)

    def cells(self, rows: int, columns: int) -> Pair:
        """Rows and columns of the output for an input of so many."""
        spans = (1, 1) if self.padding == "SAME" else self.size
        n_rows, n_columns = (
            -(-(n - span + 1) // stride)
            for n, span, stride in zip((rows, columns), spans, self.strides, strict=True)
        )
        return n_rows, n_columns

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        value = values[0]
        made = tf.nn.max_pool2d(value, self.size, self.strides, self.padding)
        if self.size == self.strides:  # three to ten times as fast as MaxPoolGrad
            return Output(made, self._pull_by_comparison(value, made))

        def pull(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            backs = [
                tf.raw_ops.MaxPoolGrad(
                    orig_input=value,
                    orig_output=made,
                    grad=one,
                    ksize=(1, *self.size, 1),
                    strides=(1, *self.strides, 1),
                    padding=self.padding,
                )
                for one in tf.unstack(gradient)
            ]
            return [tf.stack(backs)]

        return Output(made, pull)

    def _pull_by_comparison(self, value: tf.Tensor, made: tf.Tensor) -> Pull:
        shape, n_used = value.shape[1:3], [n * size for n, size in zip(made.shape[1:3], self.size)]
        before, after = np.transpose(self._added(*shape)).tolist()
        if any(before + after):
            around = [(0, 0), *zip(before, after, strict=True), (0, 0)]
            value = tf.pad(value, around, constant_values=value.dtype.min)
        first = first_maxima(
            [
                value[:, a : n_used[0] : self.size[0], b : n_used[1] : self.size[1]]
                for a, b in itertools.product(*map(range, self.size))
            ],
            made,
        )
        missing = [max(b + n - used, 0) for b, n, used in zip(before, shape, n_used, strict=True)]

        def pull(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            zero = tf.zeros_like(gradient)
            back = interleave([tf.where(mask, gradient, zero) for mask in first], self.size)
            if any(missing):
                back = tf.pad(back, [(0, 0), (0, 0), *((0, n) for n in missing), (0, 0)])
            rows, columns = (slice(b, b + n) for b, n in zip(before, shape, strict=True))
            return [back[:, :, rows, columns]]

        return pull

    def _added(self, rows: int, columns: int) -> list[Pair]:
        if self.padding == "VALID":
            return [(0, 0), (0, 0)]
        return [
            added_cells(n, size, stride)
            for n, size, stride in zip((rows, columns), self.size, self.strides, strict=True)
        ]


@dataclass(frozen=True)
class GlobalMaximum:
    """The largest cell of the image; the gradient goes to the first such cell, row by row."""

    keepdims: bool

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        shape = values[0].shape
        rows, columns = shape[1:3]
        made, pull_cell = MaxPooling((rows, columns), (rows, columns), "VALID")(values, weights)

        def pull(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            cell = tf.reshape(gradient, (*gradient.shape[:2], 1, 1, shape[3]))
            return pull_cell(cell, guided)

        return Output(made if self.keepdims else made[:, 0, 0], pull)


@dataclass(frozen=True)
class PooledConvolution:
    """A convolution of few channels and the pooling of its output, in one.

    Each pooling window is computed from the patch that it sees, as `size` times as many channels:
    twice the arithmetic of the convolution, but no image of its size is written, and the gradient
    comes back by one matrix product and a few shifted sums. Only for the network's first layer, of
    one or a few channels, is that faster.
    """

    convolution: tuple[Window, Window]
    pooling: tuple[Window, Window]
    image: Pair
    cells: Pair  # of the convolution's output
    pooled: Pair

    def weights(self, kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, ...]:
        """Kernel of a whole window, bias, and the matrix that takes its gradient to its patch.

        Parameters
        ----------
        kernel : (kernel rows, kernel columns, channels, filters) float32
        bias : (filters,) float32

        Returns
        -------
        tuple of ndarray
            (patch rows, patch columns, channels, window cells * filters), (filters,) and
            (window cells * filters, patch cells * channels), whose columns are blocks of the
            pooling's size.
        """
        sizes = [window.size for window in self.pooling]
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
        back = blocks.transpose(5, 0, 2, 1, 3, 4).reshape(whole.shape[3], -1)
        return np.ascontiguousarray(whole[: used[0], : used[1]]), bias, np.ascontiguousarray(back)

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> Output:
        kernel, bias, back = weights
        sizes = tuple(window.size for window in self.pooling)
        n_cells, n_channels = math.prod(sizes), values[0].shape[3]
        top, left = (
            one.before + two.before
            for one, two in zip(self.convolution, self.pooling, strict=True)
        )
        bottom, right = (
            max((n - 1) * size + n_patch - n_image - before, 0)
            for n, size, n_patch, n_image, before in zip(
                self.pooled, sizes, kernel.shape[:2], self.image, (top, left), strict=True
            )
        )
        padded = tf.pad(values[0], [(0, 0), (top, bottom), (left, right), (0, 0)])
        made = tf.nn.conv2d(padded, kernel, sizes, "VALID")
        phases = tf.split(made, n_cells, -1)
        phases = [
            phase if outside is None else phase + tf.constant(outside, phase.dtype)
            for phase, outside in zip(phases, self._outside(), strict=True)
        ]
        value = tf.reduce_max(tf.stack(phases), 0) if n_cells > 9 else _largest(phases)
        first = first_maxima(phases, value)

        def pull(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            zero = tf.zeros_like(gradient)
            routed = tf.concat([tf.where(mask, gradient, zero) for mask in first], -1)
            pixels = self._overlap(merge_targets(product(routed, back)), n_channels)
            rows, columns = self.image
            missing = [
                max(before + n - made, 0)
                for before, n, made in zip((top, left), self.image, pixels.shape[1:3], strict=True)
            ]
            pixels = tf.pad(pixels, [(0, 0), *((0, n) for n in missing), (0, 0)])
            return [
                split_targets(pixels[:, top : top + rows, left : left + columns], gradient)
            ]

        return Output(tf.nn.bias_add(value, bias), pull)

    def _n_blocks(self) -> Pair:
        """Blocks of the pooling's size that a patch spans."""
        rows, columns = (
            -(-(pool.size + one.size - 1) // pool.size)
            for pool, one in zip(self.pooling, self.convolution, strict=True)
        )
        return rows, columns

    def _overlap(self, blocks: tf.Tensor, n_channels: int) -> tf.Tensor:
        """The image, each pixel the sum of what the patches over it say."""
        n_rows, n_columns = self._n_blocks()
        sizes = tuple(window.size for window in self.pooling)
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
        n, rows, columns, _ = whole.shape
        cells = tf.reshape(whole, (n, rows, columns, *sizes, n_channels))
        shape = (n, rows * sizes[0], columns * sizes[1], n_channels)
        return tf.reshape(tf.transpose(cells, (0, 1, 3, 2, 4, 5)), shape)

    def _outside(self) -> list[np.ndarray | None]:
        """For each cell of a window: minus infinity where it lies outside the convolution."""
        found: list[np.ndarray | None] = []
        for place in itertools.product(*(range(window.size) for window in self.pooling)):
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


def first_maxima(phases: Sequence[tf.Tensor], largest: tf.Tensor) -> list[tf.Tensor]:
    """For each cell of a window, in its order: bool, whether it is the first of the largest."""
    taken, first = None, []
    for phase in phases:
        hit = tf.equal(phase, largest)
        first.append(hit if taken is None else hit & ~taken)
        taken = hit if taken is None else hit | taken
    return first


def interleave(phases: Sequence[tf.Tensor], size: Pair) -> tf.Tensor:
    """(..., rows * height, columns * width, channels) of each window's cells, row by row."""
    height, width = size
    *leading, n_rows, n_columns, n_channels = phases[0].shape
    strips = [
        tf.reshape(
            tf.concat(phases[a * width : (a + 1) * width], -1),
            (*leading, n_rows, n_columns * width, n_channels),
        )
        for a in range(height)
    ]
    shape = (*leading, n_rows * height, n_columns * width, n_channels)
    return tf.reshape(tf.concat(strips, -2), shape)


def _largest(phases: Sequence[tf.Tensor]) -> tf.Tensor:
    largest = phases[0]
    for phase in phases[1:]:
        largest = tf.maximum(largest, phase)
    return largest
