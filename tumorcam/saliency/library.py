"""Saliency of any convolutional network: one function a method, without cohort or run folder."""

from collections.abc import Sequence

import keras
import numpy as np

from tumorcam.errors import ModelError
from tumorcam.saliency.explainer import Explainer

BATCH_SIZE = 64


def guided_grad_cam(
    network: keras.Model,
    images: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    *,
    layer: str | None = None,
    precision: str = "float32",
) -> np.ndarray:
    """Guided Grad-CAM, signed: `grad_cam` times `guided_backprop`, never rescaled.

    Parameters
    ----------
    network : keras.Model
        Sequential or functional, from images to one logit or softmax share a class, of
        convolutions, poolings, dense and joining layers with ReLU, ReLU6, LeakyReLU or no
        activation. A softmax at the end is left out: logits are explained.
    images : (samples, [rows,] columns, channels) float32
    targets : (samples,) or (samples, targets) int, optional
        Classes explained for each image; by default all.
    layer : str, optional
        Convolution of the coarse map; by default the last one.
    precision : str
        "float32", or "bfloat16".

    Returns
    -------
    ([samples, targets,] [rows,] columns) float32
        Summed over channels; without the axis of targets where `targets` has none.

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
    """Grad-CAM, at least 0, laid on the image so that each cell stands where it looks.

    ReLU(sum over k of alpha_k A_k), A_k being the rectified channels of a convolution and alpha_k
    the mean over space of the logit's gradient there; bilinear between the cells. Parameters,
    errors and source as in `guided_grad_cam`.
    """
    return _maps("grad_cam", network, images, targets, layer=layer, precision=precision)


def guided_backprop(
    network: keras.Model,
    images: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    *,
    precision: str = "float32",
) -> np.ndarray:
    """The logit's gradient where every rectifier passes only positive gradient, signed.

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
    """The logit's gradient at each pixel, in logits a unit of the image.

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

    Sundararajan et al. 2017, arXiv:1703.01365, by 16 Gauss-Legendre nodes. Parameters and errors
    as in `guided_grad_cam`.
    """
    return _maps("integrated_gradients", network, images, targets, precision=precision)


def smooth_grad(
    network: keras.Model,
    images: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    *,
    precision: str = "float32",
) -> np.ndarray:
    """The mean gradient over 25 noisy copies of the image, in logits a unit of the image.

    Smilkov et al. 2017, arXiv:1706.03825; normal noise of 15 % of the image's range, the same for
    all images and calls. Parameters and errors as in `guided_grad_cam`.
    """
    return _maps("smooth_grad", network, images, targets, precision=precision)


def guided_gradient(
    network: keras.Model,
    images: np.ndarray,
    targets: Sequence[int] | np.ndarray | None = None,
    *,
    precision: str = "float32",
) -> np.ndarray:
    """Guided backpropagation where the ordinary gradient agrees that the pixel helps, signed.

    sign(B) sqrt(|B| ReLU(G)), B being `guided_backprop` and G `gradient`: their geometric mean
    where G is positive, in logits a unit of the image. Parameters and errors as in
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
    """Guided Grad-CAM whose coarse map is the mean over all targets of an image.

    Between targets it differs by `guided_backprop` alone: the coarse maps' own differences, which
    spread over whole cells, are left out. Parameters and errors as in `guided_grad_cam`.
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
    size = max(1, min(len(images), BATCH_SIZE))
    explainer = Explainer(
        network, methods=(method,), layer=layer, batch_size=size, precision=precision
    )
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
    for start in range(0, len(images), explainer.batch_size):
        part = slice(start, start + explainer.batch_size)
        maps[part] = explainer(images[part], columns[part]).methods[method]
    return maps if classes.ndim == 2 else maps[:, 0]
