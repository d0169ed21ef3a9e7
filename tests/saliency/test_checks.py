"""Wrong arguments of the library: each gets one message that says what to do."""

from pathlib import Path

import keras
import numpy as np
import pytest
from random_networks import relu_network

import tumorcam
from tumorcam.errors import ModelError
from tumorcam.saliency import checks

layers = keras.layers
IMAGES = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype(np.float32)
TARGETS = [0, 2, 1, 0]


@pytest.fixture(scope="module")
def network():
    return relu_network(8, 8, filters=(2,))


def changed(place, value):
    images = IMAGES.astype(float)
    images[place] = value
    return images


WRONG_TARGETS = {
    "floats": ([0.0, 1.0, 2.0, 0.0], r"are floats such as 0\.0; .*targets\.astype\(int\)"),
    "parts": ([0.5, 1.0, 2.0, 0.0], r"are floats such as 0\.5; .*round them"),
    "NaN": ([np.nan] * 4, r"are floats such as nan; .*leave out samples without a class"),
    "bools": ([True] * 4, r"are True and False such as True; .*np\.argmax"),
    "texts": (["BRCA"] * 4, r"are texts such as 'BRCA'; .*index of each class"),
    "None": ([0, None, 1, 2], r"are objects such as 0; .*pass an array of int"),
    "mapping": ({"a": 1}, r"are objects such as \{'a': 1\}; wanted indices"),
    "too large": ([0, 1, 2, 3], r"go from 0 to 3, but the network has 3 classes; .*from 0 to 2"),
    "negative": ([0, 1, 2, -1], r"go from -1 to 2, but the network has 3 classes"),
    "scalar": (1, r"are \(\) for 4 images; wanted \(4,\) or \(4, targets\)"),
    "too few": ([0, 1, 2], r"are \(3,\) for 4 images"),
    "none": ([], r"are \(0,\) for 4 images"),
    "no axis": (np.zeros((4, 0), int), r"are \(4, 0\) for 4 images; .*one or more classes"),
    "three axes": (np.zeros((4, 1, 1), int), r"are \(4, 1, 1\) for 4 images"),
    "ragged": ([[0], [1, 2], [0], [1]], r"are a list that is no array; .*the same shape"),
    "one-hot": (np.eye(3, dtype=int)[TARGETS], r"each row is a single 1 among zeros; .*np\.argmax"),
}
WRONG_IMAGES = {
    "NaN": (changed((2, 3), np.nan), r"at 8 places, the first in sample 2; repair or leave out"),
    "infinite": (changed((3, 0, 0), -np.inf), r"at 1 places, the first in sample 3"),
    "too large": (changed((1, 0, 0), 1e300), r"too large values at 1 places"),
    "one image": (IMAGES[0], r"are \(8, 8, 1\); wanted \(samples, 8, 8, 1\); .*np\.newaxis\]"),
    "no channels": (IMAGES[..., 0], r"are \(4, 8, 8\); .*images\[\.\.\., np\.newaxis\]"),
    "channels first": (np.moveaxis(IMAGES, 3, 1), r"are \(4, 1, 8, 8\); .*np\.moveaxis\(images, 1"),
    "size": (IMAGES[:, :7], r"are \(4, 7, 8, 1\); .*resize or reshape them"),
    "channels": (np.repeat(IMAGES, 3, axis=3), r"are \(4, 8, 8, 3\); wanted \(samples, 8, 8, 1\)"),
    "texts": (IMAGES.astype(str), r"are texts of dtype <U\d+; .*convert them"),
    "bools": (IMAGES > 0, r"are True and False of dtype bool; .*convert them"),
    "complex": (IMAGES + 1j, r"are complex numbers of dtype complex64"),
    "nothing": (None, r"are objects of dtype object; wanted \(samples, 8, 8, 1\)"),
    "a path": ("images.npy", r"are texts of dtype"),
    "an empty list": ([], r"are \(0,\); wanted \(samples, 8, 8, 1\)"),
    "ragged": ([IMAGES[0], IMAGES[0, :3]], r"are a list that is no array; .*the same shape"),
}


@pytest.mark.parametrize(("targets", "why"), WRONG_TARGETS.values(), ids=WRONG_TARGETS)
def test_wrong_targets_are_refused(network, targets, why):
    with pytest.raises(ModelError, match=f"^targets .*{why}|^targets {why}"):
        tumorcam.gradient(network, IMAGES, targets)


@pytest.mark.parametrize(("images", "why"), WRONG_IMAGES.values(), ids=WRONG_IMAGES)
def test_wrong_images_are_refused(network, images, why):
    with pytest.raises(ModelError, match=f"^images .*{why}|^images {why}"):
        tumorcam.gradient(network, images, TARGETS)


class Subclassed(keras.Model):
    def call(self, images):
        return images


