import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tumorcam.cluster import processes
from tumorcam.cluster.processes import MAX_WAITING, Background, run_together
from tumorcam.errors import ClusterError


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def test_commands_run_side_by_side_with_the_environment(tmp_path):
    """Each ends once all three have started."""
    code = (
        "import os, pathlib, time; folder = pathlib.Path({!r}); (folder / {!r}).touch()\n"
        "while len(list(folder.iterdir())) < 3: time.sleep(0.01)\n"
        "assert os.environ['OMP_NUM_THREADS'] == '3'"
    )
    commands = [python(code.format(str(tmp_path), name)) for name in "abc"]
    started = time.monotonic()
    ended = run_together(commands, {**os.environ, "OMP_NUM_THREADS": "3"})
    assert ended.exit_code == 0
    assert 0 < ended.cost.seconds <= time.monotonic() - started


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


def test_processor_time_and_written_bytes_add_up_over_processes(tmp_path):
    work = """import os, sys, time
while time.process_time() < 0.5: pass
with open(sys.argv[1], 'wb') as file:
    file.write(bytes(2**20)), file.flush(), os.fsync(file)"""
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}, sys.argv[1]])"
    commands = [[*python(code), str(tmp_path / code[:6])] for code in (work, inner)]
    cost = run_together(commands, os.environ).cost
    assert 1 <= cost.cpu_seconds < 5
    on_disk = cost.written_bytes > 0  # a file system in memory writes nothing
    assert not on_disk or 2 * 2**20 <= cost.written_bytes < 2 * 2**21


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


def test_background_calls_come_in_order_and_few_wait():
    done, gate = [], threading.Event()

    def work(item: int) -> int:
        gate.wait(10)
        done.append(item)
        return item * item

    with Background() as background:
        calls = [background.add(work, item) for item in range(MAX_WAITING)]
        threading.Timer(0.1, gate.set).start()
        calls += [background.add(work, item=item) for item in range(MAX_WAITING, 9)]
        assert len(done) >= 9 - MAX_WAITING, "the caller waited"
    assert done == list(range(9)) and [call.result() for call in calls] == [i * i for i in done]


def test_what_a_background_call_raises_is_raised_and_the_rest_is_dropped():
    done = []
    with pytest.raises(ZeroDivisionError), Background() as background:
        background.add(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError), Background() as background:
        background.add(lambda: 1 / 0)
        for item in range(9):
            background.add(done.append, item)
    assert len(done) <= MAX_WAITING
    with pytest.raises(KeyError, match="the caller's"), Background() as background:
        background.add(lambda: 1 / 0)
        raise KeyError("the caller's")


def test_children_end_with_a_parent_that_is_killed(tmp_path):
    ready = str(tmp_path / "ready")
    child = f"import time, pathlib; pathlib.Path({ready!r}).touch(); time.sleep(60)"
    tag = f"orphan-{tmp_path.name}"
    parent = (
        "import os, sys; from tumorcam.cluster.processes import run_together;"
        f"run_together([[sys.executable, '-S', '-c', {child!r}, {tag!r}]], os.environ)"
    )
    process = subprocess.Popen([sys.executable, "-c", parent])
    while not (tmp_path / "ready").exists():
        time.sleep(0.05)
    process.kill()
    process.wait()

    def orphans() -> list[Path]:
        lines = {path: path / "cmdline" for path in Path("/proc").glob("[0-9]*")}
        return [
            path
            for path, line in lines.items()
            if line.exists() and tag.encode() in line.read_bytes()
        ]

    deadline = time.monotonic() + 10
    while orphans():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_lines_of_the_first_process_go_where_they_are_wanted_while_it_is_watched(capfd):
    code = "import sys, time; print('to stderr', file=sys.stderr); time.sleep(0.6); sys.exit(3)"
    lines, looks = [], []
    ended = processes.run_together(
        [[sys.executable, "-c", code]],
        os.environ,
        watch=lambda: looks.append(1),
        write=lines.append,
    )
    assert ended.exit_code == 3 and lines == ["to stderr"] and len(looks) >= 2
    assert capfd.readouterr().err == ""
