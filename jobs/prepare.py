"""Read, check and filter the input; split and lay it out; write cohort.h5 and the plan."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from . import command
from .command import Command, Job


def prepare(job: Job) -> int:
    """Write cohort.h5, config.toml and plan.json, unless they are there."""
    from tumorcam.cluster.logs import logger, start_logging
    from tumorcam.cohort.cohort import is_current, plan_of, read_cohort
    from tumorcam.cohort.summary import cohort_summary
    from tumorcam.config import config_toml
    from tumorcam.operations.stages import input_digest
    from tumorcam.storage import hdf5
    from tumorcam.storage.plan import write_plan

    if job.args.dry_run:
        return _print_cost(job)
    digest = input_digest(job.config)
    start_logging(job.run.logs, "prepare", job.launch)
    path = job.run.cohort
    if is_current(path, job.config, digest):
        logger.info("%s is there and complete", path)
    else:
        if path.exists():
            logger.info("%s is written anew: models and shards of the old one no longer fit", path)
        _write_cohort(path, job, digest)
    cohort = read_cohort(path, job.config)
    hdf5.write_text(job.run.config, config_toml(job.config))
    write_plan(job.run.plan, plan_of(cohort, job.config))
    for line in cohort_summary(cohort):
        logger.info(line)
    return 0


def _print_cost(job: Job) -> int:
    from tumorcam.cohort.cohort import plan_of, read_cohort

    config = job.config
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "cohort.h5"
        _write_cohort(path, job, "")
        plan = plan_of(read_cohort(path, config), config)
    views = 2 * len(config.explain.methods) * (plan.n_genes + plan.n_decoys)
    values = config.layout.replicates * (len(config.explain.cubes) * plan.side**2 + views)
    n_bytes = plan.n_samples * (4 * plan.n_genes + 2 * values)  # float32; float16
    print(
        f"would write {job.run.root}: {plan.n_samples} samples, {plan.n_genes} genes and "
        f"{plan.n_decoys} decoys on images of side {plan.side}, {len(plan.models)} models, "
        f"{len(plan.shards)} shards; cohort and shards take {n_bytes:.3g} bytes at most"
    )
    return 0


def _write_cohort(path: Path, job: Job, digest: str) -> None:
    from tumorcam.cluster.logs import logger
    from tumorcam.cohort.cohort import write_cohort
    from tumorcam.cohort.preparation import prepare_cohort
    from tumorcam.cohort.selection import select
    from tumorcam.readers import inputs

    settings = inputs.input_settings(job.config)
    logger.info("reading %s", settings.expression)
    selection = select(job.config, *inputs.open_inputs(settings))
    write_cohort(path, prepare_cohort(selection, job.config), job.config, digest)


COMMAND = Command(
    "prepare",
    __doc__,
    prepare,
    (
        "configs/demo.toml --dry-run",
        "my.toml --set input.expression=matrix.tsv.gz --set input.samples=samples.tsv",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare a run; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
