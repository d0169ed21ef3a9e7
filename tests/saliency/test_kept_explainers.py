"""Compiled explainers that the library keeps between calls: never stale, and freed in time."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from random_networks import distance, fill, relu_network

import tumorcam
from tumorcam.errors import ModelError
from tumorcam.saliency import Explainer, kept_explainers, program

layers = keras.layers


@pytest.fixture
def eager():
    """No compiling, which takes most of the time of a small network."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def rng():
    return np.random.default_rng(12)


def small_network(rng):
    return fill(relu_network(7, 7, filters=(2,)), lambda size: rng.normal(0, 0.5, size))


def example(rng):
    """A network, five images and a target of each."""
    network = small_network(rng)
    images = rng.normal(size=(5, *network.input_shape[1:])).astype(np.float32)
    return network, images, rng.integers(0, 3, 5)


def fresh(network, images, targets, method="guided_grad_cam", **options):
    """Maps of an explainer of its own."""
    options = {"batch_size": kept_explainers.default_batch_size(network, len(images))} | options
    explainer = Explainer(network, methods=(method,), **options)
    return explainer(images, targets[:, np.newaxis]).methods[method][:, 0]


def kept(network):
    return kept_explainers.EXPLAINERS[network].explainers


def test_the_second_call_compiles_nothing_and_has_the_same_bits(rng):
    network, images, targets = example(rng)
    first = tumorcam.guided_grad_cam(network, images, targets)
    (explainer,) = kept(network).values()
    second = tumorcam.guided_grad_cam(network, images, targets)
    (again,) = kept(network).values()
    assert again is explainer and explainer._traced.experimental_get_tracing_count() == 1
    np.testing.assert_array_equal(first, fresh(network, images, targets))
    np.testing.assert_array_equal(second, first)


def test_the_maps_follow_the_weights(rng, eager):
    network, images, targets = example(rng)
    old = tumorcam.guided_grad_cam(network, images, targets)
    fill(network, lambda size: rng.normal(0, 0.5, size))
    new = tumorcam.guided_grad_cam(network, images, targets)
    assert (new != old).any()
    np.testing.assert_array_equal(new, fresh(network, images, targets))
    network.compile(optimizer="sgd", loss="mse")
    network.train_on_batch(images, np.eye(3)[targets])
    trained = tumorcam.guided_grad_cam(network, images, targets)
    assert (trained != new).any()
    np.testing.assert_array_equal(trained, fresh(network, images, targets))
    assert len(kept(network)) == 1


def test_the_maps_follow_the_layers(rng, eager):
    network, images, targets = example(rng)
    old = tumorcam.guided_grad_cam(network, images, targets)
    network.layers[0].activation = keras.activations.leaky_relu
    new = tumorcam.guided_grad_cam(network, images, targets)
    assert (new != old).any()
    np.testing.assert_array_equal(new, fresh(network, images, targets))
    network.pop()
    network.add(layers.Dense(4))
    with pytest.raises(ModelError, match=r"targets go from 4 to 4"):
        tumorcam.guided_grad_cam(network, images, np.full(5, 4))
    wider = tumorcam.guided_grad_cam(network, images, np.full(5, 3))
    np.testing.assert_array_equal(wider, fresh(network, images, np.full(5, 3)))
    network.layers[-1].activation = keras.activations.log_softmax
    with pytest.raises(ModelError, match=r"its activation is log_softmax"):
        tumorcam.guided_grad_cam(network, images, targets)


def test_the_maps_follow_the_named_convolution(rng, eager):
    """Two convolutions of one shape change places, so that only their names differ."""
    convolutions = [
        layers.Conv2D(1, 3, padding="same", activation="relu", name=name) for name in "ab"
    ]
    network = keras.Sequential([keras.Input((6, 6, 1)), *convolutions])
    network.add(layers.Flatten())
    network.add(layers.Dense(3))
    fill(network, lambda size: rng.normal(0.2, 0.5, size))
    images, targets = rng.normal(size=(4, 6, 6, 1)).astype(np.float32), np.array([0, 1, 2, 0])
    tumorcam.grad_cam(network, images, targets, layer="a")
    first, second, *end = network.layers
    while network.layers:
        network.pop(rebuild=False)
    for layer in (second, first, *end):
        network.add(layer)
    maps = tumorcam.grad_cam(network, images, targets, layer="a")
    expected = fresh(network, images, targets, "grad_cam", layer="a")
    np.testing.assert_array_equal(maps, expected)
    assert (expected != fresh(network, images, targets, "grad_cam", layer="b")).any()


