"""The bundle for an accelerator, tried by JAX on the CPU: maps and a step of training."""

import json
import shutil
from collections import defaultdict

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_tiny_cohort, make_tiny_config, write_tiny_files, write_toml
from training_runs import loop_of, with_training

from benchmarks.accelerator import export, run
from benchmarks.accelerator.export import ExplainProgram, TrainingProgram
from jobs import prepare
from tumorcam.settings import METHODS

ROUNDING = 1e-5  # relative; sums in another order
EXPLAIN = ExplainProgram("float32", 20, 4)
TRAINING = [TrainingProgram("float32", 32, 16), TrainingProgram("float32", 64, 64)]
COMPARED = [name for name in METHODS if name != "smooth_grad"]  # XLA draws another noise


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle of the tiny run's network on images of 8 x 8 pixels; to be read, never changed."""
    folder = tmp_path_factory.mktemp("accelerator")
    config = make_tiny_config(write_tiny_files(make_tiny_cohort(), folder), folder / "run")
    once = {"epochs": 1, "warmup_epochs": 0.0, "batch_size": 32, "micro_batch": 16, "dropout": 0.3}
    config = with_training(config, **once)
    assert prepare.main([write_toml(config, folder / "tiny.toml")]) == 0
    loop = loop_of(config, folder / "checkpoints")
    export.write_bundle(folder / "bundle", loop, COMPARED, [EXPLAIN], TRAINING)
    return folder / "bundle"


def measured(bundle, folder, *options):
    """The exit status of run.py, and its rows by contender."""
    path, rows = folder / "rows.json", defaultdict(list)
    status = run.main([str(bundle), "--rounds", "1", "--json", str(path), *options])
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["device"] and result["rounds"] == 1
    for row in result["rows"]:
        rows[row["contender"]].append(row)
    return status, rows


def test_jax_computes_the_maps_of_the_explainer_and_the_step_of_the_training_loop(bundle, tmp_path):
    """Where PyTorch and captum are installed, they compute the same logits."""
    status, rows = measured(bundle, tmp_path)
    explain, *training = rows["tumorcam"]
    assert status == 0
    assert (explain["batch"], explain["targets"]) == EXPLAIN[1:]
    assert [(row["batch"], row["micro_batch"]) for row in training] == [p[1:] for p in TRAINING]
    assert explain["distances"].keys() == {"logits", *COMPARED}
    assert all(d["median"] < ROUNDING for d in explain["distances"].values()), explain
    for row in training:
        assert row["distances"].keys() == {"loss", "weights", "momentum"}
        assert all(d["largest"] < ROUNDING for d in row["distances"].values()), row
    for row in (row for of_contender in rows.values() for row in of_contender):
        assert 0 < row["fastest"] <= row["seconds"] <= row["slowest"]
    assert [r["batch"] for r in rows["torch"]] == [32, 64] * (run.version_of("torch") is not None)
    assert all(r["distances"]["logits"]["largest"] < ROUNDING for r in rows["captum"])


def test_the_reference_is_of_a_step_that_changed_every_array(bundle):
    parts = run.Bundle.read(bundle)
    for i, before in enumerate(parts.weights("training")):
        assert np.abs(parts.arrays[f"weights{i}"] - before.ravel()).max() > 1e-4


def test_a_wrong_result_is_named(bundle, tmp_path, capsys):
    shutil.copytree(bundle, tmp_path / "bundle")
    description = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    description["explain"]["programs"] = []
    del description["training"]["programs"][1:]
    (tmp_path / "bundle" / "bundle.json").write_text(json.dumps(description), encoding="utf-8")
    arrays = run.Bundle.read(bundle).arrays
    np.savez(tmp_path / "bundle" / "arrays.npz", **arrays | {"loss": 1.01 * arrays["loss"]})
    assert measured(tmp_path / "bundle", tmp_path, "--no-peers")[0] == 1
    message = capsys.readouterr().err
    assert message.count("wrong") == 1 and "loss 9.9e-03" in message


def test_distances_are_relative_to_each_sample():
    reference = np.array([[3.0, 4.0], [0.0, 2.0], [0.0, 0.0]])
    values = np.array([[3.0, 4.5], [0.5, 2.0], [0.0, 0.0], [7.0, 7.0]])
    assert run.distances(values, reference) == {"median": 0.1, "largest": 0.25}


@pytest.mark.parametrize("precision", export.PRECISIONS)
def test_only_float32_asks_xla_for_whole_products(tmp_path, precision):
    matrix = np.zeros((4, 4), np.float32)
    module = export.xla_program(tf.matmul, [tf.constant(matrix)] * 2, precision)
    (tmp_path / "product.hlo").write_bytes(module)
    parts = run.Bundle(tmp_path, {}, {}, {})
    program = run.compiled(parts, {"file": "product.hlo"}, [matrix, matrix], [(4, 4)])
    assert ("highest" in program.as_text()) == (precision == "float32")
