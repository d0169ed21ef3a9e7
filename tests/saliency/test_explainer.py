import subprocess
import sys

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import distance, fill, random_network, relu_network

from tumorcam import saliency
from tumorcam.errors import ModelError
from tumorcam.saliency import Explainer
from tumorcam.settings import METHODS, ModelSettings
from tumorcam.training.initial_weights import fit_initial_weights
from tumorcam.training.network import build_network

layers = keras.layers
TOLERANCE = 1e-5  # of the relative distance to the float64 oracle


@pytest.fixture
def eager():
    """No tracing, which takes most of the time of one small network."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def explain(network, images, targets, **options):
    return Explainer(network, batch_size=len(images), **options)(images, targets)


def hand_network():
    """One 1 x 1 filter that doubles, a pooling, and logits that weigh the four cells.

    The pixels 1 2 | 0 0  have doubled maxima 10 | 0
               3 5 | 0 0                       --+--
               ----+----                      2 | 8
               1 0 | 4 4  with a tie among the last four.
               0 0 | 4 4
    """
    network = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.Conv2D(1, 1, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    logits = np.array([[1.0, 0], [2, 0], [-3, 0], [4, 1]], np.float32)
    network.set_weights([np.full((1, 1, 1, 1), 2.0), np.zeros(1), logits, np.zeros(2)])
    image = np.array([[1, 2, 0, 0], [3, 5, 0, 0], [1, 0, 4, 4], [0, 0, 4, 4]], np.float32)
    return network, image[None, :, :, None]


def test_a_worked_example_of_4_x_4_pixels(eager):
    network, image = hand_network()
    maps = explain(network, image, np.array([[0, 1]]))
    np.testing.assert_array_equal(maps.logits, [[10 - 3 * 2 + 4 * 8, 8]])
    gradient = np.zeros((4, 4))
    gradient[1, 1], gradient[2, 0], gradient[2, 2] = 2 * 1, 2 * -3, 2 * 4
    guided = np.maximum(gradient, 0)  # the window of zeros is inactive, one weight is negative
    # alpha is (1 - 3 + 4) / 16: at ReLU's zeros the gradient after it still counts
    alpha = (1 + 2 - 3 + 4) / 16
    activation = 2 * image[0, :, :, 0]
    first = {name: value[0, 0] for name, value in maps.methods.items()}
    np.testing.assert_array_equal(first["gradient_x_input"], gradient * image[0, :, :, 0])
    np.testing.assert_array_equal(first["guided_backprop"], guided)
    np.testing.assert_array_equal(first["guided_grad_cam"], alpha * activation * guided)
    second = maps.methods["guided_backprop"][0, 1]
    assert second[2, 2] == 2 and np.count_nonzero(second) == 1, "the first of four equal maxima"


def test_guided_gradients_are_cut_at_every_relu_dense_ones_too(eager):
    """One pixel of 2, two dense units of 9 - 2 and 9 + 3 * 2, two logits."""
    network = keras.Sequential(
        [
            keras.Input((1, 1, 1)),
            layers.Conv2D(1, 1, activation="relu"),
            layers.Flatten(),
            layers.Dense(2, activation="relu"),
            layers.Dense(2),
        ]
    )
    dense = np.array([[-1.0, 3.0]], np.float32)  # from the pixel to the hidden units
    logits = np.array([[-2.0, 2.0], [-5.0, -7.0]], np.float32)
    unit = np.ones((1, 1, 1, 1), np.float32)
    network.set_weights([unit, np.zeros(1), dense, np.array([9.0, 9]), logits, np.zeros(2)])
    maps = explain(network, 2 * unit, np.array([[0, 1]])).methods
    plain, guided = (maps[name][0, :, 0, 0] for name in ("gradient_x_input", "guided_backprop"))
    np.testing.assert_array_equal(plain / 2, [(-1) * (-2) + 3 * (-5), (-1) * 2 + 3 * (-7)])
    # target 0: both hidden units get negative gradient, which the dense ReLU stops
    # target 1: unit 0 gets 2, makes -2 at the pixel, which the convolution's ReLU stops
    np.testing.assert_array_equal(guided, [0, 0])
    network.layers[2].kernel.assign([[1.0, 3.0]])
    guided = explain(network, 2 * unit, np.array([[0, 1]])).methods["guided_backprop"]
    np.testing.assert_array_equal(guided[0, :, 0, 0], [0, 2])


sides = st.tuples(st.integers(7, 11), st.integers(7, 11))
shapes = st.fixed_dictionaries(
    {
        "filters": st.sampled_from([(3,), (2, 3), (4, 2)]),
        "dense": st.sampled_from([(), (4,), (5, 3)]),
        "kernel": st.sampled_from([2, 3]),
        "pool": st.sampled_from([2, 3]),
    }
)


def built(side, shape, padding):
    small = {"pool": 2, "kernel": 2} if padding == "valid" else {}  # poolings must leave a cell
    return relu_network(*side, **shape | small, padding=padding)


@pytest.mark.usefixtures("eager")
@settings(max_examples=15, derandomize=True)
@given(
    side=sides, shape=shapes, padding=st.sampled_from(["same", "valid"]), seed=st.integers(0, 99)
)
def test_real_networks_agree_with_the_oracle(side, shape, padding, seed):
    rng = np.random.default_rng(seed)
    network = fill(built(side, shape, padding), lambda size: rng.normal(0, 0.7, size))
    images = rng.normal(size=(2, *side, 1)).astype(np.float32)
    images[:, -2:] = 0  # left-over pixels
    targets = np.array([[0, 2], [1, 1]])
    maps = explain(network, images, targets)
    for name, expected in oracles.all_maps(network, images, targets, METHODS[:3]).items():
        assert maps.methods[name].dtype == np.float32
        assert distance(maps.methods[name], expected) <= TOLERANCE, name
    for image, logits in zip(images, maps.logits, strict=True):
        expected = oracles.logits(oracles.read_network(network), image)
        assert distance(logits, expected) <= TOLERANCE


@pytest.mark.usefixtures("eager")
@settings(max_examples=15, derandomize=True)
@given(
    side=sides, shape=shapes, padding=st.sampled_from(["same", "valid"]), seed=st.integers(0, 99)
)
def test_networks_of_whole_numbers_agree_where_poolings_tie(side, shape, padding, seed):
    """All sums are exact in float32, so equal maxima are equal in both."""
    rng = np.random.default_rng(seed)
    network = fill(built(side, shape, padding), lambda size: rng.integers(-1, 3, size))
    images = rng.integers(-1, 2, (2, *side, 1)).astype(np.float32)
    images[:, 4:] = 0
    targets = np.array([[0, 2], [1, 1]])
    maps = explain(network, images, targets).methods
    expected = oracles.all_maps(network, images, targets, METHODS[:3])
    for name in ("guided_backprop", "gradient_x_input"):
        np.testing.assert_array_equal(maps[name], expected[name])
    assert distance(maps["guided_grad_cam"], expected["guided_grad_cam"]) <= TOLERANCE


def test_the_stock_network_agrees_with_automatic_differentiation():
    rng = np.random.default_rng(0)
    network = build_network(
        ModelSettings(filters=(8, 8, 8), dense=(16, 8)), side=20, n_tumors=5, rng=rng
    )
    images = rng.normal(size=(6, 20, 20, 1)).astype(np.float32)
    images[:, 17:] = 0
    fit_initial_weights(network, images)
    targets = np.stack([rng.permutation(5)[:3] for _ in images])
    maps = Explainer(network, batch_size=6)(images, targets)
    for t in range(targets.shape[1]):
        with tf.GradientTape() as tape:
            pixels = tf.constant(images)
            tape.watch(pixels)
            logit = tf.gather(network(pixels), targets[:, t], axis=1, batch_dims=1)
        expected = (tape.gradient(logit, pixels) * pixels).numpy()[..., 0]
        assert distance(maps.methods["gradient_x_input"][:, t], expected) <= TOLERANCE
    np.testing.assert_allclose(maps.logits, network(images), rtol=1e-5, atol=1e-6)
    expected = oracles.all_maps(network, images[:1], targets[:1], METHODS[:3])
    for name in METHODS[:3]:
        assert distance(maps.methods[name][:1], expected[name]) <= TOLERANCE, name


def explainer_network():
    rng = np.random.default_rng(6)
    return fill(relu_network(9, 9), lambda size: rng.normal(0, 0.5, size))


@pytest.fixture(scope="module")
def batch():
    """A traced explainer of eight samples, and as many samples with two targets each."""
    rng = np.random.default_rng(1)
    network = explainer_network()
    images = rng.normal(size=(8, 9, 9, 1)).astype(np.float32)
    images[:, 8:] = 0
    targets = rng.integers(0, 3, (8, 2))
    return Explainer(network, batch_size=8), images, targets


def same_bits(maps: saliency.Maps, expected: saliency.Maps, order) -> None:
    np.testing.assert_array_equal(maps.logits, expected.logits[order])
    for name, value in maps.methods.items():
        np.testing.assert_array_equal(value, expected.methods[name][order])


def test_batch_mates_change_no_bit(batch):
    explainer, images, targets = batch
    loud = images.copy()
    loud[1:] *= 1000
    maps = explainer(loud, targets[[0, *range(7, 0, -1)]])
    first = {name: value[:1] for name, value in maps.methods.items()}
    same_bits(saliency.Maps(maps.logits[:1], first), explainer(images, targets), slice(1))


@pytest.mark.parametrize("seed", range(3))
def test_order_changes_no_bit(batch, seed):
    explainer, images, targets = batch
    order = np.random.default_rng(seed).permutation(8)
    same_bits(explainer(images[order], targets[order]), explainer(images, targets), order)


def test_batch_size_changes_no_more_than_rounding(batch):
    explainer, images, targets = batch
    wide = Explainer(explainer_network(), batch_size=40)(images, targets)
    whole = explainer(images, targets)
    np.testing.assert_allclose(wide.logits, whole.logits, rtol=1e-6, atol=1e-6)
    for name, value in wide.methods.items():
        assert distance(value, whole.methods[name]) <= 1e-6


OF_SELFTEST = """
import sys, numpy
from tumorcam.training import threads
threads.use_threads(int(sys.argv[1]))
from tumorcam.operations import selftest
network, images, targets = selftest._example()
numpy.savez(sys.argv[2], **selftest._explainer(network)(images, targets).methods)
"""


def test_threads_change_no_more_than_rounding(tmp_path):
    maps = []
    for threads in ("1", "2"):
        path = tmp_path / f"{threads}.npz"
        subprocess.run([sys.executable, "-c", OF_SELFTEST, threads, path], check=True)
        maps.append(np.load(path))
    for name in maps[0]:
        assert distance(maps[0][name], maps[1][name]) <= 1e-6, name


@pytest.mark.parametrize("n", [1, 3, 7, 8])
def test_padding_of_a_batch_is_cut_off_and_changes_no_bit(batch, n):
    explainer, images, targets = batch
    part = explainer(images[:n], targets[:n])
    assert part.logits.shape == (n, 3)
    assert all(value.shape == (n, 2, 9, 9) for value in part.methods.values())
    same_bits(part, explainer(images, targets), slice(n))


def test_targets_do_not_depend_on_each_other(batch):
    explainer, images, targets = batch
    for name, value in explainer(images, targets[:, ::-1]).methods.items():
        np.testing.assert_array_equal(value[:, ::-1], explainer(images, targets).methods[name])


@pytest.mark.parametrize("methods", [(name,) for name in METHODS[:5]])
def test_a_method_alone_is_as_among_others(batch, methods):
    _, images, targets = batch
    alone = Explainer(explainer_network(), methods=methods, batch_size=8)(images, targets)
    assert tuple(alone.methods) == methods
    whole = Explainer(explainer_network(), methods=METHODS[:5], batch_size=8)(images, targets)
    np.testing.assert_array_equal(alone.methods[methods[0]], whole.methods[methods[0]])


def test_maps_grow_with_the_logit_and_vanish_without_it(eager):
    """Without biases a network of ReLUs is homogeneous: gradient x input adds up to the logit."""
    rng = np.random.default_rng(3)
    network = fill(
        relu_network(8, 8),
        lambda size: rng.normal(0, 0.5, size) if len(size) > 1 else np.zeros(size),
    )
    images = rng.normal(size=(3, 8, 8, 1)).astype(np.float32)
    targets = np.array([[0, 1, 2]] * 3)
    maps = explain(network, images, targets)
    total = maps.methods["gradient_x_input"].sum(axis=(2, 3))
    np.testing.assert_allclose(total, maps.logits, rtol=1e-4, atol=1e-5)
    dark = explain(network, np.zeros_like(images), targets)
    assert all((value == 0).all() for value in dark.methods.values())


def test_weights_of_another_network_need_no_new_trace(batch):
    _, images, targets = batch
    rng = np.random.default_rng(4)
    first, second = (
        fill(relu_network(9, 9), lambda size: rng.normal(0, 0.5, size)) for _ in range(2)
    )
    explainer = Explainer(first, batch_size=8)
    explainer(images, targets)
    explainer.take_weights(second)
    maps = explainer(images, targets)
    same_bits(maps, Explainer(second, batch_size=8)(images, targets), slice(None))
    assert explainer._traced.experimental_get_tracing_count() == 1


def test_equal_weights_are_not_prepared_again_and_changed_ones_are(batch):
    _, images, targets = batch
    network = explainer_network()
    explainer = Explainer(network, batch_size=8)
    tensors = explainer._weights
    explainer.take_weights(network)
    assert explainer._weights is tensors
    network.layers[0].kernel.assign_add(np.full(network.layers[0].kernel.shape, 0.01))
    explainer.take_weights(network)
    fresh = Explainer(network, batch_size=8)(images, targets)
    same_bits(explainer(images, targets), fresh, slice(None))


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("position", [0, 2, 5, -1])
def test_only_steps_whose_weights_changed_are_prepared_again(batch, position):
    _, images, targets = batch
    network = explainer_network()
    explainer = Explainer(network, batch_size=8)
    tensors = explainer._weights
    kernel = network.layers[position].kernel
    kernel.assign_add(np.full(kernel.shape, 0.01))
    explainer.take_weights(network)
    is_kept = [a is b for a, b in zip(tensors, explainer._weights, strict=True)]
    with_weights = [i for i, arrays in enumerate(tensors[:-1]) if arrays]
    assert sum(not is_kept[i] for i in with_weights) == 1
    fresh = Explainer(network, batch_size=8)(images, targets)
    same_bits(explainer(images, targets), fresh, slice(None))


def test_released_weights_are_asked_for(batch):
    _, images, targets = batch
    network = explainer_network()
    explainer = Explainer(network, batch_size=8)
    maps = explainer(images, targets)
    explainer.release_weights()
    with pytest.raises(ModelError, match=r"weights were released; call take_weights"):
        explainer(images, targets)
    explainer.take_weights(network)
    same_bits(explainer(images, targets), maps, slice(None))


@pytest.mark.usefixtures("eager")
@settings(max_examples=12, derandomize=True)
@given(seed=st.integers(0, 10_000), n_axes=st.integers(1, 2))
def test_networks_of_all_layers_agree_with_the_oracle(seed, n_axes):
    rng = np.random.default_rng(seed)
    network = random_network(rng, n_axes)
    images = rng.normal(size=(2, *network.input_shape[1:])).astype(np.float32)
    targets = np.array([[0, 2], [1, 1]])
    methods = tuple(oracles.ORACLES)
    maps = explain(network, images, targets, methods=methods).methods
    for name, expected in oracles.all_maps(network, images, targets).items():
        assert distance(maps[name].reshape(expected.shape), expected) <= TOLERANCE, name


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("seed", range(4))
def test_any_convolution_may_carry_grad_cam(seed):
    rng = np.random.default_rng(seed)
    network = random_network(rng)
    images = rng.normal(size=(2, *network.input_shape[1:])).astype(np.float32)
    targets = np.array([[0], [1]])
    for layer in [step.name for step in network.layers if isinstance(step, layers.Conv2D)]:
        maps = explain(network, images, targets, methods=METHODS[:4], layer=layer).methods
        names = ("grad_cam", "guided_grad_cam")
        expected = oracles.all_maps(network, images, targets, names, layer)
        for name, value in expected.items():
            assert distance(maps[name], value) <= TOLERANCE, (layer, name)


@pytest.mark.parametrize("seed", range(2))
def test_compiled_networks_agree_with_the_oracle(seed):
    """The tests above run operation by operation; here XLA compiles what users run."""
    rng = np.random.default_rng(seed)
    network = random_network(rng)
    images = rng.normal(size=(2, *network.input_shape[1:])).astype(np.float32)
    targets = np.array([[0, 2], [1, 1]])
    methods = tuple(oracles.ORACLES)
    maps = explain(network, images, targets, methods=methods).methods
    for name, expected in oracles.all_maps(network, images, targets).items():
        assert distance(maps[name], expected) <= TOLERANCE, name
