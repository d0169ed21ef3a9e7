import os
import shutil
import socket
import subprocess
import sys

import h5py
import numpy as np
import pytest
from training_runs import loop_of

from jobs import prepare
from tumorcam.cluster import logs
from tumorcam.cluster.launcher import current_launch
from tumorcam.errors import FileError
from tumorcam.operations import cost
from tumorcam.storage import disk, hdf5, integrity, records

SIZE = 2 * 2**20  # bytes of the small disk

FILL_THE_DISK = """
import os, sys
from pathlib import Path
import h5py
import numpy as np
from tumorcam.storage import hdf5, records
from tumorcam.errors import FileError

folder, rng = Path(sys.argv[1]), np.random.default_rng(0)
for n_free in (0, 1, 2, 3, 5, 8, 12, 100):
    free = os.statvfs(folder).f_bavail * 4096
    (folder / "filling").write_bytes(bytes(free - 4096 * n_free))
    for chunks in (None, (10, 200)):
        try:
            with hdf5.create_file(folder / "old.h5", "tumorcam-test", {}, needed=99) as file:
                for i in range(9):
                    values = rng.normal(size=(80, 200))
                    records.write_dataset(file, f"x{i}", values, chunks=chunks)
        except FileError as error:
            print(n_free, error)
    (folder / "filling").unlink()
print(sorted(path.name for path in folder.iterdir()))
"""


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 2 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk, and not in every container")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def leave_free(folder, n_bytes):
    free = shutil.disk_usage(folder).free
    (folder / "filling").write_bytes(bytes(free - n_bytes))


