import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import copy_run
from written_tables import check_folder, named_tables

from jobs import export
from tumorcam.applied.classify import logits_of
from tumorcam.applied.reference import calibrated, read_reference
from tumorcam.cohort.cohort import read_cohort
from tumorcam.report.dictionary import EXPORT_TABLES
from tumorcam.storage import manifest
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.network import load_classifier
from tumorcam.training.prediction import probabilities

ROOT = Path(__file__).parents[2]
KEYS = [ModelKey(r, f) for r in range(2) for f in range(2)]
PROGRAM = """
import sys
import numpy as np
import tensorflow as tf
folder, given, taken = sys.argv[1:]
model = tf.saved_model.load(folder)
answers = {}
for name, values in np.load(given).items():
    for kind, value in model.classify(values).items():
        answers[f"{name} {kind}"] = value.numpy()
assert "tumorcam" not in sys.modules
np.savez(taken, **answers)
"""


@pytest.fixture(scope="module")
def exported(trained_run, tmp_path_factory):
    """The config of a run, and the folder to which its networks are exported."""
    folder = tmp_path_factory.mktemp("exported")
    config = copy_run(trained_run, folder / "run")
    assert export.main([str(config.folder / "config.toml"), str(folder / "out")]) == 0
    return config, folder / "out"


def cohort_of(config):
    return read_cohort(RunFolder.of(config).cohort, config)


def expected(config, expression):
    """Probabilities of all networks together, as tumorcam itself computes them; NaN is missing."""
    run, cohort, total = RunFolder.of(config), cohort_of(config), 0
    for key in KEYS:
        classifier = load_classifier(run, cohort, key, config)
        filled = np.where(np.isnan(expression), classifier.scaler.mean, expression)
        total = total + probabilities(logits_of(classifier, filled))
    temperature = read_reference(run.reference).calibration.temperature
    return total / len(KEYS), calibrated(total / len(KEYS), temperature)


def run_alone(folder, *words):
    """Run Python where nothing of this checkout is imported."""
    program = [sys.executable, "-I", *map(str, words)]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=600)


def test_the_model_gives_the_probabilities_of_tumorcam_without_it(exported, tmp_path):
    config, folder = exported
    cohort = cohort_of(config)
    whole = cohort.expression(np.arange(48))
    gaps = whole.copy()
    gaps[:, [0, 7, 20]] = np.nan
    gaps[np.random.default_rng(0).uniform(size=gaps.shape) < 0.1] = np.nan
    tables = {
        "whole": whole,
        "gaps": gaps,
        "single": gaps[3:4],
        "nothing": np.full_like(gaps, np.nan),
    }
    np.savez(tmp_path / "given.npz", **tables)
    words = (folder / "model", tmp_path / "given.npz", tmp_path / "taken.npz")
    child = run_alone(tmp_path, "-c", PROGRAM, *words)
    assert child.returncode == 0, child.stderr
    answers = np.load(tmp_path / "taken.npz")
    for name, table in tables.items():
        probability, after = expected(config, table)
        np.testing.assert_allclose(answers[f"{name} probability"], probability, rtol=0, atol=1e-6)
        np.testing.assert_allclose(answers[f"{name} calibrated"], after, rtol=0, atol=1e-6)
    right = answers["whole probability"].argmax(axis=1) == cohort.tumor
    assert right.mean() > 0.6, "the networks have learned something"
    assert np.ptp(answers["gaps probability"] - answers["whole probability"]) > 0.01


