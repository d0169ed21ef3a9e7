"""The user's files, opened for reading: regular files alone, and any fault is an InputError."""

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from tumorcam.errors import InputError, TumorcamError
from tumorcam.readers.wording import plain

INPUT = "input.expression and input.samples"  # the settings that most files are named by
NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)
KINDS = (
    (stat.S_ISFIFO, "it is a FIFO, a pipe with a name"),
    (stat.S_ISSOCK, "it is a socket"),
)


@contextlib.contextmanager
def open_input(path: Path, settings: str = INPUT) -> Iterator[BufferedReader]:
    """A user's file, open for reading bytes; it is closed at the end of the block.

    A FIFO is refused at once, although opening it would usually wait for a writer. A link to a
    regular file is followed. An OSError of the block becomes an InputError, too.

    Parameters
    ----------
    settings : str
        The settings that name the file, for messages, such as "layout.annotation".

    Raises
    ------
    InputError
        If the path cannot be a path or names no regular file, or the file cannot be read.
    """
    with _open(path, settings) as stream:
        try:
            yield stream
        except TumorcamError:  # some are errors of the system, too
            raise
        except OSError as error:  # of the disk or network
            raise InputError(_message(path, "cannot be read", _reason(error), settings)) from error


def require_file(path: Path, settings: str = INPUT) -> None:
    """Check that a file can be read; InputError as in `open_input`."""
    with open_input(path, settings):
        pass


def is_file(path: Path) -> bool:
    """Whether a path names a file, also where it cannot be a path or may not be looked at."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def file_digest(path: Path, settings: str = INPUT) -> str:
    """SHA-256 of a file's bytes; InputError as in `open_input`."""
    with open_input(path, settings) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _open(path: Path, settings: str) -> BufferedReader:
    try:
        os.fsencode(path).decode("utf-8")  # else config.toml cannot hold the path
        stream = open(path, "rb", opener=_without_waiting)  # noqa: SIM115
    except OSError as error:
        fault = "is no file" if error.errno in NO_FILE else "cannot be read"
        raise InputError(_message(path, fault, _reason(error), settings)) from error
    except ValueError as error:
        is_text = not isinstance(error, UnicodeError)
        reason = "its name has a NUL byte" if is_text else "its name is no UTF-8 text"
        raise InputError(_message(path, "cannot be read", reason, settings)) from error
    if kind := _other_kind(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise InputError(_message(path, "is no file", kind, settings))
    return stream


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


def _reason(error: OSError) -> str:
    return plain(error.strerror or str(error))


def _other_kind(mode: int) -> str:
    """What a file is that is no regular one; empty for a regular one."""
    if stat.S_ISREG(mode):
        return ""
    return next((text for is_kind, text in KINDS if is_kind(mode)), "it is a device")


def _message(path: Path, fault: str, reason: str, settings: str) -> str:
    return (
        f"{plain(str(path))} {fault} ({reason}); wanted a regular file that you may read: check "
        f"{settings}"
    )
