"""From shards to tables: bands of genes, then whole rankings; MPI ranks divide both."""

import contextlib
import dataclasses
import json
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from threadpoolctl import threadpool_limits

from tumorcam.cluster import launcher
from tumorcam.cluster.logs import logger, progress
from tumorcam.cluster.ranks import Ranks
from tumorcam.cohort.cohort import Cohort
from tumorcam.config import Config, changed_settings, config_json
from tumorcam.errors import FileError
from tumorcam.significance import bands, resampling, statistics
from tumorcam.significance.bands import STATISTICS, VIEWS, Samples, Source
from tumorcam.significance.exact_sums import known_mean
from tumorcam.storage import hdf5, integrity, records
from tumorcam.storage.plan import (
    BAND_TYPE,
    MODEL_TYPE,
    SALIENCY_TYPE,
    SHARD_TYPE,
    SIGNIFICANCE_TYPE,
    Plan,
    ShardKey,
    model_file,
    shard_attributes,
    shard_file,
)

SECTIONS = ("run", "explain", "significance")
TOP = 20  # genes of "decoys in the top 20"
N_SHOWN = 5  # faulty shards whose fault an error tells


def reduce_run(
    folder: Path,
    cohort: Cohort,
    plan: Plan,
    config: Config,
    world: Ranks,
    *,
    allow_partial: bool = False,
) -> None:
    """Write saliency.h5 and significance.h5, unless they are there and made from these shards.

    Each rank computes some bands of genes, one file a band, which a rerun does not compute again;
    then it makes the tables of some rankings, which rank 0 writes.

    Parameters
    ----------
    allow_partial : bool
        Go on with the shards that are there; the tables name the missing ones.

    Raises
    ------
    FileError
        If shards are missing, damaged or foreign; the message names them and what makes them.
    """
    audited = world.broadcast(audit_shards(folder, plan, config) if world.is_root else None)
    if audited.faults and not (allow_partial and audited.present):
        raise FileError(_fault_message(audited.faults, plan, folder))
    sources = {
        "cohort_digest": cohort.digest,
        "shards_digest": audited.digest,
        "missing_shards": json.dumps(list(audited.faults)),
    }
    attributes = sources | {
        "config": config_json(config, SECTIONS),
        "methods": json.dumps(config.explain.methods),
        "views": json.dumps(VIEWS),
    }
    path, virtual = folder / "significance.h5", folder / "saliency.h5"
    is_done = hdf5.is_complete(path, SIGNIFICANCE_TYPE, attributes)
    is_done = is_done and hdf5.is_complete(virtual, SALIENCY_TYPE, sources)
    if world.broadcast(is_done):
        logger.info("the tables are there already")
        return
    if audited.faults and world.is_root:
        logger.warning("going on without %d shards: all tables are partial", len(audited.faults))
    present = audited.present
    with threadpool_limits(config.run.threads_per_rank):  # on which bits of matrix products depend
        source = bands.read_source(folder, cohort, config, present)
        files = _write_bands(source, attributes, world)
        world.barrier()
        names = bands.ranking_names(config)
        parts = [folder / "bands" / f"{name.replace('/', '-')}.h5" for name in names]
        mine = list(zip(names, parts, strict=True))[world.rank :: world.size]
        with _open_all(files) as opened:
            for name, part in progress(mine, "reduce", "rankings", visible=world.is_root):
                ranking = _ranking(opened, name, source)
                with hdf5.create_file(part, BAND_TYPE, attributes) as file:
                    _write_ranking(file.create_group(name), ranking, source.samples)
        world.barrier()
        if not world.is_root:
            return
        write_virtual(virtual, folder, plan, present, config, sources)
        with (
            _open_all([*files, *parts]) as opened,
            hdf5.create_file(path, SIGNIFICANCE_TYPE, attributes) as file,
        ):
            _write_shared(file, opened[: len(files)], source)
            for name, part in zip(names, opened[len(files) :], strict=True):
                part.copy(name, file.require_group(name.split("/")[0]))
                n_learned = np.count_nonzero(part[f"{name}/evidence"][...] == b"learned")
                logger.info("%s: %d (tumor, gene) pairs learned", name, n_learned)
    shutil.rmtree(folder / "bands")


@dataclass(frozen=True)
class Audit:
    """What is wrong with shards, by their names; the others, and one digest over them."""

    faults: dict[str, str]
    present: list[ShardKey]
    digest: str


def audit_shards(folder: Path, plan: Plan, config: Config) -> Audit:
    """Check that every shard of the plan is whole and made by this run's models and settings."""
    faults, present, digests = {}, [], []
    model_digests: dict[str, str] = {}
    for shard in plan.explain_tasks:
        name, path = shard.model.name, shard_file(folder, shard)
        try:
            if name not in model_digests:
                trained = model_file(folder, shard.model)
                model_digests[name] = hdf5.stored_digest(
                    trained, MODEL_TYPE, remedy="run jobs.train"
                )
            wanted = shard_attributes(config, plan.cohort_digest, model_digests[name], shard)
            with hdf5.open_file(path, SHARD_TYPE, remedy=bands.REMEDY) as file:
                digest, differing = str(file.attrs["digest"]), _differences(file, wanted)
        except FileError as error:
            faults[shard.name] = str(error)
            continue
        if differing:
            faults[shard.name] = f"{path} was made with {', '.join(differing)}; {bands.REMEDY}"
        else:
            present.append(shard)
            digests.append(digest)
    return Audit(faults, present, integrity.text_digest("".join(digests)))


