"""Which pixels the cells of a layer see, and how a coarse map is laid back on the image."""

from typing import NamedTuple

import numpy as np

from tumorcam.errors import ModelError
from tumorcam.saliency.graph import IMAGE, Graph, Shapes
from tumorcam.saliency.pooling import GlobalMaximum
from tumorcam.saliency.rules import (
    POINT,
    Concatenate,
    GlobalAverage,
    Rule,
    Window,
    Windowed,
    ZeroPadding,
)


class Cells(NamedTuple):
    """Pixels that the cells of a value see along one axis.

    Cell j sees the pixels from `first` + j * `stride` to `last` + j * `stride`; some may lie beyond
    the image.
    """

    stride: int
    first: int
    last: int

    @property
    def centre(self) -> float:
        """Middle of what cell 0 sees, in pixels."""
        return (self.first + self.last) / 2

    def seen_through(self, window: Window) -> "Cells":
        """Of the cells of a layer that sees these through a window."""
        first = self.first - window.before * self.stride
        last = self.last + (window.size - 1 - window.before) * self.stride
        return Cells(self.stride * window.stride, first, last)


def cells_of(graph: Graph, shapes: Shapes, value: int) -> tuple[Cells, Cells]:
    """Along rows and columns, the pixels that the cells of a value see, by any path.

    Raises
    ------
    ModelError
        If the value is no longer an image, or its paths have different strides.
    """
    found: dict[int, tuple[Cells, Cells]] = {IMAGE: (Cells(1, 0, 0), Cells(1, 0, 0))}
    for step in graph.steps:
        is_image = len(shapes[step.output]) == 3 and set(step.inputs) <= set(found)
        if not is_image or (isinstance(step.rule, Concatenate) and step.rule.axis != -1):
            continue
        windows = _windows(step.rule, shapes[step.inputs[0]])
        branches = [
            tuple(
                cells.seen_through(window)
                for cells, window in zip(found[one], windows, strict=True)
            )
            for one in step.inputs
        ]
        rows, columns = (_union(axis, step.layer) for axis in zip(*branches, strict=True))
        found[step.output] = rows, columns
    if value not in found:
        msg = "the layer's cells have no place on the image; choose one further down for Grad-CAM"
        raise ModelError(msg)
    return found[value]


def interpolation_matrix(n_pixels: int, n_cells: int, stride: float, offset: float) -> np.ndarray:
    """(pixels, cells) float32: linear interpolation of cells to pixels, constant beyond the ends.

    Parameters
    ----------
    stride, offset : float
        Pixels from one cell's centre to the next, and to that of the first.
    """
    position = np.clip((np.arange(n_pixels) - offset) / stride, 0, n_cells - 1)
    distance = np.abs(position[:, None] - np.arange(n_cells)[None, :])
    return np.maximum(0.0, 1.0 - distance).astype(np.float32)


def _windows(rule: Rule, shape: tuple[int, ...]) -> tuple[Window, Window]:
    """What a rule's output cells see of an input of some shape."""
    if isinstance(rule, ZeroPadding):
        return Window(1, 1, rule.rows[0]), Window(1, 1, rule.columns[0])
    if isinstance(rule, GlobalAverage | GlobalMaximum):
        return Window(shape[0], 1, 0), Window(shape[1], 1, 0)
    if isinstance(rule, Windowed):
        return rule.windows(*shape[:2])
    return POINT, POINT


def _union(branches: tuple[Cells, ...], layer: str) -> Cells:
    """What a cell sees by any of several paths."""
    strides = {cells.stride for cells in branches}
    if len(strides) > 1:
        msg = (
            f"the paths into layer {layer!r} move by {sorted(strides)} pixels a cell; their maps "
            "cannot be laid on the image; choose a layer before it for Grad-CAM"
        )
        raise ModelError(msg)
    first, last = min(cells.first for cells in branches), max(cells.last for cells in branches)
    return Cells(strides.pop(), first, last)
