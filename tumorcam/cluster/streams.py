"""Standard output and error of a process: there, and never the reason of a traceback."""

import contextlib
import os
import select
import sys


def open_streams() -> None:
    """Redirect those of the three standard streams that are closed to /dev/null.

    Else the next file that is opened would take their place, and messages would go into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a file's name may be no Unicode


def say(text: str) -> None:
    """Print to standard error, if that is possible."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def flush_output() -> str:
    """Write out what is buffered; why that is impossible, or "".

    What cannot be written is dropped, so that Python does not fail on it again at its end. Nobody
    reads on after a closed pipe, so that is no fault.
    """
    fault = ""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            _drop(stream.fileno())
        except (OSError, ValueError) as error:
            if stream is sys.stdout:
                fault = f"standard output cannot be written ({error})"
            with contextlib.suppress(OSError, ValueError):
                _drop(stream.fileno())
    return fault


def is_pipe_closed() -> bool:
    """Whether standard output is a pipe from which nobody reads on."""
    try:
        sys.stdout.flush()
        is_closed = _has_no_reader(sys.stdout.fileno())
    except BrokenPipeError:
        is_closed = True
    except (OSError, ValueError):
        return False
    if is_closed:
        _drop(sys.stdout.fileno())
    return is_closed


def _has_no_reader(descriptor: int) -> bool:
    """Whether a descriptor is a pipe without reader; a text that failed is flushed no more."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _drop(descriptor: int) -> None:
    """Lead a stream to /dev/null."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)
