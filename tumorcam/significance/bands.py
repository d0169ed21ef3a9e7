"""Statistics of one band of genes: the part of reduce that MPI ranks divide."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import h5py
import numpy as np

from tumorcam.cohort.cohort import Cohort
from tumorcam.config import Config
from tumorcam.significance import classification, resampling, statistics
from tumorcam.significance.resampling import FlipRecords, Patients
from tumorcam.significance.statistics import TumorStatistics
from tumorcam.storage import hdf5, records
from tumorcam.storage.plan import BAND_TYPE, SHARD_TYPE, ShardKey, shard_file

VIEWS = ("own", "contrast")
BAND = 256  # genes; fixed, so that no sum depends on the number of ranks
STATISTICS = ("score", "sd", "effect", "positive", "positive_low", "positive_high", "p_value")
SUM_BYTES = 2**29  # of the sums that a pass over the shards fills
REMEDY = "run jobs.explain"


@dataclass(frozen=True)
class Samples:
    """Every replicate's held-out prediction, and how samples make patients.

    `probability` (replicates, samples, tumors) float32, NaN where a shard is missing; `explained`
    (samples,) int: by how many replicates; `kept` (kept samples,) int, ascending, and their
    `patients`; `n_patients` (folds, tumors) int; `recall` (tumors,) float64 of the ensemble;
    `zero_scale` counts the maps of each method that are zero.
    """

    probability: np.ndarray
    explained: np.ndarray
    kept: np.ndarray
    patients: Patients
    n_patients: np.ndarray
    recall: np.ndarray
    zero_scale: dict[str, int]


@dataclass(frozen=True)
class Source:
    """What bands are computed from: the shards of a run that are `present`, and whose they are."""

    folder: Path
    cohort: Cohort
    config: Config
    present: Sequence[ShardKey]
    samples: Samples


@dataclass(frozen=True)
class BandStatistics:
    """One band of one method and view.

    `columns` maps names to arrays whose last axis is the band: each of STATISTICS (tumors, band)
    float64; `model_score` (replicates, folds, tumors, band) float64, NaN where the fold lacks the
    tumor; `bootstrap` (tumors, bootstraps, band) float32; with null replicates `null_p_value`
    (nulls, tumors, band) and `null_model_score` (nulls, folds, tumors, band) float64. `flips` has
    one a tumor, of testable genes, or nothing where the tumor has too few patients.
    """

    columns: dict[str, np.ndarray]
    flips: list[FlipRecords | None]


def ranking_names(config: Config) -> list[str]:
    """Every "METHOD/VIEW" of a run."""
    return [f"{method}/{view}" for method in config.explain.methods for view in VIEWS]


def read_source(folder: Path, cohort: Cohort, config: Config, present: Sequence[ShardKey]) -> Source:
    """The predictions of the shards that are present, and the grouping of samples into patients."""
    shape = (len(cohort.layouts), len(cohort.sample), len(cohort.tumors))
    probability = np.full(shape, np.nan, dtype=np.float32)
    zero_scale = dict.fromkeys(config.explain.methods, 0)
    for shard in present:
        if shard.null:
            continue
        with open_shard(folder, shard) as file:
            probability[shard.replicate, file["sample_index"][...]] = file["probability"][...]
            for method in zero_scale:
                zero_scale[method] += int((file[f"scale/{method}"][...] == 0).sum())
    explained = (~np.isnan(probability[:, :, 0])).sum(axis=0)
    known = np.flatnonzero(explained)
    ensemble = classification.ensemble_probability(probability)[known]
    is_correct = ensemble.argmax(axis=1) == cohort.tumor[known]
    kept = known[is_correct | (not config.significance.correct_only)]
    patients = resampling.group_patients(cohort, kept, config)
    first = np.unique(patients.patient, return_index=True)[1]
    n_patients = np.zeros((cohort.n_folds, len(cohort.tumors)), dtype=np.int64)
    np.add.at(n_patients, (cohort.fold[kept[first]], patients.tumor), 1)
    samples = Samples(
        probability=probability,
        explained=explained,
        kept=kept,
        patients=patients,
        n_patients=n_patients,
        recall=classification.score_classifier(ensemble, cohort.tumor[known]).recall,
        zero_scale=zero_scale,
    )
    return Source(folder, cohort, config, present, samples)


def write_band(path: Path, attributes: Mapping[str, str], source: Source, band: slice) -> None:
    """Compute a band of genes and decoys and write it, for `read_column` and `read_flips`.

    A pass over the shards takes as many rankings as fit SUM_BYTES.
    """
    names, cohort = ranking_names(source.config), source.cohort
    at_once = max(1, SUM_BYTES // (8 * len(cohort.sample) * BAND))
    with hdf5.create_file(path, BAND_TYPE, attributes) as file:
        for start in range(0, len(names), at_once):
            for name, of_band in band_statistics(source, band, names[start : start + at_once]):
                _write_statistics(file.create_group(name), of_band)
        expression, n_tumors = cohort.gene_band(band), len(cohort.tumors)  # empty beyond the genes
        for statistic in (statistics.expression_auroc, statistics.log2_fold_change):
            column = statistic(expression, cohort.tumor, n_tumors=n_tumors)
            records.write_dataset(file, statistic.__name__, column)


def band_statistics(
    source: Source, band: slice, names: Sequence[str]
) -> Iterator[tuple[str, BandStatistics]]:
    """Statistics of one band for some rankings, from the shards that are present.

    A sample counts by its mean over the replicates that explained it, a patient by the mean of its
    samples.
    """
    cohort, config, samples = source.cohort, source.config, source.samples
    width, min_patients = band.stop - band.start, config.significance.min_patients
    is_gene = np.arange(band.start, band.stop) < len(cohort.genes)
    testable = np.append(cohort.variance, cohort.variance[cohort.decoy_gene])[band] > 0
    total = {name: np.zeros((len(cohort.sample), width)) for name in names}
    keys = ("model_score", "null_model_score", "null_p_value")
    parts: dict[str, dict[str, list[np.ndarray]]] = {n: {k: [] for k in keys} for n in names}
    for (null, _), group in groupby(source.present, key=lambda one: (one.null, one.replicate)):
        values, seen = _read_replicate(source, list(group), band, names)
        for name, part in parts.items():
            scores = _model_scores(values[name], seen, cohort, samples)
            part["null_model_score" if null else "model_score"].append(scores)
            if null:
                patients = _patients(values[name], seen, samples)
                alone = _by_tumor(patients, cohort, samples, testable, min_patients)
                part["null_p_value"].append(np.stack([one.p_value for one in alone]))
            else:  # one replicate after the other: the order of the sum is fixed
                total[name][seen] += values[name][seen]
    seen = samples.explained > 0
    for name, part in parts.items():
        total[name][seen] /= samples.explained[seen, np.newaxis]
        patients = _patients(total[name], seen, samples)
        found = _by_tumor(patients, cohort, samples, testable, min_patients)
        columns = {key: np.stack([getattr(one, key) for one in found]) for key in STATISTICS}
        columns |= {key: np.stack(arrays) for key, arrays in part.items() if arrays}
        bootstraps, flips = _resample(patients[0], cohort, samples, testable & is_gene, config)
        yield name, BandStatistics(columns | {"bootstrap": bootstraps}, flips)


def read_column(files: Sequence[h5py.File], name: str, row: int | None = None) -> np.ndarray:
    """A column of all bands, or one row of it, joined along its last axis."""
    rows = ... if row is None else row
    return np.concatenate([file[name][rows] for file in files], axis=-1)


def read_flips(files: Sequence[h5py.File], name: str) -> list[FlipRecords]:
    """Every band's flips of the genes of one ranking and tumor, such as "METHOD/VIEW/flips/3"."""
    return [
        FlipRecords(*(file[f"{name}/{key}"][...] for key in FlipRecords._fields)) for file in files
    ]


