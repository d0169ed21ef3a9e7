"""The plan of a run: the models and shards that it will have."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from tumorcam.cluster.launcher import Share
from tumorcam.errors import FileError, UnreadableError
from tumorcam.storage import hdf5, integrity

PLAN_TYPE = "tumorcam-plan"
REMEDY = "run `tumorcam prepare`, which writes it anew"
BASELINES = "baselines"  # the last element of the train array

Item = TypeVar("Item")


@dataclass(frozen=True)
class ModelKey:
    """A model, named by its replicate and held-out fold.

    `null` is 0, or the number of the null run, from 1, whose models learn permuted labels.
    """

    replicate: int
    fold: int
    null: int = 0

    @property
    def name(self) -> str:
        """The name in files, such as r00-f00, or n1-r00-f00 in the first null run."""
        return f"{f'n{self.null}-' if self.null else ''}r{self.replicate:02d}-f{self.fold:02d}"


@dataclass(frozen=True)
class ShardKey:
    """A block of samples and the model that explains it.

    The samples are those from `start` to `stop` of the fold, in canonical order.
    """

    replicate: int
    fold: int
    block: int
    start: int
    stop: int
    null: int = 0

    @property
    def model(self) -> ModelKey:
        """The model that never saw these samples' patients."""
        return ModelKey(self.replicate, self.fold, self.null)

    @property
    def name(self) -> str:
        """The name in files, such as r00-f00-b0000."""
        return f"{self.model.name}-b{self.block:04d}"

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return self.stop - self.start


@dataclass(frozen=True)
class Plan:
    """All models and shards that a run will have, and the sizes that they depend on.

    `models` and `shards` belong to the replicates; the shards stand in the order of saliency.h5.
    `block` is the largest number of samples of a shard. `nulls` is the number of null runs, each of
    as many models and shards in addition.
    """

    cohort_digest: str
    n_samples: int
    n_genes: int
    n_decoys: int
    side: int
    block: int
    models: tuple[ModelKey, ...]
    shards: tuple[ShardKey, ...]
    nulls: int = 0

    @property
    def n_columns(self) -> int:
        """Number of columns of a saliency table: genes, present decoys and chance decoys."""
        return self.n_genes + 2 * self.n_decoys

    @property
    def n_folds(self) -> int:
        """Number of folds; one of new samples may be empty."""
        return 1 + max((model.fold for model in self.models), default=-1)

    @property
    def is_consistent(self) -> bool:
        """Whether every model has shards for all samples of its fold, and all samples have one."""
        sizes = [0] * self.n_folds
        for shard in self.shards:
            sizes[shard.fold] = max(shard.stop, sizes[shard.fold])
        n_replicates = 1 + max((model.replicate for model in self.models), default=-1)
        models, shards = _tasks(sizes, n_replicates, self.block)
        return sum(sizes) == self.n_samples and (models, shards) == (self.models, self.shards)

    @property
    def model_keys(self) -> dict[str, ModelKey]:
        """All models by name; those of null runs come last."""
        return {key.name: key for key in (*self.models, *self.null_models)}

    @property
    def null_models(self) -> tuple[ModelKey, ...]:
        """The models whose training labels are permuted."""
        return tuple(
            dataclasses.replace(model, null=n + 1)
            for n in range(self.nulls)
            for model in self.models
        )

    @property
    def null_shards(self) -> tuple[ShardKey, ...]:
        """The shards of the null models, which explain every sample by a model that held it out."""
        return tuple(
            dataclasses.replace(shard, null=n + 1)
            for n in range(self.nulls)
            for shard in self.shards
        )

    @property
    def prediction_tasks(self) -> list[ShardKey]:
        """Blocks of all samples by every model, for the classification of new samples.

        Unlike in a shard, `start` and `stop` count all samples of the cohort, not those of a fold.
        """
        n = self.n_samples
        return [
            ShardKey(model.replicate, model.fold, block, start, min(start + self.block, n))
            for model in self.models
            for block, start in enumerate(range(0, n, self.block))
        ]

    @property
    def explain_tasks(self) -> list[ShardKey]:
        """All shards: the run's own, then those of null runs."""
        return [*self.shards, *self.null_shards]

    @property
    def train_tasks(self) -> list[str]:
        """Names of the tasks of the train array: models, baselines, then null models."""
        models, nulls = ([key.name for key in group] for group in (self.models, self.null_models))
        return [*models, BASELINES, *nulls]


def make_plan(
    cohort_digest: str,
    fold: np.ndarray,
    *,
    n_folds: int,
    side: int,
    n_genes: int,
    n_decoys: int,
    replicates: int,
    block: int,
    nulls: int = 0,
) -> Plan:
    """The plan of a cohort.

    Parameters
    ----------
    fold : (samples,) int
        Held-out fold of each sample.
    block : int
        Largest number of samples of a shard.
    """
    models, shards = _tasks(np.bincount(fold, minlength=n_folds).tolist(), replicates, block)
    return Plan(
        cohort_digest=cohort_digest,
        n_samples=len(fold),
        n_genes=n_genes,
        n_decoys=n_decoys,
        side=side,
        block=block,
        models=models,
        shards=shards,
        nulls=nulls,
    )


def _tasks(
    sizes: Sequence[int], replicates: int, block: int
) -> tuple[tuple[ModelKey, ...], tuple[ShardKey, ...]]:
    """The models, and the shards of each, of folds with these numbers of samples."""
    pairs = [(r, f) for r in range(replicates) for f in range(len(sizes))]
    shards = (
        ShardKey(r, f, index, start, min(start + block, sizes[f]))
        for r, f in pairs
        for index, start in enumerate(range(0, sizes[f], block))
    )
    return tuple(ModelKey(r, f) for r, f in pairs), tuple(shards)


def write_plan(path: Path, plan: Plan) -> None:
    """Write the plan as JSON."""
    hdf5.write_text(path, plan_text(plan))


def plan_text(plan: Plan) -> str:
    """The content of plan.json, without the null runs, which may be added later."""
    fields = dataclasses.asdict(dataclasses.replace(plan, nulls=0))
    return integrity.json_text({"encoding-type": PLAN_TYPE} | fields)


def read_plan(path: Path, nulls: int = 0) -> Plan:
    """The plan that prepare wrote, with the given number of null runs.

    Raises
    ------
    FileError
        If the file is missing, or no plan of this version; DamageError if it is damaged, and
        UnreadableError if it cannot be read.
    """
    try:
        fields = integrity.read_json(path)
        if fields.pop("encoding-type") != PLAN_TYPE:
            raise KeyError(PLAN_TYPE)
        models = tuple(ModelKey(**model) for model in fields.pop("models"))
        shards = tuple(ShardKey(**shard) for shard in fields.pop("shards"))
        plan = Plan(models=models, shards=shards, **(fields | {"nulls": nulls}))
        if not plan.is_consistent:
            raise ValueError("models or shards are missing")
        return plan
    except UnreadableError:
        raise
    except FileError as error:
        raise type(error)(f"{error}; {REMEDY}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise FileError(f"{path} is no plan of this version ({error!r}); {REMEDY}") from error


def share_of(items: Sequence[Item], share: Share) -> list[Item]:
    """Every `count`-th item from `index` on, so that each item belongs to exactly one share."""
    return list(items[share.index :: share.count])
