"""Files of a run that are changed and sealed again, as another version could have written them."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from tumorcam.storage import integrity


@contextlib.contextmanager
def edited(path: Path, **attributes: Any) -> Iterator[h5py.File]:
    """An HDF5 file open for changes; at the end it gets a header for its bytes and attributes."""
    header = integrity.read_header(path)
    with h5py.File(path, "a") as file:
        yield file
        file.attrs.update(attributes)
        names = header.attributes.keys() | attributes.keys()
        of_root = {name: file.attrs[name] for name in names if name in file.attrs}
    with path.open("r+b") as stream:
        integrity.write_header(stream, header.n_bytes, header.attributes | of_root)


def set_attributes(path: Path, **attributes: Any) -> None:
    """Give an HDF5 file other root attributes."""
    with edited(path, **attributes):
        pass


def edit_json(path: Path, change: Any) -> None:
    """Change the content of a JSON file of a run, and give it a right digest."""
    content = json.loads(path.read_text(encoding="utf-8"))
    content.pop("digest")
    change(content)
    path.write_text(integrity.json_text(content), encoding="utf-8")
