"""Download files of the GDC in parallel, resume them where they stopped, check size and MD5."""

import contextlib
import fcntl
import hashlib
import multiprocessing
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.pool import IMapIterator, ThreadPool
from pathlib import Path

import requests

from tumorcam.cluster.preemption import deferred_stop
from tumorcam.errors import FileError, PreemptedError, TransientError, TumorcamError, foreseeable
from tumorcam.operations.gdc_query import GdcFile
from tumorcam.operations.gdc_server import GdcServer
from tumorcam.storage import disk

CHUNK = 2**15  # bytes; a process that is killed loses less than this
TICK = 0.1  # seconds between two looks at signals and progress
MAX_FAILED_IN_A_ROW = 20  # then the server or the disk is at fault, and the rest is not tried
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")

Report = Callable[[int], None]


@dataclass(frozen=True)
class Outcome:
    """What became of a file: fetched, there already, or why not."""

    file: GdcFile
    is_fetched: bool = False
    error: str = ""
    is_full: bool = False


def path_of(folder: Path, file: GdcFile) -> Path:
    """Where a file lies, as gdc-client lays it out."""
    return folder / file.file_id / file.name


def part_of(folder: Path, file: GdcFile) -> Path:
    """Where its first bytes lie until it is whole."""
    return folder / file.file_id / f".{file.name}{disk.PART}"


def bytes_to_fetch(folder: Path, files: Sequence[GdcFile]) -> int:
    """Bytes that are not on the disk yet, by the sizes of what is there."""
    return sum(
        file.size - min(file.size, _size(part_of(folder, file)))
        for file in files
        if _size(path_of(folder, file)) != file.size
    )


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a second process out of a folder, where its file system has locks.

    Raises
    ------
    FileError
        If another process holds the folder.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        msg = f"another process fetches files into {folder} now; wait for it, or stop it"
        raise FileError(msg) from error
    except OSError:  # no locks here
        pass
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def download(
    server: GdcServer,
    files: Sequence[GdcFile],
    folder: Path,
    *,
    parallel: int,
    show: Callable[[int, int], None],
) -> list[Outcome]:
    """Bring all files into a folder, as FOLDER/ID/NAME; what became of each that was tried.

    Call it in the main thread. A file with the right size and MD5 is not fetched again.

    Parameters
    ----------
    parallel : int
        Files at the same time.
    show : callable
        Called with the bytes that are there and the bytes of all files, several times a second.

    Raises
    ------
    FileError
        If the disk is full.
    PreemptedError
        If a signal came; parts of files stay, and the next call goes on with them.
    """
    sizes = dict.fromkeys((file.file_id for file in files), 0)
    n_bytes = sum(file.size for file in files)

    def bring(file: GdcFile) -> Outcome:
        def report(size: int) -> None:
            sizes[file.file_id] = size

        return _outcome(server, file, folder, report)

    outcomes: list[Outcome] = []
    n_failed = 0
    try:  # the pool's threads are daemons: the process can end while they wait for the network
        with deferred_stop() as received, ThreadPool(parallel) as pool:
            results = pool.imap_unordered(bring, files)
            while len(outcomes) < len(files) and n_failed < MAX_FAILED_IN_A_ROW:
                outcome = _next(results)
                show(sum(sizes.values()), n_bytes)
                if received():
                    msg = f"stopped by {received()} after {len(outcomes)} of {len(files)} files"
                    raise PreemptedError(msg, received())
                if outcome is None:
                    continue
                outcomes.append(outcome)
                n_failed = n_failed + 1 if outcome.error else 0
                if outcome.is_full:
                    raise FileError(outcome.error)
    finally:
        server.stop.set()
    return outcomes


def _next(results: "IMapIterator[Outcome]") -> Outcome | None:
    try:
        return results.next(timeout=TICK)
    except multiprocessing.TimeoutError:
        return None


def _outcome(server: GdcServer, file: GdcFile, folder: Path, report: Report) -> Outcome:
    try:
        return Outcome(file, is_fetched=bring_file(server, file, folder, report))
    except (TumorcamError, OSError) as error:
        is_full = disk.is_full(error)
        if is_full:
            error = disk.no_space(path_of(folder, file), written=_size(part_of(folder, file)))
        return Outcome(file, error=foreseeable(error) or str(error), is_full=is_full)


def bring_file(server: GdcServer, file: GdcFile, folder: Path, report: Report) -> bool:
    """Fetch a file if it is not there with its size and MD5; whether it was fetched.

    Raises
    ------
    ServerError
        If the server gives no bytes, or others than it lists.
    """
    target, part = path_of(folder, file), part_of(folder, file)
    if target.is_file() and _size(target) == file.size and _md5(target) == file.md5:
        report(file.size)
        return False
    target.parent.mkdir(parents=True, exist_ok=True)

    def attempt() -> None:
        start = _size(part)
        if start < file.size or start == 0:
            _receive(server, file, part, report)
        _check(file, part)

    server.patiently(attempt)
    disk.sync(part)
    part.replace(target)
    disk.sync(target.parent)
    report(file.size)
    return True


def _receive(server: GdcServer, file: GdcFile, part: Path, report: Report) -> None:
    """Append what is missing to a part, or write it anew where the server does not go on."""
    start = _size(part)
    headers = {"Range": f"bytes={start}-"} if start else {}
    codes = (200, 206, 416) if start else (200,)
    place = f"data/{file.file_id}"
    with server.request("GET", place, headers=headers, codes=codes) as response:
        if response.status_code == 200 or _continues(response, start, file.size):
            _write(server, response, file, part, report)
            return
    part.unlink(missing_ok=True)
    _receive(server, file, part, report)


def _continues(response: requests.Response, start: int, size: int) -> bool:
    """Whether an answer is the bytes of a file from `start` to its end."""
    match = RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if response.status_code != 206 or match is None:
        return False
    first, last, total = match.groups()
    return (int(first), int(last), total) in [(start, size - 1, str(size)), (start, size - 1, "*")]


def _write(
    server: GdcServer, response: requests.Response, file: GdcFile, part: Path, report: Report
) -> None:
    with part.open("ab" if response.status_code == 206 else "wb") as stream:
        for chunk in response.iter_content(CHUNK):
            if server.stop.is_set():
                raise PreemptedError(f"stopped while {file.name} was fetched")
            stream.write(chunk)
            report(min(stream.tell(), file.size))
            if stream.tell() > file.size:  # it has changed, or is not the file
                return


def _check(file: GdcFile, part: Path) -> None:
    """Refuse a part of another size or MD5 than listed; what cannot become the file is deleted."""
    size = _size(part)
    if size < file.size:
        raise TransientError(_wrong(file, f"{size:,} bytes", f"{file.size:,}"))
    if size > file.size:
        part.unlink()
        raise TransientError(_wrong(file, f"more than {file.size:,} bytes", f"{file.size:,}"))
    md5 = _md5(part)
    if md5 != file.md5:
        part.unlink()
        raise TransientError(_wrong(file, f"MD5 {md5}", file.md5))


def _wrong(file: GdcFile, got: str, expected: str) -> str:
    return f"{file.file_id}/{file.name}: the server sent {got}, but lists {expected}"


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _size(path: Path) -> int:
    """Bytes of a file; 0 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
