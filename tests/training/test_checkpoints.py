import dataclasses
import os
import signal

import pandas as pd
import pytest
from training_runs import (
    WANTED,
    Killed,
    assert_same_model,
    contents,
    die_at,
    loop_of,
    train,
    with_training,
)

from tumorcam.cluster import preemption
from tumorcam.errors import FileError, PreemptedError
from tumorcam.settings import ModelSettings
from tumorcam.storage.plan import model_file
from tumorcam.training import checkpoints, loop
from tumorcam.training.loop import TrainingLoop


@pytest.mark.parametrize(
    ("killed_at", "resumed_at"), [(1, 0), (3, 2), (5, 4)], ids=["anew", "mid-epoch", "later"]
)
def test_killed_and_resumed_equals_uninterrupted(
    tiny_run, tmp_path, monkeypatch, killed_at, resumed_at
):
    """Three steps an epoch, a checkpoint every two."""
    whole = train(tmp_path / "whole", tiny_run)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        die_at(patched, killed_at)
        train(tmp_path / "killed", tiny_run)
    assert not model_file(tmp_path / "killed", WANTED).exists()
    taken = die_at(monkeypatch, None)
    resumed = train(tmp_path / "killed", tiny_run)
    assert taken == list(range(resumed_at, 6))
    assert_same_model(whole, resumed)


def test_a_curve_left_by_other_settings_does_not_mix_in(tiny_run, tmp_path, monkeypatch):
    whole = train(tmp_path / "whole", tiny_run)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        die_at(patched, 5)
        train(tmp_path / "killed", tiny_run)
    (tmp_path / "killed/models/r00-f01/history.csv").write_text("epoch,training_loss\n0,99\n")
    resumed = train(tmp_path / "killed", tiny_run)
    assert_same_model(whole, resumed)
    csv = pd.read_csv(resumed.parent / "history.csv")
    assert csv["training_loss"].max() < 9


def test_resume_after_all_but_the_artifact_takes_no_step(tiny_run, tmp_path, monkeypatch):
    whole = train(tmp_path / "whole", tiny_run)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(loop, "_write_artifact", lambda *_: die())
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
        patched.setattr(loop, "_write_artifact", lambda *_: die())
        train(tmp_path / "killed", config)
    taken = die_at(monkeypatch, None)
    found = contents(train(tmp_path / "killed", config))
    assert taken == []
    assert found["best_epoch"] == 0
    assert found["history/epoch"].tolist() == [0, 1, 2]


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
def test_the_last_sound_checkpoint_is_taken(tiny_run, tmp_path, monkeypatch, damage, n_damaged):
    whole = train(tmp_path / "whole", tiny_run)
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


def test_a_damaged_list_of_checkpoints_is_none(tiny_run, tmp_path, monkeypatch):
    whole = train(tmp_path / "whole", tiny_run)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        die_at(patched, 5)
        train(tmp_path, tiny_run)
    (listed,) = tmp_path.glob("models/r00-f01/checkpoints/*/checkpoint")
    listed.write_bytes(b"\xff" + listed.read_bytes()[1:])
    assert_same_model(whole, train(tmp_path, tiny_run))


def test_a_checkpoint_of_another_network_is_refused(tiny_run, tmp_path):
    loop_of(tiny_run, tmp_path).checkpoints.save()
    other = dataclasses.replace(tiny_run, model=ModelSettings(filters=(4,), dense=(8,)))
    with pytest.raises(FileError, match="is of another network; delete its folder"):
        loop_of(other, tmp_path)


def test_a_notice_stops_after_the_step_with_a_checkpoint(tiny_run, tmp_path, monkeypatch):
    whole = train(tmp_path / "whole", tiny_run)
    config, take = with_training(tiny_run, checkpoint_steps=100), TrainingLoop._take_step

    def take_noticed(self, data, wishes):
        if int(self.step) == 2:
            os.kill(os.getpid(), signal.SIGUSR1)
        return take(self, data, wishes)

    with monkeypatch.context() as patched, preemption.stop_on_signal():
        patched.setattr(TrainingLoop, "_take_step", take_noticed)
        with pytest.raises(PreemptedError, match="r00-f01 stopped after step 4"):
            train(tmp_path, config)
    taken = die_at(monkeypatch, None)
    assert_same_model(whole, train(tmp_path, config))
    assert taken == [4, 5]


def test_checkpoints_keep_within_their_share_of_the_time(tiny_run, tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: clock[0])
    made = loop_of(with_training(tiny_run, checkpoint_share=0.1), tmp_path).checkpoints
    assert made.is_affordable()

    def slow():
        clock[0] += 2

    monkeypatch.setattr(made._manager, "save", slow)
    made.save()
    clock[0] += 17.9
    assert not made.is_affordable()
    clock[0] += 0.2
    assert made.is_affordable()
