"""Threads and memory of the process in which a network runs."""

import ctypes

import tensorflow as tf

# glibc's M_ARENA_MAX, M_MMAP_THRESHOLD and M_TRIM_THRESHOLD (malloc.h), the latter two in bytes
KEEP_FREED_MEMORY = {-8: 1, -3: 2**30, -1: 2**31 - 1}


def use_threads(n_threads: int) -> None:
    """Set the number of TensorFlow's threads. Call it before TensorFlow computes anything.

    It also tells glibc to keep freed memory. Otherwise each operation gives the memory of its
    tensors back to the kernel, and page faults take a third to a half of a training step.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        for option, value in KEEP_FREED_MEMORY.items():
            libc.mallopt(option, value)
    tf.config.threading.set_intra_op_parallelism_threads(n_threads)
    tf.config.threading.set_inter_op_parallelism_threads(n_threads)
