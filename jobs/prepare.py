"""Read, check and filter the input; split and lay it out; write cohort.h5 and the plan."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import command
from .command import Command, Job

if TYPE_CHECKING:
    from tumorcam.cohort.cohort import CohortFile


def prepare(job: Job) -> int:
    """Write cohort.h5, config.toml and plan.json, unless they are there."""
    from tumorcam.cluster.logs import logger, start_logging
    from tumorcam.cohort.cohort import cohort_of, is_current, plan_of, read_cohort, write_cohort
    from tumorcam.cohort.summary import cohort_summary
    from tumorcam.operations.later_checks import check_later_stages, check_settings
    from tumorcam.operations.stages import digest_input, require_replaceable
    from tumorcam.storage.input_files import write_input_files
    from tumorcam.storage.plan import write_plan
    from tumorcam.storage.run_config import write_run_config

    check_settings(job.config)
    if job.args.dry_run:
        return _print_plan(job)
    start_logging(job.run.logs, "prepare", job.launch)
    path, read = job.run.cohort, digest_input(job.config)
    digest = read.input_digest
    require_replaceable(job.config, digest)
    if is_current(path, job.config, digest):
        logger.info("%s is there and complete", path)
        warnings = check_later_stages(job.config, read_cohort(path, job.config))
    else:
        content = _content(job)
        warnings = check_later_stages(job.config, cohort_of(path, "", content))
        write_cohort(path, content, job.config, digest)
    write_input_files(job.run.input_files, read)
    cohort = read_cohort(path, job.config)
    write_run_config(job.config, job.overrides)
    write_plan(job.run.plan, plan_of(cohort, job.config))
    for line in (*cohort_summary(cohort), *warnings):
        logger.info(line)
    return 0


def _print_plan(job: Job) -> int:
    """Print what was understood of the input, what is kept, and what the run would take."""
    from tumorcam.cohort.preparation import prepare_cohort
    from tumorcam.operations.inspection import describe_plan, read_selection
    from tumorcam.operations.stages import has_current_cohort, input_digest, require_replaceable

    require_replaceable(job.config, input_digest(job.config))
    selection = read_selection(job.config, job.launch, print)
    print(*describe_plan(job.config, prepare_cohort(selection, job.config)), sep="\n")
    return job.print_left("prepare") if has_current_cohort(job.config) else 0


def _content(job: Job) -> "CohortFile":
    """The cohort file's content, from the input files."""
    from tumorcam.cluster.logs import logger
    from tumorcam.cohort.preparation import prepare_cohort
    from tumorcam.operations.inspection import read_selection

    return prepare_cohort(read_selection(job.config, job.launch, logger.info), job.config)


COMMAND = Command(
    "prepare",
    __doc__,
    prepare,
    (
        "configs/demo.toml --dry-run",
        "my.toml --set input.expression=matrix.tsv.gz --set input.samples=samples.tsv",
    ),
    strict=False,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare a run; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
