"""Write a synthetic cohort with planted driver genes, and their truth.csv, as the run's input."""

import sys
from collections.abc import Sequence

from . import command
from .command import Command, Job


def synthesize(job: Job) -> int:
    """Write the run's input, unless it is there and made with these settings."""
    from tumorcam.cluster.logs import logger, start_logging
    from tumorcam.cohort import synthetic, synthetic_files
    from tumorcam.operations import stages
    from tumorcam.storage import hdf5, manifest

    if job.args.dry_run:
        return _print_cost(job)
    target = job.run.input
    start_logging(job.run.logs, "synthesize", job.launch)
    if stages.has_synthetic_input(job.config):
        logger.info("%s is there and made with these settings", target.root)
        return 0
    cohort = synthetic.synthesize_cohort(job.config.synthesize, job.config.rng("synthesize"))
    target.settings.unlink(missing_ok=True)
    synthetic_files.write_synthetic_cohort(cohort, target)
    settings = stages.synthetic_settings(job.config)
    hdf5.write_text(target.settings, settings)
    names = [path.name for path in target.files]
    manifest.write_manifest(target.listed, names, {"settings": settings})
    logger.info("wrote %d samples and %d genes to %s", *cohort.log2_expression.shape, target.root)
    return 0


def _print_cost(job: Job) -> int:
    settings = job.config.synthesize
    n_samples = len(settings.tumors) * settings.samples_per_tumor
    return job.print_left(
        "synthesize",
        f"would write {job.run.input.root}: {n_samples} samples of {len(settings.tumors)} tumors, "
        f"{settings.genes} genes, {settings.drivers} drivers a tumor",
    )


COMMAND = Command(
    "synthesize",
    __doc__,
    synthesize,
    (
        "configs/demo.toml",
        "configs/demo.toml --set synthesize.effect=1.5 --set run.name=weak",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Synthesize a run's input; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
