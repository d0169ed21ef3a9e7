import dataclasses
import hashlib
import shutil
import subprocess
import sys

import h5py
import numpy as np
import oracles
import pytest
from conftest import write_toml
from hypothesis import given
from hypothesis import strategies as st

import tumorcam
from jobs import explain as job
from jobs import reduce, report, train
from tumorcam.cluster import processes
from tumorcam.cohort.cohort import read_cohort
from tumorcam.config import Config
from tumorcam.errors import ConfigError, FileError, ModelError, ShardError
from tumorcam.explain.explain import (
    explain_shards,
    make_explainer,
    rival_tumors,
    to_half,
)
from tumorcam.explain.shards import shard_digest
from tumorcam.explain.views import own_and_contrast
from tumorcam.operations import audit
from tumorcam.settings import DEFAULT_METHODS
from tumorcam.storage.plan import ModelKey, ShardKey, read_plan
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import model_digest, read_model
from tumorcam.training.network import load_classifier

HALF = 2.0**-11  # relative rounding of float16
N_SHARDS = 12  # of the tiny run: 2 replicates x (23 + 25 samples in blocks of 10)
names = st.lists(st.text("ABCD", min_size=1, max_size=4), min_size=2, max_size=9, unique=True)


@given(names, st.text(max_size=9), st.integers(1, 12), st.data())
def test_rivals_are_other_tumors_whatever_the_order_of_the_list(tumors, sample, n_rivals, data):
    own = data.draw(st.integers(0, len(tumors) - 1))
    rivals = rival_tumors(sample, own, tumors, n_rivals)
    assert own not in rivals and len(set(rivals)) == len(rivals) == min(n_rivals, len(tumors) - 1)
    fewer = rival_tumors(sample, own, tumors, max(1, n_rivals - 1))
    assert rivals[: len(fewer)] == fewer, "one rival more leaves the others"
    mixed = data.draw(st.permutations(tumors))
    again = rival_tumors(sample, mixed.index(tumors[own]), mixed, n_rivals)
    assert [mixed[i] for i in again] == [tumors[i] for i in rivals]


def test_rivals_are_those_of_lowest_sha256():
    tumors = ["ACC", "BRCA", "COAD", "READ"]
    hashes = {t: hashlib.sha256(f"TCGA-AA-0001-01A|{t}".encode()).hexdigest() for t in tumors}
    wanted = sorted(set(tumors) - {"COAD"}, key=hashes.__getitem__)[:2]
    found = rival_tumors("TCGA-AA-0001-01A", 2, tumors, 2)
    assert [tumors[i] for i in found] == wanted == ["ACC", "BRCA"]


def test_every_tumor_is_about_as_often_a_rival():
    tumors = [f"T{i}" for i in range(8)]
    drawn = [i for n in range(700) for i in rival_tumors(f"s{n}", 0, tumors, 3)]
    counts = np.bincount(drawn, minlength=8)
    assert counts[0] == 0 and (np.abs(counts[1:] - 300) < 4 * np.sqrt(700 * 3 / 7 * 4 / 7)).all()


def test_views_by_hand():
    """Mean |S| of genes is (4 + 2 + 0 + 6 + 2 + 2 + 0 + 0) / 8 = 2; the median gene of own is 1."""
    own, rival = [4, -2, 0, 6, 8], [2, 2, 0, 0, 100]  # four genes and a decoy
    views = own_and_contrast(np.array([[own, rival]], np.float32), n_genes=4)
    np.testing.assert_array_equal(views.scale, [2])
    np.testing.assert_array_equal(views.own, [[1, -2, -1, 2, 3]])
    np.testing.assert_array_equal(views.contrast, [[1, -2, 0, 3, 4 - 50]])
    assert {v.dtype for v in views} == {np.dtype(np.float32)}


def test_a_sample_without_any_saliency_stays_zero():
    maps = np.zeros((2, 3, 5), np.float32)
    maps[1, 0, 0] = 1
    views = own_and_contrast(maps, n_genes=4)
    assert views.scale[0] == 0 and views.scale[1] > 0
    assert not views.own[0].any() and not views.contrast[0].any()


maps_of_genes = st.builds(
    lambda seed: np.random.default_rng(seed).normal(0, 9, (3, 4, 7)).astype(np.float32),
    st.integers(0, 2**32),
)


@given(maps_of_genes, st.integers(-9, 9))
def test_views_do_not_depend_on_the_unit_of_the_maps(maps, exponent):
    views = own_and_contrast(maps, n_genes=5)
    larger = own_and_contrast(maps * np.float32(2.0**exponent), n_genes=5)
    np.testing.assert_array_equal(larger.own, views.own)
    np.testing.assert_array_equal(larger.contrast, views.contrast)
    np.testing.assert_array_equal(larger.scale, views.scale * np.float32(2.0**exponent))


