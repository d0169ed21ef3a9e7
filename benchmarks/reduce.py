"""Time and memory of the reduce job at full size on made-up shards, beside a loop in pandas.

    python -m benchmarks.reduce [--samples 10000] [--genes 11449] [--keep FOLDER]

The loop does the same for a few genes of each tumor; its time is scaled to all of them.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from scipy import stats
from threadpoolctl import threadpool_limits

from benchmarks.drawn_run import prepare_drawn, run_job
from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.explain.shards import (
    BAND,
    read_band,
    read_predictions,
    shard_attributes,
    write_shard,
)
from tumorcam.explain.views import ranking_keys
from tumorcam.operations.drawn_run import draw_shard
from tumorcam.settings.config import Config, config_from_tables
from tumorcam.significance import band_statistics, held_out, resampling, statistics
from tumorcam.storage import hdf5
from tumorcam.storage.plan import Plan, read_plan
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import MODEL_TYPE, model_attributes, model_digest

N_TUMORS, REPLICATES, FOLDS, RANKS = 22, 6, 5, 2
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
        plan = read_plan(RunFolder(folder).plan)
        print_job(config, plan)
        print_loop(config, plan)


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
        shard = draw_shard(config, cohort, key, noise, rng)
        write_shard(run.shard(key), attributes, shard, compression=config.explain.compression)
    size = sum(path.stat().st_size for path in run.shards.iterdir())
    print(
        f"wrote {len(plan.shards)} shards, {size / 1e9:.1f} GB, {time.monotonic() - started:.0f} s"
    )


def print_job(config: Config, plan: Plan) -> None:
    """Print the time and memory of the reduce job on two ranks of one thread."""
    RunFolder.of(config).significance.unlink(missing_ok=True)
    cost = run_job(config, "reduce", n_ranks=RANKS)
    print(
        f"{plan.n_samples} samples x {plan.n_genes} genes x {N_TUMORS} tumors x {REPLICATES} "
        f"replicates, {RANKS} ranks of one thread: {cost.seconds:.0f} s, "
        f"{cost.peak_bytes / 2**20:.0f} MB a rank at most"
    )


def print_loop(config: Config, plan: Plan) -> None:
    """Print the time a gene of a tumor takes in a band, on one thread, and in the loop."""
    run = RunFolder.of(config)
    cohort = read_cohort(run.cohort, config)
    key = ranking_keys(config.explain.methods)[0]
    with threadpool_limits(1):
        source = held_out.read_source(run, cohort, config, plan.shards)
        started = time.monotonic()
        _, ranking = next(band_statistics.band_rankings(source, slice(0, BAND), [key]))
        own = (time.monotonic() - started) / (BAND * N_TUMORS)
        values = np.zeros((REPLICATES, plan.n_samples, LOOP_GENES))
        started = time.monotonic()
        for shard in plan.shards:
            path = run.shard(shard)
            part = read_band(path, [key], slice(0, LOOP_GENES))[key.name]
            values[shard.replicate, read_predictions(path).sample_index] = part
        reading = (time.monotonic() - started) / (BAND * N_TUMORS)  # whole chunks are read
        seconds = []
        for tumor in range(N_TUMORS):
            for gene in range(LOOP_GENES):
                started = time.monotonic()
                p_value = loop_statistics(values[:, :, gene], cohort, tumor)
                seconds.append(time.monotonic() - started)
                of_band = ranking.p_value[tumor, gene]
                assert np.isclose(p_value, of_band, rtol=1e-6), (p_value, of_band)
    loop = median(seconds) + reading
    times = f"{own * 1e6:.0f} us, in the loop {loop * 1e6:.0f} us: {loop / own:.0f} x"
    print(f"a gene of a tumor: {times}")


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
