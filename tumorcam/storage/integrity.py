"""Digests and headers: SHA-256 sums by which damage of a file is detected.

Every HDF5 file of a run begins with a header of text, in what HDF5 calls the user block:

    tumorcam; SHA-256 of the 8192 bytes behind the first 4096: 6b86b273...
    {"encoding-type": "tumorcam-shard", ...}
    SHA-256 of the two lines above: d4735e3a...

So what a file is, and what it was made from and with, is read without HDF5, and every byte can be
checked with `tail -c +4097 FILE | sha256sum`. HDF5 trusts what describes the data: one wrong bit
there can crash the process or make it loop, and where the list of a dataset's chunks is lost it
reads zeros. So HDF5 opens no file before its header has been held against its bytes.
"""

import hashlib
import io
import json
import math
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from tumorcam.cluster.ahead import ahead
from tumorcam.errors import DamageError, FileError, MissingError, UnreadableError

MIN_HEADER = 512  # bytes: HDF5's smallest user block; the others are its doubles
MAX_HEADER = 2**30
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"  # where a file without a header begins
FIRST_LINE = re.compile(
    rb"tumorcam; SHA-256 of the (\d{1,18}) bytes behind the first (\d{3,10}): ([0-9a-f]{64})\n"
)
OLD_FIRST_LINE = b"tumorcam; SHA-256 of all after the first 512 bytes: "  # of version 0.1
BLOCK_BYTES = 16 * 2**20  # of a dataset, read at once while digesting
READ_BYTES = 4 * 2**20  # of a file
UNDIGESTED = set("digest complete CLASS NAME DIMENSION_LIST REFERENCE_LIST".split())  # attributes
OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC  # opening waits for nobody
KINDS = {  # of what a path may be instead of a regular file
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


Identity = tuple[str, int, int, int]  # path, inode, size, time of the last change
CHECKED: dict[Identity, "Header"] = {}  # by this process, or by a rank that told it


def require_regular(path: Path) -> os.stat_result:
    """Check that a path is a regular file, without opening it; its status.

    Raises
    ------
    UnreadableError
        If it is something else, such as a named pipe, which a reader would wait for, or if the
        system does not tell.
    FileError
        If it does not exist.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        fault = "is a link that leads nowhere" if path.is_symlink() else "does not exist"
        raise MissingError(f"{path} {fault}") from None
    except OSError as error:
        raise unreadable(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        msg = f"{path} is {kind}; wanted a regular file; move it away"
        raise UnreadableError(msg)
    return status


def open_regular(path: Path) -> io.BufferedReader:
    """Open a regular file for reading; errors as `require_regular`."""
    require_regular(path)
    try:
        return os.fdopen(os.open(path, OPEN_FLAGS), "rb")
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> UnreadableError:
    """The error for a file that the system does not let this process read; the caller raises it."""
    reason = error.strerror or str(error)
    return UnreadableError(
        f"{path} cannot be read ({reason}), which says nothing about what is in it; see to its "
        "permissions, the disk and the limit of open files (ulimit -n), then rerun"
    )


def read_bytes(path: Path) -> bytes:
    """All bytes of a regular file; errors as `require_regular`."""
    with open_regular(path) as stream:
        try:
            return stream.read()
        except OSError as error:
            raise unreadable(path, error) from error


class Header(NamedTuple):
    """The header of a file: its own size and that of the rest, the SHA-256 of the rest, and text.

    `attributes` are those of the file's root group.
    """

    n_bytes: int
    n_behind: int
    sha256: str
    attributes: dict[str, Any]


def header_size(attributes: Mapping[str, Any]) -> int:
    """Bytes of a header with these attributes and a digest."""
    size = MIN_HEADER
    while size < len(_header_text(0, 0, "0" * 64, attributes)) + 128:
        size *= 2
    return size


def write_header(stream: Any, n_bytes: int, attributes: Mapping[str, Any]) -> None:
    """Write the header of a file whose other bytes are written.

    Parameters
    ----------
    stream : binary file
        Open for reading and writing.
    n_bytes : int
        From `header_size`.
    """
    stream.seek(n_bytes)
    digest = _stream_digest(stream)
    n_behind = stream.seek(0, os.SEEK_END) - n_bytes
    stream.seek(0)
    stream.write(_header_text(n_bytes, n_behind, digest, attributes).ljust(n_bytes, b"\0"))


def read_header(path: Path) -> Header:
    """The header of a file, checked against itself and the size of the file, but not its data.

    Raises
    ------
    DamageError
        If a byte of the header has changed, or the file has another size than when it was written.
    UnreadableError
        If the file cannot be read, or is no regular file.
    FileError
        If it does not exist, or has no header: then another program or version wrote it.
    """
    with open_regular(path) as stream:
        return _header_of(stream, path)


def check_seal(path: Path) -> Header:
    """Check every byte of a file against its header, without HDF5; returns the header.

    Raises
    ------
    DamageError
        If a byte has changed since the file was written.
    UnreadableError, FileError
        As in `read_header`.
    """
    with open_regular(path) as stream:
        header = _header_of(stream, path)
        try:
            stream.seek(header.n_bytes)
            is_sound = _stream_digest(stream) == header.sha256
        except OSError as error:
            raise unreadable(path, error) from error
    if not is_sound:
        raise DamageError(f"{path} is damaged: its SHA-256 is not the one in its header")
    return header


def _header_text(n_bytes: int, n_behind: int, digest: str, attributes: Mapping[str, Any]) -> bytes:
    content = json.dumps(attributes, sort_keys=True, default=_plain)
    lines = f"tumorcam; SHA-256 of the {n_behind} bytes behind the first {n_bytes}: {digest}\n"
    lines += f"{content}\n"
    return f"{lines}SHA-256 of the two lines above: {text_digest(lines)}\n".encode()


def _header_of(stream: io.BufferedReader, path: Path) -> Header:
    try:
        size = os.fstat(stream.fileno()).st_size
        start = stream.read(MIN_HEADER)
        first = FIRST_LINE.match(start)
        n_behind, n_bytes, digest = first.groups() if first else (b"0", b"0", b"")
        if first and int(n_bytes) + int(n_behind) == size and int(n_bytes) <= MAX_HEADER:
            start += stream.read(int(n_bytes) - MIN_HEADER)
    except OSError as error:
        raise unreadable(path, error) from error
    if start.startswith((HDF5_SIGNATURE, OLD_FIRST_LINE)):
        msg = f"{path} has no header: another program or version of tumorcam wrote it"
        raise FileError(f"{msg}; move it away, or use another run.folder")
    if first is None:
        raise DamageError(f"{path} is damaged: its header is not one of tumorcam")
    if int(n_bytes) + int(n_behind) != size:
        whole = int(n_bytes) + int(n_behind)
        raise DamageError(f"{path} is damaged: it has {size:,} bytes, and had {whole:,}")
    try:
        attributes = json.loads(start.split(b"\n")[1])
        text = _header_text(int(n_bytes), int(n_behind), digest.decode(), attributes)
        is_sound = start == text.ljust(int(n_bytes), b"\0")
    except (ValueError, IndexError, TypeError, RecursionError):
        is_sound = False
    if not is_sound:
        raise DamageError(f"{path} is damaged: its header has changed")
    return Header(int(n_bytes), int(n_behind), digest.decode(), attributes)


def check_once(path: Path) -> Header:
    """Check every byte of a file and what its datasets lead to, once a process and file.

    Returns the header; errors as in `check_whole`.
    """
    status = require_regular(path)
    identity = str(path), status.st_ino, status.st_size, status.st_mtime_ns
    if identity not in CHECKED:  # also where the file has changed since
        CHECKED[identity] = check_whole(path)
    return CHECKED[identity]


def check_whole(path: Path) -> Header:
    """Check every byte of a file, then what its datasets lead to.

    Errors as in `check_seal` and `refuse_links`.
    """
    header = check_seal(path)
    with open_hdf5(path) as file:
        refuse_links(file, path, gaps=True)
    return header


def open_hdf5(path: Path) -> h5py.File:
    """Open a checked HDF5 file for reading; UnreadableError where HDF5 cannot."""
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise unreadable(path, error) from error


def content_digest(file: h5py.File) -> str:
    """SHA-256 over every dataset (name, type, shape, bytes) and attribute of a file.

    The root attributes `digest` and `complete` are left out, since they are written later, and so
    are the references between datasets and their dimensions. Of a virtual dataset only the names of
    its sources count: those files have digests of their own.
    """
    hasher = hashlib.sha256()
    names: list[str] = []
    file.visit(names.append)
    for name in ["/", *sorted(names)]:
        item = file[name]
        attributes = {k: _plain(item.attrs[k]) for k in item.attrs if k not in UNDIGESTED}
        hasher.update(json.dumps([name, attributes], sort_keys=True).encode())
        if isinstance(item, h5py.Dataset):
            hasher.update(f"{item.dtype.str}{item.shape}".encode())
            for part in _parts(item):
                hasher.update(part)
    return hasher.hexdigest()


def refuse_links(file: h5py.File, path: Path, *, gaps: bool = False) -> None:
    """Refuse external links, external storage, and virtual sources outside the run's folder.

    Parameters
    ----------
    gaps : bool
        Whether datasets without all their data are refused, too. HDF5 reads a chunk that was never
        written as zeros; no writer of a run leaves one out.

    Raises
    ------
    FileError
        If there is one of these; the message names it.
    DamageError
        If HDF5 cannot go through the file; UnreadableError if the system is at fault.
    """
    faults: list[str] = []

    def look(name: bytes, link: Any) -> None:  # h5py's low level takes a quarter of the time
        is_hard = link.type == h5py.h5l.TYPE_HARD
        item = h5py.h5o.open(file.id, name) if is_hard else None
        is_dataset = isinstance(item, h5py.h5d.DatasetID)
        if not is_hard or (is_dataset and _leads_outside(item)):
            faults.append(f"/{name.decode()} points outside the file, which is refused")
        elif gaps and is_dataset and _lacks_data(item):
            faults.append(f"/{name.decode()} lacks data that its shape promises")

    visit(path, lambda: file.id.links.visit(look, info=True))
    if faults:
        raise FileError(f"{path}:{faults[0]}")


def visit(path: Path, call: Callable[[], Any]) -> None:
    """Call a function that goes through an open HDF5 file; errors as `refuse_links`."""
    try:
        call()
    except OSError as error:
        raise unreadable(path, error) from error
    except (KeyError, RuntimeError, ValueError, TypeError, SystemError) as error:  # h5py's
        raise DamageError(f"{path} is damaged ({error})") from error


def _leads_outside(dataset: h5py.h5d.DatasetID) -> bool:
    creation = dataset.get_create_plist()
    is_virtual = creation.get_layout() == h5py.h5d.VIRTUAL
    n_sources = creation.get_virtual_count() if is_virtual else 0
    sources = [Path(creation.get_virtual_filename(i)) for i in range(n_sources)]
    is_outside = any(source.is_absolute() or ".." in source.parts for source in sources)
    return is_outside or creation.get_external_count() > 0


def _lacks_data(dataset: h5py.h5d.DatasetID) -> bool:
    creation, size = dataset.get_create_plist(), dataset.get_space().get_simple_extent_npoints()
    if creation.get_layout() == h5py.h5d.VIRTUAL or not size:
        return False
    if creation.get_layout() != h5py.h5d.CHUNKED:
        return bool(dataset.get_storage_size() != size * dataset.get_type().get_size())
    steps = zip(dataset.shape, creation.get_chunk(), strict=True)
    return bool(dataset.get_num_chunks() != math.prod(-(-n // step) for n, step in steps))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of a run, without its digest, which is checked.

    Raises
    ------
    DamageError
        If it is no JSON object, or its digest differs.
    UnreadableError, FileError
        As `require_regular`.
    """
    try:
        content = json.loads(read_bytes(path))
        digest = content.pop("digest")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamageError(f"{path} is damaged: it is no JSON with a digest") from error
    if digest != _json_digest(content):
        raise DamageError(f"{path} is damaged: its digest differs")
    return dict(content)


def json_text(content: Mapping[str, Any]) -> str:
    """An object as a JSON file that `read_json` reads, with its digest."""
    return json.dumps(dict(content) | {"digest": _json_digest(content)}, indent=1) + "\n"


def _json_digest(content: Mapping[str, Any]) -> str:
    return text_digest(json.dumps(content, sort_keys=True))


def text_digest(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a regular file's bytes; errors as `require_regular`."""
    with open_regular(path) as stream:
        try:
            return _stream_digest(stream)
        except OSError as error:
            raise unreadable(path, error) from error


def _stream_digest(stream: io.BufferedReader) -> str:
    """SHA-256 of the rest of a stream, in parts so large that threads seldom wait for another."""
    hasher, buffer = hashlib.sha256(), memoryview(bytearray(READ_BYTES))
    while n_read := stream.readinto(buffer):
        hasher.update(buffer[:n_read])
    return hasher.hexdigest()


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
    starts = range(0, dataset.shape[0], step)
    yield from ahead(lambda row: np.ascontiguousarray(dataset[row : row + step]).tobytes(), starts)


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
