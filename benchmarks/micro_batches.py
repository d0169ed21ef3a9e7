"""What micro-batches cost: seconds a step of the full network on one device, in turns.

    python -m benchmarks.micro_batches [--rounds 3] [--threads 2] [--batch 32]

A batch as one micro-batch is what a training has that depends on the number of devices.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from benchmarks.drawn_run import prepare_drawn
from benchmarks.drawn_training import new_loop
from tumorcam.cohort.cohort import Cohort
from tumorcam.settings.config import Config, config_from_tables
from tumorcam.training.threads import use_threads

N_STEPS, N_GENES, N_TUMORS, EPOCHS = 10, 10_304, 22, 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args()
    use_threads(args.threads)
    with tempfile.TemporaryDirectory() as scratch:
        config = config_from_tables(
            {
                "run": {"folder": f"{scratch}/run", "threads_per_rank": args.threads},
                "layout": {"replicates": 1},
                "splits": {"folds": 2},
                "training": {"epochs": EPOCHS, "batch_size": args.batch},
            },
            source="benchmark",
        )
        cohort, _ = prepare_drawn(config, round(2.2 * N_STEPS * args.batch), N_GENES, N_TUMORS)
        taken: dict[int, list[float]] = {args.batch // n: [] for n in (1, 2, 4, 8)}
        for _ in range(args.rounds):
            for size, seconds in taken.items():
                seconds.append(seconds_a_step(config, cohort, size))
                print(f"micro-batches of {size:4}: {1000 * seconds[-1]:7.0f} ms a step", flush=True)
    whole = statistics.median(taken[args.batch])
    for size, seconds in taken.items():
        print(f"micro-batches of {size:4}: {statistics.median(seconds) / whole:7.2f}, median")


def seconds_a_step(config: Config, cohort: Cohort, size: int) -> float:
    """Seconds a step of the last epoch; the first epoch includes the compilation."""
    with tempfile.TemporaryDirectory() as folder:
        loop = new_loop(config, cohort, Path(folder) / "checkpoints", micro_batch=size)
        history = loop.run(Path(folder) / "history.csv")
    return float(history["seconds"].iloc[-1]) / loop.batches.steps_per_epoch


if __name__ == "__main__":
    main()
