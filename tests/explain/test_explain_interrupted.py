"""Explain stopped by a signal, or at work beside another: whole shards, the same bits."""

import os
import shutil
import signal

import pytest
from test_explain import digests, toml

from jobs import explain as job
from tumorcam.explain import explain
from tumorcam.explain.explain import read_samples


@pytest.mark.parametrize(("name", "code"), [("SIGUSR1", 75), ("SIGINT", 130)])
def test_a_signal_drops_the_shard_at_hand_and_writes_those_before(
    explained_run, trained_copy, monkeypatch, capsys, name, code
):
    explain_samples, begun = explain.explain_samples, []

    def signal_at_the_third(samples, classifier, explainer):
        begun.append(samples)
        for maps in explain_samples(samples, classifier, explainer):
            if len(begun) == 3:
                os.kill(os.getpid(), signal.Signals[name])
            yield maps

    with monkeypatch.context() as patched:
        patched.setattr(explain, "explain_samples", signal_at_the_third)
        assert job.main([toml(trained_copy)]) == code
    assert f"stopped by {name}: 10 of 12 shards are left" in capsys.readouterr().err
    assert len(list((trained_copy.folder / "shards").iterdir())) == 2, "no half shard, no .part"
    assert job.main([toml(trained_copy)]) == 0
    assert digests(trained_copy) == digests(explained_run)


def test_a_shard_that_another_array_made_meanwhile_is_left_alone(
    explained_run, trained_copy, monkeypatch
):
    """Two arrays at once: the other one writes the second shard while this one reads it."""
    read, path = read_samples, trained_copy.folder / "shards" / "r00-f00-b0001.h5"

    def read_slowly(cohort, shard, config):
        if shard.name == path.stem:
            path.parent.mkdir(exist_ok=True)
            shutil.copy(explained_run.folder / "shards" / path.name, path)
            os.utime(path, (1, 1))
        return read(cohort, shard, config)

    monkeypatch.setattr(explain, "read_samples", read_slowly)
    assert job.main([toml(trained_copy)]) == 0
    assert path.stat().st_mtime == 1
    assert digests(trained_copy) == digests(explained_run)
