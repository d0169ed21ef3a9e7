"""The training loop, on one or several devices and nodes; it resumes from checkpoints."""

import contextlib
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from tumorcam.cluster import preemption
from tumorcam.cluster.logs import logger
from tumorcam.cluster.progress import progress
from tumorcam.cluster.watchdog import PEERS_TIMEOUT, REMEDY, STEP_TIMEOUT
from tumorcam.cohort import splits
from tumorcam.cohort.cohort import Cohort
from tumorcam.errors import ClusterError, ModelError, PreemptedError
from tumorcam.settings.config import Config
from tumorcam.storage import hdf5, integrity
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import (
    MODEL_TYPE,
    HeldOut,
    TrainedModel,
    model_attributes,
    write_model,
)
from tumorcam.training.batches import BatchMaker, TrainingTask, training_task
from tumorcam.training.checkpoints import Checkpoints
from tumorcam.training.event_file import EventFile, scores_text
from tumorcam.training.features import HeldOutFeatures
from tumorcam.training.gradients import batch_gradients
from tumorcam.training.initial_weights import fit_initial_weights
from tumorcam.training.network import (
    MOMENTUM,
    describe_layers,
    network_images,
    new_network,
)
from tumorcam.training.optimizer import make_optimizer
from tumorcam.training.paths import convolutions_alone, has_skip, moving_moments
from tumorcam.training.prediction import (
    path_share,
    predict_logits,
    probabilities,
    validation_scores,
)
from tumorcam.training.workers import Workers

INITIAL_SAMPLES = 512  # that set the scale of the initial weights
HISTORY_COLUMNS = (
    "epoch",
    "training_loss",
    "validation_loss",
    "validation_accuracy",
    "learning_rate",
    "seconds",
)


def train_model(
    run: RunFolder, cohort: Cohort, key: ModelKey, config: Config, workers: Workers
) -> None:
    """Train one model of the run, or go on from its last checkpoint, and write its file.

    Every worker calls it; the chief alone writes.

    Raises
    ------
    CohortError
        If no patient is left to choose the epoch.
    ModelError
        If a gene cannot reach the network's output, or the loss is no longer a number.
    ClusterError
        If another worker is gone.
    FileError
        If the last checkpoint is of another network, or the disk is full.
    PreemptedError
        If a signal asked the job to stop; it has written a checkpoint if the disk had room.
    """
    path = run.model(key)
    attributes = model_attributes(config, cohort.digest, key.name)
    if hdf5.is_complete(path, MODEL_TYPE, attributes):
        logger.info("%s is there already", key.name)
        return
    if workers.n_devices > 1:
        logger.info("devices: %d", workers.n_devices)
    task = training_task(cohort, key, config)
    workers.expect(PEERS_TIMEOUT, "the first step")
    rng = config.rng(key.name, "weights")
    with workers.strategy.scope():
        network = new_network(config, task.layout, cohort.genes, len(cohort.tumors), rng)
    images = network_images(network, task.training.features[:INITIAL_SAMPLES], task.layout)
    fit_initial_weights(network, images)
    stamp = integrity.text_digest(repr(sorted(attributes.items())))
    events = run.tensorboard(key) if config.training.tensorboard else None
    loop = TrainingLoop(config, task, network, workers, run.checkpoints(key) / stamp[:12], events)
    with contextlib.closing(loop.events):
        history = loop.run(run.history(key))
    if workers.is_chief:
        write_model(path, attributes, _trained_model(cohort, task, loop, history))
        shutil.rmtree(run.checkpoints(key), ignore_errors=True)
    workers.farewell()


class Wishes(NamedTuple):
    """What a worker wishes to do after a step: stop the training, and save a checkpoint."""

    stop: bool
    save: bool


