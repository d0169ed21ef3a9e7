"""Binary files read in a process of their own, which may crash, hang or eat memory.

HDF5 trusts what a file says of itself: a wrong bit can crash the process that reads it or make it
loop. So a process that does nothing else reads the file; values go to disk, names come as JSON.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from tumorcam import errors
from tumorcam.cluster.launcher import CHILD_VARIABLE, current_launch
from tumorcam.errors import InputError
from tumorcam.readers.binary import messages
from tumorcam.readers.files import require_file
from tumorcam.readers.matrix import Matrix
from tumorcam.readers.wording import plain
from tumorcam.settings import InputSettings
from tumorcam.storage.stored_values import StoredValues

COMMAND = "from tumorcam.readers.binary.worker import main; main()"
LAUNCHERS = ("PMI", "OMPI_", "PRTE_", "HYDI_", "HYDRA_", "MPI_", "SLURM_")  # an MPI has no part
START_SECONDS = 120.0  # until Python and its libraries are loaded, from a slow disk
SECONDS = 25.0  # without progress, and what reading the whole file may take
BYTES_PER_SECOND = 20e6
POLL_SECONDS = 0.2
MAX_REPLY = 2**31  # bytes

IsSample = Callable[[str], bool]


class _DeadError(Exception):
    """The process ended without a reply."""


def read_apart(
    reader: str,
    path: Path,
    settings: InputSettings,
    folder: Path | None,
    is_sample: IsSample | None,
) -> Matrix:
    """Read a file in a process of its own.

    Parameters
    ----------
    reader : str
        "h5ad" or "columnar".
    folder : Path or None
        Where the values go, as in `StoredValues`.
    is_sample : callable or None
        Whether a name is a sample's; None knows no sample.

    Raises
    ------
    InputError
        If the file cannot be used, or the process crashes on it or makes no progress.
    FileError
        If the disk is full.
    """
    require_file(path, "input.expression")
    values = StoredValues(folder)
    task = messages.encode_task(reader, path.absolute(), settings, values)
    with tempfile.TemporaryFile() as log, _process(values, log) as process:
        try:
            reply = _converse(process, task, values, path, is_sample or (lambda _: False))
        except _DeadError as error:
            raise InputError(_death(path, process, log)) from error
    if "error" in reply:
        raise getattr(errors, reply["error"])(reply["text"])
    return messages.decode_matrix(reply["matrix"], path, values)


@contextlib.contextmanager
def _process(values: StoredValues, log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The started process; it is killed at the end of the block."""
    variables = current_launch().child_environment(1)
    environment = {k: v for k, v in variables.items() if not k.startswith(LAUNCHERS)}
    places = os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", COMMAND],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        bufsize=0,
        pass_fds=[values.descriptor],
        env=environment | {"PYTHONPATH": places, CHILD_VARIABLE: "1"},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()


def _converse(
    process: subprocess.Popen[bytes],
    task: str,
    values: StoredValues,
    path: Path,
    is_sample: IsSample,
) -> dict[str, Any]:
    """Hand over the task, answer what the process asks about names, and return its reply."""
    _send(process, task)
    _receive(process, values, path, START_SECONDS)  # it has loaded its libraries
    _send(process, "go on")  # whoever has spoken waits: a reply is a whole line
    limit = SECONDS + path.stat().st_size / BYTES_PER_SECOND
    while True:
        reply: dict[str, Any] = json.loads(_receive(process, values, path, limit))
        if "names" not in reply:
            return reply
        _send(process, json.dumps([int(is_sample(name)) for name in reply["names"]]))


def _send(process: subprocess.Popen[bytes], line: str) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(line.encode() + b"\n")
    except OSError as error:
        raise _DeadError from error


def _receive(
    process: subprocess.Popen[bytes], values: StoredValues, path: Path, limit: float
) -> bytearray:
    """A line of the process, as long as it makes progress within so many seconds."""
    assert process.stdout is not None
    line, size, start = bytearray(), -1, time.monotonic()
    while not line.endswith(b"\n"):
        if select.select([process.stdout], [], [], POLL_SECONDS)[0]:
            part = process.stdout.read(2**20)
            if not part:
                raise _DeadError
            line += part
        progress = os.fstat(values.descriptor).st_size + len(line)
        if progress != size:
            size, start = progress, time.monotonic()
        elif time.monotonic() > start + limit:
            msg = (
                f"{plain(str(path))} cannot be read: the library that reads it made no progress in "
                f"{limit:.0f} s; it is damaged, or its disk does not answer: download or write it "
                "again"
            )
            raise InputError(msg)
        if len(line) > MAX_REPLY:
            msg = f"{plain(str(path))} has too long names or labels; leave columns out of it"
            raise InputError(msg)
    return line


def _death(path: Path, process: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    """The message for a process that ended without a reply."""
    code = process.wait()
    name = plain(str(path))
    if code == -signal.SIGKILL:
        return (
            f"{name} cannot be read: the system killed the process that read it (SIGKILL), which "
            "it does where memory runs out: give the job more memory, or download or write the "
            "file again"
        )
    if code < 0:
        return (
            f"{name} cannot be read as {path.suffix or 'a matrix'}: the library that reads it "
            f"crashed on it ({signal.Signals(-code).name}); it is damaged: download or write it "
            "again"
        )
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return (
        f"{name} cannot be read: the process that read it ended with exit code {code} "
        f"({plain(lines[-1]) if lines else 'no message'}); run `tumorcam verify --help` to check "
        "the installation, or download or write the file again"
    )