def test_a_network_is_freed_with_all_that_is_kept_of_it(rng):
    network, images, targets = example(rng)
    for method in ("guided_grad_cam", "gradient"):
        getattr(tumorcam, method)(network, images, targets)
    freed = [weakref.ref(owner) for owner in (network, *kept(network).values())]
    assert len(freed) == 3
    n_networks = len(kept_explainers.EXPLAINERS)
    del network
    gc.collect()  # frees the network, whose entry then goes
    gc.collect()  # frees the explainers of the entry
    assert [reference() for reference in freed] == [None] * 3
    assert len(kept_explainers.EXPLAINERS) < n_networks


def test_few_explainers_are_kept_and_only_the_last_used_has_weights(rng, eager, monkeypatch):
    monkeypatch.setattr(kept_explainers, "MAX_KEPT", 2)
    network, images, targets = example(rng)
    for method in ("gradient", "guided_backprop", "grad_cam", "guided_backprop"):
        maps = getattr(tumorcam, method)(network, images, targets)
        np.testing.assert_array_equal(maps, fresh(network, images, targets, method))
        *others, last = kept(network).values()
        assert last._weights and not any(other._weights for other in others)
    assert [options.method for options in kept(network)] == ["grad_cam", "guided_backprop"]


def test_batches_of_other_sizes_and_precisions_do_not_share_an_explainer(rng, eager):
    network, images, targets = example(rng)
    tumorcam.gradient(network, images, targets)
    tumorcam.gradient(network, images, targets, batch_size=8)  # the default for five images
    few = tumorcam.gradient(network, images, targets, batch_size=3)
    assert distance(few, fresh(network, images, targets, "gradient")) <= 1e-6
    half = tumorcam.gradient(network, images, targets, precision="bfloat16")
    expected = fresh(network, images, targets, "gradient", precision="bfloat16")
    np.testing.assert_array_equal(half, expected)
    assert {(o.batch_size, o.precision) for o in kept(network)} == {
        (8, "float32"),
        (3, "float32"),
        (8, "bfloat16"),
    }


def test_wrong_targets_do_not_cost_the_compiled_explainer(rng, eager):
    network, images, targets = example(rng)
    tumorcam.gradient(network, images, targets)
    (explainer,) = kept(network).values()
    with pytest.raises(ModelError, match=r"targets are \(4,\) for 5 images"):
        tumorcam.gradient(network, images, targets[:4])
    assert list(kept(network).values()) == [explainer]


@pytest.fixture
def traces(monkeypatch):
    """The functions that are traced from now on; nothing is shared with earlier tests."""
    functions, trace = [], program.Program.trace
    monkeypatch.setattr(program, "_PROGRAMS", type(program._PROGRAMS)())

    def recorded(self, image_shape, weights):
        functions.append(trace(self, image_shape, weights))
        return functions[-1]

    monkeypatch.setattr(program.Program, "trace", recorded)
    yield lambda: [function.experimental_get_tracing_count() for function in functions]


def test_targets_of_any_shape_and_new_weights_need_no_new_trace(rng, traces):
    network, images, targets = example(rng)
    for call in (targets, None, np.stack([targets, targets[::-1]], axis=1), targets.tolist()):
        tumorcam.gradient(network, images, call)
    fill(network, lambda size: rng.normal(0, 0.5, size))
    tumorcam.gradient(network, images, targets)
    network.compile(optimizer="sgd", loss="mse")
    network.fit(images, np.eye(3)[targets], verbose=0)
    maps = tumorcam.gradient(network, images, targets)
    assert traces() == [1]
    np.testing.assert_array_equal(maps, fresh(network, images, targets, "gradient"))


def test_any_number_of_images_needs_three_traces_at_most(rng, traces):
    network, images, targets = example(rng)
    many, classes = np.tile(images, (14, 1, 1, 1)), np.tile(targets, 14)
    few = {n: tumorcam.gradient(network, many[:n], classes[:n]) for n in (2, 7, 8, 9, 20, 63)}
    assert traces() == [1]
    for n, maps in few.items():  # a batch of eight has the same bits at any place
        np.testing.assert_array_equal(maps, few[63][:n])
    for n in (1, 64, 70, 0):
        maps = tumorcam.gradient(network, many[:n], classes[:n])
        assert len(maps) == n and distance(maps[:63], few[63][:n]) <= 1e-6
    assert traces() == [1, 1, 1]


