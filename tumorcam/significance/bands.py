"""Statistics of one band of genes: the part of reduce that MPI ranks divide."""

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tumorcam.cohort.cohort import Cohort
from tumorcam.config import Config
from tumorcam.explain import shards
from tumorcam.explain.shards import BAND
from tumorcam.explain.views import RankingKey, ranking_keys
from tumorcam.significance import classification, resampling, statistics
from tumorcam.significance.resampling import FlipRecords, Patients
from tumorcam.significance.statistics import TumorStatistics
from tumorcam.storage import hdf5, records
from tumorcam.storage.plan import ShardKey
from tumorcam.storage.records import stored
from tumorcam.storage.run_folder import RunFolder

BAND_TYPE = "tumorcam-band"
SUM_BYTES = 2**29  # of the sums that a pass over the shards fills
REMEDY = "run `tumorcam reduce`"


@dataclass(frozen=True)
class HeldOutSamples:
    """Predictions of all samples by the networks that held them out, and their patients.

    `probability` (replicates, samples, tumors) float32 is NaN where a shard is missing; `explained`
    (samples,) int is the number of replicates that explain a sample; `kept` (kept samples,) int are
    the samples that count, ascending, and `patients` theirs; `n_patients` (folds, tumors) is int;
    `recall` (tumors,) float64 is the ensemble's; `zero_maps` counts by method the samples whose
    maps are all zero.
    """

    probability: np.ndarray
    explained: np.ndarray
    kept: np.ndarray
    patients: Patients
    n_patients: np.ndarray
    recall: np.ndarray
    zero_maps: Mapping[str, int]


@dataclass(frozen=True)
class BandSource:
    """What bands are computed from: the shards that are there, and their samples."""

    run: RunFolder
    cohort: Cohort
    config: Config
    present: Sequence[ShardKey]
    samples: HeldOutSamples

    @property
    def keys(self) -> list[RankingKey]:
        """All rankings of the run."""
        return ranking_keys(self.config.explain.methods)


@dataclass(frozen=True)
class BandStatistics:
    """Statistics of the genes and decoys of one band, or of several side by side, in one ranking.

    The last axis of every array is the genes and decoys. Those of `TumorStatistics` are (tumors,
    features) float64. `model_score` (replicates, folds, tumors, features) float64 is NaN where a
    fold lacks the tumor. With null replicates `null_p_value` (nulls, tumors, features) and
    `null_model_score` (nulls, folds, tumors, features) are float64.
    """

    score: np.ndarray
    sd: np.ndarray
    effect: np.ndarray
    positive: np.ndarray
    positive_low: np.ndarray
    positive_high: np.ndarray
    p_value: np.ndarray
    model_score: np.ndarray
    null_p_value: np.ndarray | None
    null_model_score: np.ndarray | None


@dataclass(frozen=True)
class BandResamples:
    """Bootstraps and sign flips of the genes of one band in one ranking.

    `bootstrap` (tumors, bootstraps, features) float32 is NaN for tumors with too few patients;
    `flips` holds, by the number of the tumor, the flips of its testable genes.
    """

    flips: Mapping[str, FlipRecords]
    bootstrap: np.ndarray = stored(chunks=(1, None, None))


@dataclass(frozen=True)
class BandRanking(BandResamples, BandStatistics):
    """All that a band's file holds of one ranking."""


@dataclass(frozen=True)
class BandExpression:
    """Expression of the genes of a band in each tumor against all others, (tumors, genes)."""

    expression_auroc: np.ndarray
    log2_fold_change: np.ndarray


@dataclass(frozen=True)
class Bands:
    """The files of all bands, open for reading; arrays are joined along the genes and decoys."""

    files: Sequence[h5py.File]

    def statistics(self, key: RankingKey) -> BandStatistics:
        """The statistics of all genes and decoys in one ranking."""
        parts = [records.read_record(group, BandStatistics) for group in self._groups(key)]
        return _side_by_side(parts)

    def expression(self) -> BandExpression:
        """Expression of all genes."""
        return _side_by_side([records.read_record(file, BandExpression) for file in self.files])

    def bootstraps(self, key: RankingKey, tumor: int) -> np.ndarray:
        """(bootstraps, genes + decoys) float32 scores of one tumor."""
        parts = [records.read_array(group, "bootstrap", tumor) for group in self._groups(key)]
        return np.concatenate(parts, axis=-1)

    def flips(self, key: RankingKey, tumor: int) -> list[FlipRecords]:
        """The flips of one tumor, band by band."""
        return [
            records.read_record(group[f"flips/{tumor}"], FlipRecords) for group in self._groups(key)
        ]

    def _groups(self, key: RankingKey) -> list[h5py.Group]:
        return [file[key.name] for file in self.files]


@contextlib.contextmanager
def open_bands(paths: Sequence[Path]) -> Iterator[Bands]:
    """All bands of a run, for reading; FileError where one is missing or damaged."""
    with contextlib.ExitStack() as stack:
        files = [hdf5.open_file(path, BAND_TYPE, remedy=REMEDY) for path in paths]
        yield Bands([stack.enter_context(file) for file in files])


