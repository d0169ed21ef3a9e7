import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_runs import cohort_of

from tumorcam.cohort import layout, splits
from tumorcam.errors import CohortError
from tumorcam.settings import ModelSettings, TrainingSettings
from tumorcam.settings.config import Config
from tumorcam.storage.plan import ModelKey
from tumorcam.training.batches import (
    Batch,
    BatchMaker,
    LearningSet,
    class_weights,
    permuted_tumors,
    training_task,
)

N_TUMORS = 4
PLAIN = {"mixup": 0.0}  # each image is one training sample
MODELS_OF_NULL_RUNS = ((1, 0, 0), (1, 0, 1), (1, 1, 0), (2, 0, 0))  # run, replicate, fold
seeds = st.integers(0, 2**32 - 1)


def maker(n_samples=20, batch_size=8, name="r00-f00", seed=1, skip="none", **training):
    """Batches of samples whose feature 0 is their index, on 16 genes and 4 decoys."""
    settings = TrainingSettings(batch_size=batch_size, **{"input_dropout": 0.0} | training)
    config = Config(model=ModelSettings(dense=(6, 5), skip=skip), training=settings)
    config = dataclasses.replace(config, run=dataclasses.replace(config.run, seed=seed))
    rng = np.random.default_rng(0)
    features = rng.normal(size=(n_samples, 20)).astype(np.float32)
    features[:, 0] = np.arange(n_samples)
    decoy_gene = np.array([1, 5, 9, 13], np.int32)
    gene_layout = layout.random_layout(16, decoy_gene, rng)
    data = LearningSet(features, np.arange(n_samples) % N_TUMORS)
    return BatchMaker(config, name, data, gene_layout, N_TUMORS)


def indices(maker, batch):
    """Index of the sample on each image, where images are not mixed."""
    return batch.images.reshape(len(batch.images), -1)[:, maker.layout.pixel[0]].astype(int)


def assert_equal(first, second):
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.targets, second.targets)
    for a, b in zip(first.masks, second.masks, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_batch_by_hand():
    """One tumor's only sample, no randomness: image, target and masks are what they must be."""
    gene_layout = layout.GeneLayout(
        side=2, pixel=np.array([3, 0], np.int32), decoy_gene=np.array([0], np.int32)
    )
    settings = TrainingSettings(batch_size=2, mixup=0, label_smoothing=0.2, input_dropout=0)
    config = Config(model=ModelSettings(dense=(3,)), training=settings)
    data = LearningSet(np.array([[7.0, -2.0]], np.float32), np.array([1]))
    batch = BatchMaker(config, "r00-f00", data, gene_layout, n_tumors=2).batch(0, 0)
    np.testing.assert_array_equal(batch.images[:, :, :, 0], [[[-2, 0], [0, 7]]] * 2)
    np.testing.assert_allclose(batch.targets, [[0.1, 0.9]] * 2, rtol=1e-6)
    np.testing.assert_array_equal(batch.masks[0], np.ones((2, 3)))


@pytest.mark.parametrize("training", [{}, {"dropout": 0.5, "input_noise": 0.3}, PLAIN])
def test_a_batch_depends_on_seed_model_epoch_and_step_alone(training):
    batches = maker(**training)
    assert_equal(batches.batch(2, 1), maker(**training).batch(2, 1))
    again = batches.batch(2, 1)
    for other in (
        maker(**training, seed=2).batch(2, 1),
        maker(**training, name="r00-f01").batch(2, 1),
        batches.batch(3, 1),
        batches.batch(2, 0),
    ):
        assert not np.array_equal(other.images, again.images)


@given(
    cut=st.integers(0, 8),
    epoch=st.integers(0, 5),
    step=st.integers(0, 2),
    mixup=st.sampled_from([0.0, 0.2, 1.0]),
)
def test_slices_of_the_global_batch_make_up_the_whole(cut, epoch, step, mixup):
    batches = maker(mixup=mixup, dropout=0.3, input_noise=0.1, input_dropout=0.1)
    whole = batches.batch(epoch, step)
    parts = [batches.batch(epoch, step, rows) for rows in (slice(0, cut), slice(cut, 8))]
    joined = Batch(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.targets for part in parts]),
        tuple(np.concatenate(pair) for pair in zip(*(part.masks for part in parts), strict=True)),
    )
    assert_equal(whole, joined)


