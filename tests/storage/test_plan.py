import dataclasses

import numpy as np
import pytest
from edited_files import edit_json
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.cluster.launcher import Share
from tumorcam.errors import DamageError, FileError
from tumorcam.storage.plan import (
    ModelKey,
    ShardKey,
    make_plan,
    read_plan,
    share_of,
    write_plan,
)


def plan_of(fold, replicates=2, block=3, n_folds=None):
    return make_plan(
        "digest",
        np.array(fold),
        n_folds=n_folds or 1 + max(fold),
        side=4,
        n_genes=10,
        n_decoys=3,
        replicates=replicates,
        block=block,
    )


def test_the_plan_of_seven_samples_in_two_folds():
    plan = plan_of([0, 1, 0, 0, 1, 0, 1], replicates=1)
    assert plan.models == (ModelKey(0, 0), ModelKey(0, 1))
    blocks = [ShardKey(0, 0, 0, 0, 3), ShardKey(0, 0, 1, 3, 4), ShardKey(0, 1, 0, 0, 3)]
    assert plan.shards == tuple(blocks)
    names = ["r00-f00-b0000", "r00-f00-b0001", "r00-f01-b0000"]
    assert [shard.name for shard in plan.shards] == names
    assert plan.train_tasks == ["r00-f00", "r00-f01", "baselines"]
    assert plan.shards[2].model == ModelKey(0, 1)
    assert (plan.n_samples, plan.n_genes, plan.n_decoys, plan.side) == (7, 10, 3, 4)
    assert plan.n_columns == 10 + 2 * 3


def test_null_runs_repeat_all_models_and_come_last():
    plan = dataclasses.replace(plan_of([0, 1, 0], replicates=2), nulls=2)
    names = [key.name for key in plan.null_models]
    own = ["r00-f00", "r00-f01", "r01-f00", "r01-f01"]
    assert names == [f"n{n}-{name}" for n in (1, 2) for name in own]
    assert plan.train_tasks == [*own, "baselines", *names]
    assert plan.explain_tasks == [*plan.shards, *plan.null_shards]
    assert [shard.model for shard in plan.null_shards] == list(plan.null_models)
    assert plan.null_shards[7].name == "n2-r01-f01-b0000"


def test_a_fold_of_new_samples_may_be_empty():
    plan = plan_of([1, 1], replicates=1, n_folds=3)
    assert plan.models == (ModelKey(0, 0), ModelKey(0, 1), ModelKey(0, 2))
    assert plan.shards == (ShardKey(0, 1, 0, 0, 2),)
    assert plan.is_consistent and plan.n_folds == 3


def test_every_model_is_to_classify_every_block_of_new_samples():
    plan = plan_of([0, 1, 0, 1, 0], replicates=2)
    first = [(0, 0, 0, 0, 3), (0, 0, 1, 3, 5), (0, 1, 0, 0, 3), (0, 1, 1, 3, 5)]
    second = [(1, *rest) for _, *rest in first]
    assert plan.prediction_tasks == [ShardKey(*key) for key in first + second]


folds = st.lists(st.integers(0, 3), max_size=40).map(lambda rest: [0, 1, 2, 3, *rest])


@given(folds, st.integers(1, 3), st.integers(1, 50))
def test_every_sample_is_in_one_shard_of_each_replicate(fold, replicates, block):
    plan = plan_of(fold, replicates, block)
    covered = [
        (shard.replicate, shard.fold, i)
        for shard in plan.shards
        for i in range(shard.start, shard.stop)
    ]
    assert sorted(covered) == [
        (r, f, i) for r in range(replicates) for f in range(4) for i in range(fold.count(f))
    ]
    assert all(0 < shard.stop - shard.start <= block for shard in plan.shards)
    assert len({shard.name for shard in plan.shards}) == len(plan.shards)
    assert {shard.model for shard in plan.shards} == set(plan.models)


@given(st.integers(0, 50), st.integers(1, 64))
def test_shares_cover_every_item_once(n_items, count):
    parts = [share_of(range(n_items), Share(i, count)) for i in range(count)]
    assert sorted(item for part in parts for item in part) == list(range(n_items))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_plan_comes_back(tmp_path):
    plan = plan_of([0, 1, 0, 1])
    write_plan(tmp_path / "plan.json", plan)
    assert read_plan(tmp_path / "plan.json") == plan
    assert read_plan(tmp_path / "plan.json", nulls=2) == dataclasses.replace(plan, nulls=2)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda fields: fields.pop("encoding-type"),
        lambda fields: fields.update({"encoding-type": "other"}),
        lambda fields: fields.pop("models"),
        lambda fields: fields.update({"unknown": 1}),
        lambda fields: fields["shards"][0].pop("stop"),
        lambda fields: fields["shards"].pop(),
        lambda fields: fields["shards"].pop(0),
        lambda fields: fields["models"].pop(),
        lambda fields: fields.update({"shards": [], "models": []}),
        lambda fields: fields.update({"block": 0}),
        lambda fields: fields.update({"block": "3"}),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path, spoil):
    path = tmp_path / "plan.json"
    write_plan(path, plan_of([0, 1]))
    edit_json(path, spoil)
    with pytest.raises(FileError, match=r"plan\.json is no plan .*run `tumorcam prepare`"):
        read_plan(path)


def test_a_missing_or_cut_plan_is_refused(tmp_path):
    path = tmp_path / "plan.json"
    with pytest.raises(FileError, match="does not exist; run `tumorcam prepare`"):
        read_plan(path)
    path.write_text('{"encoding-type": ')
    with pytest.raises(DamageError, match="is damaged"):
        read_plan(path)