class TrainingLoop:
    """The state of one model's training, and the steps that advance it."""

    def __init__(
        self,
        config: Config,
        task: TrainingTask,
        network: keras.Model,
        workers: Workers,
        checkpoints: Path,
        tensorboard: Path | None = None,
    ) -> None:
        self.config, self.task, self.network, self.workers = config, task, network, workers
        self.batches = BatchMaker(
            config, task.name, task.training, task.layout, int(network.output_shape[-1])
        )
        with workers.strategy.scope():
            self.optimizer = make_optimizer(config, self.batches.steps_per_epoch)
            self.optimizer.build(network.trainable_variables)
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.epoch_loss = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        self.history = tf.Variable(
            np.full((config.training.epochs, len(HISTORY_COLUMNS)), np.nan), trainable=False
        )
        self.best_epoch = tf.Variable(-1, dtype=tf.int64, trainable=False)
        self.best_loss = tf.Variable(np.inf, dtype=tf.float64, trainable=False)
        self.best = [tf.Variable(w, trainable=False) for w in network.get_weights()]
        state = {
            "network": network,
            "optimizer": self.optimizer,
            "step": self.step,
            "epoch_loss": self.epoch_loss,
            "history": self.history,
            "best_epoch": self.best_epoch,
            "best_loss": self.best_loss,
            "best": self.best,
        }
        share = config.training.checkpoint_share
        self.checkpoints = Checkpoints(checkpoints, state, is_chief=workers.is_chief, share=share)
        if self.checkpoints.restore():
            logger.info("%s goes on from step %d", task.name, int(self.step))
        self.events = EventFile(tensorboard if workers.is_chief else None, int(self.step))

    def run(self, history_path: Path) -> pd.DataFrame:
        """Train until the last epoch or until patience ends; returns the learning curve.

        The chief also writes the curve to `history_path` after each epoch. When a signal asks any
        worker to stop, all of them stop after the same step, with a checkpoint.
        """
        per_epoch, training = self.batches.steps_per_epoch, self.config.training
        self._require_one_step()
        steps = range(int(self.step), training.epochs * per_epoch)
        if self._is_over():
            return self.learning_curve()
        data = iter(self.workers.strategy.distribute_datasets_from_function(self._dataset))
        started = time.monotonic()
        title, is_chief = f"train {self.task.name}", self.workers.is_chief
        with preemption.deferred_stop() as stop_signal:
            for step in progress(steps, title, "steps", visible=is_chief, note=self._scores_text):
                is_due = (step + 1) % training.checkpoint_steps == 0
                wishes = Wishes(bool(stop_signal()), is_due and self.checkpoints.is_affordable())
                stops, saves = self._take_step(data, wishes)
                self.step.assign(step + 1)
                is_epoch_end = (step + 1) % per_epoch == 0
                if is_epoch_end:
                    self._end_epoch(time.monotonic() - started, history_path)
                    started = time.monotonic()
                if stops or saves:
                    self.workers.expect(PEERS_TIMEOUT, "a checkpoint")
                    is_saved = self.checkpoints.save()
                if is_epoch_end and self._is_over():
                    break
                if stops:
                    self._stop(stop_signal(), is_saved=is_saved)
        return self.learning_curve()

    def learning_curve(self) -> pd.DataFrame:
        """One row of HISTORY_COLUMNS for each epoch so far."""
        n_epochs = int(self.step) // self.batches.steps_per_epoch
        curve = pd.DataFrame(self.history.numpy()[:n_epochs], columns=HISTORY_COLUMNS)
        return curve.astype({"epoch": int})

    def _scores_text(self) -> str:
        epoch, n_steps = divmod(int(self.step), self.batches.steps_per_epoch)
        loss = float(self.epoch_loss) / n_steps if n_steps else np.nan
        return scores_text(self.history.numpy(), epoch, loss)

    def _is_over(self) -> bool:
        n_epochs = int(self.step) // self.batches.steps_per_epoch
        waited = n_epochs - 1 - int(self.best_epoch)
        return n_epochs > 0 and waited >= self.config.training.patience

    def _require_one_step(self) -> None:
        """Check that all workers start from the same step; else their batches would not match."""
        total = int(self.step) * self.workers.n_devices
        if self.workers.total(int(self.step)) != total:
            self.workers.farewell()
            msg = f"{self.task.name}: the workers read different checkpoints; {REMEDY}"
            raise ClusterError(msg)

    def _take_step(self, data: Iterator[Any], wishes: Wishes) -> Wishes:
        """Take a step; returns which wishes at least one worker has."""
        try:
            numbers = tf.constant([float(wish) for wish in wishes], tf.float64)
            loss, *totals = self._train_step(next(data), numbers).numpy()
        except tf.errors.OpError as error:
            where = f"{self.task.name} after step {int(self.step)}"
            raise self.workers.lost(error, where) from error
        self.workers.expect(STEP_TIMEOUT, f"{self.task.name}: step {int(self.step) + 1}")
        self.epoch_loss.assign_add(float(loss))
        self.events.add_loss(int(self.step) + 1, float(loss))
        return Wishes(*(total > 0 for total in totals))

    def _stop(self, signal: str, *, is_saved: bool) -> None:
        self.workers.farewell()
        checkpoint = "with" if is_saved else "without"
        cause = f"stopped by {signal}" if signal else "stopped with another worker"
        msg = f"{cause}: {self.task.name} after step {int(self.step)}, {checkpoint} a checkpoint"
        raise PreemptedError(msg, signal)

    def _end_epoch(self, seconds: float, history_path: Path) -> None:
        self.workers.expect(PEERS_TIMEOUT, f"{self.task.name}: the end of an epoch")
        per_epoch = self.batches.steps_per_epoch
        epoch = int(self.step) // per_epoch - 1
        logits = predict_logits(self.network, self.task.validation.features, self.task.layout)
        loss, accuracy = validation_scores(logits, self.task.validation.tumor)
        training_loss = float(self.epoch_loss) / per_epoch
        if not np.isfinite(training_loss + loss):
            msg = (
                f"{self.task.name}: the loss is no longer a number in epoch {epoch}; lower "
                f"training.learning_rate (now {self.config.training.learning_rate})"
            )
            raise ModelError(msg)
        if loss < float(self.best_loss):
            self.best_loss.assign(loss)
            self.best_epoch.assign(epoch)
            for best, weights in zip(self.best, self.network.get_weights(), strict=True):
                best.assign(weights)
        rate = float(self.optimizer.learning_rate)
        row = [epoch, training_loss, loss, accuracy, rate, seconds]
        self.history[epoch].assign(row)
        self.events.add_epoch(int(self.step), dict(zip(HISTORY_COLUMNS, row, strict=True)))
        self.epoch_loss.assign(0.0)
        if self.workers.is_chief:
            hdf5.write_text(history_path, self.learning_curve().to_csv(index=False))

    def _dataset(self, context: tf.distribute.InputContext) -> tf.data.Dataset:
        size = context.get_per_replica_batch_size(self.config.training.batch_size)
        replicas = self.workers.n_devices // context.num_input_pipelines
        first = context.input_pipeline_id * replicas
        image = self.network.input_shape[1:]
        start, total = int(self.step), self.config.training.epochs * self.batches.steps_per_epoch

        def rows(index: np.int64) -> list[np.ndarray]:
            step, replica = divmod(int(index), replicas)
            part = slice((first + replica) * size, (first + replica + 1) * size)
            epoch, within = divmod(step, self.batches.steps_per_epoch)
            batch = self.batches.batch(epoch, within, part)
            return [batch.images.reshape(-1, *image), batch.targets, *batch.masks]

        shapes = [image, (self.batches.n_tumors,)]
        shapes += [(units,) for units in self.config.model.dense]
        if has_skip(self.network):
            shapes.append((2,))

        def load(index: tf.Tensor) -> Any:
            parts = tf.numpy_function(rows, [index], [tf.float32] * len(shapes))
            for part, shape in zip(parts, shapes, strict=True):
                part.set_shape((size, *shape))
            return tuple(parts)

        # not from_generator: it makes glibc give freed memory back (see threads.py)
        threads = self.config.run.threads_per_rank
        batches = tf.data.Dataset.range(start * replicas, total * replicas)
        batches = batches.map(load, num_parallel_calls=threads, deterministic=True).prefetch(2)
        options = tf.data.Options()
        options.autotune.enabled = False  # its thread sleeps: a finished iterator waits 30 s for it
        return batches.with_options(options)

    @tf.function(autograph=False)
    def _train_step(self, batch: Any, wishes: tf.Tensor) -> tf.Tensor:
        """The loss, then for each wish the number of devices whose worker has it."""
        values = self.workers.strategy.run(self._replica_step, args=(batch, wishes))
        sums = self.workers.strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None)
        n_answers = 1 + len(Wishes._fields)
        if averages := moving_moments(self.network):
            self._move_averages(averages, sums[n_answers:])
        return sums[:n_answers]

    def _move_averages(self, averages: Sequence[keras.Variable], sums: tf.Tensor) -> None:
        """Move the averages of the batch normalizations towards the means of this step's moments.

        Parameters
        ----------
        sums : (moments,) float64
            Sums over all micro-batches of the step, on all devices.
        """
        training = self.config.training
        means = sums / math.ceil(training.batch_size / training.micro_batch)
        sizes = [average.shape[0] for average in averages]
        for average, mean in zip(averages, tf.split(means, sizes), strict=True):
            moved = MOMENTUM * tf.cast(average, tf.float64) + (1 - MOMENTUM) * mean
            average.assign(tf.cast(moved, tf.float32))

    def _replica_step(self, batch: Sequence[tf.Tensor], wishes: tf.Tensor) -> tf.Tensor:
        """A step of the optimizer; this device's loss, its wishes and its sums of moments."""
        step = batch_gradients(self.network, batch, self.config.training)
        variables = self.network.trainable_variables
        self.optimizer.apply_gradients(zip(step.gradients, variables, strict=True))
        return tf.concat([[step.loss], wishes, *step.moments], axis=0)


