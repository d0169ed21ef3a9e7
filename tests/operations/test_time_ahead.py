"""The time of a run by arithmetic."""

from types import SimpleNamespace

import pytest

from tumorcam.operations.time_ahead import hours_text, matrix_rate, time_ahead
from tumorcam.settings.config import config_from_tables
from tumorcam.training.shapes import n_operations

COHORT = SimpleNamespace(
    layouts=[SimpleNamespace(side=20)],
    tumors=["A", "B", "C"],
    sample=["s"] * 90,
    n_folds=3,
    n_replicates=2,
)


def config(**settings):
    return config_from_tables({"model": {"filters": [4]}, **settings}, source="test")


def test_time_is_proportional_to_epochs_replicates_and_runs():
    once = time_ahead(config(training={"epochs": 1}), COHORT, 1e9)
    more = time_ahead(config(training={"epochs": 7}, layout={"nulls": 1}), COHORT, 1e9)
    assert more.train == pytest.approx(14 * once.train)
    assert more.explain == pytest.approx(2 * once.explain)
    assert time_ahead(config(), COHORT, 2e9).explain == pytest.approx(once.explain / 2)


def test_training_takes_three_forward_passes_of_each_sample_that_is_not_held_out():
    ahead = time_ahead(config(training={"epochs": 1}), COHORT, 1e9 / 0.6)
    forward = n_operations(config().model, 20, 3)[0]
    assert ahead.train * 3600 == pytest.approx(3 * forward * (90 * 2 * 2) / 1e9)


def test_the_rate_of_matrix_products_is_that_of_a_processor():
    assert 1e8 < matrix_rate() < 1e14


@pytest.mark.parametrize(
    ("hours", "text"), [(3.21, "3.2 h"), (0.5, "30 min"), (10 / 3600, "10 s"), (0, "0 s")]
)
def test_hours_as_text(hours, text):
    assert hours_text(hours) == text
