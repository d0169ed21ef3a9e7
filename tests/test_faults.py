"""Three hundred tries of the fault test, which can be run longer by hand, and its judge itself."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import fault_kinds
import h5py
import numpy as np
import pytest
from fault_jobs import Ending, Limits, run_child
from fault_judge import (
    DELETE,
    HANG,
    LOST,
    TRACEBACK,
    UNNOTICED,
    VERIFY,
    WRONG,
    Try,
    differing,
    equal_hdf5,
    judge,
    snapshot,
)
from fault_kinds import FAULTS, FILE_KINDS, Target
from fault_runs import VICTIM, Runs
from stub_run import Numbers

from tumorcam.storage import hdf5, manifest, records

SCRIPT = Path(__file__).with_name("faults.py")
KINDS = {kind.name: kind for kind in FILE_KINDS}
TABLE, SHARD, BAND = "significance.h5", "shards/r00-f00-b0000.h5", "bands/b0000.h5"
FAILED = Ending(1, "error: significance.h5 is damaged")


@pytest.mark.slow
def test_three_hundred_tries_break_no_rule(tmp_path):
    words = [sys.executable, str(SCRIPT), str(tmp_path), "--tries", "300"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "seed 1: 300 tries" in ended.stdout


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """A run of a few small files, its copy, and a file outside the run."""
    runs = Runs(tmp_path)
    runs.outside.mkdir(parents=True)
    (runs.outside / VICTIM).write_text("a file of the user\n", encoding="utf-8")
    for i, name in enumerate((TABLE, SHARD, SHARD.replace("f00", "f01"), BAND, "cohort.h5")):
        with hdf5.create_file(runs.run / name, "tumorcam-stub", {}) as file:
            records.write_record(file, Numbers(np.arange(2000) + i))
    hdf5.write_text(runs.run / "report" / "genes.csv", "gene,score\nTP53,1\n")
    hdf5.write_text(runs.run / "logs" / "reduce-0.log", "reduce: done\n")
    manifest.write_manifest(runs.run / "report" / "files.json", ["genes.csv"], {})
    shutil.copytree(runs.area, runs.sound)
    shutil.copytree(runs.run, runs.other_run)
    shutil.copytree(runs.run, runs.other_settings)
    for run in (runs.other_run, runs.other_settings):
        for path in run.rglob("*.*"):
            path.write_bytes(path.read_bytes() + run.name.encode())
    return runs


def target_of(runs: Runs, kind: str, name: str) -> Target:
    return Target(runs, KINDS[kind], name, np.random.default_rng(0))


def verdicts(
    runs: Runs,
    job: str,
    *,
    fault: str = "flipped bit",
    kind: str = "significance",
    name: str = TABLE,
    does: Callable[[], object] = lambda: None,
    ending: Ending = FAILED,
) -> list[str]:
    """What the judge says of a job that `does` something to the files after a fault."""
    target = target_of(runs, kind, name)
    fault_kinds.apply(fault, target)
    damaged = target.path.read_bytes() if target.path.is_file() else None
    before = snapshot(runs.root)
    does()
    attempt = Try(
        runs=runs,
        job=job,
        fault=fault,
        kind=target.kind,
        name=name,
        damaged=damaged,
        ending=ending,
        before=before,
        after=snapshot(runs.root),
    )
    return [breach.verdict for breach in judge(attempt)]


def test_a_job_that_refuses_a_damaged_file_and_touches_nothing_is_right(runs):
    assert verdicts(runs, "reduce") == []


@pytest.mark.parametrize("name", ["run/cohort.h5", f"run/{SHARD}", f"outside/{VICTIM}"])
def test_a_lost_file_is_recognised(runs, name):
    assert verdicts(runs, DELETE, does=(runs.area / name).unlink) == [LOST]


@pytest.mark.parametrize("name", ["run/cohort.h5", f"outside/{VICTIM}"])
def test_a_changed_file_is_recognised(runs, name):
    assert verdicts(runs, "reduce", does=lambda: (runs.area / name).write_text("?")) == [LOST]


def test_a_new_file_outside_the_run_is_recognised(runs):
    assert verdicts(runs, "reduce", does=lambda: (runs.outside / "new").touch()) == [LOST]


def test_a_sound_output_may_be_written_again_but_not_with_another_content(runs):
    output = runs.run / TABLE

    def write(content: bytes, code: int) -> list[str]:
        words = {"kind": "band", "name": BAND, "ending": Ending(code, "")}
        return verdicts(runs, "reduce", does=lambda: output.write_bytes(content), **words)

    sound = output.read_bytes()
    assert write(sound, 0) == []
    assert write(sound[:-1], 0) == [WRONG]
    assert write(sound[:-2], 1) == [LOST]


def test_a_log_may_grow_but_not_go(runs):
    log = runs.run / "logs" / "reduce-0.log"
    assert verdicts(runs, "reduce", does=lambda: log.write_text("reduce: failed\n")) == []
    assert verdicts(runs, "reduce", does=log.unlink) == [LOST]


def test_finished_parts_may_go_only_when_the_job_ended_well(runs):
    bands = runs.run / "bands"
    assert verdicts(runs, "reduce", does=lambda: shutil.rmtree(bands)) == [LOST, LOST]
    shutil.copytree(runs.sound / "run" / "bands", bands)
    fault_kinds.mend(runs, f"run/{TABLE}")
    words = {"fault": "flipped bit", "kind": "band", "name": BAND, "ending": Ending(0, "")}
    assert verdicts(runs, "reduce", does=lambda: shutil.rmtree(bands), **words) == []


def move_aside(runs: Runs, name: str) -> Callable[[], object]:
    def move() -> None:
        aside = runs.run / "damaged" / "2026-01-02" / name
        aside.parent.mkdir(parents=True)
        (runs.run / name).rename(aside)

    return move


def test_a_damaged_file_may_be_moved_aside_but_not_deleted(runs):
    assert verdicts(runs, DELETE, does=move_aside(runs, TABLE)) == []
    fault_kinds.mend(runs, f"run/{TABLE}")
    assert verdicts(runs, DELETE, does=(runs.run / TABLE).unlink) == [LOST]


@pytest.mark.parametrize("name", ["cohort.h5", SHARD])
def test_a_sound_file_must_not_be_moved_aside(runs, name):
    assert verdicts(runs, DELETE, does=move_aside(runs, name)) == [LOST]


@pytest.mark.parametrize(
    "fault", ["another run's file", "link to a damaged copy", "dangling link", "pipe"]
)
def test_a_stale_file_and_what_is_no_file_must_stay(runs, fault):
    assert verdicts(runs, DELETE, fault=fault, does=(runs.run / TABLE).unlink) == [LOST]


def test_what_lies_in_a_folder_in_place_of_a_file_must_stay(runs):
    lost = verdicts(
        runs,
        DELETE,
        fault="folder in its place",
        does=lambda: shutil.rmtree(runs.run / TABLE),
    )
    assert lost == [LOST, LOST]


def test_a_traceback_and_a_hang_are_recognised(runs):
    text = "Traceback (most recent call last):\n  ...\nKeyError: 'digest'\n"
    assert verdicts(runs, VERIFY, ending=Ending(1, text)) == [TRACEBACK]
    fault_kinds.mend(runs, f"run/{TABLE}")
    assert verdicts(runs, VERIFY, ending=Ending(-signal.SIGSEGV, "")) == [TRACEBACK]
    fault_kinds.mend(runs, f"run/{TABLE}")
    assert verdicts(runs, VERIFY, ending=Ending(-9, "", is_hang=True)) == [HANG]


def test_a_wrong_result_is_recognised_whether_written_or_taken_for_done(runs):
    good = Ending(0, "")
    assert verdicts(runs, "reduce", ending=good) == [WRONG]
    fault_kinds.mend(runs, f"run/{TABLE}")
    words = {"kind": "shard", "name": SHARD, "ending": good}
    write = (runs.run / TABLE).write_bytes
    assert WRONG in verdicts(runs, "reduce", does=lambda: write(b"wrong"), **words)


def test_a_job_that_mends_its_output_is_right(runs):
    sound = (runs.sound / "run" / TABLE).read_bytes()
    mend = (runs.run / TABLE).write_bytes
    assert verdicts(runs, "reduce", does=lambda: mend(sound), ending=Ending(0, "")) == []


def test_a_report_without_checks_has_another_list_but_the_same_tables(runs):
    def verdicts_after(name: str) -> list[str]:
        return verdicts(
            runs,
            "report",
            fault="missing",
            kind="faithfulness",
            does=lambda: (runs.run / "report" / name).write_text("another text"),
            ending=Ending(0, ""),
        )

    assert verdicts_after("files.json") == []
    fault_kinds.mend(runs, f"run/{TABLE}")
    assert verdicts_after("genes.csv") == [WRONG]


def test_a_job_must_end_well_without_a_fault(runs):
    assert verdicts(runs, "reduce", fault="none") == [WRONG]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("flipped bit", []),
        ("link to a sound copy", []),
        ("cut", [WRONG]),
        ("empty", [WRONG]),
        ("missing", [WRONG]),
        ("pipe", [WRONG]),
        ("dangling link", [WRONG]),
        ("another run's file", [WRONG]),
    ],
)
def test_status_may_miss_only_what_a_look_cannot_see(runs, fault, expected):
    assert verdicts(runs, "status", fault=fault, ending=Ending(0, "")) == expected


@pytest.mark.parametrize(
    ("fault", "kind", "name", "expected"),
    [
        ("flipped bit", "significance", TABLE, [UNNOTICED]),
        ("another run's file", "significance", TABLE, [UNNOTICED]),
        ("flipped bit", "band", BAND, [UNNOTICED]),
        ("another run's file", "band", BAND, []),
        ("link to a sound copy", "shard", SHARD, []),
        ("flipped bit", "log", "logs/reduce-0.log", []),
    ],
)
def test_verify_must_notice_damage_of_results(runs, fault, kind, name, expected):
    words = {"fault": fault, "kind": kind, "name": name}
    assert verdicts(runs, VERIFY, ending=Ending(0, ""), **words) == expected


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_every_fault_changes_the_run_and_is_mended(runs, fault):
    is_list = fault.startswith("list")
    kind, name = ("list of the report", "report/files.json") if is_list else ("shard", SHARD)
    before, sound = snapshot(runs.root), snapshot(runs.sound)
    fault_kinds.apply(fault, target_of(runs, kind, name))
    changed = differing(before, snapshot(runs.root))
    assert bool(changed) == (fault not in ("none", fault_kinds.FEW_OPEN_FILES))
    for path in changed:
        fault_kinds.mend(runs, path.removeprefix("area/"))
    assert snapshot(runs.sound) == sound
    for path, stamp in snapshot(runs.area).items():
        assert stamp[:3] == sound[path][:3]  # mode, size and time
    assert (runs.run / name).read_bytes() == (runs.sound / "run" / name).read_bytes()


def test_only_digests_and_times_may_differ_between_equal_files(tmp_path):
    def write(path: Path, names: list[str], digest: str, seconds: float) -> Path:
        with h5py.File(path, "w") as file:
            file["obs/_index"] = np.array(names, object)
            file["raw"] = h5py.Empty("f4")
            file["uns/significance_digest"] = digest
            file["seconds"] = seconds
        return path

    sound = write(tmp_path / "sound.h5ad", ["BRCA", "COAD"], "a" * 64, 1.0)
    equal = write(tmp_path / "equal.h5ad", ["BRCA", "COAD"], "b" * 64, 2.0)
    other = write(tmp_path / "other.h5ad", ["BRCA", "READ"], "a" * 64, 1.0)
    assert equal_hdf5(equal, sound)
    assert not equal_hdf5(other, sound)


def _raise() -> int:
    raise KeyError("digest")


def _spin() -> int:
    while True:
        pass


def test_a_child_tells_how_it_ended(tmp_path):
    limits = Limits(tmp_path, patience=30, idle=1)
    assert run_child(lambda: 3, limits).code == 3
    crash = run_child(_raise, limits)
    assert (crash.code, crash.is_crash, crash.is_hang) == (1, True, False)
    assert "KeyError" in crash.output
    died = run_child(lambda: os.kill(os.getpid(), signal.SIGTERM) or 0, limits)
    assert (died.code, died.is_crash) == (-signal.SIGTERM, True)


def test_a_child_that_sleeps_or_works_for_ever_is_killed(tmp_path):
    started = time.monotonic()
    for function in (lambda: time.sleep(100) or 0, _spin):
        ending = run_child(function, Limits(tmp_path, patience=3, idle=1))
        assert ending.is_hang and not ending.is_crash
    assert time.monotonic() - started < 60


def test_a_child_may_open_as_many_files_as_it_is_given(tmp_path):
    def open_many() -> int:
        streams = [(tmp_path / str(i)).open("w") for i in range(100)]
        return len(streams)

    ending = run_child(open_many, Limits(tmp_path, open_files=50))
    assert "Too many open files" in ending.output
