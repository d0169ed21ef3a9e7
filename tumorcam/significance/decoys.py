"""Genes against their decoys, and the false discovery rate that this comparison measures.

A gene is compared with the larger of two scores of its decoy: "present", explained with the true
values of the gene, and "chance", explained with the permuted values of training.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

CURVE_ROWS = 500  # of a decoy curve, at most
N_BOOTSTRAPS = 200  # of the decoys
INTERVAL = (0.05, 0.95)  # quantiles of the number of called pairs


@dataclass(frozen=True)
class DecoyResolution:
    """The smallest q_decoy that these decoys allow, and whether it is too large to call genes."""

    smallest_q_decoy: float
    too_few_decoys: bool


class CalledInterval(NamedTuple):
    """The 5 and the 95 % quantile of the number of called pairs; NaN without decoys."""

    low: float
    high: float


@dataclass(frozen=True)
class Scores:
    """Scores of one ranking, or of several models in it.

    `gene` is (..., tumors, genes) and `decoy`, the larger of its two scores, (..., tumors, decoys)
    float64; both are NaN for a tumor without patients. `decoy_gene` (decoys,) int is the gene that
    each decoy copies.
    """

    gene: np.ndarray
    decoy: np.ndarray
    decoy_gene: np.ndarray

    @classmethod
    def of_columns(cls, columns: np.ndarray, decoy_gene: np.ndarray) -> "Scores":
        """From (..., tumors, columns): the genes, the present decoys and the chance decoys."""
        n_genes = columns.shape[-1] - 2 * len(decoy_gene)
        present, chance = np.split(columns[..., n_genes:], 2, axis=-1)
        return cls(columns[..., :n_genes], np.maximum(present, chance), decoy_gene)

    @property
    def margin(self) -> np.ndarray:
        """(..., tumors, genes) float64: how far a gene stands above its decoy; NaN without one."""
        margin = np.full(self.gene.shape, np.nan)
        margin[..., self.decoy_gene] = self.gene[..., self.decoy_gene] - self.decoy
        return margin

    @property
    def is_paired(self) -> bool:
        """Whether every gene has a decoy."""
        return len(self.decoy_gene) == self.gene.shape[-1]


def decoy_q_values(scores: Scores) -> np.ndarray:
    """False discovery rate of the pairs that stand as far above decoys as each pair or farther.

    Where every gene has a decoy, with W the margin of a (tumor, gene) pair,
    q(W) = min over 0 < w ≤ W of min(1, (1 + #{W ≤ −w}) / #{W ≥ w}), and 1 for W ≤ 0. Where a share
    of the genes has one, pairs and decoys are counted by their scores s, with G genes and D decoys:
    q(s) = min over s' ≤ s of min(1, (1 + #{decoys ≥ s'}) / #{genes ≥ s'} · G/D).

    Parameters
    ----------
    scores : Scores
        Of one ranking.

    Returns
    -------
    (tumors, genes) float64
        From 0 to 1; NaN where the score is NaN, and everywhere without decoys.

    References
    ----------
    Barber & Candès 2015, arXiv:1404.5609 (knockoff+); Elias & Gygi 2007, doi:10.1038/nmeth1019.
    """
    wins = _wins(scores)
    upwards = _whole_curve(wins)[::-1]
    is_counted = ~np.isnan(wins.gene)
    position = np.searchsorted(upwards["score"], wins.gene[is_counted])
    q_decoy = np.where(np.isnan(scores.gene) | (len(scores.decoy_gene) == 0), np.nan, 1.0)
    q_decoy[is_counted] = upwards["q_decoy"].to_numpy()[position]
    return q_decoy


def decoy_curve(scores: Scores) -> pd.DataFrame:
    """Numbers of called and of estimated false pairs, from the highest threshold down.

    The table has a row for each distinct value of a gene. Of more than 500 rows it keeps some,
    evenly spaced on a logarithmic scale. `score` is the margin where every gene has a decoy, else
    the score. `genes` and `decoys` count the (tumor, gene) pairs and decoys at or above it;
    `estimated_false`, at most `genes`, and `q_decoy` are those of `decoy_q_values`, NaN without
    decoys.
    """
    whole = _whole_curve(_wins(scores))
    if len(whole) <= CURVE_ROWS:
        return whole
    rows = np.unique(np.geomspace(1, len(whole), CURVE_ROWS).round().astype(int)) - 1
    return whole.iloc[rows].reset_index(drop=True)


def smallest_q_decoy(scores: Scores, *, level: float = 0.05) -> DecoyResolution:
    """The q_decoy of the best set of genes if no decoy were in it.

    The best set is the largest one with the lowest q_decoy. If even this value exceeds `level`,
    there are too few decoys to call so few genes. Without any decoy, or if no pair stands above
    its own, the value is NaN, and `too_few_decoys` is false.
    """
    wins = _wins(scores)
    curve = _whole_curve(wins)
    called = curve.loc[curve["q_decoy"] == curve["q_decoy"].min(), "genes"].max()
    smallest = float(wins.genes_per_decoy / called)
    return DecoyResolution(smallest, too_few_decoys=smallest > level)


def called_interval(scores: Scores, rng: np.random.Generator, *, level: float) -> CalledInterval:
    """How many pairs would be called with other draws of the decoys, at a threshold of q_decoy.

    The decoys are drawn anew with replacement, each with its scores in all tumors, and counted
    against the same genes.

    Parameters
    ----------
    rng : Generator
        Draws the bootstraps.
    """
    wins = _wins(scores)
    n_decoys = len(scores.decoy_gene)
    if not n_decoys:
        return CalledInterval(np.nan, np.nan)
    genes = np.sort(wins.gene[~np.isnan(wins.gene)])
    tumor, decoy = np.nonzero(~np.isnan(wins.decoy))
    order = np.argsort(wins.decoy[tumor, decoy], kind="stable")
    values, decoy = wins.decoy[tumor, decoy][order], decoy[order]
    threshold = np.unique(genes)
    n_genes = len(genes) - np.searchsorted(genes, threshold)
    first = np.searchsorted(values, threshold)
    called = []
    for _ in range(N_BOOTSTRAPS):
        weight = np.bincount(rng.integers(0, n_decoys, n_decoys), minlength=n_decoys)
        at_least = np.append(np.cumsum(weight[decoy][::-1])[::-1], 0)[first]
        false = np.minimum(n_genes, (1 + at_least) * wins.genes_per_decoy)
        called.append(n_genes[false / n_genes <= level].max(initial=0))
    return CalledInterval(*np.quantile(called, INTERVAL, method="nearest").astype(float))


def decoys_in_top(gene_scores: np.ndarray, decoy_scores: np.ndarray, *, k: int = 20) -> np.ndarray:
    """(tumors,) float64: places that decoys take among each tumor's top k, an upper bound.

    It is the number of decoys among the top k of genes and decoys together, times G/D. It bounds
    the false genes there from above: the decoy of a gene that matters carries the values of that
    gene, so it ranks higher than a gene that does not matter. It is about the order of the genes,
    not about the called ones, whose false share `decoy_q_values` estimates. Of equal scores, decoys
    come first. NaN for a tumor without scores, and without decoys.

    Parameters
    ----------
    gene_scores : (tumors, genes) float
    decoy_scores : (tumors, decoys) float
        Of the present decoys, which differ from their genes in what the networks learned alone.
    """
    n_decoys, n_genes = decoy_scores.shape[1], gene_scores.shape[1]
    both = np.concatenate([decoy_scores, gene_scores], axis=1)
    top = np.argsort(-both, axis=1, kind="stable")[:, :k]
    false = (top < n_decoys).sum(axis=1) * (n_genes / n_decoys if n_decoys else np.nan)
    return np.where(np.isnan(both).any(axis=1), np.nan, false)


class _Wins(NamedTuple):
    """Values by which genes and decoys are counted, NaN where one does not count.

    `genes_per_decoy` is the number of genes for which one decoy stands.
    """

    gene: np.ndarray
    decoy: np.ndarray
    genes_per_decoy: float


def _wins(scores: Scores) -> _Wins:
    if scores.is_paired:
        margin = scores.margin
        decoy = np.where(margin < 0, -margin, np.nan)[..., scores.decoy_gene]
        return _Wins(np.where(margin > 0, margin, np.nan), decoy, 1.0)
    n_genes, n_decoys = scores.gene.shape[-1], len(scores.decoy_gene)
    return _Wins(scores.gene, scores.decoy, n_genes / n_decoys if n_decoys else np.nan)


def _whole_curve(wins: _Wins) -> pd.DataFrame:
    """`decoy_curve` with all rows; the minimum of a q-value over s' lies at the score of a gene."""
    genes = np.sort(wins.gene[~np.isnan(wins.gene)])
    decoys = np.sort(wins.decoy[~np.isnan(wins.decoy)])
    score = np.unique(genes)[::-1]
    n_genes = len(genes) - np.searchsorted(genes, score)
    n_decoys = len(decoys) - np.searchsorted(decoys, score)
    false = np.minimum(n_genes, (1 + n_decoys) * wins.genes_per_decoy)
    q_decoy = np.minimum.accumulate((false / n_genes)[::-1])[::-1]
    table = {"score": score, "genes": n_genes, "decoys": n_decoys}
    return pd.DataFrame(table | {"estimated_false": false, "q_decoy": q_decoy})
