"""What a run still has to do, and what that costs in core hours, time, disk and memory.

The cost is measured where the run itself has done the same work before; else a probe of the machine
tells it, or arithmetic without one.
"""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tumorcam.cluster import launcher
from tumorcam.cluster.launcher import Launch
from tumorcam.cohort.cohort import read_cohort
from tumorcam.errors import TumorcamError
from tumorcam.operations.audit import WHOLE, FileState, audit_run, sound_plan
from tumorcam.operations.budget import StageBudget, Units, budgets
from tumorcam.operations.expected_files import JOB_OF_NEW_STAGE, JOB_OF_STAGE
from tumorcam.operations.measured import (
    finished_epochs,
    logged_items,
    stage_seconds,
    trained_models,
)
from tumorcam.operations.sizes import Sizes, sizes_of_cohort, sizes_of_config
from tumorcam.operations.stages import unfinished_stages
from tumorcam.operations.time_ahead import Speed, hours_text, speed_of
from tumorcam.settings.config import Config
from tumorcam.storage.plan import Plan
from tumorcam.storage.run_folder import RunFolder

STAGES = ("synthesize", "prepare", "train", "explain", "reduce", "faithfulness", "report")
NEW_STAGES = ("classify", "explain", "reduce", "report")  # after `tumorcam apply`
SINGLE = ("synthesize", "prepare", "report")  # stages of one process
UNITS = {"train": "models", "explain": "shards", "classify": "blocks"}
MEASURED_STAGE = "measured: earlier start"


@dataclass(frozen=True)
class StageWork:
    """What is left of a stage.

    Attributes
    ----------
    stage : str
        The job, such as train.
    n_left, n_all : int
        Units that are left, and all of them.
    unit : str
        Such as models or shards; "" for a stage that is done as a whole.
    core_seconds : float or None
        Seconds of one core; None before the cohort is there.
    n_cores : float
        Cores that work on it at once, on average.
    disk : int
        Bytes that it adds, at most.
    basis : str
        Where the time comes from: measured, a probe or arithmetic.
    memory : int
        Peak bytes of one process; 0 where nobody can tell.
    scratch : int
        Bytes of temporary files at once, which vanish.
    note : str
        A line that says more of `basis`.
    """

    stage: str
    n_left: int
    n_all: int
    unit: str
    core_seconds: float | None = None
    n_cores: float = 1
    disk: int = 0
    basis: str = ""
    memory: int = 0
    scratch: int = 0
    note: str = ""

    @property
    def seconds(self) -> float | None:
        """Seconds that it takes with so many cores; None where nobody can tell."""
        return None if self.core_seconds is None else self.core_seconds / self.n_cores

    @property
    def left_text(self) -> str:
        """Such as `2 of 9 models`, or `all`."""
        return f"{self.n_left} of {self.n_all} {self.unit}" if self.unit else "all"


