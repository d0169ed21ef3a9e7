"""The convolution that Grad-CAM explains, and the interpolation of its map to the image."""

from typing import NamedTuple

import numpy as np

from tumorcam.errors import ModelError
from tumorcam.saliency.activations import ParametricRectifier, Smooth
from tumorcam.saliency.alignment import interpolation_matrix, receptive_fields
from tumorcam.saliency.graph import IMAGE, Graph, Shapes, Step
from tumorcam.saliency.pooling import MaxPooling
from tumorcam.saliency.rules import (
    Affine,
    Arrays,
    Convolution,
    Dense,
    Flatten,
    Identity,
    Rectifier,
)
from tumorcam.settings.methods import require_convolution


class CamPoint(NamedTuple):
    """The values of a network from which Grad-CAM is computed.

    Grad-CAM needs the activation of a convolution, with `n_channels`, and its gradient summed over
    rows and columns.

    `activation` is the index of the convolution's value behind its rectifier. `gradient` is the
    index of a later value whose gradient has the same sum. If a dense layer follows, it is the step
    `dense`, `gradient` is the index of its output, and the sum is that gradient times
    `summed_kernel`. The matrices `rows` (rows, cell rows) and `columns` (columns, cell columns)
    interpolate a map to the image.
    """

    activation: int
    gradient: int
    dense: Step | None
    n_channels: int
    rows: np.ndarray
    columns: np.ndarray


def cam_point(graph: Graph, shapes: Shapes, layer: str | None) -> CamPoint:
    """The values from which Grad-CAM is computed at a convolution, by default the last one.

    The activation is read behind the convolution's BatchNormalization and activation, if it has
    them.

    Raises
    ------
    ModelError
        If there is no such convolution, or its cells have no place on the image.
    """
    convolutions = [step for step in graph.steps if isinstance(step.rule, Convolution)]
    try:
        require_convolution(layer, [step.layer for step in convolutions])
    except ModelError as error:
        advice = "name one of these" if convolutions else "use a method without it, as gradient is"
        raise ModelError(f"{error}; {advice}") from None
    candidates = [step for step in convolutions if layer in (None, step.layer)]
    activation = _behind_activation(graph, candidates[-1].output)
    following = graph.consumers(activation)
    is_pooled = [type(step.rule) for step in following] == [MaxPooling]  # keeps the gradient's sum
    gradient = following[0].output if is_pooled else activation
    dense, n_channels = _dense_behind(graph, gradient), shapes[activation][-1]
    rows, columns = (
        interpolation_matrix(n_pixels, n_cells, field.stride, field.centre)
        for n_pixels, n_cells, field in zip(
            shapes[IMAGE][:2],
            shapes[activation][:2],
            receptive_fields(graph, shapes, activation),
            strict=True,
        )
    )
    return CamPoint(
        activation=activation,
        gradient=dense.output if dense else gradient,
        dense=dense,
        n_channels=n_channels,
        rows=rows,
        columns=columns,
    )


def summed_kernel(graph: Graph, cam: CamPoint) -> Arrays:
    """The matrix from the gradient behind a dense layer to the channels' summed gradients.

    Grad-CAM needs the gradient of each channel only summed over rows and columns. Summing the dense
    layer's kernel beforehand gives one column for each channel instead of one for each cell.

    Returns
    -------
    tuple of ndarray
        (units, channels) float32; empty if no dense layer follows the convolution.
    """
    if cam.dense is None:
        return ()
    outputs = [step.output for step in graph.steps]
    kernel = graph.weights[outputs.index(cam.dense.output)][0].astype(np.float64)
    cells = kernel.reshape(-1, cam.n_channels, kernel.shape[1])
    return (cells.sum(axis=0).T.astype(np.float32),)


def _dense_behind(graph: Graph, value: int) -> Step | None:
    """The dense layer that takes the flattened image; None if the image goes elsewhere."""
    following = graph.consumers(value)
    if [type(step.rule) for step in following] != [Flatten]:
        return None
    behind = graph.consumers(following[0].output)
    return behind[0] if [type(step.rule) for step in behind] == [Dense] else None


def _behind_activation(graph: Graph, value: int) -> int:
    """The index of a convolution's activated value; `value` itself if no activation follows."""
    following = value
    while len(graph.consumers(following)) == 1:
        step = graph.consumers(following)[0]
        following = step.output
        if isinstance(step.rule, Rectifier | ParametricRectifier | Smooth):
            return following
        if not isinstance(step.rule, Affine | Identity):
            break
    return value