@given(n_samples=st.integers(1, 40), batch_size=st.integers(1, 50), epoch=st.integers(0, 3))
def test_every_sample_is_shown_at_least_once_an_epoch(n_samples, batch_size, epoch):
    batches = maker(n_samples, batch_size, **PLAIN)
    steps = [
        indices(batches, batches.batch(epoch, step)) for step in range(batches.steps_per_epoch)
    ]
    counts = np.bincount(np.concatenate(steps), minlength=n_samples)
    assert all(len(batch) == batch_size for batch in steps)
    assert counts.min() >= 1
    assert counts.max() - counts.min() <= 1
    assert counts.sum() < n_samples + batch_size


@given(
    mixup=st.sampled_from([0.0, 0.1, 1.0, 5.0]),
    smoothing=st.floats(0, 0.9),
    epoch=st.integers(0, 5),
)
def test_targets_without_class_weights_sum_to_one(mixup, smoothing, epoch):
    batch = maker(mixup=mixup, label_smoothing=smoothing).batch(epoch, 0)
    assert batch.targets.dtype == np.float32
    np.testing.assert_allclose(batch.targets.sum(axis=1), 1, rtol=1e-5)
    assert batch.targets.min() >= 0


def test_targets_with_class_weights_sum_to_the_weight():
    batches = maker(n_samples=21, class_weights=True, label_smoothing=0.1, **PLAIN)
    batch = batches.batch(0, 0)
    tumor = batches.data.tumor
    weight = class_weights(tumor, N_TUMORS, balanced=True)
    expected = weight[tumor[indices(batches, batch)]]
    np.testing.assert_allclose(batch.targets.sum(axis=1), expected, rtol=1e-6)


def test_mixup_mixes_images_and_targets_by_the_same_share():
    """Feature 1 is 1 in samples of tumor 0 and 0 elsewhere, so it is tumor 0's target."""
    batches = maker(n_samples=40, batch_size=40, mixup=1.0)
    batches.data.features[:, 1] = batches.data.tumor == 0
    batch = batches.batch(0, 0)
    pixel = batch.images.reshape(40, -1)[:, batches.layout.pixel[1]]
    np.testing.assert_allclose(batch.targets[:, 0], pixel, atol=1e-6)
    assert np.count_nonzero((pixel > 0.01) & (pixel < 0.99)) > 5


@given(dropped=st.floats(0, 0.8))
def test_dropout_masks_have_mean_one(dropped):
    batches = maker(n_samples=8, batch_size=400, dropout=dropped)
    for mask in batches.batch(0, 0).masks:
        assert mask.dtype == np.float32
        assert set(np.unique(mask)) <= {np.float32(0), np.float32(1) / np.float32(1 - dropped)}
        error = (dropped / (1 - dropped) / mask.size) ** 0.5
        assert abs(mask.mean() - 1) <= 6 * error + 1e-5


@pytest.mark.parametrize("dropped", [0.0, 0.3, 0.5])
def test_each_path_is_left_out_of_a_share_of_the_samples(dropped):
    mask = maker(batch_size=2000, skip="linear", path_dropout=dropped).batch(0, 0).masks[-1]
    assert mask.shape == (2000, 2) and mask.dtype == np.float32
    assert set(np.unique(mask)) <= {0, 1}, "they are not rescaled"
    np.testing.assert_allclose((mask == 0).mean(axis=0), dropped, atol=0.05)
    assert mask.any(axis=1).all(), "one path is there"


