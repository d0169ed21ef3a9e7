"""Headers of files: what they say, and what is noticed before HDF5 opens a file."""

import contextlib
import errno
import hashlib
import json
import os
import re
import socket

import h5py
import numpy as np
import pytest
from edited_files import edited
from small_files import KIND, make, open_again

from tumorcam.errors import DamageError, FileError, UnreadableError
from tumorcam.storage import hdf5, integrity, records


def test_the_header_is_what_sha256sum_says(tmp_path):
    content = make(tmp_path / "a.h5", cohort_digest="c0").read_bytes()
    first, attributes, last = content[: content.index(b"\0")].decode().splitlines()
    n_behind, n_bytes = (int(word) for word in re.findall(r" (\d+)[ :]", first))
    assert n_bytes + n_behind == len(content)
    assert first.endswith(f": {hashlib.sha256(content[n_bytes:]).hexdigest()}")
    assert json.loads(attributes)["cohort_digest"] == "c0"
    both = f"{first}\n{attributes}\n".encode()
    assert last == f"SHA-256 of the two lines above: {hashlib.sha256(both).hexdigest()}"


def test_what_a_file_says_about_itself_is_read_without_its_data(tmp_path):
    path = make(tmp_path / "a.h5", cohort_digest="c0")
    header = integrity.read_header(path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert integrity.read_header(path) == header
    assert header.attributes["cohort_digest"] == "c0"
    with h5py.File(make(tmp_path / "b.h5", cohort_digest="c0")) as file:
        plain = {name: value for name, value in file.attrs.items() if name != "complete"}
    assert header.attributes == plain


def test_every_flipped_bit_of_a_header_is_damage(tmp_path):
    path = make(tmp_path / "a.h5", cohort_digest="c0")
    sound, rng = path.read_bytes(), np.random.default_rng(0)
    n_bytes = integrity.read_header(path).n_bytes
    for at in [*range(100), *rng.integers(n_bytes, size=100).tolist()]:
        flipped = bytearray(sound)
        flipped[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        with pytest.raises(DamageError):
            integrity.read_header(path)


def test_long_settings_have_room(tmp_path):
    """HDF5 itself holds 64 KiB in an attribute."""
    genes = " ".join(f"GENE{i}" for i in range(20_000))
    path = make(tmp_path / "a.h5", config=genes, cohort_digest="c0")
    assert hdf5.stored_attributes(path, KIND, remedy="")["config"] == genes
    with open_again(path) as file:
        assert file.attrs["cohort_digest"] == "c0" and file["maps"].shape == (6, 4)


def test_a_file_of_another_program_or_version_is_no_damage(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["maps"] = np.arange(24.0)
    with pytest.raises(FileError, match="has no header: another program") as raised:
        integrity.check_seal(path)
    assert not isinstance(raised.value, DamageError)
    path.write_bytes(integrity.OLD_FIRST_LINE + b"0" * 600)
    with pytest.raises(FileError, match="another program or version") as raised:
        hdf5.is_complete(path, KIND, {})
    assert not isinstance(raised.value, DamageError), "a job must not replace it"


def test_zeros_over_the_list_of_chunks_are_noticed_before_a_value_is_read(tmp_path):
    """HDF5 reads a dataset without its chunks as zeros."""
    path, rng, packing = tmp_path / "a.h5", np.random.default_rng(0), "bitshuffle-lz4"
    names = [f"{method}/{view}" for method in "abc" for view in ("own", "contrast")]
    with hdf5.create_file(path, KIND, {}) as file:
        for method in "abc":
            group = file.create_group(method)
            for view in ("own", "contrast"):
                values = rng.normal(size=(24, 1200)).astype(np.float16)
                records.write_dataset(group, view, values, chunks=(24, 256), compression=packing)
            records.write_dataset(group, "scale", np.ones(24))
    sound, n_vanished = path.read_bytes(), 0
    for start in range(0, len(sound) - 4096, 512):
        zeroed = sound[:start] + bytes(4096) + sound[start + 4096 :]
        if zeroed == sound:
            continue
        path.write_bytes(zeroed)
        with contextlib.suppress(OSError, KeyError, RuntimeError), h5py.File(path) as file:
            n_vanished += any(not file[name][...].any() for name in names)
        with pytest.raises(DamageError):
            open_again(path).__enter__()
        assert not hdf5.is_complete(path, KIND, {})
    assert n_vanished, "the fault is a real one"


def test_a_shape_beyond_the_data_is_refused_even_under_a_right_header(tmp_path):
    path = make(tmp_path / "a.h5")
    with edited(path) as file:
        file.create_dataset("huge", (10**6, 10**6), "f8", chunks=(1000, 1000))
    with pytest.raises(FileError, match="/huge lacks data that its shape promises"):
        open_again(path).__enter__()


@pytest.mark.parametrize("kind", ["fifo", "folder", "link to nothing", "socket"])
def test_only_regular_files_are_opened(tmp_path, kind):
    """Nobody writes to the named pipe, so that opening it would wait for ever."""
    path = tmp_path / "a.h5"
    with contextlib.ExitStack() as stack:
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        elif kind == "link to nothing":
            path.symlink_to(tmp_path / "absent")
        else:
            stack.enter_context(socket.socket(socket.AF_UNIX)).bind(str(path))
        for read in (integrity.read_header, integrity.check_seal, integrity.file_digest):
            with pytest.raises(FileError, match=r"wanted a regular file|leads nowhere"):
                read(path)
        if kind != "link to nothing":
            with pytest.raises(UnreadableError):
                hdf5.is_complete(path, KIND, {})


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EMFILE, errno.EACCES])
def test_what_cannot_be_read_is_not_called_damaged(tmp_path, monkeypatch, number):
    path = make(tmp_path / "a.h5")

    def fail(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(integrity.os, "open", fail)
    for read in (integrity.check_seal, lambda path: hdf5.is_complete(path, KIND, {})):
        with pytest.raises(UnreadableError, match="says nothing about what is in it") as raised:
            read(path)
        assert os.strerror(number) in str(raised.value)


def test_a_file_is_checked_once_and_again_when_it_changes(tmp_path, monkeypatch):
    path = make(tmp_path / "a.h5")
    n_checks = 0
    check_seal = integrity.check_seal

    def count(path):
        nonlocal n_checks
        n_checks += 1
        return check_seal(path)

    monkeypatch.setattr(integrity, "check_seal", count)
    for _ in range(3):
        with open_again(path):
            pass
    assert n_checks == 1
    make(path, np.zeros((6, 4)))
    with open_again(path):
        pass
    assert n_checks == 2
