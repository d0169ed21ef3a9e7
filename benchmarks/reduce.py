"""Time and memory of the reduce job at full size on made-up shards; its contenders in the suite.

    python -m benchmarks.reduce [--samples 10000] [--genes 11449] [--replicates 6] [--ranks 2]
        [--keep FOLDER]

The loop in pandas and scipy does what reduce does, for a few genes of each tumor.
"""

import argparse
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from scipy import stats
from threadpoolctl import threadpool_limits

from benchmarks.drawn_run import prepare_drawn, run_job
from benchmarks.measurement import BOUND, OURS, PEER, Rate, Team
from tumorcam.cluster.processes import Cost
from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.explain.shards import (
    MethodMaps,
    Shard,
    read_band,
    shard_attributes,
    write_shard,
)
from tumorcam.explain.views import VIEWS, ranking_keys
from tumorcam.settings.config import Config, config_from_tables
from tumorcam.significance import resampling, statistics
from tumorcam.storage import hdf5
from tumorcam.storage.plan import Plan, ShardKey, read_plan
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import MODEL_TYPE, model_attributes, model_digest

N_TUMORS, FOLDS = 22, 5
DRIVERS = 20  # genes of a tumor whose values are raised
LOOP_GENES = 2  # of each tumor that the loop does
WORK, UNIT = "all shards of a run", "MB/s of values"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--genes", type=int, default=11_449)
    parser.add_argument("--replicates", type=int, default=6)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder of the run, to be used again")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        config = run_config((args.keep or Path(scratch)) / "run", args.replicates)
        if not config.folder.exists():
            make_shards(config, args.samples, args.genes)
        plan = read_plan(RunFolder.of(config).plan)
        cost = reduce(config, args.ranks)
        print(
            f"{plan.n_samples} samples x {plan.n_genes} genes x {N_TUMORS} tumors x "
            f"{args.replicates} replicates, {args.ranks} ranks of one thread: "
            f"{cost.seconds:.0f} s, {cost.peak_bytes / 2**20:.0f} MB a rank at most"
        )


def run_config(folder: Path, replicates: int) -> Config:
    """The settings of a made-up run."""
    return config_from_tables(
        {
            "run": {"folder": str(folder), "threads_per_rank": 1},
            "layout": {"replicates": replicates},
            "splits": {"folds": FOLDS},
            "explain": {"cubes": []},
        },
        source="benchmark",
    )


def reduce(config: Config, n_ranks: int = 1) -> Cost:
    """Reduce the run anew."""
    RunFolder.of(config).significance.unlink(missing_ok=True)
    return run_job(config, "reduce", n_ranks=n_ranks)


def reduce_team(config: Config) -> Team:
    """The job on one rank of one thread, plain reading of the same values, and the loop."""
    plan = read_plan(RunFolder.of(config).plan)
    keys = ranking_keys(config.explain.methods)
    size = sum(key.n_samples for key in plan.shards) * plan.n_columns * len(keys) * 2 / 1e6
    paths = [RunFolder.of(config).shard(key) for key in plan.shards]

    def read_plainly() -> float:
        started = time.perf_counter()
        for path in paths:
            with h5py.File(path) as file:
                for key in keys:
                    file[key.name][:]
        return time.perf_counter() - started

    def team() -> list[Rate]:
        share = N_TUMORS * LOOP_GENES / (N_TUMORS * plan.n_columns * len(keys))
        return [
            Rate(WORK, "tumorcam reduce, one rank", OURS, UNIT, size / reduce(config).seconds),
            Rate(WORK, "h5py, plain reading", BOUND, UNIT, size / read_plainly()),
            Rate(WORK, "pandas and scipy", PEER, UNIT, size * share / loop_seconds(config, plan)),
        ]

    return team


def make_shards(config: Config, n_samples: int, n_genes: int) -> None:
    """Write every shard of a run; all share one block of random values, shifted by some genes."""
    started = time.monotonic()
    cohort, plan = prepare_drawn(config, n_samples, n_genes, N_TUMORS)
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((config.explain.block, 2 * cohort.n_columns), dtype=np.float32)
    run = RunFolder.of(config)
    digests = {}
    for model in plan.models:
        attributes = model_attributes(config, cohort.digest, model.name)
        with hdf5.create_file(run.model(model), MODEL_TYPE, attributes):
            pass
        digests[model] = model_digest(run.model(model))
    for key in plan.shards:
        attributes = shard_attributes(
            config, cohort.digest, digests[key.model], key, cohort.n_columns
        )
        shard = make_shard(config, cohort, key, noise, rng)
        write_shard(run.shard(key), attributes, shard, compression=config.explain.compression)
    size = sum(path.stat().st_size for path in run.shards.iterdir())
    print(
        f"wrote {len(plan.shards)} shards, {size / 1e9:.1f} GB, {time.monotonic() - started:.0f} s"
    )


def make_shard(
    config: Config, cohort: Cohort, key: ShardKey, noise: np.ndarray, rng: np.random.Generator
) -> Shard:
    index = cohort.rows_of(key)
    n, n_columns = len(index), cohort.n_columns
    tumor = cohort.tumor[index].astype(np.int16)
    raised = np.arange(n_columns) // DRIVERS == tumor[:, np.newaxis]

    def draw() -> np.ndarray:
        shift = rng.integers(n_columns)
        rows = rng.permutation(len(noise))[:n]
        return (noise[rows, shift : shift + n_columns] + 0.5 * raised).astype(np.float16)

    methods = {
        name: MethodMaps(
            **{view: draw() for view in VIEWS},
            scale=np.ones(n, np.float32),
            cube=None,
            cube_scale=None,
        )
        for name in config.explain.methods
    }
    return Shard(
        sample_index=index.astype(np.int32),
        tumor=tumor,
        predicted=tumor,
        probability=np.eye(N_TUMORS, dtype=np.float32)[tumor],
        sample=cohort.sample[index],
        target=tumor,
        rivals=np.zeros((n, config.explain.rivals), np.int16),
        methods=methods,
    )


def loop_seconds(config: Config, plan: Plan) -> float:
    """Seconds that the loop takes for some genes of each tumor in one ranking, without reading."""
    run = RunFolder.of(config)
    cohort = read_cohort(run.cohort, config)
    key = ranking_keys(config.explain.methods)[0]
    values = np.zeros((cohort.n_replicates, plan.n_samples, LOOP_GENES))
    for shard in plan.shards:
        part = read_band(run.shard(shard), [key], slice(0, LOOP_GENES))[key.name]
        values[shard.replicate, cohort.rows_of(shard)] = part
    started = time.perf_counter()
    with threadpool_limits(1):
        for tumor in range(N_TUMORS):
            for gene in range(LOOP_GENES):
                loop_statistics(values[:, :, gene], cohort, tumor)
    return time.perf_counter() - started


def loop_statistics(values: np.ndarray, cohort: Cohort, tumor: int) -> float:
    """Compute what a band holds of one gene and tumor, as a notebook would; the p-value."""
    chosen = cohort.tumor == tumor
    table = pd.DataFrame({"patient": cohort.patient[chosen], "fold": cohort.fold[chosen]})
    for replicate, column in enumerate(values[:, chosen]):
        table[replicate] = column
    table["mean"] = table[list(range(len(values)))].mean(axis=1)
    patients = table.groupby("patient").mean(numeric_only=True)
    table.groupby("fold").mean(numeric_only=True)  # each model's score
    c = patients["mean"].to_numpy()
    stats.trim_mean(c, 0.2), c.mean(), c.std(ddof=1), (c > 0).mean()
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
