import ctypes
from types import SimpleNamespace

import tensorflow as tf

from tumorcam.training.threads import use_threads


def test_the_number_of_threads_is_tensorflows():
    """The tests' own number: TensorFlow refuses another one once it has computed."""
    use_threads(1)
    assert tf.config.threading.get_intra_op_parallelism_threads() == 1
    assert tf.config.threading.get_inter_op_parallelism_threads() == 1


def test_glibc_keeps_freed_memory(monkeypatch):
    options = {}
    libc = SimpleNamespace(mallopt=lambda option, value: options.update({option: value}))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: libc)
    use_threads(1)
    m_trim_threshold, m_mmap_threshold, m_arena_max = -1, -3, -8  # malloc.h
    assert options[m_arena_max] == 1
    assert min(options[m_trim_threshold], options[m_mmap_threshold]) >= 2**30


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    use_threads(1)