def is_band_complete(path: Path, attributes: Mapping[str, str]) -> bool:
    """Whether a band was finished with these attributes."""
    return hdf5.is_complete(path, BAND_TYPE, attributes)


def read_source(
    run: RunFolder, cohort: Cohort, config: Config, present: Sequence[ShardKey]
) -> BandSource:
    """The predictions of the shards that are there, and the patients of their samples."""
    shape = (len(cohort.layouts), len(cohort.sample), len(cohort.tumors))
    probability = np.full(shape, np.nan, dtype=np.float32)
    zero_maps = dict.fromkeys(config.explain.methods, 0)
    for key in present:
        if key.null:
            continue
        predictions = shards.read_predictions(run.shard(key))
        probability[key.replicate, predictions.sample_index] = predictions.probability
        for method, n in shards.zero_maps(run.shard(key), config.explain.methods).items():
            zero_maps[method] += n
    explained = (~np.isnan(probability[:, :, 0])).sum(axis=0)
    some = np.flatnonzero(explained)
    ensemble = classification.ensemble_probability(probability)[some]
    is_correct = ensemble.argmax(axis=1) == cohort.tumor[some]
    kept = some[is_correct | (not config.significance.correct_only)]
    patients = resampling.group_patients(cohort, kept, config)
    first = np.unique(patients.patient, return_index=True)[1]
    n_patients = np.zeros((cohort.n_folds, len(cohort.tumors)), dtype=np.int64)
    np.add.at(n_patients, (cohort.fold[kept[first]], patients.tumor), 1)
    samples = HeldOutSamples(
        probability=probability,
        explained=explained,
        kept=kept,
        patients=patients,
        n_patients=n_patients,
        recall=classification.score_classifier(ensemble, cohort.tumor[some]).recall,
        zero_maps=zero_maps,
    )
    return BandSource(run, cohort, config, present, samples)


