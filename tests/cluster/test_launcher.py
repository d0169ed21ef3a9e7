import json
import os
import socket
import stat

import pytest

from tumorcam.cluster import launcher
from tumorcam.cluster.launcher import Launch, Share
from tumorcam.errors import ClusterError


def launch(**variables):
    return Launch.from_environ(variables)


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
    assert launch(**environ).world_size == size


def test_an_array_task_is_a_share():
    assert launch().array_share == Share(0, 1)
    assert [launch(**array(i)).array_share for i in range(4)] == [Share(i, 4) for i in range(4)]
    assert launch(**array(2)).array_task == 2 and launch().array_task is None
    assert launch(**array(2), TUMORCAM_ARRAY_FIRST="1000").array_task == 1002


@pytest.mark.parametrize("part", [array(1, first=1, last=3, count=3), array(3, last=3, count=2)])
def test_an_array_that_leaves_shares_out_is_refused(part):
    with pytest.raises(ClusterError, match="--array=0-3"):
        launch(**part).array_share  # noqa: B018


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
        launch(**environ).tag
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
    environment = launch(PATH="/bin", OMP_NUM_THREADS="64").child_environment(3)
    assert environment == {"PATH": "/bin"} | dict.fromkeys(launcher.THREAD_VARIABLES, "3")
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
    tf_config = json.loads(launch(**STEP).tf_config)
    ports = {worker.split(":")[1] for worker in tf_config["cluster"]["worker"]}
    assert [worker.split(":")[0] for worker in tf_config["cluster"]["worker"]] == [
        "node7",
        "node7",
        "node8",
    ]
    assert len(ports) == 3 and all(20_000 <= int(port) < 65_536 for port in ports)
    assert tf_config["task"] == {"type": "worker", "index": 1}
    other_job = json.loads(launch(**STEP | {"SLURM_JOB_ID": "1235"}).tf_config)
    assert other_job["cluster"] != tf_config["cluster"], "jobs on one node take other ports"
    next_model = json.loads(launch(**STEP, TUMORCAM_TASK="1").tf_config)
    others = {worker.split(":")[1] for worker in next_model["cluster"]["worker"]}
    assert not others & ports, "models one after the other take other ports"


def test_a_single_worker_needs_no_tf_config():
    assert launch().tf_config is None
    assert launch(**STEP | {"SLURM_STEP_NUM_TASKS": "1"}).tf_config is None
    assert launch(**STEP | {"TF_CONFIG": "{}"}).tf_config == "{}", "the user's own is kept"


@pytest.mark.usefixtures("scontrol")
def test_a_failing_scontrol_is_one_message():
    with pytest.raises(ClusterError, match=r"scontrol show hostnames other.*set TF_CONFIG"):
        launch(**STEP | {"SLURM_STEP_NODELIST": "other"}).tf_config  # noqa: B018


def test_a_missing_scontrol_is_one_message(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match="No such file"):
        launch(**STEP).tf_config  # noqa: B018


def test_a_worker_has_a_number():
    task = {"task": {"type": "worker", "index": 2}}
    assert launch(TF_CONFIG=json.dumps(task)).worker == 2 and launch().worker == 0


