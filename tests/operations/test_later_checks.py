"""What prepare refuses since a later stage would, before cohort.h5 is written and in a dry run."""

import dataclasses
import re
import subprocess
import sys

import pytest
from conftest import write_toml

from jobs import prepare
from tumorcam.cohort.cohort import read_cohort
from tumorcam.operations.later_checks import check_later_stages, check_settings

ONE_ROW = ("model.image=row", "model.kernel=[2]", "model.stride=[3]", "model.pool=[1]")
REFUSED = {
    "cubes": (
        ("explain.methods=['gradient']", "report.method=gradient"),
        r"explain\.cubes names guided_grad_cam, but explain\.methods is gradient; name it in both",
    ),
    "report": (
        ("report.method=smooth_grad",),
        r"smooth_grad/contrast was not computed; explain\.methods has guided_grad_cam/own.*: set",
    ),
    "cam_layer": (
        ("explain.cam_layer=conv0",),
        r"no convolution 'conv0'; its convolutions: conv1, conv2; correct explain\.cam_layer",
    ),
    "no convolution": (
        ("model.filters=[]",),
        r"no convolution, which Grad-CAM needs; its convolutions: none; correct explain",
    ),
    "image too small": (
        ("model.padding=valid", "model.filters=[4, 4, 4]"),
        r"image of 8 x 8 pixels is too small .* 3 convolutions with padding 'valid'",
    ),
    "too many weights": (
        ("model.dense=[65536, 65536]",),
        r"has \d+,.* weights on images of side 8|the run takes up to .*, models \d+",
    ),
    "blind": (
        ("model.padding=valid", "model.filters=[4]", *ONE_ROW),
        r"cannot see \d+ of 54 genes and decoys, such as GENE\d\d; set model\.padding",
    ),
    "markers": (
        ("faithfulness.markers=nowhere.gmt",),
        r"nowhere\.gmt is no file .*: check faithfulness\.markers",
    ),
}
ACCEPTED = {
    "a convolution": ("explain.cam_layer=conv1",),
    "no convolution for no Grad-CAM": (
        "model.filters=[]", "explain.methods=['gradient_x_input']", "explain.cubes=[]",
    ),
    "an unused name": (
        "explain.cam_layer=nowhere", "explain.methods=['gradient_x_input']", "explain.cubes=[]",
    ),
}  # fmt: skip


def overrides(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["real", "dry"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_a_later_stage_would_refuse_is_refused(tiny_config, tiny_toml, capsys, name, dry):
    settings, message = REFUSED[name]
    assert prepare.main([tiny_toml, *overrides(*settings), *dry]) == 1
    printed = capsys.readouterr().err
    assert re.search(message, printed) and "Traceback" not in printed
    assert not (tiny_config.folder / "cohort.h5").exists()


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_no_stage_needs_is_not_asked_for(tiny_toml, name):
    assert prepare.main([tiny_toml, *overrides(*ACCEPTED[name]), "--dry-run"]) == 0


def test_a_cohort_that_is_there_is_checked_again(tiny_run, tiny_toml, capsys):
    """Settings of later stages may change after the cohort was written."""
    plan = (tiny_run.folder / "config.toml").read_text()
    assert prepare.main([tiny_toml, *overrides("explain.cam_layer=conv3")]) == 1
    assert "no convolution 'conv3'" in capsys.readouterr().err
    assert (tiny_run.folder / "config.toml").read_text() == plan


def test_a_marker_list_without_a_pair_of_the_cohort_is_refused(tiny_toml, tmp_path, capsys):
    (tmp_path / "list.gmt").write_text("BRCA\t\tTP53\n")
    markers = overrides(f"faithfulness.markers={tmp_path / 'list.gmt'}")
    assert prepare.main([tiny_toml, *markers, "--dry-run"]) == 1
    assert "names no gene of this run: it has TP53; wanted" in capsys.readouterr().err
    (tmp_path / "list.gmt").write_text("BRCA\t\tGENE00\n")
    assert prepare.main([tiny_toml, *markers, "--dry-run"]) == 0


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["real", "dry"])
def test_too_few_patients_for_p_values_are_a_warning(tiny_toml, capsys, dry):
    assert prepare.main([tiny_toml, *overrides("significance.min_patients=100"), *dry]) == 0
    printed = "".join(capsys.readouterr())
    assert "warning: no tumor has significance.min_patients = 100 patients (at most 1" in printed
    assert prepare.main([tiny_toml, *overrides("significance.min_patients=5"), *dry]) == 0
    assert "warning" not in "".join(capsys.readouterr())


def test_a_sound_run_has_no_warning(tiny_run):
    check_settings(tiny_run)
    assert check_later_stages(tiny_run, read_cohort(tiny_run.folder / "cohort.h5", tiny_run)) == []


def test_settings_are_checked_before_any_file_is_read(tiny_config, tmp_path, capsys):
    report = dataclasses.replace(tiny_config.report, method="smooth_grad")
    absent = dataclasses.replace(tiny_config.input, expression="nowhere.tsv")
    config = dataclasses.replace(tiny_config, report=report, input=absent)
    assert prepare.main([write_toml(config, tmp_path / "wrong.toml"), "--dry-run"]) == 1
    assert "smooth_grad/contrast was not computed" in capsys.readouterr().err


def test_prepare_imports_no_tensorflow(tiny_toml):
    program = (
        "import sys; from jobs import prepare; code = prepare.main(sys.argv[1:]); "
        "sys.exit(code or 'tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", program, tiny_toml, "--dry-run"]
    assert subprocess.run(command, capture_output=True, timeout=120).returncode == 0
