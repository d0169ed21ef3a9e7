import dataclasses

import h5py
import numpy as np
import pytest
from made_up_run import VIEWS, finish_run

from tumorcam.errors import ConfigError, FileError
from tumorcam.explain.views import method_name
from tumorcam.report.results import STATISTICS, read_run
from tumorcam.settings import METHODS
from tumorcam.storage import hdf5
from tumorcam.storage.plan import shard_file


@pytest.fixture
def config(tiny_run):
    return finish_run(tiny_run)


def test_everything_is_read(config):
    run = read_run(config)
    assert run.results.probability.shape == (2, 48, 4)
    assert [network.model.name for network in run.networks] == [
        "r00-f00", "r00-f01", "r01-f00", "r01-f01"
    ]  # fmt: skip
    assert run.networks[0].layers[0]["kind"] == "Conv2D"
    assert set(run.baselines.probability) == {"logistic_regression", "nearest_neighbours"}
    assert run.truth is not None
    assert run.truth.drives.sum() == 12


def test_rankings_come_in_alphabetical_order(config):
    rankings = list(read_run(config).results.rankings())
    wanted = [(m, v) for m in sorted(config.explain.methods) for v in sorted(VIEWS)]
    assert [(one.method, one.view) for one in rankings] == wanted
    assert all(one.statistics[name].shape == (4, 36) for one in rankings for name in STATISTICS)
    assert rankings[0].evidence.dtype.kind == "U"


def test_the_example_is_the_surest_correct_sample(config):
    run = read_run(config)
    path = shard_file(config.folder, run.plan.shards[0])
    with h5py.File(path) as file:
        correct = file["predicted"][...] == file["tumor"][...]
        surest = file["probability"][...].max(axis=1)
        row = np.flatnonzero(correct)[surest[correct].argmax()]
        name, cube = file["sample"][row].decode(), file["guided_grad_cam"][row]
        scale = file["cube_scale/guided_grad_cam"][row]
    example = run.example
    assert example is not None
    assert example.sample == name
    np.testing.assert_array_equal(example.saliency, cube.astype(np.float32) * scale)
    where = list(run.cohort.sample).index(name)
    expression = run.cohort.expression(slice(where, where + 1))[0]
    picked = example.image.ravel()[example.pixel]  # mean 6 and SD 1 in the made-up models
    np.testing.assert_allclose(picked[:36], expression - 6, rtol=1e-6)
    assert example.labels[36] == f"decoy of {run.cohort.genes[run.cohort.decoy_gene[0]]}"


def test_without_cubes_or_truth_there_is_none(tiny_run):
    explain = dataclasses.replace(tiny_run.explain, cubes=())
    config = finish_run(dataclasses.replace(tiny_run, explain=explain), with_truth=False)
    run = read_run(config)
    assert run.example is None
    assert run.truth is None


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("significance.h5", "jobs.reduce"),
        ("models/baselines.h5", "jobs.train --model baselines"),
        ("models/r01-f01/model.h5", "jobs.train"),
        ("shards/r00-f00-b0000.h5", "jobs.explain"),
    ],
)
def test_a_missing_or_foreign_file_is_named_with_its_remedy(config, name, remedy):
    path = config.folder / name
    with h5py.File(path, "r+") as file:
        file.attrs["cohort_digest"] = "of another cohort"
    with pytest.raises(FileError, match=f"{name} was made from another cohort.*{remedy}"):
        read_run(config)
    path.unlink()
    with pytest.raises(FileError, match=f"{name} does not exist; run {remedy}"):
        read_run(config)


def test_a_ranking_that_was_not_computed_cannot_be_shown_first(config):
    path = config.folder / "significance.h5"
    with h5py.File(path, "r+") as file:
        file.attrs["methods"] = '["guided_grad_cam"]'
    with pytest.raises(ConfigError, match="'gradient_x_input' was not computed; this run has guid"):
        read_run(config)


def test_a_damaged_table_is_a_file_error(config):
    path = config.folder / "significance.h5"
    with h5py.File(path, "r+") as file:
        del file["gradient_x_input/own/score"]
    results = read_run(config).results
    with pytest.raises(FileError, match=r"significance.h5 cannot be read"):
        results.ranking("gradient_x_input", "own")


def test_every_method_has_a_name():
    assert all(method_name(method) != method for method in METHODS)
    assert method_name("a_new_one") == "a_new_one"


def test_the_digests_are_the_files_own(config):
    run = read_run(config)
    with hdf5.open_file(run.results.path, "tumorcam-significance", remedy="") as file:
        assert run.results.digest == file.attrs["digest"]
