"""Statistics of a run of made_up_shards, straight from its shards with pandas and scipy: slow."""

import h5py
import numpy as np
import pandas as pd
from made_up_shards import METHOD, N_DRIVERS
from scipy import stats

from tumorcam.cohort.cohort import read_cohort
from tumorcam.config import Config
from tumorcam.explain.views import VIEWS
from tumorcam.storage.plan import read_plan
from tumorcam.storage.run_folder import RunFolder


class Slow:
    """Everything about a run in memory, float64, from its shards."""

    def __init__(self, config: Config):
        self.config = config
        run = RunFolder.of(config)
        self.cohort = cohort = read_cohort(run.cohort, config)
        self.n_genes = len(cohort.genes)
        n_features, n_samples = self.n_genes + len(cohort.decoy_gene), len(cohort.sample)
        self.values = {v: np.full((2, n_samples, n_features), np.nan) for v in VIEWS}
        self.probability = np.full((2, n_samples, 3), np.nan)
        for shard in read_plan(run.plan).shards:
            with h5py.File(run.shard(shard)) as file:
                index = file["sample_index"][...]
                self.probability[shard.replicate, index] = file["probability"][...]
                for view, values in self.values.items():
                    values[shard.replicate, index] = file[f"{METHOD}/{view}"][...]
        called = self.probability.mean(axis=0).argmax(axis=1)
        self.correct = called == cohort.tumor
        self.kept = self.correct | (not config.significance.correct_only)

    def patients(self, values: np.ndarray, chosen: np.ndarray) -> pd.DataFrame:
        """Mean over each patient's chosen samples, indexed by tumor and patient."""
        table = pd.DataFrame(values[chosen])
        keys = [self.cohort.tumor[chosen], self.cohort.patient[chosen]]
        return table.groupby(keys).mean()

    def model_tops(self, view: str, k: int) -> tuple[np.ndarray, np.ndarray]:
        """How many models rank each gene among the k first of a tumor, and how many have it."""
        n_top, n_models = np.zeros((3, self.n_genes)), np.zeros(3)
        for values in self.values[view]:
            for fold in range(self.cohort.n_folds):
                chosen = self.kept & (self.cohort.fold == fold)
                score = self.patients(values, chosen).groupby(level=0).mean()
                for tumor in score.index:
                    ranking = score.loc[tumor, : self.n_genes - 1]
                    best = ranking.sort_values(ascending=False, kind="stable").index[:k]
                    n_top[tumor, best] += 1
                    n_models[tumor] += 1
        return n_top, n_models


def q_decoy(score: float, genes: np.ndarray, decoys: np.ndarray) -> float:
    """The formula of docs/method.md, one score at a time."""
    ratio = genes.size / decoys.size
    rates = [
        min(1, (1 + (decoys >= s).sum()) / max(1, (genes >= s).sum()) * ratio)
        for s in genes.ravel()
        if s <= score
    ]
    return min(rates)


def signed_rank_p_value(values: np.ndarray) -> float:
    """Exact without ties and zeros, else the normal approximation, as docs/method.md says."""
    is_plain = len(np.unique(np.abs(values))) == len(values) and (values != 0).all()
    return stats.wilcoxon(
        values,
        alternative="greater",
        zero_method="zsplit",
        correction=False,
        method="exact" if is_plain else "asymptotic",
    ).pvalue


def check_evidence(statistics: dict[str, np.ndarray], recall: np.ndarray, config: Config) -> None:
    """Check every grade by its definition; the drivers of well recalled tumors are learned."""
    limits = config.significance
    evidence = statistics["evidence"]
    for (tumor, gene), grade in np.ndenumerate(evidence):
        row = {
            name: values[tumor, gene] for name, values in statistics.items() if name != "evidence"
        }
        meets = (
            row["q_decoy"] <= limits.q_decoy
            and row["q_value"] <= limits.q_value
            and recall[tumor] >= limits.recall
        )
        expected = "none"
        if meets:
            expected = "learned" if row["replication"] >= limits.replication else "unstable"
        elif row["rank"] <= 25 and row["q_decoy"] > limits.q_decoy:
            expected = "expression-driven"
        assert grade == expected, (tumor, gene, row)
    drives = np.arange(500) // N_DRIVERS == np.arange(3)[:, np.newaxis]
    learned = evidence == "learned"
    assert learned[:2][drives[:2]].mean() > 0.5 and learned[~drives].mean() < 0.01
