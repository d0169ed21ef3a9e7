"""Standardised expression as square images, and images back as genes."""

from dataclasses import dataclass

import numpy as np

from tumorcam.cohort.layout import GeneLayout


@dataclass(frozen=True)
class Scaler:
    """Mean and SD of each gene over training samples: `mean`, `sd` (genes,) float32."""

    mean: np.ndarray
    sd: np.ndarray

    def standardise(self, expression: np.ndarray) -> np.ndarray:
        """(samples, genes) float32 in units of the training SD."""
        return ((expression - self.mean) / self.sd).astype(np.float32, copy=False)


def fit_scaler(expression: np.ndarray) -> Scaler:
    """The scaler of training samples; a constant gene gets SD 1 and so the value 0.

    Parameters
    ----------
    expression : (samples, genes) float32
        log2(x + 1), training samples only.
    """
    mean = expression.mean(axis=0, dtype=np.float64)
    sd = expression.std(axis=0, dtype=np.float64)
    constant = sd <= 1e-6 * np.maximum(1.0, np.abs(mean))  # float32 rounding of equal values
    return Scaler(mean.astype(np.float32), np.where(constant, 1.0, sd).astype(np.float32))


def place_genes(features: np.ndarray, layout: GeneLayout) -> np.ndarray:
    """Images of genes and decoys; left-over pixels are 0.

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
    """The inverse of `place_genes`: (samples, genes + decoys) of (samples, rows, columns[, 1])."""
    return images.reshape(len(images), -1)[:, layout.pixel]
