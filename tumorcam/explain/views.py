"""The two views of a saliency map, own and contrast, and the names of methods and rankings."""

import functools
from typing import NamedTuple

import numpy as np

from tumorcam.cohort.layout import GeneLayout

VIEWS = ("own", "contrast")
CACHED_SAMPLES = 8  # whose views are made at once
METHOD_NAMES = {
    "guided_grad_cam": "Guided Grad-CAM",
    "guided_backprop": "Guided backpropagation",
    "gradient_x_input": "Gradient × input",
    "grad_cam": "Grad-CAM",
    "gradient": "Gradient",
    "integrated_gradients": "Integrated gradients",
    "smooth_grad": "SmoothGrad",
    "guided_gradient": "Guided gradient",
    "guided_grad_cam_shared": "Guided Grad-CAM, shared map",
}
# The gradient of a logit by an activation times the activation is in logits, so Grad-CAM is too.
UNITS = {
    "guided_grad_cam": "logits² per training SD",
    "guided_backprop": "logits per training SD",
    "gradient_x_input": "logits",
    "grad_cam": "logits",
    "gradient": "logits per training SD",
    "integrated_gradients": "logits",
    "smooth_grad": "logits per training SD",
    "guided_gradient": "logits per training SD",
    "guided_grad_cam_shared": "logits² per training SD",
}


class Views(NamedTuple):
    """Own and contrast values of a batch, on one scale a sample.

    `own`, `contrast` (samples, genes + decoys) float32, dimensionless; `scale` (samples,) float32,
    0 where all maps are zero.
    """

    own: np.ndarray
    contrast: np.ndarray
    scale: np.ndarray


def method_name(method: str) -> str:
    """The method as a reader knows it."""
    return METHOD_NAMES.get(method, method)


def own_and_contrast(genes: np.ndarray, *, n_genes: int) -> Views:
    """The two views of SCIENCE: own minus its median gene, own minus the mean of the rivals.

    Parameters
    ----------
    genes : (samples, 1 + rivals, genes + decoys) float32
        Maps at the pixels of genes and decoys, own target first.
    n_genes : int
        Decoys come after so many genes; they count neither in the scale nor in the median.

    Notes
    -----
    All maps of a sample are divided by one scale, the mean |S| over genes and maps: dividing each
    by its own would break the symmetry of the contrast under the null.
    """
    scale = np.abs(genes[:, :, :n_genes]).mean(axis=(1, 2), dtype=np.float64).astype(np.float32)
    divisor = np.where(scale == 0, 1, scale)[:, np.newaxis]
    own = genes[:, 0] / divisor
    rivals = functools.reduce(np.add, genes[:, 1:].swapaxes(0, 1)) / (genes.shape[1] - 1) / divisor
    return Views(own - medians(own[:, :n_genes]), own - rivals, scale)


def gene_views(maps: np.ndarray, gene_layout: GeneLayout) -> Views:
    """Views of maps (samples, targets, rows, columns), a few samples at a time for the cache."""
    flat = maps.reshape(*maps.shape[:2], -1)
    parts = [
        own_and_contrast(
            np.take(flat[i : i + CACHED_SAMPLES], gene_layout.pixel, axis=2),
            n_genes=gene_layout.n_genes,
        )
        for i in range(0, len(flat), CACHED_SAMPLES)
    ]
    return Views(*map(np.concatenate, zip(*parts, strict=True)))


def medians(values: np.ndarray) -> np.ndarray:
    """(rows, 1) medians of (rows, columns), in an eighth of the time of `np.median`."""
    middle = values.shape[1] // 2
    parted = np.partition(values, middle, axis=1)
    upper = parted[:, middle : middle + 1]
    lower = upper if values.shape[1] % 2 else parted[:, :middle].max(axis=1, keepdims=True)
    return (lower + upper) / 2
