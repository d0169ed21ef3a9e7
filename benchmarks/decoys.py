"""What a decoy for every gene costs against decoys for a tenth, in turns, in seconds of a core.

    python -m benchmarks.decoys [--rounds 3] [--spacing 2] [--genes 1024]

The default networks of one layout and two folds are trained for five epochs and explained by the
default methods on a planted cohort of 22 tumors x 48 samples; trainings are scaled to the default
number of epochs, with their start-up, which is a few per cent.
"""

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import tomli_w

from tumorcam.settings import TrainingSettings

EPOCHS = 5
DECOYS = ("0.1", "all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spacing", type=int, default=2)
    parser.add_argument("--genes", type=int, default=1024)
    args = parser.parse_args()
    scale = TrainingSettings().epochs / EPOCHS
    taken: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        configs = {decoys: write_config(Path(scratch) / decoys, decoys, args) for decoys in DECOYS}
        for config in configs.values():
            seconds_of("run", config, "--until", "prepare")
        for _ in range(args.rounds):
            for decoys, config in configs.items():
                run = config.parent / "run"
                for folder in (run / "models", run / "shards"):
                    shutil.rmtree(folder, ignore_errors=True)
                train = scale * seconds_of("run", config, "--until", "train")
                explain = seconds_of("run", config, "--until", "explain")
                for stage, seconds in {
                    "train": train, "explain": explain, "both": train + explain
                }.items():  # fmt: skip
                    taken.setdefault((decoys, stage), []).append(seconds)
                print(f"decoys {decoys}: train {train:.0f} s, explain {explain:.0f} s", flush=True)
    for stage in ("train", "explain", "both"):
        few, all_genes = (taken[decoys, stage] for decoys in DECOYS)
        ratio = statistics.median(b / a for a, b in zip(few, all_genes, strict=True))
        print(f"{stage:8} {ratio:.2f} times, median of {args.rounds} pairs")


def write_config(folder: Path, decoys: str, args: argparse.Namespace) -> Path:
    """The config of a run with these decoys."""
    folder.mkdir()
    tables = {
        "run": {"folder": str(folder / "run"), "threads_per_rank": 1},
        "cohort": {"genes": args.genes},
        "splits": {"folds": 2},
        "layout": {"replicates": 1, "spacing": args.spacing, "decoys": decoys},
        "training": {"epochs": EPOCHS},
        "synthesize": {"samples_per_tumor": 48},
    }
    path = folder / "config.toml"
    path.write_text(tomli_w.dumps(tables))
    return path


def seconds_of(command: str, config: Path, *options: str) -> float:
    """Seconds of a core, user and system, that a command takes with one rank."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = [sys.executable, "-m", "tumorcam.jobs", command, str(config), "--ranks", "1", *options]
    subprocess.run(words, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
