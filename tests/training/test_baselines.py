import dataclasses

import h5py
import numpy as np
import pytest
from edited_files import edited
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special
from scipy.spatial.distance import cdist

from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.errors import FileError
from tumorcam.settings.config import Config, config_from_tables
from tumorcam.storage import integrity
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training import baseline_training
from tumorcam.training.baseline_training import learned_samples, train_baselines
from tumorcam.training.baselines import BASELINE_METHODS, read_baselines

CONFIG = Config()


def draw(n_samples=60, n_genes=12, n_tumors=3, seed=0):
    """Expression, tumor and held-out samples, every fourth; gene t is raised by 3 in tumor t."""
    rng = np.random.default_rng(seed)
    tumor = np.arange(n_samples) % n_tumors
    expression = rng.normal(6, 1, (n_samples, n_genes)).astype(np.float32)
    expression[np.arange(n_samples), tumor] += 3
    return expression, tumor, np.arange(n_samples) % 4 == 0


def held_out_probability(name, expression, tumor, held_out, *, n_tumors):
    """Probabilities of the held-out samples by one baseline that learned from all others."""
    learned, rows = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    of_name = baseline_training.held_out_probability(
        [name], expression.__getitem__, tumor, learned, rows, n_tumors=n_tumors
    )
    return of_name[name]


@pytest.fixture
def cohort(tiny_run):
    return read_cohort(tiny_run.folder / "cohort.h5", tiny_run)


@pytest.mark.parametrize("name", BASELINE_METHODS)
@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_rows_are_probabilities_and_sum_to_one(name, seed):
    expression, tumor, held_out = draw(seed=seed)
    probability = held_out_probability(name, expression, tumor, held_out, n_tumors=3)
    assert probability.shape == (15, 3)
    assert probability.min() >= 0
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", BASELINE_METHODS)
def test_a_tumor_that_is_missing_in_training_gets_zero(name):
    expression, tumor, held_out = draw()
    held_out |= tumor == 1
    probability = held_out_probability(name, expression, tumor, held_out, n_tumors=4)
    assert (probability[:, [1, 3]] == 0).all()
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", BASELINE_METHODS)
def test_held_out_samples_teach_nothing(name):
    """Neither their labels nor their values change another sample's probabilities."""
    expression, tumor, held_out = draw()
    before = held_out_probability(name, expression, tumor, held_out, n_tumors=3)
    last = np.flatnonzero(held_out)[-1]
    expression[last], tumor[held_out] = 1000, 0
    probability = held_out_probability(name, expression, tumor, held_out, n_tumors=3)
    np.testing.assert_array_equal(probability[:-1], before[:-1])


def test_nearest_neighbours_agree_with_a_plain_count():
    expression, tumor, held_out = draw()
    probability = held_out_probability(
        "nearest_neighbours", expression, tumor, held_out, n_tumors=3
    )
    training = expression[~held_out].astype(float)
    scaled = (expression - training.mean(axis=0)) / training.std(axis=0)
    nearest = cdist(scaled[held_out], scaled[~held_out]).argsort(axis=1)[:, :5]
    votes = tumor[~held_out][nearest]
    expected = np.stack([(votes == t).mean(axis=1) for t in range(3)], axis=1)
    np.testing.assert_allclose(probability, expected)


def penalised_loss(flat, values, target):
    """Cross-entropy summed over samples plus half the squared weights (C = 1), biases free."""
    weights, bias = flat.reshape(-1, target.shape[1])[:-1], flat.reshape(-1, target.shape[1])[-1]
    logits = values @ weights + bias
    residual = special.softmax(logits, axis=1) - target
    loss = -(target * special.log_softmax(logits, axis=1)).sum() + (weights**2).sum() / 2
    return loss, np.vstack([values.T @ residual + weights, residual.sum(axis=0)]).ravel()


def test_logistic_regression_agrees_with_a_plain_minimiser():
    expression, tumor, held_out = draw()
    probability = held_out_probability(
        "logistic_regression", expression, tumor, held_out, n_tumors=3
    )
    training = expression[~held_out].astype(float)
    scaled = (expression - training.mean(axis=0)) / training.std(axis=0)
    fit = optimize.minimize(
        penalised_loss, np.zeros(39), (scaled[~held_out], np.eye(3)[tumor[~held_out]]), jac=True
    )
    logits = scaled[held_out] @ fit.x.reshape(13, 3)[:-1] + fit.x[-3:]
    np.testing.assert_allclose(probability, special.softmax(logits, axis=1), atol=2e-3)


