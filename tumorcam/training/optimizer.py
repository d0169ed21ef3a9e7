"""The optimizer and its learning rate."""

import keras

from tumorcam.settings.config import Config


def make_optimizer(config: Config, steps_per_epoch: int) -> keras.optimizers.Optimizer:
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
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=training.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
