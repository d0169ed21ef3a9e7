"""Notice that a job is to end soon: it stops in time, keeps what is done, and goes on later."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from tumorcam.cluster import launcher
from tumorcam.errors import PreemptedError

EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: run the same command again


class _Notice:
    """The signal that came, if one did, and whether the work at hand looks for it by itself."""

    received = ""
    is_deferred = False


def _note(number: int, frame: FrameType | None) -> None:
    _Notice.received = signal.Signals(number).name
    if not _Notice.is_deferred:
        raise PreemptedError(f"stopped by {_Notice.received}")


def listen() -> None:
    """Take the notice signals; again after a library that took them over."""
    for name in launcher.notice_signals():
        signal.signal(signal.Signals[name], _note)


@contextlib.contextmanager
def heeded() -> Iterator[None]:
    """Let a notice end the block with PreemptedError at once, so that it drops what is half done.

    Use it in the main thread.
    """
    kept = {name: signal.getsignal(signal.Signals[name]) for name in launcher.notice_signals()}
    listen()
    try:
        yield
    finally:
        _Notice.received = ""
        for name, handler in kept.items():
            signal.signal(signal.Signals[name], handler)


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], str]]:
    """Let the block finish what it is at: it asks by the yielded function which signal came.

    The function returns the signal's name, empty before one came.
    """
    _Notice.is_deferred = True
    try:
        yield lambda: _Notice.received
    finally:
        _Notice.is_deferred = False
