"""Compiled explainers that the library's functions keep for as long as their network lives."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple
from weakref import WeakKeyDictionary

import keras
import numpy as np
import tensorflow as tf

from tumorcam.errors import ModelError
from tumorcam.saliency.checks import (
    checked_images,
    checked_targets,
    require_batch_size,
    require_layer_name,
)
from tumorcam.saliency.explainer import Explainer, sample_bytes
from tumorcam.saliency.graph import require_network
from tumorcam.settings import METHODS

BATCH_SIZES = (1, 8, 64)  # few, so that calls with other numbers of images compile nothing
MAX_BATCH_BYTES = 2 * 1024**3  # of a batch whose size the caller does not choose
MAX_KEPT = len(METHODS) * len(BATCH_SIZES)  # compiled explainers of one network

Targets = Sequence[int] | Sequence[Sequence[int]] | np.ndarray | None


class Options(NamedTuple):
    """What a compiled explainer is made for; batches of another size have other last bits."""

    method: str
    layer: str | None
    precision: str
    batch_size: int


@dataclass(frozen=True, eq=False)
class Kept:
    """The compiled explainers of one network; its lock lets one thread at a time use them."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    explainers: dict[Options, Explainer] = field(default_factory=dict)


EXPLAINERS: WeakKeyDictionary[keras.Model, Kept] = WeakKeyDictionary()
_LOCK = threading.Lock()  # of EXPLAINERS


def maps_of(
    method: str,
    network: keras.Model,
    images: np.ndarray,
    targets: Targets,
    *,
    layer: str | None = None,
    precision: str,
    batch_size: int | None,
) -> np.ndarray:
    """The maps of one method; `library.guided_grad_cam` describes the arguments.

    Raises
    ------
    ModelError
        If an argument is wrong, the network cannot be explained, or memory is short.
    """
    require_network(network)
    require_layer_name(layer)
    require_batch_size(batch_size)
    images = checked_images(network, images)
    classes = checked_targets(targets, n_images=len(images), n_classes=network.output_shape[-1])
    columns = classes if classes.ndim == 2 else classes[:, np.newaxis]
    size = int(batch_size or default_batch_size(network, len(images)))
    with _compiled(network, Options(method, layer, precision, size)) as explainer:
        maps = np.empty((*columns.shape, *explainer.map_shape), np.float32)
        for start in range(0, len(images), size):
            batch = slice(start, start + size)
            maps[batch] = _explain(explainer, network, images[batch], columns[batch])
    return maps if classes.ndim == 2 else maps[:, 0]


def default_batch_size(network: keras.Model, n_images: int) -> int:
    """One of BATCH_SIZES: the largest for many images, if it takes no more than MAX_BATCH_BYTES.

    Parameters
    ----------
    network : keras.Model
    n_images : int
        Of a call.
    """
    single, few, many = BATCH_SIZES
    size = single if n_images <= single else few if n_images < many else many
    n_fitting = max(single, MAX_BATCH_BYTES // sample_bytes(network))
    return max(allowed for allowed in BATCH_SIZES if allowed <= min(size, n_fitting))


def _explain(
    explainer: Explainer, network: keras.Model, images: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    try:
        maps = explainer(images, targets)
    except tf.errors.ResourceExhaustedError:
        msg = (
            f"network {network.name!r} needs more memory than there is for batches of "
            f"{explainer.batch_size} images; pass a smaller batch_size"
        )
        raise ModelError(msg) from None
    if not np.isfinite(maps.logits).all():
        msg = f"network {network.name!r} gives logits that are NaN or infinite; check its weights"
        raise ModelError(msg)
    return maps.methods[explainer.methods[0]]


@contextmanager
def _compiled(network: keras.Model, options: Options) -> Iterator[Explainer]:
    """An explainer with the network's present weights, compiled by an earlier call if possible.

    While it is used, no other thread changes its weights. Of a network's explainers only the last
    used one keeps the weights.
    """
    with _LOCK:
        kept = EXPLAINERS.setdefault(network, Kept())
    with kept.lock:
        explainers = kept.explainers
        explainer = _with_present_weights(explainers.pop(options, None), network)
        if explainer is None:
            explainer = Explainer(
                network,
                methods=(options.method,),
                layer=options.layer,
                batch_size=options.batch_size,
                precision=options.precision,
            )
        for other in explainers.values():
            other.release_weights()
        explainers[options] = explainer
        for oldest in list(explainers)[:-MAX_KEPT]:
            del explainers[oldest]
        yield explainer


def _with_present_weights(explainer: Explainer | None, network: keras.Model) -> Explainer | None:
    """The explainer with the network's weights; None if it does not fit the network's layers."""
    if explainer is not None:
        try:
            explainer.take_weights(network)
        except ModelError:
            return None
    return explainer
