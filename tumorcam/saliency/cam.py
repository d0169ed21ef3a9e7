"""Grad-CAM's coarse map: where it reads a network, and how it is laid on the image."""

from typing import NamedTuple

import numpy as np

from tumorcam.errors import ModelError
from tumorcam.saliency.alignment import cells_of, interpolation_matrix
from tumorcam.saliency.graph import IMAGE, Arrays, Graph, Shapes, Step
from tumorcam.saliency.pooling import MaxPooling
from tumorcam.saliency.rules import Affine, Convolution, Dense, Flatten, Identity, Rectifier


class CamPoint(NamedTuple):
    """Where Grad-CAM reads a network.

    `activation` is the index of the convolution's rectified value, of `n_channels`; `gradient` that
    of a value whose gradient has the same sum over space, or, behind the layer `dense` that takes
    it, gives it by `summed_kernel`; `rows` (rows, cells) and `columns` lay a map on the image.
    """

    activation: int
    gradient: int
    dense: Step | None
    n_channels: int
    rows: np.ndarray
    columns: np.ndarray


def cam_point(graph: Graph, shapes: Shapes, layer: str | None) -> CamPoint:
    """Where Grad-CAM reads a network at a convolution.

    It is read behind the convolution's BatchNormalization and rectifier, where it has them.

    Raises
    ------
    ModelError
        If there is no such convolution, or its cells have no place on the image.
    """
    convolutions = [step for step in graph.steps if isinstance(step.rule, Convolution)]
    named = [step for step in convolutions if layer in (None, step.layer)]
    if not named:
        known = ", ".join(step.layer for step in convolutions) or "none"
        wanted = f"convolution {layer!r}" if layer else "convolution, which Grad-CAM needs"
        msg = f"the network has no {wanted}; its convolutions: {known}"
        raise ModelError(msg)
    activation = _rectified(graph, named[-1].output)
    following = graph.consumers(activation)
    pools = [type(step.rule) for step in following] == [MaxPooling]  # which only moves gradient
    gradient = following[0].output if pools else activation
    dense, n_channels = _dense_behind(graph, gradient), shapes[activation][-1]
    rows, columns = (
        interpolation_matrix(n_pixels, n_cells, cells.stride, cells.centre)
        for n_pixels, n_cells, cells in zip(
            shapes[IMAGE][:2],
            shapes[activation][:2],
            cells_of(graph, shapes, activation),
            strict=True,
        )
    )
    return CamPoint(
        activation, dense.output if dense else gradient, dense, n_channels, rows, columns
    )


def summed_kernel(graph: Graph, cam: CamPoint) -> Arrays:
    """Takes the gradient behind a dense layer to its sum over the cells of the image before it.

    All that Grad-CAM wants of a channel's gradient is that sum: one column a channel instead of one
    a cell.

    Returns
    -------
    tuple of ndarray
        (units, channels) float32, or nothing where no dense layer takes the image.
    """
    if cam.dense is None:
        return ()
    outputs = [step.output for step in graph.steps]
    kernel = graph.weights[outputs.index(cam.dense.output)][0].astype(np.float64)
    cells = kernel.reshape(-1, cam.n_channels, kernel.shape[1])
    return (cells.sum(axis=0).T.astype(np.float32),)


def _dense_behind(graph: Graph, value: int) -> Step | None:
    """The dense layer that takes an image, flattened; None if something else does."""
    following = graph.consumers(value)
    if [type(step.rule) for step in following] != [Flatten]:
        return None
    behind = graph.consumers(following[0].output)
    return behind[0] if [type(step.rule) for step in behind] == [Dense] else None


def _rectified(graph: Graph, value: int) -> int:
    """A convolution's value behind its rectifier; itself, if it has none."""
    following = value
    while len(graph.consumers(following)) == 1:
        step = graph.consumers(following)[0]
        following = step.output
        if isinstance(step.rule, Rectifier):
            return following
        if not isinstance(step.rule, Affine | Identity):
            break
    return value
