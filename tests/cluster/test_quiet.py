"""In child processes, some with TensorFlow and most with a stand-in that writes what it writes."""

import os
import pty
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tumorcam.cluster import quiet
from tumorcam.cluster.line_filter import copy_lines
from tumorcam.cluster.processes import find_mpiexec

ROOT = Path(__file__).parents[2]
CHATTER = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    "I0000 00:00:1795756263.175100   16461 port.cc:153] oneDNN custom operations are on.\n"
    "2026-01-02 03:04:05.060708: I tensorflow/core/util/port.cc:153] oneDNN operations are on.\n"
    "W0000 00:00:1795756404.793077 16950 dataset.cc:997] Input of GeneratorDatasetOp::Dataset will "
    "not be optimized because the dataset does not implement the AsGraphDefInternal() method\n"
    "E0000 00:00:1736163964.084812 3415088 cuda_dnn.cc:8310] Unable to register cuDNN factory: "
    "Attempting to register factory for plugin cuDNN when one has already been registered\n"
    "2025-02-09 09:37:32.334667: E external/local_xla/xla/stream_executor/cuda/cuda_fft.cc:607] "
    "Unable to register cuFFT factory: Attempting to register factory\n"
    "W0000 00:00:1744708234.960672 1370911 computation_placer.cc:177] computation placer already "
    "registered. Please check linkage and avoid linking the same target more than once.\n"
    "2025-02-09 09:37:33.337631: W tensorflow/compiler/tf2tensorrt/utils/py_utils.cc:38] TF-TRT "
    "Warning: Could not find TensorRT\n"
)
WARNING = "W0000 00:00:1795756414.186687 17275 cpu_allocator_impl.cc:84] Allocation exceeds 10%\n"
ERROR = "E0000 00:00:1795756414.186530   17178 ring_alg.cc:291] Aborting: Socket closed\n"
FATAL = "F0000 00:00:1795756414.186530   17178 x.cc:1] Check failed: a == b\n"
OTHER = (
    "Additional GRPC error information:\n"
    "\n"
    "Input of dataset\r  50%\r 100% I0000 00:00:\n"
    "WARNING: something else\n"
    "In the end\n"
    "größe \x00 ] TF-TRT Warning: Could not find TensorRT\n"
)
STAND_IN = f"""
import ctypes
import sys
import time

def write(text):
    '''Write to the C library's `stderr`, as TensorFlow does.'''
    data, libc = text.encode(), ctypes.CDLL(None)
    libc.fwrite(data, ctypes.c_size_t(1), ctypes.c_size_t(len(data)),
                ctypes.c_void_p.in_dll(libc, "stderr"))

write({CHATTER!r})
"""
BEGIN = """
import os, signal, subprocess, sys, time
from tumorcam.cluster.quiet import without_chatter
with without_chatter():
    import tensorflow
"""


@pytest.fixture
def environment(tmp_path):
    """An environment in which the stand-in is imported as tensorflow."""
    (tmp_path / "tensorflow.py").write_text(STAND_IN, encoding="utf-8")
    return {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}


def program(body):
    """Words that start a program whose body runs after the import of tensorflow."""
    return [sys.executable, "-c", BEGIN + textwrap.indent(textwrap.dedent(body), "    ")]


def run(body, environment, **options):
    """The exit code and the standard error of a program."""
    ended = subprocess.run(
        program(body), env=environment, stderr=subprocess.PIPE, timeout=600, **options
    )
    return ended.returncode, ended.stderr.decode()


@pytest.mark.slow
def test_tensorflow_itself_prints_nothing_but_warnings():
    body = f"""
    assert tensorflow.function(lambda x: 2 * x, jit_compile=True, autograph=False)(3) == 6
    sys.path.insert(0, {str(Path(__file__).parent)!r})
    import test_quiet
    exec(test_quiet.STAND_IN)
    write({WARNING!r})
    raise SystemExit(3)
    """
    variables = {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "1", "PYTHONPATH": str(ROOT)}
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "1", **variables}
    assert run(body, environment) == (3, WARNING)


@pytest.mark.parametrize("text", ["", WARNING, ERROR, FATAL, OTHER])
@pytest.mark.parametrize("times", [1, 2000])
def test_all_but_chatter_arrives_unchanged_and_in_order(environment, text, times):
    body = f"tensorflow.write({text!r} * {times}); tensorflow.write({CHATTER + ERROR!r} * {times})"
    assert run(body, environment) == (0, text * times + ERROR * times)


def test_python_child_processes_and_the_descriptor_itself_are_not_filtered(environment):
    body = f"""
    sys.stderr.write({CHATTER!r})
    os.write(2, {CHATTER.encode()!r})
    echo = "import sys; sys.stderr.write(sys.argv[1])"
    subprocess.run([sys.executable, "-c", echo, {CHATTER!r}])
    """
    assert run(body, environment) == (0, CHATTER * 3)


