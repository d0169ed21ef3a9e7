"""Predictions of a network for standardised samples, and their scores."""

from typing import NamedTuple

import keras
import numpy as np
from scipy.special import softmax

from tumorcam.cohort.images import place_genes
from tumorcam.cohort.layout import GeneLayout

BATCH = 256  # samples


class ValidationScores(NamedTuple):
    """Mean cross-entropy in nats, and accuracy from 0 to 1."""

    loss: float
    accuracy: float


def predict_logits(
    network: keras.Sequential, features: np.ndarray, layout: GeneLayout
) -> np.ndarray:
    """(samples, tumors) float64 logits of (samples, genes + decoys) float32 features."""
    parts = [
        network(place_genes(features[i : i + BATCH], layout), training=False).numpy()
        for i in range(0, len(features), BATCH)
    ]
    return np.concatenate(parts).astype(np.float64)


def probabilities(logits: np.ndarray) -> np.ndarray:
    """(samples, tumors) float64 probabilities of (samples, tumors) logits."""
    return np.asarray(softmax(logits.astype(np.float64), axis=1))


def validation_scores(logits: np.ndarray, tumor: np.ndarray) -> ValidationScores:
    """Scores of (samples, tumors) logits of samples whose tumors are (samples,) int."""
    own = probabilities(logits)[np.arange(len(tumor)), tumor]
    loss = -np.log(np.maximum(own, np.finfo(float).tiny)).mean()
    return ValidationScores(float(loss), float((logits.argmax(axis=1) == tumor).mean()))
