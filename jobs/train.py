"""Train the models that are this process's share, and the baselines."""

import contextlib
import json
import sys

from jobs import command
from tumorcam.cluster import launcher
from tumorcam.cluster.logs import logger, start_logging
from tumorcam.cluster.watchdog import Watchdog
from tumorcam.config import Config
from tumorcam.errors import ConfigError
from tumorcam.storage.plan import BASELINES, Plan, read_plan, share_of


def main(argv: list[str] | None = None) -> int:
    """Train; the exit code."""
    parser = command.parser(
        "train", __doc__ or "", "configs/demo.toml", "configs/demo.toml --model r00-f01"
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--model", help="train this one alone, such as r00-f01 or baselines")
    choice.add_argument("--share", help="I/N: the I-th of N equal shares, from 0")
    args = parser.parse_args(argv)

    def body(config: Config) -> None:
        plan = read_plan(config.folder / "plan.json", config.layout.nulls)
        tasks = _tasks(plan.train_tasks, args.model, args.share)
        if args.dry_run:
            print(f"would train {len(tasks)} of {len(plan.train_tasks)}: {', '.join(tasks)}")
            return
        tf_config = launcher.export_tf_config()
        job = f"train-{tasks[0]}" if tasks else "train"
        worker = json.loads(tf_config)["task"]["index"] if tf_config else 0
        log = start_logging(config.folder, job, worker)
        with Watchdog(worker, log) if tf_config else contextlib.nullcontext() as watchdog:
            _train(config, plan, tasks, watchdog)

    return command.run(args, body)


def _tasks(names: list[str], model: str | None, share: str | None) -> list[str]:
    task = launcher.array_task()
    if model is None and share is None and task is not None:
        if task >= len(names):
            msg = f"array task {task} has no model; submit --array=0-{len(names) - 1}"
            raise ConfigError(msg)
        return [names[task]]
    if model is None:
        return share_of(names, launcher.parse_share(share or "0/1"))
    if model not in names:
        msg = f"--model {model} is not in the plan; known: {', '.join(names)}"
        raise ConfigError(msg)
    return [model]


def _train(config: Config, plan: Plan, tasks: list[str], watchdog: Watchdog | None) -> None:
    from tumorcam.cohort.local_copy import local_cohort
    from tumorcam.training.baselines import train_baselines
    from tumorcam.training.loop import train_model
    from tumorcam.training.network import use_threads
    from tumorcam.training.workers import join_workers

    use_threads(config.run.threads_per_rank)
    cohort = local_cohort(config.folder / "cohort.h5", config)
    models = {one.name: one for one in (*plan.models, *plan.null_models)}
    joined = join_workers(watchdog)
    joined.require_divisible(config.training.batch_size, config.training.micro_batch)
    logger.info("devices: %d", joined.n_devices)
    for name in (one for one in tasks if one in models):
        train_model(config.folder, cohort, models[name], config, joined)
    if BASELINES in tasks and joined.is_chief:
        joined.expect(float("inf"), "the baselines")
        path = config.folder / "models" / f"{BASELINES}.h5"
        train_baselines(path, cohort, n_threads=config.run.threads_per_rank)


if __name__ == "__main__":
    sys.exit(main())
