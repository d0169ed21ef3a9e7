"""A second process that ends this one when it stands still: TensorFlow then hears no signal."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

BYE, SECONDS_TO_END = "bye", 20.0
SECONDS_BETWEEN_LINES = 1.0  # with the same bound: a pipe that is never full is read whole
PEERS_TIMEOUT = 100.0  # seconds until a worker stops waiting for one that never starts
STEP_TIMEOUT = 45.0  # seconds until one that does not finish a step is taken for dead
LAST_WORDS = "ended without a word: it was killed, or another worker is gone"
REMEDY = "run the same command again: it goes on from the last checkpoint"


class Watchdog:
    """Kills this worker, with a message, when it is silent for longer than it said it would be.

    TensorFlow waits for its peers inside C with Python's lock held, where neither a thread nor a
    handler of a signal can act; another process can, also when this one is suspended. Start it
    before TensorFlow is imported, and use it as a context: at its end the watch is over, but for
    the end of the process, which TensorFlow can delay.

    Parameters
    ----------
    worker : int
        This one among its peers, for the message.
    log : Path
        File that gets the message too, besides standard error.
    """

    def __init__(self, worker: int, log: Path) -> None:
        self.worker = worker
        command = [sys.executable, "-I", "-S", __file__, str(worker), str(os.getpid()), str(log)]
        reading, self._pipe = os.pipe()
        self._child = subprocess.Popen(command, stdin=reading, start_new_session=True)
        os.close(reading)
        self._seconds, self._said = 0.0, 0.0
        self.expect(PEERS_TIMEOUT, "the import of TensorFlow")

    def expect(self, seconds: float, what: str) -> None:
        """Bound how long the worker may take for what it does now, until the next call."""
        message = (
            f"worker {self.worker}: {what} took over {seconds:.0f} s: a worker is stopped, gone "
            f"or never started; {REMEDY}"
        )
        now = time.monotonic()
        if seconds != self._seconds or now > self._said + SECONDS_BETWEEN_LINES:
            self._seconds, self._said = seconds, now
            self._say(f"{seconds} {message}")

    def __enter__(self) -> "Watchdog":
        return self

    def __exit__(self, *error: object) -> None:
        self._say(f"{SECONDS_TO_END} {BYE}")

    def _say(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # the work does not need its watchdog
            os.write(self._pipe, f"{line}\n".encode())


def watch(pipe: int, worker: int, pid: int, log: Path) -> None:
    """Read what a process says on a pipe; kill it when it is late, and tell why.

    Seconds are counted while this process runs: a job that Slurm suspends as a whole is not late.
    """
    left, message = float("inf"), ""
    while True:
        if select.select([pipe], [], [], 1.0)[0]:
            said = os.read(pipe, 2**16).decode()
            if not said:  # the process has ended
                if message != BYE:
                    _tell(log, f"error: worker {worker} {LAST_WORDS}; {REMEDY}")
                return
            seconds, _, message = said.splitlines()[-1].partition(" ")
            left = float(seconds)
        elif (left := left - 1) <= 0:
            if message != BYE:
                _tell(log, f"error: {message}")
            os.kill(pid, signal.SIGKILL)
            return


def _tell(log: Path, message: str) -> None:
    with contextlib.suppress(OSError):  # a closed pipe or a full disk must not save the worker
        print(message, file=sys.stderr, flush=True)
    with contextlib.suppress(OSError), log.open("a", encoding="utf-8") as stream:
        print(time.strftime("%H:%M:%S"), f"{log.stem}: {message}", file=stream)  # as `logs` does


if __name__ == "__main__":
    watch(0, int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