@given(maps_of_genes)
def test_views_of_a_sample_are_its_own_and_decoys_change_no_gene(maps):
    views = own_and_contrast(maps, n_genes=5)
    alone = own_and_contrast(maps[1:2], n_genes=5)
    np.testing.assert_array_equal(alone.own, views.own[1:2])
    louder = maps * np.where(np.arange(7) < 5, 1, 10).astype(np.float32)
    found = own_and_contrast(louder, n_genes=5)
    np.testing.assert_array_equal(found.contrast[:, :5], views.contrast[:, :5])
    np.testing.assert_array_equal(found.own[:, :5], views.own[:, :5])
    np.testing.assert_allclose(np.median(views.own[:, :5], axis=1), 0, atol=1e-6)


@given(maps_of_genes)
def test_contrast_turns_its_sign_when_own_and_rival_change_places(maps):
    pair = maps[:, :2]
    there = own_and_contrast(pair, n_genes=5).contrast
    back = own_and_contrast(pair[:, ::-1], n_genes=5).contrast
    np.testing.assert_allclose(there, -back, rtol=1e-5, atol=1e-5)


def test_float16_holds_its_largest_number_and_nothing_beyond():
    assert to_half(np.array([65504, -65504]), "here").dtype == np.float16
    assert to_half(np.empty((0, 3)), "here").shape == (0, 3)
    for worst in (65505.0, -1e6, np.inf, np.nan):
        with pytest.raises(ShardError, match=r"r00.h5:/own holds .*beyond float16's 65504"):
            to_half(np.array([1, worst]), "r00.h5:/own")


def contents(path):
    with h5py.File(path) as file:
        found = dict(file.attrs)
        file.visititems(
            lambda name, item: (
                found.update({name: item}) if isinstance(item, h5py.Dataset) else None
            )
        )
        return {k: v[...] if isinstance(v, h5py.Dataset) else v for k, v in found.items()}


def shard_paths(config: Config):
    run = RunFolder.of(config)
    return [run.shard(shard) for shard in read_plan(run.plan).shards]


def digests(config: Config):
    return [shard_digest(path) for path in shard_paths(config)]


def times(config: Config):
    return {path.stem: path.stat().st_mtime_ns for path in shard_paths(config)}


def toml(config: Config) -> str:
    return str(config.folder / "config.toml")


def held_out_of(config: Config, key: ModelKey):
    run = RunFolder.of(config)
    digest = read_cohort(run.cohort, config).digest
    return read_model(run.model(key), config, digest, key.name).held_out


def changed(before, after):
    return sorted(name for name in before if before[name] != after[name])


def test_the_schema_of_a_shard(explained_run):
    run = RunFolder.of(explained_run)
    plan, cohort = read_plan(run.plan), read_cohort(run.cohort, explained_run)
    assert len(plan.shards) == N_SHARDS
    for shard in plan.shards:
        n, n_features, side = shard.stop - shard.start, plan.n_genes + plan.n_decoys, plan.side
        wanted = {
            "sample": ((n,), "|S16"),
            "sample_index": ((n,), "<i4"),
            "tumor": ((n,), "<i2"),
            "target": ((n,), "<i2"),
            "predicted": ((n,), "<i2"),
            "rivals": ((n, 3), "<i2"),
            "probability": ((n, 4), "<f4"),
            "guided_grad_cam/cube": ((n, side, side), "<f2"),
            "guided_grad_cam/cube_scale": ((n,), "<f4"),
        }
        for method in DEFAULT_METHODS:
            wanted[f"{method}/scale"] = ((n,), "<f4")
            wanted[f"{method}/own"] = wanted[f"{method}/contrast"] = ((n, n_features), "<f2")
        path = run.shard(shard)
        found = contents(path)
        arrays = {name: v for name, v in found.items() if isinstance(v, np.ndarray)}
        assert {name: (v.shape, v.dtype.str) for name, v in arrays.items()} == wanted
        assert found["shard"] == shard.name and found["n_samples"] == n
        assert found["cohort_digest"] == cohort.digest
        assert found["model_digest"] == model_digest(run.model(shard.model))
        index = found["sample_index"]
        np.testing.assert_array_equal(
            index, np.flatnonzero(cohort.fold == shard.fold)[shard.start : shard.stop]
        )
        np.testing.assert_array_equal(found["tumor"], cohort.tumor[index])
        np.testing.assert_array_equal(found["target"], found["tumor"])
        np.testing.assert_array_equal(found["predicted"], found["probability"].argmax(axis=1))
        np.testing.assert_allclose(found["probability"].sum(axis=1), 1, rtol=1e-5)
        with h5py.File(path) as file:
            assert file["guided_backprop/own"].chunks == (n, n_features), "256 genes or all"
            assert file["guided_grad_cam/cube"].chunks == (min(8, n), side, side)


