"""The jobs that a run still needs from Slurm, their options of sbatch, and those in the queue."""

import functools
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tumorcam.cluster import slurm
from tumorcam.cluster.launcher import Launch
from tumorcam.cluster.slurm import QueueEntry
from tumorcam.errors import ClusterError, ConfigError, StaleError
from tumorcam.operations.audit import WHOLE, FileState, count_states, incomplete_stages
from tumorcam.operations.expected_files import JOB_OF_NEW_STAGE, JOB_OF_STAGE
from tumorcam.settings.config import Config
from tumorcam.storage.run_config import load_run
from tumorcam.storage.run_folder import RunFolder

JOBS = JOB_OF_STAGE | JOB_OF_NEW_STAGE
SCRIPT = re.compile(rf"slurm/(?P<job>{'|'.join(JOBS.values())})\.sh (?P<arguments>.+)")
PLACE_OVERRIDE = re.compile(r"set[ =](run\.(?:name|folder)=.*)", re.DOTALL)
CPU_OPTIONS = ("--cpus-per-", "-c")


@dataclass(frozen=True)
class Site:
    """Options and limits of a site.

    Attributes
    ----------
    options : mapping
        Name of a job to the options of sbatch that the site gives it.
    max_array : int or None
        Elements that an array has at most, counted from 0; None where Slurm does not say.
    throttle : str
        How many elements of an array may run at once; empty for all.
    """

    options: Mapping[str, Sequence[str]] = field(default_factory=dict)
    max_array: int | None = None
    throttle: str = ""


@dataclass(frozen=True)
class Submission:
    """A job, such as train, and the options of sbatch that it is submitted with."""

    job: str
    options: tuple[str, ...]

    def output(self, logs: Path) -> str:
        """The option that sends Slurm's output to this folder, a file for each element."""
        is_array = any(option.startswith(("--array", "-a")) for option in self.options)
        return f"--output={logs / ('%x-%A_%a.out' if is_array else '%x-%j.out')}"

    def command(self, arguments: Sequence[str]) -> str:
        """The sbatch command, quoted for a shell; `arguments` are the config and overrides."""
        return shlex.join(["sbatch", *self.options, f"slurm/{self.job}.sh", *arguments])


class QueuedJob(NamedTuple):
    """A job of this run in Slurm's queue; `number` is 12, or 12_3 for an element of an array."""

    job: str
    number: str
    state: str


def read_site(launch: Launch) -> Site:
    """Options and limits that slurm/site.env and Slurm give here.

    Raises
    ------
    ClusterError
        If an option or the throttle in the site file is not understood.
    """
    options = {job: launch.site_options(job) for job in JOBS.values()}
    return Site(options, slurm.max_array_size(), launch.array_throttle)


def train_tasks(config: Config, states: Sequence[FileState]) -> list[int]:
    """Numbers of the train array's elements that have work to do.

    Without a sound cohort these are all elements that the settings ask for.
    """
    if any(state.file.stage == "cohort" and state.state != WHOLE for state in states):
        n_models = config.layout.replicates * (1 + config.layout.nulls) * config.splits.folds
        return list(range(n_models + 1))
    models = [state for state in states if state.file.stage == "models"]
    return [i for i, model in enumerate(models) if model.state != WHOLE]


def submissions(config: Config, states: Sequence[FileState], site: Site) -> list[Submission]:
    """All jobs from the first incomplete one on, in order; train only where it has work to do.

    The files of later stages are missing or stale as well. An array that is too long for the site
    becomes several submissions of the same job, next to each other.

    Raises
    ------
    StaleError
        If new samples are not prepared.
    """
    gaps = incomplete_stages(states)
    stages = list(count_states(states))
    if gaps[:1] == ["samples"]:
        raise StaleError(f"{states[0].fault or 'new samples are not prepared'}")
    todo = []
    for stage in stages[stages.index(gaps[0]) :] if gaps else []:
        job = JOBS[stage]
        options = _options(job, config, site)
        if stage == "models":
            tasks = train_tasks(config, states)
            todo += [Submission(job, (*part, *options)) for part in array_parts(tasks, site)]
        else:
            todo.append(Submission(job, options))
    return todo


