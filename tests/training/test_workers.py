from types import SimpleNamespace

import pytest
import tensorflow as tf
from training_runs import one_device

from tumorcam.errors import ClusterError, ConfigError
from tumorcam.training.workers import Workers, join_workers


@pytest.fixture
def second_worker():
    """The second of several workers, without the process of a real watchdog."""
    return Workers(tf.distribute.get_strategy(), SimpleNamespace(worker=1))


def test_without_a_watchdog_one_process_trains_alone():
    workers = join_workers(None)
    assert workers.is_chief and workers.watchdog is None
    assert workers.n_devices == max(1, len(tf.config.list_logical_devices("GPU")))


def test_a_sum_over_one_device_is_its_value():
    assert one_device().total(2.5) == 2.5


def test_only_the_first_worker_is_the_chief(second_worker):
    assert one_device().is_chief and not second_worker.is_chief


def test_an_error_of_tensorflow_is_a_lost_peer_where_there_are_peers(second_worker):
    error = tf.errors.UnavailableError(None, None, "connection reset")
    assert one_device().lost(error, "after step 3") is error
    lost = second_worker.lost(error, "after step 3")
    assert isinstance(lost, ClusterError)
    assert "after step 3: another worker is gone (UnavailableError)" in str(lost)
    memory = tf.errors.ResourceExhaustedError(None, None, "out of memory")
    assert second_worker.lost(memory, "after step 3") is memory, "its own error"


def test_devices_that_cannot_share_a_batch_are_refused(monkeypatch):
    one_device().require_divisible(33, 16)
    monkeypatch.setattr(Workers, "n_devices", 2)
    one_device().require_divisible(64, 16)
    with pytest.raises(ConfigError, match=r"training.batch_size = 48 is no multiple of the 2 dev"):
        one_device().require_divisible(48, 16)
