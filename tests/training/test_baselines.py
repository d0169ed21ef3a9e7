import dataclasses

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special
from scipy.spatial.distance import cdist

from tumorcam.cohort.cohort import read_cohort
from tumorcam.storage import integrity
from tumorcam.storage.plan import BASELINE_METHODS
from tumorcam.training import baselines
from tumorcam.training.baselines import held_out_probability, train_baselines

METHODS = BASELINE_METHODS


def draw(n_samples=60, n_genes=12, n_tumors=3, seed=0):
    """Expression, tumor and held-out samples, every fourth; gene t is raised by 3 in tumor t."""
    rng = np.random.default_rng(seed)
    tumor = np.arange(n_samples) % n_tumors
    expression = rng.normal(6, 1, (n_samples, n_genes)).astype(np.float32)
    expression[np.arange(n_samples), tumor] += 3
    return expression, tumor, np.arange(n_samples) % 4 == 0


@pytest.fixture
def cohort(tiny_run):
    return read_cohort(tiny_run.folder / "cohort.h5", tiny_run)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_rows_are_probabilities_and_sum_to_one(name, seed):
    expression, tumor, held_out = draw(seed=seed)
    found = held_out_probability(name, expression, tumor, held_out, n_tumors=3)
    assert found.shape == (15, 3)
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_a_tumor_that_is_missing_in_training_gets_zero(name):
    expression, tumor, held_out = draw()
    held_out |= tumor == 1
    found = held_out_probability(name, expression, tumor, held_out, n_tumors=4)
    assert (found[:, [1, 3]] == 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_held_out_samples_teach_nothing(name):
    """Neither their labels nor their values change another sample's probabilities."""
    expression, tumor, held_out = draw()
    wanted = held_out_probability(name, expression, tumor, held_out, n_tumors=3)
    last = np.flatnonzero(held_out)[-1]
    expression[last], tumor[held_out] = 1000, 0
    found = held_out_probability(name, expression, tumor, held_out, n_tumors=3)
    np.testing.assert_array_equal(found[:-1], wanted[:-1])


def test_nearest_neighbours_agree_with_a_plain_count():
    expression, tumor, held_out = draw()
    found = held_out_probability("nearest_neighbours", expression, tumor, held_out, n_tumors=3)
    training = expression[~held_out].astype(float)
    scaled = (expression - training.mean(axis=0)) / training.std(axis=0)
    nearest = cdist(scaled[held_out], scaled[~held_out]).argsort(axis=1)[:, :5]
    votes = tumor[~held_out][nearest]
    wanted = np.stack([(votes == t).mean(axis=1) for t in range(3)], axis=1)
    np.testing.assert_allclose(found, wanted)


def penalised_loss(flat, values, wanted):
    """Cross-entropy summed over samples plus half the squared weights (C = 1), biases free."""
    weights, bias = flat.reshape(-1, wanted.shape[1])[:-1], flat.reshape(-1, wanted.shape[1])[-1]
    logits = values @ weights + bias
    residual = special.softmax(logits, axis=1) - wanted
    loss = -(wanted * special.log_softmax(logits, axis=1)).sum() + (weights**2).sum() / 2
    return loss, np.vstack([values.T @ residual + weights, residual.sum(axis=0)]).ravel()


def test_logistic_regression_agrees_with_a_plain_minimiser():
    expression, tumor, held_out = draw()
    found = held_out_probability("logistic_regression", expression, tumor, held_out, n_tumors=3)
    training = expression[~held_out].astype(float)
    scaled = (expression - training.mean(axis=0)) / training.std(axis=0)
    fit = optimize.minimize(
        penalised_loss, np.zeros(39), (scaled[~held_out], np.eye(3)[tumor[~held_out]]), jac=True
    )
    logits = scaled[held_out] @ fit.x.reshape(13, 3)[:-1] + fit.x[-3:]
    np.testing.assert_allclose(found, special.softmax(logits, axis=1), atol=2e-3)


def test_baselines_of_a_cohort_hold_each_folds_held_out_probabilities(cohort, tmp_path):
    path = tmp_path / "baselines.h5"
    train_baselines(path, cohort, n_threads=1)
    integrity.verify_file(path)
    expression = cohort.expression()
    with h5py.File(path) as file:
        assert set(file) == set(METHODS)
        assert file.attrs["cohort_digest"] == cohort.digest
        for name in METHODS:
            stored = file[name][...]
            assert stored.dtype == np.float32
            assert (stored.argmax(axis=1) == cohort.tumor).mean() > 0.6  # chance is 0.25
            np.testing.assert_allclose(stored.sum(axis=1), 1, rtol=1e-5)
            for fold in range(2):
                held_out = cohort.fold == fold
                wanted = held_out_probability(name, expression, cohort.tumor, held_out, n_tumors=4)
                np.testing.assert_allclose(stored[held_out], wanted, atol=1e-6)


def test_finished_baselines_are_skipped_but_not_those_of_another_cohort(
    cohort, tmp_path, monkeypatch
):
    fitted = []

    def fit(name, expression, tumor, held_out, *, n_tumors):
        fitted.append(name)
        return np.full((held_out.sum(), n_tumors), 1 / n_tumors)

    monkeypatch.setattr(baselines, "held_out_probability", fit)
    path = tmp_path / "baselines.h5"
    for cohort_digest, n_fits in ((cohort.digest, 4), (cohort.digest, 4), ("other", 8)):
        one = dataclasses.replace(cohort, digest=cohort_digest)
        train_baselines(path, one, n_threads=1)
        assert len(fitted) == n_fits
