"""Jobs of the fault test: each in a child process, which is watched until it ends."""

import importlib
import os
import pkgutil
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

PACKAGES = ("matplotlib.pyplot", "anndata", "pyarrow", "sklearn.linear_model", "tensorflow")
PATIENCE = 60.0  # seconds until a job must have ended
IDLE = 10.0  # seconds without processor time, after which a sleeping job counts as hanging
PAUSE = 0.01  # seconds between questions whether a job has ended
SECONDS_BETWEEN_LOOKS = 0.3  # at the processor time of a job
MAX_OUTPUT = 200_000  # bytes of a job's output that are read
ADDRESS_SPACE = 24 * 2**30  # bytes, so that a huge array is refused and does not fill the machine


@dataclass(frozen=True)
class Ending:
    """How a job ended: its exit code (negative for a signal) and what it printed."""

    code: int
    output: str
    seconds: float = 0.0
    is_hang: bool = False

    @property
    def is_crash(self) -> bool:
        """Whether a user would see a traceback or a fault of the interpreter."""
        is_killed = self.code < 0 and not self.is_hang
        return is_killed or "Traceback (most recent call last)" in self.output


@dataclass(frozen=True)
class Limits:
    """What a child gets: seconds in all, seconds without work, and open files (0: as many as now).

    `folder` is the working folder.
    """

    folder: Path
    patience: float = PATIENCE
    idle: float = IDLE
    open_files: int = 0


def import_everything(packages: list[ModuleType]) -> None:
    """Import all modules of some packages and what they need, so that forked jobs start at once.

    TensorFlow is imported, but must not compute before the last fork.
    """
    names = [
        module.name
        for package in packages
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    for name in (*names, *PACKAGES):
        if not name.startswith("tumorcam.jobs"):  # the same files as `jobs`
            importlib.import_module(name)


def run_child(function: Callable[[], int], limits: Limits) -> Ending:
    """Call a function in a forked process as the body of a program; how it ended."""
    with tempfile.TemporaryFile() as stream:
        started = time.monotonic()
        child = os.fork()
        if child == 0:
            _become_program(function, limits, stream.fileno())
        try:
            status = _wait(child, limits)
        finally:
            _kill_session(child)
        stream.seek(0)
        text = stream.read(MAX_OUTPUT).decode(errors="replace")
    seconds = time.monotonic() - started
    if status is None:
        return Ending(-signal.SIGKILL, text, seconds, is_hang=True)
    return Ending(os.waitstatus_to_exitcode(status), text, seconds)


def _become_program(function: Callable[[], int], limits: Limits, output: int) -> None:
    """Call the function with its own session, output and limits; this never returns."""
    code = 1
    try:
        os.setsid()
        os.chdir(limits.folder)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", 1, closefd=False) for number in (1, 2))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        if limits.open_files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limits.open_files, limits.open_files))
        code = function()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(child: int, limits: Limits) -> int | None:
    """The status of an ended child; None if it hangs and was killed."""
    deadline = time.monotonic() + limits.patience
    spent, last_work, next_look = 0, time.monotonic(), time.monotonic() + SECONDS_BETWEEN_LOOKS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(PAUSE)
        if time.monotonic() < next_look:
            continue
        next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS
        processes = _session(child)
        ticks = sum(process.ticks for process in processes)
        if ticks != spent or any(process.state in "RD" for process in processes):
            spent, last_work = ticks, time.monotonic()
        elif time.monotonic() - last_work > limits.idle:
            break
    _kill_session(child)
    os.waitpid(child, 0)
    return None


@dataclass(frozen=True)
class _Process:
    """A process of a session; `ticks` is the processor time that it has had."""

    number: int
    state: str
    ticks: int


def _session(leader: int) -> list[_Process]:
    """The processes of a session that this process began."""
    processes = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            text = (path / "stat").read_text(errors="replace")
        except OSError:  # it has just ended
            continue
        fields = text.rpartition(")")[2].split()  # state, parent, group, session, ...
        if int(fields[3]) == leader:
            processes.append(_Process(int(path.name), fields[0], int(fields[11]) + int(fields[12])))
    return processes


def _kill_session(leader: int) -> None:
    for process in _session(leader):
        try:
            os.kill(process.number, signal.SIGKILL)
        except ProcessLookupError:  # it has just ended
            continue
