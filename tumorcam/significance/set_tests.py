"""Tests of gene sets on one tumor's ranking: over-representation and prerank (GSEA)."""

import contextlib
import importlib
import importlib.util
import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from tumorcam.errors import ConfigError

HALF = 0.5  # added to each cell of the table, so that no odds ratio is infinite
WEIGHT = 1.0  # exponent of the score in GSEA's running sum, its usual value


class OverRepresentation(NamedTuple):
    """Learned genes in each set: `overlap` (sets,) int; `odds_ratio`, `p_value` (sets,) float64."""

    overlap: np.ndarray
    odds_ratio: np.ndarray
    p_value: np.ndarray


class Prerank(NamedTuple):
    """GSEA on a ranked list, for each set.

    `nes` (normalised enrichment score), `p_value` and `fdr` are (sets,) float64, NaN where a set
    cannot be tested. `leading` are the indices of the leading genes of each set, the one that
    stands furthest out first.
    """

    nes: np.ndarray
    p_value: np.ndarray
    fdr: np.ndarray
    leading: list[np.ndarray]


def require_gseapy() -> None:
    """Check that gseapy is installed.

    Raises
    ------
    ConfigError
        If it is not.
    """
    if importlib.util.find_spec("gseapy") is None:
        msg = (
            "`tumorcam enrich` needs the package gseapy, which is not installed; run "
            "python -m pip install 'gseapy>=1.1'"
        )
        raise ConfigError(msg)


def over_representation(
    is_learned: np.ndarray, members: Sequence[np.ndarray]
) -> OverRepresentation:
    """Whether each set has more learned genes than chance would give it.

    Parameters
    ----------
    is_learned : (genes,) bool
        Over the background, that is all genes that could be learned.
    members : sequence of (genes in the set,) int
        Indices in the background, each once.

    Notes
    -----
    Of N genes n are learned and m are in the set. The p-value is the chance that n genes drawn at
    random have as many of the set as were learned, x, or more: the upper tail of the hypergeometric
    distribution. The odds ratio is x (N - m - n + x) / ((m - x) (n - x)), with 0.5 added to each of
    the four numbers.

    References
    ----------
    Rivals et al. 2007, doi:10.1093/bioinformatics/btl633; Haldane 1956,
    doi:10.1111/j.1469-1809.1955.tb01285.x (the 0.5).
    """
    size = np.array([len(genes) for genes in members], dtype=int)
    overlap = np.array([int(is_learned[genes].sum()) for genes in members], dtype=int)
    n_genes, n_learned = len(is_learned), int(is_learned.sum())
    p_value = hypergeom.sf(overlap - 1, n_genes, size, n_learned)
    inside = (overlap + HALF) / (size - overlap + HALF)
    outside = (n_learned - overlap + HALF) / (n_genes - size - n_learned + overlap + HALF)
    return OverRepresentation(overlap, inside / outside, np.asarray(p_value, dtype=float))


def prerank(
    score: np.ndarray, members: Sequence[np.ndarray], *, permutations: int, seed: int
) -> Prerank:
    """Whether the genes of each set stand together at either end of a ranking, by gseapy.

    Genes of equal score stand in their given order. The result depends on the seed, and neither on
    the machine nor on the order of the sets.

    Parameters
    ----------
    score : (genes,) float
        Without NaN.
    members : sequence of (genes in the set,) int
        Indices of the genes, each once.
    permutations : int
        Number of permutations of the genes. A p-value or FDR is at least 1 / (permutations + 1),
        the smallest that they can show; gseapy gives 0 there.
    seed : int
        Of the permutations, from 0 to 2^31 - 1.

    References
    ----------
    Subramanian et al. 2005, doi:10.1073/pnas.0506580102; Fang et al. 2023,
    doi:10.1093/bioinformatics/btac757; Phipson & Smyth 2010, doi:10.2202/1544-6115.1585 (no
    p-value is 0).
    """
    require_gseapy()
    nes, p_value, fdr = np.full((3, len(members)), np.nan)
    leading = [np.zeros(0, dtype=int) for _ in members]
    order = np.argsort(-score, kind="stable")
    usable = {f"S{i}": genes for i, genes in enumerate(members) if 0 < len(genes) < len(score)}
    if not usable or np.ptp(score) == 0:
        return Prerank(nes, p_value, fdr, leading)
    ranked = pd.DataFrame({"gene": [f"G{i}" for i in order], "score": score[order].astype(float)})
    tokens = {name: [f"G{i}" for i in np.sort(genes)] for name, genes in usable.items()}
    with contextlib.redirect_stderr(io.StringIO()):  # it warns of equal scores
        result = (
            importlib.import_module("gseapy")
            .prerank(
                rnk=ranked,
                gene_sets=tokens,
                outdir=None,
                no_plot=True,
                min_size=1,
                max_size=len(score),
                permutation_num=permutations,
                weight=WEIGHT,
                ascending=None,
                threads=1,
                seed=seed,
            )
            .res2d
        )
    smallest = 1 / (permutations + 1)
    for row in result.to_dict("records"):
        i = int(row["Term"].removeprefix("S"))
        nes[i] = row["NES"]
        p_value[i] = max(float(row["NOM p-val"]), smallest)
        fdr[i] = max(float(row["FDR q-val"]), smallest)
        leading[i] = np.array(
            [int(gene.removeprefix("G")) for gene in str(row["Lead_genes"]).split(";") if gene],
            dtype=int,
        )
    is_tested = np.isfinite(nes)
    p_value[~is_tested], fdr[~is_tested], nes[~is_tested] = np.nan, np.nan, np.nan
    return Prerank(nes, p_value, fdr, leading)
