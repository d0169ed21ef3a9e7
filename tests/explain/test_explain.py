import dataclasses
import hashlib
import shutil
import subprocess
import sys
from types import SimpleNamespace

import h5py
import numpy as np
import oracles
import pytest
from conftest import write_toml
from edited_files import edited
from hypothesis import given
from hypothesis import strategies as st

import tumorcam
from jobs import clean, reduce, report, train
from jobs import explain as job
from tumorcam.cluster import processes
from tumorcam.cohort.cohort import read_cohort
from tumorcam.cohort.images import Scaler
from tumorcam.cohort.layout import random_layout
from tumorcam.errors import ConfigError, FileError, ShardError
from tumorcam.explain.explain import (
    Passes,
    ShardSamples,
    explain_samples,
    explain_shards,
    make_explainer,
    read_samples,
    rival_tumors,
    to_half,
)
from tumorcam.explain.shards import SHARD_TYPE, Shard, shard_digest
from tumorcam.explain.views import gene_views
from tumorcam.operations import audit
from tumorcam.settings import DEFAULT_METHODS
from tumorcam.settings.config import Config
from tumorcam.storage import hdf5, records
from tumorcam.storage.plan import ModelKey, ShardKey, read_plan
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import HeldOut, model_digest, read_model
from tumorcam.training.network import Classifier, load_classifier

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
    lowest = sorted(set(tumors) - {"COAD"}, key=hashes.__getitem__)[:2]
    rivals = rival_tumors("TCGA-AA-0001-01A", 2, tumors, 2)
    assert [tumors[i] for i in rivals] == lowest == ["ACC", "BRCA"]


def test_every_tumor_is_about_as_often_a_rival():
    tumors = [f"T{i}" for i in range(8)]
    rivals = [i for n in range(700) for i in rival_tumors(f"s{n}", 0, tumors, 3)]
    counts = np.bincount(rivals, minlength=8)
    assert counts[0] == 0 and (np.abs(counts[1:] - 300) < 4 * np.sqrt(700 * 3 / 7 * 4 / 7)).all()


def test_float16_holds_its_largest_number_and_nothing_beyond():
    assert to_half(np.array([65504, -65504]), "here").dtype == np.float16
    assert to_half(np.empty((0, 3)), "here").shape == (0, 3)
    for worst in (65505.0, -1e6, np.inf, np.nan):
        with pytest.raises(ShardError, match=r"r00.h5:/own holds .*beyond float16's 65504"):
            to_half(np.array([1, worst]), "r00.h5:/own")


def read_shard(path):
    with hdf5.open_file(path, SHARD_TYPE, remedy="") as file:
        return records.read_record(file, Shard)


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


def test_a_shard_has_all_samples_of_its_block_and_names_its_sources(explained_run):
    run = RunFolder.of(explained_run)
    plan, cohort = read_plan(run.plan), read_cohort(run.cohort, explained_run)
    assert len(plan.shards) == N_SHARDS
    for key in plan.shards:
        shard, n = read_shard(run.shard(key)), key.stop - key.start
        index = np.flatnonzero(cohort.fold == key.fold)[key.start : key.stop]
        np.testing.assert_array_equal(shard.sample_index, index)
        np.testing.assert_array_equal(shard.sample, cohort.sample[index])
        np.testing.assert_array_equal(shard.tumor, cohort.tumor[index])
        np.testing.assert_array_equal(shard.target, shard.tumor)
        np.testing.assert_array_equal(shard.predicted, shard.probability.argmax(axis=1))
        np.testing.assert_allclose(shard.probability.sum(axis=1), 1, rtol=1e-5)
        assert shard.rivals.shape == (n, 3) and shard.probability.shape == (n, 4)
        assert set(shard.methods) == set(DEFAULT_METHODS)
        with h5py.File(run.shard(key)) as file:
            labels = file["gene_or_decoy"].asstr()[:].tolist()
        decoys = cohort.genes[cohort.decoy_gene]
        copies = [f"{kind} decoy of {gene}" for kind in ("present", "chance") for gene in decoys]
        assert labels == [*cohort.genes, *copies]
        for name, maps in shard.methods.items():
            assert maps.own.shape == maps.contrast.shape == (n, 36 + 2 * 18)
            assert maps.own.dtype == maps.contrast.dtype == np.float16
            assert maps.scale.shape == (n,) and maps.scale.dtype == np.float32
            assert (maps.cube is not None) == (name in explained_run.explain.cubes)
        cube = shard.methods["guided_grad_cam"].cube
        assert cube.shape == (n, plan.side, plan.side) and cube.dtype == np.float16
        attributes = hdf5.stored_attributes(run.shard(key), SHARD_TYPE, remedy="")
        assert attributes["shard"] == key.name and attributes["n_samples"] == n
        assert attributes["cohort_digest"] == cohort.digest
        assert attributes["model_digest"] == model_digest(run.model(key.model))


