"""Digests and seals: SHA-256 sums by which damage of a file is detected."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tumorcam.errors import FileError

SEAL_BYTES = 512  # before HDF5's own, its smallest user block: SHA-256 of all bytes behind it
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"  # where a file without a seal begins
BLOCK_BYTES = 64 * 2**20  # read at once while digesting


def verify_file(path: Path) -> str:
    """Check every byte of a file against its seal, then all datasets against its digest.

    Returns
    -------
    str
        The digest.

    Raises
    ------
    FileError
        If a checksum, the seal or the digest differs.
    """
    check_seal(path)
    return check_content(path)


def check_content(path: Path) -> str:
    """Check all datasets of a file against its digest, and return it; errors as `verify_file`."""
    try:
        with h5py.File(path, "r") as file:
            refuse_links(file, path)
            digest = content_digest(file)
            is_sound = digest == file.attrs.get("digest")
            is_complete = file.attrs.get("complete", False)
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, SystemError) as error:  # h5py's
        msg = f"{path} is damaged ({error}); delete it and rerun the job that writes it"
        raise FileError(msg) from error
    if not is_sound or not is_complete:
        msg = f"{path} is damaged: its digest differs; delete it and rerun the job that writes it"
        raise FileError(msg)
    return digest


def check_seal(path: Path) -> None:
    """Check every byte of a file against its seal, without HDF5.

    HDF5 trusts the metadata of a file: one wrong bit in it can crash the process or make it loop.
    A file that begins with HDF5's own signature has no seal, and passes.

    Raises
    ------
    FileError
        If a byte has changed since the file was written, or the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(SEAL_BYTES)
            is_sound = start.startswith(HDF5_SIGNATURE) or start == seal(stream)
    except OSError as error:
        msg = f"{path} cannot be read ({error}); delete it and rerun the job that writes it"
        raise FileError(msg) from error
    if not is_sound:
        msg = f"{path} is damaged: its seal differs; delete it and rerun the job that writes it"
        raise FileError(msg)


def content_digest(file: h5py.File) -> str:
    """SHA-256 over every dataset (name, type, shape, bytes) and attribute of a file.

    The root attributes `digest` and `complete` are left out, since they are written later. Of a
    virtual dataset only the names of its sources count: those files have digests of their own.
    """
    hasher = hashlib.sha256()
    names: list[str] = []
    file.visit(names.append)
    for name in ["/", *sorted(names)]:
        item = file[name]
        attributes = {
            k: _plain(v) for k, v in item.attrs.items() if k not in ("digest", "complete")
        }
        hasher.update(json.dumps([name, attributes], sort_keys=True).encode())
        if isinstance(item, h5py.Dataset):
            hasher.update(f"{item.dtype.str}{item.shape}".encode())
            for part in _parts(item):
                hasher.update(part)
    return hasher.hexdigest()


def refuse_links(file: h5py.File, path: Path) -> None:
    """Refuse external links, external storage, and virtual sources outside the run's folder."""
    links: list[str] = []
    file.visititems_links(
        lambda name, link: links.append(name) if not isinstance(link, h5py.HardLink) else None
    )
    datasets: list[str] = []
    file.visititems(lambda name, item: datasets.append(name) if _leads_outside(item) else None)
    if links or datasets:
        msg = f"{path}:/{(links + datasets)[0]} points outside the file, which is refused"
        raise FileError(msg)


def _leads_outside(item: h5py.Group | h5py.Dataset) -> bool:
    if not isinstance(item, h5py.Dataset):
        return False
    sources = [Path(s.file_name) for s in item.virtual_sources()] if item.is_virtual else []
    return bool(item.external) or any(s.is_absolute() or ".." in s.parts for s in sources)


def carried_digest(path: Path) -> str:
    """The digest that a file carries, unchecked; "" if the file is missing or unreadable."""
    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs.get("digest", ""))
    except OSError:
        return ""


def text_digest(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _parts(dataset: h5py.Dataset) -> Iterator[bytes]:
    if dataset.is_virtual:
        sources = dataset.virtual_sources()
        places = [(s.file_name, s.dset_name, s.vspace.get_select_bounds()) for s in sources]
        yield repr(places).encode()
        return
    if dataset.ndim == 0 or dataset.size == 0:
        yield np.asarray(dataset[()]).tobytes()
        return
    row_bytes = max(1, dataset.nbytes // dataset.shape[0])
    chunk_rows = dataset.chunks[0] if dataset.chunks else 1
    step = max(chunk_rows, BLOCK_BYTES // row_bytes // chunk_rows * chunk_rows)
    for start in range(0, dataset.shape[0], step):
        yield np.ascontiguousarray(dataset[start : start + step]).tobytes()


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def seal(stream: Any) -> bytes:
    """The seal of a file: a line with the SHA-256 of all bytes behind it (`tail -c +513 FILE`)."""
    stream.seek(SEAL_BYTES)
    digest = hashlib.file_digest(stream, "sha256").hexdigest()
    text = f"tumorcam; SHA-256 of all after the first {SEAL_BYTES} bytes: {digest}\n"
    return text.encode().ljust(SEAL_BYTES, b"\0")
