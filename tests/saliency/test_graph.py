import keras
import numpy as np
import pytest
from random_networks import random_network

from tumorcam.errors import ModelError
from tumorcam.saliency import Explainer
from tumorcam.saliency.graph import IMAGE, unroll
from tumorcam.saliency.rules import Convolution, Dense, Flatten, Rectifier

layers = keras.layers
CONVOLUTION = {"filters": 2, "kernel_size": 3, "activation": "relu"}


@pytest.mark.parametrize(
    ("kind", "options", "why"),
    [
        (layers.DepthwiseConv2D, {"kernel_size": 3}, "no rule for layers of type DepthwiseConv2D"),
        (layers.Conv2DTranspose, {"filters": 2, "kernel_size": 3}, "no rule for layers of"),
        (layers.LayerNormalization, {}, "no rule for layers of type LayerNormalization"),
        (layers.SeparableConv2D, {"filters": 2, "kernel_size": 3}, "no rule for layers"),
        (
            layers.Conv2D,
            CONVOLUTION | {"activation": "log_softmax"},
            "its activation is log_softmax",
        ),
        (layers.Activation, {"activation": "glu"}, "its activation is glu, which has no rule"),
        (layers.ReLU, {"threshold": 0.5}, "its threshold is 0.5"),
        (layers.BatchNormalization, {"axis": 1}, "its axis is 1"),
        (layers.Softmax, {}, "it follows a softmax"),
    ],
)
def test_a_layer_that_cannot_be_explained_is_named(kind, options, why):
    odd = kind(**options, name="odd")
    network = keras.Sequential(
        [
            keras.Input((9, 9, 1)),
            layers.Conv2D(**CONVOLUTION),
            odd,
            layers.Flatten(name="flat"),
            layers.Dense(2),
        ]
    )
    name = "flat" if kind is layers.Softmax else "odd"
    advice = "Move the softmax" if name == "flat" else "Build the network of these layers: Conv1D"
    message = rf"layer '{name}' \(\w+\) cannot be explained exactly: .*{why}.*\. {advice}"
    with pytest.raises(ModelError, match=message):
        Explainer(network)


