import dataclasses
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import special
from training_runs import (
    KEY,
    cohort_of,
    die_at,
    loop_of,
    train,
    trained,
    with_training,
)
from written_tables import check_file, columns_of_file

from tumorcam.cohort import splits
from tumorcam.cohort.images import features_without_decoys
from tumorcam.errors import ModelError
from tumorcam.report.dictionary import TRAINING_TABLES
from tumorcam.storage import integrity
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training import loop
from tumorcam.training.loop import HISTORY_COLUMNS, Wishes
from tumorcam.training.network import MOMENTUM, load_classifier, network_images
from tumorcam.training.prediction import ValidationScores


def path_of(config, key=KEY):
    return RunFolder.of(config).model(key)


def test_loss_falls_and_held_out_accuracy_beats_chance(tiny_run, tmp_path):
    longer = {"epochs": 40, "patience": 40, "learning_rate": 0.01, "mixup": 0.0}
    config = with_training(tiny_run, **longer, weight_decay=0.3)
    tumor, called = cohort_of(config).tumor, np.full(48, -1)
    for fold in range(2):
        model = train(tmp_path, config, ModelKey(0, fold))
        loss = model.history["training_loss"].to_numpy()
        assert loss[-1] < 0.5 * loss[0]
        called[model.held_out.sample] = model.held_out.probability.argmax(axis=1)
    assert (called == tumor).mean() > 0.5  # chance is 0.25


def test_a_model_file_has_all_that_the_design_says(trained_run):
    cohort, model = cohort_of(trained_run), trained(trained_run)
    n_held_out = (model.role == splits.HELD_OUT).sum()
    arrays = {
        "tumors": (model.tumors, (4,), "<U4"),
        "genes": (model.genes, (36,), "<U6"),
        "pixel": (model.pixel, (54,), "<i4"),
        "decoy_gene": (model.decoy_gene, (18,), "<i4"),
        "mean": (model.scaler.mean, (36,), "<f4"),
        "sd": (model.scaler.sd, (36,), "<f4"),
        "role": (model.role, (48,), "|i1"),
        "sample": (model.held_out.sample, (n_held_out,), "<i4"),
        "probability": (model.held_out.probability, (n_held_out, 4), "<f4"),
    }
    for name, (values, shape, dtype) in arrays.items():
        assert (values.shape, values.dtype.str) == (shape, dtype), name
    assert tuple(model.history.columns) == HISTORY_COLUMNS
    assert len(model.history) == trained_run.training.epochs
    assert [layer["name"] for layer in model.layer_list if layer["weights"]] == [
        *("conv1", "conv2", "dense1", "logits")
    ]
    assert len(model.weights) == 8 and {w.dtype for w in model.weights} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(model.genes, cohort.genes)
    integrity.check_seal(path_of(trained_run))


def test_history_csv_holds_the_same_as_the_model(trained_run):
    model, path = trained(trained_run), RunFolder.of(trained_run).history(KEY)
    check_file(path, columns_of_file(TRAINING_TABLES, "history.csv"))
    csv = pd.read_csv(path, float_precision="round_trip")
    pd.testing.assert_frame_equal(csv, model.history, check_exact=True)
    assert model.history["epoch"].tolist() == list(range(trained_run.training.epochs))
    assert model.best_epoch == model.history["validation_loss"].argmin()
    assert not RunFolder.of(trained_run).checkpoints(KEY).exists()


def test_held_out_probabilities_are_of_patients_never_trained_on(trained_run):
    cohort = cohort_of(trained_run)
    for fold in range(2):
        model = trained(trained_run, ModelKey(1, fold))
        held_out = model.held_out.sample
        np.testing.assert_array_equal(held_out, np.flatnonzero(cohort.fold == fold))
        np.testing.assert_array_equal(np.flatnonzero(model.role == splits.HELD_OUT), held_out)
        groups = [set(cohort.patient[model.role == role]) for role in range(3)]
        assert all(groups)
        assert sum(map(len, groups)) == len(set.union(*groups))


@pytest.mark.parametrize(("epochs", "kept"), [(9, 1), (5, 4)], ids=["patience", "full schedule"])
def test_the_best_epoch_is_kept_where_patience_ended_and_the_last_one_else(
    tiny_run, tmp_path, monkeypatch, epochs, kept
):
    losses, weights = iter([3.0, 1.0, 2.0, 1.5, 1.2]), []

    def scripted(network, features, layout):
        weights.append(network.get_weights())
        return np.zeros((len(features), 4))

    monkeypatch.setattr(loop, "predict_logits", scripted)
    scores = lambda *_: ValidationScores(next(losses), 0.25)  # noqa: E731
    monkeypatch.setattr(loop, "validation_scores", scores)
    model = train(tmp_path, with_training(tiny_run, epochs=epochs, patience=3))
    assert model.history["validation_loss"].tolist() == [3, 1, 2, 1.5, 1.2]
    assert (model.best_epoch, model.kept_epoch) == (1, kept)
    for stored, values in zip(model.weights, weights[kept], strict=True):
        np.testing.assert_array_equal(stored, values)
    assert not np.array_equal(weights[1][0], weights[4][0])


def test_a_finished_model_is_skipped(trained_run, monkeypatch):
    before = path_of(trained_run).stat().st_mtime_ns
    die_at(monkeypatch, 0)
    train(trained_run.folder, trained_run)
    assert path_of(trained_run).stat().st_mtime_ns == before


