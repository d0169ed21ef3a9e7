"""A step of the training loop as a function without state, which XLA compiles as a whole."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from tumorcam.training.loop import TrainingLoop, float64_sum
from tumorcam.training.paths import training_forward


class State(NamedTuple):
    """What a step changes: the trainable weights, and AdamW's two moments of their gradients."""

    weights: list[tf.Tensor]
    momentums: list[tf.Tensor]
    velocities: list[tf.Tensor]


class StepResult(NamedTuple):
    """The loss of a batch before the step, () float32, and the state after it."""

    loss: tf.Tensor
    state: State


def training_step(loop: TrainingLoop, micro_batch: int) -> Callable[..., StepResult]:
    """The function `step(batch, rate, number, state)` that does what a step of the loop does.

    `batch` has the images, the targets and the masks of a `Batch`, `rate` is the learning rate, and
    `number` counts the steps from 1 on. Networks with batch normalizations are not supported.
    """
    network, optimizer = loop.network, loop.optimizer
    variables = network.trainable_variables

    def loss_and_gradients(part: list[tf.Tensor], weights: list[tf.Tensor], size: int) -> list:
        images, targets, *masks = part
        values = list(zip(variables, weights, strict=True))
        with tf.GradientTape() as tape, keras.StatelessScope(state_mapping=values):
            tape.watch(weights)
            logits, _ = training_forward(network, images, masks)
            per_sample = -tf.reduce_sum(targets * tf.nn.log_softmax(logits), axis=1)
            loss = tf.reduce_sum(per_sample) / size
        return [loss, *tape.gradient(loss, weights)]

    def step(
        batch: Sequence[tf.Tensor], rate: tf.Tensor, number: tf.Tensor, state: State
    ) -> StepResult:
        size = batch[0].shape[0]
        parts = [
            loss_and_gradients([v[i : i + micro_batch] for v in batch], state.weights, size)
            for i in range(0, size, micro_batch)
        ]
        loss, *gradients = (
            tf.cast(float64_sum(*values), tf.float32) for values in zip(*parts, strict=True)
        )
        updates = [
            adamw(optimizer, rate, number, gradient, values, decays=variable.name == "kernel")
            for variable, gradient, values in zip(
                variables, gradients, zip(*state, strict=True), strict=True
            )
        ]
        return StepResult(loss, State(*map(list, zip(*updates, strict=True))))

    return step


def adamw(
    optimizer: keras.optimizers.AdamW,
    rate: tf.Tensor,
    number: tf.Tensor,
    gradient: tf.Tensor,
    values: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
    *,
    decays: bool,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Weights, momentum and velocity after a step of Keras' AdamW, in its order of operations.

    Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2; epsilon stands as in Kingma & Ba 2015,
    arXiv:1412.6980, at the end of section 2.
    """
    weights, momentum, velocity = values
    if decays:
        weights -= weights * optimizer.weight_decay * rate
    momentum += (gradient - momentum) * (1 - optimizer.beta_1)
    velocity += (gradient**2 - velocity) * (1 - optimizer.beta_2)
    alpha = rate * tf.sqrt(1 - optimizer.beta_2**number) / (1 - optimizer.beta_1**number)
    weights -= momentum * alpha / (tf.sqrt(velocity) + optimizer.epsilon)
    return weights, momentum, velocity
