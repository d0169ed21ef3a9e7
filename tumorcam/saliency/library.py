"""Guided maps and Grad-CAM of any convolutional network: one function for each method.

No cohort and no run folder is needed. The functions keep what they compile for a network as long as
the network lives, so that the next call is fast. It uses the weights that the network then has.
"""

import keras
import numpy as np

from tumorcam.saliency.kept_explainers import Targets, maps_of


def guided_grad_cam(
    network: keras.Model,
    images: np.ndarray,
    targets: Targets = None,
    *,
    layer: str | None = None,
    precision: str = "float32",
    batch_size: int | None = None,
) -> np.ndarray:
    """Guided Grad-CAM maps: `grad_cam` times `guided_backprop`, signed and not rescaled.

    Activations are ReLU, ReLU6, LeakyReLU, PReLU or none, as for `guided_backprop`.

    Parameters
    ----------
    network : keras.Model
        Sequential or functional, from images to one logit for each class. A softmax or sigmoid at
        its end is left out: logits are explained.
    images : (samples, [rows,] columns, channels) float32
        In the units in which the network was trained. Other numbers are converted.
    targets : (samples,) or (samples, targets) int, optional
        Classes that are explained for each image; by default all.
    layer : str, optional
        Name of the convolution of the coarse map; by default the last one.
    precision : str
        "float32", or "bfloat16" for values of half the bits.
    batch_size : int, optional
        Images computed at once. By default 1, 8 or 64, by their number and the memory they take.

    Returns
    -------
    ([samples, targets,] [rows,] columns) float32
        Signed, summed over channels.
        The result has an axis of targets only if `targets` has one or is left out.

    Raises
    ------
    ModelError
        If a layer or activation has no rule for this method, with its name. If an argument has the
        wrong type, shape or values.

    References
    ----------
    Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> import tumorcam
    >>> network = keras.Sequential([
    ...     keras.Input((8, 8, 1)),
    ...     keras.layers.Conv2D(2, 3, activation="relu"),
    ...     keras.layers.Flatten(),
    ...     keras.layers.Dense(3, activation="softmax"),
    ... ])
    >>> images = np.random.default_rng(0).normal(size=(4, 8, 8, 1))
    >>> tumorcam.guided_grad_cam(network, images, [0, 2, 1, 0]).shape
    (4, 8, 8)
    >>> tumorcam.guided_grad_cam(network, images).shape  # of all three classes
    (4, 3, 8, 8)
    """
    return maps_of(
        "guided_grad_cam",
        network,
        images,
        targets,
        layer=layer,
        precision=precision,
        batch_size=batch_size,
    )


def grad_cam(
    network: keras.Model,
    images: np.ndarray,
    targets: Targets = None,
    *,
    layer: str | None = None,
    precision: str = "float32",
    batch_size: int | None = None,
) -> np.ndarray:
    """Grad-CAM maps, at least 0, with each cell at the centre of its receptive field.

    The map is ReLU(sum over k of alpha_k A_k), where A_k is channel k of a convolution behind its
    activation and alpha_k is the mean of the logit's gradient over that channel. Between the cells
    it is bilinear.

    Parameters
    ----------
    network : keras.Model
        Sequential or functional, from images to one logit for each class. A softmax or sigmoid at
        its end is left out: logits are explained.
    images : (samples, [rows,] columns, channels) float32
        In the units in which the network was trained. Other numbers are converted.
    targets : (samples,) or (samples, targets) int, optional
        Classes that are explained for each image; by default all.
    layer : str, optional
        Name of the convolution of the coarse map; by default the last one.
    precision : str
        "float32", or "bfloat16" for values of half the bits.
    batch_size : int, optional
        Images computed at once. By default 1, 8 or 64, by their number and the memory they take.

    Returns
    -------
    ([samples, targets,] [rows,] columns) float32
        At least 0.
        The result has an axis of targets only if `targets` has one or is left out.

    Raises
    ------
    ModelError
        If a layer or activation has no rule for this method, with its name. If an argument has the
        wrong type, shape or values.

    References
    ----------
    Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> import tumorcam
    >>> network = keras.Sequential([
    ...     keras.Input((8, 8, 1)),
    ...     keras.layers.Conv2D(2, 3, activation="relu"),
    ...     keras.layers.Flatten(),
    ...     keras.layers.Dense(3, activation="softmax"),
    ... ])
    >>> images = np.random.default_rng(0).normal(size=(4, 8, 8, 1))
    >>> maps = tumorcam.grad_cam(network, images, [0, 2, 1, 0])
    >>> maps.shape, bool((maps >= 0).all())
    ((4, 8, 8), True)
    """
    return maps_of(
        "grad_cam",
        network,
        images,
        targets,
        layer=layer,
        precision=precision,
        batch_size=batch_size,
    )


