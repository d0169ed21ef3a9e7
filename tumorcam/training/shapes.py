"""The shapes of a network's layers, and which pixels reach its output, by arithmetic.

Nothing here needs TensorFlow, so that `prepare` can say what `train` would refuse.
"""

import itertools
from typing import NamedTuple

import numpy as np

from tumorcam.errors import ModelError
from tumorcam.settings import ModelSettings

MAX_WEIGHTS = 2**31  # 8 GiB as float32, and the optimizer keeps two more numbers for each


class Windows(NamedTuple):
    """The windows that a layer lays on the cells of its input, along one axis.

    Window j covers the cells from j * `stride` - `before` on, `size` of them, some of which may lie
    outside the input; there are `n_cells` windows, the cells of the output.
    """

    size: int
    stride: int
    before: int
    n_cells: int


def convolution_names(settings: ModelSettings) -> list[str]:
    """The names of the convolutions, from the image on: conv1, conv2, ..."""
    return [f"conv{i}" for i in range(1, len(settings.filters) + 1)]


def image_shape(settings: ModelSettings, side: int) -> tuple[int, ...]:
    """Pixels along each axis of the image that the network gets: one for a row, or two."""
    return (side, side) if settings.image == "square" else (side * side,)


def layer_windows(settings: ModelSettings, side: int) -> list[Windows]:
    """The windows of each convolution and each pooling, in order, along any axis of the image.

    Parameters
    ----------
    side : int
        Pixels of the square image.

    Raises
    ------
    ModelError
        If the image is too small for the kernels or poolings.
    """
    n_cells = image_shape(settings, side)[0]
    layers: list[Windows] = []
    for convolution in settings.convolutions:
        sizes = [(convolution.kernel, convolution.stride)]
        sizes += [(convolution.pool, convolution.pool)] if convolution.pool > 1 else []
        for size, stride in sizes:
            layers.append(_windows(n_cells, size, stride, settings.padding))
            n_cells = layers[-1].n_cells
            if n_cells < 1:
                raise ModelError(_too_small(settings, side))
    return layers


def n_weights(settings: ModelSettings, side: int, n_tumors: int) -> int:
    """Number of weights and biases of the network, batch normalizations and skip path included.

    `side` is that of the image, in pixels; `n_tumors` is the number of logits.
    """
    shape = image_shape(settings, side)
    n_cells = [shape[0], *(windows.n_cells for windows in layer_windows(settings, side))][-1]
    channels, total = 1, 0
    for convolution in settings.convolutions:
        per_filter = convolution.kernel ** len(shape) * channels + 1 + 4 * settings.batch_norm
        channels = convolution.filters
        total += channels * per_filter
    n_units = n_cells ** len(shape) * channels
    for n_next in (*settings.dense, n_tumors):
        total += (n_units + 1) * n_next
        n_units = n_next
    return total + (0 if settings.skip == "none" else side * side * n_tumors)


def n_operations(settings: ModelSettings, side: int, n_tumors: int) -> tuple[int, int]:
    """Floating-point operations of one sample's forward pass, and of its dense layers alone.

    `side` is that of the image, in pixels; `n_tumors` is the number of logits.

    Two for each weight and each cell that it is used in.
    """
    shape = image_shape(settings, side)
    n_cells, channels, convolutions = shape[0], 1, 0
    windows = iter(layer_windows(settings, side))
    for convolution in settings.convolutions:
        n_cells = next(windows).n_cells
        weights = convolution.kernel ** len(shape) * channels * convolution.filters
        convolutions += 2 * weights * n_cells ** len(shape)
        channels = convolution.filters
        if convolution.pool > 1:
            n_cells = next(windows).n_cells
    sizes = [n_cells ** len(shape) * channels, *settings.dense, n_tumors]
    dense = sum(2 * a * b for a, b in itertools.pairwise(sizes))
    return convolutions + dense, dense


def require_buildable(settings: ModelSettings, side: int, n_tumors: int) -> None:
    """Check that the network can be built on images of this side.

    Raises
    ------
    ModelError
        If the image is too small for the kernels or poolings, or the network has too many weights.
    """
    n = n_weights(settings, side, n_tumors)
    if n > MAX_WEIGHTS:
        msg = (
            f"the network has {n:,} weights on images of side {side}; wanted at most "
            f"{MAX_WEIGHTS:,}: lower model.filters, model.kernel or model.dense"
        )
        raise ModelError(msg)


def reachable_pixels(settings: ModelSettings, side: int) -> np.ndarray:
    """Pixels from which some path of weights leads through the convolutions to the logits.

    Windows are as wide as high, and all cells of the last layer reach the dense layers. So a pixel
    can be reached if its row and its column can. A skip path does not count, since Grad-CAM would
    not show a gene that has no other path.

    Parameters
    ----------
    side : int
        Pixels of the square image.

    Returns
    -------
    (rows, columns) or (pixels,) bool

    Raises
    ------
    ModelError
        If the image is too small for the kernels or poolings.
    """
    shape = image_shape(settings, side)
    layers = layer_windows(settings, side)
    n_inputs = [shape[0], *(windows.n_cells for windows in layers)]
    reachable = np.ones(n_inputs[-1], dtype=bool)
    for windows, n_cells in zip(reversed(layers), reversed(n_inputs[:-1]), strict=True):
        first = np.flatnonzero(reachable) * windows.stride - windows.before
        n_windows = np.zeros(n_cells + 1, dtype=int)  # that begin minus that end, before the sum
        np.add.at(n_windows, np.clip(first, 0, n_cells), 1)
        np.add.at(n_windows, np.clip(first + windows.size, 0, n_cells), -1)
        reachable = np.cumsum(n_windows)[:-1] > 0
    return reachable if len(shape) == 1 else np.outer(reachable, reachable)


def _windows(n_cells: int, size: int, stride: int, padding: str) -> Windows:
    """The windows of a convolution or pooling, as TensorFlow lays them."""
    if padding == "valid":
        return Windows(size, stride, 0, max(0, (n_cells - size) // stride + 1))
    count = -(-n_cells // stride)
    n_padding = max(0, (count - 1) * stride + size - n_cells)
    return Windows(size, stride, n_padding // 2, count)


def _too_small(settings: ModelSettings, side: int) -> str:
    pixels = " x ".join(map(str, image_shape(settings, side)))
    return (
        f"an image of {pixels} pixels is too small for the kernels and poolings of "
        f"{len(settings.filters)} convolutions with padding {settings.padding!r}; keep more genes "
        "or use fewer model.filters"
    )