def test_tensorflow_gets_what_the_user_did_not_set(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    launcher.prepare_tensorflow()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
    assert os.environ.pop("TF_ENABLE_ONEDNN_OPTS") == "1"


@pytest.mark.parametrize(("level", "is_verbose"), [("0", True), ("1", False), ("3", False)])
def test_the_user_can_ask_for_all_messages(level, is_verbose):
    assert launch(TF_CPP_MIN_LOG_LEVEL=level).is_verbose == is_verbose and not launch().is_verbose


def test_a_sites_options_are_general_then_the_stages():
    environ = {
        "TUMORCAM_NOTICE": "USR1@90",
        "TUMORCAM_SBATCH": "--comment='two words'",
        "TUMORCAM_TRAIN_SBATCH": "--gpus=1 --time=1:00",
    }
    general = ["--signal=B:USR1@90", "--comment=two words"]
    assert launch(**environ).site_options("train") == [*general, "--gpus=1", "--time=1:00"]
    assert launch(**environ).site_options("report") == general
    assert launch().site_options("report") == []
    with pytest.raises(ClusterError, match=r"TUMORCAM_SBATCH=.*cannot be split"):
        launch(TUMORCAM_SBATCH="--comment='two").site_options("report")


def test_the_throttle_is_a_number():
    assert launch().array_throttle == "" and launch(TUMORCAM_THROTTLE="5").array_throttle == "5"
    for wrong in ("0", "-1", "many"):
        with pytest.raises(ClusterError, match="no number above 0"):
            launch(TUMORCAM_THROTTLE=wrong).array_throttle  # noqa: B018


def test_a_process_says_who_it_is():
    end = f"host {socket.gethostname()}, process {os.getpid()}"
    assert launch().description == end
    element = array(3) | {"SLURM_JOB_ID": "15", "SLURM_ARRAY_JOB_ID": "12"}
    assert launch(**element).description == f"job 12_3, {end}"
    again = {"SLURM_JOB_ID": "15", "SLURM_RESTART_COUNT": "10"}
    assert launch(**again).description == f"job 15, restart 10, {end}"


def test_the_site_chooses_the_signal():
    assert launch().preemption_signals == ("SIGUSR1", "SIGTERM")
    assert launch(TUMORCAM_NOTICE="USR2@300").preemption_signals == ("SIGUSR2", "SIGTERM")
    assert launch().preemption_seconds == 120
    assert launch(TUMORCAM_NOTICE="USR2@300").preemption_seconds == 300
    with pytest.raises(ClusterError, match="wanted SIGNAL@SECONDS"):
        launch(TUMORCAM_NOTICE="USR2").preemption_seconds  # noqa: B018


def test_slurm_says_what_a_rank_gets(monkeypatch):
    step = {"SLURM_STEP_TASKS_PER_NODE": "2(x3),1", "SLURM_NODEID": "3"}
    assert launch(**step).local_size == 1
    assert launch(**step | {"SLURM_NODEID": "1"}).local_size == 2
    assert launch(MPI_LOCALNRANKS="5").local_size == 5 and launch().local_size == 1
    assert launch().slurm_memory is None
    assert launch(SLURM_MEM_PER_NODE="3000").slurm_memory == 3000 * 2**20
    by_cpu = {"SLURM_MEM_PER_NODE": "0", "SLURM_MEM_PER_CPU": "500", "SLURM_CPUS_ON_NODE": "4"}
    assert launch(**by_cpu).slurm_memory == 2000 * 2**20
    assert launch(CUDA_VISIBLE_DEVICES="NoDevFiles").gpus == []
    assert launch(CUDA_VISIBLE_DEVICES="", SLURM_JOB_GPUS="0,1").gpus == []
    assert launch(SLURM_STEP_GPUS="2", SLURM_JOB_GPUS="2,3").gpus == ["2"]
    monkeypatch.setattr(launcher, "n_cpus", lambda: 8)
    assert launch(SLURM_CPUS_PER_TASK="2").cpus_per_rank == 2 and launch().cpus_per_rank == 8
    assert launch(PMI_FD="7", HOME="").pmi_variables == ["PMI_FD"]


@pytest.mark.parametrize(
    ("variables", "rank"),
    [
        ({}, 0),
        ({"SLURM_LOCALID": "3"}, 3),
        ({"OMPI_COMM_WORLD_LOCAL_RANK": "1"}, 1),
        ({"MPI_LOCALRANKID": "2"}, 2),
    ],
)
def test_the_local_rank_is_the_launchers(variables, rank):
    assert launch(**variables).local_rank == rank


def test_gpus_are_named_as_the_scheduler_names_them():
    assert launch().gpu_names(2) == ["0", "1"]
    assert launch(CUDA_VISIBLE_DEVICES="2,GPU-77").gpu_names(2) == ["2", "GPU-77"]
    assert launch(CUDA_VISIBLE_DEVICES="2,5").gpu_names(1) == ["0"], "TensorFlow sees others"


@pytest.mark.parametrize("text", ["10@120", "", "USR9"])
def test_a_warning_by_no_signal_is_refused(text):
    with pytest.raises(ClusterError, match=f"TUMORCAM_NOTICE={text} names no signal"):
        _ = launch(TUMORCAM_NOTICE=text).preemption_signals
