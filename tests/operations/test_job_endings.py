import os

import pytest

from jobs import command
from tumorcam.cluster import logs
from tumorcam.cluster.logs import DONE, FAILED, STARTED, STOPPED, LogRecord
from tumorcam.errors import FileError, PreemptedError
from tumorcam.operations.job_endings import stage_causes

TIME_LIMIT = (
    "slurmstepd: error: *** JOB 7 ON vn1 CANCELLED AT 2026-01-02T03:04:05 DUE TO TIME LIMIT ***"
)
KILLED = "srun: error: vn2: task 1: Killed"


@pytest.fixture
def write(tmp_path):
    """Writes a file of logs, each newer than the one before: a job's log, or Slurm's output."""
    n_written = 0

    def write(name, *lines):
        nonlocal n_written
        n_written += 1
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        os.utime(path, (1e9 + n_written, 1e9 + n_written))
        return path

    return write


def line(text, name="explain-0"):
    return f"12:34:56 {name}: {text}"


def start(job=""):
    date = "2026-01-02 03:04:05"
    return LogRecord(STARTED, date=date, job=job, host="node7", process=4711).to_line()


def failed(error):
    return LogRecord(FAILED, error=error).to_line()


DONE_LINE = LogRecord(DONE, date="2026-01-02 03:04:06").to_line()
SLURM_START = line("starts: 2026-01-02, job 7, host node7, process 4711")


def test_the_error_that_ended_a_log_is_the_cause(tmp_path, write):
    path = write("explain-0-1.log", start(), line("3 shards"), failed("no room"), "a note")
    assert stage_causes(tmp_path, "explain") == [f"{path}: error: no room"]
    assert stage_causes(tmp_path, "reduce") == []


def test_an_error_before_the_last_start_is_outdated(tmp_path, write):
    write("explain-0-0.log", start(), failed("old"), start(), DONE_LINE)
    assert stage_causes(tmp_path, "explain") == []


def test_a_job_that_was_stopped_says_so(tmp_path, write):
    path = write("explain-0-0.log", start(), LogRecord(STOPPED, error="USR1 came").to_line())
    assert stage_causes(tmp_path, "explain") == [f"{path}: USR1 came"]


def test_a_log_without_a_last_word_shows_its_last_line(tmp_path, write):
    path = write("explain-0-0.log", start(), DONE_LINE, start(), line("explain: 3 of 9"))
    assert stage_causes(tmp_path, "explain") == [
        f"{path}: no last word: it still runs, or was killed; last line: {line('explain: 3 of 9')}"
    ]


def test_what_slurm_says_explains_a_silent_log(tmp_path, write):
    write("explain-0-0.log", start("7"))
    write("explain-0-1.log", start("7"))
    stop = "slurmstepd: error: *** STEP 7.0 ON vn1 CANCELLED AT 2026-01-02T03:04:05 ***"
    path = write(
        "tumorcam-explain-7.out", SLURM_START, KILLED, stop, "srun: error: vn1: task 0: Terminated"
    )
    assert stage_causes(tmp_path, "explain") == [f"{path}: {KILLED}"]


def test_a_jobs_own_error_says_more_than_slurms(tmp_path, write):
    path = write("explain-0-0.log", start("7"), failed("no room"))
    write("explain-0-1.log", start("7"))
    write("tumorcam-explain-7.out", "srun: error: vn1: task 0: Exited with exit code 1")
    assert stage_causes(tmp_path, "explain") == [f"{path}: error: no room"]


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        ([TIME_LIMIT, "srun: error: vn1: task 0: Terminated"], TIME_LIMIT),
        (["error: srun sees 1 rank", "srun: error: vn1: task 0: Exited with exit code 1"],
         "error: srun sees 1 rank"),
        (["Traceback (most recent call last):", "ModuleNotFoundError: No module named 'jobs'",
          "srun: error: vn1: task 0: Exited with exit code 1"],
         "ModuleNotFoundError: No module named 'jobs'"),
        (["stopped by SIGUSR1: r00-f00 after step 5", "srun: error: vn1: task 0: Terminated"],
         "stopped by SIGUSR1: r00-f00 after step 5"),
        (["srun: error: vn1: task 0: Exited with exit code 5"],
         "srun: error: vn1: task 0: Exited with exit code 5"),
        (["slurmstepd: error: Detected 1 oom_kill event in StepId=7.0.", "srun: bye"],
         "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0."),
        ([TIME_LIMIT, SLURM_START, KILLED], KILLED),
        (["/spool/slurm_script: line 12: .venv/bin/python: No such file or directory"],
         "/spool/slurm_script: line 12: .venv/bin/python: No such file or directory"),
    ],
)  # fmt: skip
def test_of_slurms_output_the_line_that_says_most_is_taken(tmp_path, write, lines, cause):
    path = write("tumorcam-explain-7.out", *lines)
    assert stage_causes(tmp_path, "explain") == [f"{path}: {cause}"]


