import os
import sys
import time

import pytest

from tumorcam import processes
from tumorcam.errors import ClusterError
from tumorcam.processes import run_together


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def test_commands_run_side_by_side_with_the_environment():
    commands = [
        python("import os, time; time.sleep(2); assert os.environ['OMP_NUM_THREADS'] == '3'")
    ] * 3
    started = time.monotonic()
    ended = run_together(commands, {**os.environ, "OMP_NUM_THREADS": "3"})
    assert ended.exit_code == 0
    assert 2 <= ended.cost.seconds <= time.monotonic() - started < 6


def test_the_first_failure_counts_and_others_last_words_are_shown(capfd):
    commands = [
        python("print('fine')"),
        python("import sys; print('why', file=sys.stderr); sys.exit(7)"),
        python("import sys; sys.exit(8)"),
    ]
    assert run_together(commands, os.environ).exit_code == 7
    said = capfd.readouterr()
    assert "why" in said.err and "fine" in said.out


def test_what_a_sound_process_whispers_stays_out_of_the_way(capfd):
    whisper = python("import sys; print('progress', file=sys.stderr)")
    assert run_together([whisper, whisper], os.environ).exit_code == 0
    assert capfd.readouterr().err.count("progress") == 1, "the first draws, the others do not"


def test_a_killed_process_is_a_failure():
    assert run_together([python("import os; os.kill(os.getpid(), 9)")], os.environ).exit_code == -9


def test_peak_memory_is_the_largest_process():
    big = "a = bytearray(900 * 2**20); a[::4096] = b'1' * len(a[::4096])"
    ended = run_together([python(""), python(big)], os.environ)
    assert 900 * 2**20 < ended.cost.peak_bytes < 4 * 2**30


def test_mpiexec_is_found_beside_python_then_on_the_path(tmp_path, monkeypatch):
    for folder in ("venv", "path"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mpiexec").touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert processes.find_mpiexec() == str(tmp_path / "venv" / "mpiexec")
    (tmp_path / "venv" / "mpiexec").unlink()
    assert processes.find_mpiexec() == str(tmp_path / "path" / "mpiexec")
    (tmp_path / "path" / "mpiexec").unlink()
    with pytest.raises(ClusterError, match="--ranks 1"):
        processes.find_mpiexec()