def array_parts(tasks: Iterable[int], site: Site) -> Iterator[list[str]]:
    """Options of sbatch for each array of the train tasks.

    Parameters
    ----------
    tasks : iterable of int
        Numbers of train tasks, ascending.
    """
    parts: dict[int, list[int]] = {}
    for task in tasks:
        first = task - task % site.max_array if site.max_array else 0
        parts.setdefault(first, []).append(task - first)
    for first, part in parts.items():
        array = f"--array={slurm.array_text(part)}{site.throttle and f'%{site.throttle}'}"
        yield [array, f"--export=ALL,TUMORCAM_ARRAY_FIRST={first}"] if first else [array]


def table(logs: Path, todo: Sequence[Submission]) -> str:
    """Text for slurm/pipeline.sh: the folder of logs, then a line for each submission.

    A line has the job's name and its options of sbatch, separated by tabs. The text is empty if
    there is nothing to submit.
    """
    rows = ["\t".join([item.job, item.output(logs), *item.options]) for item in todo]
    return "".join(f"{row}\n" for row in [str(logs), *rows]) if rows else ""


def jobs_of_run(queue: Iterable[QueueEntry], run: RunFolder) -> list[QueuedJob]:
    """The jobs in Slurm's queue that work in this run's folder, in the order of submission.

    The config and the overrides of a job tell its folder, so `--set run.name=x`,
    `--set=run.name=x` and a config that has this name are the same run.
    """
    folder_of, root = functools.cache(_run_folder), run.root.resolve()
    jobs = []
    for entry in queue:
        script = SCRIPT.search(entry.command)
        if script and folder_of(entry.folder, script["arguments"]) == root:
            jobs.append(QueuedJob(script["job"], entry.number, entry.state))
    return sorted(jobs, key=lambda job: [int(digits) for digits in re.findall(r"\d+", job.number)])


def queue_lines(jobs: Iterable[QueuedJob]) -> list[str]:
    """A line for each job or array, such as `train, job 12: 5 running, 13 pending`."""
    states: dict[tuple[str, str], Counter[str]] = {}
    for job in jobs:
        key = job.job, job.number.partition("_")[0]
        states.setdefault(key, Counter())[job.state.lower()] += 1
    return [
        f"{job}, job {number}: {', '.join(f'{n} {state}' for state, n in counts.items())}"
        for (job, number), counts in states.items()
    ]


def stale_faults(states: Iterable[FileState]) -> list[str]:
    """Faults of models and shards of other settings, which train and explain refuse to replace."""
    stages = ("models", "shards")
    return [s.fault for s in states if s.has_other_settings and s.file.stage in stages]


def refuse_stale(states: Iterable[FileState]) -> None:
    """Refuse to submit jobs that would refuse to work.

    Raises
    ------
    StaleError
        If there are models or shards of other settings.
    """
    faults = stale_faults(states)
    if faults:
        raise StaleError(faults[0])


def refuse_queued(jobs: Sequence[QueuedJob]) -> None:
    """Refuse to submit a second chain of jobs while one is in the queue.

    Raises
    ------
    ClusterError
        If there are queued jobs: both chains would do the same work in the same files.
    """
    if jobs:
        numbers = " ".join(dict.fromkeys(job.number.partition("_")[0] for job in jobs))
        msg = (
            f"jobs of this run are still in the queue ({'; '.join(queue_lines(jobs))}); "
            f"wait until they have ended, or `scancel {numbers}`, then submit again"
        )
        raise ClusterError(msg)


def _run_folder(project: Path, arguments: str) -> Path | None:
    """The folder of a run by a job's arguments, which squeue shows without quotes.

    None where the config cannot be read.
    """
    config, *options = arguments.split(" --")
    overrides = [match[1].strip() for match in map(PLACE_OVERRIDE.fullmatch, options) if match]
    try:
        folder = load_run(project / config.strip(), overrides, strict=False)[0].folder
    except ConfigError:
        return None
    return (project / folder).resolve()


def _options(job: str, config: Config, site: Site) -> tuple[str, ...]:
    options = tuple(site.options.get(job, ()))
    if any(option.startswith(CPU_OPTIONS) for option in options):
        return options
    return (f"--cpus-per-task={config.run.threads_per_rank}", *options)
