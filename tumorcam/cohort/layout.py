"""Layouts: the pixels of the genes and decoys on a square image."""

import math
from dataclasses import dataclass

import numpy as np
import scipy  # whose modules are imported at their first use: they take a second

from tumorcam.errors import CohortError, ConfigError, ModelError, quoted
from tumorcam.readers.wording import plain
from tumorcam.storage.stored_values import StoredValues

CORRELATED_VALUES = 2**26  # values of genes that are correlated with others at once: 256 MiB
MAX_REDRAWS = 1000  # of decoys beside the gene that they copy: at first 8 * decoys / genes


@dataclass(frozen=True)
class GeneLayout:
    """The pixels of the genes and decoys on a square image.

    Attributes
    ----------
    side : int
        Rows and columns of the image, pixels.
    pixel : (genes + decoys,) int32
        Row-major pixel of each gene and, after the genes, of each decoy.
    decoy_gene : (decoys,) int32
        The gene that each decoy copies.
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
        """(genes + decoys,) int: the gene whose expression stands on each pixel of `pixel`."""
        return np.concatenate([np.arange(self.n_genes), self.decoy_gene])


def image_side(n_features: int) -> int:
    """Side, in pixels, of the smallest square that holds so many genes and decoys."""
    return math.isqrt(max(n_features - 1, 0)) + 1


def choose_decoys(
    genes: np.ndarray,
    *,
    decoys: str,
    decoy_genes: tuple[str, ...],
    rng: np.random.Generator,
) -> np.ndarray:
    """(decoys,) int32: ascending indices of the genes that are placed a second time as decoys.

    Parameters
    ----------
    genes : (genes,) str
        Names of the genes.
    decoys : str
        "all", "none" or a share of the genes, such as "0.25".
    decoy_genes : tuple of str
        Names of the genes that get a decoy. If there are any, none is drawn at random.

    Raises
    ------
    ConfigError
        If `decoys` is neither "all" nor "none" nor a number from 0 to 1.
    CohortError
        If one of `decoy_genes` is not among the genes.
    """
    if decoy_genes:
        missing = sorted(set(decoy_genes) - set(genes.tolist()))
        if missing:
            msg = (
                f"layout.decoy_genes names {len(missing)} genes that the cohort did not keep "
                f"(first: {plain(missing[0])}); raise cohort.genes or take them out of the list"
            )
            raise CohortError(msg)
        return np.flatnonzero(np.isin(genes, decoy_genes)).astype(np.int32)
    n_decoys = math.ceil(len(genes) * _decoy_share(decoys))
    return np.sort(rng.choice(len(genes), n_decoys, replace=False)).astype(np.int32)


def coexpression_tree(expression: StoredValues) -> np.ndarray:
    """Average-linkage tree of the genes by their correlation.

    The distance of two genes is 1 - Pearson correlation over all samples. All replicates use the
    same tree. Time and memory grow with the square of the number of genes: 0.5 s for 2,000 genes,
    20 s and 1.8 GB for 11,449 genes (two cores, 5,000 samples). Memory does not grow with samples.

    Parameters
    ----------
    expression : StoredValues
        (genes, samples), log2(x + 1); no labels are used. A constant gene counts as uncorrelated
        with all others.

    Returns
    -------
    (genes - 1, 4) float64
        In the form of `scipy.cluster.hierarchy.linkage`.
    """
    n_genes, n_samples = expression.shape
    if n_genes == 1:
        return np.empty((0, 4))
    correlation = np.empty((n_genes, n_genes), np.float32)
    step = max(1, CORRELATED_VALUES // n_samples)
    bands = [slice(start, min(start + step, n_genes)) for start in range(0, n_genes, step)]
    for i, first in enumerate(bands):
        unit = _unit_rows(expression.block(first))
        correlation[first, first] = unit @ unit.T
        for second in bands[i + 1 :]:
            correlation[first, second] = unit @ _unit_rows(expression.block(second)).T
            correlation[second, first] = correlation[first, second].T
    pairs = scipy.spatial.distance.squareform(
        correlation, checks=False
    )  # (genes * (genes - 1) / 2,)
    return scipy.cluster.hierarchy.linkage(np.clip(1.0 - pairs, 0, 2), "average")


def _unit_rows(values: np.ndarray) -> np.ndarray:
    """(genes, samples) float32: rows of mean 0 and length 1; a constant row is 0."""
    unit = values - values.mean(axis=1, keepdims=True)
    constant = np.ptp(values, axis=1) == 0  # their deviations may be rounding errors
    unit[constant] = 0
    unit /= np.where(constant, 1, np.linalg.norm(unit, axis=1))[:, np.newaxis]
    return unit


def random_layout(n_genes: int, decoy_gene: np.ndarray, rng: np.random.Generator) -> GeneLayout:
    """A layout in which every gene and decoy stands on a pixel of its own, drawn at random.

    Parameters
    ----------
    decoy_gene : (decoys,) int32
        The gene that each decoy copies.
    """
    n_features = n_genes + len(decoy_gene)
    side = image_side(n_features)
    pixel = rng.permutation(side * side)[:n_features]
    return GeneLayout(side, pixel.astype(np.int32), decoy_gene)


def variance_layout(
    variance: np.ndarray, decoy_gene: np.ndarray, rng: np.random.Generator
) -> GeneLayout:
    """A layout of rows in which the genes run from the most to the least variable one.

    Genes of equal variance keep their order. Each decoy follows a gene drawn at random, but never
    stands beside the gene that it copies.

    Parameters
    ----------
    variance : (genes,) float64
        Over all samples; no labels are used.
    decoy_gene : (decoys,) int32
        The gene that each decoy copies.

    Raises
    ------
    CohortError
        If the image is too small for the decoys to stand apart from the genes that they copy.
    """
    return _row_layout(np.argsort(-variance, kind="stable"), decoy_gene, rng)


def chromosome_layout(
    order: np.ndarray, decoy_gene: np.ndarray, rng: np.random.Generator
) -> GeneLayout:
    """A layout of rows in which the genes run in the order of the chromosomes.

    Each decoy follows a gene drawn at random, but never stands beside the gene that it copies.

    Parameters
    ----------
    order : (genes,) int
        Indices of the genes, from `annotation.chromosome_order`.
    decoy_gene : (decoys,) int32
        The gene that each decoy copies.

    Raises
    ------
    CohortError
        If the image is too small for the decoys to stand apart from the genes that they copy.

    References
    ----------
    Lyu & Haque 2018, doi:10.1145/3233547.3233588.
    """
    return _row_layout(order, decoy_gene, rng)


def coexpression_layout(
    tree: np.ndarray, decoy_gene: np.ndarray, rng: np.random.Generator
) -> GeneLayout:
    """A layout along a Hilbert curve in which genes of similar expression stand close together.

    The genes come in the order of the leaves of a tree whose forks are each flipped by a fair coin.
    Each decoy follows a gene drawn at random, but never stands beside the gene that it copies.

    Parameters
    ----------
    tree : (genes - 1, 4) float64
        From `coexpression_tree`.
    decoy_gene : (decoys,) int32
        The gene that each decoy copies.

    Raises
    ------
    CohortError
        If the image is too small for the decoys to stand apart from the genes that they copy.
    """
    side = image_side(len(tree) + 1 + len(decoy_gene))
    return _curve_layout(flipped_leaves(tree, rng), hilbert_curve(side), decoy_gene, rng)


def spread_out(layout: GeneLayout, spacing: int) -> GeneLayout:
    """The layout on an image `spacing` times as wide and high, with empty pixels between genes."""
    rows, columns = np.divmod(layout.pixel, layout.side)
    side = layout.side * spacing
    return GeneLayout(side, (rows * side + columns) * np.int32(spacing), layout.decoy_gene)


def flipped_leaves(tree: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(leaves,) int: the leaves of a tree from left to right; a fair coin flips each of its forks.

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

    The curve fills the square whose side is the next power of two. What lies outside the
    image is left out, so that some steps of the curve jump.

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


def _row_layout(order: np.ndarray, decoy_gene: np.ndarray, rng: np.random.Generator) -> GeneLayout:
    """The genes in the given order along the rows, the decoys after genes drawn at random."""
    side = image_side(len(order) + len(decoy_gene))
    return _curve_layout(order, np.arange(side * side), decoy_gene, rng)


def _curve_layout(
    order: np.ndarray, curve: np.ndarray, decoy_gene: np.ndarray, rng: np.random.Generator
) -> GeneLayout:
    """The genes in the given order along a curve, the decoys after genes drawn at random.

    Parameters
    ----------
    order : (genes,) int
        Indices of the genes.
    curve : (side * side,) int
        Row-major pixels of the image in the order of the curve.
    """
    n_genes, side = len(order), math.isqrt(len(curve))
    rank = np.argsort(order, kind="stable").astype(float)
    host = rng.integers(0, n_genes, len(decoy_gene))
    for _ in range(MAX_REDRAWS):
        position = np.concatenate([rank, host + 0.5])
        pixel = curve[np.argsort(np.argsort(position, kind="stable"), kind="stable")]
        layout = GeneLayout(side, pixel.astype(np.int32), decoy_gene)
        is_beside = beside_own_gene(layout)
        if not is_beside.any():
            return layout
        host[is_beside] = rng.integers(0, n_genes, is_beside.sum())  # the others moved little
    msg = (
        f"{len(decoy_gene)} decoys of {n_genes} genes cannot all stand apart from the genes that "
        "they copy; lower layout.decoys, keep more genes, or set layout.kind to random"
    )
    raise CohortError(msg)


def beside_own_gene(layout: GeneLayout) -> np.ndarray:
    """(decoys,) bool: True for a decoy on one of the eight pixels around its own gene."""
    own = np.stack(np.divmod(layout.pixel[layout.decoy_gene], layout.side))
    decoy = np.stack(np.divmod(layout.pixel[layout.n_genes :], layout.side))
    return np.abs(own - decoy).max(axis=0) <= 1


def require_reachable(layout: GeneLayout, reachable: np.ndarray, names: np.ndarray) -> None:
    """Check that every gene and decoy stands on a pixel that can reach the network's output.

    Parameters
    ----------
    reachable : (rows, columns) or (pixels,) bool
        From `shapes.reachable_pixels`.
    names : (genes,) str
        Names of the genes.

    Raises
    ------
    ModelError
        If the network cannot see a gene or decoy.
    """
    is_blind = ~reachable.ravel()[layout.pixel]
    if is_blind.any():
        example = names[layout.source_gene[is_blind][0]]
        msg = (
            f"the network cannot see {is_blind.sum()} of {len(is_blind)} genes and decoys, such as "
            f'{example}; set model.padding = "same" or use fewer poolings'
        )
        raise ModelError(msg)


def _decoy_share(decoys: str) -> float:
    """The share of the genes that get a decoy, from 0 to 1."""
    try:
        share = float({"none": "0", "all": "1"}.get(decoys, decoys))
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        msg = f"layout.decoys = {quoted(decoys)}; wanted all, none or a share from 0 to 1"
        raise ConfigError(msg)
    return share
