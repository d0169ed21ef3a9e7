"""Check every shard, then compute the significance tables; MPI ranks divide the genes."""

import sys

from jobs import command
from tumorcam import shards
from tumorcam.config import Config
from tumorcam.logs import start_logging


def main(argv: list[str] | None = None) -> int:
    """Reduce; the exit code."""
    parser = command.parser("reduce", __doc__ or "", "configs/demo.toml")
    args = parser.parse_args(argv)

    def body(config: Config) -> None:
        plan = shards.read_plan(config.folder / "plan.json")
        if args.dry_run:
            print(
                f"would reduce {len(plan.shards)} shards of {plan.n_samples} samples a replicate, "
                f"{plan.n_genes} genes and {plan.n_decoys} decoys"
            )
            return
        _reduce(config, plan)

    return command.run(args, body)


def _reduce(config: Config, plan: shards.Plan) -> None:
    from tumorcam import ranks, reduce
    from tumorcam.cohort import read_cohort

    world = ranks.connect()
    start_logging(config.folder, "reduce", world.rank)
    cohort = read_cohort(config.folder / "cohort.h5", config)
    reduce.reduce_run(config.folder, cohort, plan, config, world)


if __name__ == "__main__":
    sys.exit(main())
