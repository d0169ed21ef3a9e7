"""Lists of files that belong together: names, sizes and SHA-256, written after the last of them."""

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
    """Files by their names relative to the manifest's folder, and digests of what they show."""

    files: Mapping[str, Entry]
    made_from: Mapping[str, str]


def write_manifest(path: Path, names: Iterable[str], made_from: Mapping[str, str]) -> None:
    """List finished files of the folder of `path`, whole or not at all.

    Parameters
    ----------
    made_from : mapping
        Digests of the files that they were made from, by a name; empty for one that was not there.
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
    """The list that `write_manifest` wrote.

    Raises
    ------
    FileError
        If it is missing, damaged, or names a file outside its folder.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        wanted = content.pop("digest")
        files = {name: Entry(**entry) for name, entry in content["files"].items()}
        made_from = dict(content["made_from"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path} is no readable list of files ({error})"
        raise FileError(msg) from error
    if wanted != _digest(content):
        msg = f"{path} is damaged: its digest differs"
        raise FileError(msg)
    outside = [name for name in files if _leads_outside(name)]
    if outside:
        msg = f"{path} names {outside[0]}, which is outside its folder and refused"
        raise FileError(msg)
    return Manifest(files, made_from)


def _digest(content: Mapping[str, Any]) -> str:
    return integrity.text_digest(json.dumps(content, sort_keys=True))


def _leads_outside(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts
