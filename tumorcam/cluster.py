"""What Slurm or an MPI launcher says of this process; the only reader of their variables."""

import json
import os
import socket
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tumorcam.errors import ClusterError

WORLD_SIZE_VARIABLES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_SIZE")
LOCAL_RANK_VARIABLES = ("SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
FIRST_PORT, N_PORTS = 20_000, 20_000  # TensorFlow's workers listen above FIRST_PORT


@dataclass(frozen=True)
class Share:
    """One of `count` equal parts of the work, counted from 0."""

    index: int
    count: int


def launcher_size(environ: Mapping[str, str] = os.environ) -> int | None:
    """How many processes the launcher says it started, or None without a launcher."""
    for name in WORLD_SIZE_VARIABLES:
        if name in environ:
            return int(environ[name])
    if "SLURM_STEP_ID" in environ:  # set by srun, not by sbatch
        return int(environ.get("SLURM_STEP_NUM_TASKS", environ.get("SLURM_NTASKS", "1")))
    return None


def array_share(environ: Mapping[str, str] = os.environ) -> Share:
    """This Slurm array task's share of work that is divided by arithmetic; 0 of 1 outside arrays.

    Raises
    ------
    ClusterError
        If the array is not 0 to N - 1, since shares would then be missing.
    """
    if "SLURM_ARRAY_TASK_ID" not in environ:
        return Share(0, 1)
    first, last, count, task = (
        int(environ[f"SLURM_ARRAY_TASK_{name}"]) for name in ("MIN", "MAX", "COUNT", "ID")
    )
    if first != 0 or last != count - 1:
        msg = (
            f"the array has {count} tasks from {first} to {last}, which leaves shares out; "
            f"submit --array=0-{last} (finished shards are skipped), or pass --share I/N"
        )
        raise ClusterError(msg)
    return Share(task, count)


def array_task(environ: Mapping[str, str] = os.environ) -> int | None:
    """This Slurm array task's number, or None outside arrays."""
    task = environ.get("SLURM_ARRAY_TASK_ID")
    return None if task is None else int(task)


def array_text(tasks: Iterable[int]) -> str:
    """Ascending numbers as Slurm writes them, such as 0-3,7."""
    runs: list[list[int]] = []
    for task in tasks:
        if runs and runs[-1][-1] == task - 1:
            runs[-1][1:] = [task]
        else:
            runs.append([task])
    return ",".join("-".join(map(str, run)) for run in runs)


def process_tag(environ: Mapping[str, str] = os.environ) -> str:
    """A word for file names that no other running process has: job, rank, host and process."""
    job = environ.get("SLURM_JOB_ID", "local")
    rank = environ.get("SLURM_PROCID", environ.get("PMI_RANK", "0"))
    return f"{job}-{rank}-{socket.gethostname()}-{os.getpid()}"


def thread_environment(threads: int, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """This environment for a child process whose BLAS and OpenMP get so many threads."""
    return {**environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}


def local_rank(environ: Mapping[str, str] = os.environ) -> int:
    """This process's number among those of its node; 0 without a launcher."""
    return next((int(environ[name]) for name in LOCAL_RANK_VARIABLES if name in environ), 0)


def gpu_names(n_gpus: int, environ: Mapping[str, str] = os.environ) -> list[str]:
    """What nvidia-smi calls the GPUs that this process sees: indices or UUIDs."""
    named = [name for name in environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return named if len(named) == n_gpus else [str(i) for i in range(n_gpus)]


def n_cpus() -> int:
    """How many CPUs this process may use, which Slurm or a container can bound."""
    return len(os.sched_getaffinity(0))


def tf_config(environ: Mapping[str, str] = os.environ) -> str | None:
    """TensorFlow's TF_CONFIG for this worker, or None where there is a single one.

    Built from Slurm's own variables, since `SlurmClusterResolver` needs GPUs (tensorflow#56894).
    """
    if "TF_CONFIG" in environ:
        return environ["TF_CONFIG"]
    if "SLURM_STEP_ID" not in environ or int(environ.get("SLURM_STEP_NUM_TASKS", "1")) < 2:
        return None
    hosts = _expand_hosts(environ["SLURM_STEP_NODELIST"])
    tasks = _tasks_per_node(environ["SLURM_STEP_TASKS_PER_NODE"])
    ranked = [host for host, n in zip(hosts, tasks, strict=True) for _ in range(n)]
    base = FIRST_PORT + (int(environ["SLURM_JOB_ID"]) * 97) % N_PORTS
    workers = [f"{host}:{base + rank}" for rank, host in enumerate(ranked)]
    task = {"type": "worker", "index": int(environ["SLURM_PROCID"])}
    return json.dumps({"cluster": {"worker": workers}, "task": task})


def _expand_hosts(nodelist: str) -> list[str]:
    command = ["scontrol", "show", "hostnames", nodelist]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    except (OSError, subprocess.CalledProcessError) as error:
        msg = f"`{' '.join(command)}` failed ({error}); set TF_CONFIG yourself"
        raise ClusterError(msg) from error


def _tasks_per_node(text: str) -> list[int]:
    """Slurm's `2(x3),1` as [2, 2, 2, 1]."""
    counts = []
    for part in text.split(","):
        tasks, _, repeat = part.partition("(x")
        counts += [int(tasks)] * int(repeat.rstrip(")") or 1)
    return counts


def parse_share(text: str) -> Share:
    """`I/N` as a share.

    Raises
    ------
    ClusterError
        If it is not two numbers with 0 <= I < N.
    """
    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit() and int(index) < int(count)):
        msg = f"share {text!r} is not understood; wanted I/N with I from 0 to N - 1"
        raise ClusterError(msg)
    return Share(int(index), int(count))


def export_tf_config() -> str | None:
    """Set TF_CONFIG, where there are several workers, for TensorFlow to read; its value."""
    value = tf_config()
    if value is not None:
        os.environ["TF_CONFIG"] = value
    return value
