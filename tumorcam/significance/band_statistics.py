"""Statistics of one band of columns: the part of reduce that MPI ranks divide."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import NamedTuple

import numpy as np

from tumorcam.explain.views import RankingKey
from tumorcam.significance import resampling, statistics
from tumorcam.significance.band_values import BandValues
from tumorcam.significance.bands import BandExpression, BandFlips, BandRanking
from tumorcam.significance.held_out import BandSource
from tumorcam.significance.statistics import PatientStatistics


def band_expression(source: BandSource, band: slice) -> BandExpression:
    """Expression of the genes of a band; decoys have none."""
    tumor, n_tumors = source.cohort.tumor, len(source.cohort.tumors)
    parts = [
        (
            statistics.expression_auroc(expression, tumor, n_tumors=n_tumors),
            statistics.log2_fold_change(expression, tumor, n_tumors=n_tumors),
        )
        for expression in source.cohort.gene_bands(band)  # one without columns beyond the genes
    ]
    auroc, change = (np.concatenate(of, axis=1) for of in zip(*parts, strict=True))
    return BandExpression(expression_auroc=auroc, log2_fold_change=change)


def band_rankings(
    source: BandSource, band: slice, keys: Sequence[RankingKey]
) -> Iterator[tuple[RankingKey, BandRanking]]:
    """All that a band's file holds of some rankings, computed from the shards that are there.

    A sample counts by its mean over the replicates that explain it, a patient by the mean of its
    samples. Null runs are added up in the same way. One tumor is in memory at a time.
    """
    tumors = range(len(source.cohort.tumors))
    with BandValues(source, band, keys) as values:
        nulls = list(dict.fromkeys(null for null, _ in values.replicates if null))
        for key in keys:
            real = [_tumor_ranking(values, key, tumor, source, band) for tumor in tumors]
            of_nulls = [
                [_tumor_null(values, key, null, tumor, source, band) for tumor in tumors]
                for null in nulls
            ]
            yield key, _band_ranking(real, of_nulls, source)


class _TumorMeans(NamedTuple):
    """What the replicates of one run say of a tumor in a band.

    `means` is (patients, band) float64. `model_score` (replicates, folds, band) and
    `replicate_score` (replicates, band) are the scores by each model and replicate, NaN without
    any patient.
    """

    means: np.ndarray
    model_score: np.ndarray
    replicate_score: np.ndarray


class _TumorRanking(NamedTuple):
    """The statistics of a tumor, its scores by models and replicates, and its resamples.

    `bootstrap` (bootstraps, genes) is NaN, and `flips` None, with too few patients.
    """

    statistics: PatientStatistics
    model_score: np.ndarray
    replicate_score: np.ndarray
    bootstrap: np.ndarray
    flips: resampling.FlipRecords | None


class _TumorNull(NamedTuple):
    """Of a null run: (band,) p-values and scores, and (replicates, folds, band) scores."""

    p_value: np.ndarray
    score: np.ndarray
    model_score: np.ndarray


def _band_ranking(
    real: Sequence[_TumorRanking], nulls: Sequence[Sequence[_TumorNull]], source: BandSource
) -> BandRanking:
    """The rankings of all tumors side by side."""
    by_tumor = {
        column.name: np.stack([getattr(tumor.statistics, column.name) for tumor in real])
        for column in fields(PatientStatistics)
    }
    null_scores = [_null_scores(null, source) for null in nulls]
    return BandRanking(
        **by_tumor,
        model_score=np.stack([tumor.model_score for tumor in real], axis=2),
        replicate_score=np.stack([tumor.replicate_score for tumor in real], axis=1),
        null_p_value=_stacked([null.p_value for null in null_scores]),
        null_score=_stacked([null.score for null in null_scores]),
        null_model_score=_stacked([null.model_score for null in null_scores]),
        bootstrap=np.stack([tumor.bootstrap for tumor in real]),
        flips=BandFlips.of([tumor.flips for tumor in real]),
    )


def _null_scores(tumors: Sequence[_TumorNull], source: BandSource) -> _TumorNull:
    """All tumors of a null run; the tumors are the axis before the band."""
    models = np.stack([tumor.model_score for tumor in tumors], axis=2)
    absent = source.config.layout.replicates - len(models)  # of a partial null run
    padding = [(0, absent)] + [(0, 0)] * (models.ndim - 1)
    return _TumorNull(
        np.stack([tumor.p_value for tumor in tumors]),
        np.stack([tumor.score for tumor in tumors]),
        np.pad(models, padding, constant_values=np.nan),
    )


def _stacked(arrays: Sequence[np.ndarray]) -> np.ndarray | None:
    return np.stack(arrays) if arrays else None


def _tumor_ranking(
    values: BandValues, key: RankingKey, tumor: int, source: BandSource, band: slice
) -> _TumorRanking:
    of_tumor = _tumor_means(values, key, 0, tumor, source)
    testable, n_patients = source.cohort.is_testable[band], source.samples.n_patients[tumor]
    min_patients = source.config.significance.min_patients
    n_genes = max(0, min(band.stop, len(source.cohort.genes)) - band.start)
    means = np.ascontiguousarray(of_tumor.means[:, :n_genes])
    bootstrap = np.full((resampling.N_BOOTSTRAPS, n_genes), np.nan, dtype=np.float32)
    flips = None
    if n_patients >= min_patients:
        patients, name = source.samples.patients, str(source.cohort.tumors[tumor])
        weights = patients.weights[:, patients.tumor == tumor]
        bootstrap = resampling.bootstrap_means(statistics.winsorised(means), weights)
        draw = functools.partial(source.config.rng, "flips", name)
        flips = resampling.flip_records(means[:, testable[:n_genes]], draw)
    return _TumorRanking(
        statistics.tumor_statistics(of_tumor.means, testable, min_patients=min_patients),
        of_tumor.model_score,
        of_tumor.replicate_score,
        bootstrap,
        flips,
    )


def _tumor_null(
    values: BandValues, key: RankingKey, null: int, tumor: int, source: BandSource, band: slice
) -> _TumorNull:
    of_tumor = _tumor_means(values, key, null, tumor, source)
    of_patients = statistics.tumor_statistics(
        of_tumor.means,
        source.cohort.is_testable[band],
        min_patients=source.config.significance.min_patients,
    )
    return _TumorNull(of_patients.p_value, of_patients.score, of_tumor.model_score)


def _tumor_means(
    values: BandValues, key: RankingKey, null: int, tumor: int, source: BandSource
) -> _TumorMeans:
    """The patients of a tumor in one run, whose replicates are added up in their order."""
    cohort, samples = source.cohort, source.samples
    index = values.samples_of(tumor)
    is_kept = samples.is_kept[index]
    patient = samples.patients.patient[np.searchsorted(samples.kept, index[is_kept])]

    def patient_means(of_samples: np.ndarray, has_sample: np.ndarray) -> np.ndarray:
        chosen = has_sample & is_kept
        rows = of_samples[chosen].astype(np.float64, copy=False)
        return statistics.patient_means(rows, patient[has_sample[is_kept]])

    total: np.ndarray | float = 0.0
    n_replicates = np.zeros(len(index), dtype=int)
    model_score, replicate_score = [], []
    for replicate in (of for of in values.replicates if of[0] == null):
        of_replicate = values.of_tumor(key, replicate, tumor)
        has_sample = values.has_sample[replicate][index]
        models = [has_sample & (cohort.fold[index] == fold) for fold in range(cohort.n_folds)]
        scores = [
            statistics.trimmed_means(patient_means(of_replicate, chosen))
            for chosen in (has_sample, *models)
        ]
        replicate_score.append(scores[0])
        model_score.append(np.stack(scores[1:]))
        total = total + of_replicate.astype(np.float64)  # 0 without a shard
        n_replicates += has_sample
    mean = total / np.maximum(n_replicates, 1)[:, np.newaxis]
    return _TumorMeans(
        patient_means(mean, n_replicates > 0), np.stack(model_score), np.stack(replicate_score)
    )
