"""What a run costs in disk and memory, by arithmetic, before any work is done.

Every figure is a lower bound of what is really taken, so that what does not fit cannot succeed.
Only shards may take less than their figure, by compression.
"""

import dataclasses
import shutil
from dataclasses import dataclass

from tumorcam.cluster.launcher import Launch
from tumorcam.cluster.resources import existing, memory_limits, size_text
from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.selection import Selection
from tumorcam.errors import ConfigError
from tumorcam.explain.shards import sample_bytes_of
from tumorcam.operations.sizes import Sizes, sizes_of_cohort, sizes_of_selection
from tumorcam.settings.config import Config
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.shapes import n_weights

FLOAT32 = 4  # bytes
LOWERED = {  # settings that make a stage smaller
    "prepare": "cohort.genes or layout.replicates",
    "train": "training.micro_batch, model.dense or cohort.genes",
    "explain": "explain.batch_size",
}
COPIES_OF_WEIGHTS = 5  # the weights, their gradients, AdamW's two moments, the best ones so far


@dataclass(frozen=True)
class Cost:
    """Bytes of the files of a run, and of the memory of one process of each stage.

    `training` is the temporary file of one model in training, which vanishes.
    """

    cohort: int
    models: int
    shards: int
    training: int
    prepare: int
    train: int
    explain: int

    @property
    def disk(self) -> int:
        """Bytes of all files that stay."""
        return self.cohort + self.models + self.shards


def cost_of(config: Config, sizes: Sizes) -> Cost:
    """The cost of a run of these sizes; the rest is in the config."""
    n_placed, side = sizes.n_genes + sizes.n_decoys, sizes.side(config)
    n_models = config.layout.replicates * config.splits.folds
    n_runs = 1 + config.layout.nulls
    layouts = FLOAT32 * n_models * n_placed
    values = FLOAT32 * sizes.n_samples * n_placed
    weights = FLOAT32 * n_weights(config.model, side, sizes.n_tumors)
    maps = sample_bytes_of(config, n_columns=sizes.n_columns, side=side)
    map_bytes = FLOAT32 * side**2 * config.model.filters[0] if config.model.filters else 0
    n_at_once = min(config.explain.batch_size, config.explain.block, sizes.n_samples)
    return Cost(
        cohort=values + layouts,
        models=weights * n_models * n_runs,
        shards=sizes.n_samples * maps * config.layout.replicates * n_runs,
        training=values * (config.splits.folds - 1) // config.splits.folds,
        prepare=layouts,  # values pass through in bands
        train=COPIES_OF_WEIGHTS * weights + config.training.micro_batch * map_bytes,
        explain=weights + n_at_once * map_bytes,
    )


def cost_of_cohort(config: Config, cohort: Cohort) -> Cost:
    """The cost of a run on a cohort."""
    return cost_of(config, sizes_of_cohort(config, cohort))


def require_disk(config: Config, cost: Cost) -> None:
    """Check that the disk of the run has room for its files.

    Raises
    ------
    ConfigError
        If it has not, with what is there already counted.
    """
    run = RunFolder.of(config)
    folders = (run.models, run.shards)
    present = sum(file.stat().st_size for folder in folders for file in folder.rglob("*.h5"))
    present += run.cohort.stat().st_size if run.cohort.exists() else 0
    free = shutil.disk_usage(existing(run.root)).free
    shards = cost.shards if config.explain.compression == "none" else 0
    certain = cost.cohort + cost.models + max(shards, cost.training)  # which vanishes before them
    if certain > free + present:
        msg = (
            f"the run takes up to {size_text(cost.disk)} (cohort {size_text(cost.cohort)}, models "
            f"{size_text(cost.models)}, shards {size_text(cost.shards)}), but {run.root} has "
            f"{size_text(free)} free; free some, use a run.folder on a larger disk, or lower "
            "layout.replicates, layout.nulls, cohort.genes or the lists explain.methods and "
            "explain.cubes"
        )
        raise ConfigError(msg)


def require_room(config: Config, selection: Selection, launch: Launch) -> None:
    """Check that the disk has room for the run, and the memory for prepare.

    Errors as in `require_disk` and `require_bytes`.
    """
    cost = cost_of(config, sizes_of_selection(config, selection))
    if launch.scratch_folder is not None:  # where the features of training stand
        cost = dataclasses.replace(cost, training=0)
    require_disk(config, cost)
    require_bytes(cost.prepare, launch, settings=LOWERED["prepare"])


def require_memory(stage: str, config: Config, cohort: Cohort, launch: Launch) -> None:
    """Check that one process of a stage, train or explain, has room; errors as `require_bytes`."""
    needed = getattr(cost_of_cohort(config, cohort), stage)
    require_bytes(needed, launch, settings=LOWERED[stage])


def require_bytes(needed: int, launch: Launch, *, settings: str) -> None:
    """Check that this process can have so many bytes of memory.

    Parameters
    ----------
    settings : str
        The settings that a user can lower, for the message.

    Raises
    ------
    ConfigError
        If some limit is lower.
    """
    limits = memory_limits(launch.slurm_memory)
    name = min(limits, key=lambda name: limits[name], default="")
    if name and needed > limits[name]:
        msg = (
            f"one process needs at least {size_text(needed)} of memory, but there are "
            f"{size_text(limits[name])} ({name}); lower {settings}, or use a larger machine"
        )
        raise ConfigError(msg)