def test_networks_of_one_structure_share_a_trace_whatever_their_names(rng, traces):
    maps = []
    for _ in range(2):
        network, images, targets = example(np.random.default_rng(len(maps)))
        network.name = "twin"
        maps.append((network, images, targets, tumorcam.gradient(network, images, targets)))
    assert traces() == [1]
    for network, images, targets, expected in reversed(maps):  # neither has the other's weights
        np.testing.assert_array_equal(tumorcam.gradient(network, images, targets), expected)
        np.testing.assert_array_equal(expected, fresh(network, images, targets, "gradient"))
    assert traces() == [1] and (maps[0][-1] != maps[1][-1]).any()


def test_few_programs_are_kept(rng, traces, eager, monkeypatch):
    monkeypatch.setattr(program, "MAX_PROGRAMS", 2)
    network, images, targets = example(rng)
    for method in ("gradient", "guided_backprop", "grad_cam"):
        getattr(tumorcam, method)(network, images, targets)
    assert len(program._PROGRAMS) == 2


def test_threads_share_a_network_without_mixing_or_compiling_twice(rng, traces):
    first, images, targets = example(rng)
    second, _, _ = example(rng)
    jobs = [(network, name) for network in (first, second) for name in ("gradient", "grad_cam")]
    expected = [getattr(tumorcam, name)(network, images, targets) for network, name in jobs]
    n_traces = len(traces())
    with ThreadPoolExecutor(8) as pool:
        calls = [
            pool.submit(getattr(tumorcam, name), network, images, targets)
            for _ in range(6)
            for network, name in jobs
        ]
        for i, call in enumerate(calls):
            np.testing.assert_array_equal(call.result(), expected[i % len(jobs)])
    assert traces() == [1] * n_traces == [1, 1]


def test_threads_that_come_first_together_compile_once(rng, traces):
    network, images, targets = example(rng)
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(tumorcam.gradient, network, images, targets) for _ in range(4)]
        maps = [call.result() for call in calls]
    assert traces() == [1] and len(kept(network)) == 1
    for other in maps[1:]:
        np.testing.assert_array_equal(other, maps[0])


def resident_bytes():
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_memory_stays_flat_over_fifty_networks(rng, traces):
    """Each network would hold 3 MB of weights, and its own compiled code some 3 MB."""
    sizes, references = [], []
    for i in range(50):
        network = relu_network(7, 7, filters=(2,), dense=(20_000,))
        images = rng.normal(size=(5, 7, 7, 1)).astype(np.float32)
        tumorcam.guided_grad_cam(network, images, [0, 1, 2, 0, 1])
        references.append(weakref.ref(network))
        del network
        if i % 10 == 9:
            gc.collect()
            gc.collect()
            sizes.append(resident_bytes())
    assert [reference() for reference in references] == [None] * 50
    assert traces() == [1]
    assert max(sizes) - sizes[0] < 50e6


def test_a_batch_takes_no_more_memory_than_allowed(monkeypatch):
    network = relu_network(7, 7, filters=(2,))
    sizes = {n: kept_explainers.default_batch_size(network, n) for n in (0, 1, 2, 63, 64, 1000)}
    assert sizes == {0: 1, 1: 1, 2: 8, 63: 8, 64: 64, 1000: 64}
    n_bytes = kept_explainers.sample_bytes(network)
    for n_fitting, size in ((63, 8), (8, 8), (7, 1), (0.5, 1)):
        monkeypatch.setattr(kept_explainers, "MAX_BATCH_BYTES", int(n_fitting * n_bytes))
        assert kept_explainers.default_batch_size(network, 1000) == size


def test_a_lack_of_memory_says_what_to_do(rng, eager, monkeypatch):
    network, images, targets = example(rng)

    def exhausted(self, images, targets):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(Explainer, "__call__", exhausted)
    with pytest.raises(ModelError, match=r"for batches of 8 images; pass a smaller batch_size"):
        tumorcam.gradient(network, images, targets)
