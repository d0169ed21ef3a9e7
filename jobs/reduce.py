"""Check every shard, then compute the significance tables; MPI ranks divide the genes."""

import argparse
import sys
from collections.abc import Sequence

from . import command
from .command import Command, Job


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --allow-partial."""
    parser.add_argument(
        "--allow-partial",
        action="store_true",
        help="go on without missing shards; every table and the report then say so",
    )


def reduce(job: Job) -> int:
    """Write saliency.h5 and significance.h5, unless they are there."""
    from tumorcam.cluster import ranks
    from tumorcam.cluster.logs import start_logging
    from tumorcam.significance.reduce import reduce_run

    plan = job.plan
    if job.args.dry_run:
        return job.print_left(
            "reduce",
            f"would reduce {len(plan.explain_tasks)} shards of {plan.n_samples} samples a "
            f"replicate, {plan.n_genes} genes and {plan.n_decoys} decoys",
        )
    world = ranks.connect(job.launch)
    start_logging(job.run.logs, "reduce", job.launch, rank=world.rank)
    ranks.on_root(world, lambda: job.require_current("models"))
    cohort = job.cohort
    reduce_run(job.run, cohort, plan, job.config, world, allow_partial=job.args.allow_partial)
    return 0


COMMAND = Command("reduce", __doc__, reduce, ("configs/demo.toml",), add_options)


def main(argv: Sequence[str] | None = None) -> int:
    """Reduce; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
