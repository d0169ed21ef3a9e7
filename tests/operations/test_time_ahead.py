"""The speed of a machine that no probe has measured, and of one that a probe has."""

import pytest
from probes import probe_of

from tumorcam.operations import time_ahead
from tumorcam.operations.budget import budgets
from tumorcam.operations.probe import write_probe
from tumorcam.operations.sizes import Sizes
from tumorcam.operations.time_ahead import assumed_probe, hours_text, matrix_rate, speed_of
from tumorcam.settings.config import config_from_tables
from tumorcam.training.shapes import n_operations

SIZES = Sizes(n_samples=90, n_genes=200, n_decoys=200, n_tumors=3, n_input_genes=200)


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    monkeypatch.setattr(time_ahead.launcher, "n_cpus", lambda: 2)


def config(**settings):
    tables = {"model": {"filters": [4]}, "layout": {"replicates": 2}, "splits": {"folds": 3}}
    return config_from_tables(tables | settings, source="test")


def core_seconds(stage, rate=1e9, **settings):
    probe = assumed_probe(config(**settings), SIZES, rate)
    return budgets(config(**settings), SIZES, probe, 1)[stage].core_seconds(1)


def test_explaining_takes_half_as_long_at_twice_the_rate():
    assert core_seconds("explain", 2e9) == pytest.approx(core_seconds("explain") / 2)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_sample_of_a_step_takes_three_forward_passes(threads):
    settings = config(run={"threads_per_rank": threads})
    probe = assumed_probe(settings, SIZES, 1e9 / 0.6)
    forward = n_operations(settings.model, 20, 3)[0]
    assert probe.train_sample == pytest.approx(3 * forward / 1e9 * 2 / threads)
    assert probe.n_processes == 2 // threads


def test_the_basis_is_named(tiny_config, monkeypatch):
    monkeypatch.setattr(time_ahead, "matrix_rate", lambda: 4e9)
    sizes = Sizes(48, n_genes=36, n_decoys=18, n_tumors=4, n_input_genes=36)
    speed = speed_of(tiny_config, sizes)
    assert speed.basis == "arithmetic" and "at 2 GFLOP/s a core" in speed.note
    assert "`tumorcam preflight CONFIG --probe`" in speed.note
    write_probe(tiny_config, probe_of(tiny_config, side=8))
    speed = speed_of(tiny_config, sizes)
    assert speed.basis == "probe" and "node7, 2026-01-02" in speed.note
    assert len(speed.note) <= 100


def test_the_rate_of_matrix_products_is_that_of_a_processor():
    assert 1e8 < matrix_rate() < 1e14


@pytest.mark.parametrize(
    ("hours", "text"),
    [(3.21, "3.2 h"), (0.5, "30 min"), (10 / 3600, "10 s"), (0, "0 s"), (1234.5, "1,234.5 h")],
)
def test_hours_as_text(hours, text):
    assert hours_text(hours) == text
