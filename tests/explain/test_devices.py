import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.cluster.launcher import Launch
from tumorcam.cohort.cohort import read_cohort
from tumorcam.explain import devices
from tumorcam.explain.explain import make_explainer
from tumorcam.saliency import sample_bytes
from tumorcam.settings.config import config_from_tables, config_tables
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.network import load_classifier


@given(st.integers(1, 300), st.integers(1, 2000), st.integers(1, 10**6), st.integers(1, 10**9))
def test_a_batch_fits_and_is_not_needlessly_small(batch_size, at_most, bytes_each, free):
    size = devices.fitting_batch_size(batch_size, at_most, bytes_each, free)
    assert size == 1 or size * bytes_each <= free / 2
    assert size <= max(batch_size, at_most)
    if size < batch_size or 2 * size <= at_most:
        assert 2 * size * bytes_each > free / 2 - bytes_each


@pytest.fixture
def two_gpus(monkeypatch):
    """Two made-up GPUs, and the calls that TensorFlow's configuration gets."""
    calls = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["first", "second"])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *args: calls.append(args))
    details = lambda gpu: {"device_name": f"model of the {gpu}"}  # noqa: E731
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details)
    for name in ("set_memory_growth", "enable_tensor_float_32_execution"):
        monkeypatch.setattr(
            tf.config.experimental, name, lambda *args, name=name: calls.append((name, *args))
        )
    return calls


@pytest.mark.parametrize(("rank", "gpu"), [(0, "first"), (1, "second"), (2, "first")])
def test_ranks_of_a_node_take_turns_at_its_gpus(two_gpus, rank, gpu):
    launch = Launch.from_environ({"SLURM_LOCALID": str(rank)})
    assert devices.take_gpu(launch) == str(rank % 2)
    assert two_gpus == [
        (gpu, "GPU"),
        ("set_memory_growth", gpu, True),
        ("enable_tensor_float_32_execution", False),
    ]


def test_without_a_gpu_nothing_is_set():
    assert devices.take_gpu(Launch.from_environ({})) == "" and devices.free_bytes("") is None


@pytest.mark.parametrize(
    ("answer", "free"), [("40536", 40536 * 2**20), ("[N/A]", None), ("", None)]
)
def test_free_memory_is_what_nvidia_smi_says(tmp_path, monkeypatch, answer, free):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f'#!/bin/sh\ntest "$3" = --id=GPU-77 && echo "{answer}"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert devices.free_bytes("GPU-77") == free


@pytest.mark.parametrize(("n_fitting", "batch_size"), [(3, 2), (20, 16), (10**6, 32)])
def test_a_gpu_explains_as_many_samples_as_fit(trained_run, monkeypatch, n_fitting, batch_size):
    """The tiny run explains 8 samples at once in blocks of 10 on a CPU."""
    run = RunFolder.of(trained_run)
    cohort = read_cohort(run.cohort, trained_run)
    classifier = load_classifier(run, cohort, ModelKey(0, 0), trained_run)
    tables = config_tables(trained_run)
    tables["explain"] |= {"batch_size": 8, "block": 40}
    config = config_from_tables(tables, source="test")
    free = 2 * n_fitting * sample_bytes(classifier.network)
    monkeypatch.setattr(devices, "free_bytes", lambda gpu: free)
    assert make_explainer(classifier, config, "0").batch_size == batch_size
    monkeypatch.setattr(devices, "free_bytes", lambda gpu: None)
    assert make_explainer(classifier, config).batch_size == 8
