"""Max pooling, alone and fused with a convolution.

The gradient of a window's maximum goes to its first largest cell, row by row.
"""

import functools
import itertools
import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tumorcam.saliency.rules import (
    Arrays,
    LayerOutput,
    Pair,
    Rectifier,
    Rule,
    Weights,
    Window,
    Windowed,
    add_all,
    crop_or_pad,
    fused,
)


@dataclass(frozen=True)
class MaxPooling(Windowed):
    """The largest cell of each window; the gradient goes to the first such cell, row by row.

    If windows do not overlap, a `rectifier` with derivative 0 or 1 may follow in the same step.
    """

    rectifier: Rectifier | None = None

    @property
    def is_separate(self) -> bool:
        """Whether windows neither overlap nor leave cells between them."""
        return self.size == self.strides

    def cells(self, rows: int, columns: int) -> Pair:
        """Rows and columns of the output for an input of a given size."""
        spans = (1, 1) if self.padding == "SAME" else self.size
        n_rows, n_columns = (
            -(-(n - span + 1) // stride)
            for n, span, stride in zip((rows, columns), spans, self.strides, strict=True)
        )
        return n_rows, n_columns

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> LayerOutput:
        return (self._by_comparison if self.is_separate else self._by_tensorflow)(values[0])

    def _by_comparison(self, value: tf.Tensor) -> LayerOutput:
        shape, (height, width) = value.shape[1:3], self.size
        n_rows, n_columns = self.cells(*shape)
        top, left = (window.before for window in self.windows(*shape))
        spread = n_rows * height, n_columns * width

        def pool(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            padded = crop_or_pad(image, (-top, -left), spread, image.dtype.min)
            windows = tf.reshape(padded, (-1, n_rows, height, n_columns, width, image.shape[3]))
            cells = [windows[:, :, a, :, b] for a in range(height) for b in range(width)]
            return rectify_maximum(*first_maximum(cells), self.rectifier)

        output, first = fused(pool, value)

        def vjp(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            def route(pooled: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
                pooled = guide(pooled, self.rectifier, guided)
                zero = tf.zeros_like(pooled)
                cells = [tf.where(index == cell, pooled, zero) for cell in range(height * width)]
                rows = [tf.stack(cells[a : a + width], 3) for a in range(0, len(cells), width)]
                at_image = tf.reshape(tf.stack(rows, 2), (-1, *spread, pooled.shape[3]))
                return crop_or_pad(at_image, (top, left), shape)

            return [fused(route, gradient, first)]

        return LayerOutput(output, vjp)

    def _by_tensorflow(self, value: tf.Tensor) -> LayerOutput:
        output = tf.nn.max_pool2d(value, self.size, self.strides, self.padding)

        def vjp(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            at_input = tf.raw_ops.MaxPoolGrad(
                orig_input=value,
                orig_output=output,
                grad=gradient,
                ksize=(1, *self.size, 1),
                strides=(1, *self.strides, 1),
                padding=self.padding,
            )
            return [at_input]

        return LayerOutput(output, vjp)


@dataclass(frozen=True)
class GlobalMaximum(Rule):
    """The largest cell of the image; the gradient goes to the first such cell, row by row."""

    keepdims: bool

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> LayerOutput:
        shape = values[0].shape[1:]
        cells = tf.reshape(values[0], (-1, shape[0] * shape[1], shape[2]))
        output, first = tf.reduce_max(cells, 1), tf.argmax(cells, 1)

        def vjp(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            cell = tf.range(cells.shape[1], dtype=first.dtype)[:, tf.newaxis]
            pooled = tf.reshape(gradient, (-1, 1, shape[2]))
            at_cells = tf.where(first[:, tf.newaxis] == cell, pooled, tf.zeros_like(pooled))
            return [tf.reshape(at_cells, (-1, *shape))]

        return LayerOutput(output[:, tf.newaxis, tf.newaxis] if self.keepdims else output, vjp)


@dataclass(frozen=True)
class PooledConvolution(Rule):
    """A convolution of few channels and the max pooling of its output, in one step.

    XLA compiles both directions into loops over the pooling windows, so that the unpooled image and
    its gradient are never written. A patch is the part of the image on which a window depends. Its
    gradient is the sum over the filters of the gradient behind the pooling times the part of the
    kernel that the window's largest cell saw. This is a quarter of the arithmetic of a convolution
    of the unpooled gradient, most of whose cells are zero.
    """

    convolution: tuple[Window, Window]
    pooling: tuple[Window, Window]
    image: Pair
    cells: Pair  # of the convolution's output
    pooled: Pair
    rectifier: Rectifier | None

    def prepare(self, *weights: np.ndarray) -> Arrays:
        """Kernel, bias, and each filter's kernel in the patch, by the index of a window's cell + 1.

        Parameters
        ----------
        weights : tuple of ndarray
            The kernel (kernel rows, kernel columns, channels, filters) and the bias (filters,),
            float32.

        Returns
        -------
        tuple of ndarray
            The kernel, the bias, and (1 + window cells, filters, patch cells * channels) float32:
            zeros for the index -1, then the kernels. The patch is ordered by blocks of the
            pooling's size.
        """
        kernel, bias = weights
        sizes = self._sizes
        n_blocks = self._n_blocks()
        height, width = (n * size for n, size in zip(n_blocks, sizes, strict=True))
        patch = np.zeros((height, width, kernel.shape[2], *sizes, kernel.shape[3]), np.float32)
        for a, b in itertools.product(*map(range, sizes)):
            patch[a : a + len(kernel), b : b + kernel.shape[1], :, a, b] = kernel
        blocks = patch.reshape(n_blocks[0], sizes[0], n_blocks[1], sizes[1], kernel.shape[2], -1)
        to_patch = blocks.transpose(5, 0, 2, 1, 3, 4)
        cells = to_patch.reshape(math.prod(sizes), kernel.shape[3], -1)
        return kernel, bias, np.concatenate([np.zeros_like(cells[:1]), cells])

    def __call__(self, values: Sequence[tf.Tensor], weights: Weights) -> LayerOutput:
        kernel, bias, to_patch = weights
        dtype = values[0].dtype
        start = [
            convolution.before + pooling.before
            for convolution, pooling in zip(self.convolution, self.pooling, strict=True)
        ]
        image = crop_or_pad(values[0], (-start[0], -start[1]), self._seen())
        outside = self._outside()

        def pool(*tensors: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            padded, taps, term = (tf.cast(tensor, tf.float32) for tensor in tensors)
            cells = [
                cell if mask is None else cell + tf.constant(mask, tf.float32)
                for cell, mask in zip(self._window_cells(padded, taps), outside, strict=True)
            ]
            largest, first = first_maximum(cells)
            return rectify_maximum(tf.cast(largest + term, dtype), first, self.rectifier)

        value, first = fused(pool, image, kernel, bias)

        def vjp(gradient: tf.Tensor, guided: bool) -> list[tf.Tensor]:
            def to_patches(pooled: tf.Tensor, index: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor:
                # each filter is read alone, for XLA would write what all filters share
                return chained_sum(
                    tf.cast(guide(pooled[..., f : f + 1], self.rectifier, guided), tf.float32)
                    * tf.cast(
                        tf.gather(kernels[:, f], tf.cast(index[..., f], tf.int32) + 1), tf.float32
                    )
                    for f in range(pooled.shape[-1])
                )

            def overlap(patches: tf.Tensor) -> tf.Tensor:
                whole = crop_or_pad(self._overlap(patches), (start[0], start[1]), self.image)
                return tf.cast(whole, dtype)

            return [fused(overlap, fused(to_patches, gradient, first, to_patch))]

        return LayerOutput(value, vjp)

    def _seen(self) -> Pair:
        """Rows and columns of the padded image that the pooled cells see."""
        n_rows, n_columns = (
            n * pooling.size + convolution.size - 1
            for n, pooling, convolution in zip(
                self.pooled, self.pooling, self.convolution, strict=True
            )
        )
        return n_rows, n_columns

    def _window_cells(self, image: tf.Tensor, kernel: tf.Tensor) -> list[tf.Tensor]:
        """The convolution's output at each cell of the windows, without bias."""
        (height, width), taps = self._sizes, list(np.ndindex(*kernel.shape[:3]))
        rows, columns = (
            (n - 1) * size + 1 for n, size in zip(self.pooled, self._sizes, strict=True)
        )
        return [
            chained_sum(
                image[:, a + i : a + i + rows : height, b + j : b + j + columns : width, c : c + 1]
                * kernel[i, j, c]
                for i, j, c in taps
            )
            for a, b in np.ndindex(height, width)
        ]

    @property
    def _sizes(self) -> Pair:
        rows, columns = self.pooling
        return rows.size, columns.size

    def _n_blocks(self) -> Pair:
        """Rows and columns of blocks of the pooling's size in a patch, rounded up."""
        rows, columns = (
            -(-(pooling.size + convolution.size - 1) // pooling.size)
            for pooling, convolution in zip(self.pooling, self.convolution, strict=True)
        )
        return rows, columns

    def _overlap(self, blocks: tf.Tensor) -> tf.Tensor:
        """The image whose pixels are the sums over the patches that overlap there."""
        (n_rows, n_columns), sizes = self._n_blocks(), self._sizes
        parts = tf.split(blocks, n_rows * n_columns, -1)
        strips = [
            add_all(
                [
                    tf.pad(part, [(0, 0), (0, 0), (v, n_columns - 1 - v), (0, 0)])
                    for v, part in enumerate(parts[u * n_columns : (u + 1) * n_columns])
                ]
            )
            for u in range(n_rows)
        ]
        whole = add_all(
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
        """For each cell of a window, minus infinity where it lies outside the convolution's output.

        Returns
        -------
        list of ndarray or None
            (rows, columns, 1) of 0 or -inf; None for a cell that always lies inside.
        """
        masks: list[np.ndarray | None] = []
        for place in itertools.product(*map(range, self._sizes)):
            inside = [
                (np.arange(n) * window.size - window.before + a >= 0)
                & (np.arange(n) * window.size - window.before + a < n_cells)
                for a, n, window, n_cells in zip(
                    place, self.pooled, self.pooling, self.cells, strict=True
                )
            ]
            is_inside = np.logical_and.outer(*inside)[..., None]
            masks.append(None if is_inside.all() else np.where(is_inside, 0, -np.inf))
        return masks


def chained_sum(terms: Iterable[tf.Tensor]) -> tf.Tensor:
    """The sum of terms, added in their order, for functions that XLA compiles."""
    return functools.reduce(operator.add, terms)


def first_maximum(cells: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """The largest of a window's cells, and the int16 index of the first cell with this value."""
    largest, first = cells[0], tf.zeros_like(cells[0], tf.int16)
    for i, cell in enumerate(cells[1:], 1):
        first = tf.where(cell > largest, tf.constant(i, tf.int16), first)
        largest = tf.maximum(largest, cell)
    return largest, first


def rectify_maximum(
    value: tf.Tensor, first: tf.Tensor, rectifier: Rectifier | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """The rectified maximum of each window, and its index, -1 where the derivative is 0.

    `value` and `first` are those of `first_maximum`.
    """
    if rectifier is None:
        return value, first
    activation = rectifier.apply(value)
    is_active = rectifier.derivative(activation) > 0
    return activation, tf.where(is_active, first, tf.constant(-1, first.dtype))


def guide(gradient: tf.Tensor, rectifier: Rectifier | None, guided: bool) -> tf.Tensor:
    """The positive part of a gradient if it is guided and a rectifier follows, else all of it."""
    return tf.nn.relu(gradient) if guided and rectifier else gradient
