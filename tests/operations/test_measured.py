"""What a run has measured of its own work, from its learning curves and logs."""

import pytest

from tumorcam.cluster.logs import DONE, FAILED, STARTED, LogRecord
from tumorcam.operations.measured import (
    Items,
    finished_epochs,
    logged_items,
    stage_seconds,
    trained_models,
)


def write(path, *lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def record(state, clock):
    return LogRecord(state, date=f"2026-01-02 {clock}").to_line()


def test_models_and_their_seconds(tmp_path):
    curves = [write(tmp_path / name, "epoch,seconds", "0,4.0", "1,1.5") for name in "ab"]
    assert finished_epochs(curves[0]) == Items(2, 5.5)
    models = trained_models([*curves, tmp_path / "missing", write(tmp_path / "c", "epoch")])
    assert models == Items(2, 11.0) and models.each_seconds == 5.5


def test_items_of_all_processes_count(tmp_path):
    lines = ("12:00:07 explain-0: explain: 8 shards in 40.5 s", "12:00:09 explain-0: word")
    write(tmp_path / "explain-0-0.log", *lines)
    write(tmp_path / "explain-0-1.log", "12:00:07 explain-0: explain: 4 shards in 19.5 s")
    write(tmp_path / "reduce-0.log", "12:00:07 reduce: reduce: 4 bands in 19.5 s")
    assert logged_items(tmp_path, "explain", "shards") == Items(12, 60.0)
    assert logged_items(tmp_path, "classify", "blocks") == Items(0, 0.0)


def test_the_longest_complete_start_of_every_process_counts(tmp_path):
    write(
        tmp_path / "reduce-0.log",
        record(STARTED, "11:00:00"),
        record(FAILED, "11:59:00"),
        record(STARTED, "12:00:00"),
        record(DONE, "12:00:50"),
        record(STARTED, "13:00:00"),
        record(DONE, "13:00:02"),
    )
    write(tmp_path / "reduce-1.log", record(STARTED, "12:00:00"), record(DONE, "12:00:40"))
    assert stage_seconds(tmp_path, "reduce") == 90
    assert stage_seconds(tmp_path, "report") is None


@pytest.mark.parametrize("line", ["", '{"state": "done", "date": "yesterday"}', "\x00"])
def test_other_lines_measure_nothing(tmp_path, line):
    write(tmp_path / "report-0.log", line, record(DONE, "12:00:40"))
    assert stage_seconds(tmp_path, "report") is None
