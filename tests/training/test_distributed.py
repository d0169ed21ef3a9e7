"""The training loop over several devices and several worker processes equals one device."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest

from jobs import train
from tumorcam.settings.config import config_toml, load_config
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder

ROOT = Path(__file__).parents[2]
MODEL = ModelKey(0, 0)
MIRRORED = """
import sys
from pathlib import Path
import tensorflow as tf
from tumorcam.training import loop
from tumorcam.cohort.cohort import read_cohort
from tumorcam.settings.config import load_config
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.threads import use_threads
from tumorcam.training.workers import Workers

use_threads(1)
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
config = load_config(Path(sys.argv[1]))
cohort = read_cohort(RunFolder.of(config).cohort, config)
run = RunFolder(Path(sys.argv[2]))
loop.train_model(run, cohort, ModelKey(0, 0), config, Workers(strategy))
"""
LONELY = """
from pathlib import Path
from tumorcam.cluster.watchdog import Watchdog

with Watchdog(0, Path("lonely.log")) as watchdog:
    from tumorcam.training import workers

    workers.PEERS_TIMEOUT = 12
    workers.join_workers(watchdog)
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
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


def tf_configs(n_workers):
    """TF_CONFIG of each worker, by hand."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(n_workers)]}
    tasks = [{"type": "worker", "index": i} for i in range(n_workers)]
    return [json.dumps({"cluster": cluster, "task": task}) for task in tasks]


def start_workers(config_file, *words, n_workers=2):
    return [
        run_python("-m", "jobs.train", config_file, "--model", MODEL.name, *words, TF_CONFIG=text)
        for text in tf_configs(n_workers)
    ]


def end_of(workers, seconds=600):
    """Exit codes, and the text of standard output and error."""
    outputs = [worker.communicate(timeout=seconds)[0] for worker in workers]
    return [worker.returncode for worker in workers], "\n".join(outputs)


def wait_for(path, seconds=600.0, since=0.0):
    """Until the file is there, written after a time."""
    deadline = time.monotonic() + seconds
    while not (path.exists() and path.stat().st_mtime > since):
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.05)


def seconds_since_last_word(config):
    """Seconds since a worker last wrote to its log."""
    logs = RunFolder.of(config).logs.glob(f"train-{MODEL.name}-*.log")
    return time.time() - max(log.stat().st_mtime for log in logs)


def learned(folder):
    """Weights, held-out probabilities and the learning curve but for the seconds."""
    with h5py.File(RunFolder(folder).model(MODEL)) as file:
        values = {f"weights/{name}": file["weights"][name][...] for name in file["weights"]}
        values["probability"] = file["held_out/probability"][...]
        for name in ("training_loss", "validation_loss", "validation_accuracy", "learning_rate"):
            values[name] = file["history"][name][...]
    return values


def assert_learned_the_same(folder, other):
    first, second = learned(folder), learned(other)
    assert len(first["training_loss"]) == 2  # epochs, of three steps each
    assert_same_values(first, second)


def assert_same_values(first, second):
    """The same bits; 1e-6 would hide what larger networks make a thousand times as much of."""
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_allclose(values, second[name], rtol=1e-14, atol=0, err_msg=name)


@pytest.fixture
def one_device(tiny_run, tmp_path):
    """Folder of a run whose model was trained on one device."""
    config_file = tmp_path / "one.toml"
    config_file.write_text(config_toml(tiny_run), encoding="utf-8")
    assert train.main([str(config_file), "--model", MODEL.name]) == 0
    model = RunFolder.of(tiny_run).model(MODEL)
    kept = RunFolder(tmp_path / "one").model(MODEL)
    kept.parent.mkdir(parents=True)
    model.replace(kept)
    return tmp_path / "one"


def test_two_mirrored_devices_equal_one(one_device, tiny_toml, tmp_path):
    mirrored = run_python("-c", MIRRORED, tiny_toml, tmp_path / "two")
    output, _ = mirrored.communicate(timeout=600)
    assert mirrored.returncode == 0, output
    assert_learned_the_same(one_device, tmp_path / "two")


OPTIONS = ["--set", "model.skip=linear", "--set", "model.batch_norm=true"]
MIXED = [*OPTIONS, "--set", "training.precision=mixed"]


class WithOptions(NamedTuple):
    """Folder of a run whose model was trained on one device, and the options of the training."""

    folder: Path
    options: list[str]


@pytest.fixture(params=[OPTIONS, MIXED], ids=["float32", "mixed"])
def with_options(request, tiny_run, tiny_toml, tmp_path):
    """The model has a skip path and batch norm."""
    assert train.main([tiny_toml, *request.param, "--model", MODEL.name]) == 0
    model, kept = RunFolder.of(tiny_run).model(MODEL), RunFolder(tmp_path / "kept").model(MODEL)
    kept.parent.mkdir(parents=True)
    model.replace(kept)
    return WithOptions(tmp_path / "kept", request.param)


def test_two_mirrored_devices_average_the_moments_of_all_micro_batches(
    with_options, tiny_toml, tmp_path
):
    config_file = tmp_path / "options.toml"
    config = load_config(Path(tiny_toml), with_options.options[1::2])
    config_file.write_text(config_toml(config), "utf-8")
    mirrored = run_python("-c", MIRRORED, config_file, tmp_path / "two")
    output, _ = mirrored.communicate(timeout=600)
    assert mirrored.returncode == 0, output
    assert_learned_the_same(with_options.folder, tmp_path / "two")


@pytest.mark.slow
def test_two_workers_average_the_moments_of_all_micro_batches(with_options, tiny_run, tiny_toml):
    codes, output = end_of(start_workers(tiny_toml, *with_options.options))
    assert codes == [0, 0], output
    assert_learned_the_same(with_options.folder, tiny_run.folder)


@pytest.mark.slow
def test_two_workers_equal_one_device(one_device, tiny_run, tiny_toml):
    codes, output = end_of(start_workers(tiny_toml))
    assert codes == [0, 0], output
    assert seconds_since_last_word(tiny_run) < 10
    assert_learned_the_same(one_device, tiny_run.folder)
    logs = [tiny_run.folder / "logs" / f"train-r00-f00-{worker}.log" for worker in range(2)]
    wrote = ["held-out accuracy" in log.read_text(encoding="utf-8") for log in logs]
    assert wrote == [True, False]  # the chief alone writes the artifact


@pytest.mark.slow
def test_checkpoints_pass_from_one_worker_to_two_to_four_to_one(tiny_run, tiny_toml, tmp_path):
    """120 epochs of three steps; each signal stops all workers after the same step."""
    longer = ["--set", "training.epochs=120", "--set", "training.patience=120"]
    history = RunFolder.of(tiny_run).history(MODEL)
    for n_workers in (1, 2, 4):
        since = time.time()
        workers = start_workers(tiny_toml, *longer, n_workers=n_workers)
        wait_for(history, since=since)
        workers[-1].send_signal(signal.SIGUSR1)  # one of them alone
        codes, output = end_of(workers)
        assert codes == [75] * n_workers, output
        assert output.count("stopped by SIGUSR1: r00-f00 after step") == 1
        others = output.count("stopped with another worker: r00-f00 after step")
        assert others == n_workers - 1
    assert train.main([tiny_toml, *longer, "--model", MODEL.name]) == 0
    resumed_values = learned(tiny_run.folder)
    shutil.rmtree(history.parent)
    assert train.main([tiny_toml, *longer, "--model", MODEL.name]) == 0
    assert_same_values(resumed_values, learned(tiny_run.folder))


@pytest.mark.slow
def test_sigterm_too_stops_workers_with_a_checkpoint(tiny_run, tiny_toml):
    """TensorFlow swallows it by itself."""
    longer = ["--set", "training.epochs=2000", "--set", "training.patience=2000"]
    workers = start_workers(tiny_toml, *longer)
    wait_for(RunFolder.of(tiny_run).history(MODEL))
    for worker in workers:
        worker.terminate()
    codes, output = end_of(workers)
    assert codes == [75, 75] and "stopped by SIGTERM: r00-f00 after step" in output, output
    assert seconds_since_last_word(tiny_run) < 10


@pytest.mark.slow
def test_workers_that_read_different_checkpoints_are_refused(tiny_run, tiny_toml):
    """As on a shared file system that shows one node an older state of a folder."""
    program = (
        "import sys; from tumorcam.training import checkpoints; from jobs import train;"
        "restore = checkpoints.Checkpoints.restore;"
        "checkpoints.Checkpoints.restore = lambda self: False;"
        "sys.exit(train.main(sys.argv[1:]))"
    )
    longer = ["--set", "training.epochs=2000", "--set", "training.patience=2000"]
    first = start_workers(tiny_toml, *longer, n_workers=1)
    wait_for(RunFolder.of(tiny_run).history(MODEL))
    first[0].send_signal(signal.SIGUSR1)
    assert end_of(first)[0] == [75]
    words = [tiny_toml, "--model", MODEL.name, *longer]
    sees, blind = tf_configs(2)
    workers = [
        run_python("-m", "jobs.train", *words, TF_CONFIG=sees),
        run_python("-c", program, *words, TF_CONFIG=blind),
    ]
    codes, output = end_of(workers)
    assert codes == [76, 76], output
    assert output.count("error: r00-f00: the workers read different checkpoints") == 2, output
    assert seconds_since_last_word(tiny_run) < 10, "they wait for nobody"


@pytest.mark.slow
def test_a_killed_worker_ends_the_other_and_one_alone_goes_on(tiny_run, tiny_toml):
    longer = ["--set", "training.epochs=60", "--set", "training.patience=60"]
    workers = start_workers(tiny_toml, *longer)
    model = RunFolder.of(tiny_run).model(MODEL)
    wait_for(RunFolder.of(tiny_run).history(MODEL))
    workers[1].kill()
    output, _ = workers[0].communicate(timeout=600)
    assert workers[0].returncode != 0, output
    assert "another worker" in output and "last checkpoint" in output
    assert not model.exists()
    assert train.main([tiny_toml, *longer, "--model", MODEL.name]) == 0
    log = (tiny_run.folder / "logs" / "train-r00-f00-0.log").read_text(encoding="utf-8")
    assert "r00-f00 goes on from step" in log
    assert len(learned(tiny_run.folder)["training_loss"]) == 60


@pytest.mark.slow
def test_a_worker_without_peers_gives_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    lonely = run_python("-c", LONELY, TF_CONFIG=tf_configs(2)[0])
    output, _ = lonely.communicate(timeout=600)
    assert lonely.returncode == -signal.SIGKILL
    message = "error: worker 0: the start of all workers took over 12 s: a worker is stopped, gone"
    assert message in output and message in (tmp_path / "lonely.log").read_text(encoding="utf-8")
