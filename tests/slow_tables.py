"""Statistics of a run of made_up_shards, straight from its shards with pandas and scipy: slow."""

import h5py
import numpy as np
import pandas as pd
from made_up_shards import METHOD, N_DRIVERS
from scipy import stats

from tumorcam.cohort.cohort import read_cohort
from tumorcam.explain.views import VIEWS
from tumorcam.settings.config import Config
from tumorcam.storage.plan import read_plan
from tumorcam.storage.run_folder import RunFolder


class Slow:
    """Everything about a run in memory, float64, from its shards."""

    def __init__(self, config: Config):
        self.config = config
        run = RunFolder.of(config)
        self.cohort = cohort = read_cohort(run.cohort, config)
        self.n_genes, self.n_decoys = len(cohort.genes), len(cohort.decoy_gene)
        shape = (2, len(cohort.sample), self.n_genes + 2 * self.n_decoys)
        self.values = {view: np.full(shape, np.nan) for view in VIEWS}
        self.probability = np.full((*shape[:2], 3), np.nan)
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

    def scores(self, values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """(tumors, columns): the scores of the chosen samples, NaN for a tumor without any."""
        scores = np.full((3, values.shape[1]), np.nan)
        for tumor, table in self.patients(values, chosen).groupby(level=0):
            scores[tumor] = trimmed_means(table)
        return scores

    def margins(self, scores: np.ndarray) -> np.ndarray:
        """(tumors, genes): score of the gene minus the larger one of its decoy, NaN without one."""
        margins = np.full((len(scores), self.n_genes), np.nan)
        for decoy, gene in enumerate(self.cohort.decoy_gene):
            present = scores[:, self.n_genes + decoy]
            chance = scores[:, self.n_genes + self.n_decoys + decoy]
            margins[:, gene] = scores[:, gene] - np.maximum(present, chance)
        return margins

    def model_scores(self, view: str) -> np.ndarray:
        """(replicates, folds, tumors, columns): the scores of every model."""
        folds = range(self.cohort.n_folds)
        chosen = [self.kept & (self.cohort.fold == fold) for fold in folds]
        return np.array([[self.scores(v, rows) for rows in chosen] for v in self.values[view]])

    def q_decoy(self, scores: np.ndarray, tumor: int, gene: int) -> float:
        """The rate of one pair, from all scores (tumors, columns), by the formula of its run."""
        if self.n_decoys == self.n_genes:
            margins = self.margins(scores)
            return knockoff_q_value(margins[tumor, gene], margins)
        genes, present, chance = np.split(
            scores, [self.n_genes, self.n_genes + self.n_decoys], axis=1
        )
        return pooled_q_value(scores[tumor, gene], genes, np.maximum(present, chance))


def trimmed_means(patients: pd.DataFrame) -> np.ndarray:
    """(columns,): the 20 % trimmed mean over patients, the mean of fewer than 10."""
    return stats.trim_mean(patients, 0.2 if len(patients) >= 10 else 0.0, axis=0)


def knockoff_q_value(margin: float, margins: np.ndarray) -> float:
    """The formula of docs/method.md where every gene has a decoy, one margin at a time."""
    rates = [
        (1 + (margins <= -w).sum()) / (margins >= w).sum()
        for w in margins.ravel()
        if 0 < w <= margin
    ]
    return min([1.0, *rates])


def pooled_q_value(score: float, genes: np.ndarray, decoys: np.ndarray) -> float:
    """The formula of docs/method.md where a share of the genes has a decoy, one score at a time."""
    ratio = genes.size / decoys.size
    rates = [
        (1 + (decoys >= s).sum()) / (genes >= s).sum() * ratio for s in genes.ravel() if s <= score
    ]
    return min([1.0, *rates])


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
            expected = "unstable" if row["replication"] < limits.replication else "learned"
        elif row["rank"] <= 25 and row["q_decoy"] > limits.q_decoy:
            expected = "expression-driven"
        assert grade == expected, (tumor, gene, row)
    drives = np.arange(500) // N_DRIVERS == np.arange(3)[:, np.newaxis]
    learned = evidence == "learned"
    assert learned[:2][drives[:2]].mean() > 0.5 and learned[~drives].mean() < 0.01
