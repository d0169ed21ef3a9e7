"""Rewrites of a graph that compute the same maps in less time."""

import math
from dataclasses import replace

from tumorcam.saliency.graph import IMAGE, Graph, Shapes, Step
from tumorcam.saliency.pooling import MaxPooling, PooledConvolution
from tumorcam.saliency.rules import Arrays, Convolution, Flatten, Rectifier

MAX_TAPS = 128  # products a pooled cell in the fused convolution, which XLA compiles one by one
MAX_FILTERS = 128  # of the fused convolution; its gradient has a term for each


def rectify_pooled(graph: Graph, keep: int) -> Graph:
    """The same network with each rectifier moved behind the max pooling that follows it.

    A rectifier is monotonic, so the largest cell of a window stays the largest, and the rectifier
    then works on fewer cells. Where windows do not overlap, one step does both. If the rectified
    value before the pooling is the value `keep`, it is computed as well.
    """
    steps: list[Step] = []
    weights: list[Arrays] = []
    n_values = 1 + max(step.output for step in graph.steps)
    moved: dict[int, Step] = {}  # rectifiers, keyed by the index of their output
    for step, arrays in zip(graph.steps, graph.weights, strict=True):
        following = graph.consumers(step.output)
        if isinstance(step.rule, Rectifier) and [type(s.rule) for s in following] == [MaxPooling]:
            moved[step.output] = step
            if step.output != keep:
                continue
        elif step.inputs[0] in moved:
            rectifier, pooling = moved[step.inputs[0]], step.rule
            assert isinstance(rectifier.rule, Rectifier) and isinstance(pooling, MaxPooling)
            step = step._replace(inputs=rectifier.inputs)
            if pooling.is_separate and not rectifier.rule.slope:
                step = step._replace(rule=replace(pooling, rectifier=rectifier.rule))
            else:
                steps.append(step._replace(output=n_values))
                weights.append(())
                step = rectifier._replace(inputs=(n_values,), output=step.output)
                n_values += 1
        steps.append(step)
        weights.append(arrays)
    return graph._replace(steps=tuple(steps), weights=tuple(weights))


def fuse_first_pooling(graph: Graph, shapes: Shapes) -> Graph:
    """The same network with its first convolution and the max pooling behind it in one step.

    A network whose first steps are others is returned unchanged. A skip path may flatten the image
    beside them.
    """
    steps = _first_pooled_convolution(graph)
    if steps is None:
        return graph
    first, pooling = steps
    assert isinstance(first.rule, Convolution) and isinstance(pooling.rule, MaxPooling)
    (rows, columns, _), (n_rows, n_columns, _) = shapes[IMAGE], shapes[first.output]
    rule = PooledConvolution(
        convolution=first.rule.windows(rows, columns),
        pooling=pooling.rule.windows(n_rows, n_columns),
        image=(rows, columns),
        cells=(n_rows, n_columns),
        pooled=pooling.rule.cells(n_rows, n_columns),
        rectifier=pooling.rule.rectifier,
    )
    others = [
        (step, arrays)
        for step, arrays in zip(graph.steps, graph.weights, strict=True)
        if step not in (first, pooling)
    ]
    fused = Step(rule, (IMAGE,), pooling.output, first.layer)
    return graph._replace(
        steps=(fused, *(step for step, _ in others)),
        weights=(graph.weights[graph.steps.index(first)], *(arrays for _, arrays in others)),
    )


def _first_pooled_convolution(graph: Graph) -> tuple[Step, Step] | None:
    """The steps of the image's only convolution and of its pooling; None if they stay apart."""
    first = [step for step in graph.consumers(IMAGE) if not isinstance(step.rule, Flatten)]
    if (
        len(first) != 1
        or not isinstance(first[0].rule, Convolution)
        or first[0].rule.strides != (1, 1)
    ):
        return None
    behind = graph.consumers(first[0].output)
    if len(behind) != 1 or not isinstance(behind[0].rule, MaxPooling):
        return None
    pooling = behind[0].rule
    *taps, n_filters = graph.weights[graph.steps.index(first[0])][0].shape
    is_small = math.prod((*pooling.size, *taps)) <= MAX_TAPS and n_filters <= MAX_FILTERS
    return (first[0], behind[0]) if pooling.is_separate and is_small else None
