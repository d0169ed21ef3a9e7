"""Activations: exact gradients of all of them, and guided methods for rectifiers only."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from random_networks import distance, fill

import tumorcam
from tumorcam.errors import ModelError
from tumorcam.saliency import Explainer
from tumorcam.settings import METHODS

layers = keras.layers
SMOOTH = (
    *("gelu", "silu", "swish", "softplus", "elu", "selu", "tanh", "sigmoid", "hard_silu", "celu"),
    *("hard_swish", "hard_sigmoid", "mish", "softsign", "exponential", "log_sigmoid", "hard_tanh"),
)
GUIDED = ("guided_grad_cam", "guided_backprop", "guided_gradient", "guided_grad_cam_shared")
TARGETS = np.array([[0, 2], [1, 1], [2, 0]])
TOLERANCE = 1e-5


@pytest.fixture
def eager():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def network_of(*activations, n_axes=2, end=None):
    """Blocks of a convolution and an activation, a pooling, and a dense layer with the last one."""
    rng = np.random.default_rng(3)
    shape, convolution = ((8, 7, 2), layers.Conv2D) if n_axes == 2 else ((9, 2), layers.Conv1D)
    blocks = [keras.Input(shape)]
    for activation in activations:
        if isinstance(activation, keras.Layer):
            blocks += [convolution(3, 3, padding="same"), activation]
        else:
            blocks += [convolution(3, 3, padding="same", activation=activation)]
    pooling = layers.MaxPooling2D if n_axes == 2 else layers.MaxPooling1D
    blocks += [pooling(2), layers.Flatten(), layers.Dense(3, activation=end)]
    network = fill(keras.Sequential(blocks), lambda size: rng.normal(0, 0.4, size))
    return network, rng.normal(size=(3, *shape)).astype(np.float32)


def by_tape(network, images, columns):
    """Gradients of the network's outputs, by automatic differentiation, (samples, targets, ...)."""
    gradients = []
    for targets in columns.T:
        with tf.GradientTape() as tape:
            pixels = tf.constant(images)
            tape.watch(pixels)
            logit = tf.gather(network(pixels), targets, axis=1, batch_dims=1)
        gradients.append(tape.gradient(logit, pixels).numpy())
    return np.stack(gradients, axis=1)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_of_smooth_activations_are_exact(name):
    network, images = network_of("tanh", name)  # tanh keeps exponential finite
    expected = by_tape(network, images, TARGETS)
    maps = Explainer(network, methods=("gradient", "gradient_x_input"), batch_size=3)
    maps = maps(images, TARGETS).methods
    assert distance(maps["gradient"], expected.sum(axis=-1)) <= TOLERANCE
    expected = (expected * images[:, np.newaxis]).sum(axis=-1)
    assert distance(maps["gradient_x_input"], expected) <= TOLERANCE


def test_compiled_gradients_of_smooth_activations_are_exact():
    network, images = network_of("gelu", "silu", layers.ELU(), layers.PReLU(), "softplus")
    expected = by_tape(network, images, TARGETS).sum(axis=-1)
    assert distance(tumorcam.gradient(network, images, TARGETS), expected) <= TOLERANCE


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("function", [tf.nn.relu, tf.nn.relu6, tf.nn.leaky_relu, tf.nn.gelu])
def test_functions_of_tensorflow_are_those_of_keras(function):
    network, images = network_of(function)
    expected = by_tape(network, images, TARGETS).sum(axis=-1)
    assert distance(tumorcam.gradient(network, images, TARGETS), expected) <= TOLERANCE


@pytest.mark.usefixtures("eager")
def test_integrated_gradients_add_up_in_a_smooth_network():
    """16 nodes meet their completeness where few poolings switch on the way."""
    network, images = network_of("gelu", "tanh")
    maps = tumorcam.integrated_gradients(network, images, TARGETS)
    rise = (network(images) - network(np.zeros_like(images))).numpy()
    assert distance(maps.sum(axis=(2, 3)), np.take_along_axis(rise, TARGETS, 1)) <= 0.05


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("n_axes", [1, 2])
def test_grad_cam_of_a_smooth_network_by_hand(n_axes):
    """At the centre of each cell the map is the ReLU of the weighted activations."""
    network, images = network_of("gelu", "silu", n_axes=n_axes)
    activation = network.layers[1](network.layers[0](images))
    with tf.GradientTape() as tape:
        tape.watch(activation)
        value = activation
        for layer in network.layers[2:]:
            value = layer(value)
        logit = tf.gather(value, TARGETS[:, 0], axis=1, batch_dims=1)
    axes = tuple(range(1, n_axes + 1))
    alpha = tf.reduce_mean(tape.gradient(logit, activation), axes, keepdims=True)
    expected = tf.nn.relu(tf.reduce_sum(alpha * activation, -1))
    maps = tumorcam.grad_cam(network, images, TARGETS[:, 0])
    assert (maps > 0).any() and distance(maps, expected) <= TOLERANCE


