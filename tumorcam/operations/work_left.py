"""What a run still has to do, and what that costs in core hours, time and disk.

The cost is measured where the run itself has done the same work before; else it is reckoned by a
rule. Every number is for processors; a GPU is faster.
"""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tumorcam.cluster import launcher
from tumorcam.cluster.launcher import Launch
from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.errors import TumorcamError
from tumorcam.faithfulness.examine import n_forward_passes
from tumorcam.operations.audit import WHOLE, FileState, audit_run, sound_plan
from tumorcam.operations.cost import cost_of_cohort
from tumorcam.operations.expected_files import JOB_OF_NEW_STAGE, JOB_OF_STAGE
from tumorcam.operations.measured import (
    finished_epochs,
    logged_items,
    stage_seconds,
    trained_models,
)
from tumorcam.operations.stages import unfinished_stages
from tumorcam.operations.time_ahead import EFFICIENCY, hours_text, matrix_rate, time_ahead
from tumorcam.settings.config import Config
from tumorcam.storage.plan import Plan
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.shapes import n_operations

# Of stages without networks, as the demo took them on one core; roughly
REDUCED_VALUES = 1e6  # saliency values of genes and decoys that reduce ranks in a second
READ_VALUES = 5e6  # expression values that prepare reads in a second
OTHER_SECONDS = {"synthesize": 3.0, "prepare": 3.0, "report": 20.0}  # at least

