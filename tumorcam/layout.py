"""The map from genes and decoys to the pixels of a square image."""

import math
from dataclasses import dataclass

import numpy as np

from tumorcam.errors import CohortError, ConfigError, ModelError

MIN_DECOY_SHARE = 0.1  # SCIENCE: D = G * min(1, max(0.1, 2 / tumors))
DECOYS_PER_TUMOR = 2.0


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


def make_layout(
    kind: str, variance: np.ndarray, decoy_gene: np.ndarray, rng: np.random.Generator
) -> GeneLayout:
    """One replicate's layout.

    Parameters
    ----------
    kind : str
        "random": every gene and decoy on a pixel of its own at random; "variance": genes row by
        row from the most variable down, each decoy after a randomly drawn gene but never beside
        its own.
    variance : (genes,) float
        Over all samples; no labels are used.
    decoy_gene : (decoys,) int32
    """
    n_genes, n_features = len(variance), len(variance) + len(decoy_gene)
    side = image_side(n_features)
    if kind == "random":
        pixel = rng.permutation(side * side)[:n_features]
        return GeneLayout(side, pixel.astype(np.int32), decoy_gene)
    order = np.argsort(-variance, kind="stable")
    for _ in range(100):  # a decoy lands beside its own gene with probability of about 8 / genes
        host = rng.integers(0, n_genes, len(decoy_gene))
        position = np.concatenate([np.argsort(order, kind="stable").astype(float), host + 0.5])
        pixel = np.argsort(np.argsort(position, kind="stable"), kind="stable")
        layout = GeneLayout(side, pixel.astype(np.int32), decoy_gene)
        if not beside_own_gene(layout).any():
            return layout
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
