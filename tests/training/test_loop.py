import h5py
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy import special
from sklearn import metrics
from training_runs import (
    WANTED,
    cohort_of,
    contents,
    die_at,
    loop_of,
    one_device,
    train,
    with_training,
)

from tumorcam.cohort import splits
from tumorcam.config import Config, load_config
from tumorcam.errors import ConfigError, ModelError
from tumorcam.settings import ModelSettings, TrainingSettings
from tumorcam.storage import integrity, records
from tumorcam.storage.plan import ModelKey, model_file
from tumorcam.training import loop
from tumorcam.training.loop import (
    HISTORY_COLUMNS,
    forward_with_dropout,
    make_optimizer,
    predict_logits,
    softmax,
    validation_scores,
)
from tumorcam.training.network import build_network, read_model
from tumorcam.training.workers import Workers

LEARNING = ["epoch", "training_loss", "validation_loss", "validation_accuracy", "learning_rate"]


@pytest.fixture
def trained(trained_run):
    """The settings of `trained_run` as its jobs read them."""
    return load_config(trained_run.folder / "config.toml")


def test_loss_falls_and_held_out_accuracy_beats_chance(tiny_run, tmp_path):
    config = with_training(tiny_run, epochs=15, patience=15, learning_rate=0.01, mixup=0.0)
    found = contents(train(tmp_path, config))
    loss = found["history/training_loss"]
    assert loss[-1] < 0.5 * loss[0]
    called = found["held_out/probability"].argmax(axis=1)
    accuracy = (called == cohort_of(config).tumor[found["held_out/sample"]]).mean()
    assert accuracy > 0.5  # chance is 0.25


