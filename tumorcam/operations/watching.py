"""The state of a run in lines of text, once or again and again while its jobs work."""

import contextlib
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.text import Text

from tumorcam.cluster import slurm
from tumorcam.cluster.preemption import undivided
from tumorcam.cluster.screen import clock_text
from tumorcam.errors import ConfigError, PreemptedError
from tumorcam.operations import audit, job_endings, submissions
from tumorcam.operations.expected_files import JOB_OF_NEW_STAGE, JOB_OF_STAGE
from tumorcam.operations.submissions import QueuedJob
from tumorcam.operations.work_left import (
    NEW_STAGES,
    STAGES,
    StageWork,
    n_ranks_of,
    total_seconds,
    work_left,
)
from tumorcam.settings.config import Config
from tumorcam.storage.run_folder import RunFolder

MAX_FAULTS = 10  # that are printed
SECONDS = 10.0  # between two looks
RUNNING = "RUNNING"  # a state of Slurm's jobs


@dataclass(frozen=True)
class Snapshot:
    """The state of a run at one moment: what stands in its files, and the time left."""

    lines: tuple[str, ...]
    time_left: str
    is_finished: bool


def state_lines(
    run: RunFolder, states: Sequence[audit.FileState], queued: Sequence[QueuedJob]
) -> list[str]:
    """Counts of each stage, faults, the queue, and why jobs of unfinished stages ended."""
    lines = [str(run.root), f"{'stage':14}{'whole':>8}{'missing':>9}{'broken':>8}"]
    for stage, n in audit.count_states(states).items():
        lines.append(f"{stage:14}{n[audit.WHOLE]:8}{n[audit.MISSING]:9}{n[audit.BROKEN]:8}")
    faults = [state.fault for state in states if state.state == audit.BROKEN]
    lines += [f"broken: {fault}" for fault in faults[:MAX_FAULTS]]
    lines += [f"and {len(faults) - MAX_FAULTS} more"] * (len(faults) > MAX_FAULTS)
    lines += [f"in the queue: {line}" for line in submissions.queue_lines(queued)]
    numbers, job_of = [entry.number for entry in queued], JOB_OF_STAGE | JOB_OF_NEW_STAGE
    for stage in audit.incomplete_stages(states):
        causes = job_endings.stage_causes(run.logs, job_of[stage], numbers)
        lines += [f"cause: {cause}" for cause in causes]
    return lines


def take_snapshot(config: Config) -> Snapshot:
    """The state of a run now.

    The time left is for the jobs that run in Slurm's queue, or where there are none, for as many
    processes as this machine runs at once.
    """
    run = RunFolder.of(config)
    states = audit.audit_run(config)
    queued = submissions.jobs_of_run(slurm.queue(), run)
    n_running = sum(entry.state == RUNNING for entry in queued)
    n_ranks = n_running or n_ranks_of(config, None)
    works = work_left(config, NEW_STAGES if run.networks else STAGES, n_ranks=n_ranks)
    return Snapshot(
        lines=tuple(state_lines(run, states, queued)),
        time_left=time_text(works, n_ranks=n_ranks),
        is_finished=all(state.state == audit.WHOLE for state in states),
    )


def time_text(works: Sequence[StageWork], *, n_ranks: int) -> str:
    """The time left in one line, with where the time of each stage comes from.

    Parameters
    ----------
    works : sequence of StageWork
        What is left of each stage.
    n_ranks : int
        Number of processes that share the work.
    """
    seconds = total_seconds(works)
    if not works:
        return "nothing is left"
    if seconds is None:
        return "time left: nobody can tell before cohort.h5 is there"
    bases = "; ".join(f"{work.stage} {work.basis}" for work in works)
    return f"time left: {clock_text(seconds)} with {n_ranks} processes ({bases})"


def watch(
    look: Callable[[], Snapshot], seconds: float, *, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Print the state of a run until it is finished, or until Ctrl-C.

    On a terminal the text is drawn anew; elsewhere a new block comes only when files or jobs have
    changed.

    Parameters
    ----------
    look : callable
        Such as `take_snapshot` of a config.
    seconds : float
        Between two looks.

    Raises
    ------
    ConfigError
        If the seconds are not above 0.
    """
    if not (seconds > 0 and math.isfinite(seconds)):
        raise ConfigError(f"--watch {seconds:g} is no number of seconds; give one above 0")
    show = _draw_anew if sys.stdout.isatty() else _print_changes
    try:
        show(look, lambda: sleep(seconds))
    except PreemptedError as stop:
        if stop.signal != "SIGINT":
            raise


def _draw_anew(look: Callable[[], Snapshot], pause: Callable[[], None]) -> None:
    console = Console(file=sys.stdout, highlight=False)
    live = Live(console=console, auto_refresh=False, vertical_overflow="visible")
    with contextlib.ExitStack() as end:
        with undivided():
            end.enter_context(live)  # it hides the cursor, which the end must show again
        while True:
            snapshot = look()
            with undivided():
                live.update(Text("\n".join(_block(snapshot))), refresh=True)
            if snapshot.is_finished:
                return
            pause()


def _print_changes(look: Callable[[], Snapshot], pause: Callable[[], None]) -> None:
    last: tuple[str, ...] | None = None
    while True:
        snapshot = look()
        if snapshot.lines != last:
            print(*_block(snapshot), "", sep="\n", flush=True)
            last = snapshot.lines
        if snapshot.is_finished:
            return
        pause()


def _block(snapshot: Snapshot) -> list[str]:
    date = time.strftime("%Y-%m-%d %H:%M:%S")
    return [date, *snapshot.lines, snapshot.time_left]