def test_probabilities_are_those_that_train_wrote(explained_run):
    run = RunFolder.of(explained_run)
    for shard in read_plan(run.plan).shards:
        found = contents(run.shard(shard))
        held_out = held_out_of(explained_run, shard.model)
        wanted = held_out.probability[np.searchsorted(held_out.sample, found["sample_index"])]
        np.testing.assert_allclose(found["probability"], wanted, rtol=1e-4, atol=1e-6)


def model_of(config: Config, shard: ShardKey):
    run = RunFolder.of(config)
    cohort = read_cohort(run.cohort, config)
    classifier = load_classifier(run, cohort, shard.model, config)
    found = contents(run.shard(shard))
    return classifier, classifier.images(cohort.expression(found["sample_index"])), found


def test_cubes_are_what_the_library_call_gives(explained_run):
    shard = read_plan(explained_run.folder / "plan.json").shards[4]
    classifier, images, found = model_of(explained_run, shard)
    wanted = tumorcam.guided_grad_cam(classifier.network, images, found["target"])
    scale = found["guided_grad_cam/cube_scale"][:, None, None]
    np.testing.assert_allclose(
        found["guided_grad_cam/cube"] * scale, wanted, rtol=2 * HALF, atol=1e-6 * scale.max()
    )
    peak = np.abs(found["guided_grad_cam/cube"]).max(axis=(1, 2))
    np.testing.assert_array_equal(peak, wanted.any(axis=(1, 2)))  # 1, or 0 of an empty map
    assert peak.any()


def test_views_agree_with_the_oracle(explained_run):
    shard = read_plan(explained_run.folder / "plan.json").shards[0]
    classifier, images, found = model_of(explained_run, shard)
    targets = np.column_stack([found["target"], found["rivals"]])[:2]
    pixel, n_genes = classifier.layout.pixel, classifier.layout.n_genes
    for name, maps in oracles.all_maps(
        classifier.network, images[:2], targets, DEFAULT_METHODS
    ).items():
        genes = maps.reshape(*maps.shape[:2], -1)[:, :, pixel]
        for sample, values in enumerate(genes):
            scale = np.abs(values[:, :n_genes]).mean()
            own = values[0] / scale
            contrast = own - values[1:].mean(axis=0) / scale
            np.testing.assert_allclose(found[f"{name}/scale"][sample], scale, rtol=1e-4)
            wanted = own - np.median(own[:n_genes])
            np.testing.assert_allclose(found[f"{name}/own"][sample], wanted, rtol=1e-3, atol=1e-3)
            np.testing.assert_allclose(
                found[f"{name}/contrast"][sample], contrast, rtol=1e-3, atol=1e-3
            )


