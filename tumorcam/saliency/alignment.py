"""Receptive fields of a layer's cells, and interpolation of a coarse map to the image."""

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


class ReceptiveField(NamedTuple):
    """The pixels on which the cells of a value depend, along one axis.

    Cell j depends on the pixels from `first` + j * `stride` to `last` + j * `stride`, some of which
    may lie outside the image.
    """

    stride: int
    first: int
    last: int

    @property
    def centre(self) -> float:
        """Middle of the receptive field of cell 0, in pixels."""
        return (self.first + self.last) / 2

    def through(self, window: Window) -> "ReceptiveField":
        """The receptive field of a layer that lays windows on these cells."""
        first = self.first - window.before * self.stride
        last = self.last + (window.size - 1 - window.before) * self.stride
        return ReceptiveField(self.stride * window.stride, first, last)


def receptive_fields(
    graph: Graph, shapes: Shapes, value: int
) -> tuple[ReceptiveField, ReceptiveField]:
    """The receptive fields of a value's cells along rows and along columns, by any path.

    Raises
    ------
    ModelError
        If the value is no longer an image, or its paths have different strides.
    """
    pixel = ReceptiveField(1, 0, 0)
    fields = {IMAGE: (pixel, pixel)}
    for step in graph.steps:
        is_image = len(shapes[step.output]) == 3 and set(step.inputs) <= set(fields)
        if not is_image or (isinstance(step.rule, Concatenate) and step.rule.axis != -1):
            continue
        windows = _windows(step.rule, shapes[step.inputs[0]])
        branches = [
            tuple(
                field.through(window) for field, window in zip(fields[branch], windows, strict=True)
            )
            for branch in step.inputs
        ]
        rows, columns = (_union(axis, step.layer) for axis in zip(*branches, strict=True))
        fields[step.output] = rows, columns
    if value not in fields:
        msg = "the layer's cells have no place on the image; choose an earlier one for Grad-CAM"
        raise ModelError(msg)
    return fields[value]


def interpolation_matrix(n_pixels: int, n_cells: int, stride: float, offset: float) -> np.ndarray:
    """The matrix of linear interpolation from cells to pixels, constant beyond the outer cells.

    Parameters
    ----------
    stride : float
        Distance between the centres of neighbouring cells, in pixels.
    offset : float
        Position of the first cell's centre, in pixels.

    Returns
    -------
    (pixels, cells) float32
        Each row adds up to 1.
    """
    position = np.clip((np.arange(n_pixels) - offset) / stride, 0, n_cells - 1)
    distance = np.abs(position[:, None] - np.arange(n_cells)[None, :])
    return np.maximum(0.0, 1.0 - distance).astype(np.float32)


def _windows(rule: Rule, shape: tuple[int, ...]) -> tuple[Window, Window]:
    """The windows that a rule lays on the rows and columns of an input."""
    if isinstance(rule, ZeroPadding):
        return Window(1, 1, rule.rows[0]), Window(1, 1, rule.columns[0])
    if isinstance(rule, GlobalAverage | GlobalMaximum):
        return Window(shape[0], 1, 0), Window(shape[1], 1, 0)
    if isinstance(rule, Windowed):
        return rule.windows(*shape[:2])
    return POINT, POINT


def _union(branches: tuple[ReceptiveField, ...], layer: str) -> ReceptiveField:
    """The receptive field over several paths."""
    strides = {field.stride for field in branches}
    if len(strides) > 1:
        msg = (
            f"the paths into layer {layer!r} move by {sorted(strides)} pixels a cell, so that its "
            "cells have no place on the image; choose a layer before it for Grad-CAM"
        )
        raise ModelError(msg)
    first, last = min(field.first for field in branches), max(field.last for field in branches)
    return ReceptiveField(strides.pop(), first, last)
