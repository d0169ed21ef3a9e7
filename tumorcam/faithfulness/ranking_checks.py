"""Rankings of significance.h5 against permuted labels, themselves, known markers and drivers."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from scipy.stats import rankdata

from tumorcam.faithfulness import agreement
from tumorcam.faithfulness.results import (
    Entrapment,
    MarkerLifts,
    Nulls,
    PlantedScores,
    Stability,
)
from tumorcam.settings.config import Config
from tumorcam.significance import statistics, truth
from tumorcam.significance.tables import Ranking, Significance
from tumorcam.significance.truth import PlantedTruth

LEVELS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2)  # of q_decoy, at which pairs are called
MIN_TOP, MAX_TOP = 5, 50  # genes of a tumor whose stability is measured: as many as are called


def levels_of(config: Config) -> tuple[float, ...]:
    """The levels of q_decoy at which pairs are called, the threshold of the run among them."""
    return tuple(sorted({*LEVELS, config.significance.q_decoy}))


def null_agreement(significance: Significance, drives: np.ndarray | None) -> Nulls | None:
    """Scores of networks trained on permuted labels against the real ones; None without any.

    Parameters
    ----------
    drives : (tumors, genes) bool or None
        Planted drivers, which are compared with their own decoys; without them each tumor's top k
        genes are.
    """
    parts = []
    for key in significance.keys:
        part = _null_agreement(significance.ranking(key), significance.decoy_gene, drives)
        if part is None:
            return None
        parts.append(part)
    names = [field.name for field in fields(Nulls)]
    return Nulls(**{name: np.stack([getattr(part, name) for part in parts]) for name in names})


def _null_agreement(
    ranking: Ranking, decoy_gene: np.ndarray, drives: np.ndarray | None
) -> Nulls | None:
    """The `Nulls` of one ranking, whose arrays lack the first axis."""
    nulls = ranking.nulls
    if not len(nulls.learned):
        return None
    k = statistics.top_k(ranking.score.shape[1])
    genes = ranking.rank <= k if drives is None else drives
    pairs = genes[:, decoy_gene]
    differences = agreement.decoy_rank_differences(
        nulls.score, nulls.decoy_score, decoy_gene, pairs
    )
    estimate = agreement.t_interval(differences)
    return Nulls(
        spearman=agreement.spearman(ranking.score[np.newaxis], nulls.score),
        called=nulls.called,
        learned=nulls.learned,
        rank_difference=differences,
        pairs=np.array(pairs.sum()),
        difference=np.array(estimate.mean),
        difference_low=np.array(estimate.low),
        difference_high=np.array(estimate.high),
    )


def stability_of(significance: Significance, config: Config) -> Stability:
    """How alike the top genes of halves of the replicates and of folds are."""
    n_genes, level = len(significance.genes), config.significance.q_decoy
    n_replicates, ways = 0, []
    sizes, of_halves, of_folds = [], [], []
    for number, ranking in enumerate(map(significance.ranking, significance.keys)):
        replicates = ranking.replicate_score[..., :n_genes]
        folds = ranking.fold_score[..., :n_genes]
        if number == 0:  # all rankings have the same replicates
            n_replicates = len(replicates)
            rng = config.rng("halvings")
            ways = agreement.halvings(n_replicates, rng) if n_replicates > 1 else []
        n_called = (ranking.q_decoy <= level).sum(axis=1)
        k = np.minimum(np.clip(n_called, MIN_TOP, MAX_TOP), n_genes)
        unknown = np.full(replicates.shape[1:], np.nan)
        halves = agreement.half_scores(replicates, ways) or [(unknown, unknown)]
        pairs = [(a, b) for i, a in enumerate(folds) for b in folds[:i]]
        sizes.append(k)
        of_halves.append(agreement.mean_agreement(halves, k=k))
        of_folds.append(agreement.mean_agreement(pairs, k=k))
    return Stability(
        k=np.stack(sizes),
        replicates=np.array(n_replicates),
        halvings=np.array(len(ways)),
        jaccard_halves=np.stack([halves.jaccard for halves in of_halves]),
        overlap_halves=np.stack([halves.overlap for halves in of_halves]),
        jaccard_folds=np.stack([folds.jaccard for folds in of_folds]),
        overlap_folds=np.stack([folds.overlap for folds in of_folds]),
    )


def planted_scores(
    significance: Significance,
    planted: PlantedTruth,
    t_statistic: np.ndarray,
    *,
    levels: Sequence[float] = LEVELS,
) -> PlantedScores:
    """Every ranking, and the t-test, against the planted drivers; `levels` as `levels_of`."""
    counts: dict[str, list[list[int]]] = {
        name: [] for name in ("called", "own", "other", "proxy", "neither")
    }
    precision, area = [], []
    for ranking in map(significance.ranking, significance.keys):
        scores = [
            truth.score_against_truth(planted, ranking.rank, ranking.q_decoy, threshold=level)
            for level in levels
        ]
        precision.append(scores[0].precision)
        area.append(_mean(_area(ranking.score, planted)))
        for key, rows in counts.items():
            rows.append([getattr(at_level, key) for at_level in scores])
    t_rank = statistics.rank_genes(t_statistic)
    nothing = np.full(t_rank.shape, np.nan)
    t_scores = truth.score_against_truth(planted, t_rank, nothing, threshold=0)
    return PlantedScores(
        precision=np.array(precision),
        area=np.array(area),
        t_precision=np.array(t_scores.precision),
        t_area=np.array(_mean(_area(_finite(t_statistic), planted))),
        level=np.array(levels),
        **{key: np.array(rows) for key, rows in counts.items()},
    )


def entrapment_of(
    significance: Significance, *, levels: Sequence[float] = LEVELS
) -> Entrapment | None:
    """The entrapped genes among the called pairs of each ranking; None where no gene is entrapped.

    Parameters
    ----------
    levels : sequence of float
        From `levels_of`.

    References
    ----------
    Wen et al. 2025, doi:10.1038/s41592-025-02719-x.
    """
    is_entrapped = significance.is_entrapped
    if not is_entrapped.any():
        return None
    called = np.stack(
        [
            [ranking.q_decoy <= level for level in levels]
            for ranking in map(significance.ranking, significance.keys)
        ]
    )
    n_called, n_entrapped = called.sum(axis=(2, 3)), called[..., is_entrapped].sum(axis=(2, 3))
    share = statistics.wilson_interval(n_entrapped, n_called)
    return Entrapment(
        level=np.array(levels),
        n_entrapped=np.array(is_entrapped.sum()),
        called=n_called,
        entrapped=n_entrapped,
        false_share=share.share / is_entrapped.mean(),
        false_low=share.low / is_entrapped.mean(),
        false_high=share.high / is_entrapped.mean(),
    )


def _area(score: np.ndarray, planted: PlantedTruth) -> np.ndarray:
    """(tumors,) float64: area under the precision-recall curve of the genes besides proxies."""
    without_proxies = np.where(planted.is_proxy, np.finfo(np.float64).min, score)
    return agreement.average_precision(without_proxies, planted.drives)


def marker_lifts(
    significance: Significance, is_marker: np.ndarray, t_statistic: np.ndarray
) -> MarkerLifts:
    """Every ranking, and the t-test, against known markers (tumors, genes) bool."""
    rankings = map(significance.ranking, significance.keys)
    lifts = [agreement.marker_lift(ranking.score, is_marker) for ranking in rankings]
    t_lift = agreement.marker_lift(_finite(t_statistic), is_marker)
    return MarkerLifts(is_marker.sum(axis=1), np.stack(lifts), t_lift)


def _finite(t_statistic: np.ndarray) -> np.ndarray:
    """(tumors, genes) float64 ranks of t, finite where t is infinite; NaN has the lowest rank."""
    return rankdata(np.nan_to_num(t_statistic, nan=-np.inf, posinf=np.inf, neginf=-np.inf), axis=1)


def _mean(values: np.ndarray) -> float:
    finite = values[~np.isnan(values)]
    return float(finite.mean()) if finite.size else float("nan")
