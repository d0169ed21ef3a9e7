"""Moving files out of a run's way: damaged ones to RUN/damaged/, stale ones to RUN/stale/."""

import datetime
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tumorcam.errors import FileError

DAMAGED, STALE = "damaged", "stale"  # folders of a run


class Moved(NamedTuple):
    """Where a file was and where it is now, or why it stayed."""

    path: Path
    target: Path | None
    reason: str = ""


def move_aside(root: Path, paths: Iterable[Path], folder: str) -> list[Moved]:
    """Move files of a run to ROOT/FOLDER/DATE/, under the same names; nothing is overwritten.

    No link is followed and no file outside the run is touched: such a path stays, with the reason.
    A file that is missing is left out.

    Parameters
    ----------
    root : Path
        The folder of the run.
    folder : str
        DAMAGED or STALE.
    """
    date = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    return [_move(root, path, root / folder / date) for path in paths if os.path.lexists(path)]


def purge(root: Path, folder: str) -> int:
    """Delete what `move_aside` moved to a folder; the number of its files.

    Raises
    ------
    FileError
        If the folder is a link, or cannot be deleted.
    """
    target = root / folder
    if target.is_symlink():
        msg = f"{target} is a link, which is not followed; delete it yourself"
        raise FileError(msg)
    if not target.exists():
        return 0
    n_files = sum(len(names) for _, _, names in os.walk(target))
    try:
        shutil.rmtree(target)
    except OSError as error:
        raise FileError(f"{target} cannot be deleted: {error}") from error
    return n_files


def moves_text(moves: Iterable[Moved]) -> str:
    """A line for each file, with its new place or why it stays."""
    return "".join(
        f"moved {path} to {target}\n" if target else f"{path} stays: {reason}\n"
        for path, target, reason in moves
    )


def _move(root: Path, path: Path, folder: Path) -> Moved:
    try:
        if folder.parent.is_symlink():
            return Moved(path, None, f"{folder.parent} is a link, which is not followed")
        if path.is_symlink():
            return Moved(path, None, "it is a link, which is not followed")
        if not path.is_file():
            return Moved(path, None, "it is no regular file")
        if not path.parent.resolve().is_relative_to(root.resolve()):
            return Moved(path, None, f"a link leads there from {root}")
        target = _free(folder / path.relative_to(root))
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    except OSError as error:
        return Moved(path, None, error.strerror or str(error))
    return Moved(path, target)


def _free(path: Path) -> Path:
    """The path, or where there is something already a name beside it."""
    names = [path, *(path.with_name(f"{path.name}.{i}") for i in range(1, 1000))]
    return next(name for name in names if not os.path.lexists(name))
