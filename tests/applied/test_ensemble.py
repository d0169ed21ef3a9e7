import dataclasses
import errno
import resource
import signal

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax
from tensorflow.core.protobuf import saved_model_pb2

from tumorcam.applied.ensemble import (
    BLOCK,
    Ensemble,
    Member,
    Names,
    forward_of,
    save_ensemble,
    source_of_pixels,
)
from tumorcam.cohort.images import Scaler, features_without_decoys
from tumorcam.cohort.layout import GeneLayout
from tumorcam.settings import ModelSettings
from tumorcam.training.network import Classifier, build_network
from tumorcam.training.prediction import predict_logits

N_GENES, N_DECOYS, SIDE, N_TUMORS = 30, 10, 8, 3
SETTINGS = dataclasses.replace(ModelSettings(), filters=(8, 8), dense=(80,))
NAMES = Names([f"Gène {i}" for i in range(N_GENES)], ["ACC", "BRCA", "Ü"])


def random_weights(shape, rng):
    """Kernels that keep the scale of their input; all else is positive, as variances are."""
    if len(shape) == 1:
        return rng.uniform(0.5, 1.5, shape)
    return rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)


def random_classifier(seed, **changes):
    """A network with random weights, moments of batch normalizations included."""
    rng = np.random.default_rng(seed)
    settings = dataclasses.replace(SETTINGS, **changes)
    network = build_network(settings, side=SIDE, n_tumors=N_TUMORS, rng=rng)
    network.set_weights([random_weights(w.shape, rng) for w in network.get_weights()])
    pixel = rng.permutation(SIDE**2)[: N_GENES + N_DECOYS].astype(np.int32)
    layout = GeneLayout(SIDE, pixel, rng.permutation(N_GENES)[:N_DECOYS].astype(np.int32))
    mean, sd = rng.normal(6, 1, N_GENES), rng.uniform(0.5, 2, N_GENES)
    scaler = Scaler(mean.astype(np.float32), sd.astype(np.float32))
    return Classifier(network, layout, scaler, None, "")


def ensemble_of(classifiers, **options):
    members = [Member(classifier, f"r{i}") for i, classifier in enumerate(classifiers)]
    forward = forward_of(classifiers[0].network)
    return Ensemble(members, forward, NAMES, **{"temperature": 1.5} | options)


def expected(classifiers, expression):
    """Mean probabilities, by the functions with which tumorcam classifies samples."""
    total = 0
    for c in classifiers:
        filled = np.where(np.isnan(expression), c.scaler.mean, expression)
        features = features_without_decoys(filled, c.scaler, c.layout)
        total = total + softmax(predict_logits(c.network, features, c.layout), axis=1)
    return total / len(classifiers)


def random_expression(n_samples):
    rng = np.random.default_rng(1)
    values = rng.normal(6, 2, (n_samples, N_GENES)).astype(np.float32)
    values[rng.uniform(size=values.shape) < 0.2] = np.nan
    return values