def test_probabilities_are_those_that_train_wrote(explained_run):
    run = RunFolder.of(explained_run)
    for key in read_plan(run.plan).shards:
        shard, held_out = read_shard(run.shard(key)), held_out_of(explained_run, key.model)
        expected = held_out.probability[np.searchsorted(held_out.sample, shard.sample_index)]
        np.testing.assert_array_equal(shard.probability, expected)


def explained(config: Config, key: ShardKey, decoys: str = "present"):
    """The classifier and content of a shard, and its images with true or permuted decoys."""
    run = RunFolder.of(config)
    cohort = read_cohort(run.cohort, config)
    classifier, shard = load_classifier(run, cohort, key.model, config), read_shard(run.shard(key))
    rows = shard.sample_index
    values = cohort.decoy_expression(rows) if decoys == "chance" else None
    return classifier, classifier.images(cohort.expression(rows), values), shard


def test_cubes_are_what_the_library_call_gives(explained_run):
    key = read_plan(explained_run.folder / "plan.json").shards[4]
    classifier, images, shard = explained(explained_run, key)
    maps = tumorcam.guided_grad_cam(classifier.network, images, shard.target)
    stored = shard.methods["guided_grad_cam"]
    scale = stored.cube_scale[:, None, None]
    np.testing.assert_allclose(stored.cube * scale, maps, rtol=2 * HALF, atol=1e-6 * scale.max())
    peak = np.abs(stored.cube).max(axis=(1, 2))
    np.testing.assert_array_equal(peak, maps.any(axis=(1, 2)))  # 1, or 0 of an empty map
    assert peak.any()


COLUMNS = {"present": slice(0, 54), "chance": slice(54, 72)}  # of each pass; 36 genes, 18 decoys


@pytest.mark.parametrize("decoys", COLUMNS)
def test_views_agree_with_the_oracle(explained_run, decoys):
    key = read_plan(explained_run.folder / "plan.json").shards[0]
    classifier, images, shard = explained(explained_run, key, decoys)
    targets = np.column_stack([shard.target, shard.rivals])[:2]
    pixel, n_genes = classifier.layout.pixel, classifier.layout.n_genes
    maps = oracles.all_maps(classifier.network, images[:2], targets, DEFAULT_METHODS)
    for name, values in maps.items():
        stored, genes = shard.methods[name], values.reshape(*values.shape[:2], -1)[:, :, pixel]
        for sample, features in enumerate(genes):
            scale = np.abs(features[:, :n_genes]).mean()
            own = features[0] / scale
            contrast = own - features[1:].mean(axis=0) / scale
            own -= np.median(own[:n_genes])
            if decoys == "present":
                np.testing.assert_allclose(stored.scale[sample], scale, rtol=1e-4)
            for view, values in (("own", own), ("contrast", contrast)):
                of_pass = getattr(stored, view)[sample, COLUMNS[decoys]]
                np.testing.assert_allclose(of_pass, values[-len(of_pass) :], rtol=1e-3, atol=1e-3)


