"""Bars on a terminal, and the terminal after them."""

import sys

import pytest
from pseudo_terminal import COLOUR, HIDE_CURSOR, SHOW_CURSOR, run_in_terminal

from tumorcam.cluster.screen import clock_text

LOOP = """
import sys, time, logging
from pathlib import Path
from tumorcam.cluster import logs, preemption, screen
from tumorcam.cluster.launcher import Launch
from tumorcam.cluster.progress import progress
from tumorcam.errors import PreemptedError
logs.start_logging(Path(sys.argv[1]), "explain", Launch({}))
code = 0
try:
    with preemption.stop_on_signal(), screen.clean_screen():
        for i in progress(range(12), "explain", "shards", note=lambda: "loss 2.310"):
            time.sleep(0.25)
            if i == 2:
                logs.logger.info("a line of the log")
            if i == 4 and sys.argv[2] == "fail":
                raise ValueError("broken")
except PreemptedError:
    code = 130
except ValueError as error:
    print(f"error: {error}", file=sys.stderr)
    code = 1
print("the end")
sys.exit(code)
"""


def session(tmp_path, how="", **options):
    return run_in_terminal([sys.executable, "-c", LOOP, str(tmp_path), how], **options)


def is_clean(text):
    """Whether the cursor was hidden and is visible again."""
    return HIDE_CURSOR in text and text.rindex(SHOW_CURSOR) > text.rindex(HIDE_CURSOR)


def test_a_bar_shows_its_count_time_and_note_and_then_goes(tmp_path):
    run = session(tmp_path)
    assert run.exit_code == 0 and is_clean(run.text)
    for word in ("explain", "of 12 shards", "left", "loss 2.310", "━"):
        assert word in run.plain
    assert [line[9:] for line in run.screen[:1]] == ["explain: a line of the log"]
    assert run.screen[1:] == ["the end"], "the bar is gone, the line above it stays"
    assert COLOUR.search(run.text)


def test_no_color_is_heeded(tmp_path):
    run = session(tmp_path, NO_COLOR="1")
    assert run.exit_code == 0 and "of 12 shards" in run.plain
    assert not COLOUR.search(run.text)


def test_ctrl_c_leaves_a_clean_terminal(tmp_path):
    run = session(tmp_path, interrupt_at="of 12 shards")
    assert run.exit_code == 130 and is_clean(run.text)
    assert run.screen[-1] == "the end" and not any("shards" in line for line in run.screen)


def test_an_error_stands_alone_on_a_clean_terminal(tmp_path):
    run = session(tmp_path, "fail")
    assert run.exit_code == 1 and is_clean(run.text)
    assert run.screen[-2:] == ["error: broken", "the end"]
    assert not any("shards" in line for line in run.screen)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0:00"), (7, "0:07"), (750, "12:30"), (11100, "3:05:00"), (183600, "2 d 3 h")],
)
def test_a_span_of_time_as_text(seconds, text):
    assert clock_text(seconds) == text