def two_inputs():
    pair = [keras.Input((8, 8, 1)), keras.Input((8, 8, 1))]
    return keras.Model(pair, layers.Dense(3)(layers.Flatten()(layers.Add()(pair))))


WRONG_NETWORKS = {
    "file": (lambda: "model.keras", r"is the text 'model\.keras'; .*load_model"),
    "path": (lambda: Path("model.keras"), r"is the text 'model\.keras'; .*load_model"),
    "layer": (lambda: "conv2d", r"is the text 'conv2d'; .*layer=\.\.\."),
    "list": (lambda: [relu_network(8, 8)], r"is a list; wanted .*once for each network"),
    "nothing": (lambda: None, r"is a NoneType; wanted a Sequential or functional"),
    "layer itself": (
        lambda: layers.Conv2D(2, 3),
        r"is a Conv2D; wanted a Sequential or functional",
    ),
    "unbuilt": (lambda: keras.Sequential([layers.Dense(2)]), r"is not built: .*keras\.Input\("),
    "subclass": (Subclassed, r"is a Subclassed; wanted .*keras\.Model\(inputs, outputs\)"),
    "two inputs": (two_inputs, r"has 2 inputs and 1 outputs; wanted one of each"),
    "no logits": (
        lambda: keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3)]),
        r"goes from \(None, 8, 8, 1\) to \(None, 6, 6, 2\); .*end it with Flatten",
    ),
}


@pytest.mark.parametrize(("make", "why"), WRONG_NETWORKS.values(), ids=WRONG_NETWORKS)
def test_what_is_no_network_is_refused(make, why):
    with pytest.raises(ModelError, match=f"^network .*{why}|^network {why}"):
        tumorcam.gradient(make(), IMAGES, TARGETS)


def test_a_network_without_convolution_is_refused_by_grad_cam_alone():
    network = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(3)])
    with pytest.raises(ModelError, match=r"no convolution, .*: none; use a method without it"):
        tumorcam.grad_cam(network, IMAGES, TARGETS)
    kernel = network.layers[-1].kernel.numpy().T.reshape(3, 8, 8)
    np.testing.assert_array_equal(tumorcam.gradient(network, IMAGES, TARGETS), kernel[TARGETS])


def test_damaged_weights_are_refused_before_and_after_compiling():
    network = relu_network(8, 8, filters=(2,))
    weights = network.get_weights()
    tumorcam.gradient(network, IMAGES, TARGETS)
    network.set_weights([np.full_like(array, np.nan) for array in weights])
    with pytest.raises(ModelError, match=r"gives logits that are NaN or infinite; check its"):
        tumorcam.gradient(network, IMAGES, TARGETS)
    with pytest.raises(ModelError, match=r"gives outputs that are NaN or infinite; check its"):
        tumorcam.gradient_x_input(network, IMAGES, TARGETS)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"layer": "conv9"}, r"no convolution 'conv9'; its convolutions: .*; name one of these"),
        ({"layer": 0}, r"layer is a int; wanted the name of a convolution.*pass layer\.name"),
        ({"precision": "half"}, r"precision 'half' is unknown; choose from float32, bfloat16"),
        ({"batch_size": 0}, r"batch_size is 0; wanted a whole number from 1"),
        ({"batch_size": 2.0}, r"batch_size is 2\.0; wanted a whole number"),
        ({"batch_size": True}, r"batch_size is True; wanted a whole number"),
        ({"batch_size": "8"}, r"batch_size is '8'; wanted a whole number"),
    ],
)
def test_wrong_options_are_refused(network, options, why):
    with pytest.raises(ModelError, match=why):
        tumorcam.grad_cam(network, IMAGES, TARGETS, **options)


def test_numbers_of_other_types_are_converted(network):
    images = np.arange(128).reshape(2, 8, 8, 1)
    for dtype in (np.uint8, np.int64, np.float16, np.float64):
        numbers = checks.checked_images(network, images.astype(dtype))
        assert numbers.dtype == np.float32
        np.testing.assert_array_equal(numbers, images)


def test_right_targets_become_integers_of_the_same_shape():
    for targets in ([0, 2], np.array([0, 2], np.uint8), [[0, 1], [2, 2]], np.array([[1], [0]])):
        classes = checks.checked_targets(targets, n_images=2, n_classes=3)
        np.testing.assert_array_equal(classes, targets)
        assert classes.dtype == int
    every = checks.checked_targets(None, n_images=2, n_classes=3)
    np.testing.assert_array_equal(every, [[0, 1, 2], [0, 1, 2]])
    pairs = checks.checked_targets([[0, 1], [1, 0]], n_images=2, n_classes=2)
    np.testing.assert_array_equal(pairs, [[0, 1], [1, 0]])  # all classes, not one-hot rows


def test_a_network_with_one_output_has_one_class():
    with pytest.raises(ModelError, match=r"go from 0 to 1, but the network has one class"):
        checks.checked_targets([0, 1], n_images=2, n_classes=1)
