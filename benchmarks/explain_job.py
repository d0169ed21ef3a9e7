"""The explain job beside the bare engine, two ranks beside two threads, and its peak memory.

    python -m benchmarks.explain_job [--rounds 5] [--skip-memory] [--skip-speed]

Expression is drawn and the networks are untrained; explain takes as long as with real ones.
"""

import argparse
import dataclasses
import multiprocessing
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.drawn_run import prepare_drawn, run_job
from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.cohort.images import Scaler, standardised_features
from tumorcam.explain import explain
from tumorcam.settings.config import Config, config_from_tables
from tumorcam.storage.plan import ModelKey, read_plan
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import (
    HeldOut,
    TrainedModel,
    model_attributes,
    write_model,
)
from tumorcam.training.initial_weights import fit_initial_weights
from tumorcam.training.network import (
    build_network,
    describe_layers,
    load_classifier,
    network_images,
)
from tumorcam.training.threads import use_threads

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
                # in another process: the peak memory of a child includes that of its parent
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    arguments = (Path(folder) / f"{n_samples}", n_samples, MEMORY_SIDE)
                    print_memory(pool.apply(make_run, arguments))


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
    run, expression = RunFolder.of(config), cohort.expression(slice(64))
    for key in plan.models:
        attributes = model_attributes(config, cohort.digest, key.name)
        write_model(run.model(key), attributes, untrained_model(key, cohort, config, expression))
    return config


def untrained_model(
    key: ModelKey, cohort: Cohort, config: Config, expression: np.ndarray
) -> TrainedModel:
    """A network with weights as before training, and nothing of how it learned."""
    layout, n_genes = cohort.layout_of(key), len(cohort.genes)
    held_out = np.flatnonzero(cohort.fold == key.fold).astype(np.int32)
    network = build_network(
        config.model, side=layout.side, n_tumors=N_TUMORS, rng=np.random.default_rng(key.fold)
    )
    scaler = Scaler(np.full(n_genes, 5, np.float32), np.full(n_genes, 2, np.float32))
    fit_initial_weights(
        network,
        network_images(network, standardised_features(expression, None, scaler, layout), layout),
    )
    return TrainedModel(
        layers=describe_layers(network),
        best_epoch=0,
        kept_epoch=0,
        history=pd.DataFrame({"epoch": [0]}),
        convolution_share=1.0,
        digest="",
        tumors=cohort.tumors,
        genes=cohort.genes,
        side=layout.side,
        pixel=layout.pixel,
        decoy_gene=layout.decoy_gene,
        scaler=scaler,
        weights=tuple(network.get_weights()),
        role=np.zeros(len(cohort.sample), np.int8),
        held_out=HeldOut(held_out, np.full((len(held_out), N_TUMORS), 1 / N_TUMORS, np.float32)),
    )


def forget_shards(config: Config) -> None:
    shutil.rmtree(RunFolder.of(config).shards, ignore_errors=True)


def compare_ranks(config: Config, rounds: int) -> None:
    """Compare one rank of two threads with two ranks of one thread.

    The time is that of all shards minus that of half of them, so that the start-up cancels out.
    """
    beyond: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for n_ranks, seconds in beyond.items():
            half, whole = (job_seconds(config, n_ranks, share) for share in ("0/2", "0/1"))
            seconds.append(whole - half)
    one_rank, two_ranks = (statistics.median(seconds) for seconds in beyond.values())
    n_samples = N_SAMPLES // 2
    print(f"{n_samples} samples: 1 rank x 2 threads {one_rank:.1f} s, 2 x 1 {two_ranks:.1f} s")
    print(f"two ranks of one thread against one of two: {one_rank / two_ranks:.2f} x")


def job_seconds(config: Config, n_ranks: int, share: str) -> float:
    forget_shards(config)
    threads = THREADS // n_ranks
    return run_job(config, "explain", "--share", share, n_ranks=n_ranks, threads=threads).seconds


def compare_with_engine(config: Config, rounds: int) -> None:
    """The job's stages in this process against the explainer alone, start-up left out."""
    run = RunFolder.of(config)
    cohort, plan = read_cohort(run.cohort, config), read_plan(run.plan)
    classifier = load_classifier(run, cohort, plan.models[0], config)
    explainer = explain.make_explainer(classifier, config)
    parts = [explain.read_samples(cohort, shard, config) for shard in plan.shards]
    batches = [
        (classifier.images(part.expression[i : i + size]), part.target[i : i + size])
        for part in parts
        for size in [explainer.batch_size]
        for i in range(0, len(part.row), size)
    ]
    original = explain.make_explainer
    explain.make_explainer = lambda *args: explainer  # type: ignore[assignment]
    rates: dict[str, list[float]] = {"bare engine": [], "bitshuffle-lz4": [], "gzip": []}
    for turn in range(rounds + 1):
        for name, measured in rates.items():
            forget_shards(config)
            started = time.perf_counter()
            if name == "bare engine":
                for pictures, target in batches:
                    explainer(pictures, target)
            else:
                settings = dataclasses.replace(config.explain, compression=name)
                packed = dataclasses.replace(config, explain=settings)
                explain.explain_shards(run, cohort, plan.shards, packed, visible=False)
            if turn:
                measured.append(N_SAMPLES / (time.perf_counter() - started))
    explain.make_explainer = original
    bare = statistics.median(rates["bare engine"])
    for name, measured in rates.items():
        median = statistics.median(measured)
        print(f"{name:16}{median:7.1f} samples/s, four targets, three methods {median / bare:6.0%}")


def print_memory(config: Config) -> None:
    """Peak memory of a job that explains all samples."""
    cost = run_job(config, "explain", threads=THREADS)
    n_samples = read_plan(RunFolder.of(config).plan).n_samples
    print(f"{n_samples:6} samples: {cost.peak_bytes / 1e6:6.0f} MB, {cost.seconds:.0f} s")


if __name__ == "__main__":
    main()
