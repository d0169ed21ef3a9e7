"""What a run has measured of its own work: time of models, shards and whole stages."""

import contextlib
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tumorcam.cluster.logs import DONE, STARTED, LogRecord
from tumorcam.errors import FileError
from tumorcam.storage import integrity

DATE = "%Y-%m-%d %H:%M:%S"  # of a LogRecord
ITEMS_LINE = re.compile(  # which a `Meter` writes at its end
    r"\d\d:\d\d:\d\d \S+: (?P<title>[a-z]+): (?P<count>\d+) (?P<unit>[a-z]+) in "
    r"(?P<seconds>\d+\.\d) s"
)


class Items(NamedTuple):
    """How many items were done, and the seconds of one process that they took together."""

    n_items: int
    seconds: float

    @property
    def each_seconds(self) -> float:
        """Seconds of one process for one item."""
        return self.seconds / self.n_items


def finished_epochs(history: Path) -> Items:
    """The epochs of a model so far, by its history.csv; 0 where it has none that can be read."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, FileError):
        seconds = pd.read_csv(history)["seconds"].astype(float)
        return Items(len(seconds), float(seconds.sum()))
    return Items(0, 0.0)


def trained_models(histories: Iterable[Path]) -> Items:
    """Finished models and their training time; those without a learning curve do not count."""
    epochs = [curve for curve in map(finished_epochs, histories) if curve.n_items]
    return Items(len(epochs), sum(curve.seconds for curve in epochs))


def logged_items(logs: Path, job: str, unit: str) -> Items:
    """Items that the processes of a job have done, such as shards, by the lines of their logs."""
    count, seconds = 0, 0.0
    for path in logs.glob(f"{job}-*.log"):
        for line in _lines(path):
            match = ITEMS_LINE.fullmatch(line)
            if match and match["title"] == job and match["unit"] == unit:
                count += int(match["count"])
                seconds += float(match["seconds"])
    return Items(count, seconds)


def stage_seconds(logs: Path, job: str) -> float | None:
    """Seconds of all processes of a job together, by its longest complete start; None without one.

    A later start that only looked whether all is there is shorter, and so does not count.
    """
    spans = [_longest_start(path) for path in logs.glob(f"{job}-*.log")]
    return sum(spans) if any(spans) else None


def _longest_start(log: Path) -> float:
    """The longest time from a start to its end `done`, in seconds; 0 without one."""
    started, longest = "", 0.0
    for line in _lines(log):
        record = LogRecord.from_line(line)
        if record is not None and record.state == STARTED:
            started = record.date
        elif record is not None and record.state == DONE and started:
            with contextlib.suppress(ValueError):
                longest = max(longest, _seconds(record.date) - _seconds(started))
    return longest


def _seconds(date: str) -> float:
    return time.mktime(time.strptime(date, DATE))


def _lines(path: Path) -> list[str]:
    with contextlib.suppress(OSError), integrity.open_regular(path) as file:
        return file.read().decode(errors="replace").splitlines()
    return []
