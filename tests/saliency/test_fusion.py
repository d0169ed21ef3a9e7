"""The first convolution is fused with its pooling while the compiled loops stay short."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from random_networks import distance, fill

from tumorcam.saliency import Explainer
from tumorcam.saliency.fusion import MAX_FILTERS
from tumorcam.saliency.pooling import PooledConvolution

layers = keras.layers
TARGETS = np.array([[0, 2], [1, 1]])
TOLERANCE = 1e-5


@pytest.mark.parametrize(
    ("filters", "kernel", "pool", "channels", "n_fused"),
    [
        (5, 3, 2, 3, 1),
        (5, 5, 2, 1, 1),
        (5, 4, (3, 2), 1, 1),
        (5, 4, 3, 1, 0),
        (MAX_FILTERS + 1, 1, 2, 1, 0),
    ],
)
def test_gradients_are_exact_with_and_without_fusion(filters, kernel, pool, channels, n_fused):
    rng = np.random.default_rng(0)
    network = keras.Sequential(
        [
            keras.Input((11, 12, channels)),
            layers.Conv2D(filters, kernel, activation="relu", padding="same"),
            layers.MaxPooling2D(pool, padding="same"),
            layers.Conv2D(4, 2, activation="relu"),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    network = fill(network, lambda size: rng.normal(0, 0.5, size))
    images = rng.normal(size=(2, 11, 12, channels)).astype(np.float32)
    explainer = Explainer(network, methods=("gradient",), batch_size=2)
    assert [type(s.rule) for s in explainer._steps].count(PooledConvolution) == n_fused
    maps = explainer(images, TARGETS).methods["gradient"]
    for t, targets in enumerate(TARGETS.T):
        with tf.GradientTape() as tape:
            pixels = tf.constant(images)
            tape.watch(pixels)
            logit = tf.gather(network(pixels), targets, axis=1, batch_dims=1)
        expected = tape.gradient(logit, pixels).numpy().sum(axis=-1)
        assert distance(maps[:, t], expected) <= TOLERANCE
