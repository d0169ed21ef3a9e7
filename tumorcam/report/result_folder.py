"""A folder of results that a later call of the same command, from the same inputs, may replace."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tumorcam.errors import FileError
from tumorcam.storage import hdf5, integrity, manifest


def require_place(folder: Path, made_from: Mapping[str, str]) -> Path:
    """Check that results can go to a folder: it is new, empty, or holds the same results.

    Parameters
    ----------
    folder : Path
        Where the results are to go.
    made_from : mapping
        Name and digest of each input and each option, the command among them, as the list of the
        files in the folder is to have them.

    Returns
    -------
    Path
        The folder, absolute and without links.

    Raises
    ------
    FileError
        If something else is there.
    """
    target = Path(os.path.realpath(folder))
    if os.path.lexists(target) and not target.is_dir():
        raise FileError(f"{folder} is a file; wanted a new or an empty folder; name one by --out")
    if not target.is_dir() or not any(target.iterdir()):
        return target
    listed = target / manifest.FILE_NAME
    if not os.path.lexists(listed):
        msg = f"{folder} is not empty, and nothing in it is replaced; name a new folder by --out"
        raise FileError(msg)
    try:
        earlier = manifest.read_manifest(listed).made_from
    except FileError as error:
        msg = f"{error}; nothing in {folder} is replaced: name a new folder by --out"
        raise FileError(msg) from error
    changed = sorted(
        name
        for name in made_from.keys() | earlier.keys()
        if made_from.get(name) != earlier.get(name)
    )
    if changed:
        msg = (
            f"{folder} has results of another call, which differs in {', '.join(changed)}; nothing "
            "in it is replaced: name a new folder by --out, or move that one away"
        )
        raise FileError(msg)
    return target


@contextlib.contextmanager
def write_results(
    folder: Path, names: Sequence[str], made_from: Mapping[str, str]
) -> Iterator[Path]:
    """A temporary folder whose files go to `folder` when the block ends well.

    Parameters
    ----------
    names : sequence of str
        The files that the block writes. The list `files.json` is written beside them.
    made_from : mapping
        As in `require_place`.

    Raises
    ------
    FileError
        As `require_place`; and if something else than a file stands in place of one.
    """
    target = require_place(folder, made_from)
    listed = target / manifest.FILE_NAME
    for name in (*names, manifest.FILE_NAME):
        if os.path.lexists(target / name):
            integrity.require_regular(target / name)
    with hdf5.write_together(listed) as aside:
        yield aside
        manifest.write_manifest(aside / manifest.FILE_NAME, names, made_from)