def write_virtual(
    path: Path,
    folder: Path,
    plan: Plan,
    present: Sequence[ShardKey],
    config: Config,
    sources: Mapping[str, str],
) -> None:
    """Write saliency.h5: the replicates' shards' values behind one dataset a method and view.

    Rows of missing shards are left out; those at the end stay 0, and their `sample_index` is -1.

    Parameters
    ----------
    sources : mapping
        Root attributes: digests of the cohort and of the shards.
    """
    n_replicates = 1 + max(shard.replicate for shard in plan.shards)
    shape = (n_replicates, plan.n_samples, plan.n_genes + plan.n_decoys)
    order = np.full(shape[:2], -1, dtype=np.int32)
    layouts = {
        f"{view}/{method}": h5py.VirtualLayout(shape, np.float16)
        for method in config.explain.methods
        for view in VIEWS
    }
    filled = np.zeros(n_replicates, dtype=int)
    for shard in (one for one in present if not one.null):
        start, n = int(filled[shard.replicate]), shard.stop - shard.start
        rows = slice(start, start + n)
        name = str(shard_file(folder, shard).relative_to(folder))
        for dataset, layout in layouts.items():
            source = h5py.VirtualSource(name, dataset, (n, shape[2]), np.float16)
            layout[shard.replicate, rows] = source
        with bands.open_shard(folder, shard) as file:
            order[shard.replicate, rows] = file["sample_index"][...]
        filled[shard.replicate] += n
    with hdf5.create_file(path, SALIENCY_TYPE, sources) as file:
        records.write_dataset(file, "sample_index", order)
        for dataset, layout in layouts.items():
            file.create_virtual_dataset(dataset, layout)


def _differences(file: h5py.File, wanted: Mapping[str, Any]) -> list[str]:
    keys = [key for key in wanted if file.attrs.get(key) != wanted[key]]
    named = [f"another {key}" for key in keys if key != "config"]
    if "config" in keys:
        named += changed_settings(str(file.attrs.get("config", "{}")), wanted["config"])
    return named


def _fault_message(faults: Mapping[str, str], plan: Plan, folder: Path) -> str:
    """The first faults in full, then every name, as ranges of blocks, and the way out."""
    lines = [f"{len(faults)} of {len(plan.explain_tasks)} shards are not ready:"]
    lines += [f"  {fault}" for fault in list(faults.values())[:N_SHOWN]]
    blocks: dict[str, list[int]] = {}
    for shard in plan.explain_tasks:
        if shard.name in faults:
            blocks.setdefault(shard.model.name, []).append(shard.block)
    lines += [f"blocks of {name}: {slurm.array_text(of)}" for name, of in blocks.items()]
    config = shlex.quote(str(folder / "config.toml"))
    lines += [
        f"make them with: python -m jobs.explain {config}, or sbatch slurm/explain.sh {config}",
        "or go on without them: --allow-partial",
    ]
    return "\n".join(lines)


def _write_bands(source: Source, attributes: Mapping[str, str], world: Ranks) -> list[Path]:
    """Write this rank's share of the bands, but for those that are there; the paths of all."""
    n_features = len(source.cohort.genes) + len(source.cohort.decoy_gene)
    starts = range(0, n_features, bands.BAND)
    files = [source.folder / "bands" / f"b{i:04d}.h5" for i in range(len(starts))]
    mine = list(zip(files, starts, strict=True))[world.rank :: world.size]
    for path, start in progress(mine, "reduce", "bands", visible=world.is_root):
        band = slice(start, min(start + bands.BAND, n_features))
        if not hdf5.is_complete(path, BAND_TYPE, attributes):
            bands.write_band(path, attributes, source, band)
    return files


@contextlib.contextmanager
def _open_all(paths: Sequence[Path]) -> Iterator[list[h5py.File]]:
    with contextlib.ExitStack() as stack:
        opened = [hdf5.open_file(path, BAND_TYPE, remedy="run jobs.reduce") for path in paths]
        yield [stack.enter_context(file) for file in opened]


