"""What a cluster does to jobs: notices, preemption, dead nodes, ranks and workers."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import train_here
from slurm_jobs import (
    CONFIG,
    NEEDS_SLURM,
    TESTBED,
    process_of,
    sbatch,
    submit,
    wait_for,
    wait_until_done,
)

from jobs import pipeline
from tumorcam.cluster.watchdog import PEERS_TIMEOUT, STEP_TIMEOUT
from tumorcam.settings.config import load_config
from tumorcam.storage.plan import read_plan

TOML = "my configs/tiny.toml"
LONG = ["--set", "training.epochs=500", "--set", "training.patience=500"]
MODELS = Path("runs/tiny/models")
SHORT_JOB = ["--cpus-per-task=1", "--time=00:10:00"]

pytestmark = NEEDS_SLURM


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with the prepared tiny run, to be copied."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "tiny.toml").write_text(CONFIG, encoding="utf-8")
    words = [str(folder / "tiny.toml"), "--set", f"run.folder={folder / 'run'}"]
    assert pipeline.main([*words, "--until", "prepare"]) == 0
    return folder / "run"


@pytest.fixture
def run(project, prepared):
    """The project with the prepared run."""
    shutil.copytree(prepared, project / "runs" / "tiny")
    return project


def output(job):
    path = Path(f"out/{job}.out")
    return path.read_text(encoding="utf-8") if path.exists() else ""


def log(name):
    path = Path("runs/tiny/logs") / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


def state(slurm, job):
    """In Slurm's words; empty while its controller does not answer."""
    try:
        (line,) = submit(slurm, "scontrol", "--oneliner", "show", "job", job).splitlines()
    except subprocess.CalledProcessError:
        return ""
    return dict(word.partition("=")[::2] for word in line.split())["JobState"]


def start_again(slurm, job):
    """Slurm lets a requeued job wait for two minutes; not here."""
    wait_for(lambda: state(slurm, job) == "PENDING")
    while state(slurm, job) not in ("RUNNING", "COMPLETED"):
        time.sleep(1)
        submit(slurm, str(TESTBED), "kick")


def wait_for_training(since):
    """Until an epoch has ended after that time."""
    history = MODELS / "r00-f00" / "history.csv"
    wait_for(lambda: history.exists() and history.stat().st_mtime > since)


def weights(folder, name="r00-f00"):
    with h5py.File(folder / "models" / name / "model.h5") as file:
        return np.concatenate([file["weights"][key][...].ravel() for key in file["weights"]])


def test_a_job_that_is_noticed_three_times_finishes(slurm, run):
    job = sbatch(slurm, *SHORT_JOB, "slurm/train.sh", TOML, *LONG, "--model", "r00-f00")
    for time_ in range(1, 4):
        wait_for_training(time.time())
        submit(slurm, "scancel", "--batch", "--signal=USR1", job)
        wait_for(lambda n=time_: f"back to the queue, time {n} of 10" in output(job))
        start_again(slurm, job)
    wait_until_done(slurm, job)
    said = log("train-r00-f00-0.log")
    assert said.count("stopped by SIGUSR1: r00-f00 after step") == 3, said
    assert said.count("r00-f00 goes on from step") == 3, said
    assert state(slurm, job) == "COMPLETED", output(job)
    assert (MODELS / "r00-f00" / "model.h5").exists()


def test_slurms_own_preemption_leaves_a_checkpoint(slurm, run):
    """SIGTERM, then three seconds of grace."""
    job = sbatch(slurm, *SHORT_JOB, "slurm/train.sh", TOML, *LONG, "--model", "r00-f00")
    wait_for_training(time.time())
    urgent = sbatch(slurm, "--partition=urgent", "--nodes=2", "--exclusive", "--wrap", "sleep 1")
    wait_for(lambda: "stopped by SIGTERM: r00-f00 after step" in log("train-r00-f00-0.log"))
    wait_until_done(slurm, urgent)
    start_again(slurm, job)
    wait_until_done(slurm, job)
    assert state(slurm, job) == "COMPLETED", output(job)
    assert "r00-f00 goes on from step" in log("train-r00-f00-0.log")


def test_a_cancelled_job_stays_cancelled(slurm, run):
    job = sbatch(slurm, *SHORT_JOB, "slurm/train.sh", TOML, *LONG, "--model", "r00-f00")
    wait_for_training(time.time())
    submit(slurm, "scancel", job)
    wait_until_done(slurm, job)
    assert state(slurm, job) == "CANCELLED" and "back to the queue" not in output(job)


def test_two_nodes_train_what_one_trains(slurm, run):
    """Twenty steps at least, as elements of arrays."""
    shutil.copytree("runs/tiny", "runs/one")
    words = ["slurm/train.sh", TOML, "--set", "training.epochs=24", "--set", "training.patience=24"]
    two = sbatch(slurm, *SHORT_JOB, "--array=0", "--nodes=2", *words)
    one = sbatch(slurm, *SHORT_JOB, "--array=0", *words, "--set", "run.folder=runs/one")
    wait_until_done(slurm, two, one)
    assert all("devices: 2" in log(f"train-r00-f00-{rank}.log") for rank in range(2)), output(two)
    of_two, of_one = (weights(Path("runs") / name) for name in ("tiny", "one"))
    np.testing.assert_allclose(of_two, of_one, rtol=0, atol=1e-6)


