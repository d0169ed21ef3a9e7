import dataclasses
import os
import signal

import pandas as pd
import pytest
from conftest import make_tiny_cohort, make_tiny_config, write_tiny_files, write_toml
from training_runs import (
    KEY,
    Killed,
    assert_same_model,
    die_at,
    loop_of,
    train,
    with_training,
)

from jobs import prepare
from tumorcam.cluster import preemption
from tumorcam.errors import FileError, PreemptedError
from tumorcam.settings import ModelSettings
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training import checkpoints, loop
from tumorcam.training.loop import TrainingLoop


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The model r00-f01 of the tiny run, trained without a stop."""
    folder = tmp_path_factory.mktemp("whole")
    config = make_tiny_config(write_tiny_files(make_tiny_cohort(), folder), folder / "run")
    assert prepare.main([write_toml(config, folder / "tiny.toml")]) == 0
    return train(folder, config)


@pytest.mark.parametrize(
    ("killed_at", "resumed_at"), [(1, 0), (3, 2), (5, 4)], ids=["anew", "mid-epoch", "later"]
)
def test_killed_and_resumed_equals_uninterrupted(
    tiny_run, whole, tmp_path, monkeypatch, killed_at, resumed_at
):
    """Three steps an epoch, a checkpoint every two."""
    with monkeypatch.context() as patched, pytest.raises(Killed):
        die_at(patched, killed_at)
        train(tmp_path / "killed", tiny_run)
    assert not RunFolder(tmp_path / "killed").model(KEY).exists()
    taken = die_at(monkeypatch, None)
    resumed = train(tmp_path / "killed", tiny_run)
    assert taken == list(range(resumed_at, 6))
    assert_same_model(whole, resumed)


@pytest.mark.parametrize("precision", ["float32", "mixed"])
def test_a_network_with_batch_norm_and_a_skip_path_resumes_too(
    tiny_run, tmp_path, monkeypatch, precision
):
    model = dataclasses.replace(tiny_run.model, skip="linear", batch_norm=True, image="row")
    config = dataclasses.replace(with_training(tiny_run, precision=precision), model=model)
    uninterrupted = train(tmp_path / "whole", config)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        die_at(patched, 5)
        train(tmp_path / "killed", config)
    taken = die_at(monkeypatch, None)
    assert_same_model(uninterrupted, train(tmp_path / "killed", config), atol=0)
    assert taken == [4, 5]


def test_a_curve_left_by_other_settings_does_not_mix_in(tiny_run, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(Killed):
        die_at(patched, 5)
        train(tmp_path / "killed", tiny_run)
    path = RunFolder(tmp_path / "killed").history(KEY)
    path.write_text("epoch,training_loss\n0,99\n")
    assert_same_model(whole, train(tmp_path / "killed", tiny_run))
    csv = pd.read_csv(path)
    assert csv["training_loss"].max() < 9


def test_resume_after_all_but_the_model_file_takes_no_step(tiny_run, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(loop, "write_model", lambda *_: die())
        train(tmp_path / "killed", tiny_run)
    taken = die_at(monkeypatch, None)
    resumed = train(tmp_path / "killed", tiny_run)
    assert taken == []
    assert_same_model(whole, resumed)


def die():
    raise Killed


def test_resume_after_patience_ended_takes_no_step(tiny_run, tmp_path, monkeypatch):
    """At a learning rate of 0 no epoch is better than the first."""
    config = with_training(tiny_run, learning_rate=0.0, epochs=9, patience=2, checkpoint_steps=3)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(loop, "write_model", lambda *_: die())
        train(tmp_path / "killed", config)
    taken = die_at(monkeypatch, None)
    model = train(tmp_path / "killed", config)
    assert taken == []
    assert model.best_epoch == 0
    assert model.history["epoch"].tolist() == [0, 1, 2]


def test_a_checkpoint_of_other_settings_is_not_taken_up(tiny_run, tmp_path, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(Killed):
        die_at(patched, 5)
        train(tmp_path, tiny_run)
    taken = die_at(monkeypatch, None)
    train(tmp_path, with_training(tiny_run, weight_decay=0.5))
    assert taken == list(range(6))


def cut(path):
    path.write_bytes(path.read_bytes()[:100])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip])
@pytest.mark.parametrize("n_damaged", [1, 2])
def test_the_last_sound_checkpoint_is_taken(
    tiny_run, whole, tmp_path, monkeypatch, damage, n_damaged
):
    with monkeypatch.context() as patched, pytest.raises(Killed):
        die_at(patched, 5)
        train(tmp_path, tiny_run)
    saved = sorted(tmp_path.glob("models/r00-f01/checkpoints/*/ckpt-*.data*"))
    assert len(saved) == 2  # after steps 2 and 4
    for path in saved[-n_damaged:]:
        damage(path)
    taken = die_at(monkeypatch, None)
    assert_same_model(whole, train(tmp_path, tiny_run))
    assert taken == list(range(4 - 2 * n_damaged, 6))


def test_a_damaged_list_of_checkpoints_is_none(tiny_run, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(Killed):
        die_at(patched, 5)
        train(tmp_path, tiny_run)
    (listed,) = tmp_path.glob("models/r00-f01/checkpoints/*/checkpoint")
    listed.write_bytes(b"\xff" + listed.read_bytes()[1:])
    assert_same_model(whole, train(tmp_path, tiny_run))


def test_a_checkpoint_of_another_network_is_refused(tiny_run, tmp_path):
    loop_of(tiny_run, tmp_path).checkpoints.save()
    other = dataclasses.replace(tiny_run, model=ModelSettings(filters=(4,), dense=(8,)))
    with pytest.raises(FileError, match="is of another network; move its folder away"):
        loop_of(other, tmp_path)


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGTERM", "SIGINT"])
def test_a_signal_stops_after_the_step_with_a_checkpoint(
    tiny_run, whole, tmp_path, monkeypatch, name
):
    config, take = with_training(tiny_run, checkpoint_steps=100), TrainingLoop._take_step

    def take_with_signal(self, data, wishes):
        if int(self.step) == 2:
            os.kill(os.getpid(), signal.Signals[name])
        return take(self, data, wishes)

    with monkeypatch.context() as patched, preemption.stop_on_signal():
        patched.setattr(TrainingLoop, "_take_step", take_with_signal)
        message = f"stopped by {name}: r00-f01 after step 4, with a checkpoint"
        with pytest.raises(PreemptedError, match=message) as stopped:
            train(tmp_path, config)
    assert stopped.value.signal == name
    taken = die_at(monkeypatch, None)
    assert_same_model(whole, train(tmp_path, config))
    assert taken == [4, 5]


def test_checkpoints_keep_within_their_share_of_the_time(tiny_run, tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: clock[0])
    saver = loop_of(with_training(tiny_run, checkpoint_share=0.1), tmp_path).checkpoints
    assert saver.is_affordable()

    def slow():
        clock[0] += 2

    monkeypatch.setattr(saver._manager, "save", slow)
    saver.save()
    clock[0] += 17.9
    assert not saver.is_affordable()
    clock[0] += 0.2
    assert saver.is_affordable()
