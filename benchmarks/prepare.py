"""Time of prepare beside pandas, and its peak memory for few and for many samples.

    python -m benchmarks.prepare speed  [--samples 10000] [--genes 20000] [--rounds 3]
    python -m benchmarks.prepare memory [--samples 2000 50000] [--genes 5000]

The pandas program reads the same file, transposes it and writes HDF5. Each runs in a process of its
own; the contenders take turns.
"""

import argparse
import gzip
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

from tumorcam.cluster.launcher import current_launch
from tumorcam.cluster.processes import Cost, run_together

N_TUMORS, THREADS = 22, 2
DRAWN = 4096  # different values, as 4 decimals: drawn numbers need no formatting then
PANDAS = """
import sys, h5py, numpy, pandas
table = pandas.read_csv(sys.argv[1], sep="\\t", index_col=0)
values = numpy.ascontiguousarray(table.to_numpy().T, dtype=numpy.float32)
with h5py.File(sys.argv[2], "w") as file:
    file.create_dataset("expression", data=values, chunks=(256, 256), fletcher32=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("speed", "memory"))
    parser.add_argument("--samples", type=int, nargs="+", default=[])
    parser.add_argument("--genes", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if args.what == "speed":
            folder, n_samples = Path(scratch), (args.samples or [10_000])[0]
            write_input(folder, n_samples, args.genes or 20_000)
            print_speed(folder, args.rounds)
        else:
            for n_samples in args.samples or (2_000, 50_000):
                folder = Path(scratch) / str(n_samples)
                write_input(folder, n_samples, args.genes or 5_000)
                cost = prepare(folder)
                peak = cost.peak_bytes / 2**20
                print(f"{n_samples} samples: {peak:.0f} MiB, {cost.seconds:.1f} s", flush=True)


def print_speed(folder: Path, n_rounds: int) -> None:
    """Time both programs in turn, and print medians and their ratio."""
    pandas_seconds, seconds, peaks = [], [], []
    for _ in range(n_rounds):
        words = [sys.executable, "-c", PANDAS, str(folder / "matrix.tsv.gz"), str(folder / "a.h5")]
        pandas_seconds.append(run(words).seconds)
        cost = prepare(folder)
        seconds.append(cost.seconds)
        peaks.append(cost.peak_bytes)
        print(f"pandas {pandas_seconds[-1]:.1f} s, prepare {seconds[-1]:.1f} s", flush=True)
    ratio = median(a / b for a, b in zip(pandas_seconds, seconds, strict=True))
    print(f"pandas {median(pandas_seconds):.1f} s, prepare {median(seconds):.1f} s: {ratio:.2f} x")
    print(f"peak memory of prepare: {max(peaks) / 2**30:.2f} GiB")


def write_input(folder: Path, n_samples: int, n_genes: int) -> None:
    """matrix.tsv.gz (genes in rows, log2 values of 4 decimals) and samples.tsv of TCGA barcodes."""
    folder.mkdir(exist_ok=True)
    names = [f"TCGA-{i // 10_000:02d}-{i % 10_000:04d}-01" for i in range(n_samples)]
    rng = np.random.default_rng(0)
    drawn = np.log2(rng.gamma(2, 500, DRAWN) + 1)
    texts = np.array([f"{value:.4f}" for value in drawn], dtype=object)
    with gzip.open(folder / "matrix.tsv.gz", "wt", compresslevel=1) as file:
        file.write("\t".join(["sample", *names]) + "\n")
        for gene in range(n_genes):
            cells = texts[rng.integers(0, DRAWN, n_samples)]
            file.write("\t".join([f"GENE{gene}", *cells]) + "\n")
    rows = [f"{name}\tT{i % N_TUMORS:02d}\n" for i, name in enumerate(names)]
    (folder / "samples.tsv").write_text("sample\tcancer_type\n" + "".join(rows), encoding="utf-8")


def prepare(folder: Path) -> Cost:
    """Prepare the input of a folder anew; seconds and peak memory."""
    settings = {
        "run.folder": folder / "run",
        "input.expression": folder / "matrix.tsv.gz",
        "input.samples": folder / "samples.tsv",
        "layout.replicates": 1,
    }
    (folder / "empty.toml").touch()
    shutil.rmtree(folder / "run", ignore_errors=True)
    options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    job = [sys.executable, "-m", "tumorcam.jobs", "prepare", str(folder / "empty.toml")]
    return run([*job, *options])


def run(words: Sequence[str]) -> Cost:
    """Run a program; its cost."""
    ended = run_together([list(words)], current_launch().child_environment(THREADS))
    assert ended.exit_code == 0, f"{words} failed"
    return ended.cost


if __name__ == "__main__":
    main()
