import functools
import os

import numpy as np
import pytest
from training_runs import cohort_of

from tumorcam.cohort import images
from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.images import fit_scaler, standardised_features
from tumorcam.errors import FileError
from tumorcam.storage.plan import ModelKey
from tumorcam.training import features
from tumorcam.training.features import SomeExpression, scaler_of, store_features

ROWS = np.array([0, 1, 2, 5, 6, 9, 20, 21, 30, 47])


@pytest.fixture
def cohort(tiny_run):
    return cohort_of(tiny_run)


@pytest.fixture
def layout(cohort):
    return cohort.layout_of(ModelKey(0, 0))


def whole(cohort, layout, scaler):
    """The features of ROWS, computed from whole arrays."""
    decoys = cohort.decoy_expression(ROWS)
    return standardised_features(cohort.expression(ROWS), decoys, scaler, layout)


def read_by(monkeypatch, size):
    """Read so many samples at once."""
    smaller = functools.partial(images.sample_blocks, size=size)
    for module in (images, features):
        monkeypatch.setattr(module, "sample_blocks", smaller)


@pytest.mark.parametrize("block", [1, 3, 256])
def test_features_on_disk_are_those_of_arrays(cohort, layout, monkeypatch, block):
    read_by(monkeypatch, block)
    scaler = scaler_of(cohort, ROWS)
    expected = cohort.expression(ROWS)
    np.testing.assert_array_equal(scaler.mean, expected.mean(axis=0, dtype=float).astype("f4"))
    stored, right = store_features(cohort, ROWS, scaler, layout), whole(cohort, layout, scaler)
    assert len(stored) == 10 and stored.shape == right.shape
    assert stored[:].dtype == np.float32
    np.testing.assert_array_equal(stored[:], right)
    np.testing.assert_array_equal(stored[4:7], right[4:7])
    drawn = np.array([9, 0, 0, 3, 4, 8])
    np.testing.assert_array_equal(stored[drawn], right[drawn])


@pytest.mark.parametrize("n_samples", [1, 255, 256, 257, 1000])
def test_a_scaler_by_blocks_has_the_bits_of_one_by_whole_arrays(n_samples):
    expression = np.random.default_rng(n_samples).gamma(2, 3, (n_samples, 7)).astype(np.float32)
    scaler = fit_scaler(expression)
    mean, sd = (f(expression, axis=0, dtype=np.float64) for f in (np.mean, np.std))
    np.testing.assert_array_equal(scaler.mean, mean.astype(np.float32))
    varies = sd > 1e-6 * np.maximum(1, mean)
    np.testing.assert_array_equal(scaler.sd[varies], sd[varies].astype(np.float32))


def test_the_cohort_is_never_read_whole(cohort, layout, monkeypatch):
    """At most a block of samples at once, so that memory does not grow with the cohort."""
    asked, read = [], Cohort._rows

    def counting(self, name, samples):
        asked.append(len(samples))
        return read(self, name, samples)

    monkeypatch.setattr(Cohort, "_rows", counting)
    read_by(monkeypatch, 4)
    store_features(cohort, ROWS, scaler_of(cohort, ROWS), layout)
    assert max(asked) == 4
    assert sum(asked) == 4 * len(ROWS), "twice for the scaler, then genes and decoys"


def test_the_file_of_features_is_gone_when_nobody_holds_it(cohort, layout):
    before = set(cohort.path.parent.rglob("*"))
    stored = store_features(cohort, ROWS, scaler_of(cohort, ROWS), layout)
    assert set(cohort.path.parent.rglob("*")) == before, "it has no name from the start"
    assert stored[0:1].any()


def test_a_full_disk_is_named(cohort, layout, monkeypatch):
    def write(descriptor, data):
        raise OSError(28, os.strerror(28))

    scaler = scaler_of(cohort, ROWS)
    monkeypatch.setattr(os, "write", write)
    with pytest.raises(FileError, match=r"no space left to write .*free some and rerun"):
        store_features(cohort, ROWS, scaler, layout)


def test_expression_is_read_where_it_is_sliced(cohort):
    some = SomeExpression(cohort, ROWS)
    assert len(some) == len(ROWS)
    np.testing.assert_array_equal(some[3:6], cohort.expression(ROWS[3:6]))
