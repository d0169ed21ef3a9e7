"""Progress of a whole run: its share, the time left, and what its present stage does."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.progress import TaskID

from tumorcam.cluster import processes, streams
from tumorcam.cluster.launcher import PROGRESS_VARIABLE
from tumorcam.cluster.progress_files import Report, clear_reports, read_reports
from tumorcam.cluster.screen import SCREEN, clock_text
from tumorcam.operations.work_left import STAGES, StageWork, work_left
from tumorcam.settings.config import Config

SECONDS_BETWEEN_LINES = 60.0  # of a batch log
MEASURABLE = 0.05  # share of a stage from which its own speed tells the time left
PARTS = {"reduce": ("bands", "rankings")}  # units of a stage's parts, one after the other
EVERY_PART = ("",)


@dataclass(frozen=True)
class RunView:
    """What is known of a run at one moment; None where nobody can tell.

    `share` and `left` (seconds) are of the whole run, `stage_share` and `stage_left` of its present
    stage, of which `n_done` of `n_all` units are done. `note` tells what a process does just now.
    """

    stage: str
    share: float | None
    left: float | None
    stage_share: float
    stage_left: float | None
    n_done: float
    n_all: int
    unit: str
    speed: float
    note: str

    @property
    def line(self) -> str:
        """A line for a batch log."""
        words = "run: "
        if self.share is not None and self.left is not None:
            words += f"{100 * self.share:.0f}% done, {clock_text(self.left)} left; "
        words += f"{self.stage}: "
        if self.unit:
            words += f"{int(self.n_done)} of {self.n_all} {self.unit}, "
        words += f"{100 * self.stage_share:.0f}%"
        if self.unit and self.speed:
            words += f", {60 * self.speed:.3g} {self.unit}/min"
        return f"{words}; {self.note}" if self.note else words


def stage_reports(stage: str, reports: Sequence[Report]) -> list[Report]:
    """The reports that count for a stage, without those on its way, such as checks of files."""
    if stage == "train":
        return [r for r in reports if r.title.startswith("train ") or r.title == "baselines"]
    return [report for report in reports if report.title == stage]


def units_done(work: StageWork, reports: Sequence[Report]) -> float:
    """How many units of a stage its processes have done; a model counts by its steps."""
    own = stage_reports(work.stage, reports)
    if work.stage == "train":
        return sum(1.0 if report.is_over else report.share for report in own)
    return float(sum(report.n_done for report in own))


def share_done(work: StageWork, reports: Sequence[Report]) -> float:
    """The share of a stage that is done, from 0 to 1."""
    own = stage_reports(work.stage, reports)
    if work.unit:
        return min(1.0, units_done(work, own) / max(1, work.n_left))
    parts = PARTS.get(work.stage, EVERY_PART)
    shares = []
    for part in parts:
        mine = [report for report in own if report.unit == part or not part]
        n_all = sum(report.n_all for report in mine)
        shares.append(sum(report.n_done for report in mine) / n_all if n_all else 0.0)
    return min(1.0, sum(shares) / len(parts))


def seconds_left(share: float, elapsed: float, expected: float | None) -> float | None:
    """Seconds that a stage still takes.

    Parameters
    ----------
    share : float
        The share that is done. From MEASURABLE on the rest goes on at the speed so far; before
        that the expected time counts.
    elapsed : float
        Seconds since its start.
    expected : float or None
        Seconds that it takes in all, by `work_left`.
    """
    if share >= MEASURABLE:
        return elapsed * (1 - share) / share
    return None if expected is None else expected * (1 - share)


def view_run(
    works: Sequence[StageWork], reports: Sequence[Report], *, elapsed: float, stage_elapsed: float
) -> RunView:
    """The state of a run.

    Parameters
    ----------
    works : sequence of StageWork
        The present stage, then the later ones.
    elapsed, stage_elapsed : float
        Seconds since the start of the run and of the stage.
    """
    work, *later = works
    share, n_done = share_done(work, reports), units_done(work, reports)
    stage_left = seconds_left(share, stage_elapsed, work.seconds)
    rest = [stage_left, *(following.seconds for following in later)]
    left = None if None in rest else sum(seconds or 0.0 for seconds in rest)
    whole = elapsed + left if left is not None else 0.0
    return RunView(
        stage=work.stage,
        share=elapsed / whole if whole else None,
        left=left,
        stage_share=share,
        stage_left=stage_left,
        n_done=n_done,
        n_all=work.n_left,
        unit=work.unit,
        speed=n_done / stage_elapsed if stage_elapsed else 0.0,
        note=_note(work.stage, reports),
    )


def _note(stage: str, reports: Sequence[Report]) -> str:
    """What the process that reported last does just now."""
    running = [report for report in reports if not report.is_over]
    if not running:
        return ""
    last = running[-1]
    name = last.title.removeprefix("train ")
    if last.note:
        return f"{name} {last.note}"
    if last not in stage_reports(stage, [last]):
        return f"{name}: {last.n_done} of {last.n_all} {last.unit}"
    return ""


class RunDisplay:
    """Shows how far a run is: two bars on a terminal, a line a minute in a batch log.

    As a context it leaves the terminal clean. The stages report into a folder that it removes.

    Parameters
    ----------
    config : Config
    stages : sequence of str
        All stages that the run will do, in order.
    n_ranks : int
        Processes of each parallel stage.
    """

    def __init__(self, config: Config, stages: Sequence[str], *, n_ranks: int) -> None:
        self.config, self.stages, self.n_ranks = config, list(stages), n_ranks
        self._stack = ExitStack()
        self._folder = Path()
        self._started = self._stage_started = self._last_line = time.monotonic()
        self._works: list[StageWork] = []
        self._bars: list[TaskID] = []
        self._share = 0.0
        self._costs: dict[str, processes.Cost] = {}
        self.exit_code = 0

    def __enter__(self) -> "RunDisplay":
        folder = tempfile.TemporaryDirectory(prefix="tumorcam-progress-")
        self._folder = Path(self._stack.enter_context(folder))
        self._stack.callback(SCREEN.clear)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def run(
        self, stage: str, commands: Sequence[Sequence[str]], environment: Mapping[str, str]
    ) -> int:
        """Run the processes of a stage, and show how far they are; the exit code.

        Parameters
        ----------
        commands : sequence of sequences of str
            The command of each process; they run side by side.
        environment : mapping
            The environment of the processes.
        """
        self._begin(stage)
        print(f"run: {self._stage_started - self._started:6.0f} s  {stage}", flush=True)
        self.exit_code, self._costs[stage] = processes.run_together(
            commands,
            {**environment, PROGRESS_VARIABLE: str(self._folder)},
            watch=self.refresh,
            write=SCREEN.write if SCREEN.is_terminal else None,
        )
        return self.exit_code

    def cost_lines(self) -> list[str]:
        """Time and memory of each stage."""
        return [
            f"{stage:12}{cost.seconds:8.1f} s{cost.peak_bytes / 2**20:8.0f} MB in one process"
            for stage, cost in self._costs.items()
        ]

    def refresh(self) -> None:
        """Show how far the run is now."""
        now = time.monotonic()
        if not SCREEN.is_terminal and now - self._last_line < SECONDS_BETWEEN_LINES:
            return
        view = view_run(
            self._works,
            read_reports(self._folder),
            elapsed=now - self._started,
            stage_elapsed=now - self._stage_started,
        )
        if SCREEN.is_terminal:
            self._draw(view)
        else:
            self._last_line = now
            streams.say(f"{time.strftime('%H:%M:%S')} {view.line}")

    def _begin(self, stage: str) -> None:
        clear_reports(self._folder)
        planned = {work.stage: work for work in self._plan(stage)}
        rest = self.stages[self.stages.index(stage) :]
        self._works = [planned.get(name, StageWork(name, 1, 1, "")) for name in rest]
        self._stage_started = time.monotonic()

    def _plan(self, stage: str) -> list[StageWork]:
        """What is left, reckoned anew, since the stages before have measured their work."""
        order = self.stages if stage in self.stages else list(STAGES)
        return work_left(self.config, order, n_ranks=self.n_ranks)

    def _draw(self, view: RunView) -> None:
        if not self._bars:
            self._bars = [SCREEN.add("run", "share", 1), SCREEN.add(view.stage, view.unit, 0)]
        whole, stage = self._bars
        if view.share is not None:  # a bar never goes back
            self._share = max(self._share, view.share)
        number = self.stages.index(view.stage) + 1
        SCREEN.update(
            whole,
            self._share,
            total=None if view.share is None else 1,
            left=view.left,
            note=f"stage {number} of {len(self.stages)}",
        )
        n_all = view.n_all if view.unit else 1
        SCREEN.update(
            stage,
            view.n_done if view.unit else view.stage_share,
            description=view.stage,
            total=n_all,
            unit=view.unit or "share",
            left=view.stage_left,
            note=view.note,
        )
