"""What Slurm's commands say: the queue, hosts, time and limits; and how Slurm writes them."""

import math
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tumorcam.errors import ClusterError

MAX_SECONDS = 30  # that Slurm may take to answer


class QueueEntry(NamedTuple):
    """An element of Slurm's queue: `number` as 12 or 12_3, `state` in Slurm's words."""

    number: str
    state: str
    folder: Path
    command: str


def queue() -> list[QueueEntry]:
    """This user's jobs that run or wait; none where squeue is missing or fails."""
    listing = _answer("squeue", "--noheader", "--me", "--array", "--format=%i|%T|%Z|%o")
    rows = (line.split("|", 3) for line in listing.splitlines() if line.count("|") > 2)
    return [QueueEntry(row[0], row[1], Path(row[2]), row[3]) for row in rows]


def max_array_size() -> int | None:
    """How many elements an array may have, counted from 0; None where Slurm does not say."""
    answer = _answer("scontrol", "show", "config")
    match = re.search(r"^MaxArraySize\s*=\s*([1-9]\d*)", answer, re.MULTILINE)
    return int(match[1]) if match else None


def time_left(job: str) -> str:
    """What squeue says is left of a job's time, such as 1-02:03:04; empty if it cannot say."""
    return _answer("squeue", "--noheader", "--format=%L", f"--job={job}").strip() if job else ""


def expand_hosts(nodelist: str) -> list[str]:
    """The hosts of a list as Slurm writes it, such as node[1-3].

    Raises
    ------
    ClusterError
        If `scontrol` fails.
    """
    command = ["scontrol", "show", "hostnames", nodelist]
    try:
        return _run(*command).split()
    except (OSError, subprocess.SubprocessError) as error:
        msg = f"`{' '.join(command)}` failed ({error}); set TF_CONFIG yourself"
        raise ClusterError(msg) from error


def tasks_per_node(text: str) -> list[int]:
    """Slurm's `2(x3),1` as [2, 2, 2, 1]."""
    counts = []
    for part in text.split(","):
        tasks, _, repeat = part.partition("(x")
        counts += [int(tasks)] * int(repeat.rstrip(")") or 1)
    return counts


def array_text(tasks: Iterable[int]) -> str:
    """Ascending numbers as Slurm writes them, such as 0-3,7."""
    runs: list[list[int]] = []
    for task in tasks:
        if runs and runs[-1][-1] == task - 1:
            runs[-1][1:] = [task]
        else:
            runs.append([task])
    return ",".join("-".join(map(str, run)) for run in runs)


def seconds_of(time: str) -> float | None:
    """Seconds of Slurm's [days-][[hours:]minutes:]seconds; None for any other text."""
    if time == "UNLIMITED":
        return math.inf
    days, dash, clock = time.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdigit() for part in [*parts, days or "0"]) or (dash and not days):
        return None
    units = (1, 60, 3600)[: len(parts)]
    seconds = sum(int(part) * unit for part, unit in zip(parts[::-1], units, strict=True))
    return seconds + 86_400 * int(days or 0)


def _run(*command: str) -> str:
    """What a command prints; it must end well within MAX_SECONDS."""
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=MAX_SECONDS)
    return ended.stdout


def _answer(*command: str) -> str:
    """What a command prints; empty where it is missing or fails."""
    try:
        return _run(*command)
    except (OSError, subprocess.SubprocessError):
        return ""