def test_a_causal_convolution_is_refused():
    network = keras.Sequential(
        [
            keras.Input((9, 1)),
            layers.Conv1D(2, 3, padding="causal", name="odd"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    with pytest.raises(ModelError, match=r"'odd' .*its padding is 'causal'"):
        Explainer(network)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_recurrent_layers_are_refused_by_name(kind):
    layer = getattr(layers, kind)(3, name="odd")
    blocks = [keras.Input((9, 1)), layers.Conv1D(2, 3, activation="relu"), layer, layers.Dense(2)]
    with pytest.raises(ModelError, match=rf"'odd' \({kind}\) .*no rule for layers of type {kind}"):
        Explainer(keras.Sequential(blocks))


def test_attention_is_refused_by_name():
    image = keras.Input((9, 1))
    value = layers.Conv1D(2, 3, activation="relu")(image)
    value = layers.MultiHeadAttention(1, 2, name="odd")(value, value)
    network = keras.Model(image, layers.Dense(2)(layers.Flatten()(value)))
    with pytest.raises(ModelError, match=r"'odd' \(MultiHeadAttention\) .*no rule for layers"):
        Explainer(network)


@pytest.mark.parametrize("kind", [layers.Dropout, layers.BatchNormalization])
def test_layers_that_always_train_are_refused(kind):
    image = keras.Input((5, 5, 1))
    layer = kind(0.5, name="odd") if kind is layers.Dropout else kind(name="odd")
    value = layer(layers.Conv2D(**CONVOLUTION)(image), training=True)
    network = keras.Model(image, layers.Dense(2)(layers.Flatten()(value)))
    with pytest.raises(ModelError, match=r"'odd' .*training=True, .*Call it without training=True"):
        Explainer(network)


class Subclassed(keras.Model):
    def call(self, images):
        return images


def test_a_network_without_a_graph_is_refused():
    with pytest.raises(ModelError, match=r"is a Subclassed; wanted a Sequential or functional"):
        Explainer(Subclassed())
    with pytest.raises(ModelError, match=r"is not built: its input has no shape"):
        Explainer(keras.Sequential([layers.Flatten(), layers.Dense(2)]))


def test_one_input_and_one_output_of_known_size():
    image = keras.Input((5, 5, 1))
    logits = layers.Dense(2)(layers.Flatten()(layers.Conv2D(**CONVOLUTION)(image)))
    with pytest.raises(ModelError, match=r"has 1 inputs and 2 outputs"):
        Explainer(keras.Model(image, [logits, logits]))
    two = [keras.Input((5, 5, 1)), keras.Input((5, 5, 1))]
    with pytest.raises(ModelError, match=r"has 2 inputs and 1 outputs"):
        Explainer(keras.Model(two, layers.Flatten()(layers.Add()(two))))
    image = keras.Input((None, None, 1))
    pooled = layers.GlobalMaxPooling2D()(layers.Conv2D(**CONVOLUTION)(image))
    with pytest.raises(ModelError, match=r"takes images of any size"):
        Explainer(keras.Model(image, pooled))
    with pytest.raises(ModelError, match=r"from \(None, 5, 5, 1\) to \(None, 3, 3, 2\)"):
        Explainer(keras.Sequential([keras.Input((5, 5, 1)), layers.Conv2D(**CONVOLUTION)]))


def test_a_network_without_convolution_has_gradients_but_no_grad_cam():
    network = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(2)])
    with pytest.raises(ModelError, match=r"has no convolution, which Grad-CAM needs"):
        Explainer(network)
    maps = Explainer(network, methods=("gradient",))(np.ones((1, 4, 4, 1)), np.array([[1]]))
    kernel = network.layers[-1].kernel.numpy()[:, 1].reshape(4, 4)
    np.testing.assert_array_equal(maps.methods["gradient"][0, 0], kernel)


def test_an_unknown_layer_or_method_is_refused():
    network = random_network(np.random.default_rng(0))
    with pytest.raises(ModelError, match=r"no convolution 'conv9'; its convolutions: conv2d"):
        Explainer(network, layer="conv9")
    with pytest.raises(ModelError, match=r"method 'cam' is unknown; choose from guided_grad_cam"):
        Explainer(network, methods=("cam",))
    with pytest.raises(ModelError, match=r"precision 'half' is unknown; choose from float32, bf"):
        Explainer(network, precision="half")


def test_steps_by_hand():
    """Activations are steps of their own, a softmax at the end is none."""
    image = keras.Input((5, 5, 1))
    value = layers.Conv2D(2, 3, activation="relu6", name="conv")(image)
    value = layers.Dropout(0.5, name="idle")(value)
    value = layers.Dense(3, activation="softmax", name="top")(layers.Flatten(name="flat")(value))
    graph = unroll(keras.Model(image, value))
    assert [step.layer for step in graph.steps] == ["conv", "conv", "idle", "flat", "top"]
    assert isinstance(graph.steps[0].rule, Convolution)
    assert graph.steps[1].rule == Rectifier(ceiling=6.0)
    assert [step.inputs for step in graph.steps] == [(IMAGE,), (1,), (2,), (3,), (4,)]
    assert graph.output == 5 and graph.link == "softmax"


def test_nested_networks_are_unrolled_and_layers_may_be_shared():
    inner = keras.Sequential([keras.Input((5, 5, 2)), layers.Conv2D(2, 3, padding="same")])
    image = keras.Input((5, 5, 2))
    twice = inner(inner(image))
    graph = unroll(keras.Model(image, layers.Dense(2)(layers.Flatten()(twice))))
    kinds = [type(step.rule) for step in graph.steps]
    assert kinds == [Convolution, Convolution, Flatten, Dense]
    np.testing.assert_array_equal(graph.weights[0][0], graph.weights[1][0])


def test_nested_networks_may_have_several_inputs_but_not_outputs():
    first, second = keras.Input((5, 5, 2)), keras.Input((5, 5, 2))
    convolved = layers.Conv2D(2, 3, padding="same")(first)
    image = keras.Input((5, 5, 2))
    joining = keras.Model([first, second], layers.Add(name="sum")([convolved, second]))
    end = layers.Dense(2)(layers.Flatten()(joining([image, image])))
    steps = unroll(keras.Model(image, end)).steps
    assert [step.inputs for step in steps] == [(IMAGE,), (1, IMAGE), (2,), (3,)]
    forking = keras.Model(first, [convolved, first], name="fork")
    end = layers.Dense(2)(layers.Flatten()(layers.Add()(forking(image))))
    with pytest.raises(ModelError, match=r"'fork' .*: it has 2 outputs"):
        unroll(keras.Model(image, end))


def test_constants_and_operations_without_a_layer_are_refused():
    image = keras.Input((5, 5, 1))
    value = layers.Conv2D(**CONVOLUTION)(image)
    for changed, reason in (
        (value + 1.0, "it takes constants"),
        (keras.ops.relu(value), "tumorcam has no rule for layers of type Relu"),
    ):
        with pytest.raises(ModelError, match=reason):
            unroll(keras.Model(image, layers.Dense(2)(layers.Flatten()(changed))))


def test_reading_a_network_does_not_change_it():
    """Its layers are called no more often, and Keras numbers the next layers as before."""

    def loss(labels, logits):  # Keras could not restore it in a clone of the compiled network
        return keras.ops.mean((labels - logits) ** 2)

    network = random_network(np.random.default_rng(3))
    network.compile(optimizer="sgd", loss=loss)
    outputs = [layer.output for layer in network.layers]
    layers.Identity()  # the next one is identity_1 at least
    number = int(layers.Identity().name.removeprefix("identity_"))
    unroll(network)
    assert layers.Identity().name == f"identity_{number + 1}"
    assert all(
        layer.output is output for layer, output in zip(network.layers, outputs, strict=True)
    )
    keras.Model(network.inputs, network.layers[1].output)  # fails where a layer has two outputs


def test_networks_of_other_layers_need_an_explainer_of_their_own():
    network, other = (random_network(np.random.default_rng(seed)) for seed in (0, 1))
    explainer = Explainer(network)
    with pytest.raises(ModelError, match=r"has other layers"):
        explainer.take_weights(other)
