"""The file significance.h5: every ranking, and what does not depend on the ranking."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.explain.shards import coordinates
from tumorcam.explain.views import VIEWS, RankingKey, ranking_keys
from tumorcam.significance import statistics
from tumorcam.significance.statistics import PatientStatistics
from tumorcam.storage import hdf5, records
from tumorcam.storage.dimensions import name_dimensions

SIGNIFICANCE_TYPE, RANKING_TYPE = "tumorcam-significance", "tumorcam-ranking"
REMEDY = "run `tumorcam reduce`"
STAGE = "reduce"


@dataclass(frozen=True)
class GeneStatistics(PatientStatistics):
    """Statistics of every gene in every tumor, each (tumors, genes).

    All are float64 but `evidence`, which is str; docs/method.md defines each. NaN means unknown.
    """

    margin: np.ndarray
    q_value: np.ndarray
    p_fwer: np.ndarray
    q_decoy: np.ndarray
    replication: np.ndarray
    rank: np.ndarray
    rank_low: np.ndarray
    rank_high: np.ndarray
    p_null: np.ndarray
    evidence: np.ndarray


@dataclass(frozen=True)
class DecoyStatistics:
    """Statistics of every decoy in every tumor in one pass, each (tumors, decoys) float64."""

    score: np.ndarray
    sd: np.ndarray
    positive: np.ndarray
    p_value: np.ndarray


@dataclass(frozen=True)
class NullRuns:
    """Null runs, whose networks were trained on permuted labels.

    `score` (nulls, tumors, genes) and `decoy_score` (nulls, tumors, decoys), that of the decoys
    explained with the true values of their genes, are float64; `called` and `learned` (nulls,) int
    are the numbers of (tumor, gene) pairs that each would call by q_decoy and grade learned at full
    recall.
    """

    score: np.ndarray
    decoy_score: np.ndarray
    called: np.ndarray
    learned: np.ndarray


@dataclass(frozen=True)
class Ranking(GeneStatistics):
    """All results of one method and view.

    `decoys_in_top_20` (tumors,) float64 is the number of present decoys among the top 20 of genes
    and these decoys together, times genes / decoys. `present` and `chance` are the decoys explained
    with the true values of their genes and with their permuted values. `replicate_score`
    (replicates, tumors, genes + 2 decoys) float64 has the replicates that have shards; `fold_score`
    is (folds, tumors, genes + 2 decoys) float64. `decoy_curve` has the columns score, genes,
    decoys, estimated_false and q_decoy. `n_called` counts the (tumor, gene) pairs with a q_decoy at
    or below the threshold; `called_low` and `called_high` are its 5 and 95 % quantiles over
    bootstraps of the decoys. `smallest_q_decoy` is the smallest value that these decoys allow, NaN
    without decoys; `too_few_decoys` tells whether it exceeds the threshold. `zero_scale_samples`
    counts explained samples whose maps are all zero.
    """

    method: str
    view: str
    present: DecoyStatistics
    chance: DecoyStatistics
    nulls: NullRuns
    decoys_in_top_20: np.ndarray
    replicate_score: np.ndarray
    fold_score: np.ndarray
    decoy_curve: pd.DataFrame
    n_called: int
    called_low: float
    called_high: float
    smallest_q_decoy: float
    too_few_decoys: bool
    zero_scale_samples: int

    @property
    def key(self) -> RankingKey:
        """The method and view."""
        return RankingKey(self.method, self.view)

    @property
    def is_learned(self) -> np.ndarray:
        """(tumors, genes) bool: graded learned. What counts learned pairs anywhere counts these."""
        return np.asarray(self.evidence == statistics.LEARNED)


@dataclass(frozen=True)
class Classification:
    """Held-out predictions of the networks.

    `probability` (replicates, samples, tumors) float32 is NaN where a shard is missing; `recall`
    (tumors,) float64 is the ensemble's.
    """

    probability: np.ndarray
    recall: np.ndarray


@dataclass(frozen=True)
class SharedTables:
    """What does not depend on the ranking.

    `tumors` (tumors,) and `genes` (genes,) are str; `decoy_gene` (decoys,) int is the gene that
    each decoy copies; `is_entrapped` (genes,) bool are the genes that prepare permuted as a check;
    `n` (tumors,) int counts patients; `expression_auroc` and `log2_fold_change`
    (tumors, genes) float64 compare a tumor's expression with all others. `missing_shards` names
    the shards without which reduce went on: with any, all tables are partial.
    """

    methods: tuple[str, ...]
    tumors: np.ndarray
    genes: np.ndarray
    decoy_gene: np.ndarray
    is_entrapped: np.ndarray
    n: np.ndarray
    expression_auroc: np.ndarray
    log2_fold_change: np.ndarray
    classification: Classification
    missing_shards: tuple[str, ...]


@dataclass(frozen=True)
class Significance(SharedTables):
    """A file significance.h5; its rankings are read one at a time.

    `config` is the settings that it was made with, as JSON.
    """

    path: Path
    digest: str
    cohort_digest: str
    config: str

    @property
    def views(self) -> tuple[str, ...]:
        """The views of every method."""
        return VIEWS

    @property
    def keys(self) -> list[RankingKey]:
        """Every ranking, own view first."""
        return ranking_keys(self.methods)

    def rankings(self) -> Iterator[Ranking]:
        """Every ranking in alphabetical order, one in memory at a time."""
        for key in sorted(self.keys):
            yield self.ranking(key)

    def ranking(self, key: RankingKey) -> Ranking:
        """One ranking; FileError where the file is damaged."""
        with hdf5.open_file(self.path, SIGNIFICANCE_TYPE, remedy=REMEDY) as file:
            with records.reading(file):
                group = file[key.name]
            return records.read_record(group, Ranking)

    def evidence(self, key: RankingKey, gene: int | slice = slice(None)) -> np.ndarray:
        """(tumors,) str: a gene's grades in one ranking, (tumors, genes) those of all genes.

        Raises
        ------
        FileError
            If the file is damaged.
        """
        with hdf5.open_file(self.path, SIGNIFICANCE_TYPE, remedy=REMEDY) as file:
            return records.read_array(file, f"{key.name}/evidence", np.s_[:, gene])


GENE_STATISTICS = tuple(f.name for f in fields(GeneStatistics) if f.name != "evidence")
DECOYS = ("present", "chance")  # the two passes
DECOY_STATISTICS = tuple(f.name for f in fields(DecoyStatistics))
DIMENSIONS = {  # of the datasets of significance.h5
    **dict.fromkeys((*GENE_STATISTICS, "evidence"), ("tumors", "genes")),
    **dict.fromkeys(("expression_auroc", "log2_fold_change"), ("tumors", "genes")),
    **{f"{kind}/{name}": ("tumors", "decoys") for kind in DECOYS for name in DECOY_STATISTICS},
    "nulls/score": ("null_runs", "tumors", "genes"),
    "nulls/decoy_score": ("null_runs", "tumors", "decoys"),
    **dict.fromkeys(("called", "learned"), ("null_runs",)),
    "replicate_score": ("present_replicates", "tumors", "gene_or_decoy"),
    "fold_score": ("folds", "tumors", "gene_or_decoy"),
    "probability": ("replicates", "samples", "tumors"),
    **dict.fromkeys(("n", "recall", "decoys_in_top_20", "tumors"), ("tumors",)),
    **dict.fromkeys(("genes", "is_entrapped"), ("genes",)),
    "decoy_gene": ("decoys",),
    "methods": ("methods",),
    "missing_shards": ("missing_shards",),
}


def write_ranking(path: Path, attributes: Mapping[str, str], ranking: Ranking) -> None:
    """Write a finished ranking to a file of its own, for `write_significance`."""
    with hdf5.create_file(path, RANKING_TYPE, attributes) as file:
        records.write_record(file.create_group(ranking.key.name), ranking)


def write_significance(
    path: Path, attributes: Mapping[str, str], shared: SharedTables, rankings: Sequence[Path]
) -> None:
    """Write significance.h5.

    Parameters
    ----------
    rankings : sequence of Path
        Files of `write_ranking`, one for each of the keys of `shared.methods`, in their order.
    """
    keys = ranking_keys(shared.methods)
    with hdf5.create_file(path, SIGNIFICANCE_TYPE, attributes) as file:
        records.write_record(file, shared)
        for key, part in zip(keys, rankings, strict=True):
            with hdf5.open_file(part, RANKING_TYPE, remedy=REMEDY) as ranking:
                ranking.copy(ranking[key.name], file, name=key.name)
        labels = coordinates(shared.tumors, shared.genes, shared.decoy_gene)
        labels["decoys"] = shared.genes[shared.decoy_gene]
        name_dimensions(file, DIMENSIONS, labels)


def read_significance(path: Path, cohort_digest: str) -> Significance:
    """The tables of a cohort; FileError where they are missing, damaged, or of another cohort."""
    attributes = hdf5.stored_attributes(path, SIGNIFICANCE_TYPE, remedy=REMEDY)
    hdf5.require_cohort(attributes, path, cohort_digest, remedy=REMEDY)
    with hdf5.open_file(path, SIGNIFICANCE_TYPE, remedy=REMEDY) as file:
        return records.read_record(file, Significance, path=path, config=attributes["config"])
