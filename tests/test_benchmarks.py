"""The suite of benchmarks at its smallest, and the page of what it has measured."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import with_others
from benchmarks.measurement import BOUND, OURS, PEER, Rate, measure
from benchmarks.results_page import page_of

ROOT = Path(__file__).parents[1]


def test_every_benchmark_can_be_imported():
    """Benchmarks follow the code that they measure; nothing else would see a name that is gone."""
    code = (
        "import importlib, pkgutil, benchmarks\n"
        "for module in pkgutil.walk_packages(benchmarks.__path__, 'benchmarks.'):\n"
        "    if module.name != 'benchmarks.__main__':\n"
        "        print(importlib.import_module(module.name).__name__)\n"
    )
    words = [sys.executable, "-c", code]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "benchmarks.training_step" in ended.stdout


def test_the_page_is_what_the_results_give():
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert page == page_of(results), "python -m benchmarks --only --page docs/benchmarks.md"


def test_teams_take_turns_and_ratios_are_of_the_same_round():
    turns = []

    def team(kind, rates):
        def play():
            turns.append(kind)
            return [Rate("work", kind, kind, "MB/s", next(rates))]

        return play

    teams = [team(OURS, iter([4.0, 9.0, 8.0])), team(PEER, iter([1.0, 3.0, 8.0]))]
    ours, peer = measure("stage", teams, 3)
    assert turns == [OURS, PEER] * 3
    assert (ours.rates, ours.median, ours.low, ours.high) == ([4.0, 9.0, 8.0], 8.0, 4.0, 9.0)
    assert (ours.ratio, peer.ratio) == (1.0, 3.0)


def test_other_stages_of_the_same_day_and_machine_stay(tmp_path):
    path, today = tmp_path / "results.json", {"date": "2026-01-02", "rounds": 3}
    explain, reduce, report = ({"stage": name} for name in ("explain", "reduce", "report"))
    path.write_text(json.dumps(today | {"measurements": [explain, report]}), encoding="utf-8")
    new = today | {"measurements": [reduce, report | {"median": 1}]}
    assert with_others(new, path)["measurements"] == [explain, reduce, report | {"median": 1}]
    assert with_others(new | {"date": "2026-01-03"}, path) == new | {"date": "2026-01-03"}
    assert with_others(new, tmp_path / "none") == new


@pytest.mark.slow
def test_the_smallest_suite_measures_a_stage_beside_bound_and_peers(tmp_path):
    """One stage; all of them take some minutes."""
    table, page = tmp_path / "results.json", tmp_path / "page.md"
    words = [sys.executable, "-m", "benchmarks", "--quick", "--only", "prepare"]
    words += ["--json", str(table), "--page", str(page)]
    subprocess.run(words, cwd=ROOT, check=True, timeout=600)
    results = json.loads(table.read_text(encoding="utf-8"))
    rows = results["measurements"]
    assert {row["stage"] for row in rows} == {"prepare"}
    assert {row["kind"] for row in rows} == {OURS, BOUND, PEER}
    for row in rows:
        figures = [*row["rates"], row["median"], row["low"], row["high"], row["ratio"]]
        assert all(math.isfinite(figure) and figure > 0 for figure in figures), row
    assert page.read_text(encoding="utf-8") == page_of(results)
