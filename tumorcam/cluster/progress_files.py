"""The progress of child processes, in small files which the process reads that started them.

Each bar of a process is a file of JSON, which is replaced as a whole. So a process that is killed,
or that an MPI launcher started, needs no connection, and the reader never meets half a file.
"""

import contextlib
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Report:
    """How far a process is with one of its tasks.

    `title` and `unit` are those of its bar, such as "train r00-f00" and "steps". `n_all` is 0 where
    nobody can tell it. `seconds` have passed since the task began. `note` may hold the loss of a
    model in training. `is_over` once the task has ended, whether or not it did all.
    """

    title: str
    unit: str
    n_done: int
    n_all: int
    seconds: float
    note: str = ""
    is_over: bool = False

    @property
    def share(self) -> float:
        """The share of the task that is done, from 0 to 1."""
        return min(1.0, self.n_done / self.n_all) if self.n_all else float(self.is_over)


def write_report(path: Path, report: Report) -> None:
    """Replace the file of a bar; what cannot be written is left out, since the work goes on."""
    aside = path.with_suffix(".part")
    with contextlib.suppress(OSError):
        aside.write_text(json.dumps(dataclasses.asdict(report)), encoding="utf-8")
        aside.replace(path)


def read_reports(folder: Path) -> list[Report]:
    """The reports of all processes, those that changed last at the end; no other file counts."""
    reports = []
    for path in folder.glob("*.json"):
        with contextlib.suppress(OSError, ValueError, TypeError):
            fields = json.loads(path.read_text(encoding="utf-8"))
            reports.append((path.stat().st_mtime_ns, path.name, Report(**fields)))
    return [report for _, _, report in sorted(reports, key=lambda entry: entry[:2])]


def clear_reports(folder: Path) -> None:
    """Remove the reports of a stage that has ended."""
    for path in folder.glob("*.json"):
        path.unlink(missing_ok=True)
