"""From shards to tables: each band of genes is read whole, in canonical order, by one rank."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tumorcam import classification, ranks, shards, significance, store
from tumorcam.cohort import Cohort
from tumorcam.config import Config, changed_settings, config_json
from tumorcam.errors import FileError
from tumorcam.logs import logger, progress
from tumorcam.ranks import Ranks
from tumorcam.shards import Plan, Shard

SECTIONS = ("run", "explain", "significance")
VIEWS = ("own", "contrast")
BAND = 256  # genes; fixed, so that no sum depends on the number of ranks
TOP = 20  # genes of "decoys in the top 20"
N_SHOWN = 5  # missing shards named in an error
STATISTICS = ("score", "sd", "effect", "positive", "positive_low", "positive_high", "p_value")
REMEDY = "run jobs.explain"


@dataclass(frozen=True)
class Samples:
    """Every replicate's held-out prediction, and how samples make patients.

    `probability` (replicates, samples, tumors) float32; `kept` (kept samples,) int, ascending;
    `patient` (kept samples,) int: tumor and patient as one code, ascending with the tumor;
    `tumor_of_patient` (patients,) int; `zero_scale` counts the maps of each method that are zero.
    """

    probability: np.ndarray
    kept: np.ndarray
    patient: np.ndarray
    tumor_of_patient: np.ndarray
    zero_scale: dict[str, int]


@dataclass(frozen=True)
class BandStatistics:
    """One band of one method and view.

    `columns` maps each of STATISTICS to (tumors, band) float64; `model_scores` (models, tumors,
    band) float64, NaN where the model's fold lacks the tumor.
    """

    columns: dict[str, np.ndarray]
    model_scores: np.ndarray


def reduce_run(folder: Path, cohort: Cohort, plan: Plan, config: Config, world: Ranks) -> None:
    """Write saliency.h5 and significance.h5, unless they are there and made from these shards.

    Raises
    ------
    FileError
        If shards are missing, damaged or foreign; the message names them and what makes them.
    """
    audited = world.broadcast(audit_shards(folder, plan, config) if world.is_root else None)
    if audited.faults:
        raise FileError(_fault_message(audited.faults, len(plan.shards)))
    sources = {"cohort_digest": cohort.digest, "shards_digest": audited.digest}
    attributes = sources | {
        "config": config_json(config, SECTIONS),
        "methods": json.dumps(config.explain.methods),
        "views": json.dumps(VIEWS),
    }
    path, virtual = folder / "significance.h5", folder / "saliency.h5"
    is_done = store.is_whole(path, shards.SIGNIFICANCE_TYPE, attributes)
    is_done = is_done and store.is_whole(virtual, shards.SALIENCY_TYPE, sources)
    if world.broadcast(is_done):
        logger.info("the tables are there already")
        return
    samples = read_samples(folder, cohort, plan, config)
    starts = range(0, plan.n_genes + plan.n_decoys, BAND)
    bands = [slice(start, min(start + BAND, plan.n_genes + plan.n_decoys)) for start in starts]
    mine = range(world.rank, len(bands), world.size)
    computed = {
        i: reduce_band(folder, cohort, plan, config, samples, bands[i])
        for i in progress(mine, "reduce", "bands", shown=world.is_root)
    }
    gathered = world.gather(computed)
    if gathered is None:
        return
    write_virtual(virtual, folder, plan, config, sources)
    with store.create_file(path, shards.SIGNIFICANCE_TYPE, attributes) as file:
        _write_tables(file, cohort, config, samples, ranks.in_order(gathered))


@dataclass(frozen=True)
class Audit:
    """What is wrong with the shards, one line each, and one digest over all of them."""

    faults: list[str]
    digest: str


def audit_shards(folder: Path, plan: Plan, config: Config) -> Audit:
    """Check that every shard of the plan is whole and made by this run's models and settings."""
    faults, digests = [], []
    model_digests: dict[str, str] = {}
    for shard in plan.shards:
        name, path = shard.model.name, shards.shard_file(folder, shard)
        try:
            if name not in model_digests:
                model_file = shards.model_file(folder, shard.model)
                model_digests[name] = store.stored_digest(
                    model_file, shards.MODEL_TYPE, remedy="run jobs.train"
                )
            wanted = {
                "cohort_digest": plan.cohort_digest,
                "model_digest": model_digests[name],
                "config": config_json(config, ("explain",)),
                "shard": shard.name,
                "n_samples": shard.stop - shard.start,
            }
            with store.open_file(path, shards.SHARD_TYPE, remedy=REMEDY) as file:
                digests.append(str(file.attrs["digest"]))
                differing = _differences(file, wanted)
            if differing:
                faults.append(f"{path} was made with {', '.join(differing)}; {REMEDY}")
        except FileError as error:
            faults.append(str(error))
    return Audit(faults, store.text_digest("".join(digests)))


