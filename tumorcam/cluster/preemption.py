"""Signals that ask a job to stop early: it keeps what is done, and the same command goes on."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from tumorcam.cluster.launcher import current_launch
from tumorcam.errors import PreemptedError

EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: run the same command again
INTERRUPTED = 130  # 128 + SIGINT, as a shell reports Ctrl-C


class _Preemption:
    """The signal that came, if one did, and whether the work at hand looks for it by itself."""

    received = ""
    is_deferred = False


def _receive(number: int, frame: FrameType | None) -> None:
    _Preemption.received = signal.Signals(number).name
    if not _Preemption.is_deferred:
        _stop()


def _stop() -> None:
    raise PreemptedError(f"stopped by {_Preemption.received}", _Preemption.received)


def _signals() -> list[signal.Signals]:
    """The site's signals, and Ctrl-C."""
    return [signal.Signals[name] for name in (*current_launch().preemption_signals, "SIGINT")]


def install_handlers() -> None:
    """Take the preemption signals; again after a library that took them over."""
    for number in _signals():
        signal.signal(number, _receive)


@contextlib.contextmanager
def stop_on_signal() -> Iterator[None]:
    """Let a signal end the block with PreemptedError at once, so that it drops unfinished work.

    Use it in the main thread.
    """
    handlers = {number: signal.getsignal(number) for number in _signals()}
    install_handlers()
    try:
        yield
    finally:
        _Preemption.received = ""
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def deferred_stop() -> Iterator[Callable[[], str]]:
    """Let the block finish a step before it stops: it asks the yielded function for a signal.

    The function returns the name of the signal that came, empty before one came.
    """
    _Preemption.is_deferred = True
    try:
        yield lambda: _Preemption.received
    finally:
        _Preemption.is_deferred = False


@contextlib.contextmanager
def undivided() -> Iterator[None]:
    """Let the block finish before a signal stops the work.

    A drawing needs it: the terminal's library writes a text again that a signal has cut off.
    """
    is_main = threading.current_thread() is threading.main_thread()  # the one that hears signals
    if _Preemption.is_deferred or not is_main:
        yield
        return
    received = _Preemption.received
    with deferred_stop():
        yield
    if _Preemption.received != received:
        _stop()


def exit_code(signal_name: str) -> int:
    """The exit code of a job that a signal stopped: 130 after Ctrl-C, else 75."""
    return INTERRUPTED if signal_name == "SIGINT" else EXIT_CODE
