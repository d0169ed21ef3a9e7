"""Jobs of the chaos test: processes of this machine, or the batch scripts under Slurm."""

import argparse
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from slurm_jobs import TESTBED, submit

from jobs import pipeline
from jobs.command import Job
from tumorcam.cluster.launcher import Launch
from tumorcam.settings.config import Config
from tumorcam.storage.run_folder import RunFolder

ROOT = Path(__file__).parents[1]
N_RANKS = 2
TRAIN, PAUSE = "train", 0.05
SHAPES = {"explain": ["--array=0-1", "--ntasks=2"], "reduce": ["--ntasks=2"]}


def stage_commands(stage: str, config_file: Path, n_ranks: int) -> list[list[str]]:
    """The commands by which `tumorcam run` starts a stage of a run."""
    args = argparse.Namespace(config=config_file, overrides=[], null=None)
    job = Job(Config(), args, RunFolder(config_file.parent), Launch({}))
    return pipeline.stage_commands(stage, job, n_ranks)


def processes_of(stage: str, config_file: Path) -> list[int]:
    """The Python processes that work at a stage of a run, by their number."""
    numbers = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_text(encoding="utf-8").split("\0")
        except OSError:  # it has just ended
            continue
        is_python = Path(words[0]).name.startswith("python")
        if is_python and {stage, str(config_file)} <= set(words):
            numbers.append(int(path.name))
    return sorted(numbers)


class LocalJob:
    """A stage as processes of this machine: two ranks, or one or two workers of one model."""

    def __init__(self, stage: str, config_file: Path, model: str, n_workers: int) -> None:
        self.stage, self.config_file = stage, config_file
        n_ranks = 1 if stage == TRAIN else N_RANKS
        commands = stage_commands(stage, config_file, n_ranks)
        environments: list[dict[str, str]] = [{}] * len(commands)
        if stage == TRAIN and n_workers > 1:
            commands = [[*commands[0][:5], "--model", model]] * n_workers
            environments = [{"TF_CONFIG": text} for text in _tf_configs(n_workers)]
        self._children = [
            subprocess.Popen(
                words,
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            for words, environment in zip(commands, environments, strict=True)
        ]

    def is_running(self) -> bool:
        """Whether a process is left."""
        return any(child.poll() is None for child in self._children)

    def wait(self, seconds: float) -> bool:
        """Whether all ended well; AssertionError if they do not end in time."""
        deadline = time.monotonic() + seconds
        while self.is_running():
            if time.monotonic() > deadline:
                for child in self._children:
                    os.killpg(child.pid, signal.SIGKILL)
                raise AssertionError(f"{self.stage} did not end within {seconds:.0f} s")
            time.sleep(PAUSE)
        return all(child.returncode == 0 for child in self._children)

    def preempt(self) -> None:
        """Send USR1 to every process."""
        for pid in processes_of(self.stage, self.config_file):
            os.kill(pid, signal.SIGUSR1)


class SlurmJob:
    """A stage as its batch script: an array of ranks for explain, workers on nodes for train."""

    def __init__(self, stage: str, config_file: Path, model: str, n_workers: int) -> None:
        self.stage, self.config_file = stage, config_file
        shape = ["--cpus-per-task=1", "--time=01:00:00", *SHAPES.get(stage, [])]
        words = [str(config_file)]
        if stage == TRAIN and n_workers > 1:
            shape.append(f"--nodes={n_workers}")
            words += ["--model", model]
        output = config_file.parent / "slurm" / "%x-%A-%a.out"
        output.parent.mkdir(exist_ok=True)
        answer = submit(dict(os.environ), "sbatch", "--parsable", f"--output={output}", *shape,
                      f"slurm/{stage}.sh", *words)  # fmt: skip
        self.number = answer.strip().split(";")[0]

    def is_running(self) -> bool:
        """Whether the job, or an element of it, is in the queue; one that waits is hurried."""
        queued = _slurm("squeue", "--noheader", f"--jobs={self.number}", "--format=%r")
        if queued is None or "BeginTime" in queued:  # no controller, or its wait of two minutes
            subprocess.run([TESTBED, "kick"], check=True)
        return queued is None or bool(queued.strip())

    def wait(self, seconds: float) -> bool:
        """Whether it ended well; AssertionError if it does not end in time."""
        deadline = time.monotonic() + seconds
        while self.is_running():
            if time.monotonic() > deadline:
                _slurm("scancel", self.number)
                raise AssertionError(f"job {self.number} did not end within {seconds:.0f} s")
            time.sleep(PAUSE * 10)
        state = _slurm("scontrol", "--oneliner", "show", "job", self.number) or ""
        return all("JobState=COMPLETED" in line for line in state.splitlines())

    def preempt(self) -> None:
        """What `--signal=B:USR1@120` does, now."""
        self.tell("scancel", "--batch", "--signal=USR1")

    def tell(self, *words: str) -> None:
        """Run a command of Slurm on the job; it may have ended just before."""
        _slurm(*words, self.number)

    def nodes(self) -> list[str]:
        """Names of the nodes that it runs on."""
        nodes = _slurm("squeue", "--noheader", f"--jobs={self.number}", "--format=%B")
        return (nodes or "").split()


def _slurm(*words: str) -> str | None:
    """What a command of Slurm says; None if it fails, as for a job that has just ended."""
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return ended.stdout if ended.returncode == 0 else None


def _tf_configs(n_workers: int) -> list[str]:
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(n_workers)]
    workers = [f"127.0.0.1:{one.getsockname()[1]}" for one in opened]
    for one in opened:
        one.close()
    return [
        json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": i}})
        for i in range(n_workers)
    ]