def n_ranks_of(config: Config, ranks: int | None) -> int:
    """Processes of each parallel stage on this machine: those asked for, else CPUs / threads."""
    return max(1, ranks or launcher.n_cpus() // config.run.threads_per_rank)


def work_left(config: Config, stages: Sequence[str], *, n_ranks: int) -> list[StageWork]:
    """What is left of a run, from the first stage with work to do; empty if nothing is.

    Parameters
    ----------
    stages : sequence of str
        Jobs in their order, such as STAGES.
    n_ranks : int
        Processes of each parallel stage.
    """
    states = audit_run(config)
    reckoning = _reckoning(config, states, n_ranks)
    left = []
    for stage in unfinished_stages(config, stages):
        work = reckoning.work(stage) if reckoning else StageWork(stage, 1, 1, "")
        if work.n_left or not work.unit:
            left.append(work)
    return left


def whole_run(config: Config, sizes: Sizes, speed: Speed, *, n_ranks: int) -> list[StageWork]:
    """The work of a run of these sizes from nothing.

    Parameters
    ----------
    speed : Speed
        Of the machine.
    n_ranks : int
        Processes of each parallel stage.
    """
    reckoning = _Reckoning(config, sizes, speed, [], n_ranks)
    has_input = bool(config.input.expression)
    return [reckoning.work(stage) for stage in STAGES[has_input:]]


def _reckoning(config: Config, states: Sequence[FileState], n_ranks: int) -> "_Reckoning | None":
    """The work of a run by its cohort, else by `[synthesize]`; None if both say nothing."""
    run = RunFolder.of(config)
    try:
        plan = sound_plan(config)
        sizes = sizes_of_cohort(config, read_cohort(run.cohort, config))
    except TumorcamError:  # prepare has not run yet, or has to run again
        if config.input.expression or run.networks:
            return None
        plan, sizes, states = None, sizes_of_config(config), []
    speed = speed_of(config, sizes)
    return _Reckoning(config, sizes, speed, states, n_ranks, plan)


class _Reckoning:
    """The work of each stage of a run; without a plan nothing is done yet."""

    def __init__(
        self,
        config: Config,
        sizes: Sizes,
        speed: Speed,
        states: Sequence[FileState],
        n_ranks: int,
        plan: Plan | None = None,
    ) -> None:
        self.config, self.n_ranks, self.plan = config, n_ranks, plan
        self.run, self.speed = RunFolder.of(config), speed
        self.states: Mapping[str, list[FileState]] = {
            stage: [state for state in states if state.file.stage == stage]
            for stage in JOB_OF_STAGE | JOB_OF_NEW_STAGE
        }
        self.budgets = budgets(config, sizes, speed.probe, n_ranks)

    def work(self, stage: str) -> StageWork:
        """What is left of one stage."""
        if stage == "classify":
            return self._classify()
        budget = self.budgets[stage]
        if stage == "train":
            return self._train(budget)
        if stage == "explain":
            return self._explain(budget)
        seconds = stage_seconds(self.run.logs, stage) if self.plan else None
        if seconds is None:
            return self._work(budget, 1, 1, self.speed.basis)
        n_processes = 1 if stage in SINGLE else self.n_ranks
        measured = StageBudget(
            stage, budget.threads, 0.0, (Units(n_processes, seconds / n_processes),)
        )
        measured = dataclasses.replace(measured, disk=budget.disk, memory=budget.memory)
        return self._work(measured, 1, 1, MEASURED_STAGE)

    def _work(self, budget: StageBudget, n_left: int, n_all: int, basis: str) -> StageWork:
        """The work of a stage whose cost is known."""
        core_seconds, seconds = (
            reckon(self.n_ranks) for reckon in (budget.core_seconds, budget.seconds)
        )
        return StageWork(
            stage=budget.stage,
            n_left=n_left,
            n_all=n_all,
            unit=UNITS.get(budget.stage, ""),
            core_seconds=core_seconds,
            n_cores=core_seconds / seconds if seconds else 1,
            disk=budget.disk,
            basis=basis,
            memory=budget.memory,
            scratch=budget.shared + budget.scratch * budget.n_working(self.n_ranks),
            note=self.speed.note if basis == self.speed.basis else "",
        )

    def _train(self, budget: StageBudget) -> StageWork:
        """The networks and the baselines."""
        n_models, model_seconds = budget.units[0]
        if self.plan is None:
            return self._work(budget, n_models + 1, n_models + 1, self.speed.basis)
        models = [s for s in self.states["models"] if s.file.path != self.run.baselines]
        left = [s.file.path for s in models if s.state != WHOLE]
        whole = [s.file.path for s in models if s.state == WHOLE]
        measured = trained_models(path.with_name("history.csv") for path in whole)
        basis = self.speed.basis
        if measured.n_items:
            model_seconds, basis = measured.each_seconds, f"measured: {measured.n_items} models"
        shares = [1 - self._trained_share(path) for path in left]
        n_left = sum(state.state != WHOLE for state in self.states["models"])
        rest = Units(len(left), model_seconds * sum(shares) / max(1, len(left)))
        beside = budget.beside if n_left > len(left) else 0.0
        disk = round(_mean_size(whole, budget.disk / n_models) * len(left))
        rest_budget = dataclasses.replace(budget, units=(rest,), beside=beside, disk=disk)
        return self._work(rest_budget, n_left, len(self.states["models"]), basis)

    def _trained_share(self, model: Path) -> float:
        """The share of a model's epochs that its checkpoints keep."""
        if not model.with_name("checkpoints").is_dir():
            return 0.0
        epochs = finished_epochs(model.with_name("history.csv")).n_items
        return min(1.0, epochs / self.config.training.epochs)

    def _explain(self, budget: StageBudget) -> StageWork:
        """The shards."""
        if self.plan is None:
            return self._work(budget, budget.units[0].n, budget.units[0].n, self.speed.basis)
        return self._blocks(budget, "shards", self.states["shards"])

    def _classify(self) -> StageWork:
        """The predictions of new samples, and the calls of all of them."""
        files = [s for s in self.states["predictions"] if s.file.path != self.run.calls]
        probe, block = self.speed.probe, self.config.explain.block
        n_images = min(block, self.plan.n_samples) if self.plan else block
        units = (Units(len(files), n_images * probe.forward_sample),)
        budget = StageBudget("classify", probe.threads, probe.tensorflow_start, units)
        work = self._blocks(budget, "blocks", files)
        return work if work.n_left else dataclasses.replace(work, n_left=1)  # the calls alone

    def _blocks(self, budget: StageBudget, unit: str, files: Sequence[FileState]) -> StageWork:
        """The blocks of samples that are left, as measured by the logs of others."""
        n_left = sum(state.state != WHOLE for state in files)
        measured = logged_items(self.run.logs, budget.stage, unit)
        n_files, basis = max(1, len(files)), self.speed.basis
        (n, seconds), *loads = budget.units  # of equal shards; those of uneven folds are as many
        units = [Units(n_left, n * seconds / n_files)]
        units += [Units(round(n * n_left / n_files), seconds) for n, seconds in loads]
        start = budget.start
        if measured.n_items:
            basis, start = f"measured: {measured.n_items} {unit}", 0.0
            units = [Units(n_left, measured.each_seconds)]
        whole = [state.file.path for state in files if state.state == WHOLE]
        disk = round(_mean_size(whole, budget.disk / n_files) * n_left)
        rest = dataclasses.replace(budget, start=start, units=tuple(units), disk=disk)
        return self._work(rest, n_left, len(files), basis)


def _mean_size(files: Sequence[Path], at_most: float) -> float:
    """The mean bytes of some files, and without any the bytes that one takes at most."""
    sizes = [path.stat().st_size for path in files]
    return sum(sizes) / len(sizes) if sizes else at_most


def disk_text(n_bytes: int) -> str:
    """A number of bytes as MB, or GB from 1,000 MB on."""
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.1f} MB"


