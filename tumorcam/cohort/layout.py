"""The map from genes and decoys to the pixels of a square image."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from tumorcam.errors import CohortError, ConfigError, ModelError

MIN_DECOY_SHARE = 0.1  # SCIENCE: D = G * min(1, max(0.1, 2 / tumors))
DECOYS_PER_TUMOR = 2.0
MAX_REDRAWS = 1000  # of the decoys beside their own gene: about 8 * decoys / genes at first


@dataclass(frozen=True)
class GeneLayout:
    """Where genes and decoys stand: `pixel` (genes + decoys,) int32, row-major, decoys last.

    `decoy_gene` (decoys,) int32 is the gene that each decoy copies.
    """

    side: int
    pixel: np.ndarray
    decoy_gene: np.ndarray

    @property
    def n_genes(self) -> int:
        """Number of genes, decoys not counted."""
        return len(self.pixel) - len(self.decoy_gene)

    @property
    def source_gene(self) -> np.ndarray:
        """(genes + decoys,) int: the gene whose value each placed feature carries."""
        return np.concatenate([np.arange(self.n_genes), self.decoy_gene])


def image_side(n_features: int) -> int:
    """Side of the smallest square that holds so many genes and decoys, in pixels."""
    return math.isqrt(max(n_features - 1, 0)) + 1


def choose_decoys(
    genes: np.ndarray,
    *,
    decoys: str,
    decoy_genes: tuple[str, ...],
    n_tumors: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Indices, ascending, of the genes that are placed a second time as decoys.

    Parameters
    ----------
    genes : (genes,) str
    decoys : str
        "auto", "none" or a share of the genes such as "0.3".
    decoy_genes : tuple of str
        Named genes; they replace the draw.

    Raises
    ------
    ConfigError
        If the share is no number from 0 to 1.
    CohortError
        If a named gene is not among the genes.
    """
    if decoy_genes:
        missing = sorted(set(decoy_genes) - set(genes.tolist()))
        if missing:
            msg = (
                f"layout.decoy_genes names {len(missing)} genes that the cohort did not keep "
                f"(first: {missing[0]}); keep more genes or leave them out"
            )
            raise CohortError(msg)
        return np.flatnonzero(np.isin(genes, decoy_genes)).astype(np.int32)
    n_decoys = math.ceil(len(genes) * _decoy_share(decoys, n_tumors))
    return np.sort(rng.choice(len(genes), n_decoys, replace=False)).astype(np.int32)


def coexpression_tree(expression: np.ndarray) -> np.ndarray:
    """Average-linkage tree of the genes by 1 - Pearson correlation over all samples.

    It is made once for all replicates. Time and memory grow with the square of the genes: 0.5 s
    for 2,000 genes; 20 s and 1.8 GB for 11,449 (two cores, 5,000 samples).

    Parameters
    ----------
    expression : (samples, genes) float32
        log2(x + 1); no labels are used. A constant gene counts as uncorrelated with all others.

    Returns
    -------
    (genes - 1, 4) float64
        In the form of `scipy.cluster.hierarchy.linkage`.
    """
    n_genes = expression.shape[1]
    if n_genes == 1:
        return np.empty((0, 4))
    unit = expression - expression.mean(axis=0)
    constant = np.ptp(expression, axis=0) == 0  # their deviations may be rounding errors
    unit[:, constant] = 0
    unit /= np.where(constant, 1, np.linalg.norm(unit, axis=0))
    correlation = squareform(unit.T @ unit, checks=False)  # (genes * (genes - 1) / 2,)
    return hierarchy.linkage(np.clip(1.0 - correlation, 0, 2), "average")


def variance_order(variance: np.ndarray) -> np.ndarray:
    """(genes,) int: genes from the most variable down, ties in their own order.

    Parameters
    ----------
    variance : (genes,) float
        Over all samples; no labels are used.
    """
    return np.argsort(-variance, kind="stable")


def make_layout(
    kind: str,
    order: np.ndarray,
    decoy_gene: np.ndarray,
    rng: np.random.Generator,
    tree: np.ndarray | None = None,
) -> GeneLayout:
    """One replicate's layout, without gaps between genes.

    Parameters
    ----------
    kind : str
        "random": every gene and decoy on a pixel of its own at random; "variance" and
        "chromosome": genes row by row in the given order; "coexpression": genes as the tree's
        leaves, each of its forks flipped at random, along a Hilbert curve. In all but "random"
        each decoy follows a randomly drawn gene, but never beside its own.
    order : (genes,) int
        Indices of the genes, from `variance_order` or `annotation.chromosome_order`; of the other
        kinds only its length counts.
    decoy_gene : (decoys,) int32
    tree : (genes - 1, 4) float64, optional
        From `coexpression_tree`; needed by "coexpression" alone.

    Raises
    ------
    CohortError
        If the image is too small for decoys to stand apart from their gene.
    """
    n_features = len(order) + len(decoy_gene)
    side = image_side(n_features)
    if kind == "random":
        pixel = rng.permutation(side * side)[:n_features]
        return GeneLayout(side, pixel.astype(np.int32), decoy_gene)
    if kind in ("variance", "chromosome"):
        return _along_curve(order, np.arange(side * side), decoy_gene, rng)
    assert tree is not None, "write_cohort makes the tree"
    return _along_curve(flipped_leaves(tree, rng), hilbert_curve(side), decoy_gene, rng)


