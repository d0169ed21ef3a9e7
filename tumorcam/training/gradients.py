"""The gradients of a global batch, which any number of devices compute alike."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from tumorcam.settings import TrainingSettings
from tumorcam.training.paths import dense_layers, training_forward

PRECISIONS = {"float32": tf.float32, "mixed": tf.bfloat16}  # by `training.precision`


class BatchGradients(NamedTuple):
    """What a device knows of a training step.

    `loss` () float64 is its share of the mean loss of the batch. `moments` (channels,) float64 are
    the sums of the moments of its micro-batches, in the order of `paths.moving_moments`.
    `gradients` are those of the whole batch, one for each trainable variable, float32 or float64.
    """

    loss: tf.Tensor
    moments: list[tf.Tensor]
    gradients: list[tf.Tensor]


class _MicroBatch(NamedTuple):
    """The loss, moments and gradients of a micro-batch; `inputs` and `outputs` of dense layers.

    `gradients` are at the variables of all other layers, `outputs` are the gradients at the outputs
    of dense layers.
    """

    loss: tf.Tensor
    moments: list[tf.Tensor]
    gradients: list[tf.Tensor]
    inputs: list[tf.Tensor]
    outputs: list[tf.Tensor]


def batch_gradients(
    network: keras.Model, batch: Sequence[tf.Tensor], training: TrainingSettings
) -> BatchGradients:
    """The gradients of the mean loss of a global batch; call it in each replica of a strategy.

    A device computes its samples in micro-batches of a fixed size, so that the number of devices
    changes no value of a sample. The gradients of convolutions are added in float64. Those of a
    dense layer are one product of the inputs and the output gradients of all samples: the devices
    exchange these, which are much smaller than the layer's weights (Krizhevsky 2014,
    arXiv:1404.5997, has fully connected layers alike).

    Parameters
    ----------
    batch : sequence of (samples, ...) float32
        This device's images, targets and masks, as in `Batch`.
    """
    context = tf.distribute.get_replica_context()
    layers = dense_layers(network)
    of_dense = {variable.path for layer in layers for variable in layer.trainable_variables}
    others = [v for v in network.trainable_variables if v.path not in of_dense]
    micro_batch = tf.function(  # so that TensorFlow traces and compiles one for all
        lambda *part: _micro_batch(network, part, training, others), autograph=False
    )
    parts = [micro_batch(*part) for part in _parts(batch, training)]
    sums = [
        float64_sum(*values) for values in zip(*(part.gradients for part in parts), strict=True)
    ]
    reduced = context.all_reduce(tf.distribute.ReduceOp.SUM, sums) if sums else []
    gradients = dict(zip([variable.path for variable in others], reduced, strict=True))
    inputs, outputs = (
        [_gathered(context, values) for values in zip(*column, strict=True)]
        for column in ([part.inputs for part in parts], [part.outputs for part in parts])
    )
    for layer, of_inputs, of_outputs in zip(layers, inputs, outputs, strict=True):
        gradients[layer.kernel.path] = tf.matmul(of_inputs, of_outputs, transpose_a=True)
        if layer.use_bias:
            gradients[layer.bias.path] = tf.reduce_sum(of_outputs, axis=0)
    return BatchGradients(
        float64_sum(*(part.loss for part in parts)),
        [float64_sum(*values) for values in zip(*(part.moments for part in parts), strict=True)],
        [gradients[variable.path] for variable in network.trainable_variables],
    )


def _parts(
    batch: Sequence[tf.Tensor], training: TrainingSettings
) -> Iterator[tuple[tf.Tensor, ...]]:
    size = training.micro_batch
    for start in range(0, batch[0].shape[0], size):
        yield tuple(values[start : start + size] for values in batch)


def _micro_batch(
    network: keras.Model,
    part: Sequence[tf.Tensor],
    training: TrainingSettings,
    variables: list[keras.Variable],
) -> _MicroBatch:
    images, targets, *masks = part
    with tf.GradientTape() as tape:
        forward = training_forward(network, images, masks, PRECISIONS[training.precision])
        per_sample = -tf.reduce_sum(targets * tf.nn.log_softmax(forward.logits), axis=1)
        loss = tf.reduce_sum(per_sample) / training.batch_size
    outputs = [product.outputs for product in forward.products]
    inputs = [product.inputs for product in forward.products]
    gradients, at_outputs = tape.gradient(loss, [variables, outputs])
    return _MicroBatch(loss, forward.moments, gradients, inputs, at_outputs)


def _gathered(context: tf.distribute.ReplicaContext, values: Sequence[tf.Tensor]) -> tf.Tensor:
    """(all samples of the batch, units) float32, of the micro-batches of all devices in order."""
    return context.all_gather(tf.cast(tf.concat(values, axis=0), tf.float32), axis=0)


@tf.function(jit_compile=True)  # else each addition of gradients makes a new array
def float64_sum(*values: tf.Tensor) -> tf.Tensor:
    """The float64 sum of float32 tensors of one shape.

    After rounding to float32, the order of the terms changes only one value in a billion. In a
    float32 sum it changes every value: after twenty steps of training, weights were 1e-3 apart.
    """
    return sum(tf.cast(value, tf.float64) for value in values)
