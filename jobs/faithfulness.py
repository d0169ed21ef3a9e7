"""Is the ranking right? Delete genes, permute labels, retrain; MPI ranks divide the samples."""

import sys

from jobs import command
from tumorcam import cluster
from tumorcam.config import Config
from tumorcam.logs import start_logging


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
    from tumorcam import faithfulness
    from tumorcam.cohort import read_cohort

    cohort = read_cohort(config.folder / "cohort.h5", config)
    side, n = cohort.layouts[0].side, faithfulness.n_forward_passes(cohort, config)
    models = {block.model for block in faithfulness.blocks_of(cohort, config)}
    print(
        f"would show {n:,} images of {side} x {side} pixels to {len(models)} networks: their "
        "held-out samples with genes deleted, replaced or inserted"
    )


def _examine(config: Config) -> None:
    from tumorcam import devices, faithfulness, model, perturbation, ranks
    from tumorcam.scratch import local_cohort

    world = ranks.connect()
    start_logging(config.folder, "faithfulness", world.rank)
    model.use_threads(config.run.threads_per_rank)
    devices.take_gpu(cluster.local_rank())
    cohort = local_cohort(config.folder / "cohort.h5", config)
    faithfulness.examine_run(config.folder, cohort, config, world, perturbation.respond)


if __name__ == "__main__":
    sys.exit(main())
