import dataclasses

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.cohort import layout
from tumorcam.cohort.images import Scaler
from tumorcam.config import Config
from tumorcam.errors import FileError, ModelError
from tumorcam.settings import ModelSettings
from tumorcam.storage import hdf5
from tumorcam.storage.plan import MODEL_TYPE
from tumorcam.training.network import (
    LOGIT_SD,
    build_network,
    describe_layers,
    fit_initial_weights,
    main_directions,
    model_attributes,
    new_network,
    reachable_pixels,
    read_model,
    sparse_kernel,
    write_network,
)

TUMORS = np.array(["ACC", "BRCA", "READ"])
GENES = np.array([f"GENE{i:02d}" for i in range(50)])
SMALL = Config(model=ModelSettings(filters=(8, 8), dense=(16, 8)))
DIGEST, NAME = "d" * 64, "r00-f01"


def rng(seed=0):
    return np.random.default_rng(seed)


def small_layout():
    decoy_gene = np.arange(0, 50, 5, dtype=np.int32)
    return layout.random_layout(50, decoy_gene, rng())


def network_of(settings, side=8, seed=0):
    return build_network(settings, side=side, n_tumors=3, rng=rng(seed))


def features_before_relu(network, images):
    """What enters each layer's nonlinearity, by (layer's name, value after its pooling)."""
    value, seen = images, []
    for layer in network.layers:
        if isinstance(layer, keras.layers.MaxPooling2D):
            seen[-1] = (seen[-1][0], tf.nn.max_pool2d(seen[-1][1], 2, 2, layer.padding.upper()))
        elif isinstance(layer, keras.layers.Conv2D):
            linear = tf.nn.conv2d(value, layer.kernel, 1, layer.padding.upper()) + layer.bias
            seen.append((layer.name, linear))
        elif isinstance(layer, keras.layers.Dense):
            seen.append((layer.name, tf.matmul(value, layer.kernel) + layer.bias))
        value = layer(value)
    return {name: linear.numpy() for name, linear in seen}


@pytest.fixture
def artifact(tmp_path):
    """Path of a small model's file and what was written into it."""
    network, gene_layout = network_of(SMALL.model), small_layout()
    scaler = Scaler(rng(1).random(50, np.float32), rng(2).random(50, np.float32) + 1)
    path = tmp_path / "model.h5"
    attributes = model_attributes(SMALL, DIGEST, NAME)
    with hdf5.create_file(path, MODEL_TYPE, attributes) as file:
        write_network(
            file, network, tumors=TUMORS, genes=GENES, gene_layout=gene_layout, scaler=scaler
        )
    return path, network, gene_layout, scaler


def test_the_published_network_misses_five_rows_and_columns():
    published = network_of(ModelSettings(padding="valid", dense=(64,)), side=107)
    reachable = reachable_pixels(published)
    wanted = np.zeros((107, 107), dtype=bool)
    wanted[:102, :102] = True
    np.testing.assert_array_equal(reachable, wanted)
    assert np.count_nonzero(~reachable) == 1045


@pytest.mark.parametrize("side", [7, 8, 34, 107])
def test_same_padding_misses_no_pixel(side):
    assert reachable_pixels(network_of(ModelSettings(dense=(64,)), side=side)).all()


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("side", [11, 12])
def test_reachable_pixels_are_those_with_a_gradient_under_positive_weights(side, padding):
    """Without ReLU at work, pixels that no maximum picks still get gradient over many images."""
    network = network_of(ModelSettings(filters=(3, 4), dense=(5,), padding=padding), side=side)
    network.set_weights([np.full(w.shape, 0.1, np.float32) for w in network.get_weights()])
    images = tf.constant(rng().random((300, side, side, 1), np.float32))
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(network(images))
    seen = (tape.gradient(total, images).numpy() != 0).any(axis=(0, 3))
    np.testing.assert_array_equal(reachable_pixels(network), seen)


