import doctest

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf
from random_networks import distance, fill, relu_network
from scipy import stats

import tumorcam
from tumorcam.errors import ModelError
from tumorcam.saliency import Explainer, methods
from tumorcam.settings import METHODS

TOLERANCE = 1e-5  # of the relative distance to the float64 oracle


def test_the_library_call_takes_any_number_of_images():
    rng = np.random.default_rng(5)
    network = fill(relu_network(7, 7, filters=(2,)), lambda size: rng.normal(0, 0.5, size))
    images = rng.normal(size=(70, 7, 7, 1)).astype(np.float32)
    targets = rng.integers(0, 3, 70)
    maps = tumorcam.guided_grad_cam(network, images, targets)
    assert maps.shape == (70, 7, 7) and maps.dtype == np.float32
    for i in (0, 63, 64, 69):
        expected = oracles.guided_grad_cam(oracles.read_network(network), images[i], targets[i])
        assert distance(maps[i], expected) <= TOLERANCE
    assert tumorcam.guided_grad_cam(network, images[:0], targets[:0]).shape == (0, 7, 7)


def test_smooth_grad_is_the_mean_gradient_under_the_same_noise():
    rng = np.random.default_rng(7)
    network = fill(relu_network(7, 7, filters=(2,)), lambda size: rng.normal(0, 0.5, size))
    images = rng.normal(size=(2, 7, 7, 1)).astype(np.float32)
    targets = np.array([[0], [2]])
    explainer = Explainer(network, methods=("smooth_grad",), batch_size=2)
    maps = explainer(images, targets).methods["smooth_grad"]
    read, total = oracles.read_network(network), np.zeros((2, 7, 7))
    for draw in range(methods.NOISE_DRAWS):
        noise = tf.random.stateless_normal((7, 7, 1), (methods.NOISE_SEED, draw)).numpy()
        for i, image in enumerate(images):
            noisy = image + 0.15 * np.ptp(image) * noise
            total[i] += oracles.gradient(read, noisy, targets[i, 0]) / methods.NOISE_DRAWS
    assert distance(maps[:, 0], total) <= TOLERANCE


def test_integrated_gradients_add_up_to_what_the_image_brings():
    """Their completeness; 16 nodes meet it where few rectifiers switch on the way."""
    rng = np.random.default_rng(8)
    network = fill(relu_network(8, 8), lambda size: rng.normal(0, 0.3, size))
    images = rng.normal(size=(4, 8, 8, 1)).astype(np.float32)
    maps = tumorcam.integrated_gradients(network, images)
    rise = (network(images) - network(np.zeros_like(images))).numpy()
    assert distance(maps.sum(axis=(2, 3)), rise) <= 0.05


@pytest.mark.parametrize("name", METHODS)
def test_each_method_is_a_call_of_the_library(name):
    rng = np.random.default_rng(9)
    network = fill(relu_network(7, 7, filters=(2,)), lambda size: rng.normal(0, 0.5, size))
    images = rng.normal(size=(3, 7, 7, 1)).astype(np.float32)
    call = getattr(tumorcam, name)
    every = call(network, images)
    assert every.shape == (3, 3, 7, 7) and every.dtype == np.float32
    if name == "guided_grad_cam_shared":  # its coarse map is that of all targets of the call
        return
    some = call(network, images, np.array([[0, 2], [1, 1], [2, 0]]))
    np.testing.assert_array_equal(some[0], every[0, [0, 2]])
    np.testing.assert_array_equal(call(network, images, [0, 1, 2]), every[[0, 1, 2], [0, 1, 2]])
    with pytest.raises(ModelError, match=r"targets are \(2,\) for 3 images"):
        call(network, images, [0, 1])


def test_guided_variants_are_made_of_the_others():
    rng = np.random.default_rng(11)
    network = fill(relu_network(9, 9, filters=(3, 2)), lambda size: rng.normal(0, 0.5, size))
    images = rng.normal(size=(4, 9, 9, 1)).astype(np.float32)
    targets = np.array([[0, 2], [1, 2], [2, 0], [0, 1]])
    layer = next(step.name for step in network.layers if isinstance(step, keras.layers.Conv2D))
    guided = tumorcam.guided_backprop(network, images, targets)
    plain = tumorcam.gradient(network, images, targets)
    assert (guided < 0).any() and ((guided > 0) & (plain < 0)).any()
    expected = np.sign(guided) * np.sqrt(np.abs(guided) * np.maximum(plain, 0))
    assert distance(tumorcam.guided_gradient(network, images, targets), expected) <= 1e-6
    for options in ({}, {"layer": layer}):
        coarse = tumorcam.grad_cam(network, images, targets, **options)
        expected = coarse.mean(axis=1, keepdims=True) * guided
        maps = tumorcam.guided_grad_cam_shared(network, images, targets, **options)
        assert distance(maps, expected) <= 1e-6
    alone = tumorcam.guided_grad_cam_shared(network, images, [0, 1, 2, 0])
    np.testing.assert_array_equal(alone, tumorcam.guided_grad_cam(network, images, [0, 1, 2, 0]))


def test_the_example_of_the_library_works():
    names = {"keras": keras, "np": np, "guided_grad_cam": tumorcam.guided_grad_cam}
    examples = doctest.DocTestFinder(recurse=False).find(
        tumorcam.guided_grad_cam, "guided_grad_cam", globs=names
    )
    assert examples and doctest.DocTestRunner().run(examples[0]).failed == 0


def test_bfloat16_maps_rank_pixels_almost_as_float32_ones():
    rng = np.random.default_rng(10)
    network = fill(relu_network(12, 12, filters=(8, 8)), lambda size: rng.normal(0, 0.3, size))
    images = rng.normal(size=(32, 12, 12, 1)).astype(np.float32)
    half = tumorcam.gradient_x_input(network, images, precision="bfloat16")
    whole = tumorcam.gradient_x_input(network, images)
    assert half.dtype == np.float32 and 1e-4 < distance(half, whole) < 0.2
    assert stats.spearmanr(half.mean(axis=0).ravel(), whole.mean(axis=0).ravel())[0] > 0.99