def spread_out(layout: GeneLayout, spacing: int) -> GeneLayout:
    """The layout on an image `spacing` times as wide, empty pixels between its genes."""
    rows, columns = np.divmod(layout.pixel, layout.side)
    side = layout.side * spacing
    return GeneLayout(side, (rows * side + columns) * np.int32(spacing), layout.decoy_gene)


def flipped_leaves(tree: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(leaves,) int: a tree's leaves from left to right, each fork flipped by a fair coin.

    Parameters
    ----------
    tree : (leaves - 1, 4) float64
        In the form of `scipy.cluster.hierarchy.linkage`.
    """
    n_leaves = len(tree) + 1
    forks = tree[:, :2].astype(np.int64)
    forks = np.where(rng.random((len(tree), 1)) < 0.5, forks, forks[:, ::-1])
    n_below = np.concatenate([np.ones(n_leaves), tree[:, 3]]).astype(np.int64)
    start = np.zeros(len(n_below), np.int64)  # position of each node's first leaf
    for fork in range(len(forks) - 1, -1, -1):
        left, right = forks[fork]
        start[left] = start[n_leaves + fork]
        start[right] = start[left] + n_below[left]
    return np.argsort(start[:n_leaves])


def hilbert_curve(side: int) -> np.ndarray:
    """(side * side,) int: row-major pixels of a square in the order of a Hilbert curve.

    The curve fills the next power of two and is cut to the square, so that some steps jump.

    References
    ----------
    Hilbert 1891, doi:10.1007/BF01199431.
    """
    visit = np.zeros((1, 1), np.int64)  # enters at the top left, leaves at the top right
    while len(visit) < side:
        n = visit.size
        last = visit[::-1, ::-1].T + 3 * n
        visit = np.block([[visit.T, last], [visit + n, visit + 2 * n]])
    return np.argsort(visit[:side, :side], axis=None)


def _along_curve(
    order: np.ndarray, curve: np.ndarray, decoy_gene: np.ndarray, rng: np.random.Generator
) -> GeneLayout:
    """Genes in their order along a curve of pixels, decoys inserted after random genes."""
    n_genes, side = len(order), math.isqrt(len(curve))
    rank = np.argsort(order, kind="stable").astype(float)
    host = rng.integers(0, n_genes, len(decoy_gene))
    for _ in range(MAX_REDRAWS):
        position = np.concatenate([rank, host + 0.5])
        pixel = curve[np.argsort(np.argsort(position, kind="stable"), kind="stable")]
        layout = GeneLayout(side, pixel.astype(np.int32), decoy_gene)
        beside = beside_own_gene(layout)
        if not beside.any():
            return layout
        host[beside] = rng.integers(0, n_genes, beside.sum())  # only these: others moved little
    msg = f"{len(decoy_gene)} decoys of {n_genes} genes cannot all stand apart from their own gene"
    raise CohortError(msg)


def beside_own_gene(layout: GeneLayout) -> np.ndarray:
    """(decoys,) bool: decoys on one of the eight pixels around the gene that they copy."""
    own = np.stack(np.divmod(layout.pixel[layout.decoy_gene], layout.side))
    decoy = np.stack(np.divmod(layout.pixel[layout.n_genes :], layout.side))
    return np.abs(own - decoy).max(axis=0) <= 1


def require_reachable(layout: GeneLayout, reachable: np.ndarray, names: np.ndarray) -> None:
    """Check that every gene and decoy stands on a pixel that can reach the network's output.

    Parameters
    ----------
    reachable : (rows, columns) bool
        From `model.reachable_pixels`.
    names : (genes,) str

    Raises
    ------
    ModelError
        If the network cannot see a gene.
    """
    blind = ~reachable.ravel()[layout.pixel]
    if blind.any():
        example = names[layout.source_gene[blind][0]]
        msg = (
            f"the network cannot see {blind.sum()} of {len(blind)} genes and decoys, such as "
            f'{example}; set model.padding = "same" or use fewer poolings'
        )
        raise ModelError(msg)


def _decoy_share(decoys: str, n_tumors: int) -> float:
    if decoys == "none":
        return 0.0
    if decoys == "auto":
        return min(1.0, max(MIN_DECOY_SHARE, DECOYS_PER_TUMOR / n_tumors))
    try:
        share = float(decoys)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        msg = f"layout.decoys = {decoys!r}; wanted auto, none or a share from 0 to 1"
        raise ConfigError(msg)
    return share
