import os
import signal
import subprocess
import sys

import pytest

from jobs import command
from tumorcam.cluster import launcher, preemption, processes
from tumorcam.errors import PreemptedError


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_notice_ends_the_work_at_once(number):
    with pytest.raises(PreemptedError, match=f"stopped by {number.name}"), preemption.stop_on_signal():
        send(number)
        raise AssertionError("not reached")


def test_work_that_looks_for_it_goes_on():
    done = []
    with preemption.stop_on_signal(), preemption.deferred_stop() as noticed:
        for step in range(5):
            if step == 2:
                send(signal.SIGUSR1)
            done.append(step)
            if noticed():
                break
        assert noticed() == "SIGUSR1"
    assert done == [0, 1, 2]


def test_after_such_work_a_notice_ends_at_once_again():
    with preemption.stop_on_signal():
        with preemption.deferred_stop():
            send(signal.SIGUSR1)
        with preemption.deferred_stop() as noticed:
            assert noticed() == "SIGUSR1", "the next work stops at once, too"
        with pytest.raises(PreemptedError):
            send(signal.SIGTERM)


def test_handlers_and_the_notice_are_gone_afterwards():
    before = signal.getsignal(signal.SIGUSR1)
    with preemption.stop_on_signal(), preemption.deferred_stop():
        send(signal.SIGUSR1)
    assert signal.getsignal(signal.SIGUSR1) is before
    with preemption.deferred_stop() as noticed:
        assert noticed() == ""


def test_the_site_chooses_the_signal(monkeypatch):
    assert launcher.notice_signals({}) == ("SIGUSR1", "SIGTERM")
    assert launcher.notice_signals({"TUMORCAM_NOTICE": "USR2@300"}) == ("SIGUSR2", "SIGTERM")
    monkeypatch.setattr(launcher, "notice_signals", lambda: ("SIGUSR2",))
    with pytest.raises(PreemptedError), preemption.stop_on_signal():
        send(signal.SIGUSR2)


def test_a_job_ends_with_75_and_a_word(tiny_toml, capsys):
    args = command.parser("stage", "").parse_args([tiny_toml])
    assert command.run(args, lambda config: send(signal.SIGTERM)) == 75
    said = capsys.readouterr().err
    assert said == "stopped: stopped by SIGTERM; what is done is kept, the same command goes on\n"


def test_a_notice_reaches_the_processes_side_by_side(tmp_path):
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
        [sys.executable, "-c", parent, *names], capture_output=True, text=True, timeout=60
    )
    assert "PreemptedError: stopped by SIGUSR1" in ended.stderr
    assert all((tmp_path / name).exists() for name in "ab")
    assert processes.run_together([[sys.executable, "-c", ""]], dict(os.environ)).exit_code == 0
