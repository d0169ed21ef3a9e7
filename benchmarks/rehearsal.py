"""Rehearse runs of many samples: time, memory, disk and files of every job, and how they grow.

    python -m benchmarks.rehearsal --samples 1000 10000 100000
    python -m benchmarks.rehearsal --samples 2000 --genes 1024 2048 4096 --tumors 11 22 33 \
        --replicates 1 2 4 --ranks 1 2

The first number of each size is the base; each further number is tried with the base of the others.
The networks are those of the default settings, trained for one epoch; one method explains them with
one rival, and faithfulness changes genes in ten samples of each tumor. The input is drawn, and
`synthesize` writes another one of the same size. Every measured job is a line of the file RESULTS.
The same command goes on where it was stopped; a job that was stopped half-way is marked as resumed
and left out of the exponents.
"""

import argparse
import dataclasses
import itertools
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import scipy

from tumorcam.cluster.launcher import current_launch, n_cpus
from tumorcam.cluster.processes import find_mpiexec, run_together
from tumorcam.settings.config import Config, config_from_tables, config_toml
from tumorcam.storage.plan import BASELINES

MPI = ("reduce", "faithfulness", "verify")
JOBS = (
    *("input", "synthesize", "prepare", BASELINES, "train", "explain", "reduce"),
    *("faithfulness", "report", "verify", "status"),
)
MOST_SYNTHESIZED = 150_000_000  # values, at some 60 bytes of memory each
SHARES = ("train", "explain")  # whose processes need no MPI
FOLDS, DRIVERS, DECOYS = 2, 5, "0.05"


@dataclass(frozen=True)
class Sizes:
    """How large a run is, and the processes of its parallel jobs."""

    samples: int
    genes: int
    tumors: int
    replicates: int
    ranks: int

    @property
    def name(self) -> str:
        """The name of the run's folder, such as 1000s-1024g-33t-1r-1r."""
        return "-".join(f"{value}{name[0]}" for name, value in asdict(self).items())

    @property
    def fit_synthesize(self) -> bool:
        """Whether `synthesize`, which keeps all values in memory, can write the cohort."""
        return self.samples * self.genes <= MOST_SYNTHESIZED


@dataclass(frozen=True)
class Measured:
    """What a job took.

    Seconds are of the wall clock, `cpu_seconds` of all processors. `peak_bytes` are of the largest
    process, `written_bytes` of all. `temporary_bytes` are those of files at once that the job had
    beside what it left, and `open_files` those of one process; both as seen five times a second.
    """

    job: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    written_bytes: int
    left_bytes: int
    temporary_bytes: int
    open_files: int
    resumed: bool
    sizes: Sizes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = {"samples": 1_000, "genes": 11_449, "tumors": 33, "replicates": 1, "ranks": 1}
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, nargs="+", default=[default])
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=JOBS)
    parser.add_argument("--folder", type=Path, default=Path("runs/rehearsal"))
    parser.add_argument("--results", type=Path, default=Path("rehearsal.jsonl"))
    parser.add_argument("--remove", action="store_true", help="each run when it is measured")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    args = parser.parse_args()
    for sizes in all_sizes({name: getattr(args, name) for name in defaults}):
        folder = args.folder.resolve() / sizes.name
        results = read_results(args.results)
        jobs = [job for job in args.jobs if job != "synthesize" or sizes.fit_synthesize]
        left = [job for job in jobs if not is_measured(results, sizes, job)]
        if left and not folder.exists():
            left = jobs
        for job in left:
            rehearse(job, folder, sizes, args.results, args.set)
        if args.remove:
            shutil.rmtree(folder, ignore_errors=True)
    print_growth(read_results(args.results))


def all_sizes(values: dict[str, list[int]]) -> Iterator[Sizes]:
    """The base, then each other size with the base of the others."""
    base = Sizes(**{name: of_size[0] for name, of_size in values.items()})
    yield base
    for name, of_size in values.items():
        yield from (dataclasses.replace(base, **{name: value}) for value in of_size[1:])


def is_measured(results: Sequence[Measured], sizes: Sizes, job: str) -> bool:
    return any((line.job, line.sizes) == (job, sizes) and line.seconds for line in results)