def test_hdf5_on_a_full_disk_is_one_error_and_no_crash(small_disk):
    """Whether the data, the cache at the end or the last attribute meets the end of the disk."""
    with hdf5.create_file(small_disk / "old.h5", "tumorcam-test", {}):
        pass
    before = (small_disk / "old.h5").read_bytes()
    command = [sys.executable, "-c", FILL_THE_DISK, str(small_disk)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    *said, left = ended.stdout.splitlines()
    assert len(said) == 16, "both with so much room"
    for line in said:
        assert f"no space left to write {small_disk}/old.h5: " in line
        assert "of at most 99 bytes were written" in line and "bytes are free on the disk" in line
    assert left == "['old.h5']", "nothing is left aside"
    assert (small_disk / "old.h5").read_bytes() == before


def test_with_room_enough_the_file_is_there(small_disk):
    leave_free(small_disk, 100_000)
    with hdf5.create_file(small_disk / "a.h5", "tumorcam-test", {}) as file:
        records.write_dataset(file, "x", np.arange(10_000))
    integrity.check_seal(small_disk / "a.h5")


@pytest.mark.parametrize("n_free", [0, 4096, 8192, 16384, 20480])
def test_a_job_on_a_full_disk_ends_with_1_and_one_message(
    tiny_toml, small_disk, capsys, monkeypatch, n_free
):
    """Where the disk fills while the job works; else the job does not begin."""
    monkeypatch.setattr(cost, "require_disk", lambda config, cost: None)
    (small_disk / "run").mkdir()
    leave_free(small_disk, n_free)
    assert prepare.main([tiny_toml, "--set", f"run.folder={small_disk / 'run'}"]) == 1
    said = capsys.readouterr().err
    assert said.count("error: no space left to write") == 1 and "Traceback" not in said
    assert not list((small_disk / "run").rglob(".*"))
    (small_disk / "filling").unlink()
    assert prepare.main([tiny_toml, "--set", f"run.folder={small_disk / 'run'}"]) == 0


def test_a_log_on_a_full_disk_says_so_once_and_goes_on(small_disk, capsys):
    logs.start_logging(small_disk, "explain", current_launch())
    leave_free(small_disk, 0)
    for i in range(500):
        logs.logger.info("line %d %s", i, "x" * 100)
    said = capsys.readouterr().err
    assert said.count("explain-0.log cannot be written") == 1 and "Traceback" not in said
    assert said.count("explain: line") == 500, "standard error has them all"
    logs.end_logging(logs.DONE)
    assert capsys.readouterr().err.count("cannot be written") == 0


def test_a_log_that_cannot_be_opened_is_no_error(tmp_path, capsys):
    (tmp_path / "logs").write_text("no folder")
    logs.start_logging(tmp_path / "logs", "explain", current_launch())
    logs.logger.info("word")
    logs.end_logging(logs.DONE)
    said = capsys.readouterr().err
    assert said.count("cannot be written") == 1 and "explain: word" in said


def test_the_first_error_is_raised_and_not_what_came_of_it(tmp_path):
    with (
        pytest.raises(KeyboardInterrupt),
        disk.DeferredErrorFile(tmp_path / "a.h5") as output,
        h5py.File(output, "w") as file,
    ):
        output.error = KeyboardInterrupt()  # as if it had come while HDF5 wrote
        file["x"] = np.arange(9)
        raise OSError("of HDF5")
    assert output.closed


def test_what_is_behind_the_end_reads_as_zeros(tmp_path):
    with disk.DeferredErrorFile(tmp_path / "a") as output:
        output.write(b"abc")
        output.seek(1)
        buffer = bytearray(b"????")
        assert output.readinto(buffer) == 2
    assert buffer == b"bc\0\0"


def part(folder, name, tag, age=0.0):
    path = folder / f".{name}.{tag}.part"
    path.write_bytes(b"half")
    then = path.stat().st_mtime - age
    os.utime(path, (then, then))
    return path


def test_a_part_is_dead_when_its_process_is_gone_or_after_a_day(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    here, elsewhere = socket.gethostname(), "another-node7"
    dead = [
        part(tmp_path, "a.h5", f"12-0-{here}-{child.pid}"),
        part(tmp_path, "b.h5", f"12-0-{elsewhere}-{os.getpid()}", age=86_500),
        part(tmp_path, "c.h5", f"12-0-{here}-{os.getpid()}", age=86_500),
    ]
    part(tmp_path, "d.h5", f"12-0-{here}-{os.getpid()}")
    part(tmp_path, "e.h5", f"12-0-{elsewhere}-{child.pid}", age=86_000)
    part(tmp_path, "f.h5", f"12-0-{here}-x")
    (tmp_path / "sub").mkdir()
    dead.append(part(tmp_path / "sub", "g.h5", f"local-0-{here}-{child.pid}"))
    assert disk.dead_parts(tmp_path) == sorted(dead)


def test_a_killed_writer_leaves_a_part_that_is_dead(tmp_path):
    code = (
        "import os, sys, pathlib; from tumorcam.storage import hdf5\n"
        "with hdf5.write_aside(pathlib.Path(sys.argv[1])) as aside:\n"
        "    aside.write_bytes(b'half'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.h5")])
    (left,) = tmp_path.iterdir()
    assert disk.dead_parts(tmp_path) == [left]


def test_a_quota_is_named(tmp_path):
    error = disk.no_space(tmp_path / "a", written=5, quota=True)
    assert isinstance(error, FileError) and "but the quota is used up" in str(error)


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("n_free", [0, 8_000, 30_000])
def test_a_checkpoint_on_a_full_disk_leaves_the_last_one(
    tiny_run, small_disk, caplog, n_free, is_listed
):
    """Also where TensorFlow's list of checkpoints was damaged, and the process began without."""
    folder = small_disk / "checkpoints"
    made = loop_of(tiny_run, folder)
    made.step.assign(7)
    assert made.checkpoints.save()
    kept = sorted(path.name for path in folder.glob("ckpt-*"))
    if not is_listed:
        (folder / "checkpoint").unlink()
        made = loop_of(tiny_run, folder)
    leave_free(small_disk, n_free)
    made.step.assign(8)
    with caplog.at_level("WARNING", logger="tumorcam"):
        assert not made.checkpoints.save()
    assert "no checkpoint in" in caplog.text and "the last one stays" in caplog.text
    assert sorted(path.name for path in folder.glob("ckpt-*")) == kept, "nothing unfinished"
    (small_disk / "filling").unlink()
    assert int(loop_of(tiny_run, folder).step) == 7
    assert made.checkpoints.save()
    assert int(loop_of(tiny_run, folder).step) == 8
