"""How alike two rankings of the same cohort are, by layouts averaged and by kind of mean.

    python -m benchmarks.stability RUN [RUN ...]

RUN is the folder of a run with tables and shards. Two rankings come from disjoint sets of K layout
replicates. Of each tumor their top k genes are compared, k being the number of genes that the run
calls in the tumor, from 5 to 50. The Jaccard index is that of the median tumor, mean over up to
twenty pairs of sets.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.explain import shards
from tumorcam.explain.views import RankingKey
from tumorcam.faithfulness.agreement import top_agreement
from tumorcam.faithfulness.ranking_checks import MAX_TOP, MIN_TOP
from tumorcam.settings.config import load_config
from tumorcam.significance import statistics
from tumorcam.significance.tables import read_significance
from tumorcam.storage.plan import Plan, read_plan
from tumorcam.storage.run_folder import RunFolder

LAYOUTS = (1, 3, 6, 12)
N_PAIRS = 20
SCORES = {  # over the patients of a tumor
    "trimmed mean": statistics.trimmed_means,
    "mean": lambda means: means.mean(axis=0),
    "median": lambda means: np.median(means, axis=0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+")
    for root in parser.parse_args().runs:
        table = pd.DataFrame(stability_of(RunFolder(root)))
        table = table.pivot(index=["ranking", "score"], columns="layouts", values="jaccard")
        print(f"\n{root.name}\n{table.to_string(float_format='{:.2f}'.format)}", flush=True)


def stability_of(run: RunFolder) -> list[dict[str, object]]:
    """A row for each ranking, kind of mean and number of layouts."""
    config, plan = load_config(run.config), read_plan(run.plan)
    cohort = read_cohort(run.cohort, config)
    tables = read_significance(run.significance, cohort.digest)
    rng = np.random.default_rng(0)
    n_replicates = cohort.n_replicates
    orders = [rng.permutation(n_replicates) for _ in range(N_PAIRS)]
    rows: list[dict[str, object]] = []
    for key in tables.keys:
        n_called = (tables.ranking(key).q_decoy <= config.significance.q_decoy).sum(axis=1)
        k = np.clip(n_called, MIN_TOP, MAX_TOP)
        values = read_values(run, plan, cohort, key)
        for n_layouts in LAYOUTS:
            if 2 * n_layouts > n_replicates:
                break
            jaccard: dict[str, list[float]] = {name: [] for name in SCORES}
            for order in orders:
                halves = order[:n_layouts], order[n_layouts : 2 * n_layouts]
                means = [values[half].mean(axis=0) for half in halves]
                for name, of_patients in SCORES.items():
                    first, second = (
                        np.stack([of_patients(mean[cohort.tumor == t]) for t in range(len(k))])
                        for mean in means
                    )
                    jaccard[name].append(
                        float(np.median(top_agreement(first, second, k=k).jaccard))
                    )
            rows += [
                {
                    "ranking": key.title,
                    "score": name,
                    "layouts": n_layouts,
                    "jaccard": float(np.mean(values_of)),
                }
                for name, values_of in jaccard.items()
            ]
    return rows


def read_values(run: RunFolder, plan: Plan, cohort: Cohort, key: RankingKey) -> np.ndarray:
    """(replicates, samples, genes) float32; each sample counts as a patient of its own."""
    shape = (cohort.n_replicates, len(cohort.sample), len(cohort.genes))
    values = np.zeros(shape, dtype=np.float32)
    for shard in plan.shards:
        part = shards.read_band(run.shard(shard), [key], slice(0, shape[2]))
        values[shard.replicate, cohort.rows_of(shard)] = part[key.name]
    return values


if __name__ == "__main__":
    main()