def rehearse(job: str, folder: Path, sizes: Sizes, results: Path, overrides: Sequence[str]) -> None:
    """Run a job, print what it took and append it to the results."""
    resumed = any((line.job, line.sizes) == (job, sizes) for line in read_results(results))
    line = Measured(job, 0, 0, 0, 0, 0, 0, 0, resumed, sizes)  # says that it was started
    append(results, line)
    folder.mkdir(parents=True, exist_ok=True)
    watched, before = Watched(folder), size_of(folder)
    environment = current_launch().child_environment(threads_of(sizes)) | {"TMPDIR": str(folder)}
    ended = run_together(commands(job, folder, sizes, overrides), environment, watch=watched.look)
    if ended.exit_code:
        raise SystemExit(f"{job} of {sizes.name} failed; see {folder}")
    after, cost = size_of(folder), ended.cost
    line = dataclasses.replace(
        line,
        seconds=round(cost.seconds, 2),
        cpu_seconds=round(cost.cpu_seconds, 2),
        peak_bytes=cost.peak_bytes,
        written_bytes=cost.written_bytes,
        left_bytes=after - before,
        temporary_bytes=max(0, watched.most_bytes - after),
        open_files=watched.most_files,
    )
    append(results, line)
    print(text_of(line), flush=True)
    if job == "synthesize":
        shutil.rmtree(folder / job)  # nobody reads it


def commands(job: str, folder: Path, sizes: Sizes, overrides: Sequence[str]) -> list[list[str]]:
    """The processes of a job."""
    if job == "input":
        options = [f"--{name}={getattr(sizes, name)}" for name in ("samples", "genes", "tumors")]
        return [[sys.executable, "-m", "benchmarks.drawn_input", str(folder / job), *options]]
    path = folder / f"{'synthesize' if job == 'synthesize' else 'run'}.toml"
    path.write_text(config_toml(config_of(path.with_suffix(""), folder, sizes)), encoding="utf-8")
    stage = "train" if job == BASELINES else job
    sets = [word for override in overrides for word in ("--set", override)]
    words = ["-m", "tumorcam.jobs", stage, str(path), *sets]
    if job == BASELINES:
        return [[sys.executable, *words, "--model", BASELINES]]
    if job in SHARES:
        shares = [["--share", f"{rank}/{sizes.ranks}"] for rank in range(sizes.ranks)]
        return [[sys.executable, *words, *share] for share in shares]
    if job in MPI and sizes.ranks > 1:
        launcher = [find_mpiexec(), "-n", str(sizes.ranks)]
        return [[*launcher, sys.executable, "-m", "mpi4py", *words]]
    return [[sys.executable, *words]]


def config_of(root: Path, folder: Path, sizes: Sizes) -> Config:
    """The config of the rehearsed run, or of the one that `synthesize` writes to."""
    return config_from_tables(
        {
            "run": {"folder": str(root), "threads_per_rank": threads_of(sizes)},
            "input": {
                "expression": [str(folder / "input" / "matrix.h5ad")],
                "samples": [str(folder / "input" / "samples.tsv")],
                "scale": "log2",
            }
            if root.name == "run"
            else {},
            "cohort": {"genes": sizes.genes, "sample_types": [], "patients": "samples"},
            "splits": {"folds": FOLDS},
            "layout": {"replicates": sizes.replicates, "decoys": DECOYS},
            "training": {"epochs": 1},
            "explain": {"methods": ["gradient_x_input"], "cubes": [], "rivals": 1},
            "faithfulness": {"samples": 10},
            "synthesize": {
                "tumors": [f"T{i:03d}" for i in range(sizes.tumors)],
                "samples_per_tumor": max(1, sizes.samples // sizes.tumors),
                "genes": sizes.genes,
                "drivers": DRIVERS,
            },
        },
        source="rehearsal",
    )


def threads_of(sizes: Sizes) -> int:
    return max(1, n_cpus() // sizes.ranks)


class Watched:
    """The most that a job had at once: bytes of files, deleted ones too, and open files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.most_bytes = self.most_files = 0

    def look(self) -> None:
        """Look at the folder, and at all processes that this one started."""
        deleted: dict[tuple[int, int], int] = {}
        for process in descendants(os.getpid()):
            files = list(open_files(process))
            self.most_files = max(self.most_files, len(files))
            deleted |= {place: size for place, size, is_deleted in files if is_deleted}
        total = size_of(self._folder) + sum(deleted.values())
        self.most_bytes = max(self.most_bytes, total)


def descendants(process: int) -> Iterator[int]:
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = path.read_text(encoding="ascii").split()
        except OSError:  # it has ended
            continue
        for child in map(int, children):
            yield child
            yield from descendants(child)


def open_files(process: int) -> Iterator[tuple[tuple[int, int], int, bool]]:
    """Device and inode, bytes on disk, and whether the file is deleted, of each open file."""
    with_faults = Path(f"/proc/{process}/fd")
    try:
        paths = list(with_faults.iterdir())
    except OSError:
        return
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        size = status.st_blocks * 512
        yield (status.st_dev, status.st_ino), size, size > 0 and not status.st_nlink


def size_of(folder: Path) -> int:
    """Bytes on disk of all files of a folder."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(f"{root}/{name}").st_blocks * 512
            except OSError:  # renamed or deleted meanwhile
                continue
    return total


def append(results: Path, line: Measured) -> None:
    results.parent.mkdir(parents=True, exist_ok=True)
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(line)) + "\n")


