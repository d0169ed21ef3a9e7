"""The SHA-256 of each file that a cohort was read from, in a list beside the logs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tumorcam.errors import FileError
from tumorcam.storage import hdf5, integrity


@dataclass(frozen=True)
class InputFiles:
    """The files of an input as they were read.

    Attributes
    ----------
    input_digest : str
        The digest of all of them together, which cohort.h5 carries as its `input_digest`.
    files : mapping
        SHA-256 by path, in the order of reading.
    """

    input_digest: str
    files: Mapping[str, str]


def write_input_files(path: Path, record: InputFiles) -> None:
    """Write the list whole or not at all."""
    content = {"input_digest": record.input_digest, "files": dict(record.files)}
    hdf5.write_text(path, integrity.json_text(content))


def read_input_files(path: Path, input_digest: str) -> InputFiles | None:
    """The list of `write_input_files`; None where it is missing, damaged, or of another input."""
    try:
        content = integrity.read_json(path)
        record = InputFiles(str(content["input_digest"]), dict(content["files"]))
    except (FileError, KeyError, TypeError, ValueError):  # the results do not depend on it
        return None
    return record if record.input_digest == input_digest else None
