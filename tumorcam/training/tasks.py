"""The models that a process trains, and those of them that are still untrained."""

from collections.abc import Sequence

from tumorcam.cluster.launcher import Launch, parse_share
from tumorcam.errors import ConfigError
from tumorcam.settings.config import Config
from tumorcam.storage import hdf5
from tumorcam.storage.plan import BASELINES, Plan, share_of
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import MODEL_TYPE, model_attributes
from tumorcam.training.baselines import are_baselines_complete


def chosen_tasks(
    names: list[str], model: str | None, share: str | None, launch: Launch
) -> list[str]:
    """Names of the models that a process trains: one model, a share, its array task, or all.

    Parameters
    ----------
    names : list of str
        `Plan.train_tasks`.
    model, share : str or None
        The options --model and --share; either goes before the array task.

    Raises
    ------
    ConfigError
        If the plan has no such model or array task.
    ClusterError
        If the share is not I/N.
    """
    task = launch.array_task
    if model is None and share is None and task is not None:
        if task >= len(names):
            msg = f"array task {task} has no model; submit --array=0-{len(names) - 1}"
            raise ConfigError(msg)
        return [names[task]]
    if model is None:
        return share_of(names, parse_share(share or "0/1"))
    if model not in names:
        msg = f"--model {model} is not in the plan, which has: {', '.join(names)}"
        raise ConfigError(msg)
    return [model]


def untrained(run: RunFolder, plan: Plan, names: Sequence[str], config: Config) -> list[str]:
    """Names whose file is missing, incomplete, or of another cohort or other settings."""
    keys = plan.model_keys

    def is_trained(name: str) -> bool:
        if name == BASELINES:
            return are_baselines_complete(run.baselines, config, plan.cohort_digest)
        attributes = model_attributes(config, plan.cohort_digest, name)
        return hdf5.is_complete(run.model(keys[name]), MODEL_TYPE, attributes)

    return [name for name in names if not is_trained(name)]


def train_plan(run: RunFolder, plan: Plan, names: Sequence[str], config: Config) -> str:
    """What a dry run says: which of these models and baselines are left."""
    left = untrained(run, plan, names, config)
    return f"would train {len(left)} of {len(plan.train_tasks)}: {', '.join(left)}"
