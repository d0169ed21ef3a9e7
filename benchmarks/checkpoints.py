"""What checkpoints cost: the same training of the full network with and without them, in turns.

    python -m benchmarks.checkpoints [--rounds 3]

Expression is drawn; a checkpoint costs the same.
"""

import argparse
import dataclasses
import shutil
import statistics
import tempfile
import time

import tensorflow as tf

from benchmarks.drawn_run import prepare_drawn
from tumorcam.cohort.cohort import Cohort
from tumorcam.config import Config, config_from_tables
from tumorcam.storage.plan import ModelKey
from tumorcam.training.batches import training_task
from tumorcam.training.loop import TrainingLoop
from tumorcam.training.network import new_network, use_threads
from tumorcam.training.workers import Workers

N_SAMPLES, N_GENES, N_TUMORS, EPOCHS, THREADS = 2_400, 10_304, 22, 3, 2
NEVER = 10**9  # steps
VARIANTS = {  # steps between checkpoints, and the share of the time that they may take
    "no checkpoints": (NEVER, 0.0),
    "every 20 steps, at most 2 % of the time": (20, 0.02),
    "every 20 steps": (20, 0.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    use_threads(THREADS)
    with tempfile.TemporaryDirectory() as scratch:
        config = config_from_tables(
            {
                "run": {"folder": f"{scratch}/run", "threads_per_rank": THREADS},
                "layout": {"replicates": 1},
                "splits": {"folds": 2},
                "training": {"epochs": EPOCHS, "patience": EPOCHS},
            },
            source="benchmark",
        )
        cohort, _ = prepare_drawn(config, N_SAMPLES, N_GENES, N_TUMORS)
        taken: dict[str, list[float]] = {name: [] for name in VARIANTS}
        for _ in range(args.rounds):
            for name, (steps, share) in VARIANTS.items():
                seconds, n_steps, n_bytes = train(config, cohort, steps, share)
                taken[name].append(seconds)
                written = f", {n_bytes / 2**20:.0f} MB each" if n_bytes else ""
                print(f"{name:42}{seconds:8.1f} s for {n_steps} steps{written}", flush=True)
    without = statistics.median(taken["no checkpoints"])
    for name, seconds in taken.items():
        print(f"{name:42}{100 * (statistics.median(seconds) / without - 1):+7.1f} %, median")


def train(config: Config, cohort: Cohort, steps: int, share: float) -> tuple[float, int, int]:
    """Seconds of a training, its steps, and bytes of a checkpoint."""
    settings = dataclasses.replace(config.training, checkpoint_steps=steps, checkpoint_share=share)
    config = dataclasses.replace(config, training=settings)
    task = training_task(cohort, ModelKey(0, 0), config)
    network = new_network(
        config, task.layout, cohort.genes, len(cohort.tumors), config.rng("benchmark")
    )
    folder = config.folder / "models" / "r00-f00" / "checkpoints"
    workers = Workers(tf.distribute.get_strategy())
    loop = TrainingLoop(config, task, network, workers, folder)
    started = time.monotonic()
    loop.run(folder.parent / "history.csv")
    seconds = time.monotonic() - started
    sizes = [path.stat().st_size for path in folder.glob("*.data*")]
    shutil.rmtree(folder.parent)
    return seconds, int(loop.step), max(sizes, default=0)


if __name__ == "__main__":
    main()
