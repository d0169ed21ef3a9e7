"""HDF5 files that are whole or absent: written aside, sealed with a digest, checked when read."""

import contextlib
import errno
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pandas as pd

from tumorcam.errors import FileError
from tumorcam.storage import disk

ENCODING_VERSION = "1"
COMPRESSION: dict[str, dict[str, Any]] = {
    "none": {},
    "gzip": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
    "bitshuffle-lz4": dict(hdf5plugin.Bitshuffle()),
    "blosc2-zstd": dict(hdf5plugin.Blosc2(cname="zstd", clevel=1)),
}
SEALS = ("digest", "complete")  # root attributes written last
SEAL_BYTES = 512  # before HDF5's own, its smallest user block: SHA-256 of all bytes behind it
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"  # where a file without a seal begins
BLOCK_BYTES = 64 * 2**20  # read at once while digesting


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
    with write_aside(path, needed=needed) as aside, disk.Output(aside) as output:
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
        seal = _seal(output)
        output.seek(0)
        output.write(seal)


@contextlib.contextmanager
def open_file(path: Path, encoding_type: str, *, remedy: str) -> Iterator[h5py.File]:
    """A finished HDF5 file of the given kind, for reading.

    Raises
    ------
    FileError
        If it is missing, damaged, incomplete, of another kind or version, or links to files
        elsewhere; the message ends with `remedy`. Damage met while reading is reported alike.
    """
    if not path.exists():
        msg = f"{path} does not exist; {remedy}"
        raise FileError(msg)
    try:
        with h5py.File(path, "r") as file:
            _check_header(file, path, encoding_type, remedy)
            _refuse_links(file, path)
            yield file
    except FileError:
        raise
    except (OSError, KeyError) as error:  # h5py's for damage and for datasets that are not there
        msg = f"{path} cannot be read ({error}); delete it, then {remedy}"
        raise FileError(msg) from error


def is_whole(path: Path, encoding_type: str, attributes: Mapping[str, Any]) -> bool:
    """Whether `path` is a finished file of this kind whose root attributes are as given."""
    try:
        with open_file(path, encoding_type, remedy="") as file:
            return all(file.attrs.get(name) == value for name, value in attributes.items())
    except FileError:
        return False


def stored_digest(path: Path, encoding_type: str, *, remedy: str) -> str:
    """The digest that a finished file carries; FileError as in `open_file`."""
    with open_file(path, encoding_type, remedy=remedy) as file:
        return str(file.attrs["digest"])


def verify_file(path: Path) -> None:
    """Read every byte of a file and compare with its seal, then its datasets with its digest.

    Raises
    ------
    FileError
        If a checksum, the seal or the digest differs.
    """
    check_seal(path)
    check_content(path)


def check_content(path: Path) -> None:
    """Read all datasets of a file and compare with its digest; FileError as in `verify_file`."""
    try:
        with h5py.File(path, "r") as file:
            _refuse_links(file, path)
            found, wanted = content_digest(file), file.attrs.get("digest")
            complete = file.attrs.get("complete", False)
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, SystemError) as error:  # h5py's
        msg = f"{path} is damaged ({error}); delete it and rerun the job that writes it"
        raise FileError(msg) from error
    if found != wanted or not complete:
        msg = f"{path} is damaged: its digest differs; delete it and rerun the job that writes it"
        raise FileError(msg)


def check_seal(path: Path) -> None:
    """Read every byte of a file and compare with its seal, without HDF5.

    HDF5 trusts what describes the data: one wrong bit there can end the process or make it loop.
    Files of versions before the seal pass.

    Raises
    ------
    FileError
        If a byte is not the one that was written, or the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(SEAL_BYTES)
            is_sound = start.startswith(HDF5_SIGNATURE) or start == _seal(stream)
    except OSError as error:
        msg = f"{path} cannot be read ({error}); delete it and rerun the job that writes it"
        raise FileError(msg) from error
    if not is_sound:
        msg = f"{path} is damaged: its seal differs; delete it and rerun the job that writes it"
        raise FileError(msg)


def write_dataset(
    group: h5py.Group,
    name: str,
    values: Any,
    *,
    chunks: tuple[int, ...] | None = None,
    compression: str = "none",
) -> None:
    """Write an array with a checksum on every chunk; strings become fixed-width UTF-8."""
    array = np.asarray(values)
    if array.dtype.kind in "UO":
        array = np.char.encode(array.astype(str), "utf-8")
    if array.dtype.kind == "S" and array.dtype.itemsize == 0:
        array = array.astype("S1")
    if array.ndim == 0 or array.size == 0:
        group.create_dataset(name, data=array)
        return
    whole = tuple(
        min(wanted, n) for wanted, n in zip(chunks or array.shape, array.shape, strict=True)
    )
    group.create_dataset(
        name, data=array, chunks=whole, fletcher32=True, **COMPRESSION[compression]
    )


def read_strings(dataset: h5py.Dataset) -> np.ndarray:
    """A string dataset as an array of str."""
    return np.char.decode(dataset[...], "utf-8") if dataset.size else np.empty(0, dtype=str)


def write_table(group: h5py.Group, table: pd.DataFrame) -> None:
    """Write each column of a table as a dataset, in order."""
    group.attrs["columns"] = json.dumps(list(table.columns))
    for column in table.columns:
        write_dataset(group, column, table[column].to_numpy())


def read_table(group: h5py.Group) -> pd.DataFrame:
    """The table that `write_table` wrote."""
    columns = json.loads(group.attrs["columns"])
    return pd.DataFrame(
        {
            name: read_strings(group[name]) if group[name].dtype.kind == "S" else group[name][...]
            for name in columns
        }
    )


def content_digest(file: h5py.File) -> str:
    """SHA-256 over every dataset (name, type, shape, bytes) and attribute of a file.

    `digest` and `complete` at the root are left out: they are written after it. A virtual
    dataset counts by its sources, which have digests of their own.
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


def _refuse_links(file: h5py.File, path: Path) -> None:
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


def _seal(stream: Any) -> bytes:
    """The first bytes of a file, as text, by those behind them; `tail -c +513` shows the latter."""
    stream.seek(SEAL_BYTES)
    digest = hashlib.file_digest(stream, "sha256").hexdigest()
    text = f"tumorcam; SHA-256 of all after the first {SEAL_BYTES} bytes: {digest}\n"
    return text.encode().ljust(SEAL_BYTES, b"\0")
