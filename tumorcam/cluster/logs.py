"""Log files and progress: a bar on a terminal, a line a minute in a batch log."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from tumorcam.cluster import launcher

SECONDS_BETWEEN_LINES = 60.0  # of progress in a log that is no terminal
STARTS, DONE, ERROR, STOPPED = "starts", "done", "error", "stopped"  # a log's first and last words

Item = TypeVar("Item")
logger = logging.getLogger("tumorcam")


class _LogFile(logging.FileHandler):
    """A log file whose disk may be full: lines are late or lost then, but the job goes on."""

    failed = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, if that is possible."""
        try:
            super().emit(record)
        except OSError:  # it cannot be opened
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say the first time that lines are not written."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self.failed:
            self.failed = True
            print(f"{self.baseFilename} cannot be written: {error}; going on", file=sys.stderr)

    def close(self) -> None:
        """Close the file, whatever becomes of lines that could not be written before."""
        with contextlib.suppress(OSError):
            super().close()


def start_logging(folder: Path, job: str, rank: int = 0) -> Path:
    """Log to `folder/logs/JOB-RANK.log`, which is returned; standard error gets rank 0's lines too.

    The first line says who starts, since the next process appends to the same file. Standard
    error gets it too where it is no terminal: Slurm's output of a requeued job is appended to.
    """
    with contextlib.suppress(OSError):  # the log file says so
        (folder / "logs").mkdir(parents=True, exist_ok=True)
    console = logging.StreamHandler(sys.stderr)
    console.setLevel(logging.INFO if rank == 0 else logging.ERROR)
    log_file = _LogFile(folder / "logs" / f"{job}-{rank}.log", encoding="utf-8", delay=True)
    _close_handlers()
    for handler in (console, log_file):
        handler.setFormatter(logging.Formatter(f"%(asctime)s {job}: %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    line = f"{STARTS}: {time.strftime('%Y-%m-%d')}, {launcher.process_text()}"
    _write(line, logger.handlers if not sys.stderr.isatty() else [log_file])
    return Path(log_file.baseFilename)


def end_logging(last: str = "") -> None:
    """Write the last line, `last`, into the log file alone, if there is one, and close it."""
    if last:
        _write(last, [one for one in logger.handlers if isinstance(one, logging.FileHandler)])
    _close_handlers()
    logger.propagate = True


def _write(line: str, handlers: Iterable[logging.Handler]) -> None:
    record = logger.makeRecord(logger.name, logging.INFO, __file__, 0, line, (), None)
    for handler in handlers:
        if record.levelno >= handler.level:
            handler.handle(record)


def _close_handlers() -> None:
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
        handler.close()


def progress(items: Iterable[Item], what: str, unit: str, *, shown: bool = True) -> Iterator[Item]:
    """The items, while progress, throughput and the remaining time are shown.

    Parameters
    ----------
    items : iterable
        With a length, where the remaining time is to be known.
    what, unit : str
        Title of the bar and what one item is, such as "explain" and "batches".
    shown : bool
        False on all ranks but 0.
    """
    if not shown:
        yield from items
    elif sys.stderr.isatty():
        yield from tqdm(items, desc=what, unit=f" {unit}", leave=False)
    else:
        yield from _logged(items, what, unit)


def _logged(items: Iterable[Item], what: str, unit: str) -> Iterator[Item]:
    total = len(items) if isinstance(items, Sized) else 0
    start = last = time.monotonic()
    for n_done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            speed = n_done / (now - start)
            rest = f" of {total}, {(total - n_done) / speed:.0f} s left" if total else ""
            logger.info("%s: %d%s, %.3g %s/s", what, n_done, rest, speed, unit)