@pytest.mark.parametrize("name", ["genes in rows.tsv", "samples in rows.csv.gz"])
def test_the_script_classifies_a_table_in_any_order(exported, tmp_path, name):
    config, folder = exported
    cohort = cohort_of(config)
    lacking = [2, 5]
    values = cohort.expression(np.arange(5))
    values[:, lacking] = np.nan
    samples = ["007", "1.0", "c", "d", "e"]
    table = pd.DataFrame(values, samples, cohort.genes).drop(columns=cohort.genes[lacking])
    table = table.iloc[:, np.random.default_rng(2).permutation(table.shape[1])]
    table.insert(4, "OTHER", 1.5)
    table = table.T if "genes" in name else table
    table.to_csv(tmp_path / name, sep="\t" if ".tsv" in name else ",")
    child = run_alone(tmp_path, folder / "use.py", tmp_path / name)
    assert child.returncode == 0, child.stderr
    assert "2 of 36 genes are missing" in child.stderr
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "calls.csv").write_text(child.stdout, encoding="utf-8")
    check_folder(tmp_path / "out", named_tables(EXPORT_TABLES, "TUMOR", cohort.tumors.tolist()))
    calls = pd.read_csv(tmp_path / "out" / "calls.csv", dtype={"sample": str})
    tumors = cohort.tumors.tolist()
    assert calls.columns.tolist() == ["sample", "call", "probability", *tumors]
    assert calls["sample"].tolist() == samples
    _, after = expected(config, values)
    np.testing.assert_allclose(calls[tumors], after, rtol=0, atol=1e-6)
    np.testing.assert_allclose(calls["probability"], after.max(axis=1), rtol=0, atol=1e-6)
    assert calls["call"].tolist() == cohort.tumors[after.argmax(axis=1)].tolist()


@pytest.mark.parametrize("fault", ["counts", "infinite", "negative", "other genes"])
def test_the_script_refuses_what_cannot_be_right(exported, tmp_path, fault):
    config, folder = exported
    cohort = cohort_of(config)
    table = pd.DataFrame(cohort.expression(np.arange(2)), ["a", "b"], cohort.genes)
    if fault == "other genes":
        table.columns = [f"ENSG{i}" for i in range(36)]
    else:
        table.iloc[1, 3] = {"counts": 1234, "infinite": np.inf, "negative": -0.5}[fault]
    table.to_csv(tmp_path / "new.csv")
    child = run_alone(tmp_path, folder / "use.py", tmp_path / "new.csv")
    assert (child.returncode, child.stdout) == (1, "")
    assert child.stderr.endswith(
        "no gene of the model is there, or values are not as README.txt says\n"
    )


def test_the_folder_has_all_files_with_their_digests(exported):
    config, folder = exported
    run, cohort = RunFolder.of(config), cohort_of(config)
    listed = manifest.read_manifest(folder / "files.json")
    names = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert listed.files.keys() == names - {"files.json"}
    assert names >= {
        "use.py",
        "README.txt",
        "model/saved_model.pb",
        "model/variables/variables.index",
    }
    for name, entry in listed.files.items():
        assert manifest.file_fault(folder / name, entry) == ""
    models = {f"models/{key.name}/model.h5" for key in KEYS}
    assert listed.made_from.keys() == models | {"cohort.h5", "reference.h5"}
    assert listed.made_from["cohort.h5"] == cohort.digest
    assets = folder / "model" / "assets"
    genes = (assets / "genes.txt").read_text(encoding="utf-8").splitlines()
    assert genes == cohort.genes.tolist()
    assert (assets / "tumors.txt").read_text(encoding="utf-8") == "ACC\nBRCA\nCOAD\nREAD\n"
    places = [str(place).encode() for place in (run.root, ROOT)]
    contents = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert not any(place in content for place in places for content in contents)


def test_the_readme_says_what_the_input_is_and_what_is_lacking(exported):
    config, folder = exported
    text = " ".join((folder / "README.txt").read_text(encoding="utf-8").split())
    temperature = read_reference(RunFolder.of(config).reference).calibration.temperature
    for words in (
        "For research, not for clinical decisions.",
        "4 networks",
        "The 36 genes stand in model/assets/genes.txt",
        "Values are log2(x + 1)",
        f"softmax(log(probability) / {temperature:.4g})",
        "does not explain its calls",
        "does not say whether a sample is unlike anything",
        "Patients of the run are judged by networks that trained on them",
    ):
        assert words in text
    assert max(map(len, (folder / "README.txt").read_text(encoding="utf-8").splitlines())) <= 100
    assert json.loads((folder / "files.json").read_text(encoding="utf-8"))["digest"]