def read_results(results: Path) -> list[Measured]:
    """All lines; those without seconds are of jobs that were started."""
    if not results.exists():
        return []
    lines = map(json.loads, results.read_text(encoding="utf-8").splitlines())
    return [Measured(**line | {"sizes": Sizes(**line["sizes"])}) for line in lines]


def text_of(line: Measured) -> str:
    gigabytes = [
        f"{value / 1e9:7.2f}"
        for value in (line.peak_bytes, line.written_bytes, line.left_bytes, line.temporary_bytes)
    ]
    return (
        f"{line.job:13}{line.sizes.name:26}{line.seconds:9.1f} s{line.cpu_seconds:9.1f} s cpu  GB: "
        f"peak{gigabytes[0]}, written{gigabytes[1]}, left{gigabytes[2]}, temporary{gigabytes[3]}; "
        f"{line.open_files:4} open files{'  resumed' if line.resumed else ''}"
    )


def print_growth(results: Sequence[Measured]) -> None:
    """Print the exponent of each job in each size that has several values."""
    done = [line for line in results if line.seconds and not line.resumed]
    print(
        "\nt = start-up + b * size^c with start-up >= 0; c of the wall clock, c of the processors,"
    )
    print("the slope between the two largest sizes, and the peak memory of each size in MB")
    for size, job in itertools.product((field.name for field in fields(Sizes)), JOBS):
        for lines in groups(done, size, job):
            values = [getattr(line.sizes, size) for line in lines]
            exponents = [
                growth(values, [getattr(line, name) for line in lines])
                for name in ("seconds", "cpu_seconds")
            ]
            steepest = np.log(lines[-1].cpu_seconds / lines[-2].cpu_seconds) / np.log(
                values[-1] / values[-2]
            )
            memory = ", ".join(f"{line.peak_bytes / 1e6:.0f}" for line in lines)
            texts = "  ".join(f"{value:5.2f}" for value in (*exponents, steepest))
            print(f"{job:13}{size:11}{' '.join(map(str, values)):26}{texts}   {memory} MB")


def groups(results: Sequence[Measured], size: str, job: str) -> Iterator[list[Measured]]:
    """The lines of a job that differ in one size alone, from the smallest to the largest."""
    others: dict[Sizes, dict[int, Measured]] = {}
    for line in results:
        if line.job == job:
            rest = dataclasses.replace(line.sizes, **{size: 0})
            others.setdefault(rest, {})[getattr(line.sizes, size)] = line
    for of_value in others.values():
        if len(of_value) > 1:
            yield [of_value[value] for value in sorted(of_value)]


def growth(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """The exponent c of seconds = a + b * sizes^c, a >= 0; with two sizes a is 0.

    The squares of the differences of the logarithms are the least.
    """
    x, y = np.log(np.array(sizes) / sizes[-1]), np.log(np.maximum(seconds, 0.01))
    if len(sizes) < 3:
        return float((y[-1] - y[0]) / (x[-1] - x[0]))

    def differences(parameters: np.ndarray) -> np.ndarray:
        start, factor, exponent = parameters
        return np.logaddexp(start, factor + exponent * x) - y

    first = (y.min() - 1, y[-1], 1.0)
    fit = scipy.optimize.least_squares(differences, first, bounds=((-20, -20, 0), (20, 20, 4)))
    return float(fit.x[2])


if __name__ == "__main__":
    main()