@pytest.mark.parametrize(
    ("ending", "code", "text"),
    [
        ("", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('message')", 1, "message"),
        ("os._exit(75)", 75, ""),
        ("raise ValueError('a')", 1, "ValueError: a"),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
        ("os.abort()", -signal.SIGABRT, ""),
        ("import faulthandler; faulthandler.enable(); faulthandler._sigsegv()", -signal.SIGSEGV,
         "Fatal Python error: Segmentation fault"),
        ("tensorflow.ctypes.CDLL(None).free(12345)", -signal.SIGSEGV, ""),
    ],
)  # fmt: skip
def test_however_the_process_ends_its_text_arrives_and_its_code_stays(
    environment, ending, code, text
):
    before = run(ending, environment)[0]
    assert before == code
    code, screen = run(f"tensorflow.write({FATAL!r})\n{ending}", environment)
    assert code == before and FATAL in screen and text in screen and "oneDNN" not in screen


def test_signals_to_the_whole_group_leave_the_filter_alone(environment):
    body = f"""
    def stop(number, frame):
        tensorflow.write({WARNING!r})
        sys.exit(75)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, stop)
    print("ready", flush=True)
    time.sleep(30)
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        process = subprocess.Popen(
            program(body),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stdout.readline() == "ready\n"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in (process.pid, *map(int, children)):
            os.kill(pid, number)
        assert process.communicate(timeout=600)[1] == WARNING and process.returncode == 75


def test_the_beginning_of_a_line_is_not_held_back(environment):
    body = f"tensorflow.write('50%'); time.sleep(1.5); tensorflow.write({CHATTER!r})"
    process = subprocess.Popen(program(body), env=environment, stderr=subprocess.PIPE)
    assert os.read(process.stderr.fileno(), 100) == b"50%"
    assert process.poll() is None
    first = CHATTER[: CHATTER.index("\n") + 1]
    assert process.communicate(timeout=600)[1].decode() == first, "it continues the line"


def test_stderr_may_be_a_file(environment, tmp_path):
    body = f"tensorflow.write({WARNING!r}); print('end', file=sys.stderr)"
    with (tmp_path / "out").open("w+") as file:
        subprocess.run(program(body), env=environment, stderr=file, check=True, timeout=600)
        file.seek(0)
        assert sorted(file.read().splitlines()) == [WARNING.strip(), "end"]


def test_stderr_may_be_closed(environment):
    words = program(f"tensorflow.write({WARNING!r}); sys.exit(3)")
    ended = subprocess.run(
        ["sh", "-c", '"$@" 2>&-', "sh", *words], env=environment, capture_output=True, timeout=600
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, b"", b"")


def test_a_terminal_stays_one(environment):
    body = """
    assert sys.stderr.isatty()
    subprocess.run([sys.executable, "-c", "import os; assert os.isatty(2)"], check=True)
    """
    ours, theirs = pty.openpty()
    ended = subprocess.run(program(body), env=environment, stderr=theirs, timeout=600)
    os.close(theirs)
    os.close(ours)
    assert ended.returncode == 0


def test_ranks_of_mpi(environment, tmp_path):
    words = [find_mpiexec(), "-n", "2", *program(f"tensorflow.write({WARNING!r}); sys.exit(4)")]
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600)
    text = ended.stdout + ended.stderr
    assert ended.returncode == 4 and WARNING in text and "oneDNN" not in text


def test_verbose_leaves_the_chatter_alone(environment):
    words = [*program("")[:2], BEGIN.replace("chatter()", "chatter(verbose=True)")]
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600)
    assert ended.stderr == CHATTER


def test_nothing_happens_without_the_import(monkeypatch):
    monkeypatch.setattr(quiet, "_start_filter", None)
    monkeypatch.setattr(quiet, "MODULE", "a_module_that_is_not_imported")
    finders = sys.meta_path[:]
    with quiet.without_chatter():
        assert len(sys.meta_path) == len(finders) + 1
    assert sys.meta_path == finders


def test_the_block_can_be_left_and_entered_again(monkeypatch, tmp_path, capfd):
    """As by jobs that a test calls one after the other."""
    monkeypatch.syspath_prepend(str(tmp_path))
    finders = sys.meta_path[:]
    for name in ("stand_in_1", "stand_in_2"):
        (tmp_path / f"{name}.py").write_text(STAND_IN, encoding="utf-8")
        monkeypatch.setattr(quiet, "MODULE", name)
        with quiet.without_chatter(), quiet.without_chatter():
            module = __import__(name)
            module.write(CHATTER + WARNING)
        module.write(CHATTER)
        assert capfd.readouterr().err == WARNING + CHATTER
        with quiet.without_chatter():
            module.write(CHATTER)
        assert capfd.readouterr().err == CHATTER, "it was imported before"
        assert sys.meta_path == finders


def test_a_target_that_is_gone_stops_nobody():
    reading, writing = os.pipe()
    source, inlet = os.pipe()
    os.close(reading)
    os.write(inlet, WARNING.encode())
    os.close(inlet)
    copy_lines(source, writing)
    os.close(source)
    os.close(writing)


def test_a_target_that_does_not_block_gets_all_bytes():
    source, inlet = os.pipe()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    text = WARNING.encode() * 700  # of 64 KiB that a pipe holds
    child = os.fork()
    if child == 0:
        os.close(inlet)
        copy_lines(source, writing)
        os._exit(0)
    os.close(writing)
    os.write(inlet, text)
    os.write(inlet, text)
    os.close(inlet)
    with os.fdopen(reading, "rb") as file:
        assert file.read() == text * 2
    assert os.waitpid(child, 0)[1] == 0
    os.close(source)
