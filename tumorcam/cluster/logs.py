"""Log files of jobs, and what of them goes to the console."""

import contextlib
import dataclasses
import errno
import json
import logging
import os
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tumorcam.cluster.job_notes import JobNotes, notes_at_start
from tumorcam.cluster.launcher import Launch, n_cpus

STARTED, DONE, FAILED, STOPPED = "started", "done", "failed", "stopped"  # states of a LogRecord

logger = logging.getLogger("tumorcam")


@dataclass(frozen=True)
class LogRecord:
    """A line of JSON in a log, which says that a process starts or how it ended.

    `state` is STARTED, DONE, FAILED or STOPPED, and `date` a local time such as
    2026-01-02 12:34:56. At the start `job` is the number of the Slurm job, such as 12_3 (empty
    without Slurm), `restart` how often Slurm has restarted it, `host` the machine and `process`
    the process's number there. At the end `error` says why the work is not done.
    """

    state: str
    date: str = ""
    job: str = ""
    restart: int = 0
    host: str = ""
    process: int = 0
    error: str = ""

    def to_line(self) -> str:
        """The record as JSON without line breaks; fields that are empty or 0 are left out."""
        fields = {name: value for name, value in dataclasses.asdict(self).items() if value}
        text = json.dumps(fields, ensure_ascii=False)
        return text.encode("utf-8", "backslashreplace").decode()

    @classmethod
    def from_line(cls, line: str) -> "LogRecord | None":
        """The record of a line of a log; None for any other line."""
        if not line.startswith('{"state": '):
            return None
        try:
            fields = json.loads(line)
        except ValueError:  # the line was cut off
            return None
        names = [field.name for field in dataclasses.fields(cls)]  # another version may have more
        return cls(**{name: fields[name] for name in names if name in fields})


class _Console(logging.StreamHandler[Any]):
    """Standard error as it is when a line is written, since bars on a terminal stand in for it."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        self.stream = sys.stderr
        super().emit(record)


class _LogFile(logging.FileHandler):
    """A log file that survives a full disk: lines come late or are lost, but the job goes on.

    It knows since when it is written, by the clock and by the processor time of this process.
    """

    has_failed = False

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", errors="backslashreplace", delay=True)
        self.start, self.cpu_start = time.monotonic(), time.process_time()

    @property
    def usage(self) -> JobNotes:
        """The time since the log was started, and the processor time of this process."""
        return JobNotes(
            seconds=round(time.monotonic() - self.start, 3),
            cpu_seconds=round(time.process_time() - self.cpu_start, 3),
        )

    def _open(self) -> Any:
        """Open the file; OSError where something else than a file stands in its place."""
        path = Path(self.baseFilename)
        if path.exists() and not path.is_file():  # nobody may read from a pipe
            raise OSError(errno.EINVAL, "it is no regular file", self.baseFilename)
        return super()._open()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, if that is possible."""
        try:
            super().emit(record)
        except OSError:  # it cannot be opened
            self.handleError(record)

    def format(self, record: logging.LogRecord) -> str:
        """A line with time and job, or notes or a LogRecord as they are; a start after a blank."""
        if isinstance(record.msg, JobNotes):
            return record.msg.to_line()
        if not isinstance(record.msg, LogRecord):
            return super().format(record)
        is_next_start = record.msg.state == STARTED and self.stream and self.stream.tell() > 0
        return ("\n" if is_next_start else "") + record.msg.to_line()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Print the first time that a line cannot be written."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self.has_failed:
            self.has_failed = True
            print(f"{self.baseFilename} cannot be written: {error}; going on", file=sys.stderr)

    def close(self) -> None:
        """Close the file, also where earlier lines could not be written."""
        with contextlib.suppress(OSError):
            super().close()


