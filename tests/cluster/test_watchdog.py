import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tumorcam.cluster.logs import FAILED, LogRecord

PROGRAM = """
import sys, time
from pathlib import Path
from tumorcam.cluster.watchdog import Watchdog
dog = Watchdog(1, Path(sys.argv[1]))
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture
def log(tmp_path):
    return tmp_path / "job.log"


def start(log, program):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM + program, str(log)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def assert_reported(log, screen):
    """The console has one line, the log the same with its time, and a record as `logs` reads it."""
    line, record = log.read_text(encoding="utf-8").splitlines()
    assert line[9:] + "\n" == f"job: {screen}"
    error = screen.removeprefix("error: ").strip()
    date = LogRecord.from_line(record).date
    assert record == LogRecord(FAILED, date=date, error=error).to_line()
    assert date.endswith(line[:8])


def test_a_silent_process_is_killed_with_its_message(log):
    process = start(log, "dog.expect(1, 'step 3'); time.sleep(60)")
    _, screen = process.communicate(timeout=600)
    assert process.returncode == -signal.SIGKILL
    assert screen.startswith("error: worker 1: step 3 took over 1 s: a worker is stopped, gone or")
    assert "run the same command again" in screen
    assert_reported(log, screen)


def test_so_it_is_where_no_message_can_be_written(tmp_path):
    process = start(tmp_path / "no folder" / "job.log", "dog.expect(2, 'late'); time.sleep(60)")
    process.stderr.close()
    assert process.wait(timeout=600) == -signal.SIGKILL


def test_so_is_one_that_is_suspended(log):
    process = start(log, "dog.expect(2, 'late'); print('ready', flush=True); time.sleep(60)")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGSTOP)
    assert process.wait(timeout=600) == -signal.SIGKILL
    assert "error: worker 1: late" in log.read_text(encoding="utf-8")


def test_one_that_speaks_in_time_is_left_alone(log):
    process = start(
        log, "[(dog.expect(3, 'late'), time.sleep(1)) for _ in range(6)]; dog.__exit__()"
    )
    assert process.communicate(timeout=600)[1] == "" and process.returncode == 0
    assert not log.exists()


def test_the_unexpected_end_of_a_process_is_reported(log):
    process = start(log, "import os; dog.expect(60, 'late'); os.kill(os.getpid(), 9)")
    screen = process.communicate(timeout=600)[1]
    assert screen.startswith("error: worker 1 ended without a word: it was killed")
    assert_reported(log, screen)


def test_one_that_does_not_end_after_its_work_is_ended(log):
    module = "import tumorcam.cluster.watchdog as w"
    program = f"{module}; w.SECONDS_TO_END = 1; dog.__exit__(); time.sleep(60)"
    process = start(log, program)
    assert process.communicate(timeout=600)[1] == ""
    assert process.returncode == -signal.SIGKILL and not log.exists()


@pytest.mark.parametrize("code", [0, 1, 75])
def test_a_process_ends_at_once_with_its_code_and_its_output(log, code):
    """As TensorFlow's shutdown, the exit handler waits for a worker that is gone."""
    program = f"""
import atexit, logging
from tumorcam.cluster.watchdog import end_process
atexit.register(time.sleep, 60)
logging.basicConfig(filename=sys.argv[1])
logging.error("logged")
sys.stdout.write("out")
sys.stderr.write("err")
dog.__exit__()
end_process({code})
"""
    process = start(log, program)
    assert process.communicate(timeout=600) == ("out", "err") and process.returncode == code
    assert "logged" in log.read_text(encoding="utf-8")


def test_a_job_that_is_suspended_as_a_whole_is_not_late(log):
    """Its watchdog is suspended with it, and counts only the seconds that it ran."""
    process = start(log, "dog.expect(3, 'late'); print(dog._child.pid, flush=True); time.sleep(60)")
    both = [int(process.stdout.readline()), process.pid]
    for pid in both:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(5)
    for pid in both:
        os.kill(pid, signal.SIGCONT)
    time.sleep(1)
    assert process.poll() is None
    assert process.wait(timeout=600) == -signal.SIGKILL
