"""Work side by side: processes with their time and peak memory, and a thread in the background."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

from tumorcam.errors import ClusterError, PreemptedError

LAST_WORDS = 4_000  # characters of a failed process
MAX_WAITING = 2  # calls of a Background

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Cost(NamedTuple):
    """What processes took: seconds, and peak memory of the largest of them in bytes.

    Linux counts the starting process's own peak too, so start them from a small one.
    """

    seconds: float
    peak_bytes: int


class Ended(NamedTuple):
    """How processes ended: the first exit code that is not 0, else 0, and their cost."""

    exit_code: int
    cost: Cost


class Background:
    """A thread that makes calls in their order; use it as a context, which ends when it is idle.

    Few calls wait, so that a slow thread slows its caller down instead of filling memory. What a
    call raises is raised by a later `add`, or at the end.
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
        """Call a function later."""
        while len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft().result()
        call = self._thread.submit(function, *args, **options)
        self._waiting.append(call)
        return call


def run_together(commands: Sequence[Sequence[str]], environment: Mapping[str, str]) -> Ended:
    """Run commands side by side until all have ended.

    Only the first draws on the terminal; of the others, the last words are shown on failure.
    """
    started, failed, peak = time.monotonic(), 0, 0
    with contextlib.ExitStack() as stack:
        errors = [stack.enter_context(tempfile.TemporaryFile()) for _ in commands[1:]]
        children = [
            subprocess.Popen(words, env=environment, stderr=stderr)
            for words, stderr in zip(commands, [None, *errors], strict=True)
        ]
        stack.enter_context(_ended_with_us(children))
        for child, stderr in zip(children, [None, *errors], strict=True):
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            failed = failed or child.returncode
            peak = max(peak, usage.ru_maxrss * 1024)
            if child.returncode and stderr:
                stderr.seek(0)
                print(stderr.read().decode(errors="replace")[-LAST_WORDS:], file=sys.stderr)
    return Ended(failed, Cost(time.monotonic() - started, peak))


@contextlib.contextmanager
def _ended_with_us(children: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Hand a notice, which ends the block, on to the children, and wait for them."""
    try:
        yield
    except PreemptedError:
        for child in children:
            child.terminate()
        for child in children:
            child.wait()
        raise


def find_mpiexec() -> str:
    """The mpiexec beside Python, which belongs to its MPI wheel, else the one on PATH.

    Raises
    ------
    ClusterError
        If there is none.
    """
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if not found:
        msg = "mpiexec is not beside Python and not on PATH; pip install mpich, or use --ranks 1"
        raise ClusterError(msg)
    return found