def test_the_blocks_of_columns_are_two_explanations_bit_for_bit(explained_run):
    """Genes and present decoys are of the one, chance decoys of the other."""
    run = RunFolder.of(explained_run)
    cohort = read_cohort(run.cohort, explained_run)
    for key in read_plan(run.plan).shards[::5]:
        samples = read_samples(cohort, key, explained_run)
        _, present, shard = explained(explained_run, key, "present")
        classifier, chance, _ = explained(explained_run, key, "chance")
        explainer = make_explainer(classifier, explained_run)
        for start in range(0, len(samples.row), explainer.batch_size):
            rows = slice(start, start + explainer.batch_size)
            of_present = explainer(present[rows], samples.target[rows])
            of_chance = explainer(chance[rows], samples.target[rows])
            for name, stored in shard.methods.items():
                first, second = (
                    gene_views(maps.methods[name], classifier.layout)
                    for maps in (of_present, of_chance)
                )
                np.testing.assert_array_equal(stored.scale[rows], first.scale)
                for view in ("own", "contrast"):
                    values, of_first = getattr(stored, view)[rows], getattr(first, view)
                    of_second = getattr(second, view)
                    np.testing.assert_array_equal(values[:, :54], to_half(of_first, name))
                    np.testing.assert_array_equal(values[:, 54:], to_half(of_second[:, 36:], name))
                    assert (of_first != of_second)[:, :36].any(), "decoys change the maps"


class Recorder:
    """In place of an explainer: it records the images that it is given."""

    batch_size = 3

    def __init__(self) -> None:
        self.images: list[np.ndarray] = []

    def __call__(self, images, target):
        self.images.append(images)
        return f"maps {len(self.images)}"


@pytest.mark.parametrize("n_decoys", [0, 2])
def test_batches_are_explained_twice_but_without_decoys_once(n_decoys):
    rng, recorder = np.random.default_rng(0), Recorder()
    layout = random_layout(5, np.arange(n_decoys, dtype=np.int32), rng)
    network = SimpleNamespace(input_shape=(None, layout.side, layout.side, 1))
    classifier = Classifier(
        network, layout, Scaler(np.zeros(5), np.ones(5)), HeldOut(np.zeros(0), np.zeros((0, 2))), ""
    )
    expression, permuted = rng.random((7, 5), np.float32), rng.random((7, n_decoys), np.float32)
    samples = ShardSamples(np.arange(7), np.arange(7), np.zeros((7, 2)), expression, permuted)
    parts = list(explain_samples(samples, classifier, recorder))
    assert [batch.row.tolist() for batch, _ in parts] == [[0, 1, 2], [3, 4, 5], [6]]
    passes = [of_batch for _, of_batch in parts]
    if n_decoys:
        assert passes == [Passes(f"maps {2 * i}", f"maps {2 * i - 1}") for i in (1, 2, 3)]
        true, images = classifier.images(expression), np.concatenate(recorder.images[1::2])
        np.testing.assert_array_equal(images, true)
    else:
        assert passes == [Passes(f"maps {i}", f"maps {i}") for i in (1, 2, 3)]
    images = np.concatenate(recorder.images[:: 2 if n_decoys else 1])
    np.testing.assert_array_equal(images, classifier.images(expression, permuted))


