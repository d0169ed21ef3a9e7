"""Explain the held-out samples of this process's share: array tasks x ranks of the launcher.

The ranks need no communication, so no MPI is started: one that dies leaves the others at work.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import command
from .command import Command, Job

if TYPE_CHECKING:
    from tumorcam.storage.plan import ShardKey


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --share."""
    parser.add_argument("--share", help="I/N: the I-th of N equal shares, instead of the array's")


def explain(job: Job) -> int:
    """Write the missing shards of this process's share."""
    from tumorcam.cluster.logs import logger, start_logging
    from tumorcam.explain.shards import shard_faults
    from tumorcam.storage.plan import share_of

    plan = job.plan
    share = job.share(job.args.share)
    keys = share_of(plan.explain_tasks, share)
    if job.args.dry_run:
        n_left, n_all = len(shard_faults(job.run, plan, keys, job.config)), len(plan.explain_tasks)
        text = f"would explain {n_left} of {n_all} shards, {plan.n_samples} samples a replicate"
        return job.print_left("explain", text)
    rank = job.launch.share
    start_logging(job.run.logs, f"explain-{share.index // rank.count}", job.launch, rank=rank.index)
    job.require_current("models")
    own = {job.run.shard(key) for key in keys}
    job.require_current("shards", paths=own, settings_alone=True)
    missing = list(shard_faults(job.run, plan, keys, job.config))
    if n_present := len(keys) - len(missing):
        logger.info("%d of %d shards are there already", n_present, len(keys))
    if missing:
        _explain(job, missing, is_first=rank.index == 0)
    return 0


def _explain(job: Job, keys: Sequence["ShardKey"], *, is_first: bool) -> None:
    from tumorcam.explain import devices
    from tumorcam.explain.explain import explain_shards
    from tumorcam.operations.cost import require_memory
    from tumorcam.training.threads import use_threads

    cohort = job.cohort
    use_threads(job.config.run.threads_per_rank)
    gpu = devices.take_gpu(job.launch)
    if not gpu:  # whose memory bounds the batch
        require_memory("explain", job.config, cohort, job.launch)
    explain_shards(job.run, cohort, keys, job.config, gpu=gpu, visible=is_first)


COMMAND = Command(
    "explain", __doc__, explain, ("configs/demo.toml", "configs/demo.toml --share 0/4"), add_options
)


def main(argv: Sequence[str] | None = None) -> int:
    """Explain; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
