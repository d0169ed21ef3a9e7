"""Forward and backward passes over the steps of a network."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from tumorcam.saliency.graph import Step
from tumorcam.saliency.rules import Pull, Weights, total


class Forward(NamedTuple):
    """Values by their index, and what pulls a gradient through the step that made each."""

    values: dict[int, tf.Tensor]
    pulls: dict[int, Pull]


def forward(
    steps: Sequence[Step], weights: Sequence[Weights], start: dict[int, tf.Tensor]
) -> Forward:
    """Values of all steps, from those that they start with."""
    values, pulls = dict(start), {}
    for step, arrays in zip(steps, weights, strict=True):
        values[step.output], pulls[step.output] = step.rule(
            [values[value] for value in step.inputs], arrays
        )
    return Forward(values, pulls)


def backward(
    steps: Sequence[Step],
    pulls: dict[int, Pull],
    start: dict[int, tf.Tensor],
    wanted: Sequence[int],
    *,
    guided: bool,
) -> dict[int, tf.Tensor]:
    """Gradients at the wanted values, of gradients at later ones.

    Parameters
    ----------
    start : dict
        (samples, ...) float, by the index of the value.
    guided : bool
        Whether rectifiers pass positive gradient alone.
    """
    needed = set(wanted)  # and all that depends on it
    for step in steps:
        if needed & set(step.inputs):
            needed.add(step.output)
    parts = {value: [gradient] for value, gradient in start.items()}
    for step in reversed(steps):
        if step.output not in parts or not needed & set(step.inputs):
            continue
        pulled = pulls[step.output](total(parts[step.output]), guided)
        for value, gradient in zip(step.inputs, pulled, strict=True):
            if value in needed:
                parts.setdefault(value, []).append(gradient)
    return {value: total(parts[value]) for value in wanted}
