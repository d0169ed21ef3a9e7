"""All stages of tumorcam beside their bounds and beside other tools: one table, one page.

    python -m benchmarks [--json FILE] [--page FILE] [--quick] [--rounds 3] [--only STAGE ...]

The stages are measured and written to FILE as JSON; with --page the page is made from it. Other
stages in an existing FILE of the same day, machine and versions stay. With --page and --only
without a stage, an existing FILE is drawn and nothing is measured. --quick takes one round of tiny
sizes, without peers that train or explain: it tries whether everything works.
"""

import argparse
import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import files, networks, prepare, reduce
from benchmarks.measurement import Measurement, Team, as_table, end_processes, measure
from benchmarks.results_page import page_of
from tumorcam.cluster.launcher import n_cpus
from tumorcam.settings.config import Config

PACKAGES = (
    "tumorcam numpy scipy pandas polars h5py hdf5plugin matplotlib tensorflow-cpu tensorflow keras "
    "torch xplique captum"
).split()
ROUNDS = 3


@dataclass(frozen=True)
class Size:
    """How much is measured.

    `table` and `shards` are samples and genes; `run` is genes, tumors and samples of each tumor.
    """

    table: tuple[int, int]
    batch: int
    steps: int
    explained: int
    shards: tuple[int, int]
    run: tuple[int, int, int]
    has_peers: bool


FULL = Size(
    table=(1_000, 20_000),
    batch=32,
    steps=6,
    explained=128,
    shards=(2_000, 1_024),
    run=(784, 22, 24),
    has_peers=True,
)
QUICK = Size(
    table=(300, 300),
    batch=4,
    steps=1,
    explained=8,
    shards=(220, 60),
    run=(256, 4, 12),
    has_peers=False,
)
Stage = Callable[[Path, Size], Sequence[Team]]


def prepare_stage(folder: Path, size: Size) -> Sequence[Team]:
    return [prepare.prepare_team(folder / "table", *size.table)]


def step_stage(folder: Path, size: Size) -> Sequence[Team]:
    return networks.step_teams(size.batch, size.steps, n_cpus(), with_peers=size.has_peers)


def explain_stage(folder: Path, size: Size) -> Sequence[Team]:
    return networks.explain_teams(size.explained, n_cpus(), with_peers=size.has_peers)


def made_up(folder: Path, size: Size) -> Config:
    config = reduce.run_config(folder / "shards", 2)
    if not config.folder.exists():
        reduce.make_shards(config, *size.shards)
    return config


def shard_stage(folder: Path, size: Size) -> Sequence[Team]:
    return [files.shard_team(made_up(folder, size), folder / "files")]


def reduce_stage(folder: Path, size: Size) -> Sequence[Team]:
    return [reduce.reduce_team(made_up(folder, size))]


def finished(folder: Path, size: Size) -> Path:
    toml = folder / "pipeline" / "config.toml"
    return toml if toml.exists() else files.finish_run(toml.parent, *size.run)


def faithfulness_stage(folder: Path, size: Size) -> Sequence[Team]:
    return [networks.faithfulness_team(finished(folder, size), n_cpus())]


def report_stage(folder: Path, size: Size) -> Sequence[Team]:
    return [files.report_team(finished(folder, size))]


STAGES: dict[str, Stage] = {
    "prepare": prepare_stage,
    "train step": step_stage,
    "explain": explain_stage,
    "shards": shard_stage,
    "reduce": reduce_stage,
    "faithfulness": faithfulness_stage,
    "report": report_stage,
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results.json"))
    parser.add_argument("--page", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", nargs="*", choices=STAGES, default=list(STAGES))
    args = parser.parse_args(argv)
    if args.only:
        size, rounds = (QUICK, 1) if args.quick else (FULL, args.rounds)
        rows = as_table(measure_all(args.only, size, rounds))
        results = about(rounds) | {"quick": args.quick, "measurements": rows}
        results = with_others(results, args.json)
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if args.page:
        results = json.loads(args.json.read_text(encoding="utf-8"))
        args.page.write_text(page_of(results), encoding="utf-8")


def measure_all(stages: Sequence[str], size: Size, rounds: int) -> list[Measurement]:
    """The measurements of some stages, one stage after the other."""
    measurements = []
    with tempfile.TemporaryDirectory() as folder:
        for stage in stages:
            of_stage = measure(stage, STAGES[stage](Path(folder), size), rounds)
            end_processes()
            for row in of_stage:
                print(f"{stage}, {row.work}: {row.contender} {row.median:.4g} {row.unit}, "
                      f"ratio {row.ratio:.3g}", flush=True)  # fmt: skip
            measurements += of_stage
    return measurements


def with_others(results: dict[str, Any], path: Path) -> dict[str, Any]:
    """The results with those of other stages in an earlier file of the same day and machine."""
    if not path.exists():
        return results
    earlier = json.loads(path.read_text(encoding="utf-8"))
    rows = results["measurements"]
    if {**earlier, "measurements": rows} != results:
        return results
    measured = {row["stage"] for row in rows}
    rows = rows + [row for row in earlier["measurements"] if row["stage"] not in measured]
    order = list(STAGES)
    return results | {"measurements": sorted(rows, key=lambda row: order.index(row["stage"]))}


def about(rounds: int) -> dict[str, Any]:
    """The date, the machine and the versions of what was measured."""
    cpu = platform.processor()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    versions = {"Python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {
        "date": datetime.date.today().isoformat(),
        "machine": {
            "cpu": cpu,
            "cores": n_cpus(),
            "memory_gib": round(memory / 2**30),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": versions,
        "rounds": rounds,
    }


if __name__ == "__main__":
    main()
