import dataclasses
import gc
import json
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from edited_files import edited
from scipy import special
from training_runs import KEY, cohort_of, trained

from tumorcam.cohort import layout
from tumorcam.cohort.images import place_genes
from tumorcam.errors import FileError, ModelError
from tumorcam.settings import ModelSettings
from tumorcam.settings.config import Config
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.network import (
    build_network,
    describe_layers,
    load_classifier,
    network_images,
    new_network,
)
from tumorcam.training.shapes import reachable_pixels

GENES = np.array([f"GENE{i:02d}" for i in range(50)])
SMALL = Config(model=ModelSettings(filters=(8, 8), dense=(16, 8)))


def rng(seed=0):
    return np.random.default_rng(seed)


def small_layout():
    decoy_gene = np.arange(0, 50, 5, dtype=np.int32)
    return layout.random_layout(50, decoy_gene, rng())


def network_of(settings, side=8, seed=0):
    return build_network(settings, side=side, n_tumors=3, rng=rng(seed))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("side", [11, 12])
def test_reachable_pixels_are_those_with_a_gradient_under_positive_weights(side, padding):
    """Without ReLU at work, pixels that no maximum picks still get gradient over many images."""
    settings = ModelSettings(filters=(3, 4), dense=(5,), padding=padding)
    network = network_of(settings, side=side)
    network.set_weights([np.full(w.shape, 0.1, np.float32) for w in network.get_weights()])
    images = tf.constant(rng().random((300, side, side, 1), np.float32))
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(network(images))
    has_gradient = (tape.gradient(total, images).numpy() != 0).any(axis=(0, 3))
    np.testing.assert_array_equal(reachable_pixels(settings, side), has_gradient)


def test_a_network_that_cannot_see_a_gene_is_refused():
    gene_layout = layout.GeneLayout(side=11, pixel=np.arange(121), decoy_gene=np.array([], int))
    config = Config(model=ModelSettings(filters=(4, 4), dense=(8,), padding="valid"))
    genes = np.array([f"G{i}" for i in range(121)])
    with pytest.raises(ModelError, match=r'cannot see 21 of 121 .*model.padding = "same"'):
        new_network(config, gene_layout, genes, 3, rng())


def test_a_new_network_sees_every_gene_and_has_a_logit_a_tumor():
    network = new_network(SMALL, small_layout(), GENES, 3, rng())
    assert network.output_shape == (None, 3)
    assert [layer.name for layer in network.layers] == [
        *("conv1", "pool1", "conv2", "pool2", "flatten", "dense1", "dense2", "logits")
    ]


def test_an_image_too_small_for_the_poolings_is_refused():
    with pytest.raises(ModelError, match=r"5 x 5 pixels .* of 3 convolutions with padding"):
        network_of(ModelSettings(padding="valid"), side=5)
    with pytest.raises(ModelError, match=r"of 25 pixels is too small for the kernels and poolings"):
        network_of(ModelSettings(image="row", padding="valid", kernel=(9,)), side=5)


def kinds_and_shapes(settings):
    layers = json.loads(describe_layers(network_of(settings)))
    return {layer["name"]: (layer["kind"], layer["output"]) for layer in layers}


def test_a_row_has_the_same_pixels_and_its_own_kernels_strides_and_poolings():
    settings = ModelSettings(
        image="row", filters=(4, 5), kernel=(20, 3), stride=(2, 1), pool=(1, 4), dense=(6,)
    )
    assert kinds_and_shapes(settings) == {
        "conv1": ("Conv1D", [32, 4]),
        "conv2": ("Conv1D", [32, 5]),
        "pool2": ("MaxPooling1D", [8, 5]),
        "flatten": ("Flatten", [40]),
        "dense1": ("Dense", [6]),
        "logits": ("Dense", [3]),
    }
    network = network_of(settings)
    assert [w.shape for w in network.get_weights()[:3:2]] == [(20, 1, 4), (3, 4, 5)]
    features = rng().normal(size=(2, 60)).astype(np.float32)
    square = layout.random_layout(50, np.arange(0, 50, 5, dtype=np.int32), rng())
    row, image = network_images(network, features, square), place_genes(features, square)
    np.testing.assert_array_equal(row[:, :, 0], image.reshape(2, 64))


def test_one_number_stands_for_all_convolutions():
    all_alike = ModelSettings(filters=(4, 5), kernel=(5,), stride=(2,), pool=(3,))
    spelt_out = ModelSettings(filters=(4, 5), kernel=(5, 5), stride=(2, 2), pool=(3, 3))
    assert kinds_and_shapes(all_alike) == kinds_and_shapes(spelt_out)
    assert kinds_and_shapes(all_alike)["conv2"] == ("Conv2D", [1, 1, 5])


def test_first_kernels_are_sparse_on_square_images_of_three_pixels_alone():
    def n_taps(**settings):
        kernel = network_of(ModelSettings(filters=(7,), **settings)).get_layer("conv1").kernel
        return np.count_nonzero(kernel.numpy()) / 7

    assert n_taps() <= 2
    assert n_taps(kernel=(5,)) == 25
    assert n_taps(image="row") == 3


