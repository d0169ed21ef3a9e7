import json
import os
import socket
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam import cluster
from tumorcam.cluster import Share
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
    assert cluster.launcher_size(environ) == size


def test_an_array_task_is_a_share():
    assert cluster.array_share({}) == Share(0, 1)
    assert [cluster.array_share(array(i)) for i in range(4)] == [Share(i, 4) for i in range(4)]
    assert cluster.array_task(array(2)) == 2 and cluster.array_task({}) is None
    assert cluster.array_task(array(2) | {"TUMORCAM_ARRAY_FIRST": "1000"}) == 1002


@pytest.mark.parametrize("part", [array(1, first=1, last=3, count=3), array(3, last=3, count=2)])
def test_an_array_that_leaves_shares_out_is_refused(part):
    with pytest.raises(ClusterError, match="--array=0-3"):
        cluster.array_share(part)


@pytest.mark.parametrize("text", ["0/1", "2/3", "63/64"])
def test_a_share_is_read(text):
    index, count = map(int, text.split("/"))
    assert cluster.parse_share(text) == Share(index, count)


@pytest.mark.parametrize("text", ["", "1", "3/3", "-1/3", "a/3", "1/", "1/0", "1/2/3", "1.0/2"])
def test_a_wrong_share_is_refused(text):
    with pytest.raises(ClusterError, match="wanted I/N"):
        cluster.parse_share(text)


def test_process_tags_differ_between_ranks_and_jobs():
    tags = {
        cluster.process_tag(environ)
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
    made = cluster.thread_environment(3, {"PATH": "/bin", "OMP_NUM_THREADS": "64"})
    assert made == {"PATH": "/bin"} | dict.fromkeys(cluster.THREAD_VARIABLES, "3")
    assert cluster.n_cpus() >= 1


@pytest.fixture
def scontrol(tmp_path, monkeypatch):
    """A scontrol that knows two nodes."""
    program = tmp_path / "scontrol"
    program.write_text('#!/bin/sh\ntest "$3" = "node[7-8]" && printf "node7\\nnode8\\n"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.usefixtures("scontrol")
def test_tf_config_of_three_workers_on_two_nodes():
    made = json.loads(cluster.tf_config(STEP))
    ports = {worker.split(":")[1] for worker in made["cluster"]["worker"]}
    assert [worker.split(":")[0] for worker in made["cluster"]["worker"]] == [
        "node7",
        "node7",
        "node8",
    ]
    assert len(ports) == 3 and all(20_000 <= int(port) < 65_536 for port in ports)
    assert made["task"] == {"type": "worker", "index": 1}
    other_job = json.loads(cluster.tf_config(STEP | {"SLURM_JOB_ID": "1235"}))
    assert other_job["cluster"] != made["cluster"], "jobs on one node take other ports"


def test_a_single_worker_needs_no_tf_config():
    assert cluster.tf_config({}) is None
    assert cluster.tf_config(STEP | {"SLURM_STEP_NUM_TASKS": "1"}) is None
    assert cluster.tf_config(STEP | {"TF_CONFIG": "{}"}) == "{}", "the user's own is kept"


@pytest.mark.usefixtures("scontrol")
def test_a_failing_scontrol_is_one_message():
    with pytest.raises(ClusterError, match=r"scontrol show hostnames other.*set TF_CONFIG"):
        cluster.tf_config(STEP | {"SLURM_STEP_NODELIST": "other"})


def test_a_missing_scontrol_is_one_message(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match="No such file"):
        cluster.tf_config(STEP)


@pytest.mark.usefixtures("scontrol")
def test_tf_config_is_exported_for_tensorflow(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{}")
    assert cluster.export_tf_config() == "{}" == os.environ["TF_CONFIG"]


@pytest.mark.parametrize(
    ("text", "counts"),
    [("1", [1]), ("2(x3)", [2, 2, 2]), ("2(x3),1", [2, 2, 2, 1]), ("4,3", [4, 3])],
)
def test_tasks_per_node_as_slurm_writes_them(text, counts):
    assert cluster._tasks_per_node(text) == counts


@pytest.mark.parametrize(
    ("tasks", "text"),
    [([], ""), ([7], "7"), ([0, 1], "0-1"), ([0, 1, 2, 3, 7], "0-3,7"), ([1, 3, 5], "1,3,5")],
)
def test_array_text_by_hand(tasks, text):
    assert cluster.array_text(tasks) == text


@given(st.sets(st.integers(0, 60)))
def test_array_text_says_exactly_the_tasks(tasks):
    text = cluster.array_text(sorted(tasks))
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
    assert cluster.queue() == [
        cluster.Job("1_8", "PENDING", Path("/my p"), "/my p/slurm/train.sh a|b.toml"),
        cluster.Job("--noheader --me --array --format=%i", "%T", Path("%Z"), "%o"),
    ]


def test_without_slurm_nothing_is_said(program):
    assert cluster.queue() == [] and cluster.max_array_size() is None
    program("squeue", "echo '1|RUNNING|/|a.sh'; exit 1")
    assert cluster.queue() == []


@pytest.mark.parametrize(("said", "size"), [("1001", 1001), ("0", None), ("(null)", None)])
def test_the_largest_array_is_read(program, said, size):
    program("scontrol", f"printf 'MaxArrayTasks = 7\\nMaxArraySize            = {said}\\n'")
    assert cluster.max_array_size() == size


def test_a_sites_options_are_general_then_the_stages():
    environ = {
        "TUMORCAM_NOTICE": "USR1@90",
        "TUMORCAM_SBATCH": "--comment='two words'",
        "TUMORCAM_TRAIN_SBATCH": "--gpus=1 --time=1:00",
    }
    general = ["--signal=B:USR1@90", "--comment=two words"]
    assert cluster.site_options("train", environ) == [*general, "--gpus=1", "--time=1:00"]
    assert cluster.site_options("report", environ) == general
    assert cluster.site_options("report", {}) == []
    with pytest.raises(ClusterError, match=r"TUMORCAM_SBATCH=.*cannot be split"):
        cluster.site_options("report", {"TUMORCAM_SBATCH": "--comment='two"})


def test_the_throttle_is_a_number():
    assert cluster.array_throttle({}) == "" and cluster.array_throttle({"TUMORCAM_THROTTLE": "5"})
    for wrong in ("0", "-1", "many"):
        with pytest.raises(ClusterError, match="no number above 0"):
            cluster.array_throttle({"TUMORCAM_THROTTLE": wrong})


def test_a_process_says_who_it_is():
    end = f"host {socket.gethostname()}, process {os.getpid()}"
    assert cluster.process_text({}) == end
    element = array(3) | {"SLURM_JOB_ID": "15", "SLURM_ARRAY_JOB_ID": "12"}
    assert cluster.process_text(element) == f"job 12_3, {end}"
    again = {"SLURM_JOB_ID": "15", "SLURM_RESTART_COUNT": "10"}
    assert cluster.process_text(again) == f"job 15, restart 10, {end}"
