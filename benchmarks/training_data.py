"""Training from disk beside training from memory: seconds a step, in turns.

    python -m benchmarks.training_data [--rounds 5] [--threads 2] [--batch 32]

Features on disk are in the page cache here, as they are on a node with free memory.
"""

import argparse
import dataclasses
import statistics
import tempfile
from pathlib import Path

from benchmarks.drawn_run import prepare_drawn
from benchmarks.drawn_training import new_loop
from tumorcam.cohort.cohort import Cohort
from tumorcam.settings.config import Config, config_from_tables
from tumorcam.training.threads import use_threads

N_STEPS, N_GENES, N_TUMORS = 10, 10_304, 22


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args()
    use_threads(args.threads)
    with tempfile.TemporaryDirectory() as scratch:
        config = config_from_tables(
            {
                "run": {"folder": f"{scratch}/run", "threads_per_rank": args.threads},
                "layout": {"replicates": 1, "decoys": "0.1"},
                "splits": {"folds": 2},
                "training": {"epochs": 2, "batch_size": args.batch},
            },
            source="benchmark",
        )
        cohort, _ = prepare_drawn(config, round(2.2 * N_STEPS * args.batch), N_GENES, N_TUMORS)
        ratios = []
        for _ in range(args.rounds):
            disk, memory = (step_seconds(config, cohort, in_memory=m) for m in (False, True))
            ratios.append(memory / disk)
            print(f"disk {1000 * disk:.0f} ms a step, memory {1000 * memory:.0f} ms", flush=True)
    print(f"from disk at {statistics.median(ratios):.0%} of the speed from memory, median")


def step_seconds(config: Config, cohort: Cohort, *, in_memory: bool) -> float:
    """Seconds a step of the last epoch; the first epoch includes the compilation."""
    with tempfile.TemporaryDirectory() as folder:
        loop = new_loop(config, cohort, Path(folder) / "checkpoints")
        if in_memory:
            data = dataclasses.replace(loop.batches.data, features=loop.batches.data.features[:])
            loop.batches = dataclasses.replace(loop.batches, data=data)
        history = loop.run(Path(folder) / "history.csv")
    return float(history["seconds"].iloc[-1]) / loop.batches.steps_per_epoch


if __name__ == "__main__":
    main()
