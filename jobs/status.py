"""What of a run is done, missing or broken, and the commands that fill the gaps."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import command
from .command import Command, Job

if TYPE_CHECKING:
    from tumorcam.operations.audit import FileState
    from tumorcam.operations.submissions import QueuedJob

INCOMPLETE = 3  # exit code
MAX_FAULTS = 10  # printed


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what to look at, and how closely."""
    parser.add_argument("--deep", action="store_true", help="read and check every byte")
    parser.add_argument(
        "--curve", metavar="MODEL", help="a model's learning curve, such as r00-f00"
    )
    parser.add_argument(
        "--submissions", action="store_true", help="print jobs to submit and options, with tabs"
    )


def status(job: Job) -> int:
    """Print the state of the run; 0 if it is complete, 3 if not."""
    from tumorcam.cluster import slurm
    from tumorcam.operations import audit, submissions

    if job.args.curve:
        return _print_curve(job)
    if job.args.dry_run:
        print(f"would look at every file of the plan in {job.run.root}")
        return 0
    states = audit.audit_run(job.config, deep=job.args.deep)
    todo = submissions.submissions(job.config, states, submissions.read_site(job.launch))
    queued = submissions.jobs_of_run(slurm.queue(), job.run)
    if job.args.submissions:
        submissions.refuse_stale(states)
        submissions.refuse_queued(queued)
        print(submissions.table(job.run.logs, todo), end="")
        return 0
    _print_states(job, states, queued)
    commands = [submission.command(job.command_line) for submission in todo]
    if commands and not submissions.stale_faults(states):
        print("to go on, each after the one before it has ended:", *commands, sep="\n  ")
    return INCOMPLETE if any(state.state != audit.WHOLE for state in states) else 0


def _print_curve(job: Job) -> int:
    from tumorcam.operations.learning_curve import curve_text
    from tumorcam.storage.plan import read_plan

    plan = read_plan(job.run.plan, job.config.layout.nulls)
    print(curve_text(job.run, plan, job.args.curve))
    return 0


def _print_states(job: Job, states: Sequence["FileState"], queued: Sequence["QueuedJob"]) -> None:
    """Print counts a stage, faults, the queue, and why the last jobs of unfinished stages ended."""
    from tumorcam.operations import audit, job_endings, submissions
    from tumorcam.operations.expected_files import JOB_OF_NEW_STAGE, JOB_OF_STAGE

    print(f"{job.run.root}\n{'stage':14}{'whole':>8}{'missing':>9}{'broken':>8}")
    for stage, n in audit.count_states(states).items():
        print(f"{stage:14}{n[audit.WHOLE]:8}{n[audit.MISSING]:9}{n[audit.BROKEN]:8}")
    faults = [state.fault for state in states if state.state == audit.BROKEN]
    for fault in faults[:MAX_FAULTS]:
        print(f"broken: {fault}")
    if len(faults) > MAX_FAULTS:
        print(f"and {len(faults) - MAX_FAULTS} more")
    for line in submissions.queue_lines(queued):
        print(f"in the queue: {line}")
    numbers, job_of = [entry.number for entry in queued], JOB_OF_STAGE | JOB_OF_NEW_STAGE
    for stage in audit.incomplete_stages(states):
        for cause in job_endings.stage_causes(job.run.logs, job_of[stage], numbers):
            print(f"cause: {cause}")


COMMAND = Command(
    "status",
    __doc__,
    status,
    (
        "configs/demo.toml",
        "configs/demo.toml --curve r00-f00",
        "configs/demo.toml --submissions   # for slurm/pipeline.sh",
    ),
    add_options,
    strict=False,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the state of a run; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
