import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import write_toml
from training_runs import Killed, with_training

from jobs import export
from tumorcam.applied import model_export as writing
from tumorcam.cohort.cohort import read_cohort
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder

ROOT = Path(__file__).parents[2]
CHILD = """
import os, signal, sys
from jobs import export
from tumorcam.applied import model_export as writing
save = writing.save_ensemble
def save_and_die(*words):
    save(*words)
    os.kill(os.getpid(), signal.{signal})
writing.save_ensemble = save_and_die
sys.exit(export.main(sys.argv[1:]))
"""


@pytest.fixture
def toml(trained_copy, tmp_path):
    return write_toml(trained_copy, tmp_path / "copy.toml")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_dry_run_says_networks_and_bytes(trained_copy, toml, tmp_path, capsys):
    run = RunFolder.of(trained_copy)
    side = read_cohort(run.cohort, trained_copy).layouts[0].side
    weights = 160 + 2320 + (16 * (side // 4) ** 2 + 1) * 8 + 36
    n_bytes = 4 * (4 * weights + 8 * 36 + 8 * side**2)
    assert export.main([toml, str(tmp_path / "out"), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert said == f"would export 4 networks of {run.root} ({n_bytes:,} bytes) to {tmp_path}/out\n"
    assert not (tmp_path / "out").exists() and not run.reference.exists()


def test_networks_of_null_runs_stay_out(trained_copy, toml, tmp_path, capsys):
    words = ["--set", "layout.nulls=1", "--dry-run"]
    assert export.main([toml, str(tmp_path / "out"), *words]) == 0
    assert "would export 4 networks" in capsys.readouterr().out


def test_an_unfinished_run_is_refused(trained_copy, toml, tmp_path, capsys):
    model = RunFolder.of(trained_copy).model(ModelKey(1, 0))
    model.unlink()
    assert export.main([toml, str(tmp_path / "out")]) == 1
    assert f"{model} does not exist; run `tumorcam train`" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("has_reference", [False, True])
def test_a_damaged_model_is_refused(trained_copy, toml, tmp_path, capsys, has_reference):
    run = RunFolder.of(trained_copy)
    if has_reference:
        assert export.main([toml, str(tmp_path / "first")]) == 0
    model = run.model(ModelKey(1, 1))
    content = bytearray(model.read_bytes())
    content[-2000] ^= 1
    model.write_bytes(content)
    before = names(tmp_path)
    assert export.main([toml, str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert f"{model} is damaged" in said and "run `tumorcam train`" in said
    assert names(tmp_path) == before


def test_networks_of_other_settings_are_refused(trained_copy, tmp_path, capsys):
    toml = write_toml(with_training(trained_copy, epochs=3), tmp_path / "other.toml")
    assert export.main([toml, str(tmp_path / "out")]) == 1
    assert "training.epochs" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_with_files_is_refused_before_any_work(trained_copy, toml, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine", encoding="utf-8")
    shutil.rmtree(RunFolder.of(trained_copy).models)
    for words in ([], ["--dry-run"]):
        assert export.main([toml, str(tmp_path / "out"), *words]) == 1
        assert f"{tmp_path}/out is not empty" in capsys.readouterr().err
    assert names(tmp_path / "out") == ["mine.txt"]


def test_after_an_error_nothing_is_there(toml, tmp_path, monkeypatch):
    def fail(*words):
        raise Killed

    monkeypatch.setattr(writing.manifest, "write_manifest", fail)
    before = names(tmp_path)
    with pytest.raises(Killed):
        export.main([toml, str(tmp_path / "out")])
    assert names(tmp_path) == before


@pytest.mark.parametrize(("signal", "code"), [("SIGKILL", -9), ("SIGTERM", 75)])
def test_a_killed_export_leaves_no_folder_and_the_same_command_works(toml, tmp_path, signal, code):
    out, before = tmp_path / "place" / "out", names(tmp_path)
    words = [sys.executable, "-c", CHILD.format(signal=signal), toml, str(out)]
    child = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert child.returncode == code, child.stderr
    left = names(tmp_path / "place")
    assert [name.endswith(".part") for name in left] == ([True] if code < 0 else [])
    assert export.main([toml, str(out)]) == 0
    assert names(tmp_path / "place") == ["out"]
    assert names(tmp_path) == sorted([*before, "place"])
    assert names(out) == ["README.txt", "files.json", "model", "use.py"]


def test_new_samples_are_no_run(trained_copy, toml, tmp_path, capsys):
    assert export.main([toml, str(tmp_path / "out"), "--set", "apply.run=../.."]) == 1
    assert "`tumorcam export` takes the config or folder of that run" in capsys.readouterr().err
