"""Training from disk beside training from memory: seconds a step, in turns.

    python -m benchmarks.training_data [--rounds 5] [--threads 2] [--batch 32]

Features on disk are in the page cache here, as they are on a node with free memory.
"""

import argparse
import dataclasses
import statistics
import tempfile

from benchmarks.drawn_training import draw_steps, step_seconds
from tumorcam.training.loop import TrainingLoop
from tumorcam.training.threads import use_threads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args()
    use_threads(args.threads)
    with tempfile.TemporaryDirectory() as scratch:
        config, cohort = draw_steps(scratch, args.threads, args.batch, decoys="0.1")
        ratios = []
        for _ in range(args.rounds):
            disk = step_seconds(config, cohort)
            memory = step_seconds(config, cohort, keep_in_memory)
            ratios.append(memory / disk)
            print(f"disk {1000 * disk:.0f} ms a step, memory {1000 * memory:.0f} ms", flush=True)
    print(f"from disk at {statistics.median(ratios):.0%} of the speed from memory, median")


def keep_in_memory(loop: TrainingLoop) -> None:
    """Give a loop its training samples as an array."""
    data = dataclasses.replace(loop.batches.data, features=loop.batches.data.features[:])
    loop.batches = dataclasses.replace(loop.batches, data=data)


if __name__ == "__main__":
    main()
