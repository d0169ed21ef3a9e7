"""Is the ranking right? Every check of it, from the files of a run to faithfulness.h5."""

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from tumorcam import (
    checks,
    gene_sets,
    markers,
    ranks,
    resampling,
    responses,
    retraining,
    shards,
    store,
    truth,
)
from tumorcam.checks import MarkerLifts, Nulls, PlantedScores, Stability
from tumorcam.cohort import Cohort
from tumorcam.config import Config, config_json
from tumorcam.errors import FileError
from tumorcam.gene_sets import GeneSets
from tumorcam.logs import logger
from tumorcam.ranks import Ranks
from tumorcam.responses import Block, Deletion, Responses
from tumorcam.retraining import RetrainTask

SECTIONS = ("run", "faithfulness")
Record = TypeVar("Record")
Respond = Callable[..., Iterator[tuple[int, Responses]]]  # perturbation.respond


@dataclass(frozen=True)
class Faithfulness:
    """What faithfulness.h5 holds; a part is None where the run has nothing to make it from.

    `rankings` (rankings,) str are METHOD/VIEW; `deletion` and `retrained` are about `methods` in
    `view` alone; `marker_file` names the user's list.
    """

    tumors: np.ndarray
    methods: np.ndarray
    rankings: np.ndarray
    view: str
    deletion: Deletion
    retrained: pd.DataFrame
    stability: Stability
    nulls: Nulls | None
    markers: MarkerLifts | None
    planted: PlantedScores | None
    marker_file: str
    digest: str


PARTS = {"nulls": Nulls, "markers": MarkerLifts, "planted": PlantedScores}


def n_forward_passes(cohort: Cohort, config: Config) -> int:
    """Images that the networks will be shown."""
    n_changed = len(responses.CHANGES) * len(gene_sets.set_sizes(len(cohort.genes)))
    copies = 2 + n_changed * gene_sets.n_sets(len(config.explain.methods))
    return sum(len(block.rows) for block in blocks_of(cohort, config)) * copies


def blocks_of(cohort: Cohort, config: Config) -> list[Block]:
    """The samples that get genes changed, by the network that sees them."""
    replicates = min(config.faithfulness.replicates, len(cohort.layouts))
    chosen = responses.choose_samples(cohort, config)
    return responses.make_blocks(cohort.fold, chosen, replicates)


def examine_run(
    folder: Path, cohort: Cohort, config: Config, world: Ranks, respond: Respond
) -> None:
    """Write faithfulness.h5, unless it is there and made from the files of now.

    Each rank shows changed samples to networks, a file a block of samples, which a rerun does not
    compute again, and retrains on some genes; rank 0 does the rest.

    Parameters
    ----------
    respond : callable
        `perturbation.respond`, which needs TensorFlow.

    Raises
    ------
    FileError, InputError
        If tables, models or the list of markers are missing, damaged or foreign.
    """
    known = markers.read_markers(config.faithfulness, cohort.tumors, cohort.genes)
    path, attributes = folder / "faithfulness.h5", file_attributes(folder, cohort, config)
    if world.broadcast(store.is_whole(path, shards.FAITHFULNESS_TYPE, attributes)):
        logger.info("faithfulness.h5 is there already")
        return
    work = world.broadcast(plan_work(folder, cohort, config) if world.is_root else None)
    mine = slice(world.rank, None, world.size)
    files = [folder / "responses" / f"b{i:04d}.h5" for i in range(len(work.blocks))]
    missing = {
        i: block
        for i, block in list(enumerate(work.blocks))[mine]
        if not store.is_whole(files[i], shards.RESPONSES_TYPE, attributes)
    }
    for i, response in respond(folder, cohort, missing, work.sets, config, shown=world.is_root):
        _write_responses(files[i], attributes, response)
    tasks = dict(list(enumerate(work.tasks))[mine])
    logger.info("retraining on the top genes")
    gathered = world.gather(retraining.retrain(cohort, tasks, config))
    if gathered is None:
        return
    with (
        threadpool_limits(config.run.threads_per_rank),  # on which bits of matrix products depend
        store.create_file(path, shards.FAITHFULNESS_TYPE, attributes) as file,
        open_tables(folder, cohort) as tables,
    ):
        _write_deletion(file, cohort, work, [_read_responses(one) for one in files], config)
        table = retraining.retrained_table(ranks.in_order(gathered))
        store.write_table(file.create_group("retrained"), table)
        _write_agreement(file, tables, folder, cohort, config, work.t_statistic, known)
    shutil.rmtree(folder / "responses")
    logger.info("faithfulness.h5 written")


@dataclass(frozen=True)
class Work:
    """What the ranks divide: samples in `blocks` and genes to retrain on, in `tasks`."""

    sets: GeneSets
    blocks: list[Block]
    tasks: list[RetrainTask]
    t_statistic: np.ndarray


def plan_work(folder: Path, cohort: Cohort, config: Config) -> Work:
    """The gene sets of all methods in the report's view, and what is computed with them."""
    with open_tables(folder, cohort) as tables:
        methods = json.loads(tables.attrs["methods"])
        scores = {one: tables[f"{one}/{config.report.view}/score"][...] for one in methods}
    t_statistic = gene_sets.t_statistics(cohort)
    return Work(
        gene_sets.make_gene_sets(scores, t_statistic, cohort.variance),
        blocks_of(cohort, config),
        retraining.retrain_tasks(scores, t_statistic, cohort, config),
        t_statistic,
    )


@contextlib.contextmanager
def open_tables(folder: Path, cohort: Cohort) -> Iterator[h5py.File]:
    """significance.h5 of this cohort, for reading; FileError where it is another's."""
    path, remedy = folder / "significance.h5", "run jobs.reduce"
    with store.open_file(path, shards.SIGNIFICANCE_TYPE, remedy=remedy) as file:
        if file.attrs["cohort_digest"] != cohort.digest:
            msg = f"{path} was made from another cohort; delete it and {remedy}"
            raise FileError(msg)
        yield file


def file_attributes(folder: Path, cohort: Cohort, config: Config) -> dict[str, str]:
    """Root attributes by which a finished file is known to be made from the files of now.

    Raises
    ------
    FileError
        If the tables or a model are missing or damaged.
    """
    with open_tables(folder, cohort) as tables:
        digest, missing = (str(tables.attrs[key]) for key in ("digest", "missing_shards"))
    models = [
        store.stored_digest(
            shards.model_file(folder, model), shards.MODEL_TYPE, remedy="run jobs.train"
        )
        for model in dict.fromkeys(block.model for block in blocks_of(cohort, config))
    ]
    files = {"markers": Path(config.faithfulness.markers), "truth": truth_file(folder)}
    return {
        "cohort_digest": cohort.digest,
        "significance_digest": digest,
        "missing_shards": missing,
        "models_digest": store.text_digest("".join(models)),
        "view": config.report.view,
        "config": config_json(config, SECTIONS),
    } | {
        f"{name}_digest": store.file_digest(file) if file.is_file() else ""
        for name, file in files.items()
    }


def truth_file(folder: Path) -> Path:
    """Where a run's planted drivers stand, if it has any."""
    return folder / "input" / "truth.csv"


def read_faithfulness(path: Path, significance_digest: str) -> Faithfulness | None:
    """The checks of these tables; None where they are not there, damaged, or of other tables."""
    wanted = {"significance_digest": significance_digest}
    if not store.is_whole(path, shards.FAITHFULNESS_TYPE, wanted):
        return None
    remedy = "run jobs.faithfulness"
    with store.open_file(path, shards.FAITHFULNESS_TYPE, remedy=remedy) as file:
        parts: dict[str, Any] = {
            name: read_record(file[name], kind) if name in file else None
            for name, kind in PARTS.items()
        }
        return Faithfulness(
            tumors=store.read_strings(file["tumors"]),
            methods=store.read_strings(file["methods"]),
            rankings=store.read_strings(file["rankings"]),
            view=str(file.attrs["view"]),
            deletion=read_record(file["deletion"], Deletion),
            retrained=store.read_table(file["retrained"]),
            stability=read_record(file["stability"], Stability),
            marker_file=Path(json.loads(file.attrs["config"])["faithfulness"]["markers"]).name,
            digest=str(file.attrs["digest"]),
            **parts,
        )


def write_record(group: h5py.Group, record: Any) -> None:
    """Write each field of a dataclass of arrays as a dataset."""
    for field in dataclasses.fields(record):
        store.write_dataset(group, field.name, getattr(record, field.name))


def read_record(group: h5py.Group, kind: type[Record]) -> Record:
    """The dataclass that `write_record` wrote."""
    arrays = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        dataset = group[field.name]
        strings = dataset.dtype.kind == "S"
        arrays[field.name] = store.read_strings(dataset) if strings else dataset[...]
    return kind(**arrays)


def _write_responses(path: Path, attributes: Mapping[str, str], response: Responses) -> None:
    with store.create_file(path, shards.RESPONSES_TYPE, attributes) as file:
        for name, values in response._asdict().items():
            store.write_dataset(file, name, values)


def _read_responses(path: Path) -> Responses:
    with store.open_file(path, shards.RESPONSES_TYPE, remedy="run jobs.faithfulness") as file:
        return Responses(*(file[name][...] for name in Responses._fields))


def _write_deletion(
    file: h5py.File,
    cohort: Cohort,
    work: Work,
    answers: Sequence[Responses],
    config: Config,
) -> None:
    falls = responses.sample_falls(work.blocks, answers, work.sets, cohort.tumor)
    for name, values in vars(falls).items():
        kept = values if name == "sample" else values.astype(np.float32)
        store.write_dataset(file, f"samples/{name}", kept)
    patients = resampling.group_patients(cohort, falls.sample, config)
    min_patients = config.significance.min_patients
    curves = responses.deletion_curves(falls, work.sets, patients, min_patients=min_patients)
    write_record(file.create_group("deletion"), curves)


def _write_agreement(
    file: h5py.File,
    tables: h5py.File,
    folder: Path,
    cohort: Cohort,
    config: Config,
    t_statistic: np.ndarray,
    known: np.ndarray | None,
) -> None:
    """All that needs no network."""
    methods, views = (json.loads(tables.attrs[name]) for name in ("methods", "views"))
    rankings = [f"{method}/{view}" for method in methods for view in views]
    for name, values in (
        ("tumors", cohort.tumors), ("methods", methods), ("rankings", rankings),
        ("changes", responses.CHANGES), ("controls", responses.CONTROLS),
    ):  # fmt: skip
        store.write_dataset(file, name, values)
    planted = truth.read_truth(truth_file(folder), cohort.tumors, cohort.genes)
    drives = planted.drives if planted is not None else None
    parts: dict[str, Any] = {
        "stability": checks.stability_of(tables, rankings, config),
        "nulls": checks.null_agreement(tables, rankings, drives),
    }
    if known is not None:
        parts["markers"] = checks.marker_lifts(tables, rankings, known, t_statistic)
    if drives is not None:
        parts["planted"] = checks.planted_scores(tables, rankings, drives, t_statistic)
    for name, part in parts.items():
        if part is not None:
            write_record(file.create_group(name), part)
