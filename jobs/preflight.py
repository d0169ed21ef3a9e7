"""What this site gives a job: MPI, CPUs, GPUs, space, locks, memory, time; and a self-test."""

import argparse
import socket
import sys
from collections.abc import Sequence

from . import command
from .command import Command, Job


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --probe, and the sizes of a run that has no cohort yet."""
    parser.add_argument(
        "--probe",
        action="store_true",
        help="measure this machine for some minutes, and keep it for the costs of a dry run",
    )
    command.add_sizes(parser)


def preflight(job: Job) -> int:
    """Print a line a check, of ranks other than the first only the red ones; 1 if any is red."""
    if job.args.probe:
        return _probe(job)
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


def _probe(job: Job) -> int:
    """Measure this machine and write probe.json; of several ranks the first alone does it."""
    from tumorcam.operations import probe, probing, sizes

    named = (job.args.samples, job.args.tumors, job.args.genes)
    sized = sizes.sizes_of(job.config, *named) or sizes.sizes_of_config(job.config, *named)
    if job.args.dry_run:
        print(f"would measure this machine, with images of side {sized.side(job.config)}")
    elif job.launch.share.index == 0:
        words = [sys.executable, "-m", str(__package__)]
        measured = probing.take_probe(job.config, sized, job.launch, words)
        path = probe.write_probe(job.config, measured)
        print(*probe.probe_lines(measured), f"written to {path}", sep="\n")
    return 0


COMMAND = Command(
    "preflight",
    __doc__,
    preflight,
    ("configs/demo.toml", "configs/demo.toml --dry-run", "configs/demo.toml --probe"),
    add_options,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Check the site; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
