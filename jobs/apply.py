"""Apply the networks of a finished run to new samples: classify, explain and rank genes over them.

All results are in the folder applied/NAME of the run. The commands classify, explain, reduce,
report, show, status and verify take that folder in place of a config.
"""

import argparse
import sys
from collections.abc import Sequence

from . import command
from .command import Command, Job

PREPARE = "prepare"
STAGES = (PREPARE, "classify", "explain", "reduce", "report")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the files of the new samples, the name, and what `run` takes."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="expression matrix of the new samples, and samples tables if there are any",
    )
    parser.add_argument(
        "--name", help="of the folder applied/NAME; default: the name of the first file"
    )
    parser.add_argument("--ranks", type=int, help="processes a stage; default: CPUs / threads")
    parser.add_argument(
        "--until", choices=STAGES, default=STAGES[-1], help="last stage, such as prepare on Slurm"
    )


def apply(job: Job) -> int:
    """Prepare the new samples, then run all stages that are not finished."""
    from tumorcam.applied.run_reference import run_reference
    from tumorcam.cluster.logs import logger, start_logging
    from tumorcam.cluster.processes import run_together
    from tumorcam.operations.application import default_name, new_config, prepare_application
    from tumorcam.operations.work_left import left_lines, n_ranks_of, work_left
    from tumorcam.storage.run_folder import RunFolder
    from tumorcam.training.source import source_run

    source = source_run(job.run.root)
    name = job.args.name or default_name(job.args.files)
    own = [text for text in job.args.overrides if not text.startswith(command.PLACE)]
    config = new_config(source, name, job.args.files, own)
    run = RunFolder.of(config)
    if job.args.dry_run and run.cohort.exists():
        works = work_left(config, STAGES[1:], n_ranks=n_ranks_of(config, job.args.ranks))
        print(*left_lines(config, works, n_ranks=n_ranks_of(config, job.args.ranks)), sep="\n")
        return 0
    if job.args.dry_run:
        print(f"would apply {len(source.cohort.layouts)} networks of {source.run.root} to "
              f"{' '.join(config.input.expression)}, and write {run.root}")  # fmt: skip
        return 0
    start_logging(run.logs, "apply", job.launch)
    reference = run_reference(source.run, source.cohort, source.config)
    prepare_application(config, source, reference, job.launch, logger.info)
    logger.info("prepared %s", run.root)
    if job.args.until == PREPARE:
        print(f"next: tumorcam run {run.root}, or on Slurm: slurm/pipeline.sh {run.root}")
        return 0
    words = [sys.executable, "-m", __package__, "run", str(run.root), "--until", job.args.until]
    words += ["--ranks", str(job.args.ranks)] if job.args.ranks else []
    return run_together([words], job.launch.variables).exit_code


COMMAND = Command(
    "apply",
    __doc__,
    apply,
    (
        "configs/demo.toml new_matrix.tsv.gz",
        "configs/demo.toml counts/ gdc_sample_sheet.tsv --name batch2 --set input.scale=counts",
        "configs/demo.toml new_matrix.tsv.gz --name aligned --set apply.align=quantile",
    ),
    add_options,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Apply a run's networks; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
