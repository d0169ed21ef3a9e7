"""The file calls.h5: what the networks together call each new sample, and how far to trust it."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from tumorcam.applied.new_cohort import UNKNOWN, read_new_samples
from tumorcam.applied.predictions import predictions_of
from tumorcam.applied.reference import Reference, blocks, calibrated
from tumorcam.applied.shift import HangingCalls
from tumorcam.cohort.cohort import Cohort
from tumorcam.errors import ConfigError
from tumorcam.readers.samples_table.sample_types import is_normal
from tumorcam.settings.config import Config
from tumorcam.storage import chain, hdf5, integrity, records
from tumorcam.storage.plan import Plan
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import model_digest

CALLS_TYPE = "tumorcam-calls"
STAGE = "train"
REMEDY = "run `tumorcam classify`"
CALLED, LABEL = "called", "label"  # of apply.target


@dataclass(frozen=True)
class SampleCalls:
    """What the networks together call each sample.

    Attributes
    ----------
    probability : (samples, tumors) float32
        Mean over the networks that did not train on the patient.
    calibrated : (samples, tumors) float32
        The same with the temperature of `Calibration`.
    call, runner_up : (samples,) int16
        Indices of the two most probable tumors.
    agreement : (samples,) float32
        Share of these networks whose most probable tumor is the call.
    n_networks : (samples,) int16
        Their number.
    distance : (samples,) float64
        `FoldReference.distance`, mean over the folds that did not train on the patient.
    false_alarm : (samples,) float64
        Share of the run's held-out samples that lie as far.
    is_unlike : (samples,) bool
        Whether that share is at most apply.false_alarms: unlike anything in the run.
    """

    probability: np.ndarray
    calibrated: np.ndarray
    call: np.ndarray
    runner_up: np.ndarray
    agreement: np.ndarray
    n_networks: np.ndarray
    distance: np.ndarray
    false_alarm: np.ndarray
    is_unlike: np.ndarray


@dataclass(frozen=True)
class Calls(SampleCalls):
    """The calls of all samples; `shift` says how the new samples differ from the training cohort.

    `recall` (tumors,) float64 is the share of each tumor's held-out samples of the run that its
    networks call right.
    """

    recall: np.ndarray
    shift: HangingCalls


def call_samples(
    run: RunFolder, cohort: Cohort, plan: Plan, config: Config, reference: Reference
) -> SampleCalls:
    """The calls of all samples, from the predictions of all models.

    Raises
    ------
    FileError
        If a prediction is missing or damaged.
    """
    n, n_tumors = len(cohort.sample), len(cohort.tumors)
    total, votes = np.zeros((n, n_tumors)), np.zeros((n, n_tumors), int)
    for model in plan.models:
        judged = predictions_of(run, plan, model)
        total[judged.sample] += judged.probability
        votes[judged.sample, judged.probability.argmax(axis=1)] += 1
    n_networks = votes.sum(axis=1)
    probability = total / n_networks[:, np.newaxis]
    order = np.argsort(-probability, axis=1, kind="stable")
    call = order[:, 0]
    distance = _distances(run, cohort, reference)
    false_alarm = reference.false_alarm(distance)
    return SampleCalls(
        probability=probability.astype(np.float32),
        calibrated=calibrated(probability, reference.calibration.temperature).astype(np.float32),
        call=call.astype(np.int16),
        runner_up=order[:, 1].astype(np.int16),
        agreement=(votes[np.arange(n), call] / n_networks).astype(np.float32),
        n_networks=n_networks.astype(np.int16),
        distance=distance,
        false_alarm=false_alarm,
        is_unlike=false_alarm <= config.apply.false_alarms,
    )


def _distances(run: RunFolder, cohort: Cohort, reference: Reference) -> np.ndarray:
    """(samples,) float64: the mean distance over the folds that did not train on the patient."""
    is_own, distance = read_new_samples(run.cohort).is_own, np.empty(len(cohort.sample))
    for rows in blocks(len(cohort.sample)):
        expression = cohort.expression(rows)
        of_fold = np.stack([fold.distance(expression) for fold in reference.folds])
        own = of_fold[cohort.fold[rows], np.arange(len(expression))]
        distance[rows] = np.where(is_own[rows], own, of_fold.mean(axis=0))
    return distance


def call_attributes(run: RunFolder, cohort: Cohort, plan: Plan, config: Config) -> dict[str, str]:
    """Root attributes of the file: its samples, networks and settings."""
    digests = "".join(model_digest(run.model(model)) for model in plan.models)
    models = {"models_digest": integrity.text_digest(digests)}
    return {"cohort_digest": cohort.digest} | models | chain.made_with(config, STAGE)


def are_calls_current(run: RunFolder, cohort: Cohort, plan: Plan, config: Config) -> bool:
    """Whether the file is there, and of these samples, networks and settings."""
    attributes = call_attributes(run, cohort, plan, config)
    return hdf5.is_complete(run.calls, CALLS_TYPE, attributes)


def write_calls(run: RunFolder, cohort: Cohort, plan: Plan, config: Config, calls: Calls) -> None:
    """Write the calls; FileError if the disk or a quota is full."""
    attributes = call_attributes(run, cohort, plan, config)
    with hdf5.create_file(run.calls, CALLS_TYPE, attributes) as file:
        records.write_record(file, calls)


def read_calls(run: RunFolder, cohort: Cohort, config: Config) -> Calls:
    """Read the calls of new samples.

    Raises
    ------
    FileError
        If the file is missing, damaged, or of other samples or settings.
    """
    attributes = hdf5.stored_attributes(run.calls, CALLS_TYPE, remedy=REMEDY)
    chain.require_settings(run.calls, attributes, config, STAGE)
    hdf5.require_cohort(attributes, run.calls, cohort.digest, remedy=REMEDY)
    with hdf5.open_file(run.calls, CALLS_TYPE, remedy=REMEDY) as file:
        return records.read_record(file, Calls)


def explained_cohort(run: RunFolder, cohort: Cohort, config: Config) -> Cohort:
    """A cohort whose samples have the tumors that they are explained for.

    A run's own cohort is returned as it is. New samples get their targets; those that are unlike
    anything in the run, normal tissue and, by labels, those of no tumor of the run are explained,
    but do not count in tables of tumors.

    Raises
    ------
    FileError
        If the calls of new samples are missing, damaged, or of other samples or settings.
    ConfigError
        If apply.target names no tumor of the run.
    """
    if run.networks is None:
        return cohort
    calls = read_calls(run, cohort, config)
    is_tissue = np.array([is_normal(code) for code in cohort.sample_type.tolist()], bool)
    is_counted = ~calls.is_unlike & ~is_tissue
    if config.apply.target == LABEL:
        has_label = read_new_samples(run.cohort).label != ""
        is_counted &= ~has_label | (cohort.tumor != UNKNOWN)
    return dataclasses.replace(
        cohort,
        tumor=targets(cohort, calls, config.apply.target),
        is_counted=is_counted,
        recall=calls.recall,
    )


def require_target(target: str, tumors: np.ndarray) -> None:
    """Check apply.target; ConfigError if it names no tumor of the run."""
    if target not in (CALLED, LABEL, *tumors.tolist()):
        msg = (
            f"apply.target is {target!r}; wanted {CALLED}, {LABEL}, or a tumor of the run: "
            f"{', '.join(tumors)}"
        )
        raise ConfigError(msg)


def targets(cohort: Cohort, calls: SampleCalls, target: str) -> np.ndarray:
    """(samples,) int64: the tumor for which each new sample is explained.

    Parameters
    ----------
    cohort : Cohort
        Its `tumor` is the label, -1 where it is unknown or no tumor of the run.
    target : str
        As apply.target.

    Raises
    ------
    ConfigError
        If it names no tumor of the run.
    """
    call = calls.call.astype(np.int64)
    if target == CALLED:
        return call
    if target == LABEL:
        return np.where(cohort.tumor == UNKNOWN, call, cohort.tumor)
    require_target(target, cohort.tumors)
    return np.full(len(call), int(np.flatnonzero(cohort.tumors == target)[0]))
