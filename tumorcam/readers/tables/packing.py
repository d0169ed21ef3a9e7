"""Text files as they are or packed by gzip, bzip2, xz, zstd or zip, told by their content."""

import bz2
import contextlib
import io
import itertools
import lzma
import zipfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa
from isal import igzip_lib

from tumorcam.cluster.ahead import ahead
from tumorcam.cluster.logs import logger
from tumorcam.errors import InputError
from tumorcam.readers.files import INPUT, open_input
from tumorcam.readers.tables import kinds
from tumorcam.readers.wording import listed, plain

BLOCK_BYTES = 2**20  # that are unpacked at once
N_AHEAD = 16  # unpacked blocks that wait for their reader
HEAD_BYTES = 2**16  # of the text, by which its kind is told
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZIP_MAGICS = (b"PK\3\4", b"PK\5\6")
ISAL_ERROR: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]
FAULTS = (EOFError, OSError, lzma.LZMAError, ISAL_ERROR, zipfile.BadZipFile)


class Decompressor(Protocol):
    """What isal, bz2 and lzma have in common: it unpacks a stream of bytes step by step."""

    @property
    def eof(self) -> bool:
        """Whether the stream is complete."""

    @property
    def needs_input(self) -> bool:
        """Whether `decompress` needs more data to go on."""

    @property
    def unused_data(self) -> bytes:
        """The data that came after the end of the stream."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Unpack data, or what is left of earlier data, to at most that many bytes."""


STREAMS: dict[bytes, Callable[[], Decompressor]] = {
    b"\x1f\x8b": lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lzma.LZMADecompressor,
}


@contextlib.contextmanager
def open_unpacked(path: Path, setting: str = INPUT) -> Iterator[BinaryIO]:
    """The bytes of a text file, plain or packed by gzip, bzip2, xz, zstd or zip with one member.

    The packing is told by the content, whatever the file's name. A thread of its own unpacks ahead
    of the reader. Zeros and other bytes after the end of a packed stream are left out; other bytes
    are reported in the log.

    Parameters
    ----------
    setting : str
        The settings that name the file, for messages.

    Raises
    ------
    InputError
        If the file cannot be read, is empty, is damaged or cut off, or is no text in UTF-8.
    """
    with open_input(path, setting) as raw:
        blocks = _unpacked(raw, path, setting)
        if blocks is None:
            _check_text(raw.peek(HEAD_BYTES), path, setting)
            yield raw
            return
        unpacked = ahead(lambda _: next(blocks, b""), itertools.count(), N_AHEAD)
        with io.BufferedReader(_Stream(unpacked), HEAD_BYTES) as stream:
            head = stream.peek(HEAD_BYTES)
            if head.startswith(HDF5_MAGIC):
                msg = f"{plain(str(path))} is a packed HDF5 file; unpack it (gunzip), then name it"
                raise InputError(msg)
            _check_text(head, path, setting)
            yield stream


def _check_text(head: bytes, path: Path, setting: str) -> None:
    if not head:
        msg = f"{plain(str(path))} is empty; check {setting}, or download or write it again"
        raise InputError(msg)
    if fault := kinds.no_text(head):
        raise InputError(f"{plain(str(path))} {fault} (see {setting})")


def _unpacked(raw: io.BufferedReader, path: Path, setting: str) -> Iterator[bytes] | None:
    """The unpacked blocks of a file; None if it is not packed."""
    head = raw.peek(HEAD_BYTES)
    for magic, decompressor in STREAMS.items():
        if head.startswith(magic):
            return _guarded(_members(raw, magic, decompressor, path), path, setting)
    if head.startswith(ZSTD_MAGIC):
        return _guarded(_zstd(raw), path, setting)
    if head.startswith(ZIP_MAGICS):
        return _guarded(_zip_member(raw, path), path, setting)
    return None


def _guarded(blocks: Iterator[bytes], path: Path, setting: str) -> Iterator[bytes]:
    """The blocks; any fault of the packing becomes an InputError."""
    try:
        yield from filter(None, blocks)
    except FAULTS as error:
        msg = (
            f"{plain(str(path))} is damaged: its packed stream is cut off or broken "
            f"({plain(' '.join(str(error).split()))}); download or write it again (see {setting})"
        )
        raise InputError(msg) from error
    except (RuntimeError, NotImplementedError) as error:  # of zipfile
        msg = (
            f"{plain(str(path))} cannot be unpacked ({plain(str(error))}); unpack it first (see "
            f"{setting})"
        )
        raise InputError(msg) from error


def _members(
    raw: BinaryIO, magic: bytes, new: Callable[[], Decompressor], path: Path
) -> Iterator[bytes]:
    """The blocks of all members of a packed file, one after the other."""
    data = raw.read(BLOCK_BYTES)
    while data:
        if not data.startswith(magic):
            logger.warning("%s: bytes after the end of its packed stream are left out", path.name)
            return
        member = new()
        while not member.eof:
            if member.needs_input and not data and not (data := raw.read(BLOCK_BYTES)):
                raise EOFError("the file ends within it")
            yield member.decompress(data, BLOCK_BYTES)
            data = b""
        data = member.unused_data.lstrip(b"\0") or raw.read(BLOCK_BYTES).lstrip(b"\0")
        if len(data) < len(magic):
            data += raw.read(BLOCK_BYTES)


def _zstd(raw: BinaryIO) -> Iterator[bytes]:
    stream = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")
    while block := stream.read(BLOCK_BYTES):
        yield block


def _zip_member(raw: io.BufferedReader, path: Path) -> Iterator[bytes]:
    """The blocks of the one file within a zip archive."""
    head = raw.peek(HEAD_BYTES)
    for suffix, mark, kind in kinds.ZIP_KINDS:
        if mark in head or path.suffix.lower() == suffix:
            raise InputError(f"{plain(str(path))} is {kind}")
    with zipfile.ZipFile(raw) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        tables = [name for name in names if not _is_of_macos(name)]
        if len(tables) != 1:
            msg = (
                f"{plain(str(path))} is a zip archive of {len(tables)} files "
                f"({listed(tables)}); wanted exactly one: unpack it and name its files"
            )
            raise InputError(msg)
        with archive.open(tables[0]) as member:
            while block := member.read(BLOCK_BYTES):
                yield block


def _is_of_macos(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.endswith(".DS_Store")


class _Stream(io.RawIOBase):
    """A stream of the bytes of blocks.

    Parameters
    ----------
    blocks : generator of bytes
        Empty ones follow the last. It is closed with the stream.
    """

    def __init__(self, blocks: Generator[bytes, None, None]) -> None:
        self._blocks, self._block = blocks, memoryview(b"")

    def readable(self) -> bool:
        """True: it is a stream to read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer with the next bytes; 0 at the end."""
        if not self._block:
            self._block = memoryview(next(self._blocks))
        n_bytes = min(len(buffer), len(self._block))
        buffer[:n_bytes] = self._block[:n_bytes]
        self._block = self._block[n_bytes:]
        return n_bytes

    def close(self) -> None:
        """Stop unpacking."""
        self._blocks.close()
        super().close()