STAGES = ("synthesize", "prepare", "train", "explain", "reduce", "faithfulness", "report")
NEW_STAGES = ("classify", "explain", "reduce", "report")  # after `tumorcam apply`
SINGLE = ("synthesize", "prepare", "report")  # stages of one process
UNITS = {"train": "models", "explain": "shards", "classify": "blocks"}
ARITHMETIC = "by arithmetic, at {:.0f} GFLOP/s a core"
RULE = "by rule, as the demo took it"
MEASURED_STAGE = "measured: an earlier start of it"


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
    n_cores : int
        Cores that work on it at once.
    disk : int
        Bytes that it adds, at most.
    basis : str
        Where the time comes from: measured, arithmetic or a rule.
    """

    stage: str
    n_left: int
    n_all: int
    unit: str
    core_seconds: float | None = None
    n_cores: int = 1
    disk: int = 0
    basis: str = ""

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
    try:
        plan = sound_plan(config)
        cohort = read_cohort(RunFolder.of(config).cohort, config)
        reckoning = _Reckoning(config, plan, cohort, states)
    except TumorcamError:  # prepare has not run yet, or has to run again
        reckoning = None
    left = []
    for stage in unfinished_stages(config, stages):
        work = reckoning.work(stage) if reckoning else StageWork(stage, 1, 1, "")
        if work.unit and not work.n_left:
            continue
        n_tasks = 1 if stage in SINGLE else n_ranks
        n_tasks = min(n_tasks, work.n_left) if work.unit else n_tasks
        threads = 1 if stage in SINGLE else config.run.threads_per_rank
        left.append(dataclasses.replace(work, n_cores=n_tasks * threads))
    return left


class _Reckoning:
    """The work of each stage of a run whose cohort is there."""

    def __init__(
        self, config: Config, plan: Plan, cohort: Cohort, states: Sequence[FileState]
    ) -> None:
        self.config, self.plan, self.cohort = config, plan, cohort
        self.run = RunFolder.of(config)
        self.states: Mapping[str, list[FileState]] = {
            stage: [state for state in states if state.file.stage == stage]
            for stage in JOB_OF_STAGE | JOB_OF_NEW_STAGE
        }
        self.cost = cost_of_cohort(config, cohort)
        self.rate = matrix_rate() / launcher.n_cpus()  # of one core
        self.ahead = time_ahead(config, cohort, self.rate)  # hours of one core
        self.arithmetic = ARITHMETIC.format(self.rate / 1e9)

    def work(self, stage: str) -> StageWork:
        """What is left of one stage, without its number of cores."""
        if stage == "train":
            return self._train()
        if stage in ("explain", "classify"):
            return self._blocks(stage)
        seconds = stage_seconds(self.run.logs, stage)
        threads = 1 if stage in SINGLE else self.config.run.threads_per_rank
        disk = self.cost.cohort if stage == "prepare" else 0
        if seconds is not None:
            return StageWork(stage, 1, 1, "", seconds * threads, 1, disk, MEASURED_STAGE)
        seconds, basis = self._by_rule(stage)
        return StageWork(stage, 1, 1, "", seconds, 1, disk, basis)

    def _train(self) -> StageWork:
        """The networks; the baselines take seconds."""
        keys, threads = self.plan.model_keys, self.config.run.threads_per_rank
        models = [s for s in self.states["models"] if s.file.path != self.run.baselines]
        left = [s.file.path for s in models if s.state != WHOLE]
        whole = [s.file.path for s in models if s.state == WHOLE]
        measured = trained_models(path.with_name("history.csv") for path in whole)
        unit_seconds, basis = self.ahead.train * 3600 / len(keys), self.arithmetic
        basis += f", {self.config.training.epochs} epochs"
        if measured.n_items:
            unit_seconds, basis = (
                measured.each_seconds * threads,
                f"measured: {measured.n_items} models",
            )
        shares = [1 - self._trained_share(path) for path in left]
        sizes = [path.stat().st_size for path in whole]
        disk = sum(sizes) / len(sizes) if sizes else self.cost.models / len(keys)
        n_left = sum(state.state != WHOLE for state in self.states["models"])
        return StageWork(
            stage="train",
            n_left=n_left,
            n_all=len(self.states["models"]),
            unit="models",
            core_seconds=unit_seconds * sum(shares),
            disk=round(disk * len(left)),
            basis=basis,
        )

    def _trained_share(self, model: Path) -> float:
        """The share of a model's epochs that its checkpoints keep."""
        if not model.with_name("checkpoints").is_dir():
            return 0.0
        epochs = finished_epochs(model.with_name("history.csv")).n_items
        return min(1.0, epochs / self.config.training.epochs)

    def _blocks(self, stage: str) -> StageWork:
        """The shards of explain, or the predictions of classify."""
        unit, threads = UNITS[stage], self.config.run.threads_per_rank
        files = self.states["shards" if stage == "explain" else "predictions"]
        files = [state for state in files if state.file.path != self.run.calls]
        n_left = sum(state.state != WHOLE for state in files)
        n_left = n_left or int(stage == "classify")  # the calls of all samples
        measured = logged_items(self.run.logs, stage, unit)
        seconds = self.ahead.explain * 3600 if stage == "explain" else self._forward(len(files))
        unit_seconds, basis = seconds / max(1, len(files)), self.arithmetic
        if measured.n_items:
            unit_seconds, basis = (
                measured.each_seconds * threads,
                f"measured: {measured.n_items} {unit}",
            )
        sizes = [state.file.path.stat().st_size for state in files if state.state == WHOLE]
        most = self.cost.shards / max(1, len(files)) if stage == "explain" else 0
        disk = sum(sizes) / len(sizes) if sizes else most
        return StageWork(
            stage=stage,
            n_left=n_left,
            n_all=len(files),
            unit=unit,
            core_seconds=unit_seconds * n_left,
            disk=round(disk * n_left),
            basis=basis,
        )

    def _forward(self, n_blocks: int) -> float:
        """Seconds of one core for the forward passes of classify."""
        n_images = n_blocks * min(self.plan.block, self.plan.n_samples)
        return n_images * self._operations() / (self.rate * EFFICIENCY)

    def _operations(self) -> int:
        tumors = len(self.cohort.tumors)
        return n_operations(self.config.model, self.plan.side, tumors)[0]

    def _by_rule(self, stage: str) -> tuple[float, str]:
        """Seconds of one core, and where they come from."""
        plan, n_methods = self.plan, len(self.config.explain.methods)
        if stage == "faithfulness":
            n_images = n_forward_passes(self.cohort, self.config)
            return n_images * self._operations() / (self.rate * EFFICIENCY), self.arithmetic
        if stage == "reduce":
            n_values = plan.n_samples * plan.n_columns * n_methods * self.cohort.n_replicates
            return n_values * (1 + plan.nulls) / REDUCED_VALUES, RULE
        n_values = plan.n_samples * plan.n_genes
        return OTHER_SECONDS[stage] + n_values * (stage != "report") / READ_VALUES, RULE


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
    lines = [
        f"left to do in {root}, with {n_ranks} processes of {threads} threads:",
        f"{'stage':14}{'left':>20}{'core hours':>13}{'wall time':>12}{'disk':>12}  cost",
    ]
    lines += [_row(work.stage, work.left_text, work) for work in works]
    core_seconds = [work.core_seconds for work in works]
    if None in core_seconds:
        remedy = "`tumorcam run CONFIG --until prepare`"
        lines.append(f"the cost is clear once cohort.h5 is there: {remedy} writes it")
    else:
        in_all = StageWork(
            "in all", 1, 1, "", sum(s or 0.0 for s in core_seconds),
            disk=sum(work.disk for work in works),
        )  # fmt: skip
        seconds = total_seconds(works) or 0.0
        lines.append(_row("in all", "", in_all, seconds))
    return [*lines, *["would run:"] * bool(commands), *(f"  {shlex.join(c)}" for c in commands)]


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
        return f"{stage:14}{left:>20}"
    core_hours, wall = work.core_seconds / 3600, seconds or work.seconds or 0.0
    hours = f"{core_hours:,.0f}" if core_hours >= 100 else f"{core_hours:.3g}"
    disk = disk_text(work.disk) if work.disk else ""
    row = f"{stage:14}{left:>20}{hours:>13}{hours_text(wall / 3600):>12}{disk:>12}  {work.basis}"
    return row.rstrip()
