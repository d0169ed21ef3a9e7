"""Who follows the advice of a message comes further: it is read right, or says something else."""

import re
import shutil

import pytest
from judged_runs import Outcome, faults_of_reading, run_prepare
from test_input_kinds import KINDS
from test_input_kinds import prepare as prepare_kind
from test_shared_cases import CASES, expectations, folder_of, read_table

NAMES = r"((?:input|cohort|splits|layout)\.\w+)"
VALUES = r"(\"[^\"]*\"|\[[^\]]*\]|\d+)"
SETTING = re.compile(
    rf"(?:\bset|\bor|\band|(?<!error):) {NAMES} = {VALUES}"
)  # not what is set already
STEPS = 4  # pieces of advice that are followed one after the other
REFUSED = [c for c, row in read_table().iterrows() if row["outcome"] != "read" and c[0] in "bh"]
HOSTILE = [c for c in REFUSED if c.startswith("h5-")]
POOR = [kind for kind in KINDS if kind.must]


def advice_of(outcome: Outcome) -> list[str]:
    """Settings that a message names with their values, as --set takes them."""
    if outcome.code == 0:
        return []
    return list(dict.fromkeys(f"{key}={value}" for key, value in SETTING.findall(outcome.message)))


def worse(before: Outcome, after: Outcome) -> list[str]:
    """Why a state is no better than the one before."""
    if re.search(r"Traceback|Error:|Error\(|\bshould not happen\b", after.said):
        return [f"an error that nobody foresaw: {after.message[:300]}"]
    if after.code not in (0, 1):
        return [f"exit code {after.code}"]
    if after.code == 1 and after.message == before.message:
        return [f"the same message again: {after.message[:300]}"]
    return []


def follow(run, judge_reading) -> list[str]:
    """Follow every piece of advice once, then the first ones in a row; what went wrong."""
    start = run(())
    faults = []
    for setting in advice_of(start):
        settings, before = [setting], start
        for _ in range(STEPS):
            after = run(tuple(settings))
            wrong = worse(before, after) or (judge_reading(after) if after.code == 0 else [])
            if wrong:
                faults += [f"after {settings}: {fault}" for fault in wrong]
                break
            further = [s for s in advice_of(after) if s not in settings] if after.code else []
            if not further:
                break
            settings, before = [*settings, further[0]], after
    return faults


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not beside the project")
@pytest.mark.parametrize("case", [c for c in REFUSED if c not in HOSTILE])
def test_advice_helps_with_a_shared_case(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(folder_of(case))
    row = read_table().loc[case]
    number = iter(range(1000))

    def run(settings):
        folder = tmp_path / f"run{next(number)}"
        return run_prepare("config.toml", folder, settings, capsys)

    def judge_reading(outcome):
        if not row["samples"]:
            return []
        right = [expected._replace(may_drop=True) for expected in expectations(case, row)]
        return min((faults_of_reading(outcome, expected) for expected in right), key=len)

    faults = follow(run, judge_reading)
    assert not faults, "\n".join([case, *faults])


@pytest.mark.parametrize("kind", POOR, ids=[kind.name for kind in POOR])
def test_advice_helps_with_a_kind(kind, tmp_path, monkeypatch, capsys):
    """Nothing is said of the cohort here: only that the advice leads on."""
    monkeypatch.chdir(tmp_path)
    faults = follow(lambda more: _run_kind(kind, tmp_path, capsys, more), lambda outcome: [])
    assert not faults, "\n".join([kind.name, *faults])


def _run_kind(kind, folder, capsys, settings) -> Outcome:
    outcome = prepare_kind(kind, folder, capsys, *settings)
    shutil.rmtree(folder / "run", ignore_errors=True)
    return outcome
