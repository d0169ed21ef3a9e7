"""Peak memory of prepare for few and for many samples, and its contenders in the suite.

    python -m benchmarks.prepare [--samples 2000 50000] [--genes 5000]

The programs in pandas and polars read the same file, transpose it and write HDF5. Each runs in a
process of its own.
"""

import argparse
import gzip
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars

from benchmarks.measurement import BOUND, OURS, PEER, Rate, Team
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
POLARS = """
import sys, h5py, numpy, polars
table = polars.read_csv(sys.argv[1], separator="\\t", infer_schema_length=1)
values = numpy.ascontiguousarray(table[:, 1:].to_numpy().T, dtype=numpy.float32)
with h5py.File(sys.argv[2], "w") as file:
    file.create_dataset("expression", data=values, chunks=(256, 256), fletcher32=True)
"""
WORK, UNIT = "a gzipped table of text", "MB/s of text"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, nargs="+", default=[2_000, 50_000])
    parser.add_argument("--genes", type=int, default=5_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for n_samples in args.samples:
            folder = Path(scratch) / str(n_samples)
            write_input(folder, n_samples, args.genes)
            cost = prepare(folder)
            peak = cost.peak_bytes / 2**20
            print(f"{n_samples} samples: {peak:.0f} MiB, {cost.seconds:.1f} s", flush=True)


def prepare_team(folder: Path, n_samples: int, n_genes: int) -> Team:
    """prepare, the same in pandas and polars, and the parser alone on text that lies in memory."""
    write_input(folder, n_samples, n_genes)
    matrix = folder / "matrix.tsv.gz"
    text = gzip.decompress(matrix.read_bytes())
    size = len(text) / 1e6

    def parse() -> float:
        started = time.perf_counter()
        polars.read_csv(text, separator="\t", infer_schema_length=1)
        return time.perf_counter() - started

    def program(code: str) -> float:
        return run([sys.executable, "-c", code, str(matrix), str(folder / "a.h5")]).seconds

    def team() -> list[Rate]:
        return [
            Rate(WORK, "tumorcam prepare", OURS, UNIT, size / prepare(folder).seconds),
            Rate(WORK, "polars' parser, text in memory", BOUND, UNIT, size / parse()),
            Rate(WORK, "polars and h5py", PEER, UNIT, size / program(POLARS)),
            Rate(WORK, "pandas and h5py", PEER, UNIT, size / program(PANDAS)),
        ]

    return team


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
