"""Progress of loops: a bar on a terminal, a line a minute in a batch log.

Where `tumorcam run` started the process, that one shows the bars; this one reports to it, and
writes its lines to its log file alone.
"""

import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import Path
from typing import TypeVar

from rich.progress import TaskID

from tumorcam.cluster.launcher import current_launch
from tumorcam.cluster.logs import log_to_file, logger
from tumorcam.cluster.progress_files import Report, write_report
from tumorcam.cluster.screen import SCREEN, clock_text

SECONDS_BETWEEN_LINES = 60.0  # of progress where standard error is no terminal
SECONDS_BETWEEN_REPORTS = 0.5  # to the process that started this one, and of bars

Item = TypeVar("Item")
Note = Callable[[], str]
_numbers = itertools.count()


class Meter:
    """Shows how much of a task is done.

    Parameters
    ----------
    title, unit : str
        The title of the bar and what one item is, such as "explain" and "batches"; "bytes" are
        counted in MB on a terminal.
    n_all : int
        The number of items; 0 where nobody can tell it, then no time is foretold.
    visible : bool
        False on all ranks but 0, which report to `tumorcam run` alone.
    note : callable or None
        Gives a text beside the bar, such as the loss of a model; called at most twice a second.
    """

    def __init__(
        self, title: str, unit: str, n_all: int, *, visible: bool = True, note: Note | None = None
    ) -> None:
        self.title, self.unit, self.n_all, self.visible = title, unit, n_all, visible
        self._note = note or (lambda: "")
        self._start = self._last_line = time.monotonic()
        self._last_report = -SECONDS_BETWEEN_REPORTS
        folder = current_launch().progress_folder
        self._file: Path | None = None
        if folder is not None:
            self._file = folder / f"{os.getpid()}-{next(_numbers)}.json"
        self._bar: TaskID | None = None
        if visible and folder is None and SCREEN.is_terminal:
            self._bar = SCREEN.add(title, unit, n_all)
        self.n_done = 0

    def update(self, n_done: int) -> None:
        """Show that so many items are done."""
        self.n_done, now = n_done, time.monotonic()
        is_due = now - self._last_report >= SECONDS_BETWEEN_REPORTS
        if is_due and (self._file or self._bar is not None):
            self._last_report = now
            self._report(now)
        if self._bar is None and self.visible and now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            line = progress_line(self._state(now))
            if self._file:
                log_to_file(line)
            else:
                logger.info("%s", line)

    def close(self) -> None:
        """Take the bar away, and write to the log file how long it took."""
        now = time.monotonic()
        if self._file:
            write_report(self._file, self._state(now, is_over=True))
        if self._bar is not None:
            SCREEN.remove(self._bar)
            self._bar = None
        if self.n_done and self.unit != "bytes":
            log_to_file(f"{self.title}: {self.n_done} {self.unit} in {now - self._start:.1f} s")

    def _report(self, now: float) -> None:
        state = self._state(now)
        if self._file:
            write_report(self._file, state)
        if self._bar is not None:
            total = self.n_all or None
            SCREEN.update(self._bar, self.n_done, total=total, note=state.note)

    def _state(self, now: float, *, is_over: bool = False) -> Report:
        return Report(
            title=self.title,
            unit=self.unit,
            n_done=self.n_done,
            n_all=self.n_all,
            seconds=round(now - self._start, 1),
            note=self._note(),
            is_over=is_over,
        )


def progress(
    items: Iterable[Item],
    title: str,
    unit: str,
    *,
    visible: bool = True,
    note: Note | None = None,
) -> Iterator[Item]:
    """The items, while progress, speed and the remaining time are shown.

    Parameters
    ----------
    items : iterable
        The remaining time needs their number: give something that has a length.
    title, unit, visible, note :
        As in `Meter`.
    """
    n_all = len(items) if isinstance(items, Sized) else 0
    meter = Meter(title, unit, n_all, visible=visible, note=note)
    try:
        for n_done, item in enumerate(items, start=1):
            yield item
            meter.update(n_done)
    finally:
        meter.close()


class CountedProgress:
    """Called with how much of how much is done, it shows that as `progress` does.

    Parameters
    ----------
    title, unit : str
        As in `Meter`.
    """

    def __init__(self, title: str, unit: str) -> None:
        self.title, self.unit = title, unit
        self._meter: Meter | None = None

    def __call__(self, n_done: int, n_all: int) -> None:
        """Show that so much of so much is done."""
        if self._meter is None:
            self._meter = Meter(self.title, self.unit, n_all)
        self._meter.n_all = n_all
        self._meter.update(n_done)
        if n_done >= n_all:
            self.close()

    def close(self) -> None:
        """Take the bar away, if there is one."""
        if self._meter is not None:
            meter, self._meter = self._meter, None
            meter.close()


def progress_line(report: Report) -> str:
    """A line for a log: how much is done, the time left, the speed, and the note."""
    speed = report.n_done / report.seconds if report.seconds else 0.0
    rest = ""
    if report.n_all and speed:
        left = (report.n_all - report.n_done) / speed
        rest = f" of {report.n_all} ({100 * report.share:.0f}%), {clock_text(left)} left"
    note = f"; {report.note}" if report.note else ""
    return f"{report.title}: {report.n_done}{rest}, {speed:.3g} {report.unit}/s{note}"
