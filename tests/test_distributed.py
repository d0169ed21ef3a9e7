"""The training loop over several devices and several worker processes equals one device."""

import json
import os
import socket
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from jobs import train
from tumorcam import shards
from tumorcam.config import config_toml
from tumorcam.shards import Model

MODEL = Model(0, 0)
MIRRORED = """
import sys
from pathlib import Path
import tensorflow as tf
from tumorcam import model, training
from tumorcam.cohort import read_cohort
from tumorcam.config import load_config
from tumorcam.shards import Model

model.use_threads(1)
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
config = load_config(Path(sys.argv[1]))
cohort = read_cohort(config.folder / "cohort.h5", config)
training.train_model(Path(sys.argv[2]), cohort, Model(0, 0), config, strategy)
"""
LONELY = """
import os
from tumorcam import training

training.PEERS_TIMEOUT = 3
training.make_strategy(os.environ["TF_CONFIG"])
"""


def run_python(*words, **environment):
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def free_ports(n):
    with_ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [one.getsockname()[1] for one in with_ports]
    for one in with_ports:
        one.close()
    return ports


def tf_configs(n_workers):
    """TF_CONFIG of each worker, by hand."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(n_workers)]}
    tasks = [{"type": "worker", "index": i} for i in range(n_workers)]
    return [json.dumps({"cluster": cluster, "task": task}) for task in tasks]


def start_workers(config_file, *words):
    return [
        run_python("-m", "jobs.train", config_file, "--model", MODEL.name, *words, TF_CONFIG=text)
        for text in tf_configs(2)
    ]


def wait_for(path, seconds=120.0):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.05)


def learned(folder):
    """Weights, held-out probabilities and the learning curve but for the seconds."""
    with h5py.File(shards.model_file(folder, MODEL)) as file:
        found = {f"weights/{name}": file["weights"][name][...] for name in file["weights"]}
        found["probability"] = file["held_out/probability"][...]
        for name in ("training_loss", "validation_loss", "validation_accuracy", "learning_rate"):
            found[name] = file["history"][name][...]
    return found


def assert_learned_the_same(folder, other):
    first, second = learned(folder), learned(other)
    assert len(first["training_loss"]) == 2  # epochs, of three steps each
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_allclose(values, second[name], rtol=0, atol=1e-6, err_msg=name)


@pytest.fixture
def one_device(tiny_run, tmp_path):
    """Folder of a run whose model was trained on one device."""
    config_file = tmp_path / "one.toml"
    config_file.write_text(config_toml(tiny_run), encoding="utf-8")
    assert train.main([str(config_file), "--model", MODEL.name]) == 0
    model = shards.model_file(tiny_run.folder, MODEL)
    kept = shards.model_file(tmp_path / "one", MODEL)
    kept.parent.mkdir(parents=True)
    model.replace(kept)
    return tmp_path / "one"


def test_two_mirrored_devices_equal_one(one_device, tiny_toml, tmp_path):
    mirrored = run_python("-c", MIRRORED, tiny_toml, tmp_path / "two")
    output, _ = mirrored.communicate(timeout=120)
    assert mirrored.returncode == 0, output
    assert_learned_the_same(one_device, tmp_path / "two")


@pytest.mark.slow
def test_two_workers_equal_one_device(one_device, tiny_run, tiny_toml):
    workers = start_workers(tiny_toml)
    outputs = [worker.communicate(timeout=120)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], "\n".join(outputs)
    assert_learned_the_same(one_device, tiny_run.folder)
    logs = [tiny_run.folder / "logs" / f"train-r00-f00-{worker}.log" for worker in range(2)]
    wrote = ["held-out accuracy" in log.read_text(encoding="utf-8") for log in logs]
    assert wrote == [True, False]  # the chief alone writes the artifact


@pytest.mark.slow
def test_a_killed_worker_ends_the_other_and_one_alone_goes_on(tiny_run, tiny_toml):
    longer = ["--set", "training.epochs=60", "--set", "training.patience=60"]
    workers = start_workers(tiny_toml, *longer)
    model = shards.model_file(tiny_run.folder, MODEL)
    wait_for(model.parent / "history.csv")
    workers[1].kill()
    output, _ = workers[0].communicate(timeout=120)
    assert workers[0].returncode == 1, output
    assert "r00-f00: another worker is gone or stalls after step" in output
    assert "rerun jobs.train: it goes on from the last checkpoint" in output
    assert not model.exists()
    assert train.main([tiny_toml, *longer, "--model", MODEL.name]) == 0
    log = (tiny_run.folder / "logs" / "train-r00-f00-0.log").read_text(encoding="utf-8")
    assert "r00-f00 goes on from step" in log
    assert len(learned(tiny_run.folder)["training_loss"]) == 60


@pytest.mark.slow
def test_a_worker_without_peers_gives_up():
    lonely = run_python("-c", LONELY, TF_CONFIG=tf_configs(2)[0])
    output, _ = lonely.communicate(timeout=60)
    assert lonely.returncode == 1
    assert "Timeout (0:00:03)!" in output
    assert "_join_workers" in output