def _ranking(files: Sequence[h5py.File], name: str, source: Source) -> dict[str, Any]:
    """All datasets of one method and view, by name, with its decoy curve and attributes."""
    cohort, config, samples = source.cohort, source.config, source.samples
    n_genes, n_tumors = len(cohort.genes), len(cohort.tumors)
    both = {key: bands.read_column(files, f"{name}/{key}") for key in STATISTICS}
    models = bands.read_column(files, f"{name}/model_score")
    found = {key: values[:, :n_genes] for key, values in both.items()}
    score, decoy_score = found["score"], both["score"][:, n_genes:]
    k = statistics.top_k(n_genes)
    found["q_value"] = statistics.benjamini_hochberg(found["p_value"])
    found["q_decoy"] = statistics.decoy_q_values(score, decoy_score)
    found["replication"] = statistics.replication(
        models[..., :n_genes].reshape(-1, *score.shape), k=k
    )
    found["rank"] = statistics.rank_genes(score)
    found["p_fwer"] = np.full(score.shape, np.nan)
    found["rank_low"], found["rank_high"] = np.full((2, *score.shape), np.nan)
    for tumor in range(n_tumors):
        if samples.n_patients[:, tumor].sum() < config.significance.min_patients:
            continue
        flips = bands.read_flips(files, f"{name}/flips/{tumor}")
        found["p_fwer"][tumor, cohort.variance > 0] = resampling.step_down_p_values(flips)
        means = bands.read_column(files, f"{name}/bootstrap", tumor)[:, :n_genes]
        found["rank_low"][tumor], found["rank_high"][tumor] = resampling.rank_intervals(means)
    nulls = _null_runs(files, name, source)
    found["p_null"] = resampling.null_p_values(score, nulls["nulls/score"])
    found["evidence"] = statistics.grade_evidence(
        found["q_decoy"], found["q_value"], found["replication"], found["rank"],
        samples.recall,
        settings=config.significance,
    )  # fmt: skip
    found |= {
        f"decoys/{key}": both[key][:, n_genes:] for key in ("score", "sd", "positive", "p_value")
    }
    found[f"decoys_in_top_{TOP}"] = statistics.decoys_in_top(score, decoy_score, k=TOP)
    found["replicate_score"] = _over_folds(models, samples.n_patients)
    found["fold_score"] = known_mean(models)
    resolution = statistics.smallest_q_decoy(score, decoy_score, level=config.significance.q_decoy)
    found |= nulls
    curve = statistics.decoy_curve(score, decoy_score)
    return found | {"decoy_curve": curve, "attributes": dataclasses.asdict(resolution)}


def _null_runs(files: Sequence[h5py.File], name: str, source: Source) -> dict[str, np.ndarray]:
    """Scores of each null replicate, and how many pairs it would grade learned at full recall."""
    cohort, n_patients = source.cohort, source.samples.n_patients
    n_genes, n_tumors, n_decoys = len(cohort.genes), len(cohort.tumors), len(cohort.decoy_gene)
    if f"{name}/null_model_score" not in files[0]:
        empty = {"score": n_genes, "decoy_score": n_decoys}
        found = {f"nulls/{key}": np.empty((0, n_tumors, n)) for key, n in empty.items()}
        return found | {"nulls/learned": np.empty(0, dtype=int)}
    models = bands.read_column(files, f"{name}/null_model_score")
    p_value = bands.read_column(files, f"{name}/null_p_value")[..., :n_genes]
    scores = _over_folds(models, n_patients)
    score, decoy_score = scores[..., :n_genes], scores[..., n_genes:]
    k = statistics.top_k(n_genes)
    learned = [
        statistics.grade_evidence(
            statistics.decoy_q_values(score[i], decoy_score[i]),
            statistics.benjamini_hochberg(p_value[i]),
            statistics.replication(models[i][..., :n_genes], k=k),
            statistics.rank_genes(score[i]),
            np.ones(n_tumors),
            settings=source.config.significance,
        )
        == "learned"
        for i in range(len(score))
    ]
    return {
        "nulls/score": score,
        "nulls/decoy_score": decoy_score,
        "nulls/learned": np.array([one.sum() for one in learned]),
    }


def _over_folds(models: np.ndarray, n_patients: np.ndarray) -> np.ndarray:
    """Scores (..., tumors, genes) over all patients, of (..., folds, tumors, genes) by fold."""
    weights = np.where(np.isnan(models), 0, n_patients[..., np.newaxis])
    total = weights.sum(axis=-3)
    return (np.nan_to_num(models) * weights).sum(axis=-3) / np.where(total > 0, total, np.nan)


def _write_shared(file: h5py.File, files: Sequence[h5py.File], source: Source) -> None:
    """What does not depend on the method and view."""
    cohort, samples = source.cohort, source.samples
    records.write_dataset(file, "tumors", cohort.tumors)
    records.write_dataset(file, "genes", cohort.genes)
    records.write_dataset(file, "decoy_gene", cohort.decoy_gene)
    records.write_dataset(file, "n", samples.n_patients.sum(axis=0))
    records.write_dataset(file, "classification/probability", samples.probability)
    records.write_dataset(file, "classification/recall", samples.recall)
    for name in ("expression_auroc", "log2_fold_change"):
        records.write_dataset(file, name, bands.read_column(files, name))


def _write_ranking(group: h5py.Group, ranking: Mapping[str, Any], samples: Samples) -> None:
    for name, values in ranking.items():
        if isinstance(values, np.ndarray):
            records.write_dataset(group, name, values)
    records.write_table(group.create_group("decoy_curve"), ranking["decoy_curve"])
    attributes = ranking["attributes"] | {
        "zero_scale_samples": samples.zero_scale[group.name.split("/")[1]]
    }
    for name, value in attributes.items():
        group.attrs[name] = value
