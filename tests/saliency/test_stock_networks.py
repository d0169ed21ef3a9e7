"""Maps of all networks that the settings can build, held against the oracle."""

import numpy as np
import oracles
import pytest
import tensorflow as tf
from random_networks import distance

from tumorcam.saliency import Explainer
from tumorcam.saliency.pooling import PooledConvolution
from tumorcam.settings import ModelSettings
from tumorcam.training.initial_weights import fit_initial_weights
from tumorcam.training.network import build_network
from tumorcam.training.paths import convolutions_alone, has_skip, moving_moments

TOLERANCE = 1e-5  # of the relative distance to the float64 oracle
METHODS = ("guided_grad_cam", "guided_backprop", "gradient_x_input", "grad_cam", "gradient")
TARGETS = np.array([[0, 2], [1, 1]])
SETTINGS = {
    "skip": {"filters": (3, 4), "dense": (5,), "skip": "linear"},
    "skip and no dense layer": {"filters": (3,), "dense": (), "skip": "linear"},
    "batch norm": {"filters": (3, 4), "dense": (5,), "batch_norm": True},
    "strides and no pooling": {
        "filters": (3, 4), "kernel": (5, 2), "stride": (2, 1), "pool": (1,), "dense": (5,),
    },
    "1D-CNN of Mostavi et al.": {
        "image": "row", "filters": (4,), "kernel": (71,), "stride": (71,), "dense": (6,),
    },
    "TULIP": {
        "image": "row", "filters": (3, 3), "kernel": (20, 10), "pool": (1, 10), "dense": (6, 4),
    },
    "row with all": {
        "image": "row", "filters": (3,), "kernel": (7,), "pool": (3,), "dense": (4,),
        "skip": "linear", "batch_norm": True,
    },
}  # fmt: skip


def network_of(side=15, **settings):
    """A network whose every weight and moving average has been drawn."""
    rng = np.random.default_rng(2)
    network = build_network(ModelSettings(**settings), side=side, n_tumors=3, rng=rng)
    images = rng.normal(size=(40, *network.input_shape[1:])).astype(np.float32)
    fit_initial_weights(network, images)
    for average in moving_moments(network):
        average.assign(rng.uniform(0.5, 2, average.shape))
    if has_skip(network):
        network.get_layer("skip").kernel.assign(rng.normal(0, 0.3, (side * side, 3)))
    return network, images[:2]


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_maps_agree_with_the_oracle(settings):
    network, images = network_of(**settings)
    maps = Explainer(network, methods=METHODS, batch_size=2)(images, TARGETS)
    for name, expected in oracles.all_maps(network, images, TARGETS, METHODS).items():
        assert np.abs(expected).max() > 0
        assert distance(maps.methods[name].reshape(expected.shape), expected) <= TOLERANCE, name
    np.testing.assert_allclose(maps.logits, network(images), rtol=1e-4, atol=1e-5)


def test_gradients_contain_the_skip_path_and_grad_cam_does_not():
    network, images = network_of(**SETTINGS["skip"])
    alone = convolutions_alone(network)
    whole, convolutions = (
        Explainer(each, methods=METHODS, batch_size=2)(images, TARGETS).methods
        for each in (network, alone)
    )
    kernel = network.get_layer("skip").kernel.numpy().T.reshape(3, 15, 15)[TARGETS]
    for name in ("gradient", "guided_backprop"):
        np.testing.assert_allclose(whole[name] - convolutions[name], kernel, atol=1e-5)
    added = whole["gradient_x_input"] - convolutions["gradient_x_input"]
    np.testing.assert_allclose(added, kernel * images[:, None, :, :, 0], atol=1e-4)
    np.testing.assert_allclose(whole["grad_cam"], convolutions["grad_cam"], rtol=1e-4, atol=1e-6)


def test_the_first_convolution_is_fused_with_its_pooling_beside_a_skip_path():
    steps = Explainer(network_of(**SETTINGS["skip"])[0])._steps
    assert [type(step.rule) for step in steps].count(PooledConvolution) == 1


@pytest.mark.parametrize("name", ["skip", "row with all"])
def test_gradient_x_input_agrees_with_automatic_differentiation(name):
    network, images = network_of(**SETTINGS[name])
    maps = Explainer(network, methods=("gradient_x_input",), batch_size=2)(images, TARGETS)
    with tf.GradientTape() as tape:
        pixels = tf.constant(images)
        tape.watch(pixels)
        logit = tf.gather(network(pixels), TARGETS[:, 0], axis=1, batch_dims=1)
    expected = (tape.gradient(logit, pixels) * pixels).numpy()[..., 0]
    assert distance(maps.methods["gradient_x_input"][:, 0], expected) <= TOLERANCE
