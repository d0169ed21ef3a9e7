"""A list of files that belong together, with sizes and SHA-256; it is written last."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tumorcam.errors import DamageError, FileError, UnreadableError
from tumorcam.storage import hdf5, integrity

MANIFEST_TYPE, ENCODING_VERSION = "tumorcam-files", "1"
FILE_NAME = "files.json"


class Entry(NamedTuple):
    """Size in bytes and SHA-256 of a file."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Files by name, relative to the list's folder, and digests of what they were made from."""

    files: Mapping[str, Entry]
    made_from: Mapping[str, str]


def write_manifest(path: Path, names: Iterable[str], made_from: Mapping[str, str]) -> None:
    """Write the list of finished files, whole or not at all.

    Parameters
    ----------
    path : Path
        The list; it stands in the folder of the files.
    names : iterable of str
        The files, relative to that folder.
    made_from : mapping
        Name and digest of each file that they were made from; the digest of a missing one is empty.
        `config`, if there, is the settings that they were made with, as JSON.
    """
    files = {}
    for name in names:
        file = path.parent / name
        files[name] = Entry(file.stat().st_size, integrity.file_digest(file))._asdict()
    content = {
        "encoding-type": MANIFEST_TYPE,
        "encoding-version": ENCODING_VERSION,
        "made_from": dict(made_from),
        "files": files,
    }
    hdf5.write_text(path, integrity.json_text(content))


def read_manifest(path: Path) -> Manifest:
    """Read the list that `write_manifest` wrote.

    Raises
    ------
    FileError
        If it is missing or names a file outside its folder; DamageError if it is damaged, and
        UnreadableError if it cannot be read.
    """
    content = integrity.read_json(path)
    try:
        files = {str(name): Entry(**entry) for name, entry in content["files"].items()}
        made_from = dict(content["made_from"])
        is_known = content["encoding-type"] == MANIFEST_TYPE
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileError(f"{path} is no list of files of tumorcam ({error!r})") from error
    if not is_known:
        raise FileError(f"{path} is no list of files of tumorcam")
    outside = [name for name in files if _leads_outside(name)]
    if outside:
        msg = f"{path} names {outside[0]}, which is refused because it is outside its folder"
        raise FileError(msg)
    return Manifest(files, made_from)


def file_fault(path: Path, entry: Entry, *, whole: bool = True) -> str:
    """What is wrong with the bytes of a listed file; empty if nothing is.

    Parameters
    ----------
    whole : bool
        Whether every byte is checked, or the size alone.

    Raises
    ------
    UnreadableError, FileError
        As `integrity.require_regular`.
    """
    size = integrity.require_regular(path).st_size
    if size != entry.size:
        return f"{path} is damaged: it has {size:,} bytes, and had {entry.size:,}"
    if whole and integrity.file_digest(path) != entry.sha256:
        return f"{path} is damaged: its SHA-256 differs"
    return ""


def require_as_listed(path: Path, *, remedy: str) -> None:
    """Check a file against the list beside it, if there is one that names it.

    Raises
    ------
    FileError
        If the file is missing; DamageError if it or the list is damaged, and UnreadableError if one
        of them cannot be read.
    """
    listed = path.with_name(FILE_NAME)
    if not os.path.lexists(listed):
        return
    try:
        entry = read_manifest(listed).files.get(path.name)
        fault = file_fault(path, entry) if entry else ""
    except UnreadableError:
        raise
    except FileError as error:
        raise type(error)(f"{error}; {remedy}") from error
    if fault:
        raise DamageError(f"{fault}; {remedy}")


def _leads_outside(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or "\0" in name or not name
