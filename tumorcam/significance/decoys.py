"""The false discovery rate that decoys measure."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

CURVE_ROWS = 500  # of a decoy curve, at most


@dataclass(frozen=True)
class DecoyResolution:
    """The smallest q_decoy that these decoys allow, and whether it is too large to call genes."""

    smallest_q_decoy: float
    too_few_decoys: bool


def decoy_q_values(gene_scores: np.ndarray, decoy_scores: np.ndarray) -> np.ndarray:
    """False discovery rate of the genes at or above each gene's score, measured on decoys.

    With G genes and D decoys in each tumor, all (tumor, gene) pairs counted together,
    q(s) = min over s' ≤ s of min(1, (1 + #{decoys ≥ s'}) / #{genes ≥ s'} · G/D).

    Parameters
    ----------
    gene_scores : (tumors, genes) float
        NaN (a tumor without patients) is left out and stays NaN.
    decoy_scores : (tumors, decoys) float

    Returns
    -------
    (tumors, genes) float64
        From 0 to 1, never smaller at a lower score; all NaN without decoys.

    References
    ----------
    Elias & Gygi 2007, doi:10.1038/nmeth1019.
    """
    upwards = _whole_curve(gene_scores, decoy_scores)[::-1]
    has_score = ~np.isnan(gene_scores)
    position = np.searchsorted(upwards["score"].to_numpy(), gene_scores[has_score])
    q_decoy = np.full(gene_scores.shape, np.nan)
    q_decoy[has_score] = upwards["q_decoy"].to_numpy()[position]
    return q_decoy


def decoy_curve(gene_scores: np.ndarray, decoy_scores: np.ndarray) -> pd.DataFrame:
    """Numbers of called and of estimated false pairs, from the highest score down.

    The table has a row for each distinct score of a gene. Of more than 500 rows it keeps some,
    evenly spaced on a logarithmic scale. `genes` and `decoys` count (tumor, gene) pairs at or above
    `score`; `estimated_false` is (1 + decoys) · G/D, at most `genes`. It and `q_decoy` are NaN
    without decoys. Parameters are as in `decoy_q_values`.
    """
    whole = _whole_curve(gene_scores, decoy_scores)
    if len(whole) <= CURVE_ROWS:
        return whole
    rows = np.unique(np.geomspace(1, len(whole), CURVE_ROWS).round().astype(int)) - 1
    return whole.iloc[rows].reset_index(drop=True)


def smallest_q_decoy(
    gene_scores: np.ndarray, decoy_scores: np.ndarray, *, level: float = 0.05
) -> DecoyResolution:
    """The q_decoy of the best set of genes if no decoy were in it: (G/D) / genes.

    The best set is the largest one with the lowest q_decoy. If even this value exceeds `level`,
    there are too few decoys to call so few genes. Without any decoy the rate is unknown: the value
    is NaN, and `too_few_decoys` is false. Parameters are as in `decoy_q_values`.
    """
    curve = _whole_curve(gene_scores, decoy_scores)
    called = curve.loc[curve["q_decoy"] == curve["q_decoy"].min(), "genes"].max()
    smallest = float(_genes_per_decoy(gene_scores, decoy_scores) / called)
    return DecoyResolution(smallest, too_few_decoys=smallest > level)


def decoys_in_top(gene_scores: np.ndarray, decoy_scores: np.ndarray, *, k: int = 20) -> np.ndarray:
    """(tumors,) float64: false genes expected in each tumor's top k.

    It is the number of decoys among the top k of genes and decoys together, times G/D. Of equal
    scores, decoys come first. NaN for a tumor without scores, and without decoys. Parameters are as
    in `decoy_q_values`.
    """
    both = np.concatenate([decoy_scores, gene_scores], axis=1)
    top = np.argsort(-both, axis=1, kind="stable")[:, :k]
    n_decoys = (top < decoy_scores.shape[1]).sum(axis=1)
    false = n_decoys * _genes_per_decoy(gene_scores, decoy_scores)
    return np.where(np.isnan(both).any(axis=1), np.nan, false)


def _whole_curve(gene_scores: np.ndarray, decoy_scores: np.ndarray) -> pd.DataFrame:
    """`decoy_curve` with all rows; the minimum of a q-value over s' lies at the score of a gene."""
    genes = np.sort(gene_scores[~np.isnan(gene_scores)])
    decoys = np.sort(decoy_scores[~np.isnan(decoy_scores)])
    score = np.unique(genes)[::-1]
    n_genes = len(genes) - np.searchsorted(genes, score)
    n_decoys = len(decoys) - np.searchsorted(decoys, score)
    false = np.minimum(n_genes, (1 + n_decoys) * _genes_per_decoy(gene_scores, decoy_scores))
    q_decoy = np.minimum.accumulate((false / n_genes)[::-1])[::-1]
    table = {"score": score, "genes": n_genes, "decoys": n_decoys}
    return pd.DataFrame(table | {"estimated_false": false, "q_decoy": q_decoy})


def _genes_per_decoy(gene_scores: np.ndarray, decoy_scores: np.ndarray) -> float:
    n_decoys = decoy_scores.shape[1]
    return gene_scores.shape[1] / n_decoys if n_decoys else np.nan