def test_a_rerun_fills_only_gaps(explained_copy):
    before, digests_before = times(explained_copy), digests(explained_copy)
    paths = shard_paths(explained_copy)
    paths[3].unlink()
    paths[7].write_bytes(paths[7].read_bytes()[: paths[7].stat().st_size // 2])
    with edited(paths[9]) as file:
        file.attrs["complete"] = False
    assert job.main([toml(explained_copy)]) == 0
    assert changed(before, times(explained_copy)) == sorted(paths[i].stem for i in (3, 7, 9))
    assert digests(explained_copy) == digests_before, "bit by bit"


def test_a_retrained_model_is_explained_anew(explained_copy):
    before = times(explained_copy)
    plan = read_plan(explained_copy.folder / "plan.json")
    path = RunFolder.of(explained_copy).model(plan.models[1])
    with edited(path) as file:
        file.attrs["digest"] = "retrained"
    assert job.main([toml(explained_copy)]) == 0
    keys = [key for key in plan.shards if key.model == plan.models[1]]
    assert changed(before, times(explained_copy)) == sorted(key.name for key in keys)
    path = RunFolder.of(explained_copy).shard(keys[0])
    attributes = hdf5.stored_attributes(path, SHARD_TYPE, remedy="")
    assert attributes["model_digest"] == "retrained"


def test_shards_of_other_settings_are_replaced_only_when_moved_aside(explained_copy, capsys):
    before = times(explained_copy)
    words = [toml(explained_copy), "--set", "explain.rivals=1"]
    assert job.main([*words, "--share", "0/12"]) == 1
    said = capsys.readouterr().err
    assert "explain.rivals: 3 -> 1" in said and "tumorcam clean CONFIG --from explain" in said
    assert times(explained_copy) == before
    assert clean.main([*words, "--from", "explain"]) == 0
    assert job.main([*words, "--share", "0/12"]) == 0
    (path,) = RunFolder.of(explained_copy).shards.iterdir()
    assert path.stem == "r00-f00-b0000" and read_shard(path).rivals.shape == (10, 1)


def test_a_foreign_model_is_refused_before_anything_is_written(explained_copy, capsys):
    plan = read_plan(explained_copy.folder / "plan.json")
    first, other = (RunFolder.of(explained_copy).model(m) for m in plan.models[:2])
    shutil.copy(other, first)
    before = times(explained_copy)
    assert job.main([toml(explained_copy), "--share", "0/12"]) == 1
    message = capsys.readouterr().err
    assert "its model is 'r00-f01', wanted 'r00-f00'" in message
    assert "tumorcam clean CONFIG --from train; then run `tumorcam train`" in message
    assert times(explained_copy) == before


def test_a_missing_model_is_named(tiny_run):
    cohort = read_cohort(tiny_run.folder / "cohort.h5", tiny_run)
    plan = read_plan(tiny_run.folder / "plan.json")
    with pytest.raises(FileError, match=r"r00-f00/model.h5 does not exist; run `tumorcam train`"):
        explain_shards(RunFolder.of(tiny_run), cohort, plan.shards, tiny_run)


def test_all_shards_before_a_missing_model_are_written(trained_copy, capsys):
    run = RunFolder.of(trained_copy)
    keys = read_plan(run.plan).shards
    missing = next(key for key in keys if key.model == ModelKey(0, 1))
    run.model(missing.model).unlink()
    assert job.main([str(trained_copy.folder)]) == 1
    assert "r00-f01/model.h5 does not exist" in capsys.readouterr().err
    assert [key for key in keys if run.shard(key).exists()] == list(keys[: keys.index(missing)])


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


def test_a_null_run_may_be_added_to_a_finished_run(explained_copy):
    """Train, explain and reduce take its models as further elements; nothing else changes."""
    toml = write_toml(explained_copy, explained_copy.folder / "config.toml")
    before = {path: path.stat().st_mtime_ns for path in explained_copy.folder.rglob("*.h5")}
    null_models = read_plan(explained_copy.folder / "plan.json", 1).null_models
    for name in (key.name for key in null_models):  # here: a process a model takes longer
        assert train.main([toml, "--null", "1", "--model", name]) == 0
    for stage in (job, reduce, report):
        assert stage.main([toml, "--null", "1"]) == 0
    layout = dataclasses.replace(explained_copy.layout, nulls=1)
    states = audit.audit_run(dataclasses.replace(explained_copy, layout=layout))
    counts = audit.count_states(states)
    assert counts["models"][audit.WHOLE] == 9 and counts["shards"][audit.WHOLE] == 24
    assert counts["significance"][audit.BROKEN] == 0
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    cohort = read_cohort(explained_copy.folder / "cohort.h5", explained_copy)
    shard = read_shard(explained_copy.folder / "shards" / "n1-r00-f01-b0001.h5")
    np.testing.assert_array_equal(shard.target, cohort.tumor[shard.sample_index])
    held_out = held_out_of(explained_copy, ModelKey(0, 1, null=1))
    called = held_out.probability.argmax(axis=1)
    assert (called == cohort.tumor[held_out.sample]).mean() < 0.6
    table = tumorcam.gene_significance(
        explained_copy.folder, method="gradient_x_input", view="contrast"
    )
    assert table["p_null"].notna().all()
