"""The predicted time and memory of each stage of a run, beside what the stage then takes.

    python -m benchmarks.cost FOLDER [--size small] [--stages train explain ...] [--probe]

FOLDER keeps the run, so that the stages may be measured in several calls. The probe comes first and
knows nothing of the stages; no number of it is fitted to them. All processors of the machine work.
"""

import argparse
import sys
from pathlib import Path

from tumorcam.cluster.launcher import Launch, current_launch, prepare_tensorflow
from tumorcam.cluster.processes import Cost, find_mpiexec, run_together
from tumorcam.operations import probe, probing
from tumorcam.operations.budget import budgets
from tumorcam.operations.sizes import sizes_of, sizes_of_config
from tumorcam.operations.work_left import STAGES, n_ranks_of
from tumorcam.settings.config import Config, config_from_tables, config_toml, load_config
from tumorcam.storage import hdf5

TUMORS = [f"T{i:02d}" for i in range(22)]
SIZES = {
    "small": {
        "synthesize": {"tumors": TUMORS[:6], "samples_per_tumor": 50, "genes": 600},
        "cohort": {"genes": 400},
        "layout": {"replicates": 2},
        "splits": {"folds": 3},
        "model": {"filters": [16, 32, 32], "dense": [128, 64]},
        "training": {"epochs": 8, "batch_size": 16},
        "run": {"threads_per_rank": 1},
    },
    "large": {
        "synthesize": {"tumors": TUMORS[:10], "samples_per_tumor": 80, "genes": 4000},
        "cohort": {"genes": 3000},
        "layout": {"replicates": 2},
        "splits": {"folds": 2},
        "training": {"epochs": 4},
        "faithfulness": {"samples": 10},
        "run": {"threads_per_rank": 2},
    },
}
DEMO = "configs/demo.toml"
MPI = ("reduce", "faithfulness")
MB = 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=("demo", *SIZES), default="demo")
    parser.add_argument("--stages", nargs="*", choices=STAGES, default=STAGES)
    parser.add_argument("--probe", action="store_true", help="measure the machine anew, at first")
    args = parser.parse_args()
    prepare_tensorflow()
    config, launch = config_of(args.size, args.folder), current_launch()
    if args.probe or probe.read_probe(config) is None:
        words = [sys.executable, "-m", "jobs"]
        measured = probing.take_probe(config, sizes_of_config(config), launch, words)
        probe.write_probe(config, measured)
        print(*probe.probe_lines(measured), sep="\n")
    compare(config, args.stages, launch)


def config_of(size: str, folder: Path) -> Config:
    """The config of a run of this size, which is written to the folder."""
    if size == "demo":
        config = load_config(Path(DEMO), [f"run.folder={folder / 'run'}"])
    else:
        tables = SIZES[size] | {"run": SIZES[size]["run"] | {"folder": str(folder / "run")}}
        config = config_from_tables(tables, source="benchmark")
    hdf5.write_text(folder / "config.toml", config_toml(config))
    return config


def compare(config: Config, stages: list[str], launch: Launch) -> None:
    """Run the stages, and print predicted and measured seconds and peaks of each."""
    n_ranks = n_ranks_of(config, None)
    sizes, speed = sizes_of(config), probe.read_probe(config)
    predicted = budgets(config, sizes, speed, n_ranks)
    print(f"{sizes.text}; {n_ranks} processes of {config.run.threads_per_rank} threads")
    head = f"{'predicted':>11}{'measured':>10}{'ratio':>7}"
    print(f"{'stage':12}{head}  seconds {head}  MB of one process")
    for stage in stages:
        cost = run_stage(config, stage, n_ranks, launch)
        seconds, memory = predicted[stage].seconds(n_ranks), predicted[stage].memory
        peak = cost.peak_bytes
        of_time = f"{seconds:11.1f}{cost.seconds:10.1f}{seconds / cost.seconds:7.2f}"
        of_memory = f"{memory / MB:11.0f}{peak / MB:10.0f}{memory / peak:7.2f}"
        print(f"{stage:12}{of_time}{'':10}{of_memory}", flush=True)


def run_stage(config: Config, stage: str, n_ranks: int, launch: Launch) -> Cost:
    """Run a stage as `tumorcam run` does; its cost."""
    module = ["-m", "jobs", stage, str(config.folder.parent / "config.toml")]
    commands = [[sys.executable, *module]]
    if stage == "train":
        commands = [[sys.executable, *module, "--share", f"{i}/{n_ranks}"] for i in range(n_ranks)]
    elif n_ranks > 1 and stage in ("explain", *MPI):
        mpi4py = ["-m", "mpi4py"] if stage in MPI else []
        commands = [[find_mpiexec(), "-n", str(n_ranks), sys.executable, *mpi4py, *module]]
    ended = run_together(commands, launch.child_environment(config.run.threads_per_rank))
    assert ended.exit_code == 0, f"{stage} failed"
    return ended.cost


if __name__ == "__main__":
    main()