def test_an_artifact_has_all_that_the_design_says(trained):
    cohort = cohort_of(trained)
    path = model_file(trained.folder, WANTED)
    role_counts = np.bincount(contents(path)["role"], minlength=3)
    n_epochs, (n_held_out, n_training, n_validation) = trained.training.epochs, role_counts
    wanted = {
        "tumors": (4,),
        "genes": (36,),
        "pixel": (54,),
        "decoy_gene": (18,),
        "scaler/mean": (36,),
        "scaler/sd": (36,),
        "role": (48,),
        "permutation/training": (18, n_training),
        "permutation/validation": (18, n_validation),
        "held_out/sample": (n_held_out,),
        "held_out/probability": (n_held_out, 4),
        **{f"history/{name}": (n_epochs,) for name in HISTORY_COLUMNS},
    }
    found = contents(path) | {"history/seconds": np.zeros(n_epochs)}
    assert {k: np.shape(found[k]) for k in wanted} == wanted
    weights = [found.pop(f"weights/{i:03d}") for i in range(8)]
    assert set(found) == {*wanted, "best_epoch", "kept_epoch"}
    with h5py.File(path) as file:
        assert {"cohort_digest", "config", "model", "layers", "side", "digest"} <= set(file.attrs)
    trained = read_model(path, trained, cohort.digest, WANTED.name)
    for kept, stored in zip(trained.network.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(kept, stored)
    integrity.verify_file(path)


def test_history_csv_holds_the_same_as_the_artifact(trained):
    path = model_file(trained.folder, WANTED)
    with h5py.File(path) as file:
        table = records.read_table(file["history"])
        best_epoch = file.attrs["best_epoch"]
    csv = pd.read_csv(path.parent / "history.csv", float_precision="round_trip")
    pd.testing.assert_frame_equal(csv, table, check_exact=True)
    assert table["epoch"].tolist() == list(range(trained.training.epochs))
    assert best_epoch == table["validation_loss"].argmin()
    assert not (path.parent / "checkpoints").exists()


def test_held_out_probabilities_are_of_patients_never_trained_on(trained):
    cohort = cohort_of(trained)
    for fold in range(2):
        wanted = ModelKey(1, fold)
        found = contents(model_file(trained.folder, wanted))
        held_out = found["held_out/sample"]
        np.testing.assert_array_equal(held_out, np.flatnonzero(cohort.fold == fold))
        np.testing.assert_array_equal(np.flatnonzero(found["role"] == splits.HELD_OUT), held_out)
        groups = [set(cohort.patient[found["role"] == role]) for role in range(3)]
        assert all(groups)
        assert sum(map(len, groups)) == len(set.union(*groups))


def test_held_out_probabilities_are_those_of_the_model_with_true_decoys(trained):
    cohort = cohort_of(trained)
    path = model_file(trained.folder, WANTED)
    found = contents(path)
    trained = read_model(path, trained, cohort.digest, WANTED.name)
    images = trained.images(cohort.expression(found["held_out/sample"]))
    probability = special.softmax(trained.network(images).numpy(), axis=1)
    np.testing.assert_allclose(found["held_out/probability"], probability, atol=1e-6)
    np.testing.assert_allclose(found["held_out/probability"].sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(("epochs", "kept"), [(9, 1), (5, 4)], ids=["patience", "full schedule"])
def test_the_best_epoch_is_kept_where_patience_ended_and_the_last_one_else(
    tiny_run, tmp_path, monkeypatch, epochs, kept
):
    losses, weights = iter([3.0, 1.0, 2.0, 1.5, 1.2]), []

    def scripted(network, features, layout):
        weights.append(network.get_weights())
        return np.zeros((len(features), 4))

    monkeypatch.setattr(loop, "predict_logits", scripted)
    monkeypatch.setattr(loop, "validation_scores", lambda *_: (next(losses), 0.25))
    found = contents(train(tmp_path, with_training(tiny_run, epochs=epochs, patience=3)))
    assert found["history/validation_loss"].tolist() == [3, 1, 2, 1.5, 1.2]
    assert (found["best_epoch"], found["kept_epoch"]) == (1, kept)
    for i, values in enumerate(weights[kept]):
        np.testing.assert_array_equal(found[f"weights/{i:03d}"], values)
    assert not np.array_equal(weights[1][0], weights[4][0])


def test_a_finished_model_is_skipped(trained, monkeypatch):
    path = model_file(trained.folder, WANTED)
    before = path.stat().st_mtime_ns
    die_at(monkeypatch, 0)
    assert train(trained.folder, trained) == path
    assert path.stat().st_mtime_ns == before


def test_a_model_of_other_settings_is_trained_anew(trained_copy):
    changed = with_training(trained_copy, epochs=1)
    found = contents(train(trained_copy.folder, changed))
    assert found["history/epoch"].tolist() == [0]


def test_a_loss_that_is_no_number_is_refused(tiny_run, tmp_path):
    config = with_training(tiny_run, learning_rate=1e30, warmup_epochs=0.0)
    with pytest.raises(ModelError, match=r"r00-f01: the loss is no longer a number in epoch 0"):
        train(tmp_path, config)
    assert not model_file(tmp_path, WANTED).exists()


def test_the_first_steps_loss_is_the_cross_entropy_of_its_batch(tiny_run, tmp_path):
    loop = loop_of(tiny_run, tmp_path)
    batch = loop.batches.batch(0, 0)
    logits = loop.network(batch.images).numpy().astype(float)
    wanted = -(batch.targets * special.log_softmax(logits, axis=1)).sum() / 8
    data = loop.workers.strategy.distribute_datasets_from_function(loop._dataset)
    assert loop._take_step(iter(data), (False, True)) == (False, True)
    np.testing.assert_allclose(float(loop.epoch_loss), wanted, rtol=1e-5)


def test_dropout_multiplies_each_hidden_dense_layer(tiny_run, tmp_path):
    network = loop_of(tiny_run, tmp_path).network
    images = np.random.default_rng(0).normal(size=(5, 8, 8, 1)).astype(np.float32)
    ones, zeros = np.ones((5, 8), np.float32), np.zeros((5, 8), np.float32)
    plain = forward_with_dropout(network, images, [ones])
    np.testing.assert_allclose(plain, network(images), rtol=1e-6)
    dropped = forward_with_dropout(network, images, [zeros])
    bias = network.get_layer("logits").bias.numpy()
    np.testing.assert_allclose(dropped, np.tile(bias, (5, 1)), rtol=1e-6)


def optimizer_and_layer(**changes):
    """The run's optimizer, four steps an epoch, and a layer of ones for it to step on."""
    config = Config(training=TrainingSettings(epochs=5, **changes))
    layer = build_network(ModelSettings((), ()), side=2, n_tumors=3, rng=np.random.default_rng(0))
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


def test_validation_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    logits, tumor = rng.normal(0, 3, (50, 4)), rng.integers(0, 4, 50)
    loss, accuracy = validation_scores(logits, tumor)
    np.testing.assert_allclose(softmax(logits), special.softmax(logits, axis=1))
    assert loss == pytest.approx(metrics.log_loss(tumor, special.softmax(logits, axis=1)))
    assert accuracy == metrics.accuracy_score(tumor, logits.argmax(axis=1))


def test_extreme_logits_give_finite_scores():
    loss, accuracy = validation_scores(np.array([[1e6, -1e6], [0.0, 1e9]]), np.array([1, 1]))
    assert np.isfinite(loss)
    assert accuracy == 0.5


def test_logits_do_not_depend_on_the_prediction_batch(tiny_run, tmp_path, monkeypatch):
    loop = loop_of(tiny_run, tmp_path)
    features = loop.task.training.features
    whole = predict_logits(loop.network, features, loop.task.layout)
    monkeypatch.setattr(loop, "PREDICTION_BATCH", 3)
    parts = predict_logits(loop.network, features, loop.task.layout)
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_devices_that_cannot_share_a_batch_are_refused(monkeypatch):
    one_device().require_divisible(33, 16)
    monkeypatch.setattr(Workers, "n_devices", 2)
    one_device().require_divisible(64, 16)
    with pytest.raises(ConfigError, match=r"training.batch_size = 48 is no multiple of the 2 dev"):
        one_device().require_divisible(48, 16)


def test_the_rate_grows_with_the_batch_it_is_meant_for():
    rates = [
        float(make_optimizer(
            Config(training=TrainingSettings(
                batch_size=128, learning_rate_batch=meant, warmup_epochs=0.0)), 10
        ).learning_rate)
        for meant in (0, 32)
    ]  # fmt: skip
    np.testing.assert_allclose(rates, [1e-3, 4e-3], rtol=1e-6)
