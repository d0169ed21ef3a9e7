"""Predictions of a network for standardised samples, and their scores."""

import math
from typing import NamedTuple

import keras
import numpy as np
from scipy.special import softmax

from tumorcam.cluster.ahead import ahead
from tumorcam.cohort.images import SampleValues, sample_blocks
from tumorcam.cohort.layout import GeneLayout
from tumorcam.training.network import network_images

BATCH = 64  # images; always full, so that no bit depends on who computes which samples


class ValidationScores(NamedTuple):
    """Mean cross-entropy in nats, and accuracy from 0 to 1."""

    loss: float
    accuracy: float


def predict_logits(network: keras.Model, features: SampleValues, layout: GeneLayout) -> np.ndarray:
    """(samples, tumors) float64 logits of (samples, genes + decoys) float32 features.

    Features on disk are read one block ahead.
    """
    images = ahead(
        lambda samples: network_images(network, features[samples], layout),
        sample_blocks(len(features)),
    )
    return np.concatenate([image_logits(network, block) for block in images])


def image_logits(network: keras.Model, images: np.ndarray) -> np.ndarray:
    """(samples, tumors) float64 logits of images in the network's shape.

    A sample has the same bits with any others: zeros fill up the last batch.
    """
    filled = np.pad(images, [(0, -len(images) % BATCH), *[(0, 0)] * (images.ndim - 1)])
    parts = [
        network(filled[i : i + BATCH], training=False).numpy() for i in range(0, len(filled), BATCH)
    ]
    return np.concatenate(parts)[: len(images)].astype(np.float64)


def path_share(logits: np.ndarray, path: np.ndarray) -> float:
    """The share of the logits' variance that comes through one path; shares of all paths sum to 1.

    Each sample is centred over its tumors first, since a shift of all logits of a sample changes no
    probability, and each tumor over the samples. The share is the sum of the covariances of `path`
    with `logits` by the sum of the variances of `logits`, over all tumors. It is below 0 where the
    other paths correct this one, and NaN where all logits are equal.

    Parameters
    ----------
    logits : (samples, tumors) float64
        The sums of all paths.
    path : (samples, tumors) float64
        What one path adds to them.
    """
    whole, part = (_centred(values) for values in (logits, path))
    total = float((whole * whole).sum())
    return float((part * whole).sum()) / total if total else math.nan


def _centred(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=1, keepdims=True)
    return np.asarray(centred - centred.mean(axis=0))


def probabilities(logits: np.ndarray) -> np.ndarray:
    """(samples, tumors) float64 probabilities of (samples, tumors) logits."""
    return np.asarray(softmax(logits.astype(np.float64), axis=1))


def validation_scores(logits: np.ndarray, tumor: np.ndarray) -> ValidationScores:
    """Scores of (samples, tumors) logits of samples whose tumors are (samples,) int."""
    own = probabilities(logits)[np.arange(len(tumor)), tumor]
    loss = -np.log(np.maximum(own, np.finfo(float).tiny)).mean()
    return ValidationScores(float(loss), float((logits.argmax(axis=1) == tumor).mean()))
