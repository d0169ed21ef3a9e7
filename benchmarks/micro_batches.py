"""What micro-batches cost: seconds a step of the full network on one device, in turns.

    python -m benchmarks.micro_batches [--rounds 3] [--threads 2] [--batch 32]

A batch as one micro-batch is what a training has that depends on the number of devices.
"""

import argparse
import statistics
import tempfile

from benchmarks.drawn_training import draw_steps, step_seconds
from tumorcam.training.threads import use_threads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args()
    use_threads(args.threads)
    with tempfile.TemporaryDirectory() as scratch:
        config, cohort = draw_steps(scratch, args.threads, args.batch)
        taken: dict[int, list[float]] = {args.batch // n: [] for n in (1, 2, 4, 8)}
        for _ in range(args.rounds):
            for size, seconds in taken.items():
                seconds.append(step_seconds(config, cohort, micro_batch=size))
                print(f"micro-batches of {size:4}: {1000 * seconds[-1]:7.0f} ms a step", flush=True)
    whole = statistics.median(taken[args.batch])
    for size, seconds in taken.items():
        print(f"micro-batches of {size:4}: {statistics.median(seconds) / whole:7.2f}, median")


if __name__ == "__main__":
    main()
