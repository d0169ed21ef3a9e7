"""HDF5 files that are complete or absent: written aside, then renamed; checked when opened."""

import contextlib
import errno
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py

from tumorcam.errors import DamageError, FileError
from tumorcam.storage import disk
from tumorcam.storage.integrity import SEAL_BYTES, content_digest, refuse_links, seal
from tumorcam.storage.records import reading

ENCODING_VERSION = "2"


@contextlib.contextmanager
def write_aside(path: Path, *, needed: int = 0) -> Iterator[Path]:
    """A temporary path that replaces `path` when the block ends well, and vanishes when not.

    The file and its folder are fsynced, so that a power cut leaves the old file or the new one.

    Parameters
    ----------
    needed : int
        Bytes that the file takes at most, if that is known, for the message of a full disk.

    Raises
    ------
    FileError
        If the disk or a quota is full; earlier files stay whole.
    """
    aside = disk.part_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        disk.sync(aside)
        aside.replace(path)
        disk.sync(path.parent)
    except OSError as error:
        if not disk.is_full(error):
            raise
        written = aside.stat().st_blocks * 512 if aside.exists() else 0  # without holes
        aside.unlink(missing_ok=True)  # so that the bytes which are free count it
        is_quota = error.errno == errno.EDQUOT
        raise disk.no_space(path, written=written, needed=needed, quota=is_quota) from error
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to `path` whole or not at all."""
    with write_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def create_file(
    path: Path, encoding_type: str, attributes: Mapping[str, Any], *, needed: int = 0
) -> Iterator[h5py.File]:
    """A new HDF5 file that appears at `path`, sealed and complete, when the block ends well.

    Parameters
    ----------
    encoding_type : str
        What kind of file it is, such as "tumorcam-shard"; `open_file` asks for the same.
    attributes : mapping
        Root attributes, digests of what the file was made from among them.
    needed : int
        Bytes that the file takes at most, if that is known.

    Raises
    ------
    FileError
        If the disk or a quota is full; earlier files stay whole.
    """
    with write_aside(path, needed=needed) as aside, disk.DeferredErrorFile(aside) as output:
        with h5py.File(output, "w", userblock_size=SEAL_BYTES) as file:
            file.attrs["encoding-type"] = encoding_type
            file.attrs["encoding-version"] = ENCODING_VERSION
            for name, value in attributes.items():
                file.attrs[name] = value
            yield file
            file.flush()
            output.check()  # else what is digested next was dropped
            file.attrs["digest"] = content_digest(file)
            file.attrs["complete"] = True
        output.check()
        line = seal(output)
        output.seek(0)
        output.write(line)


@contextlib.contextmanager
def open_file(path: Path, encoding_type: str, *, remedy: str) -> Iterator[h5py.File]:
    """A finished HDF5 file of the given kind, for reading by `records`.

    Errors of the block are the caller's and pass unchanged; of these, a DamageError of `records`
    gets the remedy.

    Parameters
    ----------
    remedy : str
        What makes the file again, such as "run `tumorcam explain`"; it ends the message.

    Raises
    ------
    FileError
        If the file is missing, damaged, incomplete, of another kind or version, or links to files
        elsewhere.
    """
    if not path.exists():
        msg = f"{path} does not exist; {remedy}"
        raise FileError(msg)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        msg = f"{path} cannot be read ({error}); delete it, then {remedy}"
        raise FileError(msg) from error
    with file:
        try:
            with reading(file):
                _check_header(file, path, encoding_type, remedy)
                refuse_links(file, path)
            yield file
        except DamageError as error:
            msg = f"{error}; delete it, then {remedy}"
            raise FileError(msg) from error


def is_complete(path: Path, encoding_type: str, attributes: Mapping[str, Any]) -> bool:
    """Whether `path` is a finished file of this kind whose root attributes are as given."""
    try:
        stored = stored_attributes(path, encoding_type, remedy="")
    except FileError:
        return False
    return all(stored.get(name) == value for name, value in attributes.items())


def stored_attributes(path: Path, encoding_type: str, *, remedy: str) -> dict[str, Any]:
    """The root attributes of a finished file; FileError as in `open_file`."""
    with open_file(path, encoding_type, remedy=remedy) as file, reading(file):
        return dict(file.attrs)


def stored_digest(path: Path, encoding_type: str, *, remedy: str) -> str:
    """The digest that a finished file carries; FileError as in `open_file`."""
    return str(stored_attributes(path, encoding_type, remedy=remedy)["digest"])


def require_cohort(file: h5py.File, path: Path, cohort_digest: str, *, remedy: str) -> None:
    """Check that an open file was made from a cohort.

    Raises
    ------
    FileError
        If it was made from another one.
    """
    with reading(file):
        stored = str(file.attrs["cohort_digest"])
    if stored != cohort_digest:
        msg = (
            f"{path} was made from another cohort (cohort_digest {stored[:12]}, wanted "
            f"{cohort_digest[:12]}); delete it and {remedy}"
        )
        raise FileError(msg)


def _check_header(file: h5py.File, path: Path, encoding_type: str, remedy: str) -> None:
    kind, version = file.attrs.get("encoding-type"), file.attrs.get("encoding-version")
    if (kind, version) != (encoding_type, ENCODING_VERSION):
        msg = (
            f"{path} is {kind!r} version {version!r}; wanted {encoding_type!r} version "
            f"{ENCODING_VERSION!r}; {remedy}"
        )
        raise FileError(msg)
    if not file.attrs.get("complete", False):
        msg = f"{path} is incomplete: its writer did not finish; delete it, then {remedy}"
        raise FileError(msg)
