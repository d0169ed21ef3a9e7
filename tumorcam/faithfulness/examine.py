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

from tumorcam.cluster import ranks
from tumorcam.cluster.logs import logger
from tumorcam.cluster.ranks import Ranks
from tumorcam.cohort.cohort import Cohort
from tumorcam.config import Config, config_json
from tumorcam.errors import FileError
from tumorcam.faithfulness import gene_sets, retraining
from tumorcam.faithfulness.deletion import (
    CHANGES,
    CONTROLS,
    Block,
    Deletion,
    Responses,
    choose_samples,
    deletion_curves,
    make_blocks,
    sample_falls,
)
from tumorcam.faithfulness.gene_sets import GeneSets
from tumorcam.faithfulness.ranking_checks import (
    MarkerLifts,
    Nulls,
    PlantedScores,
    Stability,
    marker_lifts,
    null_agreement,
    planted_scores,
    stability_of,
)
from tumorcam.faithfulness.retraining import RetrainTask
from tumorcam.readers import markers
from tumorcam.significance import resampling, truth
from tumorcam.storage import hdf5, integrity, records
from tumorcam.storage.plan import (
    FAITHFULNESS_TYPE,
    MODEL_TYPE,
    RESPONSES_TYPE,
    SIGNIFICANCE_TYPE,
    model_file,
)

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
    n_changed = len(CHANGES) * len(gene_sets.set_sizes(len(cohort.genes)))
    copies = 2 + n_changed * gene_sets.n_sets(len(config.explain.methods))
    return sum(len(block.rows) for block in blocks_of(cohort, config)) * copies


def blocks_of(cohort: Cohort, config: Config) -> list[Block]:
    """The samples that get genes changed, by the network that sees them."""
    replicates = min(config.faithfulness.replicates, len(cohort.layouts))
    chosen = choose_samples(cohort, config)
    return make_blocks(cohort.fold, chosen, replicates)


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
    if world.broadcast(hdf5.is_complete(path, FAITHFULNESS_TYPE, attributes)):
        logger.info("faithfulness.h5 is there already")
        return
    work = world.broadcast(plan_work(folder, cohort, config) if world.is_root else None)
    mine = slice(world.rank, None, world.size)
    files = [folder / "responses" / f"b{i:04d}.h5" for i in range(len(work.blocks))]
    missing = {
        i: block
        for i, block in list(enumerate(work.blocks))[mine]
        if not hdf5.is_complete(files[i], RESPONSES_TYPE, attributes)
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
        hdf5.create_file(path, FAITHFULNESS_TYPE, attributes) as file,
        open_tables(folder, cohort) as tables,
    ):
        _write_deletion(file, cohort, work, [_read_responses(one) for one in files], config)
        table = retraining.retrained_table(ranks.in_order(gathered))
        records.write_table(file.create_group("retrained"), table)
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
    with hdf5.open_file(path, SIGNIFICANCE_TYPE, remedy=remedy) as file:
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
        hdf5.stored_digest(model_file(folder, model), MODEL_TYPE, remedy="run jobs.train")
        for model in dict.fromkeys(block.model for block in blocks_of(cohort, config))
    ]
    files = {"markers": Path(config.faithfulness.markers), "truth": truth_file(folder)}
    return {
        "cohort_digest": cohort.digest,
        "significance_digest": digest,
        "missing_shards": missing,
        "models_digest": integrity.text_digest("".join(models)),
        "view": config.report.view,
        "config": config_json(config, SECTIONS),
    } | {
        f"{name}_digest": integrity.file_digest(file) if file.is_file() else ""
        for name, file in files.items()
    }


def truth_file(folder: Path) -> Path:
    """Where a run's planted drivers stand, if it has any."""
    return folder / "input" / "truth.csv"


def read_faithfulness(path: Path, significance_digest: str) -> Faithfulness | None:
    """The checks of these tables; None where they are not there, damaged, or of other tables."""
    wanted = {"significance_digest": significance_digest}
    if not hdf5.is_complete(path, FAITHFULNESS_TYPE, wanted):
        return None
    remedy = "run jobs.faithfulness"
    with hdf5.open_file(path, FAITHFULNESS_TYPE, remedy=remedy) as file:
        parts: dict[str, Any] = {
            name: read_record(file[name], kind) if name in file else None
            for name, kind in PARTS.items()
        }
        return Faithfulness(
            tumors=records.read_strings(file["tumors"]),
            methods=records.read_strings(file["methods"]),
            rankings=records.read_strings(file["rankings"]),
            view=str(file.attrs["view"]),
            deletion=read_record(file["deletion"], Deletion),
            retrained=records.read_table(file["retrained"]),
            stability=read_record(file["stability"], Stability),
            marker_file=Path(json.loads(file.attrs["config"])["faithfulness"]["markers"]).name,
            digest=str(file.attrs["digest"]),
            **parts,
        )


def write_record(group: h5py.Group, record: Any) -> None:
    """Write each field of a dataclass of arrays as a dataset."""
    for field in dataclasses.fields(record):
        records.write_dataset(group, field.name, getattr(record, field.name))


def read_record(group: h5py.Group, kind: type[Record]) -> Record:
    """The dataclass that `write_record` wrote."""
    arrays = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        dataset = group[field.name]
        strings = dataset.dtype.kind == "S"
        arrays[field.name] = records.read_strings(dataset) if strings else dataset[...]
    return kind(**arrays)


def _write_responses(path: Path, attributes: Mapping[str, str], response: Responses) -> None:
    with hdf5.create_file(path, RESPONSES_TYPE, attributes) as file:
        for name, values in response._asdict().items():
            records.write_dataset(file, name, values)


def _read_responses(path: Path) -> Responses:
    with hdf5.open_file(path, RESPONSES_TYPE, remedy="run jobs.faithfulness") as file:
        return Responses(*(file[name][...] for name in Responses._fields))


def _write_deletion(
    file: h5py.File,
    cohort: Cohort,
    work: Work,
    answers: Sequence[Responses],
    config: Config,
) -> None:
    falls = sample_falls(work.blocks, answers, work.sets, cohort.tumor)
    for name, values in vars(falls).items():
        kept = values if name == "sample" else values.astype(np.float32)
        records.write_dataset(file, f"samples/{name}", kept)
    patients = resampling.group_patients(cohort, falls.sample, config)
    min_patients = config.significance.min_patients
    curves = deletion_curves(falls, work.sets, patients, min_patients=min_patients)
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
        ("changes", CHANGES), ("controls", CONTROLS),
    ):  # fmt: skip
        records.write_dataset(file, name, values)
    planted = truth.read_truth(truth_file(folder), cohort.tumors, cohort.genes)
    drives = planted.drives if planted is not None else None
    parts: dict[str, Any] = {
        "stability": stability_of(tables, rankings, config),
        "nulls": null_agreement(tables, rankings, drives),
    }
    if known is not None:
        parts["markers"] = marker_lifts(tables, rankings, known, t_statistic)
    if drives is not None:
        parts["planted"] = planted_scores(tables, rankings, drives, t_statistic)
    for name, part in parts.items():
        if part is not None:
            write_record(file.create_group(name), part)
