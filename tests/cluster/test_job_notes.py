"""What a process notes of itself reads back, and says nothing that it does not know."""

import os
import platform
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tumorcam
from tumorcam.cluster import job_notes, logs
from tumorcam.cluster.job_notes import NO_CHECKOUT, UNKNOWN_COMMIT, JobNotes
from tumorcam.cluster.launcher import Launch
from tumorcam.cluster.logs import DONE

WORDS = st.text(max_size=9)


@given(
    st.builds(
        JobNotes, *[WORDS] * 2, st.dictionaries(WORDS, WORDS), WORDS, st.integers(0),
        st.dictionaries(WORDS, WORDS), *[st.floats(0, 1e9)] * 2,
    )
)  # fmt: skip
def test_notes_are_one_line_that_reads_back(notes):
    line = notes.to_line()
    assert "\n" not in line and JobNotes.from_line(line) == notes


@pytest.mark.parametrize("line", ["", "{}", '{"state": "done"}', '{"notes": {"cpu"', "12:00 word"])
def test_any_other_line_has_no_notes(line):
    assert JobNotes.from_line(line) is None


def test_later_notes_add_to_earlier_ones():
    start = JobNotes("tumorcam train a.toml", "", {"numpy": "2"}, "a CPU", 4)
    end = JobNotes(versions={"TensorFlow": "2.20"}, gpus={"0": "a GPU"}, seconds=5.0)
    assert start.with_more(end) == JobNotes(
        "tumorcam train a.toml", "", {"numpy": "2", "TensorFlow": "2.20"}, "a CPU", 4,
        {"0": "a GPU"}, 5.0,
    )  # fmt: skip


def git(folder, *words):
    names = ("-c", "user.name=a", "-c", "user.email=a@b")
    command = ["git", *names, *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def test_the_commit_is_that_of_the_checkout_and_says_where_files_have_changed(tmp_path):
    assert job_notes.source_commit(tmp_path) == NO_CHECKOUT
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("1")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "-qm", "one")
    git(tmp_path, "tag", "v1")
    head = git(tmp_path, "rev-parse", "HEAD").strip()
    assert job_notes.source_commit(tmp_path) == head
    (tmp_path / "a.py").write_text("2")
    assert job_notes.source_commit(tmp_path) == f"{head}-dirty"


def test_without_git_the_commit_is_unknown(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    assert job_notes.source_commit(tmp_path) == UNKNOWN_COMMIT
    monkeypatch.setenv("PATH", str(tmp_path))
    assert job_notes.source_commit(tmp_path) == UNKNOWN_COMMIT


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("processor\t: 0\nmodel name\t: Xeon(R)  Gold\nflags : a b\n", "Xeon(R) Gold"),
        ("processor : 0\ncpu : POWER9, altivec supported\n", "POWER9, altivec supported"),
        ("processor : 0\nCPU implementer : 0x41\n", platform.machine()),
    ],
)  # fmt: skip
def test_the_model_of_the_cpu(tmp_path, text, model):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text(text)
    assert job_notes.cpu_model(tmp_path) == model
    assert job_notes.cpu_model(tmp_path / "nowhere") == platform.machine()


def test_a_log_notes_the_command_the_versions_and_the_time(tmp_path):
    launch = Launch({}, ("train", "my run.toml", "--model", "r00-f00"))
    path = logs.start_logging(tmp_path, "train-r00-f00", launch)
    sum(range(10**6))
    logs.end_logging(DONE)
    lines = path.read_text(encoding="utf-8").splitlines()
    notes = [part for part in map(JobNotes.from_line, lines) if part]
    whole = notes[0].with_more(notes[1])
    assert whole.command == "tumorcam train 'my run.toml' --model r00-f00"
    assert whole.versions["tumorcam"] == tumorcam.__version__ and "numpy" in whole.versions
    assert whole.cores == len(os.sched_getaffinity(0))
    assert whole.cpu_seconds > 0 and whole.seconds >= 0.0


def test_of_many_ranks_the_first_alone_asks_for_the_commit(tmp_path):
    paths = []
    for rank in (0, 1):
        paths.append(logs.start_logging(tmp_path, "explain-0", Launch({}), rank=rank))
        logs.end_logging(DONE)
    commits = ['"commit"' in path.read_text(encoding="utf-8") for path in paths]
    assert commits == [True, False]
