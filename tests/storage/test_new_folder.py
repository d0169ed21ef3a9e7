import errno
import os
import shutil
import subprocess
import sys
from collections import namedtuple

import pytest

from tumorcam.errors import FileError
from tumorcam.storage import disk
from tumorcam.storage.new_folder import require_new_folder, write_new_folder

Usage = namedtuple("Usage", "total used free")


def write(path, needed=0):
    with write_new_folder(path, needed=needed) as aside:
        (aside / "inner").mkdir()
        (aside / "inner" / "a.txt").write_text("a", encoding="utf-8")
        (aside / "b.txt").write_text("b", encoding="utf-8")


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("place", ["new", "inside/two/others", "empty"])
def test_a_folder_appears_with_all_its_files(tmp_path, place):
    (tmp_path / "empty").mkdir()
    write(tmp_path / place)
    assert names(tmp_path / place) == ["b.txt", "inner", "inner/a.txt"]
    assert disk.dead_parts(tmp_path) == [] and list(tmp_path.rglob(".*")) == []


def test_a_link_to_an_empty_folder_is_followed(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    write(tmp_path / "link")
    assert names(tmp_path / "empty") == ["b.txt", "inner", "inner/a.txt"]


def test_what_is_there_is_never_replaced(tmp_path, monkeypatch):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "file").touch()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for place, fault in (
        (tmp_path / "full", "full is not empty, and nothing in it is replaced"),
        (tmp_path / "file", "file is a file; wanted a new or an empty folder"),
        (tmp_path / "here", "here is the current folder"),
    ):
        with pytest.raises(FileError, match=fault):
            require_new_folder(place)
        with pytest.raises(FileError, match=fault):
            write(place)
    assert names(tmp_path) == ["file", "full", "full/mine.txt", "here"]


def test_files_of_a_faster_process_stay(tmp_path, monkeypatch):
    with (
        pytest.raises(FileError, match="out is not empty"),
        write_new_folder(tmp_path / "out", needed=0) as aside,
    ):
        (aside / "slow.txt").touch()
        monkeypatch.setenv("SLURM_PROCID", "7")
        write(tmp_path / "out")
    assert names(tmp_path) == ["out", "out/b.txt", "out/inner", "out/inner/a.txt"]


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_after_an_error_nothing_is_there(tmp_path, kind):
    with pytest.raises(kind), write_new_folder(tmp_path / "out", needed=0) as aside:
        (aside / "a.txt").touch()
        raise kind
    assert names(tmp_path) == []


def test_what_a_killed_process_left_is_no_folder_and_goes_with_the_next(tmp_path):
    program = (
        "import os, pathlib, signal, sys\n"
        "from tumorcam.storage.new_folder import write_new_folder\n"
        "with write_new_folder(pathlib.Path(sys.argv[1]), needed=0) as aside:\n"
        "    (aside / 'a.txt').touch()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    child = subprocess.run([sys.executable, "-c", program, str(tmp_path / "out")])
    assert child.returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".out.") and left.name.endswith(".part")
    write(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_too_little_room_is_said_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(9999, 0, 1234))
    with pytest.raises(FileError, match="out takes 5,678 bytes, but its disk has 1,234 free"):
        write(tmp_path / "deep" / "out", needed=5678)
    assert names(tmp_path) == []
    write(tmp_path / "out", needed=1234)
    assert (tmp_path / "out").is_dir()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_gets_full_is_one_clear_message(tmp_path, number):
    with (
        pytest.raises(FileError) as raised,
        write_new_folder(tmp_path / "out", needed=20_000) as aside,
    ):
        (aside / "a").write_bytes(bytes(8192))
        raise OSError(number, os.strerror(number))
    start = f"no space left to write {tmp_path}/out: 8,192 bytes were written"
    assert str(raised.value).startswith(start)
    assert ("quota is used up" in str(raised.value)) == (number == errno.EDQUOT)
    assert names(tmp_path) == []
