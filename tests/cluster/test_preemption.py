import os
import signal
import subprocess
import sys

import pytest

from jobs import command
from jobs.command import Command
from tumorcam.cluster import preemption, processes
from tumorcam.errors import PreemptedError


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_signal_ends_the_work_at_once(number):
    with (
        pytest.raises(PreemptedError, match=f"stopped by {number.name}"),
        preemption.stop_on_signal(),
    ):
        send(number)
        raise AssertionError("not reached")


def test_work_that_looks_for_it_goes_on():
    steps = []
    with preemption.stop_on_signal(), preemption.deferred_stop() as stop_signal:
        for step in range(5):
            if step == 2:
                send(signal.SIGUSR1)
            steps.append(step)
            if stop_signal():
                break
        assert stop_signal() == "SIGUSR1"
    assert steps == [0, 1, 2]


def test_after_such_work_a_signal_ends_at_once_again():
    with preemption.stop_on_signal():
        with preemption.deferred_stop():
            send(signal.SIGUSR1)
        with preemption.deferred_stop() as stop_signal:
            assert stop_signal() == "SIGUSR1", "the next work stops at once, too"
        with pytest.raises(PreemptedError):
            send(signal.SIGTERM)


def test_a_drawing_is_finished_before_a_signal_stops_the_work():
    steps = []
    with preemption.stop_on_signal():
        with pytest.raises(PreemptedError, match="stopped by SIGINT"), preemption.undivided():
            send(signal.SIGINT)
            steps.append("drawn")
        with preemption.deferred_stop() as stop_signal:
            with preemption.undivided():
                send(signal.SIGTERM)
            steps.append("such work goes on")
            assert stop_signal() == "SIGTERM"
    assert steps == ["drawn", "such work goes on"]


def test_handlers_and_the_signal_are_gone_afterwards():
    before = signal.getsignal(signal.SIGUSR1)
    with preemption.stop_on_signal(), preemption.deferred_stop():
        send(signal.SIGUSR1)
    assert signal.getsignal(signal.SIGUSR1) is before
    with preemption.deferred_stop() as stop_signal:
        assert stop_signal() == ""


def test_the_site_chooses_the_signal(monkeypatch):
    monkeypatch.setenv("TUMORCAM_NOTICE", "USR2@300")
    with pytest.raises(PreemptedError), preemption.stop_on_signal():
        send(signal.SIGUSR2)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_job_that_is_stopped_ends_with_a_line_and_a_code(tiny_toml, capsys, number, code):
    def body(job):
        send(number)
        raise AssertionError("not reached")

    assert command.run(Command("stage", "", body, ()), [tiny_toml]) == code
    line = f"stopped by {number.name}; what is done is kept, the same command goes on\n"
    assert capsys.readouterr().err == line


def test_a_signal_reaches_the_processes_side_by_side(tmp_path):
    """They end before their parent does."""
    child = (
        "import signal, sys, time; from pathlib import Path;"
        "signal.signal(signal.SIGTERM, lambda *_: (Path(sys.argv[1]).touch(), sys.exit(75)));"
        "Path(sys.argv[1] + '-ready').touch(); time.sleep(60)"
    )
    parent = f"""
import os, sys, threading, time
from pathlib import Path
from tumorcam.cluster import preemption, processes
ready = [Path(f"{{name}}-ready") for name in sys.argv[1:]]
def warn():
    while not all(path.exists() for path in ready):
        time.sleep(0.05)
    os.kill(os.getpid(), {signal.SIGUSR1.value})
threading.Thread(target=warn, daemon=True).start()
commands = [[sys.executable, "-c", {child!r}, name] for name in sys.argv[1:]]
with preemption.stop_on_signal():
    processes.run_together(commands, os.environ)
"""
    names = [str(tmp_path / name) for name in "ab"]
    ended = subprocess.run(
        [sys.executable, "-c", parent, *names], capture_output=True, text=True, timeout=600
    )
    assert "PreemptedError: stopped by SIGUSR1" in ended.stderr
    assert all((tmp_path / name).exists() for name in "ab")
    assert processes.run_together([[sys.executable, "-c", ""]], dict(os.environ)).exit_code == 0