def test_a_job_goes_on_after_its_node_died(slurm, run):
    job = sbatch(slurm, *SHORT_JOB, "slurm/train.sh", TOML, *LONG, "--model", "r00-f00")
    wait_for_training(time.time())
    (node,) = submit(slurm, "squeue", "--noheader", f"--jobs={job}", "--format=%B").split()
    subprocess.run([TESTBED, "kill-node", node], env=slurm, check=True)
    wait_for(lambda: state(slurm, job) == "PENDING")
    subprocess.run([TESTBED, "start-node", node], env=slurm, check=True)
    start_again(slurm, job)
    wait_until_done(slurm, job)
    said = log("train-r00-f00-0.log")
    assert state(slurm, job) == "COMPLETED" and said.count('"state": "started"') == 2, said


@pytest.fixture
def lazy_python(run, slurm):
    """Slurm's environment with a Python whose second rank sleeps instead."""
    path = run / "lazy python"
    path.write_text(
        '#!/bin/sh\n[ "$SLURM_PROCID" = 1 ] && exec sleep 1000\n'
        f'exec {slurm["TUMORCAM_PYTHON"]} "$@"\n',
        encoding="utf-8",
    )
    path.chmod(0o755)
    return slurm | {"TUMORCAM_PYTHON": str(path)}


def test_a_worker_that_dies_stops_or_never_starts_ends_the_job(slurm, run, lazy_python):
    """At most 60, 60 and 120 seconds later where the machine is free, with a message."""
    assert STEP_TIMEOUT < 60 and PEERS_TIMEOUT < 120
    shape = [*SHORT_JOB, "--nodes=2", "slurm/train.sh", TOML, *LONG, "--model"]
    never = sbatch(lazy_python, *shape, "r00-f01")
    wait_for(lambda: "waiting for the other workers" in output(never))
    ended = []
    for number in (signal.SIGKILL, signal.SIGSTOP):
        shutil.rmtree(MODELS / "r00-f00", ignore_errors=True)
        job = sbatch(slurm, *shape, "r00-f00")
        wait_for_training(time.time())
        os.kill(process_of(job, "train", rank=1), number)
        wait_for(lambda job=job: state(slurm, job) != "RUNNING")
        ended.append(job)
    wait_until_done(slurm)
    assert "a worker is stopped, gone or never started; run the same command" in output(never)
    words = ("another worker is gone", "took over 45 s")  # by whoever finds it out first
    assert all(any(word in output(job) for word in words) for job in ended)
    assert {state(slurm, job) for job in [never, *ended]} == {"FAILED"}


def test_a_killed_rank_costs_its_own_shards_only(slurm, run):
    """An array of two tasks of two ranks; then one job of three."""
    words = ["--set", "explain.block=3"]
    config = [TOML, *words]
    assert pipeline.main([*config, "--until", "prepare"]) == 0
    train_here(TOML, load_config(Path(TOML)))
    plan = read_plan(Path("runs/tiny/plan.json"))
    shape = ["--cpus-per-task=1", "slurm/explain.sh", *config]
    job = sbatch(slurm, "--array=0-1", "--ntasks=2", *shape)
    task = wait_for(
        lambda: submit(slurm, "squeue", "--noheader", f"--jobs={job}_1", "--format=%A %T")
        .strip().removesuffix(" RUNNING").isdigit()
        and submit(slurm, "squeue", "--noheader", f"--jobs={job}_1", "--format=%A").strip()
    )  # fmt: skip
    os.kill(wait_for(lambda: process_of(task, "explain", rank=1)), signal.SIGKILL)
    wait_until_done(slurm, job)
    mine = {one.name for one in plan.explain_tasks[3::4]}  # task 1, rank 1 of 2 x 2
    there = {path.stem: path.stat().st_mtime_ns for path in Path("runs/tiny/shards").glob("*.h5")}
    assert len(mine) == 4 and {one.name for one in plan.explain_tasks} - set(there) == mine
    again = sbatch(slurm, "--ntasks=3", *shape)
    wait_until_done(slurm, again)
    now = {path.stem: path.stat().st_mtime_ns for path in Path("runs/tiny/shards").glob("*.h5")}
    assert set(now) == set(there) | mine
    assert {name: now[name] for name in there} == there, "finished shards are left alone"


def test_ranks_that_mpi_does_not_see_are_refused(slurm, run):
    job = sbatch(slurm | {"SLURM_MPI_TYPE": "none"}, "slurm/reduce.sh", TOML)
    wait_until_done(slurm, job)
    assert "the launcher started 2 ranks but MPI sees 1" in output(job)
    assert "srun --mpi=pmi2" in output(job) and state(slurm, job) == "FAILED"
