import numpy as np
import pytest
import tensorflow as tf
from keras import Variable

from tumorcam.settings import ModelSettings, TrainingSettings
from tumorcam.training.gradients import batch_gradients, float64_sum
from tumorcam.training.network import build_network

N, SIDE, N_TUMORS = 8, 9, 3
MODELS = {
    "square": {"filters": (4, 8), "dense": (6, 5)},
    "skip": {"filters": (4,), "dense": (6,), "skip": "linear"},
    "row": {"filters": (4,), "dense": (6,), "image": "row"},
    "dense alone": {"filters": (), "dense": (5,)},
    "no pooling": {"filters": (4,), "pool": (1,), "dense": ()},
    "normalised": {"filters": (4,), "dense": (6,), "batch_norm": True},
}


def network_and_batch(**settings):
    """A network without zeros among its weights, and images, targets and masks of eight samples."""
    rng, model = np.random.default_rng(0), ModelSettings(**settings)
    network = build_network(model, side=SIDE, n_tumors=N_TUMORS, rng=rng)
    for variable in network.trainable_variables:
        variable.assign(variable + 0.1 * rng.normal(size=variable.shape))
    images = rng.normal(size=(N, *network.input_shape[1:]))
    targets = np.eye(N_TUMORS)[rng.integers(0, N_TUMORS, N)]
    masks = [np.ones((N, units)) for units in model.dense]
    if model.skip != "none":
        masks.append(np.ones((N, 2)))
    return network, [tf.constant(array, tf.float32) for array in (images, targets, *masks)]


def gradients_of(network, batch, **training):
    """Loss and gradients, float64, of the batch as one device sees it."""
    training = TrainingSettings(batch_size=N, **training)
    step = tf.function(lambda *batch: batch_gradients(network, batch, training))(*batch)
    return float(step.loss), [gradient.numpy().astype(float) for gradient in step.gradients]


@pytest.mark.parametrize("name", MODELS)
def test_loss_and_gradients_are_those_of_the_whole_batch(name):
    """Keras's own network and layers are the oracle; normalisations see one micro-batch of all."""
    network, batch = network_and_batch(**MODELS[name])
    variables = [v.value if isinstance(v, Variable) else v for v in network.trainable_variables]
    with tf.GradientTape() as tape:
        logits = network(batch[0], training=True)
        loss = tf.reduce_mean(-tf.reduce_sum(batch[1] * tf.nn.log_softmax(logits), axis=1))
    size = N if name == "normalised" else 3
    ours, gradients = gradients_of(network, batch, micro_batch=size)
    assert ours == pytest.approx(float(loss), rel=1e-6)
    for gradient, expected in zip(gradients, tape.gradient(loss, variables), strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_mixed_gradients_are_finite_and_near_those_in_float32(name):
    """By their norms: where a pooling has two near maxima, rounding may move single values far."""
    network, batch = network_and_batch(**MODELS[name])
    loss, single = gradients_of(network, batch, micro_batch=4)
    of_mixed, mixed = gradients_of(network, batch, micro_batch=4, precision="mixed")
    assert of_mixed == pytest.approx(loss, rel=0.02) and of_mixed != loss
    off = [np.linalg.norm(ours - expected) for ours, expected in zip(mixed, single, strict=True)]
    sizes = [np.linalg.norm(expected) for expected in single]
    whole = np.linalg.norm(sizes)
    assert np.linalg.norm(off) < 0.1 * whole  # false too where a value is not finite
    for of_variable, size in zip(off, sizes, strict=True):
        assert of_variable < 0.25 * max(size, 0.1 * whole)  # that of a bias may be 0


def test_a_sum_of_gradients_hardly_depends_on_the_order_of_its_terms():
    """float32 sums of the same terms differ in about every second value."""
    terms = np.random.default_rng(0).normal(size=(16, 4000)).astype(np.float32)
    forward, backward = (float64_sum(*order).numpy() for order in (terms, terms[::-1]))
    assert forward.dtype == np.float64
    np.testing.assert_array_equal(forward.astype(np.float32), backward.astype(np.float32))
    single = [np.add.reduce(order, axis=0) for order in (terms, terms[::-1])]
    assert (single[0] != single[1]).mean() > 0.3
