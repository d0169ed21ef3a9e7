"""Submitting to the test Slurm and waiting for it; the tiny run that its tests make."""

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

MAX_SECONDS = 600
CONFIG = """
[run]
name = "tiny"
threads_per_rank = 1

[cohort]
genes = 100

[splits]
folds = 2

[layout]
replicates = 2

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


def wait_for(what, seconds: float = 120):
    """What `what()` returns once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def process_of(job: str, module: str, rank: int = 0) -> int:
    """The process that runs a module as a rank of a job; 0 if there is none yet."""
    wanted = {f"SLURM_JOB_ID={job}", f"SLURM_PROCID={rank}", "SLURM_STEP_ID=0"}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (path / "cmdline").read_text().split("\0")
            given = set((path / "environ").read_text().split("\0"))
            if module in words and "python" in words[0] and wanted <= given:
                return int(path.name)
    return 0
