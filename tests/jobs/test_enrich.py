import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from applied_runs import finish_new, folder_of, new_table, prepare_new, write_matrix
from compared_runs import loosened
from conftest import write_toml
from made_up_run import finish_run

from jobs import enrich

ROOT = Path(__file__).parents[2]
OPTIONS = ["--permutations", "100", "--min-size", "2"]


@pytest.fixture
def folder(tiny_run):
    config = finish_run(loosened(tiny_run))
    write_toml(config, config.folder / "config.toml")
    return config.folder


@pytest.fixture
def gmt(tmp_path):
    path = tmp_path / "my sets.gmt"
    path.write_text("DRIVERS\tna\tGENE00\tGENE01\tGENE02\nOTHERS\tna\tGENE20\tGENE21\tGENE22\n")
    return str(path)


def test_sets_are_tested_in_the_folder_of_the_run(folder, gmt, capsys):
    assert enrich.main([str(folder), gmt, *OPTIONS, "--dry-run"]) == 0
    place = folder / "enrichment" / "my_sets"
    assert f"would test them in 4 tumors, and write {place}" in capsys.readouterr().out
    assert not place.exists()
    assert enrich.main([str(folder), gmt, *OPTIONS]) == 0
    output = capsys.readouterr().out
    assert "6 of 6 gene names of the file are genes of the run" in output
    assert f"wrote {place / 'index.html'}" in output
    assert enrich.main([str(folder), gmt, "--permutations", "200", "--min-size", "2"]) == 1
    assert "differs in permutations" in capsys.readouterr().err


def test_another_process_gives_the_same_bits(folder, gmt, tmp_path):
    assert enrich.main([str(folder), gmt, *OPTIONS, "--out", str(tmp_path / "a")]) == 0
    words = [sys.executable, "-m", "jobs", "enrich", str(folder), gmt, *OPTIONS]
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [*words, "--out", str(tmp_path / "b")], check=True, cwd=ROOT, env=environment,
        capture_output=True,
    )  # fmt: skip
    first, second = ((tmp_path / name / "enrichment.csv").read_bytes() for name in "ab")
    assert first == second


@pytest.mark.slow
def test_sets_are_tested_on_new_samples(host_run, gmt, tmp_path, capsys):
    matrix = write_matrix(new_table(), tmp_path / "new.tsv")
    assert prepare_new(host_run, matrix, name="sets") == 0
    finish_new(host_run, "sets")
    capsys.readouterr()
    assert enrich.main([folder_of(host_run, "sets"), gmt, *OPTIONS]) == 0
    place = Path(folder_of(host_run, "sets"), "enrichment", "my_sets")
    assert f"wrote {place / 'index.html'}" in capsys.readouterr().out


def test_faults_are_one_message(folder, gmt, tmp_path, capsys, monkeypatch):
    (tmp_path / "mouse.gmt").write_text("A\tna\tTrp53\n")
    assert enrich.main([str(folder), str(tmp_path / "mouse.gmt")]) == 1
    assert "has no gene of the run" in capsys.readouterr().err
    assert enrich.main([str(folder), gmt, "--permutations", "1"]) == 1
    assert "--permutations is 1" in capsys.readouterr().err
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "gseapy" else find(name)
    )
    assert enrich.main([str(folder), gmt]) == 1
    error = capsys.readouterr().err
    assert "pip install 'gseapy>=1.1'" in error and error.count("\n") == 1
