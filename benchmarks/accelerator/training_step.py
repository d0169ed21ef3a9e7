"""A step of the training loop as a function without state, which XLA compiles as a whole."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from tumorcam.training.gradients import float64_sum
from tumorcam.training.loop import TrainingLoop
from tumorcam.training.optimizer import BETA_1, BETA_2, updated
from tumorcam.training.paths import DenseProduct, dense_layers, training_forward


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
    `number` counts the steps from 1 on. The gradients are those of `gradients.batch_gradients` on a
    single device. Networks with batch normalizations are not supported.
    """
    network, decay = loop.network, loop.optimizer.decay
    variables = network.trainable_variables
    layers = dense_layers(network)
    of_dense = {variable.path for layer in layers for variable in layer.trainable_variables}

    def gradients_of(
        part: list[tf.Tensor], weights: dict[str, tf.Tensor], size: int
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor], list[DenseProduct]]:
        """Loss, gradients outside dense layers; inputs and output gradients of dense layers."""
        images, targets, *masks = part
        values = [(variable, weights[variable.path]) for variable in variables]
        others = {path: weights[path] for path in weights if path not in of_dense}
        with tf.GradientTape() as tape, keras.StatelessScope(state_mapping=values):
            tape.watch(others)
            forward = training_forward(network, images, masks)
            per_sample = -tf.reduce_sum(targets * tf.nn.log_softmax(forward.logits), axis=1)
            loss = tf.reduce_sum(per_sample) / size
        outputs = [product.outputs for product in forward.products]
        gradients, at_outputs = tape.gradient(loss, [others, outputs])
        inputs = [product.inputs for product in forward.products]
        return loss, gradients, list(map(DenseProduct, inputs, at_outputs))

    def step(
        batch: Sequence[tf.Tensor], rate: tf.Tensor, number: tf.Tensor, state: State
    ) -> StepResult:
        size = batch[0].shape[0]
        weights = dict(zip([variable.path for variable in variables], state.weights, strict=True))
        parts = [
            gradients_of([v[i : i + micro_batch] for v in batch], weights, size)
            for i in range(0, size, micro_batch)
        ]
        losses, of_others, products = zip(*parts, strict=True)
        gradients = {
            path: float64_sum(*(part[path] for part in of_others)) for path in of_others[0]
        }
        for layer, of_layer in zip(layers, zip(*products, strict=True), strict=True):
            inputs, outputs = (tf.concat(values, 0) for values in zip(*of_layer, strict=True))
            gradients[layer.kernel.path] = tf.matmul(inputs, outputs, transpose_a=True)
            if layer.use_bias:
                gradients[layer.bias.path] = tf.reduce_sum(outputs, axis=0)
        correction = tf.sqrt(1 - BETA_2**number) / (1 - BETA_1**number)
        updates = [
            updated(
                *values,
                gradients[variable.path],
                tf.stack([rate * correction, rate * decay * (variable.name == "kernel")]),
            )
            for variable, values in zip(variables, zip(*state, strict=True), strict=True)
        ]
        loss = tf.cast(float64_sum(*losses), tf.float32)
        return StepResult(loss, State(*map(list, zip(*updates, strict=True))))

    return step
