"""The training loop of an untrained network on a drawn run, for benchmarks."""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from benchmarks.drawn_run import prepare_drawn
from tumorcam.cohort.cohort import Cohort
from tumorcam.settings.config import Config, config_from_tables
from tumorcam.storage.plan import ModelKey
from tumorcam.training.batches import training_task
from tumorcam.training.loop import TrainingLoop
from tumorcam.training.network import new_network
from tumorcam.training.workers import Workers

N_STEPS, N_GENES, N_TUMORS, EPOCHS = 10, 10_304, 22, 2


def draw_steps(folder: str, threads: int, batch: int, **layout: str) -> tuple[Config, Cohort]:
    """A run of the full network with about N_STEPS steps an epoch; `layout` changes `[layout]`."""
    config = config_from_tables(
        {
            "run": {"folder": f"{folder}/run", "threads_per_rank": threads},
            "layout": {"replicates": 1, **layout},
            "splits": {"folds": 2},
            "training": {"epochs": EPOCHS, "batch_size": batch},
        },
        source="benchmark",
    )
    cohort, _ = prepare_drawn(config, round(2.2 * N_STEPS * batch), N_GENES, N_TUMORS)
    return config, cohort


def step_seconds(
    config: Config,
    cohort: Cohort,
    change: Callable[[TrainingLoop], None] = lambda loop: None,
    **training: Any,
) -> float:
    """Seconds a step of the last epoch; the first epoch includes the compilation.

    `change` is called with the loop before it starts; the rest is as in `new_loop`.
    """
    with tempfile.TemporaryDirectory() as folder:
        loop = new_loop(config, cohort, Path(folder) / "checkpoints", **training)
        change(loop)
        history = loop.run(Path(folder) / "history.csv")
    return float(history["seconds"].iloc[-1]) / loop.batches.steps_per_epoch


def new_loop(config: Config, cohort: Cohort, checkpoints: Path, **training: Any) -> TrainingLoop:
    """The loop of the first model on one device, with some settings of `[training]` changed."""
    settings = dataclasses.replace(config.training, **training)
    config = dataclasses.replace(config, training=settings)
    task = training_task(cohort, ModelKey(0, 0), config)
    rng = config.rng("benchmark")
    network = new_network(config, task.layout, cohort.genes, len(cohort.tumors), rng)
    return TrainingLoop(config, task, network, Workers(tf.distribute.get_strategy()), checkpoints)
