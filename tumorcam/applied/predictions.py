"""The files predictions/*.h5: what one model makes of a block of new samples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from tumorcam.cohort.cohort import Cohort
from tumorcam.errors import FileError
from tumorcam.settings.config import Config
from tumorcam.storage import chain, hdf5, records
from tumorcam.storage.plan import ModelKey, Plan, ShardKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import HeldOut, model_digest

PREDICTIONS_TYPE = "tumorcam-predictions"
STAGE = "train"
REMEDY = "run `tumorcam classify`"


@dataclass(frozen=True)
class Logits:
    """What a model makes of the samples of a block whose patients it did not train on.

    `sample_index` (samples,) int32 is the ascending index in the cohort; `logits` is (samples,
    tumors) float32.
    """

    sample_index: np.ndarray
    logits: np.ndarray


def judged_samples(key: ShardKey, fold: np.ndarray, is_own: np.ndarray) -> np.ndarray:
    """(judged samples,) int: the samples of a block that a model did not train on.

    Parameters
    ----------
    fold : (samples,) int
        The fold that holds each patient out.
    is_own : (samples,) bool
        Whether the patient is one of the run's.
    """
    rows = np.arange(key.start, key.stop)
    return rows[~is_own[rows] | (fold[rows] == key.fold)]


def prediction_attributes(
    config: Config, cohort_digest: str, model_digest: str, key: ShardKey
) -> dict[str, str]:
    """Root attributes of a file: its samples, model, settings and name."""
    return {
        **chain.made_with(config, STAGE),
        "cohort_digest": cohort_digest,
        "model_digest": model_digest,
        "block": key.name,
    }


def missing_predictions(
    run: RunFolder, plan: Plan, keys: Sequence[ShardKey], config: Config
) -> list[ShardKey]:
    """The blocks that are not there, damaged, or of other models, samples or settings.

    Raises
    ------
    FileError
        If a model is missing, or a file cannot be read or is of another kind or version.
    """
    digests = {key.model: "" for key in keys}
    digests = {model: model_digest(run.model(model)) for model in digests}
    return [
        key
        for key in keys
        if not hdf5.is_complete(
            run.prediction(key),
            PREDICTIONS_TYPE,
            prediction_attributes(config, plan.cohort_digest, digests[key.model], key),
        )
    ]


def write_logits(run: RunFolder, key: ShardKey, attributes: dict[str, str], logits: Logits) -> None:
    """Write a block; FileError if the disk or a quota is full."""
    with hdf5.create_file(run.prediction(key), PREDICTIONS_TYPE, attributes) as file:
        records.write_record(file, logits)


def read_logits(run: RunFolder, key: ShardKey) -> Logits:
    """Read a block; FileError where it is missing or damaged."""
    with hdf5.open_file(run.prediction(key), PREDICTIONS_TYPE, remedy=REMEDY) as file:
        return records.read_record(file, Logits)


def predictions_of(run: RunFolder, plan: Plan, model: ModelKey) -> HeldOut:
    """A model's probabilities for all samples that it may judge.

    Raises
    ------
    FileError
        If a block is missing or damaged.
    """
    blocks = [read_logits(run, key) for key in plan.prediction_tasks if key.model == model]
    logits = np.concatenate([block.logits for block in blocks])
    return HeldOut(
        np.concatenate([block.sample_index for block in blocks]),
        softmax(logits.astype(np.float64), axis=1).astype(np.float32),
    )


def require_complete(run: RunFolder, cohort: Cohort, plan: Plan, config: Config) -> None:
    """Check that every block is there; FileError if not."""
    missing = missing_predictions(run, plan, plan.prediction_tasks, config)
    if missing:
        msg = (
            f"{len(missing)} of {len(plan.prediction_tasks)} files of {run.predictions} are not "
            f"ready, the first is {missing[0].name}; {REMEDY}"
        )
        raise FileError(msg)
