"""What this site gives a job: MPI, CPUs, GPUs, space, locks, memory, time; and a self-test."""

import socket
import sys
from collections.abc import Sequence

from . import command
from .command import Command, Job


def preflight(job: Job) -> int:
    """Print a line a check, of ranks other than the first only the red ones; 1 if any is red."""
    from tumorcam.operations.preflight import CHECKS, inspect_site, line, summary

    share, coloured, checks = job.launch.share, sys.stdout.isatty(), []
    who = f"rank {share.index} of {share.count} on {socket.gethostname()}:"
    if job.args.dry_run:
        print(f"{who} would check {CHECKS}")
        return 0
    for check in inspect_site(job.config, job.launch):
        checks.append(check)
        if share.index == 0 or check.is_red:
            print(who, line(check, coloured=coloured), flush=True)
    print(who, summary(checks, coloured=coloured), flush=True)
    return int(any(check.is_red for check in checks))


COMMAND = Command(
    "preflight", __doc__, preflight, ("configs/demo.toml", "configs/demo.toml --dry-run")
)


def main(argv: Sequence[str] | None = None) -> int:
    """Check the site; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
