"""The configs for all of TCGA, on made-up files named and shaped like those of Xena and the GDC."""

from pathlib import Path

import numpy as np
import pytest
import tcga_files
from judged_runs import Expected, faults_of_reading, patient_of_barcode, run_prepare

CONFIGS = Path(__file__).parents[1] / "configs"
SMALL = ("cohort.genes=49", "splits.folds=2", "layout.replicates=1", "layout.kind=random")


def prepare(config: str, files: tcga_files.TcgaFiles, folder: Path, capsys, *settings: str):
    paths = (f"input.expression={files.expression}", f"input.samples={files.samples}")
    return run_prepare(str(CONFIGS / config), folder, (*paths, *SMALL, *settings), capsys)


def faults(outcome, files: tcga_files.TcgaFiles) -> list[str]:
    """What is wrong with a cohort; genes without a name are dropped, or called by their lines."""
    is_named = ~files.log2.index.str.startswith("line ")
    named = files.log2[is_named], (*files.lost, *files.nameless)
    right = [named, (files.log2, files.lost)]
    options = [Expected(log2, files.tumors, lost, patient_of_barcode) for log2, lost in right]
    faults = [faults_of_reading(outcome, expected) for expected in options]
    return min(faults, key=len)


def check_tumors(outcome) -> None:
    cohort = outcome.cohort
    assert len(cohort.tumors) == len(tcga_files.DISEASES) == 33
    n_samples = dict(zip(cohort.tumors, np.bincount(cohort.tumor), strict=True))
    skin = next(t for t in cohort.tumors if t in ("SKCM", "TCGA-SKCM", "skin cutaneous melanoma"))
    assert n_samples[skin] > 10  # metastases are among them
    assert min(n_samples.values()) >= 4


def test_xena(tmp_path, rng, capsys):
    files = tcga_files.write_xena(tmp_path, rng)
    outcome = prepare("tcga.toml", files, tmp_path / "run", capsys)
    assert not faults(outcome, files)
    check_tumors(outcome)


def test_xena_with_survival_table(tmp_path, rng, capsys):
    """Its codes name the tumors; the types of the samples come from their barcodes."""
    files = tcga_files.write_xena(tmp_path, rng)
    files = files._replace(samples=tmp_path / tcga_files.XENA_SURVIVAL, tumors=survival(files))
    outcome = prepare("tcga.toml", files, tmp_path / "run", capsys, "input.tumor_column=auto")
    assert not faults(outcome, files)
    check_tumors(outcome)


def survival(files: tcga_files.TcgaFiles) -> list[str]:
    """The survival table has all samples of the matrix."""
    samples = tcga_files.make_samples(5)
    assert samples["sample"].tolist() == files.log2.columns.tolist()
    return tcga_files.right_tumors(samples)


@pytest.mark.parametrize("new_layout", [False, True])
def test_gdc(new_layout, tmp_path, rng, capsys):
    files = tcga_files.write_gdc(tmp_path, rng, new_layout=new_layout)
    outcome = prepare("tcga-gdc.toml", files, tmp_path / "run", capsys)
    assert not faults(outcome, files)
    check_tumors(outcome)


def test_gdc_counts(tmp_path, rng, capsys):
    files = tcga_files.write_gdc(tmp_path, rng, n_patients=4, measure="unstranded")
    settings = ("input.scale=counts", "input.measure=unstranded")
    outcome = prepare("tcga-gdc.toml", files, tmp_path / "run", capsys, *settings)
    assert not faults(outcome, files)


def test_the_configs_name_the_files_as_they_are_downloaded():
    xena, gdc = ((CONFIGS / name).read_text() for name in ("tcga.toml", "tcga-gdc.toml"))
    assert f'"data/{tcga_files.XENA_MATRIX}"' in xena
    assert f'"data/{tcga_files.XENA_PHENOTYPE}"' in xena
    assert 'samples = "data/gdc_sample_sheet' in gdc


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)
