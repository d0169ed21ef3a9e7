"""Why the last job of a stage ended before its work was done, from the logs of a run."""

import re
import shlex
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from tumorcam.cluster.job_notes import LINE_START
from tumorcam.cluster.logs import DONE, FAILED, STARTED, LogRecord
from tumorcam.storage import integrity

MAX_CAUSES = 3  # for one stage
TAIL_BYTES = 200_000  # that are read from the end of each file
MAX_CHARACTERS = 300  # of one cause
LOGS_OF_JOB = {"prepare": ("synthesize", "prepare")}  # of a batch script that starts two jobs

# In the output files of Slurm, which hold what Slurm, Python and the console of a job write
OUTPUT_NAME = re.compile(r"tumorcam-[a-z]+-(?P<number>\d+(?:_\d+)?)\.out")
CONSOLE_PREFIX = r"\d\d:\d\d:\d\d \S+: "  # of the lines of our jobs
START_LINE = re.compile(rf"{CONSOLE_PREFIX}starts: ")
ERROR_LINE = re.compile(  # from Slurm, from one of our jobs, from Python, from the batch script
    rf"(srun|slurmstepd): error: |({CONSOLE_PREFIX})?(error: |stopped by )"
    r"|([A-Za-z_]\w*\.)*\w*(Error|Exception|KeyboardInterrupt)\b|\S+: line \d+: "
)
CONSEQUENCE = re.compile(  # a line that follows from an earlier error
    r"Exited with exit code|: Terminated|CANCELLED AT \S+ \*\*\*"
)


class Ending(NamedTuple):
    """How the process that wrote a file ended, as far as the file tells.

    `time` is that of the last write, in seconds since 1970, and `number` that of the Slurm job,
    such as 12 or 12_3 (empty without Slurm). `error` is empty where the file names none; then
    `is_done` says whether the work was done. `last_line` is the last line of text.
    """

    path: Path
    time: float
    number: str
    error: str
    is_done: bool
    last_line: str

    @property
    def job(self) -> str:
        """The number of the job, without that of the array's element."""
        return self.number.partition("_")[0]

    @property
    def group(self) -> str:
        """A key that all files of one job or array element share."""
        return self.number or self.path.name

    @property
    def cause(self) -> str:
        """Why the work is not done, in one line."""
        unknown = "no last word: it still runs, or was killed; last line: "
        text = " ".join((self.error or unknown + self.last_line).split())[:MAX_CHARACTERS]
        return text.encode("utf-8", "replace").decode()  # a file's name may be no Unicode


def failure_lines(logs: Path, stage: str, code: int, command: Sequence[str]) -> list[str]:
    """Why a stage of `tumorcam run` failed, by its logs, and the command that goes on.

    Parameters
    ----------
    code : int
        The exit code of the stage.
    command : sequence of str
        The words of the command.
    """
    causes = [f"run: {cause}" for cause in stage_causes(logs, stage)[:1]]
    text = f"{stage} ended with exit code {code}; what is done is kept, go on with:"
    return [*causes, f"run: {text} {shlex.join(command)}"]


def stage_causes(logs: Path, job: str, queued: Collection[str] = ()) -> list[str]:
    """Why the last run of a job ended early: at most 3 lines `FILE: cause`, the newest first.

    Parameters
    ----------
    logs : Path
        The run's folder of logs.
    job : str
        The name of the job, such as train.
    queued : collection of str
        Numbers of the jobs that run or wait, such as 12 or 12_3; they have not ended.
    """
    names = LOGS_OF_JOB.get(job, (job,))
    endings = [_read_log(path) for name in names for path in logs.glob(f"{name}-*.log")]
    outputs = [_read_output(path) for path in logs.glob(f"tumorcam-{job}-*.out")]
    newest = max([*endings, *outputs], key=lambda ending: ending.time, default=None)
    if newest is None:
        return []
    if job != "train":  # a log of train has the name of its model: each shows that model's last job
        endings = [ending for ending in endings if ending.job == newest.job]
    groups = {ending.group for ending in endings}
    groups |= {output.group for output in outputs if output.job == newest.job}
    unfinished = [
        ending
        for group in groups - set(queued)
        for ending in _unfinished(
            [ending for ending in endings if ending.group == group],
            [output for output in outputs if output.group == group],
        )
    ]
    unfinished.sort(key=lambda ending: (bool(ending.error), ending.time), reverse=True)
    paths: dict[str, Path] = {}
    for ending in unfinished:
        paths.setdefault(ending.cause, ending.path)
    return [f"{path}: {cause}" for cause, path in paths.items()][:MAX_CAUSES]


def _unfinished(logs: Sequence[Ending], outputs: Sequence[Ending]) -> list[Ending]:
    """Of one job or array element: the logs with an error, else Slurm's output, else all logs.

    There are none where all work was done.
    """
    open_ends = [log for log in logs if not log.is_done]
    if logs and not open_ends:
        return []
    errors = [log for log in open_ends if log.error] or [out for out in outputs if out.error]
    return errors or open_ends


def _read_log(path: Path) -> Ending:
    """How the last process that wrote a log of ours ended, by its records."""
    start = end = LogRecord("")
    last_line = ""
    for line in _tail(path):
        if line.startswith(LINE_START):
            continue
        record = LogRecord.from_line(line)
        if record is None:
            last_line = line
        elif record.state == STARTED:
            start, end, last_line = record, LogRecord(""), line
        else:
            end = record
    error = f"error: {end.error}" if end.state == FAILED else end.error or end.state
    return Ending(
        path=path,
        time=path.stat().st_mtime,
        number=start.job,
        error="" if end.state == DONE else error,
        is_done=end.state == DONE,
        last_line=last_line,
    )


def _read_output(path: Path) -> Ending:
    """What an output file of Slurm says: its last cause, or else its first consequence."""
    lines = _tail(path)
    starts = [number for number, line in enumerate(lines) if START_LINE.match(line)]
    lines = lines[starts[-1] if starts else 0 :]  # what an earlier start wrote is outdated
    errors = [line for line in lines if ERROR_LINE.match(line)]
    causes = [line for line in errors if not CONSEQUENCE.search(line)]
    name = OUTPUT_NAME.fullmatch(path.name)
    return Ending(
        path=path,
        time=path.stat().st_mtime,
        number=name["number"] if name else "",
        error=causes[-1] if causes else next(iter(errors), ""),
        is_done=False,
        last_line=lines[-1] if lines else "",
    )


def _tail(path: Path) -> list[str]:
    """The last lines of a file that are not blank."""
    try:
        with integrity.open_regular(path) as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError as error:
        return [f"error: {error}"]
    return [line for line in text.split("\n") if line.strip()]