def total_seconds(works: Sequence[StageWork]) -> float | None:
    """Seconds that all the work takes, stage after stage; None where nobody can tell."""
    seconds = [work.seconds for work in works]
    return None if None in seconds else sum(s for s in seconds if s is not None)


def left_lines(
    config: Config,
    works: Sequence[StageWork],
    *,
    n_ranks: int,
    commands: Sequence[Sequence[str]] = (),
) -> list[str]:
    """The work as a table for a terminal, or that nothing is left.

    Parameters
    ----------
    works : sequence of StageWork
        From `work_left` with the same number of processes.
    commands : sequence of sequence of str
        The words of the commands that would do it, which are printed for a shell.
    """
    root = RunFolder.of(config).root
    if not works:
        return [f"nothing is left to do in {root}"]
    threads = config.run.threads_per_rank
    processes = f"with {n_ranks} processes of {threads} threads:"
    lines = [f"left to do in {root},", processes] if len(str(root)) > 40 else [
        f"left to do in {root}, {processes}"
    ]  # fmt: skip
    lines += work_table(works)
    if any(work.core_seconds is None for work in works):
        lines += [
            "the cost is clear once cohort.h5 is there: `tumorcam run CONFIG --until prepare`",
            "writes it; before that, tell the sizes with --samples and --tumors",
        ]
    return [*lines, *["would run:"] * bool(commands), *(f"  {shlex.join(c)}" for c in commands)]


def work_table(works: Sequence[StageWork]) -> list[str]:
    """The cost of each stage and of all in columns, at most 100 characters wide.

    Disk counts temporary files too, and memory is of one process.
    """
    head = f"{'stage':12}{'left':>20}{'core hours':>11}{'wall time':>10}{'disk':>11}{'memory':>10}"
    rows = [_row(work.stage, work.left_text, work) for work in works]
    seconds = total_seconds(works)
    if seconds is not None:
        in_all = StageWork(
            "in all", 1, 1, "", sum(work.core_seconds or 0.0 for work in works),
            disk=sum(work.disk for work in works), memory=max(work.memory for work in works),
            scratch=max(work.scratch for work in works),
        )  # fmt: skip
        rows.append(_row("in all", "", in_all, seconds))
    return [f"{head}  cost by", *rows, *dict.fromkeys(work.note for work in works if work.note)]


def stage_lines(config: Config, stage: str, launch: Launch, plan: Sequence[str]) -> list[str]:
    """What is left of one stage, in lines; a dry run of that stage prints them.

    Parameters
    ----------
    launch : Launch
        Of this process; the number of its launcher's processes counts.
    plan : sequence of str
        Lines that come first, if something is left.
    """
    n_ranks = n_ranks_of(config, launch.world_size)
    stages = NEW_STAGES if RunFolder.of(config).networks else STAGES
    works = work_left(config, stages[: stages.index(stage) + 1], n_ranks=n_ranks)
    own = [work for work in works if work.stage == stage]
    if not own:
        return [f"nothing is left of {stage} in {RunFolder.of(config).root}"]
    return [*plan, *left_lines(config, own, n_ranks=n_ranks)]


def _row(stage: str, left: str, work: StageWork, seconds: float | None = None) -> str:
    if work.core_seconds is None:
        return f"{stage:12}{left:>20}"
    wall = hours_text((seconds or work.seconds or 0.0) / 3600)
    n_bytes = (work.disk + work.scratch, work.memory)
    disk, memory = (disk_text(n) if n else "" for n in n_bytes)
    hours = core_hours_text(work.core_seconds)
    row = f"{stage:12}{left:>20}{hours:>11}{wall:>10}{disk:>11}{memory:>10}  {work.basis}"
    return row.rstrip()


def core_hours_text(core_seconds: float) -> str:
    """Core hours, such as 0.02, 3.4 or 1,200."""
    hours = core_seconds / 3600
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.3g}"
