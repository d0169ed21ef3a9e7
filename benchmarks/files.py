"""Teams of the suite that write and read a shard, and write the report of a finished run."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import tomli_w

from benchmarks.drawn_run import run_job
from benchmarks.measurement import BOUND, OURS, PEER, Rate, Team
from benchmarks.reduce import make_shard
from tumorcam.cohort.cohort import read_cohort
from tumorcam.explain.shards import BAND, read_band, shard_attributes, write_shard
from tumorcam.explain.views import ranking_keys
from tumorcam.settings.config import Config, load_config
from tumorcam.settings.synthesis import TCGA_22_TUMORS
from tumorcam.storage.plan import read_plan
from tumorcam.storage.records import COMPRESSION
from tumorcam.storage.run_folder import RunFolder

WRITE, READ, REPORT = "write a shard", "read all bands of a shard", "the report of a run"
VALUES = "MB/s of values"
GZIP = "gzip"  # what users of h5py pick
COPIED = 2**28  # bytes whose copy measures the memory
PLAIN_REPORT = """
import sys, h5py, pandas
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot
with h5py.File(sys.argv[1]) as file:
    genes, tumors = file["genes"].asstr()[:], file["tumors"].asstr()[:]
    for method in file["methods"].asstr()[:]:
        for view in ("own", "contrast"):
            group, path = file[method][view], f"{sys.argv[2]}/{method}-{view}"
            columns = {
                name: group[name][:].ravel()
                for name in group
                if isinstance(group[name], h5py.Dataset)
                and group[name].shape == (len(tumors), len(genes))
                and group[name].dtype.kind == "f"
            }
            index = pandas.MultiIndex.from_product([tumors, genes], names=["tumor", "gene"])
            pandas.DataFrame(columns, index=index).to_csv(path + ".csv")
            figure, axes = matplotlib.pyplot.subplots()
            axes.imshow(group["score"][:], aspect="auto")
            figure.savefig(path + ".svg")
            matplotlib.pyplot.close(figure)
"""


def shard_team(config: Config, folder: Path) -> Team:
    """One shard of a made-up run: written and read by tumorcam and by h5py alone."""
    run = RunFolder.of(config)
    cohort, key = read_cohort(run.cohort, config), read_plan(run.plan).shards[0]
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((config.explain.block, 2 * cohort.n_columns), dtype=np.float32)
    shard = make_shard(config, cohort, key, noise, rng)
    attributes = shard_attributes(config, cohort.digest, "", key, cohort.n_columns)
    keys = ranking_keys(config.explain.methods)
    arrays = {key.name: getattr(shard.methods[key.method], key.view) for key in keys}
    size = sum(array.nbytes for array in arrays.values())
    folder.mkdir()
    source = np.ones(COPIED, dtype=np.uint8)
    target = source.copy()

    def path_of(compression: str) -> Path:
        return folder / f"{compression}.h5"

    def write(compression: str) -> None:
        with h5py.File(path_of(compression), "w") as file:
            for name, array in arrays.items():
                chunks = (len(array), min(BAND, array.shape[1]))
                packed = COMPRESSION[compression]
                file.create_dataset(name, data=array, chunks=chunks, fletcher32=True, **packed)

    def read(compression: str) -> None:
        with h5py.File(path_of(compression)) as file:
            for name in arrays:
                file[name][:]

    def write_own() -> None:
        write_shard(folder / "own.h5", attributes, shard, compression=config.explain.compression)

    def read_own() -> None:
        for start in range(0, cohort.n_columns, BAND):
            read_band(folder / "own.h5", keys, slice(start, start + BAND))

    def rate(function: Callable[..., None], *arguments: str) -> float:
        started = time.perf_counter()
        function(*arguments)
        return size / 1e6 / (time.perf_counter() - started)

    def memory() -> float:
        started = time.perf_counter()
        np.copyto(target, source)
        return COPIED / 1e6 / (time.perf_counter() - started)

    def team() -> list[Rate]:
        same = config.explain.compression
        return [
            Rate(WRITE, "tumorcam, with digests and fsync", OURS, VALUES, rate(write_own)),
            Rate(WRITE, "h5py, same filters", BOUND, VALUES, rate(write, same)),
            Rate(WRITE, "h5py, gzip", PEER, VALUES, rate(write, GZIP)),
            Rate(READ, "tumorcam, every byte checked once", OURS, VALUES, rate(read_own)),
            Rate(READ, "h5py, same filters", BOUND, VALUES, rate(read, same)),
            Rate(READ, "copy in memory", BOUND, VALUES, memory()),
            Rate(READ, "h5py, gzip", PEER, VALUES, rate(read, GZIP)),
        ]

    return team


def finish_run(folder: Path, n_genes: int, n_tumors: int, samples_per_tumor: int) -> Path:
    """The config of a run of the pipeline up to faithfulness, with networks of one epoch."""
    folder.mkdir()
    tables = {
        "run": {"folder": str(folder / "run"), "threads_per_rank": 1},
        "cohort": {"genes": n_genes},
        "splits": {"folds": 2},
        "layout": {"replicates": 1},
        "model": {"filters": [16, 32, 32], "dense": [128, 64]},
        "training": {"epochs": 1, "batch_size": 16},
        "synthesize": {
            "tumors": list(TCGA_22_TUMORS[:n_tumors]),
            "samples_per_tumor": samples_per_tumor,
        },
        "faithfulness": {"samples": 2},
    }
    toml = folder / "config.toml"
    toml.write_text(tomli_w.dumps(tables))
    words = [sys.executable, "-m", "tumorcam.jobs", "run", str(toml), "--ranks", "1"]
    subprocess.run([*words, "--until", "faithfulness"], check=True, capture_output=True)
    return toml


def report_team(toml: Path) -> Team:
    """The report job, and a program that writes a table and a figure of each ranking."""
    config = load_config(toml)
    run = RunFolder.of(config)

    def plain() -> float:
        started = time.perf_counter()
        words = [sys.executable, "-c", PLAIN_REPORT, str(run.significance), str(toml.parent)]
        subprocess.run(words, check=True, capture_output=True)
        return time.perf_counter() - started

    def team() -> list[Rate]:
        unit = "reports/min"
        return [
            Rate(REPORT, "tumorcam report", OURS, unit, 60 / run_job(config, "report").seconds),
            Rate(REPORT, "pandas and matplotlib, no page", PEER, unit, 60 / plain()),
        ]

    return team