def test_a_model_of_other_settings_is_trained_anew(trained_copy):
    model = train(trained_copy.folder, with_training(trained_copy, epochs=1))
    assert model.history["epoch"].tolist() == [0]


def test_a_loss_that_is_no_number_is_refused(tiny_run, tmp_path):
    config = with_training(tiny_run, learning_rate=1e30, warmup_epochs=0.0)
    with pytest.raises(ModelError, match=r"r00-f01: the loss is no longer a number in epoch 0"):
        train(tmp_path, config)
    assert not RunFolder(tmp_path).model(KEY).exists()


def test_the_first_steps_loss_is_the_cross_entropy_of_its_batch(tiny_run, tmp_path):
    loop = loop_of(tiny_run, tmp_path)
    batch = loop.batches.batch(0, 0)
    logits = loop.network(batch.images).numpy().astype(float)
    expected = -(batch.targets * special.log_softmax(logits, axis=1)).sum() / 8
    data = loop.workers.strategy.distribute_datasets_from_function(loop._dataset)
    assert loop._take_step(iter(data), Wishes(False, True)) == Wishes(False, True)
    np.testing.assert_allclose(float(loop.epoch_loss), expected, rtol=1e-5)


def step_of(loop):
    """Take one step of a loop; nothing."""
    data = loop.workers.strategy.distribute_datasets_from_function(loop._dataset)
    loop._take_step(iter(data), Wishes(False, False))


def with_model(config, **changes):
    return dataclasses.replace(config, model=dataclasses.replace(config.model, **changes))


def test_averages_move_towards_the_mean_over_micro_batches(tiny_run, tmp_path):
    """Micro-batches of 2; the first normalization sees the first convolution alone."""
    loop = loop_of(with_model(tiny_run, batch_norm=True), tmp_path)
    first = keras.Model(loop.network.inputs, loop.network.get_layer("conv1").output)
    value = first(loop.batches.batch(0, 0).images).numpy().astype(float).reshape(4, -1, 16)
    norm = loop.network.get_layer("norm1")
    before = [norm.moving_mean.numpy(), norm.moving_variance.numpy()]
    step_of(loop)
    after = norm.moving_mean.numpy(), norm.moving_variance.numpy()
    means = value.mean(axis=1).mean(axis=0), value.var(axis=1).mean(axis=0)
    for old, new, mean in zip(before, after, means, strict=True):
        np.testing.assert_allclose(
            new, MOMENTUM * old + (1 - MOMENTUM) * mean, rtol=1e-5, atol=1e-6
        )


def test_weight_decay_pulls_at_kernels_alone_the_skip_path_s_too(tiny_run, tmp_path):
    config = with_model(tiny_run, skip="linear", batch_norm=True)
    loop = loop_of(config, tmp_path)
    variables = loop.network.trainable_variables
    decays = {
        "/".join(v.path.split("/")[-2:]): loop.optimizer._use_weight_decay(v) for v in variables
    }
    assert decays == {path: path.endswith("kernel") for path in decays}
    assert decays["skip/kernel"] and not decays["norm1/gamma"]


def test_a_dropped_skip_path_learns_nothing(tiny_run, tmp_path):
    """Its weights change by the samples that keep it alone."""
    config = with_model(with_training(tiny_run, warmup_epochs=0.0), skip="linear")
    for kept in (0.0, 1.0):
        loop = loop_of(config, tmp_path)
        batch = loop.batches.batch(0, 0)
        batch.masks[-1][:] = (1.0, kept)
        loop.batches = SimpleNamespace(
            batch=lambda *_, batch=batch: batch, n_tumors=4, steps_per_epoch=3
        )
        step_of(loop)
        assert loop.network.get_layer("skip").kernel.numpy().any() == bool(kept)
        assert float(loop.epoch_loss) > 0


def test_the_share_through_the_convolutions_is_logged_and_stored(tiny_run, tmp_path, caplog):
    config = with_model(with_training(tiny_run, learning_rate=0.05), skip="linear")
    config = dataclasses.replace(config, run=dataclasses.replace(config.run, folder=str(tmp_path)))
    shutil.copytree(tiny_run.folder, tmp_path, dirs_exist_ok=True)
    with caplog.at_level("INFO", "tumorcam"):
        model = train(tmp_path, config)
    assert f"{100 * model.convolution_share:.0f} % of the logits through the conv" in caplog.text
    cohort, held_out = cohort_of(config), model.held_out.sample
    classifier = load_classifier(RunFolder.of(config), cohort, KEY, config)
    features = features_without_decoys(
        cohort.expression(held_out), classifier.scaler, classifier.layout
    )
    images = network_images(classifier.network, features, classifier.layout)
    whole = classifier.network(images).numpy().astype(float)
    probability = special.softmax(whole, axis=1)
    np.testing.assert_allclose(probability, model.held_out.probability, atol=1e-6)
    skip = images.reshape(len(images), -1) @ classifier.network.get_layer("skip").kernel.numpy()
    covariance = np.zeros(2)
    for part, logit in zip(centred(whole - skip).T, centred(whole).T, strict=True):
        covariance += np.cov(part, logit)[:, 1]
    assert model.convolution_share == pytest.approx(covariance[0] / covariance[1], rel=1e-4)
    assert abs(1 - model.convolution_share) > 0.01


def centred(logits):
    return logits - logits.mean(axis=1, keepdims=True)


def test_without_a_skip_path_all_comes_through_the_convolutions(trained_run):
    assert trained(trained_run).convolution_share == 1.0
