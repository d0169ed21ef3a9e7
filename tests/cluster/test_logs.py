import io
import logging
import sys

import pytest

from tumorcam.cluster import logs


@pytest.mark.parametrize("rank", [0, 3])
def test_rank_0_alone_talks_but_all_report_errors(tmp_path, capsys, rank):
    logs.start_logging(tmp_path, "explain", rank)
    logs.logger.info("word")
    logs.logger.error("fault")
    said = capsys.readouterr().err
    written = (tmp_path / "logs" / f"explain-{rank}.log").read_text(encoding="utf-8")
    assert ("word" in said) == (rank == 0)
    assert "fault" in said
    assert "explain: word" in written and "explain: fault" in written


def test_starting_again_replaces_the_handlers(tmp_path, capsys):
    logs.start_logging(tmp_path, "train")
    first = logs.logger.handlers[:]
    logs.start_logging(tmp_path, "train")
    logs.logger.info("once")
    assert len(logs.logger.handlers) == 2 and not set(first) & set(logs.logger.handlers)
    assert capsys.readouterr().err.count("once") == 1


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_log_begins_with_who_starts_and_ends_with_the_last_word(
    tmp_path, monkeypatch, is_terminal
):
    screen = io.StringIO()
    screen.isatty = lambda: is_terminal
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    logs.start_logging(tmp_path, "train")
    logs.end_logging("done")
    logs.end_logging("after the end")
    lines = (tmp_path / "logs" / "train-0.log").read_text(encoding="utf-8").splitlines()
    assert " train: starts: " in lines[0] and ", job 12, host " in lines[0]
    assert [line[8:] for line in lines[1:]] == [" train: done"]
    said = screen.getvalue()
    assert ("starts" in said) != is_terminal and "done" not in said


class Clock:
    """A clock that goes on by `step` seconds whenever it is read."""

    def __init__(self, step):
        self.now, self.step = 0.0, step

    def monotonic(self):
        self.now += self.step
        return self.now


@pytest.fixture
def lines(monkeypatch):
    """What the logger says, with a standard error that is no terminal."""
    said = []
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    monkeypatch.setattr(logs.logger, "handlers", [handler])
    monkeypatch.setattr(logs.logger, "level", logging.INFO)
    return said


@pytest.mark.parametrize("shown", [True, False])
def test_progress_yields_every_item(lines, shown):
    assert list(logs.progress(iter(range(5)), "explain", "batches", shown=shown)) == list(range(5))


def test_a_batch_log_gets_a_line_a_minute_with_throughput_and_time_left(lines, monkeypatch):
    monkeypatch.setattr(logs, "time", Clock(30.0))
    assert len(list(logs.progress(range(6), "explain", "batches"))) == 6
    assert lines == [
        "explain: 2 of 6, 120 s left, 0.0333 batches/s",
        "explain: 4 of 6, 60 s left, 0.0333 batches/s",
        "explain: 6 of 6, 0 s left, 0.0333 batches/s",
    ]


def test_without_a_length_no_time_is_foretold(lines, monkeypatch):
    monkeypatch.setattr(logs, "time", Clock(60.0))
    list(logs.progress(iter("ab"), "read", "blocks"))
    assert lines == ["read: 1, 0.0167 blocks/s", "read: 2, 0.0167 blocks/s"]


def test_a_terminal_gets_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    assert list(logs.progress(range(3), "explain", "batches")) == [0, 1, 2]
    assert "explain" in screen.getvalue() and "batches" in screen.getvalue()
