"""The cost of the stages by the speed of a machine, on numbers worked by hand."""

import dataclasses

import pytest
from probes import probe_of

from tumorcam.operations.budget import StageBudget, Units, budgets
from tumorcam.operations.sizes import Sizes
from tumorcam.settings.config import config_from_tables
from tumorcam.training.shapes import n_operations

SIZES = Sizes(n_samples=600, n_genes=100, n_decoys=100, n_tumors=5, n_input_genes=200)
TABLES = {
    "run": {"threads_per_rank": 2},
    "layout": {"replicates": 2, "nulls": 1, "kind": "random"},
    "splits": {"folds": 3},
    "training": {"epochs": 10, "batch_size": 36, "validation": 0.1},
    "explain": {"block": 50, "batch_size": 20, "methods": ["gradient"], "cubes": []},
}


def config(**tables):
    return config_from_tables(TABLES | tables, source="test")


def of_stage(stage, n_processes=4, sizes=SIZES, **tables):
    settings = config(**tables)
    return budgets(settings, sizes, probe_of(settings, side=15), n_processes)[stage]


def test_whole_units_are_counted():
    stage = StageBudget("train", 2, 1.0, (Units(5, 10.0),), serial=3.0)
    assert [stage.seconds(n) for n in (1, 2, 5, 9)] == [54.0, 34.0, 14.0, 14.0]
    assert stage.core_seconds(9) == 2 * (5 * 1 + 50 + 3), "four processes are idle"


@pytest.mark.parametrize(("n", "seconds"), [(2, 34), (5, 20), (6, 10), (1, 54)])
def test_one_more_unit_takes_an_idle_process(n, seconds):
    stage = StageBudget("train", 1, 0.0, (Units(5, 10.0),), beside=4.0)
    assert stage.seconds(n) == {2: 30, 5: 14, 6: 10, 1: 54}[n] == min(seconds, stage.seconds(n))


def test_training_by_hand():
    """Of 600 samples 400 are outside a fold, and 360 of them make 10 steps of 36."""
    train = of_stage("train")
    probe = probe_of(config(), side=15)
    (models,) = train.units
    epoch = 10 * 36 * probe.train_sample + 40 * probe.forward_sample
    held_out = 200 * probe.forward_sample
    assert models.n == 2 * 3 * 2
    assert models.seconds == pytest.approx(probe.train_start + 10 * epoch + held_out)
    assert train.seconds(4) >= 3 * models.seconds
    assert train.scratch == 4 * 400 * 200, "features of the training samples"
    assert train.memory == probe.train_peak


def test_explaining_reads_a_model_for_each_shard_if_processes_are_many():
    probe = probe_of(config(), side=15)
    for n_processes, n_loads in ((1, 12), (2, 24), (100, 48)):
        explain = of_stage("explain", n_processes)
        shards, loads = explain.units
        assert shards.n == 12 * 4 and loads.n == n_loads
        assert shards.seconds == pytest.approx(60 * probe.explain_sample), "the last batch is full"


def test_time_grows_with_what_it_should():
    once = {stage: of_stage(stage, 1).units[0] for stage in ("train", "explain", "reduce")}
    runs = {"layout": TABLES["layout"] | {"nulls": 3}}
    twice = {stage: of_stage(stage, 1, **runs).units[0] for stage in once}
    assert twice["train"].n == 2 * once["train"].n
    assert twice["explain"].n == 2 * once["explain"].n
    more = dataclasses.replace(SIZES, n_tumors=10)
    assert of_stage("reduce", sizes=more).units[2].seconds == pytest.approx(
        2 * of_stage("reduce").units[2].seconds
    )


def test_networks_of_larger_images_grow_with_their_operations():
    settings = config()
    small, large = (
        budgets(settings, SIZES, probe_of(settings, side=side), 1)["explain"].units[0].seconds
        for side in (30, 15)
    )  # of the probe
    operations = [n_operations(settings.model, side, 5)[0] for side in (30, 15)]
    assert large / small == pytest.approx(operations[0] / operations[1])


def test_a_tree_of_genes_takes_time_and_memory():
    tree = of_stage("prepare", layout=TABLES["layout"] | {"kind": "coexpression"})
    assert tree.seconds(1) > of_stage("prepare").seconds(1)
    assert tree.memory - of_stage("prepare").memory == 14 * 100**2


def test_all_changed_images_are_counted(tiny_run):
    from tumorcam.cohort.cohort import read_cohort
    from tumorcam.faithfulness.examine import n_forward_passes
    from tumorcam.operations.sizes import sizes_of_cohort
    from tumorcam.storage.run_folder import RunFolder

    cohort = read_cohort(RunFolder.of(tiny_run).cohort, tiny_run)
    probe = probe_of(tiny_run, side=8)
    stage = budgets(tiny_run, sizes_of_cohort(tiny_run, cohort), probe, 1)["faithfulness"]
    images = stage.units[0]
    n_images = images.n * images.seconds / probe.forward_sample
    assert n_images == pytest.approx(n_forward_passes(cohort, tiny_run))
