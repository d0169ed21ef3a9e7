"""The training loop of an untrained network on a drawn run, for benchmarks."""

import dataclasses
from pathlib import Path
from typing import Any

import tensorflow as tf

from tumorcam.cohort.cohort import Cohort
from tumorcam.settings.config import Config
from tumorcam.storage.plan import ModelKey
from tumorcam.training.batches import training_task
from tumorcam.training.loop import TrainingLoop
from tumorcam.training.network import new_network
from tumorcam.training.workers import Workers


def new_loop(config: Config, cohort: Cohort, checkpoints: Path, **training: Any) -> TrainingLoop:
    """The loop of the first model on one device, with some settings of `[training]` changed."""
    settings = dataclasses.replace(config.training, **training)
    config = dataclasses.replace(config, training=settings)
    task = training_task(cohort, ModelKey(0, 0), config)
    rng = config.rng("benchmark")
    network = new_network(config, task.layout, cohort.genes, len(cohort.tumors), rng)
    return TrainingLoop(config, task, network, Workers(tf.distribute.get_strategy()), checkpoints)
