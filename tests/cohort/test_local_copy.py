"""A node's copy of the cohort: shared, checked, and never worse than the original."""

import logging
import multiprocessing
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from stub_run import flip_bit

from jobs import reduce
from tumorcam.cohort.cohort import read_cohort
from tumorcam.cohort.local_copy import local_cohort
from tumorcam.significance.tables import SIGNIFICANCE_TYPE
from tumorcam.storage import disk, hdf5
from tumorcam.storage.run_folder import RunFolder


@pytest.fixture
def original(tiny_run):
    return read_cohort(RunFolder.of(tiny_run).cohort, tiny_run)


@pytest.fixture
def folder(tmp_path):
    """The node's scratch folder, which does not exist yet."""
    return tmp_path / "node" / "scratch"


@pytest.fixture
def records(monkeypatch, caplog):
    monkeypatch.setattr(logging.getLogger("tumorcam"), "propagate", True)
    with caplog.at_level(logging.INFO, "tumorcam"):
        yield caplog


def local(config, scratch):
    return local_cohort(RunFolder.of(config).cohort, config, scratch)


def warnings(records):
    return [r.getMessage() for r in records.records if r.levelno == logging.WARNING]


def test_without_a_folder_the_original_is_read(tiny_run, original):
    assert local(tiny_run, None).path == original.path


def test_jobs_share_a_copy_named_by_the_digest(tiny_run, original, folder, records):
    copied = local(tiny_run, folder)
    assert copied.path == folder / f"tumorcam-cohort-{original.digest[:16]}.h5"
    assert copied.path.read_bytes() == original.path.read_bytes()
    np.testing.assert_array_equal(copied.expression(), original.expression())
    assert list(folder.iterdir()) == [copied.path], "nothing is left aside"
    first = copied.path.stat().st_mtime_ns
    assert local(tiny_run, folder).path == copied.path
    assert copied.path.stat().st_mtime_ns == first
    assert warnings(records) == []


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def replace(path):
    with hdf5.create_file(path, "tumorcam-cohort", {}):
        pass


@pytest.mark.parametrize("spoil", [flip_bit, cut, replace, lambda path: path.write_bytes(b"")])
def test_a_damaged_copy_is_made_again(tiny_run, original, folder, spoil):
    copied = local(tiny_run, folder)
    spoil(copied.path)
    assert copied.path.read_bytes() != original.path.read_bytes()
    assert local(tiny_run, folder).path == copied.path
    assert copied.path.read_bytes() == original.path.read_bytes()


def test_a_copy_that_comes_out_wrong_is_not_used(tiny_run, original, folder, records, monkeypatch):
    def copy_badly(source, target):
        target.write_bytes(source.read_bytes())
        flip_bit(target)

    monkeypatch.setattr(shutil, "copyfile", copy_badly)
    assert local(tiny_run, folder).path == original.path
    (warning,) = warnings(records)
    assert "the copy differs" in warning and list(folder.iterdir()) == []


def test_no_room_is_one_warning_with_names_and_bytes(
    tiny_run, original, tmp_path, monkeypatch, records
):
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(small)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk, and not in every container")
    try:
        assert local(tiny_run, small).path == original.path
        real = shutil.disk_usage(small)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: real._replace(free=10**9))
        assert local(tiny_run, small).path == original.path, "others may fill it meanwhile"
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
    for warning, words in zip(warnings(records), ("bytes are free", "no space left"), strict=True):
        n_bytes = original.path.stat().st_size
        assert f"{original.path} ({n_bytes} bytes) is read in place: no copy {small}" in warning
        assert words in warning


def test_a_folder_that_cannot_be_made_is_one_warning(tiny_run, original, tmp_path, records):
    (tmp_path / "file").write_text("")
    assert local(tiny_run, tmp_path / "file" / "scratch").path == original.path
    assert len(warnings(records)) == 1 and "Not a directory" in warnings(records)[0]


def test_another_ranks_copy_is_taken_when_the_own_fails(
    tiny_run, original, folder, records, monkeypatch
):
    def be_overtaken(source, target):
        target.with_name(f"tumorcam-cohort-{original.digest[:16]}.h5").write_bytes(
            source.read_bytes()
        )
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", be_overtaken)
    assert local(tiny_run, folder).path.parent == folder
    assert warnings(records) == []


def test_ranks_may_copy_at_once(tiny_run, original, folder):
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        copied = pool.starmap(local, [(tiny_run, folder)] * 8)
    assert {cohort.path.parent for cohort in copied} == {folder}
    assert [path.name for path in folder.iterdir()] == [copied[0].path.name]
    assert copied[0].path.read_bytes() == original.path.read_bytes()


def test_copies_of_killed_ranks_are_removed(tiny_run, folder):
    folder.mkdir(parents=True)
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    tag = disk.part_name(folder / "tumorcam-cohort-0.h5").name.replace(
        f"-{os.getpid()}.part", f"-{child.pid}.part"
    )
    (folder / tag).write_bytes(b"half")
    (folder / tag.replace("tumorcam-cohort", "somebody")).write_bytes(b"not ours")
    copied = local(tiny_run, folder)
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        [copied.path.name, tag.replace("tumorcam-cohort", "somebody")]
    )


def test_a_job_reads_the_copy_and_writes_the_same(wide_copy, folder, monkeypatch):
    run = RunFolder.of(wide_copy)
    monkeypatch.setenv("TUMORCAM_SCRATCH", str(folder))
    assert reduce.main([str(run.config)]) == 0
    (copied,) = folder.iterdir()
    from_copy = hdf5.stored_digest(run.significance, SIGNIFICANCE_TYPE, remedy="")
    assert copied.read_bytes() == run.cohort.read_bytes()
    run.significance.unlink()
    monkeypatch.delenv("TUMORCAM_SCRATCH")
    assert reduce.main([str(run.config)]) == 0
    assert hdf5.stored_digest(run.significance, SIGNIFICANCE_TYPE, remedy="") == from_copy