def open_shard(folder: Path, shard: ShardKey) -> "h5py.File":
    """A finished shard, for reading."""
    return hdf5.open_file(shard_file(folder, shard), SHARD_TYPE, remedy=REMEDY)


def _read_replicate(
    source: Source, of_replicate: Sequence[ShardKey], band: slice, names: Sequence[str]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """(samples, band) float16 of each ranking, and which of the samples a shard has."""
    shape = (len(source.cohort.sample), band.stop - band.start)
    values = {name: np.zeros(shape, dtype=np.float16) for name in names}
    seen = np.zeros(shape[0], dtype=bool)
    for shard in of_replicate:
        with open_shard(source.folder, shard) as file:
            index = file["sample_index"][...]
            seen[index] = True
            for name in names:
                method, view = name.split("/")
                values[name][index] = file[f"{view}/{method}"][:, band]
    return values, seen


def _patients(
    values: np.ndarray, seen: np.ndarray, samples: Samples
) -> tuple[np.ndarray, np.ndarray]:
    """(patients, band) means over each patient's kept samples among the seen, and who they are."""
    chosen = seen[samples.kept]
    codes, patient = np.unique(samples.patients.patient[chosen], return_inverse=True)
    rows = values[samples.kept[chosen]].astype(np.float64, copy=False)
    return statistics.patient_means(rows, patient), codes


def _model_scores(
    values: np.ndarray, seen: np.ndarray, cohort: Cohort, samples: Samples
) -> np.ndarray:
    """(folds, tumors, band): each model's mean over the patients that it held out."""
    scores = np.full((cohort.n_folds, len(cohort.tumors), values.shape[1]), np.nan)
    for fold in range(cohort.n_folds):
        means, codes = _patients(values, seen & (cohort.fold == fold), samples)
        there, tumor = np.unique(samples.patients.tumor[codes], return_inverse=True)
        scores[fold, there] = statistics.patient_means(means, tumor)
    return scores


def _by_tumor(
    patients: tuple[np.ndarray, np.ndarray],
    cohort: Cohort,
    samples: Samples,
    testable: np.ndarray,
    min_patients: int,
) -> list[TumorStatistics]:
    means, codes = patients
    tumor_of = samples.patients.tumor[codes]
    return [
        statistics.tumor_statistics(means[tumor_of == t], testable, min_patients=min_patients)
        for t in range(len(cohort.tumors))
    ]


def _resample(
    means: np.ndarray, cohort: Cohort, samples: Samples, testable: np.ndarray, config: Config
) -> tuple[np.ndarray, list[FlipRecords | None]]:
    """Bootstrapped scores (tumors, bootstraps, band), NaN with too few patients, and flips."""
    shape = (len(cohort.tumors), resampling.N_BOOTSTRAPS, means.shape[1])
    bootstraps = np.full(shape, np.nan, dtype=np.float32)
    flips: list[FlipRecords | None] = [None] * len(cohort.tumors)
    for tumor, name in enumerate(cohort.tumors.tolist()):
        chosen = samples.patients.tumor == tumor
        if chosen.sum() < config.significance.min_patients:
            continue
        bootstraps[tumor] = resampling.bootstrap_means(
            means[chosen], samples.patients.weights[:, chosen]
        )
        draw = functools.partial(config.rng, "flips", name)
        flips[tumor] = resampling.flip_records(means[chosen][:, testable], draw)
    return bootstraps, flips


def _write_statistics(group: h5py.Group, statistics: BandStatistics) -> None:
    for name, values in statistics.columns.items():
        by_row = (1, *values.shape[1:]) if name == "bootstrap" else None
        records.write_dataset(group, name, values, chunks=by_row)
    for tumor, flips in enumerate(statistics.flips):
        for name, values in flips._asdict().items() if flips else ():
            records.write_dataset(group, f"flips/{tumor}/{name}", values)
