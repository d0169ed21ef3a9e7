"""Share and time left of a whole run, checked by hand."""

import re
import sys

import pytest
from pseudo_terminal import HIDE_CURSOR, SHOW_CURSOR, run_in_terminal

from jobs import pipeline
from tumorcam.cluster.progress_files import Report
from tumorcam.operations import run_progress
from tumorcam.operations.run_progress import seconds_left, share_done, units_done, view_run
from tumorcam.operations.work_left import StageWork

TRAIN = StageWork("train", 4, 9, "models", core_seconds=400.0, n_cores=2)  # 200 s
EXPLAIN = StageWork("explain", 48, 48, "shards", core_seconds=100.0, n_cores=2)  # 50 s
REDUCE = StageWork("reduce", 1, 1, "", core_seconds=20.0, n_cores=2)  # 10 s
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def steps(name, n_done, n_all=100, *, is_over=False, note=""):
    return Report(f"train {name}", "steps", n_done, n_all, 9.0, note, is_over=is_over)


def test_models_count_by_their_steps_and_finished_ones_whole():
    reports = [
        steps("r00-f00", 60, is_over=True),  # patience ended it
        steps("r00-f01", 50),
        Report("reading", "files", 3, 4, 1.0),
    ]
    assert units_done(TRAIN, reports) == 1.5
    assert share_done(TRAIN, reports) == 1.5 / 4


def test_shards_of_all_ranks_count():
    reports = [Report("explain", "shards", n, 24, 9.0) for n in (5, 7)]
    assert share_done(EXPLAIN, reports) == 12 / 48


def test_bands_and_rankings_are_half_of_reduce_each():
    assert share_done(REDUCE, [Report("reduce", "bands", 3, 4, 9.0)]) == 0.375
    rankings = Report("reduce", "rankings", 1, 8, 1.0)
    whole = Report("reduce", "bands", 4, 4, 9.0)
    assert share_done(REDUCE, [whole, rankings]) == 0.5 + 0.5 / 8


@pytest.mark.parametrize(
    ("share", "elapsed", "expected", "left"),
    [
        (0.0, 7.0, 200.0, 200.0),
        (0.04, 7.0, 200.0, 192.0),
        (0.05, 7.0, 200.0, 133.0),
        (0.25, 30.0, None, 90.0),
        (1.0, 30.0, 200.0, 0.0),
        (0.0, 30.0, None, None),
    ],
)
def test_the_time_left_of_a_stage(share, elapsed, expected, left):
    assert seconds_left(share, elapsed, expected) == pytest.approx(left)


def test_the_time_left_of_the_run_is_that_of_its_stages():
    """Half of train took 90 s, so it takes 90 s more; explain 50 s and reduce 10 s."""
    reports = [steps("r00-f00", 9, is_over=True), steps("r00-f01", 100, note="loss 2.310")]
    view = view_run([TRAIN, EXPLAIN, REDUCE], reports, elapsed=100.0, stage_elapsed=90.0)
    assert (view.stage_share, view.stage_left, view.left) == (0.5, 90.0, 150.0)
    assert view.share == 100 / 250 and view.speed == 2 / 90
    assert view.line == (
        "run: 40% done, 2:30 left; train: 2 of 4 models, 50%, 1.33 models/min; r00-f01 loss 2.310"
    )


def test_before_the_cohort_is_there_no_time_is_foretold():
    works = [StageWork("prepare", 1, 1, ""), StageWork("train", 1, 1, "")]
    view = view_run(works, [Report("reading", "files", 3, 7, 2.0)], elapsed=5, stage_elapsed=5)
    assert view.share is None and view.left is None
    assert view.line == "run: prepare: 0%; reading: 3 of 7 files"


def test_a_batch_log_has_whole_lines_without_control_characters(
    tiny_run, tiny_toml, monkeypatch, capfd
):
    monkeypatch.setattr(run_progress, "SECONDS_BETWEEN_LINES", 0.5)
    assert pipeline.main([tiny_toml, "--until", "train", "--ranks", "1"]) == 0
    out, err = capfd.readouterr()
    assert not CONTROL.search(out + err), "no bar, no colour, no carriage return"
    pattern = (
        r"\d\d:\d\d:\d\d run: \d+% done, \d+:\d\d left; train: [0-5] of 5 models, \d+%"
        r"(, [\d.e+]+ models/min)?(; r0\d-f0\d epoch \d of 2(, loss \d+\.\d+)?"
        r"(, validation accuracy \d\.\d+)?)?"
    )
    lines = [line for line in err.splitlines() if " run: " in line]
    assert lines and all(re.fullmatch(pattern, line) for line in lines), lines
    assert any("loss " in line for line in lines)
    assert "steps/s" not in err, "stages report to the run, and say nothing themselves"


def test_ctrl_c_on_a_terminal(tiny_run, tiny_toml):
    words = [sys.executable, "-m", "jobs", "run", tiny_toml, "--ranks", "1"]
    session = run_in_terminal(words, interrupt_at="of 5 models")
    assert session.exit_code == 130
    text = session.text
    assert text.rindex(SHOW_CURSOR) > text.rindex(HIDE_CURSOR)
    assert "stopped by SIGINT" in session.screen[-1]
    assert not any("models" in line or "━" in line for line in session.screen)
    for word in ("run ", "train ", "of 5 models", "stage 1 of 5"):
        assert word in session.plain