def test_baselines_of_a_cohort_hold_each_folds_held_out_probabilities(cohort, tmp_path):
    path = tmp_path / "baselines.h5"
    train_baselines(path, cohort, CONFIG)
    integrity.check_seal(path)
    expression = cohort.expression()
    record = read_baselines(path, cohort.digest)
    assert tuple(record.probability) == BASELINE_METHODS
    for name, stored in record.probability.items():
        assert stored.dtype == np.float32
        assert (stored.argmax(axis=1) == cohort.tumor).mean() > 0.6  # chance is 0.25
        np.testing.assert_allclose(stored.sum(axis=1), 1, rtol=1e-5)
        for fold in range(2):
            held_out = cohort.fold == fold
            expected = held_out_probability(name, expression, cohort.tumor, held_out, n_tumors=4)
            np.testing.assert_allclose(stored[held_out], expected, atol=1e-6)


def test_the_names_of_datasets_are_those_of_the_fields(trained_run):
    with h5py.File(RunFolder.of(trained_run).baselines) as file:
        assert set(file) == {"logistic_regression", "nearest_neighbours"}


def test_baselines_of_another_cohort_are_refused(trained_run):
    with pytest.raises(FileError, match=r"made from another cohort .*; run `tumorcam train"):
        read_baselines(RunFolder.of(trained_run).baselines, "other")


def test_damaged_baselines_are_refused(trained_copy):
    path = RunFolder.of(trained_copy).baselines
    with edited(path) as file:
        digest = str(file.attrs["cohort_digest"])
        del file["nearest_neighbours"]
    message = r"cannot be read .*; run `tumorcam train CONFIG --model baselines`, which makes"
    with pytest.raises(FileError, match=message):
        read_baselines(path, digest)


def test_finished_baselines_are_skipped_but_not_those_of_another_cohort(
    cohort, tmp_path, monkeypatch
):
    fitted = []

    def fit(names, read, tumor, learned, held_out, *, n_tumors):
        fitted.extend(names)
        return dict.fromkeys(names, np.full((len(held_out), n_tumors), 1 / n_tumors))

    monkeypatch.setattr(baseline_training, "held_out_probability", fit)
    path = tmp_path / "baselines.h5"
    for cohort_digest, n_fits in ((cohort.digest, 4), (cohort.digest, 4), ("other", 8)):
        train_baselines(path, dataclasses.replace(cohort, digest=cohort_digest), CONFIG)
        assert len(fitted) == n_fits


def test_of_many_training_samples_a_share_of_each_tumor_is_learned(cohort, monkeypatch):
    training = np.flatnonzero(cohort.fold != 1)
    np.testing.assert_array_equal(learned_samples(cohort, 1, CONFIG), training)
    monkeypatch.setattr(baseline_training, "MAX_LEARNED", len(training) // 3)
    learned = learned_samples(cohort, 1, CONFIG)
    assert len(learned) == len(training) // 3
    assert set(learned) < set(training) and (np.diff(learned) > 0).all()
    np.testing.assert_array_equal(learned, learned_samples(cohort, 1, CONFIG))
    other = config_from_tables({"run": {"seed": 5}}, source="")
    assert (learned != learned_samples(cohort, 1, other)).any()
    shares = np.bincount(cohort.tumor[learned]) / np.bincount(cohort.tumor[training])
    np.testing.assert_allclose(shares, 1 / 3, atol=0.1)


def test_no_tumor_is_lost_from_what_is_learned(cohort, monkeypatch):
    tumor = np.zeros_like(cohort.tumor)
    tumor[np.flatnonzero(cohort.fold == 0)[0]] = 1
    monkeypatch.setattr(baseline_training, "MAX_LEARNED", 3)
    learned = learned_samples(dataclasses.replace(cohort, tumor=tumor), 1, CONFIG)
    assert set(tumor[learned]) == {0, 1}


def test_with_a_bound_memory_holds_no_more_than_it(cohort, tmp_path, monkeypatch, caplog):
    """Blocks of held-out samples give what all of them give; the log says what was learned."""
    n_read = []

    def read(self, samples):
        n_read.append(len(samples))
        return expression(self, samples)

    expression = Cohort.expression
    monkeypatch.setattr(Cohort, "expression", read)
    monkeypatch.setattr(baseline_training, "MAX_LEARNED", 10)
    with caplog.at_level("INFO"):
        train_baselines(tmp_path / "baselines.h5", cohort, CONFIG)
    assert max(n_read) == 10 and sum(n_read) == 2 * 10 + len(cohort.fold)
    assert "baselines learn from 10 of 24 samples" in caplog.text
    record = read_baselines(tmp_path / "baselines.h5", cohort.digest)
    for name, stored in record.probability.items():
        held_out = cohort.fold == 0
        learned = learned_samples(cohort, 0, CONFIG)
        chosen = np.flatnonzero(held_out | np.isin(np.arange(len(held_out)), learned))
        expected = held_out_probability(
            name, expression(cohort, chosen), cohort.tumor[chosen], held_out[chosen], n_tumors=4
        )
        np.testing.assert_allclose(stored[held_out], expected, atol=1e-6)