def test_a_sparse_draw_of_few_filters_blinds_no_pixel():
    networks = [network_of(ModelSettings(filters=(2, 2), dense=(4,)), seed=s) for s in range(5)]
    assert all(reachable_pixels(network).all() for network in networks)


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
    with pytest.raises(ModelError, match=r"5 x 5 pixels is too small for 3 poolings"):
        network_of(ModelSettings(padding="valid"), side=5)


def test_equal_generators_give_equal_networks():
    first, second, other = (network_of(SMALL.model, seed=s).get_weights() for s in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0])


@given(n_filters=st.integers(1, 70), seed=st.integers(0))
def test_every_first_filter_looks_at_one_or_two_pixels(n_filters, seed):
    kernel = sparse_kernel(n_filters, rng(seed))
    assert kernel.shape == (3, 3, 1, n_filters)
    assert kernel.dtype == np.float32
    taps = np.count_nonzero(kernel, axis=(0, 1, 2))
    assert set(taps) <= {1, 2}
    np.testing.assert_allclose(np.abs(kernel[kernel != 0]), 0.5**0.5, rtol=1e-6)


def test_a_quarter_of_the_taps_is_negative():
    kernel = sparse_kernel(4000, rng())
    assert 0.2 < (kernel[kernel != 0] < 0).mean() < 0.3


def test_later_filters_lean_to_the_main_directions_of_their_patches():
    """Channel 1 varies ten times as much as channel 0: the filters look at it almost alone."""
    layer = keras.layers.Conv2D(4, 3, padding="same")
    values = rng().normal(size=(20, 6, 6, 2)).astype(np.float32) * np.array([1, 10], np.float32)
    layer(values)
    kernel = main_directions(layer, values)
    flat = kernel.reshape(-1, 4)
    np.testing.assert_allclose(flat.T @ flat, np.eye(4), atol=1e-12)
    assert (kernel[:, :, 1] ** 2).sum() > 0.99 * 4
    nudged = main_directions(layer, values * np.float32(1 + 1e-6))
    np.testing.assert_allclose(nudged, kernel, atol=1e-4)


def test_more_filters_than_patch_values_are_only_turned():
    layer = keras.layers.Conv2D(12, 3)
    values = rng().normal(size=(20, 6, 6, 1)).astype(np.float32)
    layer(values)
    assert np.linalg.matrix_rank(main_directions(layer, values).reshape(9, 12)) == 9


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_initial_scale_gives_unit_spread_and_the_documented_mean(padding):
    settings = ModelSettings(filters=(8, 16), dense=(64, 32), padding=padding)
    network = network_of(settings, side=12)
    images = rng().normal(0.3, 2, (200, 12, 12, 1)).astype(np.float32)
    fit_initial_weights(network, images)
    seen = features_before_relu(network, images)
    for name in ("conv1", "conv2"):
        np.testing.assert_allclose(seen[name].std(axis=(0, 1, 2)), 1, rtol=1e-3)
        np.testing.assert_allclose(seen[name].mean(axis=(0, 1, 2)), 1, rtol=1e-3)
    for name, spread in (("dense1", 1), ("dense2", 1), ("logits", LOGIT_SD)):
        np.testing.assert_allclose(seen[name].mean(axis=0), 0, atol=1e-3)
        np.testing.assert_allclose(seen[name].var(axis=0).mean() ** 0.5, spread, rtol=1e-3)


def test_initial_scale_keeps_the_dense_kernels_directions():
    network = network_of(SMALL.model)
    before = network.get_layer("dense1").kernel.numpy()
    fit_initial_weights(network, rng().normal(size=(50, 8, 8, 1)).astype(np.float32))
    ratio = network.get_layer("dense1").kernel.numpy() / before
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-5)


