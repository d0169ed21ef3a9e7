"""Faults: damages a file of a finished run, starts a job on it, and judges what it does.

    python tests/faults.py FOLDER [--seed 1] [--tries 5000] [--only N] [--patience 60]

Each try draws a job, a kind of file and a fault (`fault_kinds`), and in half of the tries removes
the job's outputs first, so that it has work to do. `fault_judge` has the rules by which the job
is judged. Then the run is mended from its copy. A try depends on the seed and its number alone, so
that `--only` repeats it and prints what the job said. FOLDER keeps the runs for the next call.
"""

import argparse
import collections
import os
import resource
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESTARTED = "TUMORCAM_FAULTS_RESTARTED"  # set where root's right to read any file is given up
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}  # also of their children

import fault_judge  # noqa: E402
import fault_kinds  # noqa: E402
import numpy as np  # noqa: E402
from fault_jobs import PATIENCE, Limits, import_everything, run_child  # noqa: E402
from fault_judge import Breach, Try, snapshot  # noqa: E402
from fault_kinds import FAULTS, FEW_OPEN_FILES, FILE_KINDS, Target  # noqa: E402
from fault_runs import RUN, Runs, build_runs, call  # noqa: E402

import jobs  # noqa: E402
import tumorcam  # noqa: E402
from tumorcam.cluster.launcher import prepare_tensorflow  # noqa: E402

REDO_SHARE = 0.5  # of tries in which outputs are removed first
READ_SHARE = 0.8  # of tries in which a file is damaged that the job reads
KEEP_PARTS = 0.5  # share of those in which the parts of an unfinished job stay
FEWEST_FILES, MOST_FILES = 12, 48  # open at once, where the fault is that they are few
PATIENCE_OF_PARENT = 300.0  # seconds for jobs that start others


@dataclass(frozen=True)
class JobKind:
    """A job of the test.

    Attributes
    ----------
    words : tuple of str
        Its command line behind the config.
    weight : float
        How often it is drawn. Jobs that compute or draw pictures take seconds.
    removes : tuple of str
        Patterns of files that are removed so that it has work to do: of the first one a file,
        of the others all.
    reads : tuple of str
        Kinds of files that it reads, which are damaged most of the time; empty for all.
    """

    words: tuple[str, ...]
    weight: float
    removes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


TABLES = ("significance", "faithfulness", "truth")
INPUT = tuple(kind.name for kind in FILE_KINDS if kind.patterns[0].startswith("input"))
REPORT = tuple(kind.name for kind in FILE_KINDS if kind.patterns[0].startswith("report"))
JOB_KINDS = {
    fault_judge.STATUS: JobKind(("status",), 20),
    fault_judge.DEEP: JobKind(("status", "--deep"), 4),
    fault_judge.CURVE: JobKind(("status", "--curve", "r00-f00"), 2),
    fault_judge.VERIFY: JobKind(("verify",), 11),
    fault_judge.DELETE: JobKind(("verify", "--delete"), 16),
    "reduce": JobKind(
        ("reduce",),
        20,
        ("significance.h5", "saliency.h5", "bands/*"),
        ("cohort", "plan", "model", "shard", "saliency", "significance", "band", "ranking"),
    ),
    "prepare": JobKind(("prepare",), 8, ("cohort.h5",), ("cohort", "plan", *INPUT)),
    "explain": JobKind(("explain",), 4, ("shards/*.h5",), ("cohort", "plan", "model", "shard")),
    fault_judge.TRAIN: JobKind(
        ("train",), 2.5, ("models/*/model.h5",), ("cohort", "plan", "model", "baselines")
    ),
    "faithfulness": JobKind(
        ("faithfulness",),
        6,
        ("faithfulness.h5", "responses/*"),
        ("cohort", "plan", "model", "response", *TABLES),
    ),
    "report": JobKind(
        ("report",), 2, (), ("cohort", "plan", "model", "baselines", "shard", *TABLES, *REPORT)
    ),
    fault_judge.SHOW: JobKind(("show",), 1, (), ("cohort", "model")),
    fault_judge.ALL: JobKind(("run", "--ranks", "1"), 0.3),
}


