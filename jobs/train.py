"""Train the models that are this process's share, and the baselines; one process a model."""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import command
from .command import Command, Job

if TYPE_CHECKING:
    from tumorcam.cluster.watchdog import Watchdog
    from tumorcam.cohort.cohort import Cohort
    from tumorcam.storage.plan import ModelKey, Plan


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --model and --share."""
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--model", help="train this one alone, such as r00-f01 or baselines")
    choice.add_argument("--share", help="I/N: the I-th of N equal shares, from 0")


def train(job: Job) -> int:
    """Train the missing models of this process's share, each in a process of its own if several.

    The baselines come last. TensorFlow does not give back the memory of a finished network.
    """
    from tumorcam.cluster.processes import run_together
    from tumorcam.storage.plan import BASELINES
    from tumorcam.training.tasks import chosen_tasks, train_plan, untrained

    plan, args = job.plan, job.args
    names = chosen_tasks(plan.train_tasks, args.model, args.share, job.launch)
    if args.dry_run:
        return job.print_left("train", train_plan(job.run, plan, names, job.config))
    job.require_current("models")
    if job.args.model or len(names) == 1:
        return _train(job, plan, names[0])
    missing = untrained(job.run, plan, names, job.config)
    for name in sorted(missing, key=lambda name: name == BASELINES):
        module = [sys.executable, "-m", __package__, "train", *job.command_line]
        number = {"TUMORCAM_TASK": str(plan.train_tasks.index(name))}  # a port of its own
        child = run_together([[*module, "--model", name]], {**job.launch.variables, **number})
        if child.exit_code:
            return child.exit_code
    return 0


def _train(job: Job, plan: "Plan", name: str) -> int:
    """Train one model in this process, with a watchdog where it is one worker of several."""
    from tumorcam.cluster.launcher import set_variables
    from tumorcam.cluster.logs import logger, start_logging
    from tumorcam.cluster.watchdog import Watchdog
    from tumorcam.cohort.local_copy import local_cohort
    from tumorcam.storage.plan import BASELINES
    from tumorcam.training.baseline_training import train_baselines
    from tumorcam.training.tasks import untrained

    tf_config, worker = job.launch.tf_config, job.launch.worker
    log = start_logging(job.run.logs, f"train-{name}", job.launch, rank=worker)
    if not untrained(job.run, plan, [name], job.config):
        logger.info("%s is there already", name)
        return 0
    set_variables({"TF_CONFIG": tf_config} if tf_config else {})
    cohort = local_cohort(job.run.cohort, job.config, job.launch.scratch_folder)
    if name != BASELINES:
        with Watchdog(worker, log) if tf_config else contextlib.nullcontext() as watchdog:
            _train_network(job, cohort, plan.model_keys[name], watchdog)
    elif worker == 0:
        train_baselines(job.run.baselines, cohort, job.config)
    return 0


def _train_network(
    job: Job, cohort: "Cohort", key: "ModelKey", watchdog: "Watchdog | None"
) -> None:
    from tumorcam.operations.cost import require_memory
    from tumorcam.training.loop import train_model
    from tumorcam.training.threads import use_threads
    from tumorcam.training.workers import join_workers

    require_memory("train", job.config, cohort, job.launch)
    use_threads(job.config.run.threads_per_rank)
    workers = join_workers(watchdog)
    workers.require_divisible(job.config.training.batch_size, job.config.training.micro_batch)
    train_model(job.run, cohort, key, job.config, workers)


COMMAND = Command(
    "train",
    __doc__,
    train,
    ("configs/demo.toml", "configs/demo.toml --model r00-f01"),
    add_options,
    has_workers=True,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Train; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
