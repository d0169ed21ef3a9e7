"""Move files aside that were made with other settings than the present ones, or from other files.

They go to stale/ in the run's folder. Run it while no job of the run works.
"""

import argparse
import sys
from collections.abc import Sequence

from tumorcam.settings.stages import STAGES

from . import command
from .command import Command, Job

STAGE_OF_JOB = {"apply": "prepare", "classify": "train"}  # of new samples


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the first stage, and --purge."""
    parser.add_argument(
        "--from",
        dest="first",
        choices=STAGES,
        default=STAGES[0],
        metavar="STAGE",
        help=f"move the stale files of this stage and of later ones: {', '.join(STAGES)} "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--purge", action="store_true", help="delete what earlier calls moved to stale/"
    )


def clean(job: Job) -> int:
    """Move the stale files; 0 if none of them stays, else 1."""
    from tumorcam.operations import audit
    from tumorcam.storage import set_aside

    chosen = STAGES[STAGES.index(job.args.first) :]
    paths = [
        state.file.path
        for state in audit.with_listed(audit.audit_run(job.config))
        if STAGE_OF_JOB.get(state.file.job, state.file.job) in chosen
    ]
    if job.args.dry_run:
        print(f"would move {len(paths)} stale files to {job.run.root / set_aside.STALE}", *paths,
              sep="\n  ")  # fmt: skip
        return 0
    if job.args.purge:
        print(f"deleted {set_aside.purge(job.run.root, set_aside.STALE)} files of stale/")
    moved = set_aside.move_aside(job.run.root, paths, set_aside.STALE)
    print(set_aside.moves_text(moved), end="")
    print(f"{sum(target is not None for _, target, _ in moved)} stale files moved")
    return int(any(target is None for _, target, _ in moved))


COMMAND = Command(
    "clean",
    __doc__,
    clean,
    ("my.toml --from train --dry-run", "my.toml --from train"),
    add_options,
    strict=False,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Move stale files aside; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
