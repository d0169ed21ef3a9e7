"""Event files of TensorBoard, read back record by record."""

import struct

import numpy as np
import pytest
import tensorflow as tf
from training_runs import KEY, Killed, assert_same_model, die_at, train, with_training

from tumorcam.settings.config import settings_json
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.event_file import EventFile, scores_text

START = tf.compat.v1.SessionLog.START


def events_of(folder):
    """All events, in the order in which TensorBoard reads the files."""
    events = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
        events += [tf.compat.v1.Event.FromString(record) for record in records]
    return events


def series_of(folder):
    """Tag -> step -> value, without what a later start drops, as TensorBoard does it."""
    series = {}
    for event in events_of(folder):
        if event.session_log.status == START:
            for steps in series.values():
                for step in [step for step in steps if step >= event.step]:
                    del steps[step]
        for value in event.summary.value:
            series.setdefault(value.tag, {})[event.step] = value.simple_value
    return series


def test_the_events_are_the_learning_curve_and_change_nothing(tiny_run, tmp_path):
    plain = train(tmp_path / "plain", tiny_run)
    model = train(tmp_path / "drawn", with_training(tiny_run, tensorboard=True))
    assert_same_model(plain, model, atol=0)
    assert not RunFolder(tmp_path / "plain").tensorboard(KEY).exists()
    series = series_of(RunFolder(tmp_path / "drawn").tensorboard(KEY))
    history = model.history
    for name, tag in (("validation_loss", "loss/validation"), ("training_loss", "loss/training")):
        assert list(series[tag]) == [3, 6], "three steps an epoch"
        np.testing.assert_allclose(list(series[tag].values()), history[name], rtol=1e-6)
    np.testing.assert_allclose(
        list(series["accuracy/validation"].values()), history["validation_accuracy"], rtol=1e-6
    )
    assert list(series["loss/step"]) == [1, 2, 3, 4, 5, 6]
    losses = np.array([*series["loss/step"].values()]).reshape(2, 3)
    np.testing.assert_allclose(losses.mean(axis=1), history["training_loss"], rtol=1e-6)


def test_a_resumed_training_goes_on_where_its_checkpoint_was(tiny_run, tmp_path, monkeypatch):
    """It was killed before step 5 of 6, after the checkpoint of step 4."""
    config = with_training(tiny_run, tensorboard=True)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        die_at(patched, 5)
        train(tmp_path / "killed", config)
    folder = RunFolder(tmp_path / "killed").tensorboard(KEY)
    assert list(series_of(folder)["loss/step"]) == [1, 2, 3, 4, 5]
    model = train(tmp_path / "killed", config)
    starts = [event.step for event in events_of(folder) if event.session_log.status == START]
    assert starts == [1, 5] and len(list(folder.iterdir())) == 2
    series = series_of(folder)
    assert list(series["loss/step"]) == [1, 2, 3, 4, 5, 6]
    assert list(series["loss/validation"]) == [3, 6]
    assert series["loss/validation"][6] == pytest.approx(model.history["validation_loss"][1])


@pytest.mark.parametrize("stage", ["prepare", "train", "explain", "report"])
def test_no_file_depends_on_it(tiny_config, stage):
    drawn = with_training(tiny_config, tensorboard=True)
    assert settings_json(drawn, stage) == settings_json(tiny_config, stage)


def test_records_have_the_length_that_their_format_says(tmp_path):
    """TFRecord: length (8), CRC (4), data, CRC (4)."""
    events = EventFile(tmp_path, 0)
    events.add_loss(1, 2.5)
    events.close()
    (path,) = tmp_path.iterdir()
    content, sizes = path.read_bytes(), []
    while content:
        (size,) = struct.unpack("<Q", content[:8])
        sizes.append(size)
        content = content[16 + size :]
    assert len(sizes) == 3
    assert events_of(tmp_path)[0].file_version == "brain.Event:2"


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    events = EventFile(tmp_path / "file" / "r00-f00", 0)
    events.add_loss(1, 2.5)
    events.close()
    assert (tmp_path / "file").read_text() == "in the way"


def test_scores_as_a_note():
    history = np.full((12, 6), np.nan)
    assert scores_text(history, 0, np.nan) == "epoch 1 of 12"
    assert scores_text(history, 0, 3.1) == "epoch 1 of 12, loss 3.100"
    history[0] = [0, 2.9, 2.8, 0.25, 1e-3, 4.0]
    text = "epoch 2 of 12, loss 2.900, validation accuracy 0.250"
    assert scores_text(history, 1, np.nan) == text
    assert scores_text(history, 1, 2.5) == text.replace("2.900", "2.500")
