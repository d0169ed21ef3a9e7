"""What checkpoints cost: the same training of the full network with and without them, in turns.

    python -m benchmarks.checkpoints [--rounds 3]

Expression is drawn; a checkpoint costs the same.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from typing import NamedTuple

from benchmarks.drawn_run import prepare_drawn
from benchmarks.drawn_training import new_loop
from tumorcam.cohort.cohort import Cohort
from tumorcam.settings.config import Config, config_from_tables
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.threads import use_threads

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
                cost = train(config, cohort, steps, share)
                taken[name].append(cost.seconds)
                size = f", {cost.n_bytes / 2**20:.0f} MB each" if cost.n_bytes else ""
                print(f"{name:42}{cost.seconds:8.1f} s for {cost.n_steps} steps{size}", flush=True)
    without = statistics.median(taken["no checkpoints"])
    for name, seconds in taken.items():
        print(f"{name:42}{100 * (statistics.median(seconds) / without - 1):+7.1f} %, median")


class TrainingCost(NamedTuple):
    """Seconds and steps of a training, and bytes of a checkpoint, 0 without one."""

    seconds: float
    n_steps: int
    n_bytes: int


def train(config: Config, cohort: Cohort, steps: int, share: float) -> TrainingCost:
    """Train the first model, with a checkpoint every so many steps; what it costs."""
    run, key = RunFolder.of(config), ModelKey(0, 0)
    folder = run.checkpoints(key)
    loop = new_loop(config, cohort, folder, checkpoint_steps=steps, checkpoint_share=share)
    started = time.monotonic()
    loop.run(run.history(key))
    seconds = time.monotonic() - started
    sizes = [path.stat().st_size for path in folder.glob("*.data*")]
    shutil.rmtree(folder.parent)
    return TrainingCost(seconds, int(loop.step), max(sizes, default=0))


if __name__ == "__main__":
    main()
