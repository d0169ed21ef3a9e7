"""The synthesize job, in process, and prepare on what it wrote."""

import pytest

from jobs import prepare, synthesize
from tumorcam.cohort.cohort import read_cohort
from tumorcam.settings.config import load_config

SETTINGS = """
[run]
folder = "{folder}"
[splits]
folds = 2
[synthesize]
tumors = ["BRCA", "COAD", "READ"]
samples_per_tumor = 8
genes = 120
drivers = 4
"""


@pytest.fixture
def toml(tmp_path):
    path = tmp_path / "planted.toml"
    path.write_text(SETTINGS.format(folder=tmp_path / "run"))
    return path


def test_prepare_reads_what_synthesize_wrote(toml, tmp_path):
    assert synthesize.main([str(toml)]) == 0
    assert prepare.main([str(toml)]) == 0
    cohort = read_cohort(tmp_path / "run" / "cohort.h5", load_config(toml))
    assert cohort.tumors.tolist() == ["BRCA", "COAD", "READ"]
    assert len(cohort.sample) == 24
    assert set(cohort.source) <= {"B1", "B2", "B3", "B4"}


def test_it_is_written_once_for_the_same_settings(toml, tmp_path):
    assert synthesize.main([str(toml)]) == 0
    mark = tmp_path / "run" / "input" / "settings.json"
    first = mark.stat().st_mtime_ns
    assert synthesize.main([str(toml)]) == 0
    assert mark.stat().st_mtime_ns == first
    assert synthesize.main([str(toml), "--set", "synthesize.effect=1.0"]) == 0
    assert '"effect": 1.0' in mark.read_text()


@pytest.mark.parametrize("name", ["expression.tsv.gz", "samples.tsv", "truth.csv", "settings.json"])
def test_a_missing_file_is_made_again_with_the_same_bytes(toml, tmp_path, name):
    assert synthesize.main([str(toml)]) == 0
    path = tmp_path / "run" / "input" / name
    before = path.read_bytes()
    path.unlink()
    assert synthesize.main([str(toml)]) == 0
    assert path.read_bytes() == before


def test_a_dry_run_writes_nothing(toml, tmp_path, capsys):
    assert synthesize.main([str(toml), "--dry-run"]) == 0
    assert "24 samples of 3 tumors, 120 genes, 4 drivers a tumor" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def test_too_few_genes_are_one_clear_message(toml, capsys):
    assert synthesize.main([str(toml), "--set", "synthesize.drivers=100"]) == 1
    assert "raise synthesize.genes" in capsys.readouterr().err
