"""Chaos: disturbs a small run in every way until it is done, and compares it with a quiet one.

    python tests/chaos.py FOLDER [--seed 1] [--faults 200] [--damage 2] [--slurm]

A round removes what a stage made, starts it anew, lets a fault happen while it works and two more
damage its files, and repeats `verify --delete` and the jobs until the run is whole. The end must be
that of the undisturbed run: bit for bit after explain and reduce, weights within 1e-6 after
training. The run lies on a small disk of its own where this user may mount one. With --slurm the
jobs are the shipped batch scripts, under a test Slurm whose nodes die as well.
"""

import argparse
import collections
import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from chaos_jobs import LocalJob, SlurmJob, processes_of  # noqa: E402
from slurm_jobs import TESTBED, running_slurm  # noqa: E402

from jobs import verify  # noqa: E402
from tumorcam.operations import audit  # noqa: E402
from tumorcam.operations.expected_files import JOB_OF_STAGE  # noqa: E402
from tumorcam.settings.config import load_config  # noqa: E402

STAGES = ("train", "explain", "reduce")
OUTPUTS = {"train": "models", "explain": "shards", "reduce": "significance"}
MODEL = "r00-f00"  # whose training is disturbed
TOLERANCE = 1e-6  # of weights that were trained on
DISK_BYTES = 60 * 2**20
MAX_RUNS = 12  # of a stage until it must be done
PATIENCE = 300.0  # seconds until a job must have ended
N_NODES = 4  # of the test Slurm
CONFIG = """
[run]
name = "chaos"
folder = "{folder}"
threads_per_rank = 1

[cohort]
genes = 400

[splits]
folds = 2

[layout]
replicates = 1

[model]
filters = [8]
dense = [16]

[training]
epochs = 60
patience = 60
checkpoint_steps = 5
checkpoint_share = 0.0

[explain]
block = 6

[synthesize]
tumors = ["BRCA", "COAD", "LUAD"]
samples_per_tumor = 20
genes = 500
drivers = 4
"""


