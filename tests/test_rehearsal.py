"""What the rehearsal of a large run makes of its measurements."""

import dataclasses
import sys

import pytest

from benchmarks import rehearsal
from benchmarks.rehearsal import JOBS, Measured, Sizes, all_sizes, groups, growth

BASE = Sizes(samples=1_000, genes=64, tumors=3, replicates=1, ranks=1)


def measured(job="prepare", seconds=1.0, **sizes):
    of = dataclasses.replace(BASE, **sizes)
    return Measured(job, seconds, seconds, 1, 0, 0, 0, 0, resumed=False, sizes=of)


@pytest.mark.parametrize("exponent", [0.5, 1, 1.3, 2])
@pytest.mark.parametrize("start", [0, 3, 20])
def test_the_exponent_leaves_the_start_out(exponent, start):
    sizes = [1_000, 10_000, 100_000]
    seconds = [start + 5 * (size / 10_000) ** exponent for size in sizes]
    assert growth(sizes, seconds) == pytest.approx(exponent, abs=0.01)


def test_the_exponent_of_two_sizes_is_their_slope():
    assert growth([10, 1_000], [1, 10]) == pytest.approx(0.5)


def test_each_size_is_changed_alone():
    values = {"samples": [1, 2], "genes": [4, 5, 6], "tumors": [3], "replicates": [1], "ranks": [1]}
    sizes = [(of.samples, of.genes) for of in all_sizes(values)]
    assert sizes == [(1, 4), (2, 4), (1, 5), (1, 6)]


def test_runs_are_grouped_that_differ_in_one_size():
    lines = [measured(samples=n) for n in (100, 10)] + [measured(genes=5), measured("train")]
    lines += [measured(samples=10, seconds=7.0)]
    [group] = groups(lines, "samples", "prepare")
    assert [(line.sizes.samples, line.seconds) for line in group] == [(10, 7.0), (100, 1.0)]
    assert not list(groups(lines, "tumors", "prepare"))


def test_what_was_measured_is_not_measured_again(tmp_path, monkeypatch, capsys):
    started = []

    def commands(job, folder, sizes, overrides):
        started.append(job)
        if job == "explain" and started.count(job) == 1:
            return [[sys.executable, "-c", "raise SystemExit(3)"]]
        (folder / job).mkdir(exist_ok=True)
        return [[sys.executable, "-c", "open('/dev/null')"]]

    monkeypatch.setattr(rehearsal, "commands", commands)
    results = tmp_path / "results.jsonl"
    words = ["rehearsal", "--folder", str(tmp_path / "runs"), "--results", str(results)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit, match="explain of 1000s-11449g-33t-1r-1r failed"):
        rehearsal.main()
    rehearsal.main()
    assert started == [*JOBS[: JOBS.index("explain") + 1], *JOBS[JOBS.index("explain") :]]
    lines = rehearsal.read_results(results)
    assert [line.job for line in lines if line.seconds] == list(JOBS)
    assert [line.job for line in lines if line.resumed and line.seconds] == ["explain"]
    rehearsal.main()
    assert len(started) == len(JOBS) + 1
