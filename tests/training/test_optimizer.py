import keras
import numpy as np
import pytest
import tensorflow as tf

from tumorcam.settings import ModelSettings, TrainingSettings
from tumorcam.settings.config import Config
from tumorcam.training.network import build_network
from tumorcam.training.optimizer import AdamW, make_optimizer


def optimizer_and_layer(**changes):
    """The run's optimizer, four steps an epoch, and a layer of ones for it to step on."""
    config = Config(training=TrainingSettings(epochs=5, **changes))
    layer = build_network(
        ModelSettings(filters=(), dense=()), side=2, n_tumors=3, rng=np.random.default_rng(0)
    )
    layer.set_weights([np.ones((4, 3), np.float32), np.ones(3, np.float32)])
    return make_optimizer(config, steps_per_epoch=4), layer


def test_weight_decay_leaves_biases_alone():
    optimizer, layer = optimizer_and_layer(warmup_epochs=0.0, learning_rate=0.1, weight_decay=0.5)
    optimizer.apply_gradients([(tf.zeros_like(v), v) for v in layer.trainable_variables])
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(kernel, 1 - 0.1 * 0.5, rtol=1e-6)
    np.testing.assert_array_equal(bias, 1)


def test_learning_rate_warms_up_to_the_peak_and_decays_to_zero():
    optimizer, layer = optimizer_and_layer(warmup_epochs=1.5, learning_rate=0.3)
    rates = []
    for _ in range(21):
        rates.append(float(optimizer.learning_rate))
        optimizer.apply_gradients([(tf.zeros_like(v), v) for v in layer.trainable_variables])
    np.testing.assert_allclose(rates[:7], 0.3 * np.arange(7) / 6, rtol=1e-5)
    cosine = 0.15 * (1 + np.cos(np.pi * np.arange(15) / 14))
    np.testing.assert_allclose(rates[6:], cosine, rtol=1e-5, atol=1e-8)


def test_without_warm_up_the_first_step_is_at_the_peak():
    optimizer, _ = optimizer_and_layer(warmup_epochs=0.0, learning_rate=0.3)
    assert float(optimizer.learning_rate) == pytest.approx(0.3)


@pytest.mark.parametrize(("batch", "rate"), [(0, 1e-3), (32, 4e-3)])
def test_the_rate_grows_with_the_batch_that_it_is_meant_for(batch, rate):
    settings = TrainingSettings(batch_size=128, learning_rate_batch=batch, warmup_epochs=0.0)
    optimizer = make_optimizer(Config(training=settings), 10)
    assert float(optimizer.learning_rate) == pytest.approx(rate, rel=1e-6)


def test_steps_are_those_of_keras_s_adamw():
    layers = [optimizer_and_layer()[1] for _ in range(2)]
    optimizers = [AdamW(0.1, decay=0.5), keras.optimizers.AdamW(0.1, weight_decay=0.5)]
    rng = np.random.default_rng(0)
    steps = [[rng.normal(size=shape) for shape in ((4, 3), (3,))] for _ in range(5)]
    for optimizer, layer in zip(optimizers, layers, strict=True):
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        optimizer.build(layer.trainable_variables)
        take = tf.function(optimizer.apply)
        for gradients in steps:
            take([tf.constant(gradient, tf.float64) for gradient in gradients])
    for values, expected in zip(*(layer.get_weights() for layer in layers), strict=True):
        np.testing.assert_allclose(values, expected, rtol=1e-5)
        assert np.abs(values - 1).min() > 0.001
