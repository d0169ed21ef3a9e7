"""Where a job may find itself: a read-only disk, a wrong clock, another user, no /dev/shm."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import h5py
import pytest
from conftest import copy_run

from tumorcam.cluster.processes import find_mpiexec
from tumorcam.storage.run_folder import RunFolder

ROOT = Path(__file__).parents[2]
NOBODY = "65534"
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "mount", "setpriv"))),
        reason="needs root, unshare, mount and setpriv",
    ),
]
READ_ONLY = 'mount --bind "$RUN" "$RUN" && mount -o remount,bind,ro "$RUN" && exec "$@"'
OPEN_HOME = """
if ! setpriv --reuid=65534 --clear-groups test -x "$PYTHON"; then  # others may not enter $HIDDEN
    mkdir -p "$DEV" && mount --bind "$TOP" "$DEV" && mount -t tmpfs -o mode=755 home "$HIDDEN"
    mkdir -p "$TOP" && mount --move "$DEV" "$TOP"
fi
exec "$@"
"""
NO_SHM = """
mkdir -p "$DEV" && mount -t tmpfs devices "$DEV"
for name in null zero full random urandom tty; do
    touch "$DEV/$name" && mount --bind "/dev/$name" "$DEV/$name"
done
ln -s /proc/self/fd "$DEV/fd"
mount --rbind "$DEV" /dev && ! test -e /dev/shm && exec "$@"
"""


def start(words, *, script="", **variables):
    """Run a job, in a mount namespace of its own if a script prepares one; returns how it ended."""
    command = [sys.executable, "-m", "tumorcam.jobs", *map(str, words)]
    if script:
        command = ["unshare", "--mount", "sh", "-c", script, "sh", *command]
    return run(command, **variables)


def run(command, **variables):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd="/", timeout=600
    )


def messages(ended):
    assert "Traceback" not in ended.stdout + ended.stderr, ended.stderr
    return ended.stderr.splitlines()


def values(config):
    """Every dataset of significance.h5, as bytes."""
    with h5py.File(RunFolder.of(config).significance) as file:
        contents = {}
        file.visititems(
            lambda name, item: (
                contents.update({name: item[()].tobytes()}) if hasattr(item, "shape") else None
            )
        )
    return contents


def toml(config):
    return config.folder / "config.toml"


@pytest.mark.parametrize("job", ["reduce", "explain", "train", "report", "prepare"])
def test_a_read_only_disk_is_one_message(explained_copy, job):
    config = explained_copy
    if job == "train":
        (config.folder / "models" / "r00-f00" / "model.h5").unlink()
    if job == "explain":
        (config.folder / "shards" / "r00-f00-b0000.h5").unlink()
    before = {path: path.stat().st_mtime_ns for path in config.folder.rglob("*")}
    ended = start([job, toml(config)], script=READ_ONLY, RUN=str(config.folder))
    said = messages(ended)
    assert {path: path.stat().st_mtime_ns for path in config.folder.rglob("*")} == before
    if job == "report":  # there are no tables yet
        assert ended.returncode == 1 and "run `tumorcam reduce`" in said[-1]
        return
    assert ended.returncode == 1
    assert "ead-only file system" in said[-1] and "use another run.folder" in said[-1], said


def test_a_run_on_a_read_only_disk_can_be_looked_at(explained_copy):
    config = explained_copy
    shard = RunFolder.of(config).shards / "r00-f00-b0000.h5"
    words = [toml(config)]
    for job, code in (("status", 3), ("verify", 1)):
        ended = start([job, *words], script=READ_ONLY, RUN=str(config.folder))
        messages(ended)
        assert ended.returncode == code, ended.stderr
    content = bytearray(shard.read_bytes())
    content[-9] ^= 1
    shard.write_bytes(content)
    ended = start(["verify", *words, "--delete"], script=READ_ONLY, RUN=str(config.folder))
    messages(ended)
    assert ended.returncode == 1
    assert f"{shard} stays: Read-only file system" in ended.stdout
    assert shard.exists()


@pytest.mark.skipif(not FAKETIME.exists(), reason="needs Debian's package faketime")
def test_a_clock_that_goes_backwards_changes_nothing(explained_copy, tmp_path):
    config, right = explained_copy, copy_run(explained_copy, tmp_path / "right")
    assert start(["reduce", toml(right)]).returncode == 0
    clock, is_over = tmp_path / "clock", threading.Event()
    clock.write_text("+0")

    def turn():
        days = 0
        while not is_over.wait(0.2):
            days = (days + 3) % 8
            clock.with_suffix(".new").write_text(f"{days - 4:+d}d")
            clock.with_suffix(".new").replace(clock)

    turner = threading.Thread(target=turn)
    turner.start()
    try:
        ended = start(
            ["reduce", toml(config)],
            LD_PRELOAD=str(FAKETIME),
            FAKETIME_TIMESTAMP_FILE=str(clock),
            FAKETIME_NO_CACHE="1",
            FAKETIME_DONT_FAKE_MONOTONIC="1",
        )
    finally:
        is_over.set()
        turner.join()
    assert ended.returncode == 0, messages(ended)
    assert values(config) == values(right)
    assert start(["verify", toml(config)]).returncode == 1, "no report yet"


def test_without_dev_shm_all_stages_work(explained_copy, tmp_path):
    config, right = explained_copy, copy_run(explained_copy, tmp_path / "right")
    assert start(["reduce", toml(right)]).returncode == 0
    for path in sorted(RunFolder.of(config).shards.glob("*"))[:2]:
        path.unlink()
    words = [find_mpiexec(), "-n", "2", sys.executable, "-m", "mpi4py", "-m", "tumorcam.jobs"]
    ranks = ["unshare", "--mount", "sh", "-c", NO_SHM, "sh", *words, "reduce", str(toml(config))]
    ended = run(ranks, DEV=str(tmp_path / "dev"))
    assert ended.returncode == 1
    assert "MPI sees 1 (mpi4py: there is no /dev/shm)" in "".join(messages(ended))
    for job in ("explain", "reduce"):
        ended = start([job, toml(config)], script=NO_SHM, DEV=str(tmp_path / "dev"))
        assert ended.returncode == 0, messages(ended)
    assert values(config) == values(right)


@pytest.mark.parametrize("home", ["none", "missing", "not writable"])
def test_a_user_without_rights_or_home(explained_copy, tmp_path, home):
    config = explained_copy
    homes = {"missing": "/nonexistent", "not writable": "/usr"}
    for path in [config.folder, *config.folder.rglob("*")]:
        os.chown(path, int(NOBODY), int(NOBODY))
    for parent in [tmp_path, *tmp_path.parents]:
        if not parent.stat().st_mode & 0o001:  # whom others may not enter
            parent.chmod(parent.stat().st_mode | 0o755)
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "env", "-u"]
    user += ["HOME"] if home == "none" else ["_", f"HOME={homes[home]}"]
    python = Path(sys.executable).resolve()
    places = {
        "PYTHON": str(python),
        "TOP": str(Path(*python.parts[:3])),
        "HIDDEN": str(Path(*python.parts[:2])),
        "DEV": str(tmp_path / "d"),
    }
    command = ["unshare", "--mount", "sh", "-c", OPEN_HOME, "sh", *user, sys.executable]
    command += ["-m", "tumorcam.jobs"]
    foreign = config.folder / "models" / "r00-f00" / "model.h5"
    for job in ("reduce", "verify"):
        ended = run([*command, job, str(toml(config))], **places)
        messages(ended)
        assert ended.returncode == {"reduce": 0, "verify": 1}[job], ended.stderr
    if home != "none":
        return
    os.chown(foreign, 0, 0)
    foreign.chmod(0o600)
    content = foreign.read_bytes()
    ended = run([*command, "verify", str(toml(config)), "--delete"], **places)
    messages(ended)
    assert f"{foreign} cannot be read (Permission denied)" in ended.stdout
    assert foreign.read_bytes() == content
    ended = run([*command, "train", str(toml(config))], **places)
    assert ended.returncode == 1 and "Permission denied" in messages(ended)[-1]
    assert foreign.read_bytes() == content


def test_few_open_files_cost_no_file(explained_copy):
    """With 20 open files at most, an earlier version deleted 15 sound files."""
    config = explained_copy
    before = {p: p.read_bytes() for p in config.folder.rglob("*.h5")}
    for limit in (8, 12, 16, 20, 24, 40):
        script = f'ulimit -n {limit}; exec "$@"'
        command = ["sh", "-c", script, "sh", sys.executable, "-m", "tumorcam.jobs"]
        for words in (["verify", toml(config), "--delete"], ["reduce", toml(config)]):
            run([*command, *map(str, words)])
            assert {p: p.read_bytes() for p in before} == before, (limit, words)


def test_files_of_the_future_are_read(explained_copy):
    config, now = explained_copy, time.time()
    for path in config.folder.rglob("*.h5"):
        os.utime(path, (now + 10**6, now + 10**6))
    assert start(["reduce", toml(config)]).returncode == 0