def read_samples(folder: Path, cohort: Cohort, plan: Plan, config: Config) -> Samples:
    """Predictions of all shards and the grouping of samples into patients."""
    shape = (len(cohort.layouts), len(cohort.sample), len(cohort.tumors))
    probability = np.full(shape, np.nan, dtype=np.float32)
    zero_scale = dict.fromkeys(config.explain.methods, 0)
    for shard in plan.shards:
        with _open(folder, shard) as file:
            probability[shard.replicate, file["sample_index"][...]] = file["probability"][...]
            for method in zero_scale:
                zero_scale[method] += int((file[f"scale/{method}"][...] == 0).sum())
    ensemble = classification.ensemble_probability(probability)
    is_correct = ensemble.argmax(axis=1) == cohort.tumor
    kept = np.flatnonzero(is_correct | (not config.significance.correct_only))
    person = np.unique(cohort.patient, return_inverse=True)[1]
    code = cohort.tumor * (person.max() + 1) + person
    codes, patient = np.unique(code[kept], return_inverse=True)
    return Samples(probability, kept, patient, codes // (person.max() + 1), zero_scale)


def reduce_band(
    folder: Path, cohort: Cohort, plan: Plan, config: Config, samples: Samples, band: slice
) -> dict[str, BandStatistics | dict[str, np.ndarray]]:
    """All statistics of one band of genes and decoys.

    Returns
    -------
    dict
        A BandStatistics for each "METHOD/VIEW", and the expression's own under "expression".
    """
    names = [f"{view}/{method}" for method in config.explain.methods for view in VIEWS]
    shape = (len(cohort.layouts), len(cohort.sample), band.stop - band.start)
    values = {name: np.zeros(shape, dtype=np.float16) for name in names}
    for shard in plan.shards:
        with _open(folder, shard) as file:
            index = file["sample_index"][...]
            for name in names:
                values[name][shard.replicate, index] = file[name][:, band]
    varies = np.zeros(shape[2], dtype=bool)
    genes = slice(band.start, min(band.stop, plan.n_genes))
    n_genes = max(0, genes.stop - genes.start)
    varies[:n_genes] = cohort.variance[genes] > 0
    result: dict[str, BandStatistics | dict[str, np.ndarray]] = {}
    for name in names:
        view, method = name.split("/")
        result[f"{method}/{view}"] = band_statistics(
            values[name], cohort, samples, varies, min_patients=config.significance.min_patients
        )
    if n_genes:
        expression = cohort.gene_band(genes)
        n_tumors = len(cohort.tumors)
        result["expression"] = {
            "expression_auroc": significance.expression_auroc(
                expression, cohort.tumor, n_tumors=n_tumors
            ),
            "log2_fold_change": significance.log2_fold_change(
                expression, cohort.tumor, n_tumors=n_tumors
            ),
        }
    return result


def band_statistics(
    values: np.ndarray,
    cohort: Cohort,
    samples: Samples,
    testable: np.ndarray,
    *,
    min_patients: int,
) -> BandStatistics:
    """Statistics of every tumor: averaged over replicates, then over the samples of a patient.

    Parameters
    ----------
    values : (replicates, samples, band) float16
        One method and view of all samples in canonical order.
    testable : (band,) bool
        Varying genes; decoys and constant genes get no p-value.
    """
    average = np.zeros(values.shape[1:])
    for replicate in values:  # one after the other: the order of the sum is fixed
        average += replicate
    average /= len(values)
    patients = significance.patient_means(average[samples.kept], samples.patient)
    tumors = range(len(cohort.tumors))
    per_tumor = [
        significance.tumor_statistics(
            patients[samples.tumor_of_patient == tumor], testable, min_patients=min_patients
        )
        for tumor in tumors
    ]
    columns = {name: np.stack([getattr(one, name) for one in per_tumor]) for name in STATISTICS}
    scores = [
        _model_scores(replicate, cohort.fold == fold, samples, len(tumors))
        for replicate in values
        for fold in range(cohort.n_folds)
    ]
    return BandStatistics(columns, np.stack(scores))


def write_virtual(
    path: Path, folder: Path, plan: Plan, config: Config, sources: Mapping[str, str]
) -> None:
    """Write saliency.h5: every shard's values behind one dataset a method and view.

    Parameters
    ----------
    sources : mapping
        Root attributes: digests of the cohort and of the shards.
    """
    n_replicates = 1 + max(shard.replicate for shard in plan.shards)
    shape = (n_replicates, plan.n_samples, plan.n_genes + plan.n_decoys)
    order = np.empty(shape[:2], dtype=np.int32)
    layouts = {
        f"{view}/{method}": h5py.VirtualLayout(shape, np.float16)
        for method in config.explain.methods
        for view in VIEWS
    }
    filled = np.zeros(n_replicates, dtype=int)
    for shard in plan.shards:
        start, n = int(filled[shard.replicate]), shard.stop - shard.start
        rows = slice(start, start + n)
        name = str(shards.shard_file(folder, shard).relative_to(folder))
        for dataset, layout in layouts.items():
            source = h5py.VirtualSource(name, dataset, (n, shape[2]), np.float16)
            layout[shard.replicate, rows] = source
        with _open(folder, shard) as file:
            order[shard.replicate, rows] = file["sample_index"][...]
        filled[shard.replicate] += n
    with store.create_file(path, shards.SALIENCY_TYPE, sources) as file:
        store.write_dataset(file, "sample_index", order)
        for dataset, layout in layouts.items():
            file.create_virtual_dataset(dataset, layout)


def _model_scores(
    values: np.ndarray, in_fold: np.ndarray, samples: Samples, n_tumors: int
) -> np.ndarray:
    """(tumors, band): one model's mean over the patients that it held out."""
    chosen = in_fold[samples.kept]
    codes, patient = np.unique(samples.patient[chosen], return_inverse=True)
    means = significance.patient_means(values[samples.kept[chosen]].astype(np.float64), patient)
    present, tumor = np.unique(samples.tumor_of_patient[codes], return_inverse=True)
    scores = np.full((n_tumors, values.shape[1]), np.nan)
    scores[present] = significance.patient_means(means, tumor)
    return scores


def _write_tables(
    file: h5py.File, cohort: Cohort, config: Config, samples: Samples, bands: Sequence[dict]
) -> None:
    ensemble = classification.ensemble_probability(samples.probability)
    recall = classification.score_classifier(ensemble, cohort.tumor).recall
    store.write_dataset(file, "tumors", cohort.tumors)
    store.write_dataset(file, "genes", cohort.genes)
    store.write_dataset(file, "decoy_gene", cohort.decoy_gene)
    n_patients = np.bincount(samples.tumor_of_patient, minlength=len(cohort.tumors))
    store.write_dataset(file, "n", n_patients)
    store.write_dataset(file, "classification/probability", samples.probability)
    store.write_dataset(file, "classification/recall", recall)
    for name in ("expression_auroc", "log2_fold_change"):
        parts = [band["expression"][name] for band in bands if "expression" in band]
        store.write_dataset(file, name, np.hstack(parts))
    for method in config.explain.methods:
        for view in VIEWS:
            group = file.create_group(f"{method}/{view}")
            group.attrs["zero_scale_samples"] = samples.zero_scale[method]
            _write_ranking(group, [band[group.name[1:]] for band in bands], cohort, recall, config)


def _write_ranking(
    group: h5py.Group,
    bands: Sequence[BandStatistics],
    cohort: Cohort,
    recall: np.ndarray,
    config: Config,
) -> None:
    n_genes = len(cohort.genes)
    merged = {name: np.hstack([band.columns[name] for band in bands]) for name in STATISTICS}
    columns = {name: values[:, :n_genes] for name, values in merged.items()}
    decoy_score = merged["score"][:, n_genes:]
    models = np.concatenate([band.model_scores for band in bands], axis=2)[:, :, :n_genes]
    columns["q_value"] = significance.benjamini_hochberg(columns["p_value"])
    columns["q_decoy"] = significance.decoy_q_values(columns["score"], decoy_score)
    k = significance.top_k(n_genes)
    columns["replication"] = significance.replication(models, k=k)
    columns["rank"] = significance.rank_genes(columns["score"])
    columns["evidence"] = significance.grade_evidence(
        columns["q_decoy"],
        columns["q_value"],
        columns["replication"],
        columns["rank"],
        recall,
        settings=config.significance,
    )
    for name, values in columns.items():
        store.write_dataset(group, name, values)
    for name in ("score", "sd", "positive"):
        store.write_dataset(group, f"decoys/{name}", merged[name][:, n_genes:])
    top = significance.decoys_in_top(columns["score"], decoy_score, k=TOP)
    store.write_dataset(group, f"decoys_in_top_{TOP}", top)
    curve = significance.decoy_curve(columns["score"], decoy_score)
    store.write_table(group.create_group("decoy_curve"), curve)
    resolution = significance.smallest_q_decoy(
        columns["score"], decoy_score, level=config.significance.q_decoy
    )
    for name, value in dataclasses.asdict(resolution).items():
        group.attrs[name] = value
    n_learned = int((columns["evidence"] == "learned").sum())
    logger.info("%s: %d (tumor, gene) pairs learned", group.name[1:], n_learned)


def _differences(file: h5py.File, wanted: Mapping[str, Any]) -> list[str]:
    keys = [key for key in wanted if file.attrs.get(key) != wanted[key]]
    named = [f"another {key}" for key in keys if key != "config"]
    if "config" in keys:
        named += changed_settings(str(file.attrs.get("config", "{}")), wanted["config"])
    return named


def _fault_message(faults: Sequence[str], n_shards: int) -> str:
    shown = "\n".join(f"  {fault}" for fault in faults[:N_SHOWN])
    more = f"\n  and {len(faults) - N_SHOWN} more" if len(faults) > N_SHOWN else ""
    return f"{len(faults)} of {n_shards} shards are not ready:\n{shown}{more}"


def _open(folder: Path, shard: Shard) -> "h5py.File":
    return store.open_file(shards.shard_file(folder, shard), shards.SHARD_TYPE, remedy=REMEDY)
