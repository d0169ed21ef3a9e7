"""The classification of new samples by the networks that did not train on their patients."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tumorcam.applied import predictions
from tumorcam.applied.calls import Calls, call_samples, write_calls
from tumorcam.applied.new_cohort import read_new_samples
from tumorcam.applied.predictions import Logits, judged_samples, prediction_attributes
from tumorcam.applied.reference import Reference, read_reference
from tumorcam.applied.shift import HangingCalls, shifted_genes
from tumorcam.cluster import preemption
from tumorcam.cluster.logs import logger
from tumorcam.cluster.processes import Background
from tumorcam.cluster.progress import progress
from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.images import features_without_decoys, place_genes
from tumorcam.errors import PreemptedError
from tumorcam.settings.config import Config
from tumorcam.storage.plan import ModelKey, Plan, ShardKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import TrainedModel
from tumorcam.training.network import Classifier, classifier_of, load_classifier, model_of_run
from tumorcam.training.prediction import image_logits, predict_logits, probabilities

MAX_HANGING = 1000  # samples whose calls are made anew without the shifted genes


def classify_blocks(
    run: RunFolder,
    cohort: Cohort,
    keys: Sequence[ShardKey],
    config: Config,
    *,
    visible: bool = True,
) -> None:
    """Write the logits of some blocks of samples, in the order of their models.

    While a block is computed, a thread reads the next one. When a signal asks the job to stop, the
    block at hand is dropped.

    Parameters
    ----------
    keys : sequence of ShardKey
        Of `Plan.prediction_tasks`, such as `predictions.missing_predictions` gives.
    visible : bool
        Whether this process shows its progress.

    Raises
    ------
    FileError, ModelError
        If a model is missing, damaged, or belongs to another run.
    PreemptedError
        If a signal came before the last block was done.
    """
    reader = _Reader(run, cohort, config)
    classifier: Classifier | None = None
    with preemption.deferred_stop() as stop_signal, Background() as reading:
        following = [reading.add(reader.read, key) for key in keys[:1]]
        for i, key in enumerate(progress(keys, "classify", "blocks", visible=visible)):
            if signal := stop_signal():
                msg = f"stopped by {signal}: {len(keys) - i} of {len(keys)} blocks are left"
                raise PreemptedError(msg, signal)
            model, rows, images = following.pop().result()
            following = [reading.add(reader.read, other) for other in keys[i + 1 : i + 2]]
            if classifier is None or classifier.digest != model.digest:
                network = classifier.network if classifier else None
                classifier = classifier_of(model, run.model(key.model), config, network)
            logits = np.empty((0, len(cohort.tumors)), np.float32)
            if len(rows):
                images = images.reshape(-1, *classifier.network.input_shape[1:])
                logits = image_logits(classifier.network, images).astype(np.float32)
            attributes = prediction_attributes(config, cohort.digest, classifier.digest, key)
            predictions.write_logits(run, key, attributes, Logits(rows.astype(np.int32), logits))


class _Block(NamedTuple):
    """A model, the (samples,) int that it may judge, and their images in the model's layout."""

    model: TrainedModel
    rows: np.ndarray
    images: np.ndarray


class _Reader:
    """Reads models and samples of blocks. It keeps the last model for the next block."""

    def __init__(self, run: RunFolder, cohort: Cohort, config: Config) -> None:
        self._run, self._cohort, self._config = run, cohort, config
        self._is_own = read_new_samples(run.cohort).is_own
        self._models: dict[ModelKey, TrainedModel] = {}

    def read(self, key: ShardKey) -> _Block:
        """The model and the images of a block."""
        if key.model not in self._models:
            model = model_of_run(self._run, self._cohort, key.model, self._config)
            self._models = {key.model: model}
        model = self._models[key.model]
        rows = judged_samples(key, self._cohort.fold, self._is_own)
        expression = self._cohort.expression(rows)
        features = features_without_decoys(expression, model.scaler, model.layout)
        return _Block(model, rows, place_genes(features, model.layout))


def logits_of(
    classifier: Classifier, expression: np.ndarray, left_out: np.ndarray | None = None
) -> np.ndarray:
    """(samples, tumors) float64: logits of expression in log2(x + 1), decoys at their mean.

    Parameters
    ----------
    expression : (samples, genes) float32
    left_out : (genes,) bool, or None
        Genes that get their mean in training.
    """
    if not len(expression):
        return np.empty((0, classifier.network.output_shape[-1]))
    features = features_without_decoys(expression, classifier.scaler, classifier.layout)
    if left_out is not None:
        features[:, : len(left_out)][:, left_out] = 0
    return predict_logits(classifier.network, features, classifier.layout)


def write_all_calls(run: RunFolder, cohort: Cohort, plan: Plan, config: Config) -> None:
    """Write the calls of all samples, once every block is there.

    Raises
    ------
    FileError
        If a prediction, a model or the run's reference is missing or damaged.
    """
    reference = read_reference(run.reference)
    together = call_samples(run, cohort, plan, config, reference)
    shift = hanging_calls(run, cohort, config, reference, together.call)
    calls = Calls(**vars(together), recall=reference.recall, shift=shift)
    write_calls(run, cohort, plan, config, calls)
    n_unlike = int(calls.is_unlike.sum())
    logger.info("%d samples called, %d are unlike anything in the run", len(calls.call), n_unlike)


def hanging_calls(
    run: RunFolder,
    cohort: Cohort,
    config: Config,
    reference: Reference,
    call: np.ndarray,
) -> HangingCalls:
    """How many calls change when the shifted genes get their mean in training.

    Asked of at most 1,000 samples and the networks of the first layout, so that it costs little.

    Parameters
    ----------
    call : (samples,) int
        The tumor that all networks together call.
    """
    shift = shifted_genes(cohort, reference, call)
    is_own = read_new_samples(run.cohort).is_own
    step = max(1, -(-len(cohort.sample) // MAX_HANGING))
    tested = np.arange(0, len(cohort.sample), step)
    if not shift.is_shifted.any():
        return HangingCalls(shift.table, len(tested), 0)
    total = np.zeros((2, len(tested), len(cohort.tumors)))
    expression, network = cohort.expression(tested), None
    for fold in range(cohort.n_folds):
        rows = np.flatnonzero(~is_own[tested] | (cohort.fold[tested] == fold))
        if not len(rows):
            continue
        classifier = load_classifier(run, cohort, ModelKey(0, fold), config, network)
        network = classifier.network
        for i, left_out in enumerate((None, shift.is_shifted)):
            total[i, rows] += probabilities(logits_of(classifier, expression[rows], left_out))
    first, second = total.argmax(axis=2)
    return HangingCalls(shift.table, len(tested), int((first != second).sum()))
