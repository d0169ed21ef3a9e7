"""Statistics of one band of columns: the part of reduce that MPI ranks divide."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from itertools import groupby
from typing import NamedTuple

import numpy as np

from tumorcam.explain import shards
from tumorcam.explain.shards import BAND
from tumorcam.explain.views import RankingKey
from tumorcam.significance import resampling, statistics
from tumorcam.significance.bands import BandExpression, BandRanking, BandResamples
from tumorcam.significance.held_out import BandSource, HeldOutSamples
from tumorcam.significance.statistics import PatientStatistics
from tumorcam.storage.plan import ShardKey

SUM_BYTES = 2**29  # of the sums that a pass over the shards fills


def all_rankings(source: BandSource, band: slice) -> Iterator[tuple[RankingKey, BandRanking]]:
    """`band_rankings` of all rankings; a pass over the shards takes as many as fit SUM_BYTES."""
    keys = source.keys
    n_runs = 1 + source.config.layout.nulls
    at_once = max(1, SUM_BYTES // (8 * len(source.cohort.sample) * BAND * n_runs))
    for start in range(0, len(keys), at_once):
        yield from band_rankings(source, band, keys[start : start + at_once])


def band_expression(source: BandSource, band: slice) -> BandExpression:
    """Expression of the genes of a band; decoys have none."""
    cohort = source.cohort
    expression, n_tumors = cohort.gene_band(band), len(cohort.tumors)  # empty beyond the genes
    return BandExpression(
        expression_auroc=statistics.expression_auroc(expression, cohort.tumor, n_tumors=n_tumors),
        log2_fold_change=statistics.log2_fold_change(expression, cohort.tumor, n_tumors=n_tumors),
    )


def band_rankings(
    source: BandSource, band: slice, keys: Sequence[RankingKey]
) -> Iterator[tuple[RankingKey, BandRanking]]:
    """All that a band's file holds of some rankings, computed from the shards that are there.

    A sample counts by its mean over the replicates that explain it, a patient by the mean of its
    samples. Null runs are added up in the same way.
    """
    cohort = source.cohort
    testable = cohort.is_testable[band]
    n_genes = max(0, min(band.stop, len(cohort.genes)) - band.start)
    real, *nulls = (
        _add_up(source, list(shards_of), band, keys)
        for _, shards_of in groupby(source.sample_index, key=lambda shard: shard.null)
    )
    for key in keys:
        so_far = real[key]
        patients = _patient_means(so_far.mean(), so_far.n_replicates > 0, source.samples)
        null_scores = [_null_statistics(null[key], source, testable) for null in nulls]
        yield (
            key,
            BandRanking(
                **vars(_by_tumor(patients, source, testable)),
                model_score=np.stack(so_far.model_score),
                replicate_score=np.stack(so_far.replicate_score),
                null_p_value=_stacked([null.p_value for null in null_scores]),
                null_score=_stacked([null.score for null in null_scores]),
                null_model_score=_stacked([null.model_score for null in null_scores]),
                **vars(_resample(patients.means[:, :n_genes], source, testable[:n_genes])),
            ),
        )


def _add_up(
    source: BandSource, of_run: Sequence[ShardKey], band: slice, keys: Sequence[RankingKey]
) -> dict[RankingKey, "_Sums"]:
    """The sums of each ranking over the replicates of the run itself or of a null run."""
    sums = {key: _Sums.start(source, band) for key in keys}
    for _, of_replicate in groupby(of_run, key=lambda shard: shard.replicate):
        values, has_sample = _read_replicate(source, list(of_replicate), band, keys)
        for key, so_far in sums.items():  # one replicate after the other: a fixed order of the sum
            so_far.add(values[key.name], has_sample, source)
    return sums


def _stacked(arrays: Sequence[np.ndarray]) -> np.ndarray | None:
    return np.stack(arrays) if arrays else None


@dataclass
class _Sums:
    """What a pass over the shards of all replicates has added up for a ranking so far.

    `total` (samples, band) is the sum over `n_replicates` (samples,) replicates.
    """

    total: np.ndarray
    n_replicates: np.ndarray
    model_score: list[np.ndarray] = field(default_factory=list)
    replicate_score: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def start(cls, source: BandSource, band: slice) -> "_Sums":
        """The sums before the first replicate."""
        n_samples = len(source.cohort.sample)
        return cls(np.zeros((n_samples, band.stop - band.start)), np.zeros(n_samples, dtype=int))

    def add(self, values: np.ndarray, has_sample: np.ndarray, source: BandSource) -> None:
        """Add the values (samples, band) of a replicate."""
        self.model_score.append(_model_scores(values, has_sample, source))
        self.replicate_score.append(_scores(values, has_sample, source))
        self.total[has_sample] += values[has_sample]
        self.n_replicates += has_sample

    def mean(self) -> np.ndarray:
        """(samples, band): the mean over replicates, 0 for a sample that none explains."""
        return self.total / np.maximum(self.n_replicates, 1)[:, np.newaxis]


class _NullStatistics(NamedTuple):
    """Of a null run: (tumors, band) twice, and (replicates, folds, tumors, band)."""

    p_value: np.ndarray
    score: np.ndarray
    model_score: np.ndarray


def _null_statistics(sums: _Sums, source: BandSource, testable: np.ndarray) -> _NullStatistics:
    patients = _patient_means(sums.mean(), sums.n_replicates > 0, source.samples)
    by_tumor = _by_tumor(patients, source, testable)
    models = np.stack(sums.model_score)
    absent = source.config.layout.replicates - len(models)  # of a partial null run
    padding = [(0, absent)] + [(0, 0)] * (models.ndim - 1)
    padded = np.pad(models, padding, constant_values=np.nan)
    return _NullStatistics(by_tumor.p_value, by_tumor.score, padded)


class _ReplicateValues(NamedTuple):
    """Values (samples, band) float16 by ranking, and whether a shard has each sample."""

    values: dict[str, np.ndarray]
    has_sample: np.ndarray


def _read_replicate(
    source: BandSource, of_replicate: Sequence[ShardKey], band: slice, keys: Sequence[RankingKey]
) -> _ReplicateValues:
    shape = (len(source.cohort.sample), band.stop - band.start)
    values = {key.name: np.zeros(shape, dtype=np.float16) for key in keys}
    has_sample = np.zeros(shape[0], dtype=bool)
    for shard in of_replicate:
        index = source.sample_index[shard]
        has_sample[index] = True
        for name, part in shards.read_band(source.run.shard(shard), keys, band).items():
            values[name][index] = part
    return _ReplicateValues(values, has_sample)


class _PatientMeans(NamedTuple):
    """Means (patients, band) over each patient's samples, and the codes (patients,) int."""

    means: np.ndarray
    codes: np.ndarray