def _trained_model(
    cohort: Cohort, task: TrainingTask, loop: TrainingLoop, history: pd.DataFrame
) -> TrainedModel:
    """The weights of the kept epoch, with the predictions of the held-out samples."""
    network, best_epoch, kept_epoch = loop.network, int(loop.best_epoch), len(history) - 1
    if len(history) < loop.config.training.epochs:  # patience ended it before the rate was 0
        kept_epoch = best_epoch
        network.set_weights([weights.numpy() for weights in loop.best])
    held_out = np.flatnonzero(task.role == splits.HELD_OUT)
    features = HeldOutFeatures(cohort, held_out, task.scaler, task.layout)
    logits, share, paths = predict_logits(network, features, task.layout), 1.0, ""
    if has_skip(network):
        convolutions = predict_logits(convolutions_alone(network), features, task.layout)
        share = path_share(logits, convolutions)
        if not math.isnan(share):
            paths = f", {100 * share:.0f} % of the logits through the convolutions"
    probability = probabilities(logits)
    accuracy = (probability.argmax(axis=1) == cohort.tumor[held_out]).mean()
    logger.info(
        "%s: kept epoch %d of %d (lowest validation loss: %d), held-out accuracy %.3f%s",
        *(task.name, kept_epoch + 1, len(history), best_epoch + 1, accuracy, paths),
    )
    return TrainedModel(
        layers=describe_layers(network),
        best_epoch=best_epoch,
        kept_epoch=kept_epoch,
        history=history,
        convolution_share=share,
        digest="",
        tumors=cohort.tumors,
        genes=cohort.genes,
        side=task.layout.side,
        pixel=task.layout.pixel,
        decoy_gene=task.layout.decoy_gene,
        scaler=task.scaler,
        weights=tuple(network.get_weights()),
        role=task.role,
        held_out=HeldOut(held_out.astype(np.int32), probability.astype(np.float32)),
    )