def test_a_pixel_has_its_gene_or_none():
    layout = GeneLayout(2, np.array([3, 0, 1], np.int32), np.array([0], np.int32))
    np.testing.assert_array_equal(source_of_pixels(layout, 2), [1, 2, 2, 0])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"batch_norm": True},
        {"skip": "linear"},
        {"image": "row"},
        {"filters": (), "dense": (8,)},
    ],
    ids=str,
)
def test_any_network_gives_the_probabilities_of_tumorcam(changes, tmp_path):
    classifiers = [random_classifier(seed, **changes) for seed in range(3)]
    expression = random_expression(2 * BLOCK + 3)
    save_ensemble(ensemble_of(classifiers), tmp_path / "model")
    model = tf.saved_model.load(str(tmp_path / "model"))
    answer = model.classify(expression)
    probability = expected(classifiers, expression)
    assert np.ptp(probability, axis=0).max() > 0.01, "samples differ"
    np.testing.assert_allclose(answer["probability"], probability, rtol=0, atol=1e-6)
    scaled = softmax(np.log(probability) / 1.5, axis=1)
    np.testing.assert_allclose(answer["calibrated"], scaled, rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_samples", [0, 1, BLOCK, BLOCK + 1])
def test_any_number_of_samples_is_taken(n_samples):
    classifiers = [random_classifier(0), random_classifier(1)]
    expression = random_expression(BLOCK + 1)
    answer = ensemble_of(classifiers).classify(expression[:n_samples])["probability"].numpy()
    assert answer.shape == (n_samples, N_TUMORS) and answer.dtype == np.float32
    whole = expected(classifiers, expression)[:n_samples]
    np.testing.assert_allclose(answer, whole, rtol=0, atol=1e-6)


def test_a_certain_call_stays_finite():
    classifier = random_classifier(0)
    *others, bias = classifier.network.get_weights()
    classifier.network.set_weights([*others, bias + np.array([0, 900, 0], np.float32)])
    answer = ensemble_of([classifier]).classify(random_expression(2))
    np.testing.assert_array_equal(answer["probability"], [[0, 1, 0]] * 2)
    rest = 1e-30 ** (1 / 1.5)
    np.testing.assert_allclose(answer["calibrated"], [[rest, 1, rest]] * 2, rtol=1e-5)


def test_names_and_texts_come_out_of_the_model(tmp_path):
    (tmp_path / "genes.txt").write_text("a\n", encoding="utf-8")
    save_ensemble(
        ensemble_of([random_classifier(0)], texts=[tmp_path / "genes.txt"]), tmp_path / "model"
    )
    assert (tmp_path / "model" / "assets" / "genes.txt").read_text(encoding="utf-8") == "a\n"
    model = tf.saved_model.load(str(tmp_path / "model"))
    for info in (model.info(), model.signatures["info"]()):
        assert [name.decode() for name in info["genes"].numpy()] == NAMES.genes
        assert [name.decode() for name in info["tumors"].numpy()] == NAMES.tumors
    values = tf.constant(random_expression(2))
    answer = model.signatures["serving_default"](expression=values)
    assert answer.keys() == {"probability", "calibrated"}
    np.testing.assert_array_equal(answer["calibrated"], model.classify(values)["calibrated"])


def test_weights_scaler_and_layout_are_variables_and_the_graph_has_no_large_constant(tmp_path):
    classifiers = [random_classifier(seed) for seed in range(2)]
    save_ensemble(ensemble_of(classifiers), tmp_path / "model")
    content = saved_model_pb2.SavedModel()
    content.ParseFromString((tmp_path / "model" / "saved_model.pb").read_bytes())
    graph = content.meta_graphs[0].graph_def
    nodes = [
        *graph.node,
        *(node for function in graph.library.function for node in function.node_def),
    ]
    sizes = [node.attr["value"].tensor.ByteSize() for node in nodes if node.op == "Const"]
    largest = max(w.nbytes for w in classifiers[0].network.get_weights())
    assert sizes and max(sizes) < 4000 < largest, "names of variables take the most"
    shapes = [
        shape for _, shape in tf.train.list_variables(f"{tmp_path}/model/variables/variables")
    ]
    assert shapes.count([SIDE**2]) == 2 and shapes.count([N_GENES]) == 4
    n_weights = sum(w.size for w in classifiers[0].network.get_weights())
    stored = sum(int(np.prod(shape)) for shape in shapes if shape)
    assert stored >= 2 * n_weights + 2 * SIDE**2 + 4 * N_GENES
    assert stored < 2.1 * n_weights + 2 * SIDE**2 + 4 * N_GENES + 100, "each weight once"


def test_a_full_disk_is_an_error_of_the_system(tmp_path):
    """The limit is the process's own, on the size of a file."""
    ensemble = ensemble_of([random_classifier(0)])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
    try:
        with pytest.raises(OSError) as raised:
            save_ensemble(ensemble, tmp_path / "model")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert raised.value.errno == errno.EFBIG and raised.value.filename == str(tmp_path / "model")
