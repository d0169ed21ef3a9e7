"""Progress of loops: lines in a log, reports to `tumorcam run`, and what the log file keeps."""

import io
import logging
import sys

import pytest

from tumorcam.cluster import logs, progress
from tumorcam.cluster.launcher import PROGRESS_VARIABLE, Launch
from tumorcam.cluster.progress_files import Report, read_reports


class Clock:
    """A clock that goes on by `step` seconds whenever it is read."""

    def __init__(self, step):
        self.now, self.step = 0.0, step

    def monotonic(self):
        self.now += self.step
        return self.now


@pytest.fixture
def lines(monkeypatch):
    """What is logged, with a standard error that is no terminal."""
    messages = []
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    monkeypatch.setattr(logs.logger, "handlers", [handler])
    monkeypatch.setattr(logs.logger, "level", logging.INFO)
    return messages


@pytest.mark.parametrize("visible", [True, False])
def test_progress_yields_every_item(lines, visible):
    items = progress.progress(iter(range(5)), "explain", "batches", visible=visible)
    assert list(items) == list(range(5))


def test_a_batch_log_gets_a_line_a_minute_with_throughput_and_time_left(lines, monkeypatch):
    monkeypatch.setattr(progress, "time", Clock(30.0))
    assert len(list(progress.progress(range(6), "explain", "batches"))) == 6
    assert lines == [
        "explain: 2 of 6 (33%), 2:00 left, 0.0333 batches/s",
        "explain: 4 of 6 (67%), 1:00 left, 0.0333 batches/s",
        "explain: 6 of 6 (100%), 0:00 left, 0.0333 batches/s",
    ]


def test_other_ranks_are_silent(lines, monkeypatch):
    monkeypatch.setattr(progress, "time", Clock(30.0))
    assert len(list(progress.progress(range(6), "explain", "batches", visible=False))) == 6
    assert lines == []


def test_a_note_ends_the_line(lines, monkeypatch):
    monkeypatch.setattr(progress, "time", Clock(60.0))
    list(progress.progress("a", "train", "steps", note=lambda: "loss 2.310"))
    assert lines == ["train: 1 of 1 (100%), 0:00 left, 0.0167 steps/s; loss 2.310"]


def test_without_a_length_no_time_is_foretold(lines, monkeypatch):
    monkeypatch.setattr(progress, "time", Clock(60.0))
    list(progress.progress(iter("ab"), "read", "blocks"))
    assert lines == ["read: 1, 0.0167 blocks/s", "read: 2, 0.0167 blocks/s"]


def test_a_stage_of_a_run_reports_to_it_and_says_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(PROGRESS_VARIABLE, str(tmp_path / "reports"))
    (tmp_path / "reports").mkdir()
    monkeypatch.setattr(progress, "time", Clock(60.0))
    log = logs.start_logging(tmp_path, "explain-0", Launch({"TUMORCAM_CHILD": "1"}))
    items = progress.progress(range(4), "explain", "shards", note=lambda: "word")
    for _ in (1, 2, 3):
        next(items)
    assert read_reports(tmp_path / "reports") == [
        Report("explain", "shards", 2, 4, 120.0, "word", is_over=False)
    ]
    items.close()
    logs.end_logging(logs.DONE)
    (report,) = read_reports(tmp_path / "reports")
    assert report.is_over and report.n_done == 2, "the third item was not finished"
    assert capsys.readouterr().err == ""
    text = log.read_text(encoding="utf-8")
    assert "explain: 1 of 4 (25%), 3:00 left, 0.0167 shards/s; word" in text
    assert "explain-0: explain: 2 shards in 180.0 s" in text


def test_counted_progress_can_begin_again(lines, monkeypatch):
    monkeypatch.setattr(progress, "time", Clock(60.0))
    show = progress.CountedProgress("reading", "files")
    for n_done in (1, 2):
        show(n_done, 2)
    show(1, 2)
    assert [line.partition(",")[0] for line in lines] == [
        "reading: 1 of 2 (50%)",
        "reading: 2 of 2 (100%)",
        "reading: 1 of 2 (50%)",
    ]
