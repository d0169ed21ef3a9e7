"""A list of files that belong together, with sizes and SHA-256; it is written last."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tumorcam.errors import FileError
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
    hdf5.write_text(path, json.dumps(content | {"digest": _digest(content)}, indent=1) + "\n")


def read_manifest(path: Path) -> Manifest:
    """Read the list that `write_manifest` wrote.

    Raises
    ------
    FileError
        If it is missing, damaged, or names a file outside its folder.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        digest = content.pop("digest")
        files = {name: Entry(**entry) for name, entry in content["files"].items()}
        made_from = dict(content["made_from"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path} is no readable list of files ({error})"
        raise FileError(msg) from error
    if digest != _digest(content):
        msg = f"{path} is damaged: its digest differs"
        raise FileError(msg)
    outside = [name for name in files if _leads_outside(name)]
    if outside:
        msg = f"{path} names {outside[0]}, which is refused because it is outside its folder"
        raise FileError(msg)
    return Manifest(files, made_from)


def _digest(content: Mapping[str, Any]) -> str:
    return integrity.text_digest(json.dumps(content, sort_keys=True))


def _leads_outside(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts
