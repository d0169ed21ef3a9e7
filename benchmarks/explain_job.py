"""The explain job beside the bare engine, two ranks beside two threads, and its peak memory.

    python -m benchmarks.explain_job [--rounds 5] [--skip-memory] [--skip-speed]

Runs are made of drawn expression and untrained networks; explain sees no difference.
"""

import argparse
import dataclasses
import multiprocessing
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.drawn_run import prepare_drawn
from tumorcam.cluster import launcher, processes
from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.cohort.images import Scaler, place_genes
from tumorcam.config import Config, config_from_tables
from tumorcam.explain import explain
from tumorcam.explain.explain import explain_shards, make_explainer, read_run_model, read_samples
from tumorcam.storage import hdf5
from tumorcam.storage.plan import MODEL_TYPE, ModelKey, model_file, read_plan
from tumorcam.training.network import (
    build_network,
    fit_initial_weights,
    model_attributes,
    use_threads,
    write_network,
)

SIDE, N_TUMORS = 107, 22
N_SAMPLES = 1024  # half of them explained by each of two networks
MEMORY_SIDE, MEMORY_SAMPLES = 59, (1_000, 20_000)
THREADS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--skip-memory", action="store_true")
    parser.add_argument("--skip-speed", action="store_true")
    args = parser.parse_args()
    use_threads(THREADS)
    with tempfile.TemporaryDirectory() as folder:
        if not args.skip_speed:
            config = make_run(Path(folder) / "speed", N_SAMPLES, SIDE)
            compare_ranks(config, args.rounds)
            compare_with_engine(config, args.rounds)
        if not args.skip_memory:
            for n_samples in MEMORY_SAMPLES:
                # made elsewhere: a child's peak memory counts that of the process that started it
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    made = (Path(folder) / f"{n_samples}", n_samples, MEMORY_SIDE)
                    print_memory(pool.apply(make_run, made))


def make_run(folder: Path, n_samples: int, side: int) -> Config:
    """A run with a cohort, a plan and untrained networks, ready to explain."""
    config = config_from_tables(
        {
            "run": {"folder": str(folder), "threads_per_rank": THREADS},
            "layout": {"kind": "random", "decoys": "none", "replicates": 1},
            "splits": {"folds": 2},
        },
        source="benchmark",
    )
    cohort, plan = prepare_drawn(config, n_samples, side**2, N_TUMORS)
    for one in plan.models:
        write_model(one, cohort, config, cohort.expression(slice(64)))
    return config


def write_model(one: ModelKey, cohort: Cohort, config: Config, expression: np.ndarray) -> None:
    gene_layout = cohort.layouts[one.replicate]
    network = build_network(
        config.model, side=gene_layout.side, n_tumors=N_TUMORS, rng=np.random.default_rng(one.fold)
    )
    n_genes = expression.shape[1]
    scaler = Scaler(np.full(n_genes, 5, np.float32), np.full(n_genes, 2, np.float32))
    features = scaler.standardise(expression)[:, gene_layout.source_gene]
    fit_initial_weights(network, place_genes(features, gene_layout))
    path = model_file(config.folder, one)
    path.parent.mkdir(parents=True, exist_ok=True)
    attributes = model_attributes(config, cohort.digest, one.name)
    with hdf5.create_file(path, MODEL_TYPE, attributes) as file:
        write_network(
            file,
            network,
            tumors=cohort.tumors,
            genes=cohort.genes,
            gene_layout=gene_layout,
            scaler=scaler,
        )


def forget_shards(config: Config) -> None:
    shutil.rmtree(config.folder / "shards", ignore_errors=True)


def compare_ranks(config: Config, rounds: int) -> None:
    """One rank of two threads, two ranks of one: what all shards take longer than half of them."""
    beyond: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for n_ranks, found in beyond.items():
            half, whole = (job_seconds(config, n_ranks, share) for share in ("0/2", "0/1"))
            found.append(whole - half)
    one, two = (statistics.median(found) for found in beyond.values())
    n_samples = N_SAMPLES // 2
    print(f"{n_samples} samples: 1 rank x 2 threads {one:.1f} s, 2 x 1 {two:.1f} s")
    print(f"two ranks of one thread against one of two: {one / two:.2f} x")


def job_seconds(config: Config, n_ranks: int, share: str) -> float:
    forget_shards(config)
    threads = THREADS // n_ranks
    job = ["-m", "jobs.explain", str(config.folder / "config.toml"), "--share", share]
    command = [sys.executable, "-m", "mpi4py", *job, "--set", f"run.threads_per_rank={threads}"]
    if n_ranks > 1:
        command = [processes.find_mpiexec(), "-n", str(n_ranks), *command]
    ended = processes.run_together([command], launcher.thread_environment(threads))
    assert ended.exit_code == 0, "the job failed"
    return ended.cost.seconds


def compare_with_engine(config: Config, rounds: int) -> None:
    """The job's stages in this process against the explainer alone, start-up left out."""
    cohort = read_cohort(config.folder / "cohort.h5", config)
    plan = read_plan(config.folder / "plan.json")
    trained = read_run_model(config.folder, cohort, plan.models[0], config)
    explainer = make_explainer(trained, config)
    parts = [read_samples(cohort, shard, config) for shard in plan.shards]
    batches = [
        (trained.images(part.expression[i : i + size]), part.target[i : i + size])
        for part in parts
        for size in [explainer.batch_size]
        for i in range(0, len(part.row), size)
    ]
    original = explain.make_explainer
    explain.make_explainer = lambda *args: explainer  # type: ignore[assignment]
    rates: dict[str, list[float]] = {"bare engine": [], "bitshuffle-lz4": [], "gzip": []}
    for turn in range(rounds + 1):
        for name, found in rates.items():
            forget_shards(config)
            started = time.perf_counter()
            if name == "bare engine":
                for pictures, target in batches:
                    explainer(pictures, target)
            else:
                settings = dataclasses.replace(config.explain, compression=name)
                packed = dataclasses.replace(config, explain=settings)
                explain_shards(config.folder, cohort, plan.shards, packed, shown=False)
            if turn:
                found.append(N_SAMPLES / (time.perf_counter() - started))
    explain.make_explainer = original
    bare = statistics.median(rates["bare engine"])
    for name, found in rates.items():
        middle = statistics.median(found)
        print(f"{name:16}{middle:7.1f} samples/s, four targets, three methods {middle / bare:6.0%}")


def print_memory(config: Config) -> None:
    """Peak memory of a job that explains all samples."""
    path = config.folder / "config.toml"
    command = [sys.executable, "-m", "jobs.explain", str(path)]
    ended = processes.run_together([command], launcher.thread_environment(THREADS))
    assert ended.exit_code == 0, "the job failed"
    n_samples = read_plan(config.folder / "plan.json").n_samples
    cost = ended.cost
    print(f"{n_samples:6} samples: {cost.peak_bytes / 1e6:6.0f} MB, {cost.seconds:.0f} s")


if __name__ == "__main__":
    main()
