"""Plain gradients of any convolutional network: one function for each method.

They are exact for all activations that tumorcam knows, smooth ones such as GELU too.
"""

import keras
import numpy as np

from tumorcam.saliency.kept_explainers import Targets, maps_of


def gradient(
    network: keras.Model,
    images: np.ndarray,
    targets: Targets = None,
    *,
    precision: str = "float32",
    batch_size: int | None = None,
) -> np.ndarray:
    """The logit's gradient at each pixel.

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
    Simonyan et al. 2014, arXiv:1312.6034.

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
    >>> tumorcam.gradient(network, images, [0, 2, 1, 0]).shape
    (4, 8, 8)
    """
    return maps_of(
        "gradient",
        network,
        images,
        targets,
        precision=precision,
        batch_size=batch_size,
    )


def gradient_x_input(
    network: keras.Model,
    images: np.ndarray,
    targets: Targets = None,
    *,
    precision: str = "float32",
    batch_size: int | None = None,
) -> np.ndarray:
    """The logit's gradient times the image.

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
        In logits, summed over channels.
        The result has an axis of targets only if `targets` has one or is left out.

    Raises
    ------
    ModelError
        If a layer or activation has no rule for this method, with its name. If an argument has the
        wrong type, shape or values.

    References
    ----------
    Shrikumar et al. 2017, arXiv:1605.01713.

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
    >>> maps = tumorcam.gradient_x_input(network, images, [0, 2, 1, 0])
    >>> gradient = tumorcam.gradient(network, images, [0, 2, 1, 0])
    >>> np.allclose(maps, gradient * images[..., 0])
    True
    """
    return maps_of(
        "gradient_x_input",
        network,
        images,
        targets,
        precision=precision,
        batch_size=batch_size,
    )


def integrated_gradients(
    network: keras.Model,
    images: np.ndarray,
    targets: Targets = None,
    *,
    precision: str = "float32",
    batch_size: int | None = None,
) -> np.ndarray:
    """The mean gradient between a zero image and the image, times the image.

    The mean is computed with 16 Gauss-Legendre nodes. The map sums to about the rise of the logit
    from the zero image to the image.

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
        In logits, summed over channels.
        The result has an axis of targets only if `targets` has one or is left out.

    Raises
    ------
    ModelError
        If a layer or activation has no rule for this method, with its name. If an argument has the
        wrong type, shape or values.

    References
    ----------
    Sundararajan et al. 2017, arXiv:1703.01365.

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
    >>> tumorcam.integrated_gradients(network, images, [0, 2, 1, 0]).shape
    (4, 8, 8)
    """
    return maps_of(
        "integrated_gradients",
        network,
        images,
        targets,
        precision=precision,
        batch_size=batch_size,
    )


def smooth_grad(
    network: keras.Model,
    images: np.ndarray,
    targets: Targets = None,
    *,
    precision: str = "float32",
    batch_size: int | None = None,
) -> np.ndarray:
    """The mean gradient over 25 noisy copies of the image.

    The noise is normal with an SD of 15 % of the image's range; it is the same for all images and
    calls.

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
    Smilkov et al. 2017, arXiv:1706.03825.

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
    >>> tumorcam.smooth_grad(network, images, [0, 2, 1, 0]).shape
    (4, 8, 8)
    """
    return maps_of(
        "smooth_grad",
        network,
        images,
        targets,
        precision=precision,
        batch_size=batch_size,
    )
