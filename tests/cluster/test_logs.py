import io
import json
import os
import socket
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.cluster import logs
from tumorcam.cluster.job_notes import JobNotes
from tumorcam.cluster.launcher import CHILD_VARIABLE, Launch, n_cpus
from tumorcam.cluster.logs import DONE, FAILED, STARTED, STOPPED, LogRecord

LAPTOP = Launch.from_environ({})
SLURM = Launch.from_environ(
    {
        "SLURM_JOB_ID": "13",
        "SLURM_ARRAY_JOB_ID": "12",
        "SLURM_ARRAY_TASK_ID": "3",
        "SLURM_RESTART_COUNT": "2",
    }
)


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


@given(
    st.builds(
        LogRecord,
        st.sampled_from([STARTED, DONE, FAILED, STOPPED]),
        *[st.text()] * 2,
        st.integers(0),
        st.text(),
        st.integers(0),
        st.text(),
    )
)
def test_a_record_is_one_line_that_reads_back(record):
    line = record.to_line()
    assert "\n" not in line and LogRecord.from_line(line) == record


@pytest.mark.parametrize(
    "line",
    ["", "12:00:00 train: word", "{}", "[1]", '{"state": "done"', '{"error": "a"}', '{"state": '],
)
def test_any_other_line_is_no_record(line):
    assert LogRecord.from_line(line) is None


def test_a_record_of_a_later_version_is_read():
    line = '{"state": "failed", "colour": "red", "error": "größe"}'
    assert LogRecord.from_line(line) == LogRecord(FAILED, error="größe")


def test_an_error_that_is_no_unicode_can_be_written(tmp_path):
    path = logs.start_logging(tmp_path, "train", LAPTOP)
    logs.end_logging(FAILED, "no file \udcff.tsv")
    assert json.loads(lines_of(path)[-1])["error"] == "no file \udcff.tsv"


@pytest.mark.parametrize("rank", [0, 3])
def test_rank_0_alone_talks_but_all_report_errors(tmp_path, capsys, rank):
    path = logs.start_logging(tmp_path / "logs", "explain", LAPTOP, rank=rank)
    logs.logger.info("word")
    logs.logger.error("fault")
    screen = capsys.readouterr().err
    text = path.read_text(encoding="utf-8")
    assert path == tmp_path / "logs" / f"explain-{rank}.log"
    assert ("word" in screen, "starts: " in screen) == (rank == 0, rank == 0)
    assert "fault" in screen
    assert "explain: word" in text and "explain: fault" in text


def test_starting_again_replaces_the_handlers(tmp_path, capsys):
    logs.start_logging(tmp_path, "train", LAPTOP)
    first = logs.logger.handlers[:]
    logs.start_logging(tmp_path, "train", LAPTOP)
    logs.logger.info("once")
    assert len(logs.logger.handlers) == 2 and not set(first) & set(logs.logger.handlers)
    assert capsys.readouterr().err.count("once") == 1


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_log_begins_and_ends_with_a_record_that_no_console_gets(
    tmp_path, monkeypatch, is_terminal
):
    screen = io.StringIO()
    screen.isatty = lambda: is_terminal
    monkeypatch.setattr(sys, "stderr", screen)
    path = logs.start_logging(tmp_path, "train", SLURM)
    logs.logger.info("word")
    logs.end_logging(DONE)
    logs.end_logging(FAILED, "after the end")
    first, at_start, word, at_end, last = lines_of(path)
    start = LogRecord.from_line(first)
    assert (start.state, start.job, start.restart) == (STARTED, "12_3", 2)
    assert (start.host, start.process) == (socket.gethostname(), os.getpid())
    assert word[8:] == " train: word" and set(json.loads(last)) == {"state", "date"}
    assert LogRecord.from_line(last).state == DONE
    assert JobNotes.from_line(at_start).cores == n_cpus()
    assert JobNotes.from_line(at_end).seconds >= 0 and "cpu" not in at_end.replace("cpu_s", "")
    console = screen.getvalue()
    assert "{" not in console and "done" not in console
    readable = f"train: starts: {start.date[:10]}, job 12_3, restart 2, host {start.host}, process"
    assert (readable in console) != is_terminal


def test_a_process_of_the_pipeline_prints_no_start(tmp_path, capsys):
    child = Launch.from_environ({CHILD_VARIABLE: "1"})
    logs.start_logging(tmp_path, "explain-0", child)
    logs.logger.info("word")
    assert capsys.readouterr().err.endswith(" explain-0: word\n")


def test_the_next_start_stands_after_a_blank_line(tmp_path):
    for state in (STOPPED, DONE):
        path = logs.start_logging(tmp_path, "train", LAPTOP)
        logs.end_logging(state, "")
    lines = lines_of(path)
    records = [line for line in lines if '"state"' in line]
    states = [STARTED, STOPPED, STARTED, DONE]
    assert [json.loads(line)["state"] for line in records] == states
    assert lines[4] == "" and len(lines) == 9
