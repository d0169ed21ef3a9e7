"""Log files and progress: a bar on a terminal, a line a minute in a batch log."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 60.0  # of progress in a log that is no terminal

Item = TypeVar("Item")
logger = logging.getLogger("tumorcam")


def start_logging(folder: Path, job: str, rank: int = 0) -> None:
    """Log to `folder/logs/JOB-RANK.log`; standard error gets rank 0's lines and all errors."""
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    console = logging.StreamHandler(sys.stderr)
    console.setLevel(logging.INFO if rank == 0 else logging.ERROR)
    log_file = logging.FileHandler(folder / "logs" / f"{job}-{rank}.log", encoding="utf-8")
    for old in logger.handlers[:]:
        logger.removeHandler(old)
        old.close()
    for handler in (console, log_file):
        handler.setFormatter(logging.Formatter(f"%(asctime)s {job}: %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


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
