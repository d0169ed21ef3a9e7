"""Forward and backward passes through the steps of a network."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from tumorcam.saliency.graph import Step
from tumorcam.saliency.rules import Vjp, Weights, add_all


class Forward(NamedTuple):
    """Activations and vector-Jacobian products of one forward pass, keyed by value index."""

    values: dict[int, tf.Tensor]
    vjps: dict[int, Vjp]


def forward(
    steps: Sequence[Step], weights: Sequence[Weights], start: dict[int, tf.Tensor]
) -> Forward:
    """Compute the values of all steps.

    Parameters
    ----------
    weights : sequence
        The prepared weights of each step.
    start : dict
        Values that are given, such as the images, keyed by value index.
    """
    values, vjps = dict(start), {}
    for step, arrays in zip(steps, weights, strict=True):
        values[step.output], vjps[step.output] = step.rule(
            [values[value] for value in step.inputs], arrays
        )
    return Forward(values, vjps)


def backward(
    steps: Sequence[Step],
    vjps: dict[int, Vjp],
    start: dict[int, tf.Tensor],
    at: Sequence[int],
    *,
    guided: bool,
) -> dict[int, tf.Tensor]:
    """Gradients at some values, keyed by value index.

    Parameters
    ----------
    vjps : dict
        Vector-Jacobian products of a forward pass.
    start : dict
        (samples, ...) float: gradients that are given, such as those at the logits, keyed by value
        index.
    at : sequence of int
        Indices of the values whose gradients are computed.
    guided : bool
        Whether rectifiers pass positive gradient only.
    """
    needed = set(at)  # and all values that depend on them
    for step in steps:
        if needed & set(step.inputs):
            needed.add(step.output)
    parts = {value: [gradient] for value, gradient in start.items()}
    for step in reversed(steps):
        if step.output not in parts or not needed & set(step.inputs):
            continue
        gradients = vjps[step.output](add_all(parts[step.output]), guided)
        for value, gradient in zip(step.inputs, gradients, strict=True):
            if value in needed:
                parts.setdefault(value, []).append(gradient)
    return {value: add_all(parts[value]) for value in at}