def test_a_skip_path_is_added_to_the_logits_and_starts_at_zero():
    plain, skip = (
        network_of(dataclasses.replace(SMALL.model, skip=skip)) for skip in ("none", "linear")
    )
    names = [layer["name"] for layer in json.loads(describe_layers(skip))]
    assert sorted(names) == sorted(
        [*(layer.name for layer in plain.layers), "pixels", "skip", "sum"]
    )
    images = rng().normal(size=(4, 8, 8, 1)).astype(np.float32)
    np.testing.assert_array_equal(skip(images), plain(images))
    kernel = rng(1).normal(size=(64, 3)).astype(np.float32)
    skip.get_layer("skip").kernel.assign(kernel)
    expected = plain(images).numpy() + images.reshape(4, 64) @ kernel
    np.testing.assert_allclose(skip(images), expected, rtol=1e-4, atol=1e-5)


def test_batch_normalizations_stand_between_convolutions_and_their_relu():
    network = network_of(dataclasses.replace(SMALL.model, batch_norm=True))
    assert [layer.name for layer in network.layers][:8] == [
        *("conv1", "norm1", "relu1", "pool1", "conv2", "norm2", "relu2", "pool2")
    ]
    assert network.get_layer("conv1").activation is keras.activations.linear


def test_equal_generators_give_equal_networks():
    first, second, other = (network_of(SMALL.model, seed=s).get_weights() for s in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_layers_are_described_for_the_report():
    layers = json.loads(describe_layers(network_of(SMALL.model)))
    assert layers[0] == {"name": "conv1", "kind": "Conv2D", "output": [8, 8, 8], "weights": 80}
    assert layers[-1] == {"name": "logits", "kind": "Dense", "output": [3], "weights": 27}


def load(config, key=KEY):
    return load_classifier(RunFolder.of(config), cohort_of(config), key, config)


def test_a_classifier_has_the_weights_and_the_layout_of_its_file(trained_run):
    classifier, model = load(trained_run), trained(trained_run)
    for weights, stored in zip(classifier.network.get_weights(), model.weights, strict=True):
        np.testing.assert_array_equal(weights, stored)
    np.testing.assert_array_equal(classifier.layout.pixel, model.pixel)
    np.testing.assert_array_equal(classifier.scaler.mean, model.scaler.mean)
    assert classifier.digest == model.digest


def test_a_network_that_nobody_uses_is_gone_when_the_next_one_is_loaded(trained_run):
    """It is a cycle, which Python keeps until it looks for cycles: 40 models fill the memory."""
    gc.disable()
    try:
        earlier = weakref.ref(load(trained_run).network)
        load(trained_run, ModelKey(0, 1))
        assert earlier() is None
    finally:
        gc.enable()


def test_a_classifier_gives_the_held_out_probabilities_of_its_file(trained_run):
    """Held-out samples are classified with all decoys at their training mean."""
    classifier, held_out = load(trained_run), trained(trained_run).held_out
    expression = cohort_of(trained_run).expression(held_out.sample)
    decoy_gene = classifier.layout.decoy_gene
    means = np.broadcast_to(classifier.scaler.mean[decoy_gene], (len(expression), len(decoy_gene)))
    blank = classifier.images(expression, means)
    probability = special.softmax(classifier.network(blank).numpy(), axis=1)
    np.testing.assert_allclose(held_out.probability, probability, atol=1e-6)
    true = special.softmax(classifier.network(classifier.images(expression)).numpy(), axis=1)
    assert np.abs(held_out.probability - true).max() > 1e-3
    some = classifier.held_out.probability_of(held_out.sample[[3, 0]])
    np.testing.assert_array_equal(some, held_out.probability[[3, 0]])


def test_images_of_a_classifier_carry_genes_and_true_or_permuted_decoys(trained_run):
    classifier = load(trained_run)
    expression = rng(4).random((3, 36), np.float32)
    images = classifier.images(expression)
    assert images.shape == (3, 8, 8, 1)
    scaler, pixel = classifier.scaler, classifier.layout.pixel
    flat = images.reshape(3, 64)
    expected = (expression - scaler.mean) / scaler.sd
    np.testing.assert_allclose(flat[:, pixel[:36]], expected, rtol=1e-6)
    decoys = flat[:, pixel[36:]]
    gene = classifier.layout.decoy_gene
    np.testing.assert_array_equal(decoys, flat[:, pixel[gene]])
    permuted = rng(5).random((3, 18), np.float32)
    flat = classifier.images(expression, permuted).reshape(3, 64)
    np.testing.assert_allclose(flat[:, pixel[:36]], expected, rtol=1e-6)
    expected = (permuted - scaler.mean[gene]) / scaler.sd[gene]
    np.testing.assert_allclose(flat[:, pixel[36:]], expected, rtol=1e-6)


def test_a_missing_model_is_refused(trained_run):
    with pytest.raises(FileError, match=r"r07-f00/model.h5 does not exist; run `tumorcam train`"):
        load(trained_run, ModelKey(7, 0))


def test_a_model_of_other_pixels_is_refused(trained_copy):
    with edited(RunFolder.of(trained_copy).model(KEY)) as file:
        file["pixel"][:2] = file["pixel"][:2][::-1]
    with pytest.raises(ModelError, match="other genes, tumors or pixels than the cohort"):
        load(trained_copy)


@pytest.mark.parametrize("values", [np.zeros((2, 2), np.float32), np.array([b"code"])])
def test_weights_that_do_not_fit_the_layers_are_refused(trained_copy, values):
    path = RunFolder.of(trained_copy).model(KEY)
    with edited(path) as file:
        del file["weights/003"]
        file["weights/003"] = values
    with pytest.raises(ModelError, match=r"model\.h5 do not fit its layers; move it away and run"):
        load(trained_copy)
