"""Rankings of significance.h5 against permuted labels, themselves, known markers and drivers."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy.stats import rankdata

from tumorcam.config import Config
from tumorcam.faithfulness import agreement
from tumorcam.significance import statistics, truth
from tumorcam.significance.tables import Significance

LEVELS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2)  # of q_decoy, at which pairs are called


@dataclass(frozen=True)
class Nulls:
    """Runs on permuted labels, for each ranking.

    `spearman` (rankings, runs, tumors): rank correlation of their scores with the real ones;
    `learned` (rankings, runs) int: (tumor, gene) pairs that would be graded learned, the recall
    being taken for enough; `rank_difference` (rankings, runs): mean rank of some genes minus their
    own decoys', in the null scores, over `pairs` (rankings,) int pairs of tumor and gene;
    `difference`, `difference_low`, `difference_high` (rankings,): its mean and 95 % t interval.
    """

    spearman: np.ndarray
    learned: np.ndarray
    rank_difference: np.ndarray
    pairs: np.ndarray
    difference: np.ndarray
    difference_low: np.ndarray
    difference_high: np.ndarray


@dataclass(frozen=True)
class Stability:
    """Agreement of the top `k` genes, each (rankings, tumors), NaN where unknown.

    Between disjoint halves of `replicates` layouts, mean over `halvings`, and between folds, mean
    over their pairs: Jaccard index and rank-biased overlap.
    """

    k: np.ndarray
    replicates: np.ndarray
    halvings: np.ndarray
    jaccard_halves: np.ndarray
    overlap_halves: np.ndarray
    jaccard_folds: np.ndarray
    overlap_folds: np.ndarray


@dataclass(frozen=True)
class MarkerLifts:
    """Area under the precision-recall curve over the share of known markers, 1 at random.

    `n_markers` (tumors,) int among the genes; `lift` (rankings, tumors); `t_test` (tumors,).
    """

    n_markers: np.ndarray
    lift: np.ndarray
    t_test: np.ndarray


@dataclass(frozen=True)
class PlantedScores:
    """Rankings against the planted drivers.

    `precision`, `area` (rankings,): precision at 20 and area under the precision-recall curve,
    means over the tumors with drivers; `t_precision`, `t_area` (): the t-test's. `called`, `own`,
    `other`, `neither` (rankings, levels) int: pairs with a q_decoy of at most `level` (levels,) as
    `truth.TruthScores` counts them.
    """

    precision: np.ndarray
    area: np.ndarray
    t_precision: np.ndarray
    t_area: np.ndarray
    level: np.ndarray
    called: np.ndarray
    own: np.ndarray
    other: np.ndarray
    neither: np.ndarray


def null_agreement(significance: Significance, drives: np.ndarray | None) -> Nulls | None:
    """Permuted labels against real ones; None without null replicates.

    Parameters
    ----------
    drives : (tumors, genes) bool or None
        The planted drivers, whose decoys are looked at; else those of each tumor's top k genes.
    """
    columns: dict[str, list[Any]] = {field.name: [] for field in fields(Nulls)}
    for ranking in map(significance.ranking, significance.keys):
        if not len(ranking.nulls.learned):
            return None
        k = statistics.top_k(ranking.score.shape[1])
        genes = ranking.rank <= k if drives is None else drives
        pairs = genes[:, significance.decoy_gene]
        differences = agreement.decoy_rank_differences(
            ranking.nulls.score, ranking.nulls.decoy_score, significance.decoy_gene, pairs
        )
        estimate = agreement.t_interval(differences)
        row = [
            agreement.spearman(ranking.score[np.newaxis], ranking.nulls.score),
            ranking.nulls.learned,
            differences,
            pairs.sum(),
            *estimate,
        ]
        for values, value in zip(columns.values(), row, strict=True):
            values.append(value)
    return Nulls(**{name: np.stack(values) for name, values in columns.items()})


def stability_of(significance: Significance, config: Config) -> Stability:
    """How alike the top genes of halves of the replicates and of folds are."""
    n_genes = len(significance.genes)
    k = statistics.top_k(n_genes)
    n, ways, rows = 0, None, []
    for ranking in map(significance.ranking, significance.keys):
        replicates = ranking.replicate_score[..., :n_genes]
        folds = ranking.fold_score[..., :n_genes]
        if ways is None:
            n = len(replicates)
            ways = agreement.halvings(n, config.rng("halvings")) if n > 1 else []
        unknown = np.full(replicates.shape[1:], np.nan)
        halves = agreement.half_scores(replicates, ways) or [(unknown, unknown)]
        pairs = [(a, b) for i, a in enumerate(folds) for b in folds[:i]]
        rows.append([*agreement.mean_agreement(halves, k=k), *agreement.mean_agreement(pairs, k=k)])
    counts = map(np.array, (k, n, len(ways or [])))
    return Stability(*counts, *(np.stack(column) for column in zip(*rows, strict=True)))


def planted_scores(
    significance: Significance, drives: np.ndarray, t_statistic: np.ndarray
) -> PlantedScores:
    """Every ranking, and the t-test, against the planted drivers (tumors, genes) bool."""
    counts: dict[str, list[list[int]]] = {n: [] for n in ("called", "own", "other", "neither")}
    precision, area = [], []
    for ranking in map(significance.ranking, significance.keys):
        scores = [
            truth.score_against_truth(drives, ranking.rank, ranking.q_decoy, threshold=level)
            for level in LEVELS
        ]
        precision.append(scores[0].precision)
        area.append(_mean(agreement.average_precision(ranking.score, drives)))
        for key, rows in counts.items():
            rows.append([getattr(at_level, key) for at_level in scores])
    t_rank = statistics.rank_genes(t_statistic)
    nothing = np.full(t_rank.shape, np.nan)
    t_scores = truth.score_against_truth(drives, t_rank, nothing, threshold=0)
    return PlantedScores(
        precision=np.array(precision),
        area=np.array(area),
        t_precision=np.array(t_scores.precision),
        t_area=np.array(_mean(agreement.average_precision(_finite(t_statistic), drives))),
        level=np.array(LEVELS),
        **{key: np.array(rows) for key, rows in counts.items()},
    )


def marker_lifts(
    significance: Significance, is_marker: np.ndarray, t_statistic: np.ndarray
) -> MarkerLifts:
    """Every ranking, and the t-test, against known markers (tumors, genes) bool."""
    rankings = map(significance.ranking, significance.keys)
    lifts = [agreement.marker_lift(ranking.score, is_marker) for ranking in rankings]
    t_lift = agreement.marker_lift(_finite(t_statistic), is_marker)
    return MarkerLifts(is_marker.sum(axis=1), np.stack(lifts), t_lift)


def _finite(t_statistic: np.ndarray) -> np.ndarray:
    """Ranks in the place of t: equal variances of 0 make it infinite, or NaN, which comes last."""
    return rankdata(np.nan_to_num(t_statistic, nan=-np.inf, posinf=np.inf, neginf=-np.inf), axis=1)


def _mean(values: np.ndarray) -> float:
    finite = values[~np.isnan(values)]
    return float(finite.mean()) if finite.size else float("nan")
