"""A second process that ends this one when it stands still, since TensorFlow hears no signal."""

import contextlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

END = "end"  # the message of a worker whose work is over
SECONDS_TO_END = 20.0  # until a worker whose work is over, but that does not end, is killed
SECONDS_BETWEEN_MESSAGES = 1.0  # with the same bound, so that the pipe is never full
PEERS_TIMEOUT = 100.0  # seconds until a worker stops waiting for one that never starts
STEP_TIMEOUT = 45.0  # seconds until a worker that does not finish a step is taken for dead
UNEXPECTED_END = "ended without a word: it was killed, or another worker is gone"
REMEDY = "run the same command again: it goes on from the last checkpoint"


class Watchdog:
    """Kills this worker, with a message, when a task takes longer than the worker announced.

    TensorFlow waits for other workers inside C while it holds Python's lock, so that neither a
    thread nor a signal handler can act. Another process can, even when this one is suspended.
    Start the watchdog before TensorFlow is imported, and use it as a context. After the context
    it only sees to it that the process ends.

    Parameters
    ----------
    worker : int
        The number of this worker, for the message.
    log : Path
        The file that gets the message too, besides standard error.
    """

    def __init__(self, worker: int, log: Path) -> None:
        self.worker = worker
        command = [sys.executable, "-I", "-S", __file__, str(worker), str(os.getpid()), str(log)]
        reading, self._pipe = os.pipe()
        self._child = subprocess.Popen(command, stdin=reading, start_new_session=True)
        os.close(reading)
        self._seconds, self._last_message = 0.0, 0.0
        self.expect(PEERS_TIMEOUT, "the import of TensorFlow")

    def expect(self, seconds: float, task: str) -> None:
        """Bound the time of the task that begins now; the next call ends the task."""
        message = (
            f"worker {self.worker}: {task} took over {seconds:.0f} s: a worker is stopped, gone "
            f"or never started; {REMEDY}"
        )
        now = time.monotonic()
        if seconds != self._seconds or now > self._last_message + SECONDS_BETWEEN_MESSAGES:
            self._seconds, self._last_message = seconds, now
            self._send(f"{seconds} {message}")

    def __enter__(self) -> "Watchdog":
        return self

    def __exit__(self, *error: object) -> None:
        self._send(f"{SECONDS_TO_END} {END}")

    def _send(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # the work does not need its watchdog
            os.write(self._pipe, f"{line}\n".encode())


def end_process(code: int) -> NoReturn:
    """End this process at once, after all output is written.

    `sys.exit` also destroys all objects; TensorFlow's wait there for the other workers, in vain
    where these have ended.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or there is none
            stream.flush()
    os._exit(code)


def watch(pipe: int, worker: int, pid: int, log: Path) -> None:
    """Read the bounds that a process sends, and kill it, with a message, when it exceeds one.

    Only seconds in which this process runs count, so that a job that Slurm suspends as a whole is
    not late.

    Parameters
    ----------
    pipe : int
        The descriptor from which lines `SECONDS MESSAGE` are read.
    worker, pid : int
        The number of the worker among its peers and that of its process.
    log : Path
        The worker's log.
    """
    left, message = float("inf"), ""
    while True:
        if select.select([pipe], [], [], 1.0)[0]:
            text = os.read(pipe, 2**16).decode()
            if not text:  # the process has ended
                if message != END:
                    _report(log, f"worker {worker} {UNEXPECTED_END}; {REMEDY}")
                return
            seconds, _, message = text.splitlines()[-1].partition(" ")
            left = float(seconds)
        elif (left := left - 1) <= 0:
            if message != END:
                _report(log, message)
            os.kill(pid, signal.SIGKILL)
            return


def _report(log: Path, error: str) -> None:
    """Write an error to standard error and into the log, as `logs` does, which is not imported."""
    with contextlib.suppress(OSError):  # a closed pipe or a full disk must not save the worker
        print(f"error: {error}", file=sys.stderr, flush=True)
    now = time.localtime()
    record = {"state": "failed", "date": time.strftime("%Y-%m-%d %H:%M:%S", now), "error": error}
    line = f"{time.strftime('%H:%M:%S', now)} {log.stem}: error: {error}"
    with contextlib.suppress(OSError), log.open("a", encoding="utf-8") as stream:
        print(line, json.dumps(record, ensure_ascii=False), sep="\n", file=stream)


if __name__ == "__main__":
    watch(0, int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
