"""HDF5 files that are complete or absent: written aside, then renamed; checked when opened."""

import contextlib
import errno
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py

from tumorcam.errors import DamageError, FileError, MissingError, StaleError, UnreadableError
from tumorcam.storage import disk, integrity

ENCODING_VERSION = "3"
MAX_ATTRIBUTE = 60_000  # bytes of a text in HDF5, which holds 64 KiB; the header has longer ones


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


@contextlib.contextmanager
def write_together(listed: Path) -> Iterator[Path]:
    """A temporary folder whose files replace those beside a list when the block ends well.

    Parameters
    ----------
    listed : Path
        The list of the files, which the block writes, too. It goes before the first file is
        replaced and comes back last, so that with a list all files are of one making.
    """
    folder = listed.parent
    aside = disk.part_name(folder)
    try:
        aside.mkdir(parents=True)
        yield aside
        listed.unlink(missing_ok=True)
        new = sorted(path for path in aside.rglob("*") if path.is_file())
        new.sort(key=lambda path: path == aside / listed.name)
        for path in new:
            target = folder / path.relative_to(aside)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
            disk.sync(target.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


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
    root = {"encoding-type": encoding_type, "encoding-version": ENCODING_VERSION, **attributes}
    n_bytes = integrity.header_size(root)
    with write_aside(path, needed=needed) as aside, disk.DeferredErrorFile(aside) as output:
        with h5py.File(output, "w", userblock_size=n_bytes) as file:
            for name, value in root.items():
                if not isinstance(value, str) or len(value.encode()) < MAX_ATTRIBUTE:
                    file.attrs[name] = value
            yield file
            file.flush()
            output.check()  # else what is digested next was dropped
            root["digest"] = file.attrs["digest"] = integrity.content_digest(file)
            file.attrs["complete"] = True
        output.check()
        integrity.write_header(output, n_bytes, root)


@contextlib.contextmanager
def open_file(path: Path, encoding_type: str, *, remedy: str) -> Iterator[h5py.File]:
    """A finished HDF5 file of the given kind, for reading by `records`.

    Every byte is checked before, once a process and file. Errors of the block are the caller's and
    pass unchanged; of these, a DamageError of `records` gets the remedy.

    Parameters
    ----------
    remedy : str
        What makes the file again, such as "run `tumorcam explain`"; it ends the message.

    Raises
    ------
    FileError
        If the file is missing, of another kind or version, or links to files elsewhere; as
        DamageError if it is damaged, and as UnreadableError if it cannot be read.
    """
    stored_attributes(path, encoding_type, remedy=remedy)
    with integrity.open_hdf5(path) as file:
        try:
            yield file
        except DamageError as error:
            msg = f"{error}; {remedy}, which makes it anew"
            raise DamageError(msg) from error


def is_complete(path: Path, encoding_type: str, attributes: Mapping[str, Any]) -> bool:
    """Whether `path` is an undamaged file of this kind whose root attributes are as given.

    Raises
    ------
    UnreadableError
        If it cannot be read: then a job must not write it anew.
    FileError
        If it is of another kind, or another version of tumorcam wrote it.
    """
    try:
        stored = integrity.check_once(path).attributes
        require_kind(stored, path, encoding_type)
    except (DamageError, MissingError):
        return False
    return all(stored.get(name) == value for name, value in attributes.items())


def stored_attributes(
    path: Path, encoding_type: str, *, remedy: str, whole: bool = True
) -> dict[str, Any]:
    """The root attributes of a finished file.

    Parameters
    ----------
    remedy : str
        What makes the file again; it ends the message.
    whole : bool
        Whether every byte is checked before, or the header alone.

    Raises
    ------
    FileError
        As in `open_file`.
    """
    try:
        read = integrity.check_once if whole else integrity.read_header
        stored = read(path).attributes
        require_kind(stored, path, encoding_type)
    except UnreadableError:
        raise
    except FileError as error:
        anew = ", which makes it anew" if isinstance(error, DamageError) else ""
        raise type(error)(f"{error}; {remedy}{anew}") from error
    return stored


def require_kind(attributes: Mapping[str, Any], path: Path, encoding_type: str) -> None:
    """Check that the attributes of a file are of this kind and version; FileError if not."""
    kind, version = attributes.get("encoding-type"), attributes.get("encoding-version")
    if (kind, version) != (encoding_type, ENCODING_VERSION):
        raise FileError(
            f"{path} is {kind!r} version {version!r}; wanted {encoding_type!r} version "
            f"{ENCODING_VERSION!r}; move it away, or use another run.folder"
        )


def stored_digest(path: Path, encoding_type: str, *, remedy: str) -> str:
    """The digest that a finished file carries; FileError as in `open_file`."""
    return str(stored_attributes(path, encoding_type, remedy=remedy)["digest"])


def require_cohort(attributes: Mapping[str, Any], path: Path, digest: str, *, remedy: str) -> None:
    """Check that the attributes of a file name a cohort.

    `digest` is the present cohort's, and `remedy` is what the message advises.

    Raises
    ------
    StaleError
        If they name another one.
    """
    stored = str(attributes.get("cohort_digest"))
    if stored != digest:
        msg = (
            f"{path} was made from another cohort (cohort_digest {stored[:12]}, wanted "
            f"{digest[:12]}); {remedy}, or use another run.folder"
        )
        raise StaleError(msg)
