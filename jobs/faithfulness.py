"""Is the ranking right? Delete genes, permute labels, retrain; MPI ranks divide the samples."""

import sys
from collections.abc import Sequence

from . import command
from .command import Command, Job


def faithfulness(job: Job) -> int:
    """Write faithfulness.h5, unless it is there."""
    from tumorcam.cluster import ranks
    from tumorcam.cluster.logs import start_logging
    from tumorcam.cohort.local_copy import local_cohort
    from tumorcam.explain import devices
    from tumorcam.faithfulness import perturbation
    from tumorcam.faithfulness.examine import examine_run
    from tumorcam.training.threads import use_threads

    if job.args.dry_run:
        return _print_cost(job)
    world = ranks.connect(job.launch)
    start_logging(job.run.logs, "faithfulness", job.launch, rank=world.rank)
    ranks.on_root(world, lambda: job.require_current("models", "shards", "significance"))
    use_threads(job.config.run.threads_per_rank)
    devices.take_gpu(job.launch)
    cohort = local_cohort(job.run.cohort, job.config, job.launch.scratch_folder)
    examine_run(job.run, cohort, job.config, world, perturbation.respond)
    return 0


def _print_cost(job: Job) -> int:
    from tumorcam.cohort.cohort import read_cohort
    from tumorcam.faithfulness.examine import blocks_of, n_forward_passes

    cohort = read_cohort(job.run.cohort, job.config)
    side, n_images = cohort.layouts[0].side, n_forward_passes(cohort, job.config)
    models = {block.model for block in blocks_of(cohort, job.config)}
    return job.print_left(
        "faithfulness",
        f"would show {n_images:,} images of {side} x {side} pixels to {len(models)} networks: "
        "their held-out samples with genes deleted, replaced or inserted",
    )


COMMAND = Command(
    "faithfulness",
    __doc__,
    faithfulness,
    ("configs/demo.toml", "configs/demo.toml --set faithfulness.markers=markers.gmt"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Check the rankings; the exit code."""
    return command.run(COMMAND, argv)


if __name__ == "__main__":
    sys.exit(main())