class Chaos:
    """One run that is disturbed, and the undisturbed one beside it.

    `told` counts the faults by stage and kind; `hit` is whether the last one met a process at work.
    """

    def __init__(self, folder: Path, seed: int, *, slurm: bool, has_disk: bool) -> None:
        self.rng, self.slurm, self.has_disk = np.random.default_rng(seed), slurm, has_disk
        self.told: collections.Counter[tuple[str, str]] = collections.Counter()
        self.hit = False
        self.seconds: dict[str, float] = {}
        self.disk = folder / "disk"
        self.config_file = _write_config(folder / "disturbed.toml", self.disk / "run")
        self.config = load_config(self.config_file)
        reference = _write_config(folder / "reference.toml", folder / "reference")
        self.reference = load_config(reference).folder
        _job("run", reference, "--until", "prepare")
        for stage in STAGES:
            started = time.monotonic()
            _job(stage, reference)
            self.seconds[stage] = time.monotonic() - started

    def round(self, stage: str, n_damaged: int) -> None:
        """Disturb one stage, damage some files and mend it.

        Raises
        ------
        AssertionError
            If the end is not that of the reference.
        """
        shutil.rmtree(self.config.folder, ignore_errors=True)
        shutil.copytree(self.reference, self.config.folder)
        self._remove_outputs(stage)
        self._disturb(stage)
        self._check_whole_files(stage)
        for _ in range(n_damaged):
            self._damage_a_file(stage)
        self._mend(stage)
        self._check_whole_files(stage)

    def _remove_outputs(self, stage: str) -> None:
        folder = self.config.folder
        for path in (folder / "saliency.h5", folder / "significance.h5"):
            path.unlink(missing_ok=True)
        if stage == "train":
            shutil.rmtree(folder / "models" / MODEL)
        if stage in ("train", "explain"):
            shutil.rmtree(folder / "shards")

    def _start(self, stage: str, n_workers: int = 1) -> LocalJob | SlurmJob:
        kind = SlurmJob if self.slurm else LocalJob
        return kind(stage, self.config_file, MODEL, n_workers)

    def _disturb(self, stage: str) -> None:
        """Start a stage and let one fault happen while it works."""
        kinds: dict[str, Callable[[str], None]] = {
            "kill -9 of a process": lambda s: self._signal(s, signal.SIGKILL),
            "kill -9 of the job": lambda s: self._signal(s, signal.SIGKILL, every=True),
            "notice (USR1)": self._notice,
            "SIGTERM": lambda s: self._signal(s, signal.SIGTERM, every=True),
            "suspended for a while": self._suspend,
        }
        if self.has_disk:
            kinds["full disk"] = self._fill
        if stage == "train":
            kinds["a worker of two killed"] = lambda s: self._signal(s, signal.SIGKILL, n_workers=2)
            kinds["a worker of two stopped"] = self._stop_worker
        if self.slurm:
            kinds |= {
                "scancel": self._cancel,
                "requeue": self._requeue,
                "dead node": self._kill_node,
            }
        name = str(self.rng.choice(sorted(kinds)))
        print(f"  {stage}: {name}", flush=True)
        kinds[name](stage)
        self.told[stage, name] += self.hit

    def _wait_for_work(self, job: "LocalJob | SlurmJob") -> None:
        """Until a random time of its work, or its end: then the fault is not counted."""
        while job.is_running() and not processes_of(job.stage, self.config_file):
            time.sleep(0.02)
        deadline = time.monotonic() + self.rng.uniform(0.2, 1.0) * self.seconds[job.stage]
        while time.monotonic() < deadline and job.is_running():
            time.sleep(0.02)
        self.hit = bool(processes_of(job.stage, self.config_file))

    def _signal(self, stage: str, number: int, *, every: bool = False, n_workers: int = 1) -> None:
        job = self._start(stage, n_workers)
        self._wait_for_work(job)
        processes = self._processes(stage)
        _kill(processes if every else processes[:1], number)
        job.wait(PATIENCE)

    def _suspend(self, stage: str) -> None:
        job = self._start(stage)
        self._wait_for_work(job)
        processes = self._processes(stage)[:1]
        for number in (signal.SIGSTOP, signal.SIGCONT):
            _kill(processes, number)
            time.sleep(1.0)
        job.wait(PATIENCE)

    def _stop_worker(self, stage: str) -> None:
        job = self._start(stage, 2)
        self._wait_for_work(job)
        _kill(self._processes(stage)[:1], signal.SIGSTOP)
        job.wait(PATIENCE)

    def _processes(self, stage: str) -> list[int]:
        """Those of the disturbed run, in a random order."""
        return [int(pid) for pid in self.rng.permutation(processes_of(stage, self.config_file))]

    def _notice(self, stage: str) -> None:
        job = self._start(stage)
        self._wait_for_work(job)
        job.preempt()
        job.wait(PATIENCE)

    def _fill(self, stage: str) -> None:
        job = self._start(stage)
        self._wait_for_work(job)
        ballast = self.disk / "ballast"
        free = shutil.disk_usage(self.disk).free - int(self.rng.integers(0, 300_000))
        with contextlib.suppress(OSError), ballast.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, max(1, free))
        job.wait(PATIENCE)
        ballast.unlink(missing_ok=True)

    def _cancel(self, stage: str) -> None:
        job = self._start(stage)
        self._wait_for_work(job)
        job.tell("scancel")
        job.wait(PATIENCE)

    def _requeue(self, stage: str) -> None:
        job = self._start(stage)
        self._wait_for_work(job)
        job.tell("scontrol", "requeue")
        job.wait(PATIENCE)

    def _kill_node(self, stage: str) -> None:
        job = self._start(stage)
        self._wait_for_work(job)
        for node in job.nodes()[:1]:
            subprocess.run([TESTBED, "kill-node", node], check=True)
            time.sleep(2)
            subprocess.run([TESTBED, "start-node", node], check=True)
        job.wait(PATIENCE)

    def _damage_a_file(self, stage: str) -> None:
        """Cut a file or flip one of its bits; one that is there, of any stage."""
        files = sorted(
            path
            for path in self.config.folder.rglob("*")
            if path.is_file() and path.stat().st_size and self._may_be_damaged(path)
        )
        path = files[int(self.rng.integers(len(files)))]
        content = bytearray(path.read_bytes())
        if self.rng.random() < 0.4:
            name, content = "cut file", content[: int(self.rng.integers(len(content)))]
        else:
            bit = int(self.rng.integers(8 * len(content)))
            content[bit // 8] ^= 1 << bit % 8
            name = "flipped bit"
        path.write_bytes(content)
        print(f"  {stage}: {name} in {path.relative_to(self.config.folder)}", flush=True)
        self.told[stage, name] += 1

    def _may_be_damaged(self, path: Path) -> bool:
        """Not logs, curves and the user's input, which no result is read from, nor old damage."""
        name = path.relative_to(self.config.folder).parts
        return name[0] not in ("logs", "input", "damaged") and path.name != "history.csv"

    def _mend(self, stage: str) -> None:
        """Verify and run again until all is there, as a user would."""
        words = [str(self.config_file)]
        for _ in range(MAX_RUNS):
            with contextlib.redirect_stdout(io.StringIO()) as said:
                verify.main([*words, "--delete"])
            left = self._stages_to_do(stage)
            if not left:
                return
            for one in left:
                if one == "prepare":
                    _job("prepare", self.config_file)
                elif not self._start(one).wait(PATIENCE):
                    break
        raise AssertionError(f"{stage} is not done after {MAX_RUNS} runs:\n{said.getvalue()}")

    def _stages_to_do(self, until: str) -> list[str]:
        stages = ("cohort", *(OUTPUTS[one] for one in STAGES[: STAGES.index(until) + 1]))
        counts = audit.count_states(audit.audit_run(self.config, deep=True))
        todo = [s for s in stages if counts[s][audit.MISSING] + counts[s][audit.BROKEN]]
        return [JOB_OF_STAGE[one] for one in todo]

    def _check_whole_files(self, stage: str) -> None:
        """What `verify` passes must be right, whenever it is looked at."""
        for finding in audit.audit_run(self.config, deep=True):
            path = finding.file.path
            if finding.state != audit.WHOLE or path.suffix != ".h5":
                continue
            expected = self.reference / path.relative_to(self.config.folder)
            atol = TOLERANCE if stage == "train" and path.name == "model.h5" else 0.0
            for (name, values), (_, right) in zip(
                _datasets(path), _datasets(expected), strict=True
            ):
                assert _equal(values, right, atol), f"{path}:/{name} is wrong, and verify passes it"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the rounds and print what happened; 0 if every one ended as it must."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--damage", type=int, default=2, help="files damaged in each round")
    parser.add_argument("--slurm", action="store_true")
    args = parser.parse_args(argv)
    folder, started, n_rounds = args.folder.resolve(), time.monotonic(), 0
    with contextlib.ExitStack() as stack:
        has_disk = _mount(folder / "disk")
        stack.callback(_unmount, folder / "disk")
        if args.slurm:  # its nodes see what is mounted before they start
            os.environ |= stack.enter_context(running_slurm(N_NODES))
        chaos = Chaos(folder, args.seed, slurm=args.slurm, has_disk=has_disk)
        while chaos.told.total() < args.faults:
            stage = STAGES[n_rounds % len(STAGES)]
            n_rounds += 1
            print(f"round {n_rounds}, {time.monotonic() - started:.0f} s", flush=True)
            chaos.round(stage, args.damage)
    for (stage, kind), n in sorted(chaos.told.items()):
        print(f"{stage:10}{kind:28}{n:5}")
    seconds = time.monotonic() - started
    print(f"seed {args.seed}: {chaos.told.total()} faults in {n_rounds} rounds, all mended", end="")
    print(f", {seconds:.0f} s{'' if has_disk else '; no disk could be mounted'}")
    return 0


def _write_config(path: Path, folder: Path) -> Path:
    path.write_text(CONFIG.format(folder=folder), encoding="utf-8")
    return path


def _job(name: str, config_file: Path, *options: str) -> None:
    words = [sys.executable, "-m", "jobs", name, str(config_file), *options]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def _kill(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _datasets(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Every dataset but the seconds that training took."""
    with h5py.File(path) as file:
        names: list[str] = []
        file.visit(names.append)
        for name in names:
            if isinstance(file[name], h5py.Dataset) and name != "history/seconds":
                yield name, file[name][()]


def _equal(found: np.ndarray, right: np.ndarray, atol: float) -> bool:
    if atol and np.asarray(found).dtype.kind == "f":
        return np.allclose(found, right, rtol=0, atol=atol, equal_nan=True)
    return np.asarray(found).tobytes() == np.asarray(right).tobytes()


def _mount(folder: Path) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    return os.geteuid() == 0 and subprocess.run(words, check=False).returncode == 0


def _unmount(folder: Path) -> None:
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


if __name__ == "__main__":
    sys.exit(main())
