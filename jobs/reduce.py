"""Check every shard, then compute the significance tables; MPI ranks divide the genes."""

import sys

from jobs import command
from tumorcam.cluster.logs import start_logging
from tumorcam.config import Config
from tumorcam.storage.plan import Plan, read_plan


def main(argv: list[str] | None = None) -> int:
    """Reduce; the exit code."""
    parser = command.parser("reduce", __doc__ or "", "configs/demo.toml")
    parser.add_argument(
        "--allow-partial",
        action="store_true",
        help="go on without missing shards; every table and the report then say so",
    )
    args = parser.parse_args(argv)

    def body(config: Config) -> None:
        plan = read_plan(config.folder / "plan.json", config.layout.nulls)
        if args.dry_run:
            print(
                f"would reduce {len(plan.explain_tasks)} shards of {plan.n_samples} samples a "
                f"replicate, {plan.n_genes} genes and {plan.n_decoys} decoys"
            )
            return
        _reduce(config, plan, allow_partial=args.allow_partial)

    return command.run(args, body)


def _reduce(config: Config, plan: Plan, *, allow_partial: bool) -> None:
    from tumorcam.cluster import ranks
    from tumorcam.cohort.local_copy import local_cohort
    from tumorcam.significance import reduce

    world = ranks.connect()
    start_logging(config.folder, "reduce", world.rank)
    cohort = local_cohort(config.folder / "cohort.h5", config)
    reduce.reduce_run(config.folder, cohort, plan, config, world, allow_partial=allow_partial)


if __name__ == "__main__":
    sys.exit(main())
