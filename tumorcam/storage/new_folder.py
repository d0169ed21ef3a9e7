"""A new folder that is complete or absent: written aside, then renamed as a whole."""

import contextlib
import errno
import glob
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tumorcam.cluster.resources import existing
from tumorcam.errors import FileError
from tumorcam.storage import disk


def require_new_folder(path: Path) -> Path:
    """Check that a folder can be written at a path: nothing is there, or an empty folder.

    Returns
    -------
    Path
        Where the folder goes, absolute and without links.

    Raises
    ------
    FileError
        If something is there, or the path is the current folder, which cannot be replaced.
    """
    target = Path(os.path.realpath(path))
    if target == Path.cwd():
        msg = f"{path} is the current folder, which cannot be replaced; name a new folder"
        raise FileError(msg)
    if os.path.lexists(target) and not target.is_dir():
        raise FileError(f"{path} is a file; wanted a new or an empty folder; name another one")
    if target.is_dir() and any(target.iterdir()):
        raise _not_empty(path)
    return target


@contextlib.contextmanager
def write_new_folder(path: Path, *, needed: int) -> Iterator[Path]:
    """A temporary folder that is renamed to `path` when the block ends well, and vanishes when not.

    All its files are fsynced before. What killed processes left of the same folder is deleted.

    Parameters
    ----------
    needed : int
        Bytes that its files take at least.

    Raises
    ------
    FileError
        As `require_new_folder`; and if the disk has no room for the files, or is full.
    """
    target = require_new_folder(path)
    _require_room(target, needed)
    target.parent.mkdir(parents=True, exist_ok=True)
    left_over = f".{glob.escape(target.name)}.*{disk.PART}"
    disk.delete_files(disk.dead_parts(target.parent, left_over))
    aside = disk.part_name(target)
    shutil.rmtree(aside, ignore_errors=True)  # of a killed process that had this one's number
    try:
        aside.mkdir()
        yield aside
        for file in (*aside.rglob("*"), aside):
            disk.sync(file)
        _rename(aside, target)
    except OSError as error:
        if not disk.is_full(error):
            raise
        written = sum(file.stat().st_size for file in aside.rglob("*") if file.is_file())
        shutil.rmtree(aside, ignore_errors=True)  # so that the bytes which are free count it
        is_quota = error.errno == errno.EDQUOT
        raise disk.no_space(target, written=written, quota=is_quota) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _rename(aside: Path, target: Path) -> None:
    """Rename a folder to a path at which there is nothing, or an empty folder."""
    try:
        aside.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):  # another process was faster
            raise _not_empty(target) from error
        raise
    disk.sync(target.parent)


def _require_room(target: Path, needed: int) -> None:
    free = shutil.disk_usage(existing(target.parent)).free
    if free < needed:
        msg = (
            f"{target} takes {needed:,} bytes, but its disk has {free:,} free; free some, or name "
            "a folder on a larger disk"
        )
        raise FileError(msg)


def _not_empty(path: Path) -> FileError:
    return FileError(
        f"{path} is not empty, and nothing in it is replaced; name a new folder, or move that away"
    )
