"""Explain the held-out samples of this process's share: array tasks x ranks of the launcher.

The ranks need no communication, so no MPI is started: one that dies leaves the others at work.
"""

import sys

from jobs import command
from tumorcam.cluster import launcher
from tumorcam.cluster.logs import logger, start_logging
from tumorcam.config import Config
from tumorcam.storage.plan import Plan, read_plan, share_of


def main(argv: list[str] | None = None) -> int:
    """Explain; the exit code."""
    parser = command.parser(
        "explain", __doc__ or "", "configs/demo.toml", "configs/demo.toml --share 0/4"
    )
    parser.add_argument("--share", help="I/N: the I-th of N equal shares, instead of the array's")
    args = parser.parse_args(argv)

    def body(config: Config) -> None:
        plan = read_plan(config.folder / "plan.json", config.layout.nulls)
        share = launcher.parse_share(args.share) if args.share else launcher.array_share()
        if args.dry_run:
            print(
                f"would explain {len(share_of(plan.explain_tasks, share))} of "
                f"{len(plan.explain_tasks)} shards, {plan.n_samples} samples a replicate"
            )
            return
        _explain(config, plan, share)

    return command.run(args, body)


def _explain(config: Config, plan: Plan, share: launcher.Share) -> None:
    from tumorcam.cohort.local_copy import local_cohort
    from tumorcam.explain import devices
    from tumorcam.explain.explain import explain_shards
    from tumorcam.training.network import use_threads

    rank = launcher.launcher_share()
    start_logging(config.folder, f"explain-{share.index}", rank.index)
    use_threads(config.run.threads_per_rank)
    gpu = devices.take_gpu(launcher.local_rank())
    cohort = local_cohort(config.folder / "cohort.h5", config)
    share = launcher.Share(share.index * rank.count + rank.index, share.count * rank.count)
    mine = share_of(plan.explain_tasks, share)
    logger.info("%d of %d shards on %d ranks", len(mine), len(plan.explain_tasks), rank.count)
    explain_shards(config.folder, cohort, mine, config, gpu=gpu, shown=rank.index == 0)


if __name__ == "__main__":
    sys.exit(main())
