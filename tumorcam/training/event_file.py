"""Event files of TensorBoard: the loss and accuracy of a model while it trains."""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from tumorcam.cluster.logs import logger

FILE_VERSION = "brain.Event:2"  # by which TensorBoard knows an event file
TAGS = {  # of each column of the learning curve that is drawn
    "training_loss": "loss/training",
    "validation_loss": "loss/validation",
    "validation_accuracy": "accuracy/validation",
    "learning_rate": "learning_rate",
    "seconds": "seconds_per_epoch",
}
STEP_LOSS = "loss/step"


class EventFile:
    """The event file of one training, which a later start of the same training continues.

    Each start writes a file of its own, as TensorBoard expects it. Its first event is a session
    start at the step from which the training goes on, so that TensorBoard drops what an earlier
    start wrote beyond that step. Where the disk is full the training goes on without events.

    Parameters
    ----------
    folder : Path or None
        Where the files of this model stand; None writes nothing.
    step : int
        Number of steps that the training has done.
    """

    def __init__(self, folder: Path | None, step: int) -> None:
        self._writer: tf.io.TFRecordWriter | None = None
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._writer = tf.io.TFRecordWriter(str(_new_path(folder)))
        except (OSError, tf.errors.OpError) as error:
            self._give_up(error)
        self._write(tf.compat.v1.Event(wall_time=time.time(), file_version=FILE_VERSION))
        start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
        self._write(tf.compat.v1.Event(wall_time=time.time(), step=step + 1, session_log=start))
        self.flush()

    def add_loss(self, step: int, loss: float) -> None:
        """Add the training loss of one step, in nats; steps count from 1."""
        if self._writer is not None:
            self._add(step, {STEP_LOSS: loss})

    def add_epoch(self, step: int, row: Mapping[str, float]) -> None:
        """Add a row of the learning curve at the last step of its epoch, and write all out."""
        if self._writer is not None:
            self._add(step, {tag: row[name] for name, tag in TAGS.items()})
            self.flush()

    def flush(self) -> None:
        """Write out what is buffered."""
        if self._writer is not None:
            try:
                self._writer.flush()
            except tf.errors.OpError as error:
                self._give_up(error)

    def close(self) -> None:
        """End the file."""
        self.flush()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _add(self, step: int, values: Mapping[str, float]) -> None:
        parts = [
            tf.compat.v1.Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()
        ]
        summary = tf.compat.v1.Summary(value=parts)
        self._write(tf.compat.v1.Event(wall_time=time.time(), step=step, summary=summary))

    def _write(self, event: tf.compat.v1.Event) -> None:
        if self._writer is not None:
            try:
                self._writer.write(event.SerializeToString())
            except tf.errors.OpError as error:
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._writer = None
        logger.info("TensorBoard gets no more events: %s", " ".join(str(error).split())[:200])


def _new_path(folder: Path) -> Path:
    """A name after those of earlier starts, since TensorBoard reads the files in this order."""
    stamps = [int(path.name.split(".")[3]) for path in folder.glob("events.out.tfevents.*.*")]
    stamp = max([int(time.time()), *(earlier + 1 for earlier in stamps)])
    return folder / f"events.out.tfevents.{stamp:010d}.tumorcam"


def scores_text(history: np.ndarray, n_done: int, loss: float) -> str:
    """The epoch, the mean training loss in it so far, and the last validation accuracy.

    Parameters
    ----------
    history : (epochs, columns) float64
        The learning curve, with the columns `training.loop.HISTORY_COLUMNS`; NaN ahead.
    n_done : int
        Number of finished epochs.
    loss : float
        The mean loss of the present epoch's steps, in nats; NaN before its first step.
    """
    words = [f"epoch {min(n_done + 1, len(history))} of {len(history)}"]
    if n_done and not np.isfinite(loss):
        loss = history[n_done - 1, 1]
    words += [f"loss {loss:.3f}"] * bool(np.isfinite(loss))
    words += [f"validation accuracy {history[n_done - 1, 3]:.3f}"] * bool(n_done)
    return ", ".join(words)
