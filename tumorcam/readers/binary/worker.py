"""The process in which a library reads a binary file, so that its crash ends nothing else."""

import ctypes
import importlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from tumorcam.errors import InputError, TumorcamError
from tumorcam.readers.binary import messages
from tumorcam.readers.matrix import Matrix
from tumorcam.readers.wording import plain
from tumorcam.settings import InputSettings
from tumorcam.storage.stored_values import StoredValues

AreSamples = Callable[[Sequence[str]], list[bool]]
Read = Callable[[Path, InputSettings, StoredValues, AreSamples], Matrix]
READERS = {  # name of a reader: its module, and what its files are
    "h5ad": ("tumorcam.readers.binary.anndata_file", ".h5ad"),
    "columnar": ("tumorcam.readers.binary.arrow_file", "Parquet, Feather or Arrow"),
}
MAX_MEMORY = 8 * 2**30  # bytes of address space
MAX_ASKED = 10_000  # names of a question
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Read the task from the standard input, and write the reply to the standard output."""
    _depend_on_parent()
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no reply
    task = json.loads(sys.stdin.readline())
    module, kind = READERS[task["reader"]]
    read = importlib.import_module(module).read
    print("{}", file=replies, flush=True)  # the libraries are loaded; from now on time counts
    sys.stdin.readline()
    replies.write(_reply(read, kind, task, replies) + "\n")
    replies.close()
    os._exit(0)  # a library may crash while it cleans up after a damaged file


def _depend_on_parent() -> None:
    """End with the parent alone, leave no core file, and take a bounded amount of memory."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(name, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = MAX_MEMORY if most == resource.RLIM_INFINITY else min(MAX_MEMORY, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))


def _reply(read: Read, kind: str, task: dict[str, Any], replies: IO[str]) -> str:
    path = Path(task["path"])

    def are_samples(names: Sequence[str]) -> list[bool]:
        """Ask the parent about some of the names, evenly spread."""
        step = -(-len(names) // MAX_ASKED) or 1
        print(json.dumps({"names": list(names[::step])}), file=replies, flush=True)
        return [bool(answer) for answer in json.loads(sys.stdin.readline())]

    try:
        values = StoredValues.on(task["descriptor"], Path(task["folder"]))
        settings = messages.decode_settings(task["settings"])
        return messages.encode_matrix(read(path, settings, values, are_samples))
    except TumorcamError as error:
        return json.dumps({"error": type(error).__name__, "text": str(error)})
    except Exception as error:  # of any kind: a damaged file reaches all corners of a library
        text = _unreadable(path, kind, error)
        return json.dumps({"error": InputError.__name__, "text": text})


def _unreadable(path: Path, kind: str, error: Exception) -> str:
    """The message for a file on which a library failed."""
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError):
        reason = f"a part of it would need more than {MAX_MEMORY >> 30} GiB of memory"
    return (
        f"{plain(str(path))} cannot be read as {kind} ({plain(reason)}); it is damaged, cut off or "
        "another kind of file: check input.expression, or download or write it again"
    )
