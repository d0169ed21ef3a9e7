"""Is the ranking right? Delete genes, permute labels, retrain; MPI ranks divide the samples."""

import sys

from jobs import command
from tumorcam.cluster import launcher
from tumorcam.cluster.logs import start_logging
from tumorcam.config import Config


def main(argv: list[str] | None = None) -> int:
    """Check the ranking; the exit code."""
    parser = command.parser(
        "faithfulness",
        __doc__ or "",
        "configs/demo.toml",
        "configs/demo.toml --set faithfulness.markers=markers.gmt",
    )
    args = parser.parse_args(argv)

    def body(config: Config) -> None:
        if args.dry_run:
            _print_cost(config)
            return
        _examine(config)

    return command.run(args, body)


def _print_cost(config: Config) -> None:
    from tumorcam.cohort.cohort import read_cohort
    from tumorcam.faithfulness.examine import blocks_of, n_forward_passes

    cohort = read_cohort(config.folder / "cohort.h5", config)
    side, n = cohort.layouts[0].side, n_forward_passes(cohort, config)
    models = {block.model for block in blocks_of(cohort, config)}
    print(
        f"would show {n:,} images of {side} x {side} pixels to {len(models)} networks: their "
        "held-out samples with genes deleted, replaced or inserted"
    )


def _examine(config: Config) -> None:
    from tumorcam.cluster import ranks
    from tumorcam.cohort.local_copy import local_cohort
    from tumorcam.explain import devices
    from tumorcam.faithfulness import perturbation
    from tumorcam.faithfulness.examine import examine_run
    from tumorcam.training.network import use_threads

    world = ranks.connect()
    start_logging(config.folder, "faithfulness", world.rank)
    use_threads(config.run.threads_per_rank)
    devices.take_gpu(launcher.local_rank())
    cohort = local_cohort(config.folder / "cohort.h5", config)
    examine_run(config.folder, cohort, config, world, perturbation.respond)


if __name__ == "__main__":
    sys.exit(main())
