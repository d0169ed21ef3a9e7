import json
import os
import socket
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.cluster import launcher
from tumorcam.cluster.launcher import Share
from tumorcam.errors import ClusterError


def array(task, first=0, last=3, count=4):
    numbers = {"ID": task, "MIN": first, "MAX": last, "COUNT": count}
    return {f"SLURM_ARRAY_TASK_{name}": str(number) for name, number in numbers.items()}


STEP = {
    "SLURM_JOB_ID": "1234",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_STEP_NODELIST": "node[7-8]",
    "SLURM_STEP_TASKS_PER_NODE": "2,1",
    "SLURM_PROCID": "1",
}


@pytest.mark.parametrize(
    ("environ", "size"),
    [
        ({}, None),
        ({"OMPI_COMM_WORLD_SIZE": "4"}, 4),
        ({"PMI_SIZE": "2"}, 2),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8"}, None),  # sbatch alone starts one process
        ({"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "8"}, 8),
        ({"SLURM_STEP_ID": "0", "SLURM_NTASKS": "8"}, 8),
        # mpiexec inside a one-task step
        ({"PMI_SIZE": "4", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "1"}, 4),
    ],
)
def test_the_launcher_says_how_many_processes_it_started(environ, size):
    assert launcher.launcher_size(environ) == size


def test_an_array_task_is_a_share():
    assert launcher.array_share({}) == Share(0, 1)
    assert [launcher.array_share(array(i)) for i in range(4)] == [Share(i, 4) for i in range(4)]
    assert launcher.array_task(array(2)) == 2 and launcher.array_task({}) is None
    assert launcher.array_task(array(2) | {"TUMORCAM_ARRAY_FIRST": "1000"}) == 1002


@pytest.mark.parametrize("part", [array(1, first=1, last=3, count=3), array(3, last=3, count=2)])
def test_an_array_that_leaves_shares_out_is_refused(part):
    with pytest.raises(ClusterError, match="--array=0-3"):
        launcher.array_share(part)


@pytest.mark.parametrize("text", ["0/1", "2/3", "63/64"])
def test_a_share_is_read(text):
    index, count = map(int, text.split("/"))
    assert launcher.parse_share(text) == Share(index, count)


@pytest.mark.parametrize("text", ["", "1", "3/3", "-1/3", "a/3", "1/", "1/0", "1/2/3", "1.0/2"])
def test_a_wrong_share_is_refused(text):
    with pytest.raises(ClusterError, match="wanted I/N"):
        launcher.parse_share(text)


def test_process_tags_differ_between_ranks_and_jobs():
    tags = {
        launcher.process_tag(environ)
        for environ in [
            {},
            {"PMI_RANK": "1"},
            {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0"},
            {"SLURM_JOB_ID": "7", "SLURM_PROCID": "1"},
        ]
    }
    assert len(tags) == 4
    assert all(str(os.getpid()) in tag and "/" not in tag for tag in tags)


def test_children_get_the_threads():
    made = launcher.thread_environment(3, {"PATH": "/bin", "OMP_NUM_THREADS": "64"})
    assert made == {"PATH": "/bin"} | dict.fromkeys(launcher.THREAD_VARIABLES, "3")
    assert launcher.n_cpus() >= 1


@pytest.fixture
def scontrol(tmp_path, monkeypatch):
    """A scontrol that knows two nodes."""
    program = tmp_path / "scontrol"
    program.write_text('#!/bin/sh\ntest "$3" = "node[7-8]" && printf "node7\\nnode8\\n"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.usefixtures("scontrol")
def test_tf_config_of_three_workers_on_two_nodes():
    made = json.loads(launcher.tf_config(STEP))
    ports = {worker.split(":")[1] for worker in made["cluster"]["worker"]}
    assert [worker.split(":")[0] for worker in made["cluster"]["worker"]] == [
        "node7",
        "node7",
        "node8",
    ]
    assert len(ports) == 3 and all(20_000 <= int(port) < 65_536 for port in ports)
    assert made["task"] == {"type": "worker", "index": 1}
    other_job = json.loads(launcher.tf_config(STEP | {"SLURM_JOB_ID": "1235"}))
    assert other_job["cluster"] != made["cluster"], "jobs on one node take other ports"


def test_a_single_worker_needs_no_tf_config():
    assert launcher.tf_config({}) is None
    assert launcher.tf_config(STEP | {"SLURM_STEP_NUM_TASKS": "1"}) is None
    assert launcher.tf_config(STEP | {"TF_CONFIG": "{}"}) == "{}", "the user's own is kept"


@pytest.mark.usefixtures("scontrol")
def test_a_failing_scontrol_is_one_message():
    with pytest.raises(ClusterError, match=r"scontrol show hostnames other.*set TF_CONFIG"):
        launcher.tf_config(STEP | {"SLURM_STEP_NODELIST": "other"})


def test_a_missing_scontrol_is_one_message(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match="No such file"):
        launcher.tf_config(STEP)


@pytest.mark.usefixtures("scontrol")
def test_tf_config_is_exported_for_tensorflow(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{}")
    assert launcher.export_tf_config() == "{}" == os.environ["TF_CONFIG"]


@pytest.mark.parametrize(
    ("text", "counts"),
    [("1", [1]), ("2(x3)", [2, 2, 2]), ("2(x3),1", [2, 2, 2, 1]), ("4,3", [4, 3])],
)
def test_tasks_per_node_as_slurm_writes_them(text, counts):
    assert launcher._tasks_per_node(text) == counts


@pytest.mark.parametrize(
    ("tasks", "text"),
    [([], ""), ([7], "7"), ([0, 1], "0-1"), ([0, 1, 2, 3, 7], "0-3,7"), ([1, 3, 5], "1,3,5")],
)
def test_array_text_by_hand(tasks, text):
    assert slurm.array_text(tasks) == text


@given(st.sets(st.integers(0, 60)))
def test_array_text_says_exactly_the_tasks(tasks):
    text = slurm.array_text(sorted(tasks))
    said = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        said |= set(range(int(first), int(last or first) + 1))
    assert said == tasks


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
    assert launcher.queue() == [
        launcher.Job("1_8", "PENDING", Path("/my p"), "/my p/slurm/train.sh a|b.toml"),
        launcher.Job("--noheader --me --array --format=%i", "%T", Path("%Z"), "%o"),
    ]


def test_without_slurm_nothing_is_said(program):
    assert launcher.queue() == [] and launcher.max_array_size() is None
    program("squeue", "echo '1|RUNNING|/|a.sh'; exit 1")
    assert launcher.queue() == []


@pytest.mark.parametrize(("said", "size"), [("1001", 1001), ("0", None), ("(null)", None)])
def test_the_largest_array_is_read(program, said, size):
    program("scontrol", f"printf 'MaxArrayTasks = 7\\nMaxArraySize            = {said}\\n'")
    assert launcher.max_array_size() == size


def test_a_sites_options_are_general_then_the_stages():
    environ = {
        "TUMORCAM_NOTICE": "USR1@90",
        "TUMORCAM_SBATCH": "--comment='two words'",
        "TUMORCAM_TRAIN_SBATCH": "--gpus=1 --time=1:00",
    }
    general = ["--signal=B:USR1@90", "--comment=two words"]
    assert launcher.site_options("train", environ) == [*general, "--gpus=1", "--time=1:00"]
    assert launcher.site_options("report", environ) == general
    assert launcher.site_options("report", {}) == []
    with pytest.raises(ClusterError, match=r"TUMORCAM_SBATCH=.*cannot be split"):
        launcher.site_options("report", {"TUMORCAM_SBATCH": "--comment='two"})


def test_the_throttle_is_a_number():
    assert launcher.array_throttle({}) == "" and launcher.array_throttle({"TUMORCAM_THROTTLE": "5"})
    for wrong in ("0", "-1", "many"):
        with pytest.raises(ClusterError, match="no number above 0"):
            launcher.array_throttle({"TUMORCAM_THROTTLE": wrong})


def test_a_process_says_who_it_is():
    end = f"host {socket.gethostname()}, process {os.getpid()}"
    assert launcher.process_text({}) == end
    element = array(3) | {"SLURM_JOB_ID": "15", "SLURM_ARRAY_JOB_ID": "12"}
    assert launcher.process_text(element) == f"job 12_3, {end}"
    again = {"SLURM_JOB_ID": "15", "SLURM_RESTART_COUNT": "10"}
    assert launcher.process_text(again) == f"job 15, restart 10, {end}"