@dataclass(frozen=True)
class Outcome:
    """A judged try."""

    number: int
    attempt: Try
    breaches: list[Breach]

    @property
    def verdict(self) -> str:
        """The gravest breach, or OK."""
        return self.breaches[0].verdict if self.breaches else fault_judge.OK

    def line(self) -> str:
        """The try in one line, with all its breaches."""
        attempt = self.attempt
        texts = "; ".join(f"{breach.verdict}: {breach.text}" for breach in self.breaches)
        job = f"{attempt.job} {attempt.task}".strip()
        return f"{self.number:5} {job} | {attempt.fault} in {attempt.name} | {texts}"


def main(argv: Sequence[str] | None = None) -> int:
    """Make the tries and print what came of them; 1 if any rule was broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tries", type=int, default=5000)
    parser.add_argument("--only", type=int, help="number of a single try, whose output is printed")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds until a hang")
    args = parser.parse_args(argv)
    prepare_tensorflow()
    import_everything([tumorcam, jobs])
    folder = args.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    runs = build_runs(folder)
    for name in fault_judge.differing(snapshot(runs.area), snapshot(runs.sound)):
        fault_kinds.mend(runs, name)  # what a stopped call has left
    numbers = range(args.tries) if args.only is None else [args.only]
    built, outcomes = time.monotonic(), []
    for number in numbers:
        outcome = make_try(runs, args.seed, number, args.patience)
        outcomes.append(outcome)
        if outcome.breaches:
            print(outcome.line(), file=sys.stderr, flush=True)
        elif number % 100 == 99:
            seconds = time.monotonic() - built
            print(f"{number + 1} tries, {seconds:.0f} s", file=sys.stderr, flush=True)
    if args.only is not None:
        print(outcomes[0].attempt.ending.output)
    print_outcomes(outcomes)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"seed {args.seed}: {len(outcomes)} tries, {time.monotonic() - built:.0f} s, ", end="")
    print(f"{spent.ru_utime + spent.ru_stime:.0f} s of processor time with the runs")
    return int(any(outcome.breaches for outcome in outcomes))


def make_try(runs: Runs, seed: int, number: int, patience: float = PATIENCE) -> Outcome:
    """Damage a file, start a job, judge it, and mend the run."""
    rng = np.random.default_rng([seed, number])
    names = list(JOB_KINDS)
    weights = np.array([JOB_KINDS[name].weight for name in names])
    job = names[rng.choice(len(names), p=weights / weights.sum())]
    clean = snapshot(runs.root)
    fault, target = put_fault(runs, job, rng)
    task = task_of(job, target, rng)
    remove_outputs(job, target, task, rng)
    damaged = None
    if target.path.is_file() and os.access(target.path, os.R_OK):
        damaged = target.path.read_bytes()
    words = command(job, runs, fault, target, task)
    open_files = int(rng.integers(FEWEST_FILES, MOST_FILES))
    limits = limits_of(runs.area, words, fault, open_files, patience)
    before = snapshot(runs.root)
    ending = run_child(lambda: call(words), limits)
    after = snapshot(runs.root)
    attempt = Try(
        runs=runs,
        job=job,
        fault=fault,
        kind=target.kind,
        name=target.name,
        damaged=damaged,
        ending=ending,
        before=before,
        after=after,
        task=task,
    )
    breaches = fault_judge.judge(attempt)
    mend(runs, clean)
    return Outcome(number, attempt, breaches)


def put_fault(runs: Runs, job: str, rng: np.random.Generator) -> tuple[str, Target]:
    """Draw a fault and a file that it can be put into, and do so."""
    reads = JOB_KINDS[job].reads if rng.random() < READ_SHARE else ()
    kinds = [kind for kind in FILE_KINDS if not reads or kind.name in reads]
    while True:
        kind = kinds[rng.integers(len(kinds))]
        files = kind.files(runs.run)
        target = Target(runs, kind, files[rng.integers(len(files))], rng)
        fault = str(rng.choice(list(FAULTS)))
        try:
            fault_kinds.apply(fault, target)
        except fault_kinds.NotApplicableError:
            fault_kinds.mend(runs, f"{RUN}/{target.name}")  # HDF5 may have opened it for writing
            continue
        return fault, target


def task_of(job: str, target: Target, rng: np.random.Generator) -> str:
    """The model that train is asked for, mostly the damaged one; empty for all models."""
    if job != fault_judge.TRAIN or rng.random() < 0.1:
        return ""
    names = sorted(path.parent.name for path in target.runs.sound.glob(f"{RUN}/models/*/model.h5"))
    if target.kind.name == "model":
        return Path(target.name).parent.name
    is_baselines = target.kind.name == "baselines" or rng.random() < 0.3
    return "baselines" if is_baselines else names[rng.integers(len(names))]


def remove_outputs(job: str, target: Target, task: str, rng: np.random.Generator) -> None:
    """In half of the tries, remove what the job writes, but not the damaged file."""
    patterns = JOB_KINDS[job].removes
    if not patterns or rng.random() >= REDO_SHARE:
        return
    if task:
        patterns = (f"models/{task}/model.h5" if task != "baselines" else "models/baselines.h5",)
    if target.kind.is_part or rng.random() < KEEP_PARTS:
        patterns = patterns[:2] if job == "reduce" else patterns[:1]
    for i, pattern in enumerate(patterns):
        paths = [path for path in sorted(target.runs.run.glob(pattern)) if path != target.path]
        if i == 0 and paths:
            paths = [paths[rng.integers(len(paths))]]
        for path in paths:
            path.unlink()


def command(job: str, runs: Runs, fault: str, target: Target, task: str) -> list[str]:
    """The words of the command line."""
    name, *options = JOB_KINDS[job].words
    is_given = target.kind.name == "config.toml" and fault in fault_kinds.BROKEN_TEXT
    config = target.path if is_given else runs.settings
    if job == fault_judge.SHOW:
        options = ["--sample", runs.sample]
    return [name, str(config), *options, *(["--model", task] if task else [])]


def limits_of(
    folder: Path, words: Sequence[str], fault: str, open_files: int, patience: float
) -> Limits:
    """The patience with a job, and how many files it may open."""
    if words[0] == "run" or (words[0] == "train" and "--model" not in words):
        patience = max(patience, PATIENCE_OF_PARENT)
    return Limits(folder, patience, open_files=open_files if fault == FEW_OPEN_FILES else 0)


def mend(runs: Runs, clean: dict[str, fault_judge.Stamp]) -> None:
    """Restore every path of the area that differs from what it was before the try.

    Raises
    ------
    AssertionError
        If the copy itself, or one of the other runs, was changed.
    """
    for path in fault_judge.differing(clean, snapshot(runs.root)):
        folder, _, name = path.partition("/")
        assert folder == runs.area.name, f"{path} was changed; delete {runs.root} and try again"
        fault_kinds.mend(runs, name)


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Print how often each verdict came, by fault, by job and by kind of file, and all failures."""
    verdicts = (fault_judge.OK, *fault_judge.BAD)
    groups = {
        "fault": lambda attempt: attempt.fault,
        "job": lambda attempt: attempt.job,
        "kind of file": lambda attempt: attempt.kind.name,
    }
    for title, group in groups.items():
        counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        seconds: collections.Counter[str] = collections.Counter()
        for outcome in outcomes:
            name = group(outcome.attempt)
            counts[name][outcome.verdict] += 1
            seconds[name] += outcome.attempt.ending.seconds
        print(f"{title:30}" + "".join(f"{verdict:>26}" for verdict in verdicts))
        for name, count in sorted(counts.items()):
            row = "".join(f"{count[verdict] or '':>26}" for verdict in verdicts)
            print(f"{name:30}{row}{seconds[name]:8.0f} s")
        print()
    print(*(outcome.line() for outcome in outcomes if outcome.breaches), sep="\n")


def restart_without_privilege() -> None:
    """As root, start this script again without root's right to read any file, if possible."""
    if os.geteuid() == 0 and RESTARTED not in os.environ and shutil.which("setpriv"):
        os.environ[RESTARTED] = "1"
        without = "-dac_override,-dac_read_search"
        words = ["setpriv", "--bounding-set", without, "--inh-caps", without, sys.executable]
        os.execvp(words[0], [*words, *sys.argv])


if __name__ == "__main__":
    restart_without_privilege()
    sys.exit(main())