@pytest.mark.parametrize("name", ["gelu", "silu", "softplus", "elu", "tanh", layers.ELU])
@pytest.mark.parametrize("method", GUIDED)
def test_guided_methods_refuse_smooth_activations_by_name(name, method):
    is_layer = name is layers.ELU
    network, images = network_of("relu", layers.ELU() if is_layer else name)
    layer = network.layers[2 if is_layer else 1].name
    word = "elu" if is_layer else name
    message = (
        rf"{method} cannot explain layer '{layer}': its activation is {word}\. Guided "
        r"backpropagation is defined for ReLU .*Use gradient, .*grad_cam, or train"
    )
    with pytest.raises(ModelError, match=message):
        getattr(tumorcam, method)(network, images)


def test_all_methods_but_the_guided_ones_explain_smooth_networks():
    network, images = network_of("gelu")
    for method in set(METHODS) - set(GUIDED):
        assert getattr(tumorcam, method)(network, images, [0, 1, 2]).shape == (3, 8, 7)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_guided_maps_of_prelu_are_those_of_the_rectifier_of_its_slope(slope):
    network, images = network_of(layers.PReLU(), layers.PReLU())
    twin, _ = network_of(layers.LeakyReLU(slope), layers.LeakyReLU(slope))
    for layer in network.layers:
        if isinstance(layer, layers.PReLU):
            layer.alpha.assign(tf.fill(layer.alpha.shape, slope))
    twin.set_weights(
        [
            array
            for layer in network.layers
            if not isinstance(layer, layers.PReLU)
            for array in layer.get_weights()
        ]
    )
    for method in ("guided_backprop", "gradient"):
        maps, expected = (getattr(tumorcam, method)(n, images, TARGETS) for n in (network, twin))
        assert distance(maps, expected) <= TOLERANCE and (maps != 0).any()


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("n_axes", [1, 2])
def test_gradients_of_prelu_are_exact_with_slopes_of_their_own(n_axes):
    network, images = network_of(layers.PReLU(), n_axes=n_axes)
    expected = by_tape(network, images, TARGETS).sum(axis=-1)
    assert distance(tumorcam.gradient(network, images, TARGETS), expected) <= TOLERANCE


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("end", ["softmax", "sigmoid"])
def test_a_softmax_or_sigmoid_at_the_end_is_left_out(end):
    network, images = network_of("relu")
    squashed, _ = network_of("relu", end=end)
    squashed.set_weights(network.get_weights())
    maps, expected = (
        tumorcam.guided_grad_cam(each, images, TARGETS) for each in (squashed, network)
    )
    np.testing.assert_array_equal(maps, expected)


@pytest.mark.usefixtures("eager")
def test_a_single_sigmoid_output_is_one_class():
    shape = (6, 6, 1)
    network = keras.Sequential(
        [keras.Input(shape), layers.Flatten(), layers.Dense(1, activation="sigmoid")]
    )
    maps = tumorcam.gradient(network, np.ones((2, *shape)), [0, 0])
    np.testing.assert_array_equal(maps[1], network.layers[-1].kernel.numpy().reshape(6, 6))


@pytest.mark.usefixtures("eager")
def test_a_sigmoid_inside_a_network_is_an_activation():
    network, images = network_of("sigmoid", "sigmoid")
    expected = by_tape(network, images, TARGETS).sum(axis=-1)
    assert distance(tumorcam.gradient(network, images, TARGETS), expected) <= TOLERANCE


def test_an_unknown_function_is_refused_by_name():
    def squared(value):
        return value * value

    network, images = network_of(squared)
    with pytest.raises(ModelError, match=r"its activation is squared, which has no rule\. Build"):
        tumorcam.gradient(network, images)
