"""Submitting to the test Slurm and waiting for it; the tiny run that its tests make."""

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTBED = Path(__file__).parent / "slurm" / "testbed.sh"
MAX_SECONDS = 600
MAX_ARRAY = 2  # elements: the train array of the tiny run has three
CONFIG = """
[run]
name = "tiny"
threads_per_rank = 1

[cohort]
genes = 100

[splits]
folds = 2

[layout]
replicates = 1

[model]
filters = [8]
dense = [16]

[training]
epochs = 2

[explain]
block = 16

[synthesize]
tumors = ["BRCA", "COAD", "LUAD"]
samples_per_tumor = 16
genes = 150
drivers = 4
"""

NEEDS_SLURM = [  # a test module's `pytestmark`
    pytest.mark.slurm,
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("slurmctld", path="/usr/sbin:/usr/bin") is None,
        reason="needs root and Slurm's packages: tests/slurm/testbed.sh install",
    ),
]


@contextlib.contextmanager
def free_ports(n: int) -> Iterator[int]:
    """The first of `n` neighbouring ports that are free, below those of TensorFlow's workers.

    Until the block ends nobody else who asks is given a port: whoever has them has bound them then.
    """
    with Path(tempfile.gettempdir(), "tumorcam-slurm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for first in range(17_000, 20_000, 10):
            with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
                for port in range(first, first + n):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
                break
        else:
            raise AssertionError("no free ports")
        yield first


@contextlib.contextmanager
def running_slurm(n_nodes: int = 2) -> Iterator[dict[str, str]]:
    """The environment of a test Slurm of virtual nodes on this machine."""
    folder = tempfile.mkdtemp(prefix="tumorcam-slurm-")  # short: munge's socket lies in it
    environment = os.environ | {"TB": folder, "NODES": str(n_nodes), "MAX_ARRAY": str(MAX_ARRAY)}
    try:
        with free_ports(n_nodes + 2) as port:
            environment |= {"CTLD_PORT": str(port), "NODE_PORT": str(port + 1)}
            subprocess.run([TESTBED, "start"], env=environment, check=True)
        yield environment | {
            "SLURM_CONF": f"{folder}/etc/slurm.conf",
            "SLURM_MPI_TYPE": "pmi2",  # the mpich wheel's
            "TUMORCAM_PYTHON": sys.executable,
        }
    finally:
        subprocess.run([TESTBED, "clean"], env=environment, check=True)


def submit(environment: dict[str, str], *words: str) -> str:
    return subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout


def wait_until_done(environment: dict[str, str], *jobs: str) -> None:
    """Until these jobs, or all, have left the queue."""
    deadline = time.monotonic() + MAX_SECONDS
    chosen = [f"--jobs={','.join(jobs)}"] if jobs else []
    while submit(environment, "squeue", "--noheader", *chosen):
        assert time.monotonic() < deadline, submit(environment, "squeue")
        time.sleep(1)


def output_of_jobs(folder: Path) -> str:
    return "\n".join(
        f"== {path.name}\n{path.read_text(encoding='utf-8')}"
        for path in sorted(folder.glob("*.out"))
    )


def sbatch(environment: dict[str, str], *words: str) -> str:
    """The number of the submitted job; its output goes to out/NUMBER.out."""
    Path("out").mkdir(exist_ok=True)
    told = ["sbatch", "--parsable", "--output=out/%j.out", *words]
    return submit(environment, *told).strip().split(";")[0]


def wait_for(what, seconds: float = 600):
    """What `what()` returns once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def process_of(job: str, stage: str, rank: int = 0) -> int:
    """The process that runs a stage as a rank of a job; 0 if there is none yet."""
    variables = {f"SLURM_JOB_ID={job}", f"SLURM_PROCID={rank}", "SLURM_STEP_ID=0"}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (path / "cmdline").read_text().split("\0")
            environment = set((path / "environ").read_text().split("\0"))
            is_stage = ["tumorcam.jobs", stage] in [words[i : i + 2] for i in range(len(words))]
            if is_stage and "python" in words[0] and variables <= environment:
                return int(path.name)
    return 0
