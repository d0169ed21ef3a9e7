"""The reduce job at full size, on made-up shards, beside a loop of pandas and scipy.

    python -m benchmarks.reduce [--samples 10000] [--genes 11449] [--keep FOLDER]

The loop does the same for a few genes of each tumor; its time is scaled to all of them.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from scipy import stats
from threadpoolctl import threadpool_limits

from benchmarks.drawn_run import prepare_drawn
from tumorcam.cluster import launcher, processes
from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.config import Config, config_from_tables
from tumorcam.significance import bands, resampling, statistics
from tumorcam.storage import hdf5, records
from tumorcam.storage.plan import (
    MODEL_TYPE,
    SHARD_TYPE,
    Plan,
    ShardKey,
    model_file,
    read_plan,
    shard_attributes,
    shard_file,
)

N_TUMORS, REPLICATES, FOLDS, RANKS = 22, 6, 5, 2
DRIVERS = 20  # genes of a tumor whose values are raised
LOOP_GENES = 2  # of each tumor that the loop does


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--genes", type=int, default=11_449)
    parser.add_argument("--keep", type=Path, help="folder of the run, to be used again")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (args.keep or Path(scratch)) / "run"
        config = config_from_tables(
            {
                "run": {"folder": str(folder), "threads_per_rank": 1},
                "layout": {"replicates": REPLICATES},
                "splits": {"folds": FOLDS},
                "explain": {"cubes": []},
            },
            source="benchmark",
        )
        if not folder.exists():
            make_shards(config, args.samples, args.genes)
        plan = read_plan(folder / "plan.json")
        print_job(config, plan)
        print_loop(config, plan)


def make_shards(config: Config, n_samples: int, n_genes: int) -> None:
    """Every shard of a run; all share one block of drawn values, shifted by some genes."""
    started = time.monotonic()
    cohort, plan = prepare_drawn(config, n_samples, n_genes, N_TUMORS)
    rng = np.random.default_rng(1)
    n_features = n_genes + len(cohort.decoy_gene)
    noise = rng.standard_normal((config.explain.block, 2 * n_features), dtype=np.float32)
    for one in plan.models:
        attributes = {"cohort_digest": cohort.digest, "model": one.name}
        with hdf5.create_file(model_file(config.folder, one), MODEL_TYPE, attributes):
            pass
    for shard in plan.shards:
        write_shard(config, cohort, shard, noise, rng)
    size = sum(path.stat().st_size for path in (config.folder / "shards").iterdir())
    print(
        f"made {len(plan.shards)} shards, {size / 1e9:.1f} GB, {time.monotonic() - started:.0f} s"
    )


def write_shard(
    config: Config, cohort: Cohort, shard: ShardKey, noise: np.ndarray, rng: np.random.Generator
) -> None:
    index = np.flatnonzero(cohort.fold == shard.fold)[shard.start : shard.stop]
    n, n_features = len(index), noise.shape[1] // 2
    raised = np.arange(n_features) // DRIVERS == cohort.tumor[index, np.newaxis]
    digest = hdf5.stored_digest(model_file(config.folder, shard.model), MODEL_TYPE, remedy="")
    attributes = shard_attributes(config, cohort.digest, digest, shard)
    with hdf5.create_file(shard_file(config.folder, shard), SHARD_TYPE, attributes) as file:
        records.write_dataset(file, "sample_index", index.astype(np.int32))
        probability = np.eye(N_TUMORS, dtype=np.float32)[cohort.tumor[index]]
        records.write_dataset(file, "probability", probability)
        for method in config.explain.methods:
            records.write_dataset(file, f"scale/{method}", np.ones(n, np.float32))
            for view in bands.VIEWS:
                shift = rng.integers(n_features)
                rows = rng.permutation(len(noise))[:n]
                values = noise[rows, shift : shift + n_features] + 0.5 * raised
                records.write_dataset(
                    file,
                    f"{view}/{method}",
                    values.astype(np.float16),
                    chunks=(n, bands.BAND),
                    compression=config.explain.compression,
                )


def print_job(config: Config, plan: Plan) -> None:
    """Time and memory of `jobs.reduce` on two ranks of one thread."""
    (config.folder / "significance.h5").unlink(missing_ok=True)
    words = [
        sys.executable,
        "-m",
        "mpi4py",
        "-m",
        "jobs.reduce",
        str(config.folder / "config.toml"),
    ]
    command = [processes.find_mpiexec(), "-n", str(RANKS), *words]
    failed, cost = processes.run_together([command], launcher.thread_environment(1))
    assert not failed
    print(
        f"{plan.n_samples} samples x {plan.n_genes} genes x {N_TUMORS} tumors x {REPLICATES} "
        f"replicates, {RANKS} ranks of one thread: {cost.seconds:.0f} s, "
        f"{cost.peak_bytes / 2**20:.0f} MB a rank at most"
    )


def print_loop(config: Config, plan: Plan) -> None:
    """A band on one rank and thread, and the loop on some of its cells: seconds a cell."""
    cohort = read_cohort(config.folder / "cohort.h5", config)
    name = bands.ranking_names(config)[0]
    method, view = name.split("/")
    with threadpool_limits(1):
        source = bands.read_source(config.folder, cohort, config, plan.shards)
        started = time.monotonic()
        _, found = next(bands.band_statistics(source, slice(0, bands.BAND), [name]))
        own = (time.monotonic() - started) / (bands.BAND * N_TUMORS)
        values = np.zeros((REPLICATES, plan.n_samples, LOOP_GENES))
        started = time.monotonic()
        for shard in plan.shards:
            with bands.open_shard(config.folder, shard) as file:
                values[shard.replicate, file["sample_index"][...]] = file[f"{view}/{method}"][
                    :, :LOOP_GENES
                ]
        reading = (time.monotonic() - started) / (bands.BAND * N_TUMORS)  # whole chunks are read
        seconds = []
        for tumor in range(N_TUMORS):
            for gene in range(LOOP_GENES):
                started = time.monotonic()
                p_value = loop_statistics(values[:, :, gene], cohort, tumor)
                seconds.append(time.monotonic() - started)
                wanted = found.columns["p_value"][tumor, gene]
                assert np.isclose(p_value, wanted, rtol=1e-6), (p_value, wanted)
    loop = median(seconds) + reading
    times = f"{own * 1e6:.0f} us, in the loop {loop * 1e6:.0f} us: {loop / own:.0f} x"
    print(f"a gene of a tumor: {times}")


def loop_statistics(values: np.ndarray, cohort: Cohort, tumor: int) -> float:
    """What a band holds of one gene and tumor, as one would write it; the p-value."""
    chosen = cohort.tumor == tumor
    table = pd.DataFrame({"patient": cohort.patient[chosen], "fold": cohort.fold[chosen]})
    for replicate, column in enumerate(values[:, chosen]):
        table[replicate] = column
    table["mean"] = table[list(range(len(values)))].mean(axis=1)
    patients = table.groupby("patient").mean(numeric_only=True)
    table.groupby("fold").mean(numeric_only=True)  # each model's score
    c = patients["mean"].to_numpy()
    c.mean(), c.std(ddof=1), (c > 0).mean()
    stats.binomtest(int((c > 0).sum()), len(c)).proportion_ci(method="wilson")
    rng = np.random.default_rng(0)
    for _ in range(resampling.N_FLIPS):
        flipped = c * rng.choice([-1, 1], len(c))
        flipped.mean() / flipped.std(ddof=1)
    for _ in range(resampling.N_BOOTSTRAPS):
        np.average(c, weights=rng.poisson(1, len(c)))
    method = "exact" if len(c) <= statistics.MAX_EXACT_PATIENTS else "asymptotic"
    return float(
        stats.wilcoxon(
            c, alternative="greater", zero_method="zsplit", correction=False, method=method
        ).pvalue
    )


if __name__ == "__main__":
    main()
