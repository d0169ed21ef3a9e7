"""Write the networks of a finished run as one TensorFlow SavedModel, to use without tumorcam.

DIR also gets a script that classifies a table, and README.txt, which says what the input must be.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import command
from .command import Command, Job


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the folder."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder to write; new or empty")


def export(job: Job) -> int:
    """Write the folder, and the run's reference where it has none yet."""
    from tumorcam.applied.export_files import model_bytes, model_keys
    from tumorcam.cohort.cohort import read_cohort
    from tumorcam.storage.new_folder import require_new_folder

    cohort, folder = read_cohort(job.run.cohort, job.config), job.args.folder
    require_new_folder(folder)
    size = (
        f"{len(model_keys(cohort))} networks of {job.run.root} "
        f"({model_bytes(cohort, job.config):,} bytes)"
    )
    if job.args.dry_run:
        print(f"would export {size} to {folder}")
        return 0
    _export(job, size)
    print(f"wrote {size} to {folder}; next: see {folder / 'README.txt'}")
    return 0


def _export(job: Job, size: str) -> None:
    from tumorcam.applied.model_export import write_export
    from tumorcam.applied.run_reference import run_reference
    from tumorcam.cluster.logs import logger, start_logging
    from tumorcam.cohort.cohort import read_cohort
    from tumorcam.training.threads import use_threads

    start_logging(job.run.logs, "export", job.launch)
    job.require_current("models")
    use_threads(job.config.run.threads_per_rank)
    cohort = read_cohort(job.run.cohort, job.config)
    reference = run_reference(job.run, cohort, job.config)
    write_export(job.run, cohort, job.config, reference, job.args.folder)
    logger.info("exported %s to %s", size, job.args.folder)


COMMAND = Command(
    "export",
    __doc__,
    export,
    ("configs/demo.toml exported", "runs/demo exported --dry-run"),
    add_options,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Export the networks; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
