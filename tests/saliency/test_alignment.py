import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.errors import ModelError
from tumorcam.saliency import Explainer
from tumorcam.saliency.alignment import ReceptiveField, interpolation_matrix
from tumorcam.saliency.rules import AveragePooling, Window

layers = keras.layers


def test_receptive_fields_by_hand():
    """A convolution of 3 with padding, a pooling of 2, and a convolution without padding."""
    field = ReceptiveField(1, 0, 0).through(Window(3, 1, 1))
    assert field == ReceptiveField(1, -1, 1) and field.centre == 0
    field = field.through(Window(2, 2, 0))
    assert field == ReceptiveField(2, -1, 2) and field.centre == 0.5
    field = field.through(Window(3, 1, 0))
    assert field == ReceptiveField(2, -1, 6) and field.centre == 2.5


@pytest.mark.parametrize(
    ("n", "size", "stride", "padding"),
    [(8, 3, 1, (1, 1)), (7, 2, 2, (0, 1)), (8, 2, 2, (0, 0)), (7, 3, 3, (1, 1)), (9, 2, 1, (0, 1))],
)
def test_padding_as_tensorflow_adds_it(n, size, stride, padding):
    same = AveragePooling((size, 1), (stride, 1), "SAME")
    assert same._n_added(n, size, stride) == sum(padding)
    assert same.windows(n, 5) == (Window(size, stride, padding[0]), Window(1, 1, 0))
    valid = AveragePooling((size, 1), (stride, 1), "VALID")
    assert valid.windows(n, 5) == (Window(size, stride, 0), Window(1, 1, 0))


def test_paths_of_different_strides_cannot_be_laid_on_the_image():
    image = keras.Input((8, 8, 1))
    fine = layers.Conv2D(1, 3, strides=2, padding="same")(image)
    coarse = layers.ZeroPadding2D(1)(layers.MaxPooling2D(2)(fine))
    joined = layers.Add(name="joined")([fine, layers.Conv2D(1, 1)(coarse)])
    value = layers.Conv2D(1, 1, name="last")(joined)
    network = keras.Model(image, layers.GlobalMaxPooling2D()(value))
    with pytest.raises(ModelError, match=r"into layer 'joined' move by \[2, 4\] pixels"):
        Explainer(network)


def test_interpolation_by_hand():
    """Two cells on pixels 0.5 and 2.5 of four."""
    matrix = interpolation_matrix(4, 2, 2.0, 0.5)
    np.testing.assert_array_equal(matrix, [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    np.testing.assert_array_equal(interpolation_matrix(3, 1, 2.0, 0.5), [[1]] * 3)


@given(st.integers(1, 30), st.integers(1, 9), st.floats(1, 8), st.floats(-3, 9))
def test_interpolation_weights_add_up_and_keep_what_is_linear(n_pixels, n_cells, stride, offset):
    matrix = interpolation_matrix(n_pixels, n_cells, stride, offset)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=1e-6)
    centres = offset + stride * np.arange(n_cells)
    positions = np.clip(np.arange(n_pixels), centres[0], centres[-1])
    np.testing.assert_allclose(matrix @ centres, positions, rtol=1e-5, atol=1e-4)
