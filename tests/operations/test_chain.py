"""Each setting of the table, changed after a run has finished, against each later stage."""

import contextlib
import dataclasses
import io

import pytest
from conftest import make_tiny_cohort, make_tiny_config, write_tiny_files, write_toml
from stub_run import write_stubs

from jobs import clean, explain, faithfulness, prepare, reduce, report, status, train
from tumorcam.operations import audit
from tumorcam.operations.audit import MISSING, WHOLE
from tumorcam.operations.expected_files import JOB_OF_STAGE
from tumorcam.settings.config import config_sections, config_tables
from tumorcam.settings.schema import section_settings
from tumorcam.settings.stages import STAGES, first_stage

JOBS = {
    "train": train,
    "explain": explain,
    "reduce": reduce,
    "faithfulness": faithfulness,
    "report": report,
}
SETTINGS = [
    (section, setting)
    for section, kind in config_sections().items()
    for setting in section_settings(kind).values()
]
OF_OTHERS = ("synthesize", "apply")  # sections that do not matter to a run of a user's own files
DEPENDENT = [(s, x) for s, x in SETTINGS if first_stage(s, x.name) and s not in OF_OTHERS]
INDEPENDENT = [
    (s, x)
    for s, x in SETTINGS
    if (not first_stage(s, x.name) or s in OF_OTHERS) and (s, x.name) != ("apply", "run")
]
VALUES = {  # where the rule below gives what other settings forbid
    "explain.methods": '["guided_grad_cam", "gradient"]',
    "explain.cubes": "[]",
    "explain.cam_layer": "conv1",
    "layout.decoys": "none",
    "report.method": "guided_backprop",
    "model.filters": "[8, 8]",
    "model.dense": "[4]",
    "model.kernel": "[5]",
    "model.stride": "[2]",
    "model.pool": "[1]",
}


def names(settings):
    return [f"{section}.{setting.name}" for section, setting in settings]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of stand-ins; nothing here writes to it."""
    folder = tmp_path_factory.mktemp("chain")
    config = make_tiny_config(write_tiny_files(make_tiny_cohort(), folder), folder / "run")
    toml = write_toml(config, folder / "tiny.toml")
    assert prepare.main([toml]) == 0
    write_stubs(config)
    return config, toml


def other_value(config, section, setting):
    """Another value than the present one, which is allowed, as an override."""
    name = f"{section}.{setting.name}"
    now = config_tables(config)[section][setting.name]
    if name in VALUES:
        return VALUES[name]
    if setting.is_list:
        return '["other"]'
    if setting.choices:
        return next(choice for choice in setting.choices if choice != now)
    if setting.kind is bool:
        return str(not now).lower()
    if setting.kind is str:
        return "other"
    if setting.kind is int:
        return str(now + 1)
    return str(0.5 * now + 0.06)


@pytest.mark.parametrize(("section", "setting"), DEPENDENT, ids=names(DEPENDENT))
def test_no_later_stage_goes_on_after_a_change(finished, capsys, section, setting):
    config, toml = finished
    name, first = f"{section}.{setting.name}", first_stage(section, setting.name)
    change = f"{name}={other_value(config, section, setting)}"
    refusing = STAGES[STAGES.index(first) + (first not in ("train", "explain")) :]
    for stage in refusing:
        if stage == "prepare":
            continue
        assert JOBS[stage].main([toml, "--set", change]) == 1, stage
        said = capsys.readouterr().err
        assert f"{name}: " in said and "Traceback" not in said, (stage, said)
        assert f"tumorcam clean CONFIG --from {first}" in said or name == "explain.block"
    assert status.main([toml, "--set", change]) == 3
    assert f"{name}: " in capsys.readouterr().out or name == "explain.block"


@pytest.mark.parametrize(("section", "setting"), INDEPENDENT, ids=names(INDEPENDENT))
def test_a_setting_without_results_changes_no_state(finished, section, setting):
    config, _ = finished
    if setting.name == "folder":
        pytest.skip("another folder is another run")
    value = {"tumors": ("ACC",), "nulls": 1, "compression": "gzip"}.get(setting.name)
    now = getattr(getattr(config, section), setting.name)
    value = now + type(now)(1) if value is None and type(now) in (int, float) else value
    value = not now if type(now) is bool else value or "other"
    new = dataclasses.replace(getattr(config, section), **{setting.name: value})
    folder = dataclasses.replace(config.run, folder=str(config.folder))
    changed = dataclasses.replace(config, **({"run": folder} | {section: new}))
    if setting.name == "name":
        changed = dataclasses.replace(changed, run=dataclasses.replace(folder, name="other"))
    states = audit.audit_run(changed)
    audit.require_current(changed, list(JOB_OF_STAGE))
    allowed = {WHOLE, MISSING} if setting.name == "nulls" else {WHOLE}
    assert {state.state for state in states} == allowed


def test_clean_moves_the_stale_files_alone_and_the_stage_can_begin(finished, capsys, tmp_path):
    config, toml = finished
    words = [toml, "--set", "training.epochs=9", "--from", "train"]
    before = {path for path in config.folder.rglob("*") if path.is_file()}
    assert clean.main([*words, "--dry-run"]) == 0
    assert {path for path in config.folder.rglob("*") if path.is_file()} == before
    assert clean.main(words) == 0
    said = capsys.readouterr().out
    moved = sorted(path.relative_to(config.folder) for path in config.folder.glob("stale/*/**/*"))
    assert "models/r00-f00/model.h5" in said and "stale files moved" in said
    kept = {path for path in before if path.exists()}
    assert {path.name for path in before - kept if path.suffix == ".h5"} >= {
        "model.h5",
        "significance.h5",
        "faithfulness.h5",
        "r00-f00-b0000.h5",
    }
    assert config.folder / "cohort.h5" in kept and config.folder / "models/baselines.h5" in kept
    assert not (config.folder / "report" / "index.html").exists(), "nor does the old page stay"
    assert moved and capsys.readouterr().err == ""
    with contextlib.redirect_stdout(io.StringIO()) as told:
        assert status.main([toml, "--set", "training.epochs=9"]) == 3
    assert "broken:" not in told.getvalue(), "all that is left to do is missing"
    for path in sorted(config.folder.glob("stale/*/**/*")):
        if path.is_file():
            path.rename(config.folder / path.relative_to(next(config.folder.glob("stale/*"))))
    assert clean.main([toml]) == 0
    assert "0 stale files moved" in capsys.readouterr().out
    assert clean.main([toml, "--purge"]) == 0
    assert not (config.folder / "stale").exists()
