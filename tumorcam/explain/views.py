"""The two views of a saliency map, own and contrast, and the names of methods and rankings."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tumorcam.cohort.layout import GeneLayout
from tumorcam.errors import ConfigError

VIEWS = ("own", "contrast")
CACHED_SAMPLES = 8  # whose maps fit in the cache of a CPU together
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

    `own` and `contrast` are (samples, genes + decoys) float32, dimensionless; `scale` is (samples,)
    float32, 0 where all maps of a sample are zero.
    """

    own: np.ndarray
    contrast: np.ndarray
    scale: np.ndarray


class RankingKey(NamedTuple):
    """A method and one of its two views, which together give one ranking of genes."""

    method: str
    view: str

    @property
    def name(self) -> str:
        """The key in files, METHOD/view, such as "gradient_x_input/contrast"."""
        return f"{self.method}/{self.view}"

    @property
    def title(self) -> str:
        """The name for readers, such as "Gradient × input, contrast"."""
        return f"{method_name(self.method)}, {self.view}"


def ranking_keys(methods: Sequence[str]) -> list[RankingKey]:
    """The keys of all rankings of some methods, own view first."""
    return [RankingKey(method, view) for method in methods for view in VIEWS]


def require_key(key: RankingKey, keys: Sequence[RankingKey], where: str) -> None:
    """Check that a ranking is among others.

    Parameters
    ----------
    where : str
        What has the others, for the message.

    Raises
    ------
    ConfigError
        If it is not.
    """
    if key not in keys:
        names = ", ".join(other.name for other in keys) or "none"
        msg = (
            f"the ranking {key.name} was not computed; {where} has {names}: set report.method and "
            "report.view (in `tumorcam show` also --method and --view) to one of these"
        )
        raise ConfigError(msg)


def method_name(method: str) -> str:
    """The name of a method for readers; an unknown method keeps its own."""
    return METHOD_NAMES.get(method, method)


def own_and_contrast(genes: np.ndarray, *, n_genes: int) -> Views:
    """The two views of maps: own minus its median gene, and own minus the mean of the rivals.

    Parameters
    ----------
    genes : (samples, 1 + rivals, genes + decoys) float32
        Saliency at the pixels of genes and decoys; the sample's own tumor comes first.
    n_genes : int
        Number of genes, after which the decoys come. Decoys count neither in the scale nor in
        the median.

    Notes
    -----
    One scale, the mean |S| over genes and maps, divides all maps of a sample. If each map had its
    own scale, the contrast would not be symmetric under the null hypothesis.
    """
    scale = np.abs(genes[:, :, :n_genes]).mean(axis=(1, 2), dtype=np.float64).astype(np.float32)
    divisor = np.where(scale == 0, 1, scale)[:, np.newaxis]
    own = genes[:, 0] / divisor
    rivals = functools.reduce(np.add, genes[:, 1:].swapaxes(0, 1)) / (genes.shape[1] - 1) / divisor
    return Views(own - medians(own[:, :n_genes]), own - rivals, scale)


def gene_views(maps: np.ndarray, gene_layout: GeneLayout) -> Views:
    """Views of (samples, targets, [rows,] columns) float32 maps, a few samples at a time."""
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
    """(rows, 1) medians of the rows of a matrix, in an eighth of the time of `np.median`."""
    middle = values.shape[1] // 2
    partition = np.partition(values, middle, axis=1)
    upper = partition[:, middle : middle + 1]
    lower = upper if values.shape[1] % 2 else partition[:, :middle].max(axis=1, keepdims=True)
    return (lower + upper) / 2