def start_logging(logs: Path, job: str, launch: Launch, *, rank: int = 0) -> Path:
    """Begin the log file JOB-RANK.log, whose path is returned.

    Rank 0 writes its lines to standard error too, other ranks only errors. The file begins with a
    LogRecord and JobNotes; where standard error is no terminal it gets a readable line, since Slurm
    appends the output of a restarted job to that of the earlier start. A process of `tumorcam run`
    prints no such line, even where mpiexec hides the terminal from it.

    Parameters
    ----------
    logs : Path
        The run's folder of logs; it is created where it is missing.
    job : str
        The name of the job, such as explain-0, which begins every line.
    launch : Launch
        The launcher's view of this process, for the first line.
    """
    with contextlib.suppress(OSError):  # the log file prints the error
        logs.mkdir(parents=True, exist_ok=True)
    console = _Console()
    console.setLevel(logging.INFO if rank == 0 else logging.ERROR)
    log_file = _LogFile(logs / f"{job}-{rank}.log")
    _close_handlers()
    for handler in (console, log_file):
        handler.setFormatter(logging.Formatter(f"%(asctime)s {job}: %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    date = _now()
    _write(log_file, _start_record(launch, date))
    _write(log_file, notes_at_start(launch.command_line, n_cpus(), with_commit=rank == 0))
    if rank == 0 and not sys.stderr.isatty() and not launch.is_child:
        _write(console, f"starts: {date.partition(' ')[0]}, {launch.description}")
    return Path(log_file.baseFilename)


@contextlib.contextmanager
def log_to_console(job: str) -> Iterator[None]:
    """Let the log's lines go to standard error in the block, for a command without a log file."""
    console = _Console()
    console.setFormatter(logging.Formatter(f"%(asctime)s {job}: %(message)s", "%H:%M:%S"))
    level, propagate = logger.level, logger.propagate
    logger.addHandler(console)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(console)
        logger.setLevel(level)
        logger.propagate = propagate


def write_notes(notes: JobNotes) -> None:
    """Write notes of this process to its log file, if there is one."""
    for handler in logger.handlers:
        if isinstance(handler, _LogFile):
            _write(handler, notes)


def end_logging(state: str, error: str = "") -> None:
    """End the log file, if there is one, with its notes and a LogRecord, and close it.

    Parameters
    ----------
    state : str
        DONE, FAILED or STOPPED.
    error : str
        Why the work is not done.
    """
    for handler in logger.handlers:
        if isinstance(handler, _LogFile):
            _write(handler, handler.usage)
            _write(handler, LogRecord(state, date=_now(), error=error))
    _close_handlers()
    logger.propagate = True


def keep_traceback() -> str:
    """Write the traceback of the current error to the log file; where it stands, in words.

    Without a log, or where that cannot be written, it goes to a file of its own.
    """
    text = traceback.format_exc()
    for handler in logger.handlers:
        if isinstance(handler, _LogFile):
            _write(handler, text)
            if not handler.has_failed:
                return f"this should not happen; please report it with {handler.baseFilename}"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="tumorcam-error-", suffix=".log", delete=False, errors="backslashreplace"
        ) as file:
            file.write(text)
    except OSError:
        return f"this should not happen; please report it:\n{text}"
    return f"this should not happen; please report it with {file.name}"


def log_to_file(message: str) -> None:
    """Write a line to the log file alone, if there is one."""
    for handler in logger.handlers:
        if isinstance(handler, _LogFile):
            _write(handler, message)


def _start_record(launch: Launch, date: str) -> LogRecord:
    return LogRecord(
        STARTED,
        date=date,
        job=launch.job,
        restart=launch.restart,
        host=socket.gethostname(),
        process=os.getpid(),
    )


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")


def _write(handler: logging.Handler, message: str | LogRecord | JobNotes) -> None:
    """Write a message by one handler alone."""
    handler.handle(logger.makeRecord(logger.name, logging.INFO, __file__, 0, message, (), None))


def _close_handlers() -> None:
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
        handler.close()
