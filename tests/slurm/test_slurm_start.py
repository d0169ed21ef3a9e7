"""How slurm/start.sh ends a job: well, failed, or back to the queue; with an srun made for it."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRUN = """#!/bin/bash
trap 'sleep 0.2; exit ${NOTICED:-75}' USR1 USR2
touch ready
for _ in $(seq "${TENTHS:-0}"); do sleep 0.1; done
exit "${CODE:-0}"
"""
SCONTROL = '#!/bin/sh\necho "$@" >> scontrol.calls\nexit "${SCONTROL_CODE:-0}"\n'


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a step with the given environment."""
    (tmp_path / "slurm").symlink_to(ROOT / "slurm")
    (tmp_path / "bin").mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (tmp_path / "bin" / name).write_text(text, encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    program = "set -euo pipefail; source slurm/start.sh; run_step python"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "TUMORCAM"))}
    clean |= {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}

    def started(**environment):
        return subprocess.Popen(
            ["bash", "-c", program], env=clean | environment, stderr=subprocess.PIPE, text=True
        )

    return started


def requeued():
    path = Path("scontrol.calls")
    return path.exists() and path.read_text(encoding="utf-8") == "requeue 7\n"


def signalled(process, number):
    """Exit code and words of a step's script that got a signal."""
    while not Path("ready").exists():
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=600)
    return process.returncode, said


@pytest.mark.parametrize("code", ["0", "1", "137"])
def test_a_step_that_ends_by_itself_gives_its_exit_code(start, code):
    process = start(CODE=code)
    assert process.wait(timeout=600) == int(code) and not requeued()


def test_a_noticed_step_that_stops_goes_back_to_the_queue(start):
    code, said = signalled(start(TENTHS="300"), signal.SIGUSR1)
    assert code == 75 and requeued()
    assert "stopped before its end; back to the queue, time 1 of 10 at most" in said


def test_the_site_chooses_signal_and_number(start):
    environment = {"TUMORCAM_NOTICE": "USR2@60", "TUMORCAM_REQUEUES": "3"}
    process = start(TENTHS="300", SLURM_RESTART_COUNT="2", **environment)
    code, said = signalled(process, signal.SIGUSR2)
    assert code == 75 and requeued() and "time 3 of 3 at most" in said


def test_it_is_not_queued_for_ever(start):
    process = start(TENTHS="300", SLURM_RESTART_COUNT="10")
    code, said = signalled(process, signal.SIGUSR1)
    assert code == 75 and not requeued()
    assert "stopped before its end 11 times, TUMORCAM_REQUEUES is 10; submit it again" in said


def test_a_noticed_step_that_is_done_in_time_is_done(start):
    code, _ = signalled(start(TENTHS="300", NOTICED="0"), signal.SIGUSR1)
    assert code == 0 and not requeued()


def test_a_step_that_slurm_told_itself_goes_back_too(start):
    process = start(CODE="75")
    assert process.wait(timeout=600) == 75 and requeued()


def test_a_cancelled_job_does_not(start):
    code, _ = signalled(start(TENTHS="10", CODE="75"), signal.SIGTERM)
    assert code == 75 and not requeued()


def test_where_requeueing_is_forbidden_it_says_so(start):
    process = start(TENTHS="300", SCONTROL_CODE="1")
    code, said = signalled(process, signal.SIGUSR1)
    assert code == 75 and "submit it again: it goes on" in said
