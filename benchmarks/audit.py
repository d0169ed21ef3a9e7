"""Time of status and verify on a run of 1,000 shards of 4 MB, beside plain reading of the files.

    python -m benchmarks.audit [--keep FOLDER] [--rounds 3]

Rounds alternate the contenders; medians are printed. As root the disk's cache is emptied before
each reading of a second series. The last figure is the share of reduce that checking the shards
takes: the seconds of the checks alone, over those of the whole job on one rank.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.drawn_run import run_job
from benchmarks.reduce import make_shards
from tumorcam.settings.config import config_from_tables
from tumorcam.storage import integrity
from tumorcam.storage.run_folder import RunFolder

SAMPLES, GENES, BLOCK = 9_250, 1_500, 74  # 1,000 shards of 4 MB in 8 x 5 models


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keep", type=Path, help="folder of the run, to be used again")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (args.keep or Path(scratch)) / "run"
        config = config_from_tables(
            {
                "run": {"folder": str(folder), "threads_per_rank": 1},
                "layout": {"replicates": 8},
                "explain": {"cubes": [], "block": BLOCK},
            },
            source="benchmark",
        )
        if not folder.exists():
            make_shards(config, SAMPLES, GENES)
        toml, files = str(RunFolder(folder).config), sorted(folder.rglob("*.h5"))
        size = sum(file.stat().st_size for file in files)
        print(f"{len(files)} files, {size / 1e9:.1f} GB")
        contenders = {
            "plain reading (cat)": lambda: read_plainly(files),
            "verify": lambda: job("verify", toml),
            "status": lambda: job("status", toml),
        }
        for is_cold in (False, True):
            if not is_cold or empty_cache():
                print_medians(contenders, args.rounds, is_cold=is_cold)
        started = time.monotonic()
        for file in sorted((folder / "shards").iterdir()):
            integrity.check_once(file)
        checks = time.monotonic() - started
        for table in (RunFolder(folder).saliency, RunFolder(folder).significance):  # of --keep
            table.unlink(missing_ok=True)
        started = time.monotonic()
        run_job(config, "reduce")
        whole = time.monotonic() - started
        print(f"reduce: {whole:.0f} s, of which {checks:.1f} s ({checks / whole:.1%}) check shards")


def print_medians(contenders: dict[str, Callable[[], None]], rounds: int, *, is_cold: bool) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            if is_cold:
                empty_cache()
            started = time.monotonic()
            run()
            seconds[name].append(time.monotonic() - started)
    for name, values in seconds.items():
        print(f"{'cold' if is_cold else 'warm'} {name}: {median(values):.2f} s of {values}")


def read_plainly(files: list[Path]) -> None:
    with Path("/dev/null").open("wb") as nowhere:
        subprocess.run(["cat", *map(str, files)], stdout=nowhere, check=True)


def job(name: str, toml: str) -> None:
    words = [sys.executable, "-m", "tumorcam.jobs", name, toml]
    subprocess.run(words, capture_output=True, check=False)


def empty_cache() -> bool:
    """Whether the disk's cache could be emptied."""
    subprocess.run(["sync"], check=True)
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