def guided_grad_cam_shared(
    network: keras.Model,
    images: np.ndarray,
    targets: Targets = None,
    *,
    layer: str | None = None,
    precision: str = "float32",
    batch_size: int | None = None,
) -> np.ndarray:
    """Guided Grad-CAM with one coarse map for each image: the mean over all its targets.

    The maps of two targets thus differ only by `guided_backprop`, not by their coarse maps, whose
    differences spread over whole cells.

    Parameters
    ----------
    network : keras.Model
        Sequential or functional, from images to one logit for each class. A softmax or sigmoid at
        its end is left out: logits are explained.
    images : (samples, [rows,] columns, channels) float32
        In the units in which the network was trained. Other numbers are converted.
    targets : (samples,) or (samples, targets) int, optional
        Classes that are explained for each image; by default all.
    layer : str, optional
        Name of the convolution of the coarse map; by default the last one.
    precision : str
        "float32", or "bfloat16" for values of half the bits.
    batch_size : int, optional
        Images computed at once. By default 1, 8 or 64, by their number and the memory they take.

    Returns
    -------
    ([samples, targets,] [rows,] columns) float32
        Signed, summed over channels.
        The result has an axis of targets only if `targets` has one or is left out.

    Raises
    ------
    ModelError
        If a layer or activation has no rule for this method, with its name. If an argument has the
        wrong type, shape or values.

    References
    ----------
    Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> import tumorcam
    >>> network = keras.Sequential([
    ...     keras.Input((8, 8, 1)),
    ...     keras.layers.Conv2D(2, 3, activation="relu"),
    ...     keras.layers.Flatten(),
    ...     keras.layers.Dense(3, activation="softmax"),
    ... ])
    >>> images = np.random.default_rng(0).normal(size=(4, 8, 8, 1))
    >>> pairs = [[0, 1], [2, 1], [1, 0], [0, 2]]
    >>> tumorcam.guided_grad_cam_shared(network, images, pairs).shape
    (4, 2, 8, 8)
    """
    return maps_of(
        "guided_grad_cam_shared",
        network,
        images,
        targets,
        layer=layer,
        precision=precision,
        batch_size=batch_size,
    )


def guided_backprop(
    network: keras.Model,
    images: np.ndarray,
    targets: Targets = None,
    *,
    precision: str = "float32",
    batch_size: int | None = None,
) -> np.ndarray:
    """The logit's gradient if every rectifier passes positive gradient only, signed.

    At each ReLU, ReLU6, LeakyReLU and PReLU, the positive part of the gradient is multiplied by
    the activation's derivative. Other activations are refused, as no rule is published for them.

    Parameters
    ----------
    network : keras.Model
        Sequential or functional, from images to one logit for each class. A softmax or sigmoid at
        its end is left out: logits are explained.
    images : (samples, [rows,] columns, channels) float32
        In the units in which the network was trained. Other numbers are converted.
    targets : (samples,) or (samples, targets) int, optional
        Classes that are explained for each image; by default all.
    precision : str
        "float32", or "bfloat16" for values of half the bits.
    batch_size : int, optional
        Images computed at once. By default 1, 8 or 64, by their number and the memory they take.

    Returns
    -------
    ([samples, targets,] [rows,] columns) float32
        In logits per unit of the image, summed over channels.
        The result has an axis of targets only if `targets` has one or is left out.

    Raises
    ------
    ModelError
        If a layer or activation has no rule for this method, with its name. If an argument has the
        wrong type, shape or values.

    References
    ----------
    Springenberg et al. 2015, arXiv:1412.6806.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> import tumorcam
    >>> network = keras.Sequential([
    ...     keras.Input((8, 8, 1)),
    ...     keras.layers.Conv2D(2, 3, activation="relu"),
    ...     keras.layers.Flatten(),
    ...     keras.layers.Dense(3, activation="softmax"),
    ... ])
    >>> images = np.random.default_rng(0).normal(size=(4, 8, 8, 1))
    >>> tumorcam.guided_backprop(network, images, [0, 2, 1, 0]).shape
    (4, 8, 8)
    """
    return maps_of(
        "guided_backprop",
        network,
        images,
        targets,
        precision=precision,
        batch_size=batch_size,
    )


def guided_gradient(
    network: keras.Model,
    images: np.ndarray,
    targets: Targets = None,
    *,
    precision: str = "float32",
    batch_size: int | None = None,
) -> np.ndarray:
    """Guided backpropagation at the pixels where the plain gradient is positive, signed.

    The map is sign(B) sqrt(|B| ReLU(G)), where B is `guided_backprop` and G is `gradient`: their
    geometric mean where G is positive.

    Parameters
    ----------
    network : keras.Model
        Sequential or functional, from images to one logit for each class. A softmax or sigmoid at
        its end is left out: logits are explained.
    images : (samples, [rows,] columns, channels) float32
        In the units in which the network was trained. Other numbers are converted.
    targets : (samples,) or (samples, targets) int, optional
        Classes that are explained for each image; by default all.
    precision : str
        "float32", or "bfloat16" for values of half the bits.
    batch_size : int, optional
        Images computed at once. By default 1, 8 or 64, by their number and the memory they take.

    Returns
    -------
    ([samples, targets,] [rows,] columns) float32
        In logits per unit of the image, summed over channels.
        The result has an axis of targets only if `targets` has one or is left out.

    Raises
    ------
    ModelError
        If a layer or activation has no rule for this method, with its name. If an argument has the
        wrong type, shape or values.

    References
    ----------
    Springenberg et al. 2015, arXiv:1412.6806.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> import tumorcam
    >>> network = keras.Sequential([
    ...     keras.Input((8, 8, 1)),
    ...     keras.layers.Conv2D(2, 3, activation="relu"),
    ...     keras.layers.Flatten(),
    ...     keras.layers.Dense(3, activation="softmax"),
    ... ])
    >>> images = np.random.default_rng(0).normal(size=(4, 8, 8, 1))
    >>> tumorcam.guided_gradient(network, images, [0, 2, 1, 0]).shape
    (4, 8, 8)
    """
    return maps_of(
        "guided_gradient",
        network,
        images,
        targets,
        precision=precision,
        batch_size=batch_size,
    )
