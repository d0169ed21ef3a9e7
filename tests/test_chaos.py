"""Twenty faults of the chaos test, which can be run longer by hand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("chaos.py")


@pytest.mark.mpi
@pytest.mark.slow
def test_twenty_faults_leave_the_run_as_it_would_have_been(tmp_path):
    words = [sys.executable, str(SCRIPT), str(tmp_path), "--seed", "20", "--damage", "6"]
    words += ["--faults", "20"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    counted = re.search(r"seed 20: (\d+) faults in \d rounds, all mended", ended.stdout)
    assert counted and int(counted[1]) >= 20, ended.stdout
