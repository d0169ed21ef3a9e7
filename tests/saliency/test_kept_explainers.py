"""Compiled explainers that the library keeps between calls: never stale, and freed in time."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from random_networks import fill, relu_network

import tumorcam
from tumorcam.errors import ModelError
from tumorcam.saliency import Explainer, library

layers = keras.layers


@pytest.fixture
def eager():
    """No compiling, which takes most of the time of a small network."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def rng():
    return np.random.default_rng(12)


def small_network(rng):
    return fill(relu_network(7, 7, filters=(2,)), lambda size: rng.normal(0, 0.5, size))


def example(rng):
    """A network, five images and a target of each."""
    network = small_network(rng)
    images = rng.normal(size=(5, *network.input_shape[1:])).astype(np.float32)
    return network, images, rng.integers(0, 3, 5)


def fresh(network, images, targets, method="guided_grad_cam", **options):
    """Maps of an explainer of its own."""
    explainer = Explainer(network, methods=(method,), batch_size=len(images), **options)
    return explainer(images, targets[:, np.newaxis]).methods[method][:, 0]


def kept(network):
    return library.EXPLAINERS[network]


def test_the_second_call_compiles_nothing_and_has_the_same_bits(rng):
    network, images, targets = example(rng)
    first = tumorcam.guided_grad_cam(network, images, targets)
    (explainer,) = kept(network).values()
    second = tumorcam.guided_grad_cam(network, images, targets)
    (again,) = kept(network).values()
    assert again is explainer and explainer._traced.experimental_get_tracing_count() == 1
    np.testing.assert_array_equal(first, fresh(network, images, targets))
    np.testing.assert_array_equal(second, first)


def test_the_maps_follow_the_weights(rng, eager):
    network, images, targets = example(rng)
    old = tumorcam.guided_grad_cam(network, images, targets)
    fill(network, lambda size: rng.normal(0, 0.5, size))
    new = tumorcam.guided_grad_cam(network, images, targets)
    assert (new != old).any()
    np.testing.assert_array_equal(new, fresh(network, images, targets))
    network.compile(optimizer="sgd", loss="mse")
    network.train_on_batch(images, np.eye(3)[targets])
    trained = tumorcam.guided_grad_cam(network, images, targets)
    assert (trained != new).any()
    np.testing.assert_array_equal(trained, fresh(network, images, targets))
    assert len(kept(network)) == 1


def test_the_maps_follow_the_layers(rng, eager):
    network, images, targets = example(rng)
    old = tumorcam.guided_grad_cam(network, images, targets)
    network.layers[0].activation = keras.activations.leaky_relu
    new = tumorcam.guided_grad_cam(network, images, targets)
    assert (new != old).any()
    np.testing.assert_array_equal(new, fresh(network, images, targets))
    network.pop()
    network.add(layers.Dense(4))
    with pytest.raises(ModelError, match=r"targets go from 4 to 4"):
        tumorcam.guided_grad_cam(network, images, np.full(5, 4))
    wider = tumorcam.guided_grad_cam(network, images, np.full(5, 3))
    np.testing.assert_array_equal(wider, fresh(network, images, np.full(5, 3)))
    network.layers[-1].activation = keras.activations.tanh
    with pytest.raises(ModelError, match=r"its activation is tanh"):
        tumorcam.guided_grad_cam(network, images, targets)


def test_the_maps_follow_the_named_convolution(rng, eager):
    """Two convolutions of one shape change places, so that only their names differ."""
    convolutions = [
        layers.Conv2D(1, 3, padding="same", activation="relu", name=name) for name in "ab"
    ]
    network = keras.Sequential([keras.Input((6, 6, 1)), *convolutions])
    network.add(layers.Flatten())
    network.add(layers.Dense(3))
    fill(network, lambda size: rng.normal(0.2, 0.5, size))
    images, targets = rng.normal(size=(4, 6, 6, 1)).astype(np.float32), np.array([0, 1, 2, 0])
    tumorcam.grad_cam(network, images, targets, layer="a")
    first, second, *end = network.layers
    while network.layers:
        network.pop(rebuild=False)
    for layer in (second, first, *end):
        network.add(layer)
    maps = tumorcam.grad_cam(network, images, targets, layer="a")
    expected = fresh(network, images, targets, "grad_cam", layer="a")
    np.testing.assert_array_equal(maps, expected)
    assert (expected != fresh(network, images, targets, "grad_cam", layer="b")).any()


def test_a_network_is_freed_with_all_that_is_kept_of_it(rng):
    network, images, targets = example(rng)
    for method in ("guided_grad_cam", "gradient"):
        getattr(tumorcam, method)(network, images, targets)
    freed = [weakref.ref(owner) for owner in (network, *kept(network).values())]
    assert len(freed) == 3
    n_networks = len(library.EXPLAINERS)
    del network
    gc.collect()  # frees the network, whose entry then goes
    gc.collect()  # frees the explainers of the entry
    assert [reference() for reference in freed] == [None] * 3
    assert len(library.EXPLAINERS) < n_networks


def test_few_explainers_are_kept_and_only_the_last_used_has_weights(rng, eager, monkeypatch):
    monkeypatch.setattr(library, "MAX_KEPT", 2)
    network, images, targets = example(rng)
    for method in ("gradient", "guided_backprop", "grad_cam", "guided_backprop"):
        maps = getattr(tumorcam, method)(network, images, targets)
        np.testing.assert_array_equal(maps, fresh(network, images, targets, method))
        *others, last = kept(network).values()
        assert last._weights and not any(other._weights for other in others)
    assert [options.method for options in kept(network)] == ["grad_cam", "guided_backprop"]


def test_batches_of_other_sizes_and_precisions_do_not_share_an_explainer(rng, eager):
    network, images, targets = example(rng)
    tumorcam.gradient(network, images, targets)
    few = tumorcam.gradient(network, images[:3], targets[:3])
    np.testing.assert_array_equal(few, fresh(network, images[:3], targets[:3], "gradient"))
    half = tumorcam.gradient(network, images, targets, precision="bfloat16")
    expected = fresh(network, images, targets, "gradient", precision="bfloat16")
    np.testing.assert_array_equal(half, expected)
    assert {(o.batch_size, o.precision) for o in kept(network)} == {
        (5, "float32"),
        (3, "float32"),
        (5, "bfloat16"),
    }


def test_wrong_targets_do_not_cost_the_compiled_explainer(rng, eager):
    network, images, targets = example(rng)
    tumorcam.gradient(network, images, targets)
    (explainer,) = kept(network).values()
    with pytest.raises(ModelError, match=r"targets are \(4,\) for 5 images"):
        tumorcam.gradient(network, images, targets[:4])
    assert list(kept(network).values()) == [explainer]
