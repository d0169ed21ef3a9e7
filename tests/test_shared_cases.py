"""The inputs that users were seen to have: each is read right, or refused with a good message.

The right outcomes stand in `shared_cases.tsv`, one line a case. They come from the files of the
case and from what users need, not from what the readers do.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from case_truths import TRUTHS
from judged_runs import (
    Expected,
    Outcome,
    cohort_of,
    faults_of_reading,
    faults_of_refusal,
    patient_of_barcode,
    run_prepare,
)

ROOT = Path(__file__).parents[1]
CASES = ROOT.parent / "shared" / "cases"
TABLE = Path(__file__).with_name("shared_cases.tsv")
SECONDS = 60  # a reader that hangs is killed


def read_table() -> pd.DataFrame:
    """The right outcomes: one line a case."""
    table = pd.read_csv(TABLE, sep="\t", dtype=str, keep_default_na=False, quoting=3)
    return table.set_index("case")


def folder_of(case: str) -> Path:
    """The folder of a case."""
    return next(f for f in (CASES / "input" / case, CASES / "h5ad" / case) if f.is_dir())


def labels_of(text: str) -> list[str]:
    """`2x BRCA*3;- + COAD` is three BRCA and a dropped sample, twice, and one COAD."""
    labels = []
    for part in text.split(" + "):
        times, runs = re.fullmatch(r"(?:(\d+)x )?(.*)", part).groups()
        for _ in range(int(times or 1)):
            for run in runs.split(";"):
                label, _, number = run.partition("*")
                labels += [label] * int(number or 1)
    return labels


def split(cell: str, mark: str = " & ") -> list[str]:
    """The patterns of a cell."""
    return cell.split(mark) if cell else []


def expectations(case: str, row: pd.Series) -> list[Expected]:
    """Every cohort that would be right."""
    options = []
    for samples in split(row["samples"], "|") or [""]:
        samples, _, needed = samples.partition("?")
        labels = labels_of(samples) if samples else []
        drops = tuple(split(row["drops"]) + split(needed))
        for name in split(row["values"], "|") or [""]:
            if not name:
                options.append(Expected(None, labels, drops))
                continue
            truth = TRUTHS[name](folder_of(case))
            options.append(Expected(truth.log2, labels, drops + truth.lost, patient_of_barcode))
    return options


def judge(case: str, row: pd.Series, outcome: Outcome) -> list[str]:
    """What is wrong with the outcome of a case; nothing if it is right."""
    if row["outcome"] == "refused" or (row["outcome"] == "either" and outcome.code != 0):
        return faults_of_refusal(outcome, split(row["must"]), split(row["must_not"]))
    return judge_reading(case, row, outcome)


def judge_reading(case: str, row: pd.Series, outcome: Outcome) -> list[str]:
    """What is wrong with a cohort; nothing if it is one of those that would be right."""
    faults = [faults_of_reading(outcome, expected) for expected in expectations(case, row)]
    return min(faults, key=len)


def start_prepare(case: str, folder: Path) -> Outcome:
    """Run the job in a process of its own, which a damaged file may end."""
    command = [sys.executable, "-m", "jobs.prepare", "config.toml", "--set", f"run.folder={folder}"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    where = folder_of(case)
    try:
        done = subprocess.run(
            command, cwd=where, env=environ, capture_output=True, text=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return Outcome(-9, f"no end after {SECONDS} s", None)
    said = done.stdout + done.stderr
    return Outcome(done.returncode, said, cohort_of(folder) if done.returncode == 0 else None)


def test_the_table_has_a_line_a_case():
    table = read_table()
    assert table.index.is_unique
    assert set(table["outcome"]) == {"read", "refused", "either"}
    names = {name for cell in table["values"] for name in split(cell, "|")}
    assert names <= set(TRUTHS)
    if CASES.is_dir():
        folders = [*(CASES / "input").iterdir(), *(CASES / "h5ad").iterdir()]
        assert sorted(table.index) == sorted(folder.name for folder in folders)


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not beside the project")
@pytest.mark.parametrize("case", read_table().index)
def test_a_case_has_its_right_outcome(case, tmp_path, monkeypatch, capsys):
    row = read_table().loc[case]
    monkeypatch.chdir(folder_of(case))
    if folder_of(case).parent.name == "h5ad":
        outcome = start_prepare(case, tmp_path / "run")
    else:
        outcome = run_prepare("config.toml", tmp_path / "run", (), capsys)
    faults = judge(case, row, outcome)
    assert not faults, "\n".join([f"{case}: {row['why'] or row['outcome']}", *faults])