def write_band(path: Path, attributes: Mapping[str, str], source: BandSource, band: slice) -> None:
    """Compute and write the statistics of a band of genes and decoys.

    A pass over the shards takes as many rankings as fit SUM_BYTES.
    """
    cohort, keys = source.cohort, source.keys
    at_once = max(1, SUM_BYTES // (8 * len(cohort.sample) * BAND))
    with hdf5.create_file(path, BAND_TYPE, attributes) as file:
        for start in range(0, len(keys), at_once):
            for key, ranking in band_rankings(source, band, keys[start : start + at_once]):
                records.write_record(file.create_group(key.name), ranking)
        expression, n_tumors = cohort.gene_band(band), len(cohort.tumors)  # empty beyond the genes
        columns = BandExpression(
            statistics.expression_auroc(expression, cohort.tumor, n_tumors=n_tumors),
            statistics.log2_fold_change(expression, cohort.tumor, n_tumors=n_tumors),
        )
        records.write_record(file, columns)


def band_rankings(
    source: BandSource, band: slice, keys: Sequence[RankingKey]
) -> Iterator[tuple[RankingKey, BandRanking]]:
    """All that a band's file holds of some rankings, computed from the shards that are there.

    A sample counts by its mean over the replicates that explain it, a patient by the mean of its
    samples.
    """
    cohort, samples = source.cohort, source.samples
    testable = np.append(cohort.variance, cohort.variance[cohort.decoy_gene])[band] > 0
    is_gene = np.arange(band.start, band.stop) < len(cohort.genes)
    sums = {key: _Sums.start(source, band) for key in keys}
    for replicate in _by_replicate(source.present):
        values, has_sample = _read_replicate(source, replicate, band, keys)
        for key, so_far in sums.items():
            if replicate[0].null:
                so_far.add_null(values[key.name], has_sample, source, testable)
            else:  # one replicate after the other: the order of the sum is fixed
                so_far.add(values[key.name], has_sample, source)
    has_sample = samples.explained > 0
    for key, so_far in sums.items():
        so_far.total[has_sample] /= samples.explained[has_sample, np.newaxis]
        means, codes = _patients(so_far.total, has_sample, samples)
        columns = _stacked(_by_tumor(means, codes, source, testable))
        bootstraps, flips = _resample(means, source, testable & is_gene)
        columns |= so_far.columns()
        yield key, BandRanking(bootstrap=bootstraps, flips=flips, **columns)


def _by_replicate(present: Sequence[ShardKey]) -> list[list[ShardKey]]:
    groups = groupby(present, key=lambda shard: (shard.null, shard.replicate))
    return [list(shards_of) for _, shards_of in groups]


@dataclass
class _Sums:
    """What one pass over the replicates' shards adds up for a ranking."""

    total: np.ndarray
    model_score: list[np.ndarray]
    null_model_score: list[np.ndarray]
    null_p_value: list[np.ndarray]

    @classmethod
    def start(cls, source: BandSource, band: slice) -> "_Sums":
        """Nothing added yet."""
        return cls(np.zeros((len(source.cohort.sample), band.stop - band.start)), [], [], [])

    def add(self, values: np.ndarray, has_sample: np.ndarray, source: BandSource) -> None:
        """Add the values (samples, band) of a replicate."""
        self.model_score.append(_model_scores(values, has_sample, source))
        self.total[has_sample] += values[has_sample]

    def add_null(
        self, values: np.ndarray, has_sample: np.ndarray, source: BandSource, testable: np.ndarray
    ) -> None:
        """Add the values (samples, band) of a null replicate."""
        self.null_model_score.append(_model_scores(values, has_sample, source))
        means, codes = _patients(values, has_sample, source.samples)
        by_tumor = _by_tumor(means, codes, source, testable)
        self.null_p_value.append(np.stack([tumor.p_value for tumor in by_tumor]))

    def columns(self) -> dict[str, Any]:
        """The scores of models and null models, for `BandStatistics`."""
        names = ("model_score", "null_model_score", "null_p_value")
        parts = {name: getattr(self, name) for name in names}
        return {name: np.stack(arrays) if arrays else None for name, arrays in parts.items()}


def _side_by_side(parts: Sequence[records.Record]) -> records.Record:
    """One record whose arrays are those of all parts, joined along the last axis."""
    columns = {
        field.name: [getattr(part, field.name) for part in parts]
        for field in fields(parts[0])  # type: ignore[arg-type]
    }
    joined = {
        name: None if arrays[0] is None else np.concatenate(arrays, axis=-1)
        for name, arrays in columns.items()
    }
    return type(parts[0])(**joined)


def _read_replicate(
    source: BandSource, of_replicate: Sequence[ShardKey], band: slice, keys: Sequence[RankingKey]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """(samples, band) float16 of each ranking, and whether a shard has the sample."""
    shape = (len(source.cohort.sample), band.stop - band.start)
    values = {key.name: np.zeros(shape, dtype=np.float16) for key in keys}
    has_sample = np.zeros(shape[0], dtype=bool)
    for shard in of_replicate:
        path = source.run.shard(shard)
        index = shards.read_predictions(path).sample_index
        has_sample[index] = True
        for name, part in shards.read_band(path, keys, band).items():
            values[name][index] = part
    return values, has_sample


def _patients(
    values: np.ndarray, has_sample: np.ndarray, samples: HeldOutSamples
) -> tuple[np.ndarray, np.ndarray]:
    """(patients, band) means over each patient's samples that count, and the patients' codes."""
    chosen = has_sample[samples.kept]
    codes, patient = np.unique(samples.patients.patient[chosen], return_inverse=True)
    rows = values[samples.kept[chosen]].astype(np.float64, copy=False)
    return statistics.patient_means(rows, patient), codes


def _model_scores(values: np.ndarray, has_sample: np.ndarray, source: BandSource) -> np.ndarray:
    """(folds, tumors, band): the mean of each model over the patients that it held out."""
    cohort, samples = source.cohort, source.samples
    scores = np.full((cohort.n_folds, len(cohort.tumors), values.shape[1]), np.nan)
    for fold in range(cohort.n_folds):
        means, codes = _patients(values, has_sample & (cohort.fold == fold), samples)
        tumors, tumor = np.unique(samples.patients.tumor[codes], return_inverse=True)
        scores[fold, tumors] = statistics.patient_means(means, tumor)
    return scores


def _by_tumor(
    means: np.ndarray, codes: np.ndarray, source: BandSource, testable: np.ndarray
) -> list[TumorStatistics]:
    """The statistics of each tumor, of (patients, band) means."""
    tumor_of = source.samples.patients.tumor[codes]
    min_patients = source.config.significance.min_patients
    return [
        statistics.tumor_statistics(means[tumor_of == t], testable, min_patients=min_patients)
        for t in range(len(source.cohort.tumors))
    ]


def _stacked(by_tumor: Sequence[TumorStatistics]) -> dict[str, Any]:
    """(tumors, band) of each statistic."""
    names = [field.name for field in fields(TumorStatistics) if field.name != "n"]
    return {name: np.stack([getattr(tumor, name) for tumor in by_tumor]) for name in names}


def _resample(
    means: np.ndarray, source: BandSource, testable: np.ndarray
) -> tuple[np.ndarray, dict[str, FlipRecords]]:
    """Bootstrapped scores (tumors, bootstraps, band), NaN with too few patients, and flips."""
    cohort, patients, config = source.cohort, source.samples.patients, source.config
    shape = (len(cohort.tumors), resampling.N_BOOTSTRAPS, means.shape[1])
    bootstraps = np.full(shape, np.nan, dtype=np.float32)
    flips = {}
    for tumor, name in enumerate(cohort.tumors.tolist()):
        chosen = patients.tumor == tumor
        if chosen.sum() < config.significance.min_patients:
            continue
        weights = patients.weights[:, chosen]
        bootstraps[tumor] = resampling.bootstrap_means(means[chosen], weights)
        draw = functools.partial(config.rng, "flips", name)
        flips[str(tumor)] = resampling.flip_records(means[chosen][:, testable], draw)
    return bootstraps, flips