def test_only_the_last_job_counts(tmp_path, write):
    write("explain-7-0.log", start("7_7"), failed("of a larger array"))
    write("tumorcam-explain-7_7.out", TIME_LIMIT)
    write("explain-0-0.log", start("8"), DONE_LINE)
    assert stage_causes(tmp_path, "explain") == []
    path = write("tumorcam-explain-9.out", "ImportError: before it had a log")
    assert stage_causes(tmp_path, "explain") == [f"{path}: ImportError: before it had a log"]


def test_each_model_tells_of_its_own_last_job(tmp_path, write):
    older = write("train-r00-f00-0.log", start("7_0"), failed("a"))
    write("tumorcam-train-7_1.out", TIME_LIMIT)
    write("train-r00-f01-0.log", start("7_1"), start("8_1"), DONE_LINE)
    write("train-r01-f00-0.log", start("8_2"))
    newer = write("tumorcam-train-8_2.out", SLURM_START, KILLED)
    assert stage_causes(tmp_path, "train") == [
        f"{newer}: {KILLED}",
        f"{older}: error: a",
    ]


def test_a_job_in_the_queue_has_not_ended(tmp_path, write):
    write("train-r00-f00-0.log", start("7_0"))
    ended = write("train-r00-f01-0.log", start("7_1"), failed("a"))
    assert stage_causes(tmp_path, "train", ["7_0"]) == [f"{ended}: error: a"]


def test_three_causes_at_most_newest_first_each_once(tmp_path, write):
    for i, error in enumerate("abcdd"):
        write(f"explain-0-{i}.log", start("7"), failed(error))
    causes = stage_causes(tmp_path, "explain")
    assert [cause.rpartition(" ")[2] for cause in causes] == ["d", "c", "b"]
    assert "explain-0-4.log" in causes[0]


def test_the_batch_script_of_prepare_writes_two_logs(tmp_path, write):
    write("prepare-0.log", start("7"), DONE_LINE)
    path = write("synthesize-0.log", start("7"), failed("no room"))
    assert stage_causes(tmp_path, "prepare") == [f"{path}: error: no room"]


def test_only_a_logs_tail_is_read(tmp_path, write):
    path = write("explain-0-0.log", start(), *["x" * 999] * 300, "\ufffd", failed("a"))
    assert stage_causes(tmp_path, "explain") == [f"{path}: error: a"]


@pytest.mark.parametrize(
    ("error", "code", "cause"),
    [
        (FileError("it is not there"), 1, "error: it is not there"),
        (PreemptedError("stopped by USR1"), 75, "stopped by USR1; what is done is kept"),
        (FileError("no file \udcff.tsv"), 1, "error: no file ?.tsv"),
        (ZeroDivisionError("a\nb"), 1, "error: ZeroDivisionError: a b; this should not happen"),
        (KeyboardInterrupt(), None, "error: KeyboardInterrupt: "),
        (None, 0, None),
    ],
)
def test_the_causes_of_real_jobs_are_reported(tmp_path, error, code, cause):
    """What logs and command write is what job_endings reads."""
    config_file = tmp_path / "a.toml"
    config_file.write_text("", encoding="utf-8")

    def body(job):
        logs.start_logging(tmp_path, "explain-3", job.launch, rank=2)
        if error:
            raise error
        return 0

    explain = command.Command("explain", "", body, ())
    if code is None:
        with pytest.raises(type(error)):
            command.run(explain, [str(config_file)])
    else:
        assert command.run(explain, [str(config_file)]) == code
    path = tmp_path / "explain-3-2.log"
    causes = stage_causes(tmp_path, "explain")
    assert len(causes) == (cause is not None)
    assert all(text.startswith(f"{path}: {cause}".strip()) for text in causes)
    assert not logs.logger.handlers, "a later job of this process writes no word into this log"