def test_masks_of_paths_depend_on_seed_model_epoch_and_step_and_change_nothing_else():
    options = {"batch_size": 64, "dropout": 0.2, "input_noise": 0.3}
    batches = maker(skip="linear", **options)
    batch = batches.batch(2, 1)
    assert_equal(batch, maker(skip="linear", **options).batch(2, 1))
    others = (
        maker(skip="linear", **options, seed=2).batch(2, 1),
        maker(skip="linear", **options, name="r00-f01").batch(2, 1),
        batches.batch(3, 1),
        batches.batch(2, 0),
    )
    assert all((other.masks[-1] != batch.masks[-1]).any() for other in others)
    part = batches.batch(2, 1, slice(10, 20)).masks[-1]
    np.testing.assert_array_equal(part, batch.masks[-1][10:20])
    assert_equal(dataclasses.replace(batch, masks=batch.masks[:-1]), maker(**options).batch(2, 1))


def test_input_noise_and_dropout_touch_genes_but_not_left_over_pixels():
    batches = maker(batch_size=200, input_noise=0.5, input_dropout=0.25, **PLAIN)
    batches.data.features[:] = 3
    flat = batches.batch(0, 0).images.reshape(200, -1)
    left_over = np.setdiff1d(np.arange(batches.layout.side**2), batches.layout.pixel)
    assert len(left_over) > 0
    assert not flat[:, left_over].any()
    genes = flat[:, batches.layout.pixel]
    np.testing.assert_allclose((genes == 0).mean(), 0.25, atol=0.03)
    np.testing.assert_allclose(genes[genes != 0].mean(), 3, atol=0.05)
    np.testing.assert_allclose(genes[genes != 0].std(), 0.5, atol=0.03)


@given(counts=st.lists(st.integers(0, 30), min_size=N_TUMORS, max_size=N_TUMORS).filter(any))
def test_class_weights_have_mean_one_and_balance_the_tumors(counts):
    tumor = np.repeat(np.arange(N_TUMORS), counts)
    weight = class_weights(tumor, N_TUMORS, balanced=True)
    np.testing.assert_allclose(weight[tumor].mean(), 1, rtol=1e-5)
    total = (weight * counts)[np.array(counts) > 0]
    np.testing.assert_allclose(total, total[0], rtol=1e-5)
    assert (class_weights(tumor, N_TUMORS, balanced=False) == 1).all()


