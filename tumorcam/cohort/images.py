"""Standardised expression as square images, and the genes' values back from images."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tumorcam.cluster.ahead import ahead
from tumorcam.cohort.layout import GeneLayout

BLOCK = 256  # samples that are read at once


class SampleValues(Protocol):
    """Values of samples, such as an array (samples, columns), or what reads them from disk."""

    def __len__(self) -> int:
        """Number of samples."""

    def __getitem__(self, samples: slice, /) -> np.ndarray:
        """(samples, columns): neighbouring samples."""


def sample_blocks(n_samples: int, size: int = BLOCK) -> Iterator[slice]:
    """Slices of at most `size` neighbouring samples that make up all samples."""
    return (slice(i, min(i + size, n_samples)) for i in range(0, n_samples, size))


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of each gene over the training samples of a model.

    Attributes
    ----------
    mean, sd : (genes,) float32
        In log2(x + 1).
    """

    mean: np.ndarray
    sd: np.ndarray

    def standardise(self, expression: np.ndarray) -> np.ndarray:
        """(samples, genes) float32: deviation from the training mean, in training SDs."""
        return ((expression - self.mean) / self.sd).astype(np.float32, copy=False)

    def of(self, genes: np.ndarray) -> "Scaler":
        """The scaler of some genes, of which one may occur several times."""
        return Scaler(self.mean[genes], self.sd[genes])


def fit_scaler(expression: SampleValues) -> Scaler:
    """The scaler of some training samples, which are read twice, block by block.

    The SD of a constant gene is set to 1, so that its standardised value is 0.

    Parameters
    ----------
    expression : (samples, genes) float32
        log2(x + 1), training samples only.
    """
    mean = _mean(expression, lambda block: block)
    sd = np.sqrt(_mean(expression, lambda block: np.square(block - mean)))
    is_constant = sd <= 1e-6 * np.maximum(1.0, np.abs(mean))  # float32 rounding of equal values
    return Scaler(mean.astype(np.float32), np.where(is_constant, 1.0, sd).astype(np.float32))


def _mean(expression: SampleValues, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """(genes,) float64 means of a function of the values, with the bits of `ndarray.mean`.

    Each block is added to the sum so far one sample after the other, as numpy adds along axis 0.
    """
    total = np.empty((0, 0))
    parts = ahead(lambda rows: function(expression[rows]), sample_blocks(len(expression)))
    for values in parts:
        rows = np.vstack([total, values]) if total.size else values
        total = rows.sum(axis=0, dtype=np.float64, keepdims=True)
    return np.asarray(total[0] / len(expression))


def standardised_features(
    expression: np.ndarray, decoy_expression: np.ndarray | None, scaler: Scaler, layout: GeneLayout
) -> np.ndarray:
    """Standardised values of genes and decoys, (samples, genes + decoys) float32.

    Parameters
    ----------
    expression : (samples, genes) float32
        log2(x + 1).
    decoy_expression : (samples, decoys) float32, or None
        That of the decoys; None gives each decoy the true value of its gene. Decoys have the scaler
        of their gene.
    """
    genes = scaler.standardise(expression)
    if decoy_expression is None:
        decoys = genes[:, layout.decoy_gene]
    else:
        decoys = scaler.of(layout.decoy_gene).standardise(decoy_expression)
    return np.hstack([genes, decoys])


def features_without_decoys(
    expression: np.ndarray, scaler: Scaler, layout: GeneLayout
) -> np.ndarray:
    """As `standardised_features`, with all decoys at 0, their mean in training.

    So samples are classified: a decoy says nothing about the tumor, whichever value it has.
    """
    genes = scaler.standardise(expression)
    return np.hstack([genes, np.zeros((len(genes), len(layout.decoy_gene)), dtype=np.float32)])


def place_genes(features: np.ndarray, layout: GeneLayout) -> np.ndarray:
    """Images with the value of each gene and decoy on its pixel; all other pixels are 0.

    Parameters
    ----------
    features : (samples, genes + decoys) float32
        Standardised values, in the order of `layout.pixel`.

    Returns
    -------
    (samples, rows, columns, 1) float32
    """
    flat = np.zeros((len(features), layout.side**2), dtype=np.float32)
    flat[:, layout.pixel] = features
    return flat.reshape(-1, layout.side, layout.side, 1)


def pick_genes(images: np.ndarray, layout: GeneLayout) -> np.ndarray:
    """(samples, genes + decoys): the pixels of genes and decoys; the inverse of `place_genes`.

    Parameters
    ----------
    images : (samples, rows, columns) or (samples, rows, columns, 1) float
    """
    return images.reshape(len(images), -1)[:, layout.pixel]
