"""Every kind of input is read right, or refused with a message that says what to do."""

import input_kinds_files
import input_kinds_formats
import input_kinds_geometry
import input_kinds_samples
import input_kinds_values
import pytest
from input_kinds import DEFAULTS, Kind
from judged_runs import Outcome, faults_of_reading, faults_of_refusal, run_prepare

MODULES = (
    input_kinds_geometry,
    input_kinds_samples,
    input_kinds_values,
    input_kinds_files,
    input_kinds_formats,
)
KINDS = [kind for module in MODULES for kind in module.kinds()]


def prepare(kind: Kind, folder, capsys, *further: str) -> Outcome:
    """Write the files of a kind and prepare a run of them."""
    (folder / "config.toml").write_text("")
    settings = [f"{key}={value}" for key, value in DEFAULTS.items()]
    settings += kind.write(folder)
    return run_prepare("config.toml", folder / "run", [*settings, *kind.settings, *further], capsys)


def judge(kind: Kind, outcome: Outcome) -> list[str]:
    """What is wrong with the outcome; nothing if it is right."""
    if kind.must:
        return faults_of_refusal(outcome, kind.must, kind.must_not)
    faults = [faults_of_reading(outcome, expected) for expected in kind.expectations()]
    return min(faults, key=len)


def test_names_are_unique_and_kinds_many():
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names) > 300


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_a_kind_has_its_right_outcome(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    faults = judge(kind, prepare(kind, tmp_path, capsys))
    assert not faults, "\n".join([kind.name, *kind.settings, *faults])
