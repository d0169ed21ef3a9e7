from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.cluster import slurm


@pytest.mark.parametrize(
    ("text", "counts"),
    [("1", [1]), ("2(x3)", [2, 2, 2]), ("2(x3),1", [2, 2, 2, 1]), ("4,3", [4, 3])],
)
def test_tasks_per_node_as_slurm_writes_them(text, counts):
    assert slurm.tasks_per_node(text) == counts


@pytest.mark.parametrize(
    ("tasks", "text"),
    [([], ""), ([7], "7"), ([0, 1], "0-1"), ([0, 1, 2, 3, 7], "0-3,7"), ([1, 3, 5], "1,3,5")],
)
def test_array_text_by_hand(tasks, text):
    assert slurm.array_text(tasks) == text


@given(st.sets(st.integers(0, 60)))
def test_array_text_says_exactly_the_tasks(tasks):
    text = slurm.array_text(sorted(tasks))
    tasks_of_text = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        tasks_of_text |= set(range(int(first), int(last or first) + 1))
    assert tasks_of_text == tasks


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Makes the only programs of this name and text that are found."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def program(name, text):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)

    return program


def test_the_queue_as_squeue_prints_it(program):
    program("squeue", "printf '%s\\n' '1_8|PENDING|/my p|/my p/slurm/train.sh a|b.toml' '' \"$*\"")
    assert slurm.queue() == [
        slurm.QueueEntry("1_8", "PENDING", Path("/my p"), "/my p/slurm/train.sh a|b.toml"),
        slurm.QueueEntry("--noheader --me --array --format=%i", "%T", Path("%Z"), "%o"),
    ]


def test_without_slurm_nothing_is_said(program):
    assert slurm.queue() == [] and slurm.max_array_size() is None
    program("squeue", "echo '1|RUNNING|/|a.sh'; exit 1")
    assert slurm.queue() == []


@pytest.mark.parametrize(("answer", "size"), [("1001", 1001), ("0", None), ("(null)", None)])
def test_the_largest_array_is_read(program, answer, size):
    program("scontrol", f"printf 'MaxArrayTasks = 7\\nMaxArraySize            = {answer}\\n'")
    assert slurm.max_array_size() == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("59", 59), ("1:59", 119), ("2:00:01", 7201), ("1-00:00:02", 86402), ("INVALID", None),
     ("", None), ("-5:00", None), ("UNLIMITED", float("inf"))],
)  # fmt: skip
def test_slurms_times_are_seconds(text, seconds):
    assert slurm.seconds_of(text) == seconds
