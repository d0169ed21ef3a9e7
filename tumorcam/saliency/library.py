"""Saliency maps of any convolutional network: one function for each method.

No cohort and no run folder is needed. The functions keep what they compile for a network as long as
the network lives, so that the next call is fast. It uses the weights that the network then has.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from weakref import WeakKeyDictionary

import keras
import numpy as np

from tumorcam.errors import ModelError
from tumorcam.saliency.explainer import Explainer
from tumorcam.settings import METHODS

BATCH_SIZE = 64
MAX_KEPT = len(METHODS)  # compiled explainers of one network


class Options(NamedTuple):
    """What a compiled explainer is made for; batches of another size have other last bits."""

    method: str
    layer: str | None
    precision: str
    batch_size: int


EXPLAINERS: WeakKeyDictionary[keras.Model, dict[Options, Explainer]] = WeakKeyDictionary()


def guided_grad_cam(
    network: keras.Model,
    images: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    *,
    layer: str | None = None,
    precision: str = "float32",
) -> np.ndarray:
    """Guided Grad-CAM maps: `grad_cam` times `guided_backprop`, signed and not rescaled.

    Parameters
    ----------
    network : keras.Model
        Sequential or functional, from images to one logit or softmax share for each class. It
        consists of convolutions, poolings, dense and joining layers with ReLU, ReLU6, LeakyReLU or
        no activation. The logits are explained: a softmax at the end is left out.
    images : (samples, [rows,] columns, channels) float32
    targets : (samples,) or (samples, targets) int, optional
        Classes that are explained for each image; by default all.
    layer : str, optional
        Name of the convolution of the coarse map; by default the last one.
    precision : str
        "float32", or "bfloat16".

    Returns
    -------
    ([samples, targets,] [rows,] columns) float32
        Summed over channels. If `targets` has no axis of targets, nor has the result.

    Raises
    ------
    ModelError
        If a layer cannot be explained exactly, with its name; if images or targets do not fit.

    References
    ----------
    Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74.

    Examples
    --------
    >>> layers = keras.layers
    >>> network = keras.Sequential([
    ...     keras.Input((28, 28, 1)),
    ...     layers.Conv2D(8, 3, activation="relu"),
    ...     layers.MaxPooling2D(2),
    ...     layers.Flatten(),
    ...     layers.Dense(10, activation="softmax"),
    ... ])
    >>> images = np.random.default_rng(0).normal(size=(5, 28, 28, 1)).astype(np.float32)
    >>> guided_grad_cam(network, images, [3, 1, 4, 1, 5]).shape
    (5, 28, 28)
    >>> guided_grad_cam(network, images).shape  # of all ten classes
    (5, 10, 28, 28)
    """
    return _maps("guided_grad_cam", network, images, targets, layer=layer, precision=precision)


def grad_cam(
    network: keras.Model,
    images: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    *,
    layer: str | None = None,
    precision: str = "float32",
) -> np.ndarray:
    """Grad-CAM maps, at least 0, with each cell at the centre of its receptive field.

    The map is ReLU(sum over k of alpha_k A_k), where A_k is channel k of a rectified convolution
    and alpha_k is the mean of the logit's gradient over that channel. Between the cells it is
    bilinear. Parameters, errors and source as in `guided_grad_cam`.
    """
    return _maps("grad_cam", network, images, targets, layer=layer, precision=precision)


def guided_backprop(
    network: keras.Model,
    images: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    *,
    precision: str = "float32",
) -> np.ndarray:
    """The logit's gradient if every rectifier passes positive gradient only, signed.

    Springenberg et al. 2015, arXiv:1412.6806. Parameters and errors as in `guided_grad_cam`.
    """
    return _maps("guided_backprop", network, images, targets, precision=precision)


def gradient(
    network: keras.Model,
    images: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    *,
    precision: str = "float32",
) -> np.ndarray:
    """The logit's gradient at each pixel, in logits per unit of the image.

    Simonyan et al. 2014, arXiv:1312.6034. Parameters and errors as in `guided_grad_cam`.
    """
    return _maps("gradient", network, images, targets, precision=precision)


def gradient_x_input(
    network: keras.Model,
    images: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    *,
    precision: str = "float32",
) -> np.ndarray:
    """The logit's gradient times the image, in logits.

    Shrikumar et al. 2017, arXiv:1605.01713. Parameters and errors as in `guided_grad_cam`.
    """
    return _maps("gradient_x_input", network, images, targets, precision=precision)


def integrated_gradients(
    network: keras.Model,
    images: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    *,
    precision: str = "float32",
) -> np.ndarray:
    """The mean gradient between a zero image and the image, times the image, in logits.

    Sundararajan et al. 2017, arXiv:1703.01365, computed with 16 Gauss-Legendre nodes. Parameters
    and errors as in `guided_grad_cam`.
    """
    return _maps("integrated_gradients", network, images, targets, precision=precision)


def smooth_grad(
    network: keras.Model,
    images: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    *,
    precision: str = "float32",
) -> np.ndarray:
    """The mean gradient over 25 noisy copies of the image, in logits per unit of the image.

    Smilkov et al. 2017, arXiv:1706.03825. The noise is normal with an SD of 15 % of the image's
    range; it is the same for all images and calls. Parameters and errors as in `guided_grad_cam`.
    """
    return _maps("smooth_grad", network, images, targets, precision=precision)


def guided_gradient(
    network: keras.Model,
    images: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    *,
    precision: str = "float32",
) -> np.ndarray:
    """Guided backpropagation at the pixels where the plain gradient is positive, signed.

    The map is sign(B) sqrt(|B| ReLU(G)), where B is `guided_backprop` and G is `gradient`: their
    geometric mean where G is positive, in logits per unit of the image. Parameters and errors as in
    `guided_grad_cam`.
    """
    return _maps("guided_gradient", network, images, targets, precision=precision)


def guided_grad_cam_shared(
    network: keras.Model,
    images: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    *,
    layer: str | None = None,
    precision: str = "float32",
) -> np.ndarray:
    """Guided Grad-CAM with one coarse map for each image: the mean over all its targets.

    The maps of two targets thus differ only by `guided_backprop`, not by their coarse maps, whose
    differences spread over whole cells. Parameters and errors as in `guided_grad_cam`.
    """
    return _maps(
        "guided_grad_cam_shared", network, images, targets, layer=layer, precision=precision
    )


def _maps(
    method: str,
    network: keras.Model,
    images: np.ndarray,
    targets: Sequence[int] | np.ndarray | None,
    *,
    layer: str | None = None,
    precision: str,
) -> np.ndarray:
    images = np.asarray(images, np.float32)
    batch_size = max(1, min(len(images), BATCH_SIZE))
    with _compiled(network, Options(method, layer, precision, batch_size)) as explainer:
        if targets is None:
            targets = np.tile(np.arange(explainer.n_classes), (len(images), 1))
        classes = np.asarray(targets, int)
        if classes.ndim not in (1, 2) or len(classes) != len(images):
            msg = (
                f"targets are {classes.shape} for {len(images)} images; wanted (samples,) or "
                "(samples, targets)"
            )
            raise ModelError(msg)
        columns = classes if classes.ndim == 2 else classes[:, np.newaxis]
        maps = np.empty((*columns.shape, *explainer.map_shape), np.float32)
        for start in range(0, len(images), batch_size):
            batch = slice(start, start + batch_size)
            maps[batch] = explainer(images[batch], columns[batch]).methods[method]
    return maps if classes.ndim == 2 else maps[:, 0]


@contextmanager
def _compiled(network: keras.Model, options: Options) -> Iterator[Explainer]:
    """An explainer with the network's present weights, compiled by an earlier call if possible.

    While it is used it is not among the kept ones, so that no other thread changes its weights. Of
    a network's explainers only the last used one keeps the weights.
    """
    kept = EXPLAINERS.setdefault(network, {})
    explainer = _with_present_weights(kept.pop(options, None), network)
    if explainer is None:
        explainer = Explainer(
            network,
            methods=(options.method,),
            layer=options.layer,
            batch_size=options.batch_size,
            precision=options.precision,
        )
    try:
        yield explainer
    finally:
        for other in list(kept):
            if (unused := kept.pop(other, None)) is not None:
                unused.release_weights()
                kept[other] = unused
        kept[options] = explainer
        for oldest in list(kept)[:-MAX_KEPT]:
            kept.pop(oldest, None)


def _with_present_weights(explainer: Explainer | None, network: keras.Model) -> Explainer | None:
    """The explainer with the network's weights; None if it does not fit the network's layers."""
    if explainer is not None:
        try:
            explainer.take_weights(network)
        except ModelError:
            return None
    return explainer