def test_a_rerun_fills_only_gaps(explained_copy):
    before, wanted = times(explained_copy), digests(explained_copy)
    paths = shard_paths(explained_copy)
    paths[3].unlink()
    paths[7].write_bytes(paths[7].read_bytes()[: paths[7].stat().st_size // 2])
    with h5py.File(paths[9], "a") as file:
        file.attrs["complete"] = False
    assert job.main([toml(explained_copy)]) == 0
    assert changed(before, times(explained_copy)) == sorted(paths[i].stem for i in (3, 7, 9))
    assert digests(explained_copy) == wanted, "and they are as before, bit by bit"


def test_a_retrained_model_is_explained_anew(explained_copy):
    before = times(explained_copy)
    plan = read_plan(explained_copy.folder / "plan.json")
    path = RunFolder.of(explained_copy).model(plan.models[1])
    with h5py.File(path, "a") as file:
        file.attrs["digest"] = "retrained"
    assert job.main([toml(explained_copy)]) == 0
    mine = sorted(shard.name for shard in plan.shards if shard.model == plan.models[1])
    assert changed(before, times(explained_copy)) == mine
    found = contents(explained_copy.folder / "shards" / f"{mine[0]}.h5")
    assert found["model_digest"] == "retrained"


def test_other_settings_are_explained_anew(explained_copy):
    before = times(explained_copy)
    assert job.main([toml(explained_copy), "--set", "explain.rivals=1", "--share", "0/12"]) == 0
    assert changed(before, times(explained_copy)) == ["r00-f00-b0000"]
    found = contents(explained_copy.folder / "shards" / "r00-f00-b0000.h5")
    assert found["rivals"].shape == (10, 1)


def test_a_foreign_model_is_refused_before_anything_is_written(explained_copy, capsys):
    plan = read_plan(explained_copy.folder / "plan.json")
    first, other = (RunFolder.of(explained_copy).model(m) for m in plan.models[:2])
    shutil.copy(other, first)
    before = times(explained_copy)
    assert job.main([toml(explained_copy), "--share", "0/12"]) == 1
    said = capsys.readouterr().err
    assert "it is r00-f01, wanted r00-f00" in said and "run `tumorcam train`" in said
    assert times(explained_copy) == before


def test_a_model_of_other_pixels_is_refused(explained_copy):
    cohort = read_cohort(explained_copy.folder / "cohort.h5", explained_copy)
    wanted = ModelKey(0, 0)
    with h5py.File(RunFolder.of(explained_copy).model(wanted), "a") as file:
        file["pixel"][:2] = file["pixel"][:2][::-1]
    with pytest.raises(ModelError, match="other genes, tumors or pixels than the cohort"):
        load_classifier(RunFolder.of(explained_copy), cohort, wanted, explained_copy)


def test_a_missing_model_is_named(tiny_run):
    cohort = read_cohort(tiny_run.folder / "cohort.h5", tiny_run)
    plan = read_plan(tiny_run.folder / "plan.json")
    with pytest.raises(FileError, match=r"r00-f00/model.h5 does not exist; run `tumorcam train`"):
        explain_shards(RunFolder.of(tiny_run), cohort, plan.shards, tiny_run)


def test_cubes_of_a_method_that_is_not_computed_are_refused(trained_run):
    settings = dataclasses.replace(trained_run.explain, methods=("gradient_x_input",))
    config = dataclasses.replace(trained_run, explain=settings)
    cohort = read_cohort(config.folder / "cohort.h5", config)
    classifier = load_classifier(RunFolder.of(config), cohort, ModelKey(0, 0), config)
    with pytest.raises(ConfigError, match=r"explain\.cubes names guided_grad_cam"):
        make_explainer(classifier, config)


def test_shares_make_the_same_bits_as_one_process(explained_run, trained_copy):
    for share in ("2/3", "0/3", "1/3"):
        assert job.main([toml(trained_copy), "--share", share]) == 0
    assert digests(trained_copy) == digests(explained_run)


@pytest.mark.mpi
def test_ranks_make_the_same_bits_as_one_process(explained_run, trained_copy):
    words = [processes.find_mpiexec(), "-n", "3", sys.executable, "-m", "mpi4py", "-m"]
    words += ["tumorcam.jobs", "explain", toml(trained_copy)]
    subprocess.run(words, check=True, capture_output=True)
    assert digests(trained_copy) == digests(explained_run)


def test_a_dry_run_says_what_it_would_do(trained_copy, capsys):
    assert job.main([toml(trained_copy), "--dry-run", "--share", "0/3"]) == 0
    assert "would explain 4 of 12 shards, 48 samples a replicate" in capsys.readouterr().out
    assert not (trained_copy.folder / "shards").exists()


def test_without_a_plan_there_is_one_message(tiny_toml, capsys):
    assert job.main([tiny_toml]) == 1
    assert "run `tumorcam prepare`" in capsys.readouterr().err


def test_null_replicates_may_be_added_to_a_finished_run(explained_copy):
    """Train, explain and reduce take them as further elements; nothing else changes."""
    toml = write_toml(explained_copy, explained_copy.folder / "config.toml")
    before = {path: path.stat().st_mtime_ns for path in explained_copy.folder.rglob("*.h5")}
    for stage in (train, job, reduce, report):
        assert stage.main([toml, "--null", "1"]) == 0
    layout = dataclasses.replace(explained_copy.layout, nulls=1)
    found = audit.audit_run(dataclasses.replace(explained_copy, layout=layout))
    counts = audit.count_states(found)
    assert counts["models"][audit.WHOLE] == 7 and counts["shards"][audit.WHOLE] == 18
    assert counts["significance"][audit.BROKEN] == 0
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    made = read_cohort(explained_copy.folder / "cohort.h5", explained_copy)
    with h5py.File(explained_copy.folder / "shards" / "n00-f01-b0001.h5") as file:
        np.testing.assert_array_equal(file["target"], made.tumor[file["sample_index"]])
    held_out = held_out_of(explained_copy, ModelKey(0, 1, null=True))
    called = held_out.probability.argmax(axis=1)
    assert (called == made.tumor[held_out.sample]).mean() < 0.6
    table = tumorcam.gene_significance(
        explained_copy.folder, method="gradient_x_input", view="contrast"
    )
    assert table["p_null"].notna().all()
