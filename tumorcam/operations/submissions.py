"""Which jobs are still to be submitted to Slurm for a run, with which options of sbatch."""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tumorcam.cluster import launcher
from tumorcam.cluster.launcher import Job
from tumorcam.config import Config
from tumorcam.errors import ClusterError
from tumorcam.operations.audit import JOB_OF_STAGE, WHOLE, Finding, incomplete_stages

SCRIPT = re.compile(rf"slurm/(?P<job>{'|'.join(JOB_OF_STAGE.values())})\.sh (?P<arguments>.+)")
PLACE_OPTIONS = ("set run.name=", "set run.folder=", "set=run.name=", "set=run.folder=")
CPU_OPTIONS = ("--cpus-per-", "-c")


@dataclass(frozen=True)
class Site:
    """What the site asks for: `options` of sbatch for each job; `throttle` elements at once.

    An array has at most `max_array` elements, counted from 0; None where there is no Slurm.
    """

    options: Mapping[str, Sequence[str]] = field(default_factory=dict)
    max_array: int | None = None
    throttle: str = ""


@dataclass(frozen=True)
class Submission:
    """A job of jobs/ and the options of sbatch that it is submitted with."""

    job: str
    options: tuple[str, ...]

    def output(self, logs: Path) -> str:
        """The option that puts Slurm's output into this folder, a file for each element."""
        is_array = any(option.startswith(("--array", "-a")) for option in self.options)
        return f"--output={logs / ('%x-%A_%a.out' if is_array else '%x-%j.out')}"

    def command(self, arguments: Sequence[str]) -> str:
        """The sbatch command, quoted for a shell; `arguments` are the config and overrides."""
        return shlex.join(["sbatch", *self.options, f"slurm/{self.job}.sh", *arguments])


class QueuedJob(NamedTuple):
    """A job of this run in Slurm's queue; `number` is 12, or 12_3 of an array's element."""

    job: str
    number: str
    state: str


def read_site() -> Site:
    """What slurm/site.env and Slurm say here.

    Raises
    ------
    ClusterError
        If the site file has something that is not understood.
    """
    options = {job: launcher.site_options(job) for job in JOB_OF_STAGE.values()}
    return Site(options, launcher.max_array_size(), launcher.array_throttle())


def train_tasks(config: Config, findings: Sequence[Finding]) -> list[int]:
    """Elements of the train array that are still to do.

    Before there is a sound cohort, these are all that the settings ask for.
    """
    if any(f.file.stage == "cohort" and f.state != WHOLE for f in findings):
        n_models = (config.layout.replicates + config.layout.nulls) * config.splits.folds
        return list(range(n_models + 1))
    models = [finding for finding in findings if finding.file.stage == "models"]
    return [i for i, finding in enumerate(models) if finding.state != WHOLE]


def submissions(config: Config, findings: Sequence[Finding], site: Site) -> list[Submission]:
    """All jobs from the first that is not complete on, in order; train only where it has work.

    What stands behind a gap is missing or stale as well. The parts of an array that is too long
    for the site are submissions of the same job, next to each other.
    """
    gaps = incomplete_stages(findings)
    stages = list(JOB_OF_STAGE)
    made = []
    for stage in stages[stages.index(gaps[0]) :] if gaps else []:
        job = JOB_OF_STAGE[stage]
        options = _options(job, config, site)
        if stage == "models":
            tasks = train_tasks(config, findings)
            made += [Submission(job, (*part, *options)) for part in array_parts(tasks, site)]
        else:
            made.append(Submission(job, options))
    return made


def array_parts(tasks: Iterable[int], site: Site) -> Iterator[list[str]]:
    """Options of sbatch for each array that the tasks need.

    Parameters
    ----------
    tasks : iterable of int
        Ascending.
    """
    parts: dict[int, list[int]] = {}
    for task in tasks:
        first = task - task % site.max_array if site.max_array else 0
        parts.setdefault(first, []).append(task - first)
    for first, part in parts.items():
        array = f"--array={slurm.array_text(part)}{site.throttle and f'%{site.throttle}'}"
        yield [array, f"--export=ALL,TUMORCAM_ARRAY_FIRST={first}"] if first else [array]


def table(logs: Path, todo: Sequence[Submission]) -> str:
    """What slurm/pipeline.sh reads: the folder of logs, then a line a job; empty if there is none.

    A line has the job's name and the options of sbatch between tabs, which no option holds.
    """
    rows = ["\t".join([one.job, one.output(logs), *one.options]) for one in todo]
    return "".join(f"{row}\n" for row in [str(logs), *rows]) if rows else ""


def jobs_of_run(queue: Iterable[Job], project: Path, arguments: Sequence[str]) -> list[QueuedJob]:
    """Those of Slurm's jobs that are this run's: same folder, config and overrides of its place.

    Parameters
    ----------
    project : Path
        The folder where jobs are submitted.
    arguments : sequence of str
        The config and the overrides that every job of this run gets.
    """
    wanted = _run_words(project, " ".join(arguments))
    here = [job for job in queue if job.folder.resolve() == project.resolve()]
    here.sort(key=lambda job: [int(digits) for digits in re.findall(r"\d+", job.number)])
    scripts = [(job, SCRIPT.search(job.command)) for job in here]
    return [
        QueuedJob(script["job"], job.number, job.state)
        for job, script in scripts
        if script and _run_words(project, script["arguments"]) == wanted
    ]


def queue_lines(jobs: Iterable[QueuedJob]) -> list[str]:
    """A line for each job, such as `train, job 12: 5 running, 13 pending`."""
    states: dict[tuple[str, str], Counter[str]] = {}
    for job in jobs:
        key = job.job, job.number.partition("_")[0]
        states.setdefault(key, Counter())[job.state.lower()] += 1
    return [
        f"{job}, job {number}: {', '.join(f'{n} {state}' for state, n in counts.items())}"
        for (job, number), counts in states.items()
    ]


def refuse_queued(jobs: Sequence[QueuedJob]) -> None:
    """Nothing, where no job is queued.

    Raises
    ------
    ClusterError
        If there are some, since a second chain would do the same work in the same files.
    """
    if jobs:
        numbers = " ".join(dict.fromkeys(job.number.partition("_")[0] for job in jobs))
        msg = (
            f"jobs of this run are still in the queue ({'; '.join(queue_lines(jobs))}); "
            f"wait until they have ended, or `scancel {numbers}`, then submit again"
        )
        raise ClusterError(msg)


def _run_words(project: Path, text: str) -> tuple[Path, ...]:
    """The config's path, and the overrides that say where the run is, of unquoted arguments."""
    config, *options = text.split(" --")
    places = (word for word in options if word.startswith(PLACE_OPTIONS))
    return ((project / config.strip()).resolve(), *(Path(word.strip()) for word in places))


def _options(job: str, config: Config, site: Site) -> tuple[str, ...]:
    options = tuple(site.options.get(job, ()))
    if any(option.startswith(CPU_OPTIONS) for option in options):
        return options
    return (f"--cpus-per-task={config.run.threads_per_rank}", *options)
