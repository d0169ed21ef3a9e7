"""The state of a run, looked at again and again."""

import re
import sys

import pytest
from pseudo_terminal import SHOW_CURSOR, run_in_terminal
from stub_run import expected, write_stubs

from jobs import status
from tumorcam.errors import ConfigError, PreemptedError
from tumorcam.operations.watching import Snapshot, take_snapshot, time_text, watch
from tumorcam.operations.work_left import StageWork

WORKS = [
    StageWork("train", 4, 9, "models", 100.0, 2, basis="measured: 5 models"),
    StageWork("report", 1, 1, "", 20.0, 1, basis="by rule, as the demo took it"),
]


def look_at(*snapshots):
    waiting = iter(snapshots)
    return lambda: next(waiting)


def test_a_new_block_comes_only_when_something_has_changed(capsys):
    first = Snapshot(("train 1",), "time left: 0:30", is_finished=False)
    later = Snapshot(("train 1",), "time left: 0:20", is_finished=False)
    last = Snapshot(("train 2",), "nothing is left", is_finished=True)
    pauses = []
    watch(look_at(first, later, first, last), 7.0, sleep=pauses.append)
    text = capsys.readouterr().out
    assert re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE", text) == (
        "DATE\ntrain 1\ntime left: 0:30\n\nDATE\ntrain 2\nnothing is left\n\n"
    )
    assert pauses == [7.0] * 3 and "\x1b" not in text and "\r" not in text


def test_ctrl_c_ends_it_and_other_signals_are_passed_on():
    def stopped_by(signal):
        def look():
            raise PreemptedError(f"stopped by {signal}", signal)

        return look

    watch(stopped_by("SIGINT"), 1.0)
    with pytest.raises(PreemptedError):
        watch(stopped_by("SIGTERM"), 1.0)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_the_seconds_are_above_0(seconds):
    with pytest.raises(ConfigError, match="give one above 0"):
        watch(look_at(), seconds)


def test_the_time_left_names_where_it_comes_from():
    assert time_text(WORKS, n_ranks=2) == (
        "time left: 1:10 with 2 processes (train measured: 5 models; "
        "report by rule, as the demo took it)"
    )
    assert time_text([], n_ranks=2) == "nothing is left"
    assert "nobody can tell" in time_text([StageWork("train", 1, 1, "")], n_ranks=2)


def test_a_finished_run_is_shown_once_and_exits_with_0(tiny_run, tiny_toml, capsys):
    write_stubs(tiny_run)
    assert status.main([tiny_toml, "--watch", "0.01"]) == 0
    text = capsys.readouterr().out
    assert text.count("models ") == 1 and "nothing is left" in text


def test_the_snapshot_of_a_run_with_a_gap(tiny_run):
    write_stubs(tiny_run)
    file = next(file for file in expected(tiny_run) if file.stage == "shards")
    file.path.unlink()
    snapshot = take_snapshot(tiny_run)
    assert not snapshot.is_finished and snapshot.time_left.startswith("time left: ")
    row = next(line.split() for line in snapshot.lines if line.startswith("shards"))
    assert row == ["shards", "11", "1", "0"]


def test_a_terminal_is_drawn_anew_until_ctrl_c(tiny_run, tiny_toml):
    words = [sys.executable, "-m", "jobs", "status", tiny_toml, "--watch", "0.2"]
    session = run_in_terminal(words, interrupt_at="time left: ")
    assert session.exit_code == 0 and session.text.rstrip().endswith(SHOW_CURSOR)
    assert sum(line.startswith("models") for line in session.screen) == 1
