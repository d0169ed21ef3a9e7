"""Agreement with xplique and captum, and where their definitions are known to differ.

Both are in the extra `dev`; see requirements-peers.lock.
"""

import importlib

import keras
import numpy as np
import pytest

import tumorcam

layers = keras.layers
TOLERANCE = 1e-5  # of the relative distance; theirs are float32 as well


@pytest.fixture(scope="module")
def xplique():
    return pytest.importorskip("xplique.attributions", reason="xplique is not installed")


@pytest.fixture(scope="module")
def captum():
    return pytest.importorskip("captum.attr", reason="captum is not installed")


def distance(maps, expected) -> float:
    return float(np.linalg.norm(maps - expected) / np.linalg.norm(expected))


def example(*, pool: bool, softmax: bool = False):
    """A network, images and targets; without pooling, Grad-CAM's cells are the pixels."""
    rng = np.random.default_rng(0)
    convolution = {"padding": "same", "activation": "relu"}
    blocks = [
        keras.Input((12, 12, 1)),
        layers.Conv2D(6, 3, **convolution),
        *([layers.MaxPooling2D(2)] if pool else []),
        layers.Conv2D(8, 3, **convolution, name="last"),
        layers.Flatten(),
        layers.Dense(16, activation="relu"),
        layers.Dense(3, activation="softmax" if softmax else None),
    ]
    network = keras.Sequential(blocks)
    network.set_weights([rng.normal(0, 0.3, array.shape) for array in network.get_weights()])
    images = rng.normal(size=(5, 12, 12, 1)).astype(np.float32)
    return network, images, rng.integers(0, 3, 5)


def of_xplique(xplique, name, network, images, targets, **options):
    explainer = getattr(xplique, name)(network, **options)
    return np.squeeze(explainer.explain(images, np.eye(3, dtype=np.float32)[targets]))


def of_captum(captum, network, images, targets, **options):
    """captum's Guided Grad-CAM at the rectifier behind the last convolution."""
    torch = importlib.import_module("torch")
    twin = importlib.import_module("benchmarks.explain_peers").torch_twin(network)
    last = [i for i, layer in enumerate(twin) if isinstance(layer, torch.nn.Conv2d)][-1]
    pixels = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).requires_grad_()
    method = captum.GuidedGradCam(twin, twin[last + 1])
    return method.attribute(pixels, torch.from_numpy(targets), **options).detach().numpy()[:, 0]


@pytest.mark.parametrize("pool", [False, True])
def test_gradients_are_those_of_xplique(xplique, pool):
    network, images, targets = example(pool=pool)
    for name, ours in (
        ("GuidedBackprop", "guided_backprop"),
        ("GradientInput", "gradient_x_input"),
    ):
        theirs = of_xplique(xplique, name, network, images, targets)
        assert distance(getattr(tumorcam, ours)(network, images, targets), theirs) <= TOLERANCE


def test_grad_cam_is_that_of_xplique_where_nothing_is_resized(xplique):
    network, images, targets = example(pool=False)
    theirs = of_xplique(xplique, "GradCAM", network, images, targets, conv_layer="last")
    assert distance(tumorcam.grad_cam(network, images, targets), theirs) <= TOLERANCE


def test_guided_grad_cam_is_that_of_captum_where_nothing_is_resized(captum):
    network, images, targets = example(pool=False)
    theirs = of_captum(captum, network, images, targets)
    assert distance(tumorcam.guided_grad_cam(network, images, targets), theirs) <= TOLERANCE


def test_xplique_resizes_by_cubes_and_captum_to_the_nearest_cell(xplique, captum):
    """Known deviations: neither lays cells on the pixels that they see."""
    network, images, targets = example(pool=True)
    coarse = tumorcam.grad_cam(network, images, targets)
    theirs = of_xplique(xplique, "GradCAM", network, images, targets, conv_layer="last")
    assert 0.01 < distance(coarse, theirs) < 0.5 and theirs.min() < 0 <= coarse.min()
    guided = tumorcam.guided_backprop(network, images, targets)
    fine = np.divide(of_captum(captum, network, images, targets), guided, where=guided != 0)
    blocks = np.where(guided != 0, fine, np.nan).reshape(5, 6, 2, 6, 2)
    spread = np.nanmax(blocks, (2, 4)) - np.nanmin(blocks, (2, 4))
    assert np.nanmax(spread) < 1e-4 * coarse.max(), "one value for the pixels of a cell"
    assert distance(guided * coarse, guided * np.nan_to_num(fine)) > 0.01


def test_peers_explain_a_softmax_and_this_the_logit_before_it(xplique):
    """A known deviation: the gradient of a probability vanishes where it is near 1."""
    network, images, targets = example(pool=False, softmax=True)
    logits = example(pool=False)[0]
    ours = tumorcam.guided_backprop(network, images, targets)
    np.testing.assert_array_equal(ours, tumorcam.guided_backprop(logits, images, targets))
    theirs = of_xplique(xplique, "GuidedBackprop", network, images, targets)
    assert distance(theirs, ours) > 0.1
