"""A real Slurm of virtual nodes on this machine, and a project's folder for its jobs."""

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from slurm_jobs import CONFIG

ROOT = Path(__file__).parents[2]
TESTBED = Path(__file__).with_name("testbed.sh")
N_NODES = 2


def free_ports(n: int) -> int:
    """The first of `n` neighbouring ports that nobody listens on."""
    for first in range(21_000, 60_000, 50):
        with socket.socket() as probe:
            if all(probe.connect_ex(("127.0.0.1", first + i)) for i in range(n)):
                return first
    raise AssertionError("no free ports")


@pytest.fixture(scope="module")
def slurm():
    """The environment of a running test Slurm."""
    folder = tempfile.mkdtemp(prefix="tumorcam-slurm-")  # short: munge's socket lies in it
    port = free_ports(N_NODES + 2)
    knobs = {
        "TB": folder,
        "NODES": str(N_NODES),
        "CTLD_PORT": str(port),
        "NODE_PORT": str(port + 1),
    }
    environment = {**os.environ, **knobs}
    subprocess.run([TESTBED, "start"], env=environment, check=True)
    yield environment | {
        "SLURM_CONF": f"{folder}/etc/slurm.conf",
        "SLURM_MPI_TYPE": "pmi2",  # the mpich wheel's
        "TUMORCAM_PYTHON": sys.executable,
    }
    subprocess.run([TESTBED, "clean"], env=environment, check=True)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder that looks like a checkout and takes what the scripts write."""
    for name in ("slurm", "jobs", "tumorcam"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "my configs").mkdir()
    (tmp_path / "my configs" / "tiny.toml").write_text(CONFIG, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path
