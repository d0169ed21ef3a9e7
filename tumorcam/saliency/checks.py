"""Checks of what a caller of the library passes, before anything is compiled."""

import keras
import numpy as np

from tumorcam.errors import ModelError, quoted

KINDS = {  # of numpy's dtypes
    "b": "True and False",
    "f": "floats",
    "c": "complex numbers",
    "U": "texts",
    "S": "texts",
    "T": "texts",
    "M": "dates",
    "m": "durations",
}
NUMBERS = "iuf"  # kinds of numpy's dtypes that an image may have
ADVICE = {
    "b": "pass np.argmax(targets, axis=1) for rows of True and False",
    "f": "convert whole numbers with targets.astype(int)",
    "U": "pass the index of each class, as in names.index('BRCA')",
}
MIN_ONE_HOT = 3  # classes; of two, the rows 0 1 and 1 0 are also pairs of targets


def checked_images(network: keras.Model, images: object) -> np.ndarray:
    """The images of a call as float32.

    Parameters
    ----------
    network : keras.Model
        Gives the shape of an image.
    images : array
        What the caller passed.

    Returns
    -------
    (samples, [rows,] columns, channels) float32

    Raises
    ------
    ModelError
        If they are no numbers, have another shape, or a value is NaN, infinite or too large.
    """
    shape = network.input_shape[1:]
    wanted_shape = f"(samples, {', '.join(map(str, shape))})"
    array = _array(images, "images", wanted_shape)
    if array.dtype.kind not in NUMBERS and array.dtype.name != "bfloat16":
        kind = KINDS.get(array.dtype.kind, "objects")
        msg = (
            f"images are {kind} of dtype {array.dtype}; wanted {wanted_shape} of float32; convert "
            "them with np.asarray(images, np.float32)"
        )
        raise ModelError(msg)
    if array.shape[1:] != shape or array.ndim == 0:
        msg = f"images are {array.shape}; wanted {wanted_shape}{_advice(array.shape, shape)}"
        raise ModelError(msg)
    with np.errstate(over="ignore"):
        numbers = array.astype(np.float32)
    is_bad = ~np.isfinite(numbers)
    if is_bad.any():
        msg = (
            f"images have NaN, infinite or too large values at {is_bad.sum()} places, the first in "
            f"sample {np.argwhere(is_bad)[0, 0]}; repair or leave out such samples"
        )
        raise ModelError(msg)
    return numbers


def checked_targets(targets: object, *, n_images: int, n_classes: int) -> np.ndarray:
    """The targets of a call as integers; all classes of each image if it passes none.

    Parameters
    ----------
    targets : array or None
        What the caller passed.
    n_images, n_classes : int

    Returns
    -------
    (samples,) or (samples, targets) int

    Raises
    ------
    ModelError
        If they are no integers, have another shape, or are none of the classes.
    """
    if targets is None:
        return np.tile(np.arange(n_classes), (n_images, 1))
    array = _array(targets, "targets", "(samples,) or (samples, targets)")
    if array.shape == (0,) == (n_images,):
        return np.zeros(0, int)
    _require_integers(array, n_classes)
    if array.ndim not in (1, 2) or len(array) != n_images or 0 in array.shape[1:]:
        msg = (
            f"targets are {array.shape} for {n_images} images; wanted ({n_images},) or "
            f"({n_images}, targets); pass one or more classes for each image"
        )
        raise ModelError(msg)
    if array.size and not (array.min() >= 0 and array.max() < n_classes):
        classes = f"{n_classes} classes" if n_classes > 1 else "one class"
        msg = (
            f"targets go from {array.min()} to {array.max()}, but the network has {classes}; pass "
            f"indices from 0 to {n_classes - 1}"
        )
        raise ModelError(msg)
    if _is_one_hot(array, n_classes):
        msg = (
            f"targets are {array.shape} and each row is a single 1 among zeros; wanted indices of "
            "classes; pass np.argmax(targets, axis=1)"
        )
        raise ModelError(msg)
    return array.astype(int)


def require_layer_name(layer: object) -> None:
    """Check that a layer is given by its name, or not at all.

    Raises
    ------
    ModelError
        If it is not.
    """
    if layer is not None and not isinstance(layer, str):
        msg = (
            f"layer is a {type(layer).__name__}; wanted the name of a convolution, such as "
            "'conv2d'; pass layer.name"
        )
        raise ModelError(msg)


def require_batch_size(batch_size: object) -> None:
    """Check that a batch size is a whole number above 0, or not given.

    Raises
    ------
    ModelError
        If it is not.
    """
    is_whole = isinstance(batch_size, int | np.integer) and not isinstance(batch_size, bool)
    if batch_size is not None and not (is_whole and int(str(batch_size)) >= 1):
        msg = f"batch_size is {quoted(batch_size)}; wanted a whole number from 1; leave it out"
        raise ModelError(msg)


def _array(values: object, name: str, wanted_shape: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except (TypeError, ValueError):
        msg = (
            f"{name} are a {type(values).__name__} that is no array; wanted {wanted_shape}; give "
            "all samples the same shape"
        )
        raise ModelError(msg) from None


def _advice(shape: tuple[int, ...], image: tuple[int, ...]) -> str:
    """What to do about images of a wrong shape, if it is plain."""
    if shape == image:
        return "; pass a single image as images[np.newaxis]"
    if image[-1] == 1 and shape[1:] == image[:-1]:
        return "; add the axis of channels with images[..., np.newaxis]"
    if len(shape) == len(image) + 1 and shape[1] == image[-1] and shape[2:] == image[:-1]:
        return "; move the axis of channels to the end with np.moveaxis(images, 1, -1)"
    return "; resize or reshape them to the size that the network takes"


def _require_integers(array: np.ndarray, n_classes: int) -> None:
    kind = array.dtype.kind
    if kind in "iu" or not array.size:
        return
    advice = ADVICE.get("U" if kind in "ST" else kind, "pass an array of int")
    if kind == "f" and not np.array_equal(array, np.round(array)):
        advice = "round them, or leave out samples without a class"
    example = quoted(array.ravel().tolist()[0])
    msg = (
        f"targets are {KINDS.get(kind, 'objects')} such as {example}; wanted indices of classes, "
        f"integers from 0 to {n_classes - 1}; {advice}"
    )
    raise ModelError(msg)


def _is_one_hot(array: np.ndarray, n_classes: int) -> bool:
    """Whether each row has a single 1, and zeros for all other classes."""
    if array.ndim != 2 or array.shape[1] != n_classes or n_classes < MIN_ONE_HOT or not len(array):
        return False
    return bool((array.sum(axis=1) == 1).all() and (array.max(axis=1) == 1).all())
