"""The process that reads a file: it may crash, hang and eat memory, and the parent goes on."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from test_h5ad_matrix import VALUES, made_up, whole, write

from tumorcam.errors import FileError, InputError
from tumorcam.readers.binary import child
from tumorcam.readers.binary.child import read_apart
from tumorcam.settings import InputSettings

MODULE = """
import os, signal, sys, time
from tumorcam import errors
from tumorcam.readers.binary import worker

def read(path, settings, values, are_samples):
    {body}

sys.modules["stand_in"] = sys.modules["__main__"]
worker.READERS["h5ad"] = ("stand_in", ".h5ad")
worker.main()
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Run code in place of the reader."""

    def run(body, is_sample=None):
        path = tmp_path / "a.h5ad"
        path.write_bytes(b"x")
        monkeypatch.setattr(child, "COMMAND", MODULE.format(body=body))
        return read_apart("h5ad", path, InputSettings(), None, is_sample)

    return run


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGBUS"])
def test_a_crash_is_a_message(stand_in, name):
    with pytest.raises(InputError, match=rf"as .h5ad: .* crashed on it \({name}\); it is damaged"):
        stand_in(f"os.kill(os.getpid(), signal.{name})")


def test_a_killed_process_may_lack_memory(stand_in):
    with pytest.raises(InputError, match=r"SIGKILL\), .* memory runs out: give the job more"):
        stand_in("os.kill(os.getpid(), signal.SIGKILL)")


def test_an_exit_code_comes_with_the_last_line(stand_in):
    with pytest.raises(InputError, match=r"exit code 3 \(what it said\)"):
        stand_in("print('what it said', flush=True); os._exit(3)")


def test_a_process_without_progress_is_ended(stand_in, monkeypatch):
    monkeypatch.setattr(child, "SECONDS", 3)
    start = time.monotonic()
    with pytest.raises(InputError, match=r"made no progress in 3 s; it is damaged"):
        stand_in("time.sleep(600)")
    assert time.monotonic() - start < 60


def test_progress_keeps_a_process_alive(stand_in, monkeypatch):
    monkeypatch.setattr(child, "SECONDS", 3)
    body = "[(os.write(values.descriptor, b'0000'), time.sleep(0.5)) for _ in range(10)]"
    with pytest.raises(InputError, match="the process read to its end"):
        stand_in(body + "; raise errors.InputError('the process read to its end')")


def test_memory_is_bounded(stand_in):
    with pytest.raises(InputError, match=r"would need more than 8 GiB of memory"):
        stand_in("bytearray(2**40)")


def test_errors_keep_their_kind_and_text(stand_in):
    with pytest.raises(FileError, match=r"^no room$") as caught:
        stand_in("raise errors.FileError('no room')")
    assert type(caught.value) is FileError
    with pytest.raises(InputError, match=r"cannot be read as .h5ad \(division by zero\)"):
        stand_in("1 / 0")


def test_the_parent_answers_about_names(stand_in):
    body = "raise errors.InputError(str(are_samples(['a', 'b', 'ab'])))"
    with pytest.raises(InputError, match=r"^\[True, False, True\]$"):
        stand_in(body, lambda name: "a" in name)


def test_the_process_has_no_launcher_and_no_way_to_import_from_the_folder(
    stand_in, monkeypatch, tmp_path
):
    monkeypatch.setenv("PMI_RANK", "1")
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")
    monkeypatch.setenv("SLURM_PROCID", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "h5py.py").write_text("raise SystemExit('imported from the folder')")
    body = (
        "import h5py; raise errors.InputError(str([n for n in os.environ if n[:4] in "
        "('PMI_', 'OMPI', 'SLUR')]))"
    )
    with pytest.raises(InputError, match=r"^\[\]$"):
        stand_in(body)


def test_the_process_loads_neither_tensorflow_nor_mpi():
    names = ("tumorcam.readers.binary.worker", "tumorcam.readers.binary.anndata_file")
    code = f"import sys, {', '.join(names)}; print([n for n in ('tensorflow', 'mpi4py') if n in "
    code += "sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_process_and_no_descriptor_is_left(tmp_path):
    path = write(made_up(), tmp_path)
    before, children = set(Path("/proc/self/fd").iterdir()), child_processes()
    matrix = read_apart("h5ad", path, InputSettings(), None, None)
    np.testing.assert_array_equal(whole(matrix), VALUES)
    del matrix
    assert set(Path("/proc/self/fd").iterdir()) == before
    assert child_processes() <= children  # another test of this process may have left some


def child_processes() -> set[str]:
    tasks = Path("/proc/self/task").glob("*/children")
    return {child for task in tasks for child in task.read_text().split()}