def _patient_means(
    values: np.ndarray, has_sample: np.ndarray, samples: HeldOutSamples
) -> _PatientMeans:
    """Means over the samples that count; codes are those of `samples.patients`."""
    chosen = has_sample[samples.kept]
    codes, patient = np.unique(samples.patients.patient[chosen], return_inverse=True)
    rows = values[samples.kept[chosen]].astype(np.float64, copy=False)
    return _PatientMeans(statistics.patient_means(rows, patient), codes)


def _model_scores(values: np.ndarray, has_sample: np.ndarray, source: BandSource) -> np.ndarray:
    """(folds, tumors, band): the score of each model over the patients that it held out."""
    fold = source.cohort.fold
    return np.stack(
        [
            _scores(values, has_sample & (fold == number), source)
            for number in range(source.cohort.n_folds)
        ]
    )


def _scores(values: np.ndarray, has_sample: np.ndarray, source: BandSource) -> np.ndarray:
    """(tumors, band): the scores over the patients of some samples, NaN without any."""
    means, codes = _patient_means(values, has_sample, source.samples)
    tumor_of = source.samples.patients.tumor[codes]
    return np.stack(
        [
            statistics.trimmed_means(means[tumor_of == tumor])
            for tumor in range(len(source.cohort.tumors))
        ]
    )


def _by_tumor(
    patients: _PatientMeans, source: BandSource, testable: np.ndarray
) -> PatientStatistics:
    """The statistics of all tumors, each (tumors, band)."""
    tumor_of = source.samples.patients.tumor[patients.codes]
    min_patients = source.config.significance.min_patients
    by_tumor = [
        statistics.tumor_statistics(
            patients.means[tumor_of == t], testable, min_patients=min_patients
        )
        for t in range(len(source.cohort.tumors))
    ]
    names = [column.name for column in fields(PatientStatistics)]
    return PatientStatistics(
        **{name: np.stack([getattr(tumor, name) for tumor in by_tumor]) for name in names}
    )


def _resample(means: np.ndarray, source: BandSource, testable: np.ndarray) -> BandResamples:
    """Bootstraps and flips of (patients, genes) means; tumors with too few patients have none."""
    cohort, patients, config = source.cohort, source.samples.patients, source.config
    shape = (len(cohort.tumors), resampling.N_BOOTSTRAPS, means.shape[1])
    bootstraps = np.full(shape, np.nan, dtype=np.float32)
    flips = {}
    for tumor, name in enumerate(cohort.tumors.tolist()):
        chosen = patients.tumor == tumor
        if chosen.sum() < config.significance.min_patients:
            continue
        weights = patients.weights[:, chosen]
        values = statistics.winsorised(means[chosen])
        bootstraps[tumor] = resampling.bootstrap_means(values, weights)
        draw = functools.partial(config.rng, "flips", name)
        flips[str(tumor)] = resampling.flip_records(means[chosen][:, testable], draw)
    return BandResamples(bootstrap=bootstraps, flips=flips)
