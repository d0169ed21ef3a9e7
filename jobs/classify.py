"""Classify this process's share of new samples: array tasks x ranks of the launcher.

The process that finds all shares done writes the calls of all samples.
"""

import argparse
import sys
from collections.abc import Sequence

from . import command
from .command import Command, Job


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --share."""
    parser.add_argument("--share", help="I/N: the I-th of N equal shares, instead of the array's")


def classify(job: Job) -> int:
    """Write the missing predictions of this process's share; then the calls if all are there."""
    from tumorcam.applied.calls import are_calls_current
    from tumorcam.applied.classify import classify_blocks, write_all_calls
    from tumorcam.applied.predictions import missing_predictions
    from tumorcam.cluster.logs import logger, start_logging
    from tumorcam.cohort.local_copy import local_cohort
    from tumorcam.explain import devices
    from tumorcam.storage.plan import share_of
    from tumorcam.training.threads import use_threads

    plan = job.plan
    share = job.share(job.args.share)
    keys = share_of(plan.prediction_tasks, share)
    if job.args.dry_run:
        missing = missing_predictions(job.run, plan, keys, job.config)
        text = f"would classify {len(missing)} of {len(plan.prediction_tasks)} blocks of samples"
        return job.print_left("classify", text)
    job.require_current("predictions", settings_alone=True)
    rank = job.launch.share
    name = f"classify-{share.index // rank.count}"
    start_logging(job.run.logs, name, job.launch, rank=rank.index)
    cohort = local_cohort(job.run.cohort, job.config, job.launch.scratch_folder)
    use_threads(job.config.run.threads_per_rank)
    devices.take_gpu(job.launch)
    missing = missing_predictions(job.run, plan, keys, job.config)
    if n_present := len(keys) - len(missing):
        logger.info("%d of %d blocks are there already", n_present, len(keys))
    classify_blocks(job.run, cohort, missing, job.config, visible=rank.index == 0)
    if missing_predictions(job.run, plan, plan.prediction_tasks, job.config):
        logger.info("done; other processes still work, the last of them writes the calls")
    elif not are_calls_current(job.run, cohort, plan, job.config):
        write_all_calls(job.run, cohort, plan, job.config)
    return 0


COMMAND = Command(
    "classify",
    __doc__,
    classify,
    ("runs/demo/applied/batch2", "runs/demo/applied/batch2 --share 0/4"),
    add_options,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Classify; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
