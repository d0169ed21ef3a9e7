"""The terminal of a process: bars at its bottom, lines above them, and a clean end.

Where standard error is no terminal nothing is drawn. NO_COLOR switches colours off.
"""

import contextlib
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.text import Text

from tumorcam.cluster.preemption import undivided

BAR_WIDTH = 24  # characters
REFRESHES_PER_SECOND = 4


def clock_text(seconds: float) -> str:
    """A span of time as 0:07, 12:30, 3:05:00 or 2 d 3 h."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class _Count(ProgressColumn):
    """How much is done: a share of the run, a number of bytes, or n of all."""

    def render(self, task: Task) -> Text:
        """The text of one bar."""
        unit = task.fields["unit"]
        if unit == "share":
            return Text(f"{100 * task.completed:.0f}%")
        if unit == "bytes":
            total = f" of {task.total / 1e6:,.1f}" if task.total else ""
            return Text(f"{task.completed / 1e6:,.1f}{total} MB")
        if task.total is None:
            return Text(f"{task.completed:g} {unit}" if task.completed else "")
        whole = MofNCompleteColumn(separator=" of ").render(task).plain.strip()
        return Text(f"{whole} {unit}")


class _Left(ProgressColumn):
    """The time that is left."""

    def render(self, task: Task) -> Text:
        """The text of one bar; empty while nobody can tell."""
        seconds = task.fields.get("left")
        if seconds is None:
            seconds = task.time_remaining
        return Text("" if seconds is None else f"{clock_text(seconds)} left")


class Screen:
    """The bars of this process, which share the bottom of the terminal."""

    def __init__(self) -> None:
        self._bars: Progress | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether standard error is a terminal."""
        return sys.stderr.isatty()

    @undivided()
    def add(self, title: str, unit: str, n_all: int) -> TaskID:
        """Draw a further bar.

        Parameters
        ----------
        title, unit : str
            What stands before the bar, and what it counts.
        n_all : int
            How many there are; 0 where nobody can tell it.
        """
        if self._bars is None:
            self._bars = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(BAR_WIDTH, complete_style="cyan", finished_style="green"),
                _Count(),
                _Left(),
                TextColumn("{task.fields[note]}", markup=False),
                console=Console(file=sys.stderr, soft_wrap=True, highlight=False),
                refresh_per_second=REFRESHES_PER_SECOND,
                transient=True,
                redirect_stdout=sys.stdout.isatty(),  # a file gets its text itself
            )
            self._bars.start()
        return self._bars.add_task(title, total=n_all or None, unit=unit, note="", left=None)

    def update(self, bar: TaskID, n_done: float, **fields: object) -> None:
        """Move a bar, and give it a `description`, `total`, `note`, `unit` or `left` in seconds."""
        if self._bars is not None and bar in self._bars.task_ids:
            self._bars.update(bar, completed=n_done, **fields)  # type: ignore[arg-type]

    def remove(self, bar: TaskID) -> None:
        """Take a bar away; with the last one the terminal is as it was."""
        if self._bars is not None and bar in self._bars.task_ids:
            self._bars.remove_task(bar)
            if not self._bars.task_ids:
                self.clear()

    @undivided()
    def write(self, text: str) -> None:
        """Write lines to standard error, above the bars if there are any."""
        with contextlib.suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)

    @undivided()
    def clear(self) -> None:
        """Take all bars away and show the cursor again."""
        if self._bars is not None:
            bars, self._bars = self._bars, None
            with contextlib.suppress(OSError, ValueError):  # the terminal is gone
                bars.stop()


SCREEN = Screen()


@contextlib.contextmanager
def clean_screen() -> Iterator[None]:
    """Take the bars away at the end of the block, whatever ends it."""
    try:
        yield
    finally:
        SCREEN.clear()
