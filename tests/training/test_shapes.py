"""Shapes by arithmetic are those of the layers that Keras builds, and so are reachable pixels."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorcam.errors import ModelError
from tumorcam.settings import ModelSettings
from tumorcam.training.network import build_network
from tumorcam.training.shapes import (
    convolution_names,
    image_shape,
    layer_windows,
    n_operations,
    n_weights,
    reachable_pixels,
)


def few(low: int, high: int) -> st.SearchStrategy:
    return st.integers(low, high)


@st.composite
def networks(draw: st.DrawFn) -> ModelSettings:
    n = draw(few(0, 3))
    return ModelSettings(
        image=draw(st.sampled_from(["square", "row"])),
        filters=(2,) * n,
        kernel=tuple(draw(st.lists(few(1, 6), min_size=n, max_size=n))) if n else (3,),
        stride=tuple(draw(st.lists(few(1, 4), min_size=n, max_size=n))) if n else (1,),
        pool=tuple(draw(st.lists(few(1, 4), min_size=n, max_size=n))) if n else (2,),
        dense=(2,),
        padding=draw(st.sampled_from(["same", "valid"])),
        batch_norm=draw(st.booleans()),
        skip=draw(st.sampled_from(["none", "linear"])),
    )


def without_check(model: ModelSettings, side: int, monkeypatch: pytest.MonkeyPatch) -> keras.Model:
    """The network as Keras builds it, or its ValueError."""
    monkeypatch.setattr("tumorcam.training.shapes.require_buildable", lambda *_: None)
    try:
        return build_network(model, side=side, n_tumors=2, rng=np.random.default_rng(0))
    finally:
        monkeypatch.undo()


def pixels_with_a_path(network: keras.Model) -> np.ndarray:
    """Pixels with a gradient where all weights are 1 and each maximum is the average."""
    pixels = tf.ones((1, *network.input_shape[1:]))
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        value = pixels
        for layer in network.layers:
            if layer.name in ("pixels", "skip", "sum"):
                continue
            if layer.name.startswith("conv"):
                value = layer.convolution_op(value, tf.ones_like(layer.kernel))
            elif layer.name.startswith("pool"):
                value = keras.ops.average_pool(value, layer.pool_size, layer.strides, layer.padding)
            elif layer.name.startswith(("dense", "logits")):
                value = tf.matmul(value, tf.ones_like(layer.kernel))
            elif layer.name == "flatten":
                value = layer(value)
            value /= tf.stop_gradient(tf.reduce_max(value))
    return tape.gradient(value, pixels).numpy()[0, ..., 0] > 0


@settings(max_examples=60, derandomize=True)
@given(model=networks(), side=st.integers(1, 11))
def test_arithmetic_agrees_with_keras(model, side):
    with pytest.MonkeyPatch.context() as monkeypatch:
        try:
            network = without_check(model, side, monkeypatch)
        except ValueError:
            with pytest.raises(ModelError, match="is too small for the kernels and poolings"):
                layer_windows(model, side)
            return
    counts = [windows.n_cells for windows in layer_windows(model, side)]
    layers = [layer for layer in network.layers if layer.name.startswith(("conv", "pool"))]
    assert counts == [layer.output.shape[1] for layer in layers]
    assert [layer.name for layer in layers if "conv" in layer.name] == convolution_names(model)
    assert n_weights(model, side, 2) == network.count_params()
    assert n_operations(model, side, 2) == operations_of(network)
    assert network.input_shape == (None, *image_shape(model, side), 1)
    np.testing.assert_array_equal(reachable_pixels(model, side), pixels_with_a_path(network))


def operations_of(network) -> tuple[int, int]:
    """Two for each weight of a kernel and each cell of its output; of all layers, and of dense."""
    total = dense = 0
    for layer in network.layers:
        if hasattr(layer, "kernel") and layer.name != "skip":
            cells = math.prod(layer.output.shape[1:-1])
            work = 2 * cells * math.prod(layer.kernel.shape)
            total += work
            dense += work if len(layer.output.shape) == 2 else 0
    return total, dense


def test_the_published_network_misses_five_rows_and_columns():
    published = ModelSettings(padding="valid", dense=(64,))
    assert [windows.n_cells for windows in layer_windows(published, 107)] == [
        105,
        52,
        50,
        25,
        23,
        11,
    ]
    reachable = reachable_pixels(published, 107)
    expected = np.zeros((107, 107), dtype=bool)
    expected[:102, :102] = True
    np.testing.assert_array_equal(reachable, expected)
    assert np.count_nonzero(~reachable) == 1045


@pytest.mark.parametrize("side", [7, 8, 34, 107])
def test_same_padding_misses_no_pixel(side):
    assert reachable_pixels(ModelSettings(), side).all()


def test_a_kernel_of_2_that_moves_by_3_leaves_every_third_pixel_out():
    row = ModelSettings(
        image="row", filters=(4,), kernel=(2,), stride=(3,), pool=(1,), padding="valid"
    )
    expected = np.arange(64) % 3 < 2 * (np.arange(64) < 63)
    np.testing.assert_array_equal(reachable_pixels(row, 8), expected)


def test_a_network_that_fits_no_memory_is_refused_before_it_is_built():
    with pytest.raises(ModelError, match=r"has 2,205,\d+,\d+,\d+ weights on images of side 32"):
        build_network(
            ModelSettings(dense=(2**31,)), side=32, n_tumors=2, rng=np.random.default_rng(0)
        )


def test_windows_of_any_size_take_no_memory():
    model = ModelSettings(filters=(2,), kernel=(10**12,), stride=(1,), pool=(10**12,))
    assert reachable_pixels(model, 9).all()
