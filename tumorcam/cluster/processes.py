"""Work side by side: child processes with their time and peak memory, and a background thread."""

import contextlib
import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple, ParamSpec, TypeVar

from tumorcam.cluster.launcher import CHILD_VARIABLE
from tumorcam.errors import ClusterError, PreemptedError

MAX_CHARACTERS = 4_000  # characters of a failed process
MAX_WAITING = 2  # calls of a Background
SECONDS_BETWEEN_LOOKS = 0.2  # at child processes
SECONDS_TO_END = 2.0  # that the last lines of child processes are waited for
PR_SET_PDEATHSIG = 1  # linux/prctl.h
DISK_BLOCK = 512  # bytes, in which Linux counts what a process writes (ru_oublock)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Cost(NamedTuple):
    """Seconds that processes took, and the peak memory of the largest of them in bytes.

    Linux also counts the peak of the process that starts them, so it should be a small one.
    `cpu_seconds` of all processors and `written_bytes` to disk are sums over them and over the
    processes that they waited for.
    """

    seconds: float
    peak_bytes: int
    cpu_seconds: float
    written_bytes: int


class Ended(NamedTuple):
    """How processes ended: the first exit code that is not 0, else 0, and their cost."""

    exit_code: int
    cost: Cost


class Background:
    """A thread that makes calls in their order; as a context it ends when all calls are made.

    Few calls wait, so that a slow thread slows its caller down instead of filling memory. An error
    of a call is raised by a later `add`, or at the end.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._waiting: deque[Future] = deque()

    def __enter__(self) -> "Background":
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._thread.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for call in self._waiting:
                call.result()

    def add(
        self,
        function: Callable[Arguments, Result],
        *args: Arguments.args,
        **options: Arguments.kwargs,
    ) -> "Future[Result]":
        """Make a call after those that wait."""
        while len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft().result()
        call = self._thread.submit(function, *args, **options)
        self._waiting.append(call)
        return call


def run_together(
    commands: Sequence[Sequence[str]],
    environment: Mapping[str, str],
    *,
    watch: Callable[[], None] | None = None,
    write: Callable[[str], None] | None = None,
) -> Ended:
    """Run commands side by side until all have ended.

    The first one alone writes to the terminal. Of any other that fails, the end of its standard
    error is printed. They end when this process does, whatever ends it.

    Parameters
    ----------
    watch : callable or None
        Called several times a second while they run.
    write : callable or None
        Gets each line that the first one prints, in place of the terminal.
    """
    started, exit_code, usages = time.monotonic(), 0, []
    with contextlib.ExitStack() as stack:
        errors = [stack.enter_context(tempfile.TemporaryFile()) for _ in commands[1:]]
        pipe = stack.enter_context(_lines_to(write)) if write else None
        children = [
            subprocess.Popen(
                words,
                env={**environment, CHILD_VARIABLE: "1"},
                stdout=pipe if pipe and stderr is pipe and sys.stdout.isatty() else None,
                stderr=stderr,
                preexec_fn=_end_with_parent,
            )
            for words, stderr in zip(commands, [pipe, *errors], strict=True)
        ]
        stack.enter_context(_ended_with_us(children))
        for child, stderr in zip(children, [None, *errors], strict=True):
            status, usage = _wait(child.pid, watch)
            child.returncode = os.waitstatus_to_exitcode(status)
            exit_code = exit_code or child.returncode
            usages.append(usage)
            if child.returncode and stderr:
                stderr.seek(0)
                print(stderr.read().decode(errors="replace")[-MAX_CHARACTERS:], file=sys.stderr)
    cost = Cost(
        seconds=time.monotonic() - started,
        peak_bytes=max((usage.ru_maxrss * 1024 for usage in usages), default=0),
        cpu_seconds=sum(usage.ru_utime + usage.ru_stime for usage in usages),
        written_bytes=sum(usage.ru_oublock * DISK_BLOCK for usage in usages),
    )
    return Ended(exit_code, cost)


def _wait(process: int, watch: Callable[[], None] | None) -> tuple[int, resource.struct_rusage]:
    """Wait for a child process; its status and what it used."""
    ended, status, usage = os.wait4(process, os.WNOHANG if watch else 0)
    while watch and not ended:
        watch()
        time.sleep(SECONDS_BETWEEN_LOOKS)
        ended, status, usage = os.wait4(process, os.WNOHANG)
    return status, usage


@contextlib.contextmanager
def _lines_to(write: Callable[[str], None]) -> Iterator[IO[bytes]]:
    """The writing end of a pipe, whose lines a thread hands on until nobody holds the pipe."""
    reading, writing = os.pipe()

    def copy() -> None:
        with open(reading, "rb") as lines:  # noqa: PTH123 - a descriptor
            for line in lines:
                write(line.decode(errors="replace").rstrip("\r\n"))

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    try:
        with open(writing, "wb", buffering=0) as pipe:  # noqa: PTH123 - a descriptor
            yield pipe
    finally:
        thread.join(SECONDS_TO_END)


def _end_with_parent() -> None:
    """Let Linux send SIGTERM to this new process when its parent dies, even if that was killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@contextlib.contextmanager
def _ended_with_us(children: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Hand a signal that ends the block on to the children, and wait for them."""
    try:
        yield
    except PreemptedError:
        for child in children:
            child.terminate()
        for child in children:
            child.wait()
        raise


def find_mpiexec() -> str:
    """Path of mpiexec: the one beside Python, which belongs to its MPI wheel, else that on PATH.

    Raises
    ------
    ClusterError
        If there is none.
    """
    beside = Path(sys.executable).with_name("mpiexec")
    program = str(beside) if beside.exists() else shutil.which("mpiexec")
    if not program:
        msg = "mpiexec is not beside Python and not on PATH; pip install mpich, or use --ranks 1"
        raise ClusterError(msg)
    return program
