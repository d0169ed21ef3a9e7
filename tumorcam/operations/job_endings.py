"""Why a stage's last job ended before its work was done, from the logs of a run."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from tumorcam.cluster.logs import DONE, ERROR, STARTS, STOPPED

MAX_CAUSES = 3  # of a stage
TAIL_BYTES = 200_000  # read of each log
MAX_CHARACTERS = 300  # of a line
LOGS_OF_JOB = {"prepare": ("synthesize", "prepare")}  # what a batch script starts; else its own

PREFIX = r"\d\d:\d\d:\d\d \S+: "  # of each line, by logs.start_logging
START = re.compile(rf"{PREFIX}{STARTS}: (?:.*\bjob (?P<number>\d+(?:_\d+)?))?")
LAST_WORD = re.compile(rf"{PREFIX}(?P<word>(?P<kind>{DONE}|{ERROR}|{STOPPED})\b.*)")
OUTPUT_NAME = re.compile(r"tumorcam-[a-z]+-(?P<number>\d+(?:_\d+)?)\.out")
ERROR_LINE = re.compile(  # in Slurm's output: from Slurm, from a job without a log, from Python
    rf"(srun|slurmstepd): error: |({PREFIX})?({ERROR}|{STOPPED}): "
    r"|([A-Za-z_]\w*\.)*\w*(Error|Exception|KeyboardInterrupt)\b|\S+: line \d+: "
)
CONSEQUENCE = re.compile(  # of what an earlier line says
    r"Exited with exit code|: Terminated|CANCELLED AT \S+ \*\*\*"
)


class Ending(NamedTuple):
    """How the writer of a file ended.

    `number` is its Slurm job, such as 12 or 12_3, empty without Slurm; `error` is empty where none
    is told, and then `is_done` tells whether the work was done. `last` is the last line.
    """

    path: Path
    time: float
    number: str
    error: str
    is_done: bool
    last: str

    @property
    def job(self) -> str:
        """The job's number without that of the array's element."""
        return self.number.partition("_")[0]

    @property
    def group(self) -> str:
        """What is the same for all files of a job or element."""
        return self.number or self.path.name


def stage_causes(folder: Path, job: str, queued: Collection[str] = ()) -> list[str]:
    """Why the last run of this job ended early: at most 3 lines `FILE: text`, newest first.

    Parameters
    ----------
    folder : Path
        The run's.
    queued : collection of str
        Numbers of the jobs that run or wait, such as 12 or 12_3: they have not ended.
    """
    names = LOGS_OF_JOB.get(job, (job,))
    paths = [path for name in names for path in (folder / "logs").glob(f"{name}-*.log")]
    logs = [_read_log(path) for path in paths]
    outputs = [_read_output(path) for path in (folder / "logs").glob(f"tumorcam-{job}-*.out")]
    newest = max([*logs, *outputs], key=lambda ending: ending.time, default=None)
    if newest is None:
        return []
    if job != "train":  # its logs have models' names: each tells of that model's last job
        logs = [log for log in logs if log.job == newest.job]
    groups = {log.group for log in logs} | {o.group for o in outputs if o.job == newest.job}
    told = [
        ending
        for group in groups - set(queued)
        for ending in _telling(
            [log for log in logs if log.group == group],
            [output for output in outputs if output.group == group],
        )
    ]
    told.sort(key=lambda ending: (bool(ending.error), ending.time), reverse=True)
    lines: dict[str, Path] = {}
    for ending in told:
        lines.setdefault(_text(ending), ending.path)
    return [f"{path}: {text}" for text, path in lines.items()][:MAX_CAUSES]


def _telling(logs: Sequence[Ending], outputs: Sequence[Ending]) -> list[Ending]:
    """Of one job or element: the logs with an error, else Slurm's output, else the silent logs."""
    unfinished = [log for log in logs if not log.is_done]
    if logs and not unfinished:
        return []
    errors = [log for log in unfinished if log.error] or [o for o in outputs if o.error]
    return errors or unfinished


def _text(ending: Ending) -> str:
    silent = f"no last word: it still runs, or was killed; last line: {ending.last}"
    return (ending.error or silent)[:MAX_CHARACTERS]


def _read_log(path: Path) -> Ending:
    number, lines = _since_start(path)
    words = [found for line in lines if (found := LAST_WORD.match(line))]
    is_done = bool(words) and words[-1]["kind"] == DONE
    error = words[-1]["word"] if words and not is_done else ""
    return Ending(path, path.stat().st_mtime, number, error, is_done, lines[-1] if lines else "")


def _read_output(path: Path) -> Ending:
    """What Slurm and the job's console say; the first of the consequences if nothing else is."""
    named = OUTPUT_NAME.fullmatch(path.name)
    _, lines = _since_start(path)
    errors = [line for line in lines if ERROR_LINE.match(line)]
    causes = [line for line in errors if not CONSEQUENCE.search(line)]
    error = causes[-1] if causes else next(iter(errors), "")
    last = lines[-1] if lines else ""
    return Ending(path, path.stat().st_mtime, named["number"] if named else "", error, False, last)


def _since_start(path: Path) -> tuple[str, list[str]]:
    """The job's number, and the lines from the last start on: what stands above is outdated."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    starts = [(i, found) for i, line in enumerate(lines) if (found := START.match(line))]
    first, found = starts[-1] if starts else (0, None)
    number = found["number"] if found else None
    return number or "", [line for line in lines[first:] if line.strip()]
