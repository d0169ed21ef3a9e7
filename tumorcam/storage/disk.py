"""Full disks, and the unfinished files that killed processes leave behind."""

import errno
import io
import os
import shutil
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tumorcam.cluster.launcher import current_launch
from tumorcam.errors import FileError

PART = ".part"  # ends the name of a file that is being written; Launch.tag stands before it
SECONDS_UNTIL_DEAD = 86_400.0  # unchanged for so long, a .part file of another host is left over


class DeferredErrorFile(io.FileIO):
    """A new file that keeps the first write error and raises it when it is closed.

    HDF5 cannot go on after a failed write: it writes its cached data again and again, from
    finalizers that can only print, until the process ends with a segmentation fault (observed with
    HDF5 1.14.6). So each write reports success to HDF5, and data after the first error is dropped.
    Use the file as a context around that of the `h5py.File`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self.error: BaseException | None = None

    def write(self, data: Any) -> int:
        """Write all bytes; on an error keep it, and report success."""
        view = memoryview(data).cast("B")
        done = 0
        try:
            while self.error is None and done < len(view):
                done += super().write(view[done:]) or 0
        except BaseException as error:  # also Ctrl-C, which would be a failed write to HDF5
            self.error = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the size; on an error keep it, and report success."""
        try:
            if self.error is None:
                super().truncate(size)
        except OSError as error:
            self.error = error
        return size or 0

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, with zeros beyond the end of the file; the number of bytes read."""
        view = memoryview(buffer).cast("B")
        done = 0
        while n := super().readinto(view[done:]):
            done += n
        view[done:] = bytes(len(view) - done)
        return done

    def check(self) -> None:
        """Raise the first error, if there is one."""
        if self.error is not None:
            raise self.error

    def __exit__(self, kind: Any, value: BaseException | None, trace: Any) -> None:
        try:
            self.close()
        except OSError as error:  # a network's file system may report a full disk as late as here
            self.error = self.error or error
        if self.error is not None:  # and not what came of it
            raise self.error from value


def is_full(error: BaseException) -> bool:
    """Whether an error says that a disk is full or a quota used up."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def no_space(path: Path, *, written: int, needed: int = 0, quota: bool = False) -> FileError:
    """The error of a job that has no space left to write `path`; the caller raises it.

    Parameters
    ----------
    written, needed : int
        Bytes already written, and the size of the whole file at most; 0 if unknown.
    quota : bool
        Whether a quota is used up, rather than the disk.
    """
    at_most = f" of at most {needed:,}" if needed else ""
    free = shutil.disk_usage(path.parent).free
    where = f"{free:,} bytes are free on the disk of {path.parent}"
    if quota:
        where += ", but the quota is used up"
    return FileError(
        f"no space left to write {path}: {written:,}{at_most} bytes were written, {where}; "
        "free some and rerun: earlier files are whole"
    )


def part_name(path: Path) -> Path:
    """A name beside `path` that no other running process writes to."""
    return path.with_name(f".{path.name}.{current_launch().tag}{PART}")


def dead_parts(folder: Path, pattern: str = f"**/.*{PART}") -> list[Path]:
    """Unfinished files and folders of killed processes, in a folder and those below it.

    A `.part` file counts when its process ran on this host and has ended, or when the file has not
    changed for a day.
    """
    oldest = time.time() - SECONDS_UNTIL_DEAD
    dead = []
    for path in sorted(folder.glob(pattern)):
        try:
            is_old = path.stat().st_mtime < oldest
        except FileNotFoundError:  # renamed just now
            continue
        if is_old or is_gone(path.name.removesuffix(PART)):
            dead.append(path)
    return dead


def delete_files(paths: Iterable[Path]) -> None:
    """Delete files and folders, those that are gone already left out."""
    for path in paths:
        is_folder = path.is_dir() and not path.is_symlink()
        shutil.rmtree(path) if is_folder else path.unlink(missing_ok=True)


def sizes_text(paths: Iterable[Path]) -> str:
    """The number and the bytes of some files, those in folders included."""
    files = {file for path in paths for file in (path, *path.rglob("*")) if file.is_file()}
    return f"{len(files)} files, {sum(file.stat().st_size for file in files):,} bytes"


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_gone(name: str) -> bool:
    """Whether a name ends with the tag of a process that ran on this host and has ended."""
    rest, _, process = name.rpartition("-")
    if not rest.endswith(f"-{socket.gethostname()}") or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):  # it is another user's; it is no process number
        pass
    return False
