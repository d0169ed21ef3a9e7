"""The shipped batch scripts under a real Slurm of virtual nodes on this machine."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from jobs import status, verify

ROOT = Path(__file__).parents[2]
TESTBED = Path(__file__).with_name("testbed.sh")
N_NODES = 2
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

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("slurmctld", path="/usr/sbin:/usr/bin") is None,
        reason="needs root and Slurm's packages: tests/slurm/testbed.sh install",
    ),
]


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


def submit(environment: dict[str, str], *words: str) -> str:
    return subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout


def wait_until_done(environment: dict[str, str]) -> None:
    deadline = time.monotonic() + MAX_SECONDS
    while submit(environment, "squeue", "--noheader"):
        assert time.monotonic() < deadline, submit(environment, "squeue")
        time.sleep(1)


def output_of_jobs(folder: Path) -> str:
    return "\n".join(
        f"== {path.name}\n{path.read_text(encoding='utf-8')}"
        for path in sorted(folder.glob("*.out"))
    )


def test_preflight_tells_what_the_site_gives(slurm, project):
    submit(slurm, "sbatch", "--wait", "--output=preflight.out", "slurm/preflight.sh")
    text = (project / "preflight.out").read_text(encoding="utf-8")
    assert "rank 0 of 2" in text and "rank 1 of 2" in text, text
    assert "file locks:  work" in text, text
    assert text.count("explain on the CPU, with XLA: right") == 2, text


def test_the_pipeline_makes_a_whole_run(slurm, project, capsys):
    config = "my configs/tiny.toml"
    said = submit(slurm, "slurm/pipeline.sh", config, "--set", "training.epochs=3")
    assert [line.split(":")[0] for line in said.splitlines()[:6]] == [
        "prepare", "train", "explain", "reduce", "faithfulness", "report",
    ]  # fmt: skip
    wait_until_done(slurm)
    words = [config, "--set", "training.epochs=3"]
    assert verify.main(words) == 0, capsys.readouterr().out + output_of_jobs(Path("runs/slurm"))
    assert status.main(words) == 0
    assert Path("runs/tiny/report/index.html").exists()


def test_a_failed_stage_cancels_those_behind_it(slurm, project):
    words = ["my configs/tiny.toml", "--set", "input.expression=absent.tsv"]
    submit(slurm, "slurm/pipeline.sh", *words)
    wait_until_done(slurm)
    said = output_of_jobs(Path("runs/slurm"))
    assert "absent.tsv" in said and "prepare ended with exit code 1" in said
    assert [path.name.split("-")[1] for path in Path("runs/slurm").iterdir()] == ["prepare"], said
