"""Rankings of significance.h5 against permuted labels, themselves, known markers and drivers."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from scipy.stats import rankdata

from tumorcam.config import Config
from tumorcam.faithfulness import agreement
from tumorcam.significance import statistics, truth

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


def null_agreement(
    tables: h5py.File, rankings: Sequence[str], drives: np.ndarray | None
) -> Nulls | None:
    """Permuted labels against real ones; None without null replicates.

    Parameters
    ----------
    drives : (tumors, genes) bool or None
        The planted drivers, whose decoys are looked at; else those of each tumor's top k genes.
    """
    if tables[f"{rankings[0]}/nulls/learned"].size == 0:
        return None
    decoy_gene = tables["decoy_gene"][...]
    found: dict[str, list[Any]] = {name.name: [] for name in dataclasses.fields(Nulls)}
    for name in rankings:
        group, null = tables[name], tables[f"{name}/nulls"]
        score, null_score = group["score"][...], null["score"][...]
        k = statistics.top_k(score.shape[1])
        meant = group["rank"][...] <= k if drives is None else drives
        pairs = meant[:, decoy_gene]
        differences = agreement.decoy_rank_differences(
            null_score, null["decoy_score"][...], decoy_gene, pairs
        )
        estimate = agreement.t_interval(differences)
        row = [
            agreement.spearman(score[np.newaxis], null_score),
            null["learned"][...],
            differences,
            pairs.sum(),
            *estimate,
        ]
        for values, value in zip(found.values(), row, strict=True):
            values.append(value)
    return Nulls(**{name: np.stack(values) for name, values in found.items()})


def stability_of(tables: h5py.File, rankings: Sequence[str], config: Config) -> Stability:
    """How alike the top genes of halves of the replicates and of folds are."""
    n_genes = len(tables["genes"])
    k = statistics.top_k(n_genes)
    n = tables[f"{rankings[0]}/replicate_score"].shape[0]
    ways = agreement.halvings(n, config.rng("halvings")) if n > 1 else []
    rows = []
    for name in rankings:
        replicates, folds = (
            tables[f"{name}/{part}_score"][..., :n_genes] for part in ("replicate", "fold")
        )
        unknown = np.full((1, *replicates.shape[1:]), np.nan)
        halves = agreement.half_scores(replicates, ways) or [(unknown[0], unknown[0])]
        pairs = [(a, b) for i, a in enumerate(folds) for b in folds[:i]]
        rows.append([*agreement.mean_agreement(halves, k=k), *agreement.mean_agreement(pairs, k=k)])
    counts = map(np.array, (k, n, len(ways)))
    return Stability(*counts, *(np.stack(column) for column in zip(*rows, strict=True)))


def planted_scores(
    tables: h5py.File, rankings: Sequence[str], drives: np.ndarray, t_statistic: np.ndarray
) -> PlantedScores:
    """Every ranking, and the t-test, against the planted drivers (tumors, genes) bool."""
    counts: dict[str, list[list[int]]] = {n: [] for n in ("called", "own", "other", "neither")}
    precision, area = [], []
    for name in rankings:
        score, rank, q_decoy = (
            tables[f"{name}/{key}"][...] for key in ("score", "rank", "q_decoy")
        )
        scores = [
            truth.score_against_truth(drives, rank, q_decoy, threshold=level) for level in LEVELS
        ]
        precision.append(scores[0].precision)
        area.append(_mean(agreement.average_precision(score, drives)))
        for key, rows in counts.items():
            rows.append([getattr(one, key) for one in scores])
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
    tables: h5py.File, rankings: Sequence[str], is_marker: np.ndarray, t_statistic: np.ndarray
) -> MarkerLifts:
    """Every ranking, and the t-test, against known markers (tumors, genes) bool."""
    lifts = [agreement.marker_lift(tables[f"{name}/score"][...], is_marker) for name in rankings]
    t_lift = agreement.marker_lift(_finite(t_statistic), is_marker)
    return MarkerLifts(is_marker.sum(axis=1), np.stack(lifts), t_lift)


def _finite(t_statistic: np.ndarray) -> np.ndarray:
    """Ranks in the place of t: equal variances of 0 make it infinite, or NaN, which comes last."""
    return rankdata(np.nan_to_num(t_statistic, nan=-np.inf, posinf=np.inf, neginf=-np.inf), axis=1)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
