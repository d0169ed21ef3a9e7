"""The optimizer and its learning rate."""

from typing import Any

import keras
import tensorflow as tf

from tumorcam.settings.config import Config

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # of Keras; Kingma & Ba 2015 have 1e-8 for the last


class AdamW(keras.optimizers.Adam):  # type: ignore[misc]
    """Keras's Adam and decoupled weight decay, with one loop over the weights of a variable.

    Keras reads and writes the weights, both moments and the gradient some twenty times a step. For
    a dense layer of millions of weights this takes a quarter of a training step on a CPU.

    Parameters
    ----------
    learning_rate : LearningRateSchedule
    decay : float
        The share of a weight, times the learning rate, that each step takes away.
    """

    def __init__(
        self, learning_rate: keras.optimizers.schedules.LearningRateSchedule, decay: float
    ) -> None:
        super().__init__(learning_rate, BETA_1, BETA_2, EPSILON)
        self.decay = decay

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
    ) -> None:
        """Change one variable and its moments; Keras calls it on each device.

        Parameters
        ----------
        gradient : (shape of the variable) float32 or float64
        variable : Variable, float32
        learning_rate : () float32
        """
        index = self._get_variable_index(variable)
        state = [variable, self._momentums[index], self._velocities[index]]
        step = tf.cast(self.iterations + 1, tf.float32)
        correction = tf.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
        decay = learning_rate * self.decay if self._use_weight_decay(variable) else 0.0
        values = [tf.convert_to_tensor(value) for value in state]
        rates = tf.stack([learning_rate * correction, decay])
        for old, new in zip(state, updated(*values, gradient, rates), strict=True):
            self.assign(old, new)

    def _all_reduce_sum_gradients(self, grads_and_vars: list[Any]) -> list[Any]:
        """Keras adds up the gradients of all devices here; those of `batch_gradients` are sums."""
        return grads_and_vars


@tf.function(jit_compile=True)  # once for all variables of a shape
def updated(
    weights: tf.Tensor,
    momentum: tf.Tensor,
    velocity: tf.Tensor,
    gradient: tf.Tensor,
    rates: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Weights and moments after a step: Loshchilov & Hutter 2019, algorithm 2.

    Epsilon stands as in Kingma & Ba 2015, arXiv:1412.6980, at the end of section 2.

    Parameters
    ----------
    weights, momentum, velocity : (shape of the variable) float32
    gradient : (shape of the variable) float32 or float64
    rates : (2,) float32
        The learning rate with the corrections of both moments, and the share of the weights that
        decays.
    """
    gradient = tf.cast(gradient, weights.dtype)
    momentum += (gradient - momentum) * (1 - BETA_1)
    velocity += (gradient * gradient - velocity) * (1 - BETA_2)
    change = rates[0] * momentum / (tf.sqrt(velocity) + EPSILON)
    return weights - rates[1] * weights - change, momentum, velocity


def make_optimizer(config: Config, steps_per_epoch: int) -> AdamW:
    """AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), warm-up, then cosine decay to 0.

    If `training.learning_rate_batch` is set, the peak rate is multiplied by batch_size /
    learning_rate_batch (Goyal et al. 2017, arXiv:1706.02677, section 2.1).
    """
    training = config.training
    peak = training.learning_rate
    if training.learning_rate_batch:
        peak *= training.batch_size / training.learning_rate_batch
    warmup = round(training.warmup_epochs * steps_per_epoch)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else peak,
        decay_steps=max(1, training.epochs * steps_per_epoch - warmup),
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )
    optimizer = AdamW(schedule, training.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
