import dataclasses

import h5py
import numpy as np
import pytest
from edited_files import edited
from made_up_run import finish_run, samples_of

from tumorcam.errors import ConfigError, DamageError, FileError, MissingError, StaleError
from tumorcam.explain.views import method_name
from tumorcam.report.results import read_run
from tumorcam.settings import METHODS
from tumorcam.significance.tables import GENE_STATISTICS, SIGNIFICANCE_TYPE
from tumorcam.storage import hdf5
from tumorcam.storage.plan import read_plan
from tumorcam.storage.run_folder import RunFolder

FIRST = "r00-f00-b0000"


@pytest.fixture
def config(tiny_run):
    return finish_run(tiny_run)


def shards(config, replicate=None, fold=None):
    """Names of the shards of a replicate, of a fold, or of both."""
    plan = read_plan(RunFolder.of(config).plan)
    return [
        key.name
        for key in plan.shards
        if replicate in (None, key.replicate) and fold in (None, key.fold)
    ]


def test_everything_is_read(config):
    run = read_run(config)
    assert run.results.classification.probability.shape == (2, 48, 4)
    assert [key.name for key in run.networks] == ["r00-f00", "r00-f01", "r01-f00", "r01-f01"]
    assert next(iter(run.networks.values())).layer_list[0]["kind"] == "Conv2D"
    assert set(run.baselines.probability) == {"logistic_regression", "nearest_neighbours"}
    assert run.truth is not None
    assert run.truth.drives.sum() == 12


def test_rankings_come_in_alphabetical_order(config):
    rankings = list(read_run(config).results.rankings())
    names = [f"{m}/{v}" for m in sorted(config.explain.methods) for v in ("contrast", "own")]
    assert [ranking.key.name for ranking in rankings] == names
    for ranking in rankings:
        assert all(getattr(ranking, name).shape == (4, 36) for name in GENE_STATISTICS)
    assert rankings[0].evidence.dtype.kind == "U"


def check_example(run, key):
    """The example is the surest correctly called sample of a shard."""
    with h5py.File(run.folder.shard(key)) as file:
        correct = file["predicted"][...] == file["tumor"][...]
        surest = file["probability"][...].max(axis=1)
        row = np.flatnonzero(correct)[surest[correct].argmax()]
        name, cube = file["sample"][row].decode(), file["guided_grad_cam/cube"][row]
        scale = file["guided_grad_cam/cube_scale"][row]
    example = run.example
    assert example is not None
    assert example.sample == name and example.model == key.model.name
    np.testing.assert_array_equal(example.saliency, cube.astype(np.float32) * scale)
    where = list(run.cohort.sample).index(name)
    expression = run.cohort.expression(slice(where, where + 1))[0]
    picked = example.image.ravel()[example.pixel]  # mean 6 and SD 1 in the made-up models
    np.testing.assert_allclose(picked[:36], expression - 6, rtol=1e-6)
    assert example.labels[36] == f"decoy of {run.cohort.genes[run.cohort.decoy_gene[0]]}"


def test_the_example_is_the_surest_correct_sample(config):
    run = read_run(config)
    check_example(run, run.plan.shards[0])


def test_without_the_first_shard_the_example_is_of_the_next(tiny_run):
    run = read_run(finish_run(tiny_run, missing=[FIRST]))
    assert run.results.missing_shards == (FIRST,)
    check_example(run, run.plan.shards[1])


def test_the_shard_of_the_example_must_be_there_and_sound(config):
    path = RunFolder.of(config).shard(read_run(config).plan.shards[0])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamageError, match="run `tumorcam explain`"):
        read_run(config)
    path.unlink()
    with pytest.raises(MissingError, match="does not exist; run `tumorcam explain`"):
        read_run(config)


def test_networks_that_explained_nothing_are_left_out(tiny_run):
    config = finish_run(tiny_run, missing=shards(tiny_run, replicate=0))
    run = read_run(config)
    assert [key.name for key in run.networks] == ["r01-f00", "r01-f01"]
    assert not run.folder.model(run.plan.models[0]).exists()
    assert run.n_replicates == 1
    check_example(run, next(key for key in run.plan.shards if key.replicate == 1))


def test_a_fold_may_be_missing_in_all_replicates(tiny_run):
    run = read_run(finish_run(tiny_run, missing=shards(tiny_run, fold=0)))
    assert [key.name for key in run.networks] == ["r00-f01", "r01-f01"]
    assert run.n_replicates == 2
    key = next(key for key in run.plan.shards if key.fold == 1)
    check_example(run, key)
    assert run.example.sample in run.cohort.sample[samples_of(run.cohort, key)]


def test_without_cubes_or_truth_there_is_none(tiny_run):
    explain = dataclasses.replace(tiny_run.explain, cubes=())
    config = finish_run(dataclasses.replace(tiny_run, explain=explain), with_truth=False)
    run = read_run(config)
    assert run.example is None
    assert run.truth is None


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("significance.h5", "tumorcam reduce"),
        ("models/baselines.h5", "tumorcam train CONFIG --model baselines"),
        ("models/r01-f01/model.h5", "tumorcam train"),
    ],
)
def test_a_missing_or_foreign_file_is_named_with_its_remedy(config, name, remedy):
    path = config.folder / name
    with edited(path) as file:
        file.attrs["cohort_digest"] = "of another cohort"
    with pytest.raises(FileError, match=f"{name} was made from another cohort.*{remedy}"):
        read_run(config)
    path.unlink()
    with pytest.raises(FileError, match=f"{name} does not exist; run `{remedy}"):
        read_run(config)


def test_a_ranking_that_was_not_computed_cannot_be_shown_first(config):
    other = dataclasses.replace(config.report, method="smooth_grad")
    with pytest.raises(
        ConfigError, match=r"smooth_grad/contrast was not computed; .* has guided_g"
    ):
        read_run(dataclasses.replace(config, report=other))


def test_tables_of_other_thresholds_are_refused(config):
    other = dataclasses.replace(config.significance, q_decoy=0.9)
    with pytest.raises(StaleError, match=r"q_decoy: 0\.05 -> 0\.9.*clean CONFIG --from reduce"):
        read_run(dataclasses.replace(config, significance=other))


def test_a_damaged_table_is_a_file_error(config):
    path = config.folder / "significance.h5"
    with edited(path) as file:
        del file["gradient_x_input/own/score"]
    results = read_run(config).results
    key = next(key for key in results.keys if key.name == "gradient_x_input/own")
    with pytest.raises(FileError, match=r"significance.h5 cannot be read.*run `tumorcam reduce`"):
        results.ranking(key)


def test_every_method_has_a_name():
    assert all(method_name(method) != method for method in METHODS)
    assert method_name("a_new_one") == "a_new_one"


def test_the_digests_are_the_files_own(config):
    run = read_run(config)
    digest = hdf5.stored_digest(run.results.path, SIGNIFICANCE_TYPE, remedy="")
    assert run.results.digest == digest
