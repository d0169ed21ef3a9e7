"""TensorFlow's chatter is kept from the user's terminal; its warnings and errors are not.

TensorFlow writes its messages to the C library's stream `stderr`. From its import on, that stream
alone leads into a pipe, and a second process copies what is no chatter to standard error. So
Python's own messages, bars of progress, reports of crashes and child processes keep the terminal,
and what this process has written arrives even if it is killed.
"""

import contextlib
import ctypes
import importlib.abc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from tumorcam.cluster import line_filter

MODULE = "tensorflow"  # whose import begins the filtering
SECONDS_TO_END = 2.0  # that the end of the filter is waited for
UNBUFFERED = 2  # _IONBF of stdio.h in glibc


@contextlib.contextmanager
def without_chatter(*, verbose: bool = False) -> Iterator[None]:
    """Drop TensorFlow's chatter from its import on until the end of the block.

    Without an import of TensorFlow in the block nothing happens.

    Parameters
    ----------
    verbose : bool
        True if the user asks for the chatter, which then is left alone.
    """
    if verbose or MODULE in sys.modules:
        yield
        return
    filtering = contextlib.ExitStack()
    at_import = _AtImport(filtering)
    sys.meta_path.insert(0, at_import)
    try:
        with filtering:
            yield
    finally:
        at_import.remove()


class _AtImport(importlib.abc.MetaPathFinder):
    """Begins the filtering when Python looks for TensorFlow; it finds no module itself."""

    def __init__(self, filtering: contextlib.ExitStack) -> None:
        self.filtering = filtering

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None for every module."""
        if fullname == MODULE:
            self.remove()
            self.filtering.enter_context(_filtered_stream())
        return None

    def remove(self) -> None:
        """Look at no further imports."""
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(self)


@contextlib.contextmanager
def _filtered_stream() -> Iterator[None]:
    """Lead the C stream `stderr` through the filter, where this C library allows it."""
    libc = ctypes.CDLL(None)
    try:
        os.fstat(2)
        libc.gnu_get_libc_version  # noqa: B018 - elsewhere `stderr` is a constant
        pipe, process = _start_filter()
    except (AttributeError, OSError):  # another C library, a closed stderr or too many processes
        yield
        return
    stream = ctypes.c_void_p.in_dll(libc, "stderr")
    original, stream.value = stream.value, _open_stream(libc, pipe)
    try:
        yield
    finally:
        stream.value = original
        with contextlib.suppress(OSError):
            os.dup2(2, pipe)  # what a thread still writes goes to standard error, and the pipe ends
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS_TO_END)


def _start_filter() -> tuple[int, subprocess.Popen[bytes]]:
    """The writing end of a pipe, and the process that copies it to standard error.

    The process ignores all signals, so that it outlives this one, and ends with the pipe.
    """
    reading, writing = os.pipe()
    command = [sys.executable, "-I", "-S", line_filter.__file__]
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        process = subprocess.Popen(
            command, stdin=reading, stdout=subprocess.DEVNULL, start_new_session=True
        )
    except OSError:
        os.close(writing)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)
        os.close(reading)
    return writing, process


def _open_stream(libc: ctypes.CDLL, descriptor: int) -> int:
    """The address of an unbuffered C stream that writes to a descriptor."""
    libc.fdopen.restype = ctypes.c_void_p
    stream: int = libc.fdopen(descriptor, b"w")
    libc.setvbuf(ctypes.c_void_p(stream), None, UNBUFFERED, ctypes.c_size_t(0))
    return stream
