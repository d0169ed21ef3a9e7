"""What of a run is done, missing or broken, and the commands that fill the gaps."""

import argparse
import sys
from collections.abc import Sequence

from . import command
from .command import Command, Job

INCOMPLETE = 3  # exit code


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what to look at, and how closely."""
    parser.add_argument("--deep", action="store_true", help="read and check every byte")
    parser.add_argument(
        "--curve", metavar="MODEL", help="a model's learning curve, such as r00-f00"
    )
    parser.add_argument(
        "--watch",
        nargs="?",
        type=float,
        const=10.0,
        metavar="SECONDS",
        help="look again every so many seconds (10), until the run is finished or Ctrl-C",
    )
    parser.add_argument(
        "--submissions", action="store_true", help="print jobs to submit and options, with tabs"
    )


def status(job: Job) -> int:
    """Print the state of the run; 0 if it is complete or was watched, 3 if not."""
    from tumorcam.cluster import slurm
    from tumorcam.operations import audit, submissions, watching

    if job.args.curve:
        return _print_curve(job)
    if job.args.dry_run:
        print(f"would look at every file of the plan in {job.run.root}")
        return 0
    if job.args.watch is not None:
        watching.watch(lambda: watching.take_snapshot(job.config), job.args.watch)
        return 0
    states = audit.audit_run(job.config, deep=job.args.deep)
    todo = submissions.submissions(job.config, states, submissions.read_site(job.launch))
    queued = submissions.jobs_of_run(slurm.queue(), job.run)
    if job.args.submissions:
        submissions.refuse_stale(states)
        submissions.refuse_queued(queued)
        print(submissions.table(job.run.logs, todo), end="")
        return 0
    print(*watching.state_lines(job.run, states, queued), sep="\n")
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


COMMAND = Command(
    "status",
    __doc__,
    status,
    (
        "configs/demo.toml",
        "configs/demo.toml --curve r00-f00",
        "configs/demo.toml --watch",
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