def test_an_artifact_comes_back_bit_for_bit(artifact):
    path, network, gene_layout, scaler = artifact
    read = read_model(path, SMALL, DIGEST, NAME)
    for kept, written in zip(read.network.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, written)
    np.testing.assert_array_equal(read.tumors, TUMORS)
    np.testing.assert_array_equal(read.genes, GENES)
    np.testing.assert_array_equal(read.layout.pixel, gene_layout.pixel)
    np.testing.assert_array_equal(read.layout.decoy_gene, gene_layout.decoy_gene)
    np.testing.assert_array_equal(read.scaler.mean, scaler.mean)
    np.testing.assert_array_equal(read.scaler.sd, scaler.sd)
    images = rng(3).normal(size=(4, 8, 8, 1)).astype(np.float32)
    np.testing.assert_array_equal(read.network(images).numpy(), network(images).numpy())
    with h5py.File(path) as file:
        assert read.digest == file.attrs["digest"]


def test_images_of_a_model_carry_genes_and_true_decoys(artifact):
    path, _, gene_layout, scaler = artifact
    expression = rng(4).random((3, 50), np.float32)
    images = read_model(path, SMALL, DIGEST, NAME).images(expression)
    assert images.shape == (3, 8, 8, 1)
    wanted = (expression - scaler.mean) / scaler.sd
    flat = images.reshape(3, 64)
    np.testing.assert_allclose(flat[:, gene_layout.pixel[:50]], wanted, rtol=1e-6)
    decoys = flat[:, gene_layout.pixel[50:]]
    np.testing.assert_array_equal(decoys, flat[:, gene_layout.pixel[gene_layout.decoy_gene]])


def test_weights_are_numbers_only(artifact):
    kinds = {}
    with h5py.File(artifact[0]) as file:
        file.visititems(lambda name, item: kinds.update({name: getattr(item, "dtype", None)}))
    weights = [kind for name, kind in kinds.items() if name.startswith("weights/")]
    assert weights == [np.float32] * 10
    assert all(kind is None or kind.kind in "fiS" for kind in kinds.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cohort_digest": "e" * 64}, "its cohort is dddddddddddd, this run's eeeeeeeeeeee"),
        ({"name": "r01-f00"}, "it is r00-f01, wanted r01-f00"),
        (
            {"config": dataclasses.replace(SMALL, model=ModelSettings(filters=(8, 8), dense=(9,)))},
            r"model.dense: \[16, 8\] -> \[9\]",
        ),
    ],
)
def test_another_cohort_name_or_setting_is_refused(artifact, change, message):
    wanted = {"config": SMALL, "cohort_digest": DIGEST, "name": NAME} | change
    with pytest.raises(ModelError, match=message) as raised:
        read_model(artifact[0], **wanted)
    assert str(artifact[0]) in str(raised.value)
    assert "delete it and run jobs.train" in str(raised.value)


def test_a_missing_model_is_refused(tmp_path):
    with pytest.raises(FileError, match=r"model.h5 does not exist; run jobs.train"):
        read_model(tmp_path / "model.h5", SMALL, DIGEST, NAME)


def test_a_damaged_model_is_refused(artifact):
    path = artifact[0]
    with h5py.File(path) as file:
        offset = file["weights/000"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"cannot be read .* delete it, then run jobs.train"):
        read_model(path, SMALL, DIGEST, NAME)


@pytest.mark.parametrize("values", [np.zeros((2, 2), np.float32), np.array([b"code"])])
def test_weights_that_are_not_those_of_the_layers_are_refused(artifact, values):
    with h5py.File(artifact[0], "a") as file:
        del file["weights/003"]
        file["weights/003"] = values
    with pytest.raises(ModelError, match="weights are not those of its layers"):
        read_model(artifact[0], SMALL, DIGEST, NAME)


def test_layers_are_described_for_the_report():
    described = describe_layers(network_of(SMALL.model))
    assert described[0] == {"name": "conv1", "kind": "Conv2D", "output": [8, 8, 8], "weights": 80}
    assert described[-1] == {"name": "logits", "kind": "Dense", "output": [3], "weights": 27}
