"""Predictions for held-out samples, and the patients over whom statistics are computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tumorcam.cohort.cohort import Cohort
from tumorcam.explain import shards
from tumorcam.explain.views import RankingKey, ranking_keys
from tumorcam.settings.config import Config
from tumorcam.significance import classification, resampling
from tumorcam.significance.resampling import Patients
from tumorcam.storage.plan import ShardKey
from tumorcam.storage.run_folder import RunFolder


@dataclass(frozen=True)
class HeldOutSamples:
    """Predictions of all samples by the networks that held them out, and their patients.

    `probability` (replicates, samples, tumors) float32 is NaN where a shard is missing. `kept`
    (kept samples,) int are the samples that count, ascending; `patients` are their patients, and
    `n_patients` (tumors,) int their numbers. `recall` (tumors,) float64 is the share
    of a tumor's explained samples that the ensemble classifies correctly, NaN without any; of new
    samples it is that of the run's own samples.
    `zero_maps` maps a method to the number of samples whose maps are all zero.
    """

    probability: np.ndarray
    kept: np.ndarray
    patients: Patients
    n_patients: np.ndarray
    recall: np.ndarray
    zero_maps: Mapping[str, int]

    @cached_property
    def is_kept(self) -> np.ndarray:
        """(samples,) bool: whether each sample of the cohort counts."""
        is_kept = np.zeros(self.probability.shape[1], dtype=bool)
        is_kept[self.kept] = True
        return is_kept


@dataclass(frozen=True)
class BandSource:
    """What bands are computed from: the shards of a run that are there, and their samples.

    `sample_index` maps each of these shards, in the order of the plan, to the indices (samples,)
    int32 of its samples in the cohort.
    """

    run: RunFolder
    cohort: Cohort
    config: Config
    sample_index: Mapping[ShardKey, np.ndarray]
    samples: HeldOutSamples

    @property
    def keys(self) -> list[RankingKey]:
        """All rankings of the run."""
        return ranking_keys(self.config.explain.methods)


def read_source(
    run: RunFolder, cohort: Cohort, config: Config, present: Sequence[ShardKey]
) -> BandSource:
    """The predictions of the shards that are there, and the patients of their samples."""
    shape = (cohort.n_replicates, len(cohort.sample), len(cohort.tumors))
    probability = np.full(shape, np.nan, dtype=np.float32)
    zero_maps = dict.fromkeys(config.explain.methods, 0)
    sample_index = {}
    for key in present:
        predictions = shards.read_predictions(run.shard(key))
        sample_index[key] = predictions.sample_index
        if key.null:
            continue
        probability[key.replicate, predictions.sample_index] = predictions.probability
        for method, n in shards.zero_maps(run.shard(key), config.explain.methods).items():
            zero_maps[method] += n
    has_shard = np.flatnonzero((~np.isnan(probability[:, :, 0])).any(axis=0))
    ensemble = classification.ensemble_probability(probability)[has_shard]
    is_correct = ensemble.argmax(axis=1) == cohort.tumor[has_shard]
    is_kept = is_correct | (not config.significance.correct_only)
    if cohort.is_counted is not None:
        is_kept &= cohort.is_counted[has_shard]
    kept = has_shard[is_kept]
    recall = cohort.recall
    if recall is None:
        recall = classification.score_classifier(ensemble, cohort.tumor[has_shard]).recall
    patients = resampling.group_patients(cohort, kept, config)
    samples = HeldOutSamples(
        probability=probability,
        kept=kept,
        patients=patients,
        n_patients=np.bincount(patients.tumor, minlength=len(cohort.tumors)),
        recall=recall,
        zero_maps=zero_maps,
    )
    return BandSource(
        run=run, cohort=cohort, config=config, sample_index=sample_index, samples=samples
    )
