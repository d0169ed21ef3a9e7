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
    at_once = max(1, SUM_BYTES // (8 * len(source.cohort.sample) * BAND))
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
    samples.
    """
    cohort, samples = source.cohort, source.samples
    testable = cohort.is_testable[band]
    n_genes = max(0, min(band.stop, len(cohort.genes)) - band.start)
    sums = {key: _Sums.start(source, band) for key in keys}
    for replicate in _by_replicate(source):
        values, has_sample = _read_replicate(source, replicate, band, keys)
        for key, so_far in sums.items():
            if replicate[0].null:
                so_far.add_null(values[key.name], has_sample, source, testable)
            else:  # one replicate after the other: the order of the sum is fixed
                so_far.add(values[key.name], has_sample, source)
    has_sample = samples.explained > 0
    for key, so_far in sums.items():
        so_far.total[has_sample] /= samples.explained[has_sample, np.newaxis]
        patients = _patient_means(so_far.total, has_sample, samples)
        resamples = _resample(patients.means[:, :n_genes], source, testable[:n_genes])
        ranking = BandRanking(
            **vars(_by_tumor(patients, source, testable)),
            model_score=np.stack(so_far.model_score),
            replicate_score=np.stack(so_far.replicate_score),
            null_p_value=_stacked(so_far.null_p_value),
            null_score=_stacked(so_far.null_score),
            null_model_score=_stacked(so_far.null_model_score),
            **vars(resamples),
        )
        yield key, ranking


def _by_replicate(source: BandSource) -> list[list[ShardKey]]:
    groups = groupby(source.sample_index, key=lambda shard: (shard.null, shard.replicate))
    return [list(shards_of) for _, shards_of in groups]


def _stacked(arrays: Sequence[np.ndarray]) -> np.ndarray | None:
    return np.stack(arrays) if arrays else None


@dataclass
class _Sums:
    """What a pass over the shards of all replicates has added up for a ranking so far."""

    total: np.ndarray
    model_score: list[np.ndarray] = field(default_factory=list)
    replicate_score: list[np.ndarray] = field(default_factory=list)
    null_model_score: list[np.ndarray] = field(default_factory=list)
    null_score: list[np.ndarray] = field(default_factory=list)
    null_p_value: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def start(cls, source: BandSource, band: slice) -> "_Sums":
        """The sums before the first replicate."""
        return cls(np.zeros((len(source.cohort.sample), band.stop - band.start)))

    def add(self, values: np.ndarray, has_sample: np.ndarray, source: BandSource) -> None:
        """Add the values (samples, band) of a replicate."""
        self.model_score.append(_model_scores(values, has_sample, source))
        self.replicate_score.append(_scores(values, has_sample, source))
        self.total[has_sample] += values[has_sample]

    def add_null(
        self, values: np.ndarray, has_sample: np.ndarray, source: BandSource, testable: np.ndarray
    ) -> None:
        """Add the values (samples, band) of a null replicate."""
        self.null_model_score.append(_model_scores(values, has_sample, source))
        patients = _patient_means(values, has_sample, source.samples)
        by_tumor = _by_tumor(patients, source, testable)
        self.null_score.append(by_tumor.score)
        self.null_p_value.append(by_tumor.p_value)


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