def test_the_task_of_a_model_by_its_stored_cohort(tiny_run):
    cohort = cohort_of(tiny_run)
    task = training_task(cohort, ModelKey(1, 0), tiny_run)
    assert task.name == "r01-f00"
    np.testing.assert_array_equal(task.role == splits.HELD_OUT, cohort.fold == 0)
    for role, data in ((splits.TRAINING, task.training), (splits.VALIDATION, task.validation)):
        index = np.flatnonzero(task.role == role)
        np.testing.assert_array_equal(data.tumor, cohort.tumor[index])
        genes = task.scaler.standardise(cohort.expression(index))
        features = data.features[:]
        np.testing.assert_array_equal(features[:, :36], genes)
        gene, permuted = cohort.decoy_gene, cohort.decoy_expression(index)
        decoys = (permuted - task.scaler.mean[gene]) / task.scaler.sd[gene]
        np.testing.assert_array_equal(features[:, 36:], decoys)
    in_training = cohort.expression(np.flatnonzero(task.role == splits.TRAINING))
    np.testing.assert_allclose(task.scaler.mean, in_training.mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(task.layout.pixel, cohort.layouts[2].pixel)


def test_a_decoy_has_the_same_value_in_every_model(tiny_run):
    """In training and validation, of any layout, fold and labels, before it is standardised."""
    cohort = cohort_of(tiny_run)
    for key in (ModelKey(0, 0), ModelKey(1, 0), ModelKey(0, 1), ModelKey(0, 1, null=1)):
        task = training_task(cohort, key, tiny_run)
        mean, sd = (values[cohort.decoy_gene] for values in (task.scaler.mean, task.scaler.sd))
        for role, data in ((splits.TRAINING, task.training), (splits.VALIDATION, task.validation)):
            expected = cohort.decoy_expression(np.flatnonzero(task.role == role))
            np.testing.assert_allclose(data.features[:][:, 36:] * sd + mean, expected, rtol=1e-5)


def test_a_null_model_learns_labels_permuted_over_patients(tiny_run):
    cohort = cohort_of(tiny_run)
    keys = [ModelKey(r, f, null=n) for n, r, f in MODELS_OF_NULL_RUNS]
    tasks = [training_task(cohort, key, tiny_run) for key in keys]
    labels = []
    for key, task in zip(keys, tasks, strict=True):
        assert task.name == key.name
        np.testing.assert_array_equal(task.layout.pixel, cohort.layout_of(key).pixel)
        label = np.full(len(cohort.tumor), -1)
        label[task.role == splits.TRAINING] = task.training.tumor
        label[task.role == splits.VALIDATION] = task.validation.tumor
        patients = pd.DataFrame({"patient": cohort.patient, "label": label})[label >= 0]
        assert (patients.groupby("patient")["label"].nunique() == 1).all()
        agree = (label == cohort.tumor)[label >= 0].mean()
        assert agree < 0.6, "chance is 0.25"
        labels.append(label)
    both = (labels[0] >= 0) & (labels[1] >= 0)
    assert not both.any(), "two folds of two share no training sample"
    both = (labels[0] >= 0) & (labels[2] >= 0)
    assert (labels[0] == labels[2])[both].all(), "one permutation in all models of a null run"
    both = (labels[0] >= 0) & (labels[3] >= 0)
    assert (labels[0] != labels[3])[both].any(), "another null run, other labels"


@given(seeds)
def test_permuted_tumors_are_dealt_out_by_patient(seed):
    rng = np.random.default_rng(seed)
    patient, tumor = rng.permutation(30), rng.integers(0, 4, 30)
    dealt = permuted_tumors(patient, tumor, rng)
    assert sorted(dealt) == sorted(tumor)
    twice = permuted_tumors(np.tile(patient, 2), np.tile(tumor, 2), np.random.default_rng(seed))
    np.testing.assert_array_equal(twice[:30], twice[30:])


def test_no_patient_left_for_validation_is_refused(tiny_run):
    cohort = cohort_of(tiny_run)
    fold = np.where(np.arange(len(cohort.fold)) < 44, 0, 1)
    lonely = dataclasses.replace(cohort, tumor=np.arange(48) % 4, patient=cohort.sample, fold=fold)
    with pytest.raises(CohortError, match=r"r00-f00: .* none is left for validation; use more"):
        training_task(lonely, ModelKey(0, 0), tiny_run)


def test_the_order_of_an_epoch_is_a_uniform_shuffle_of_all_samples():
    """Each sample is as likely at any place, and neighbours of the file are apart."""
    n_samples, n_epochs = 40, 2000
    batches = maker(n_samples)
    orders = np.array([batches._order(epoch) for epoch in range(n_epochs)])
    assert (np.sort(orders, axis=1) == np.arange(n_samples)).all()
    counts = np.stack([np.bincount(place, minlength=n_samples) for place in orders.T])
    expected = n_epochs / n_samples
    chi_square = ((counts - expected) ** 2 / expected).sum()
    freedom = (n_samples - 1) ** 2
    assert abs(chi_square - freedom) < 5 * np.sqrt(2 * freedom)
    pairs = (np.abs(np.diff(orders, axis=1)) == 1).sum(axis=1)
    assert abs(pairs.mean() - 2 * (n_samples - 1) / n_samples) < 5 * np.sqrt(2 / n_epochs)
    first_half = (orders[:, : n_samples // 2] < n_samples // 2).sum(axis=1)
    variance = n_samples / 16 * n_samples / (n_samples - 1)  # hypergeometric
    assert abs(first_half.var() / variance - 1) < 5 * np.sqrt(2 / n_epochs)
