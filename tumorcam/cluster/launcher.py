"""What Slurm or an MPI launcher says of this process; the only reader of their variables."""

import functools
import json
import math
import os
import re
import shlex
import socket
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tumorcam.errors import ClusterError

WORLD_SIZE_VARIABLES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_SIZE")
RANK_VARIABLES = {  # of each launcher: this process's number, and how many there are
    "OMPI_COMM_WORLD_RANK": "OMPI_COMM_WORLD_SIZE",  # Open MPI's mpirun
    "PMI_RANK": "PMI_SIZE",  # MPICH's and Intel's mpiexec, srun --mpi=pmi2
    "SLURM_PROCID": "SLURM_STEP_NUM_TASKS",  # srun
}
LOCAL_RANK_VARIABLES = ("SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID")
NOTICE = "USR1@120"  # a signal, and how many seconds before the end of the job
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LOCAL_SIZE_VARIABLES = ("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS")
PMI_VARIABLES = ("PMIX_RANK", "PMIX_NAMESPACE", "PMI_RANK", "PMI_FD", "PMI_PORT")
GPU_VARIABLES = ("CUDA_VISIBLE_DEVICES", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
FIRST_PORT, N_PORTS = 20_000, 12_000  # TensorFlow's workers listen there, below Linux's own ports
MAX_SECONDS = 30  # that Slurm may take to answer


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


def launcher_share(environ: Mapping[str, str] = os.environ) -> Share:
    """This process among those that the launcher started, without MPI; 0 of 1 without a launcher.

    For work that needs no communication: without MPI the death of one process leaves the others.
    """
    for rank, size in RANK_VARIABLES.items():
        if rank in environ and size in environ:
            return Share(int(environ[rank]), int(environ[size]))
    return Share(0, 1)


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
    """This Slurm array task's number, or None outside arrays.

    Where the site's arrays are shorter than the work, each further array counts from 0 again and
    TUMORCAM_ARRAY_FIRST says what to add.
    """
    task = environ.get("SLURM_ARRAY_TASK_ID")
    return None if task is None else int(environ.get("TUMORCAM_ARRAY_FIRST", "0")) + int(task)


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
    attempt = int(environ.get("SLURM_RESTART_COUNT", "0"))  # the last one's port may linger
    base = FIRST_PORT + (int(environ["SLURM_JOB_ID"]) * 97 + attempt * 31) % N_PORTS
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


def notice_signals(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Names of the signals that ask a job to stop in time and go on later.

    TUMORCAM_NOTICE is what sbatch's `--signal` takes, such as USR1@120; Slurm itself sends TERM.
    """
    return ("SIG" + environ.get("TUMORCAM_NOTICE", NOTICE).partition("@")[0], "SIGTERM")


def export_tf_config() -> str | None:
    """Set TF_CONFIG, where there are several workers, for TensorFlow to read; its value."""
    value = tf_config()
    if value is not None:
        os.environ["TF_CONFIG"] = value
    return value


def rank_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Those of the variables by which an MPI library finds its peers that the launcher set."""
    return [name for name in PMI_VARIABLES if name in environ]


def mpi_type(environ: Mapping[str, str] = os.environ) -> str:
    """What `srun --mpi` is to be, by the site file; empty where Slurm's default holds."""
    return environ.get("SLURM_MPI_TYPE", "")


def local_size(environ: Mapping[str, str] = os.environ) -> int:
    """How many processes the launcher started on this node; 1 without a launcher."""
    for name in LOCAL_SIZE_VARIABLES:
        if name in environ:
            return int(environ[name])
    if "SLURM_STEP_TASKS_PER_NODE" in environ:
        counts = _tasks_per_node(environ["SLURM_STEP_TASKS_PER_NODE"])
        return counts[int(environ.get("SLURM_NODEID", "0"))]
    return 1


def cpus_of_rank(environ: Mapping[str, str] = os.environ) -> int:
    """CPUs meant for this process: Slurm's share, where it does not bind processes to CPUs."""
    return min(n_cpus(), int(environ.get("SLURM_CPUS_PER_TASK", n_cpus())))


def gpus_given(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The GPUs that Slurm or the user names for this process."""
    named = (environ[name] for name in GPU_VARIABLES if name in environ)
    return [gpu for gpu in next(named, "").split(",") if gpu not in ("", "-1", "NoDevFiles")]


def slurm_memory(environ: Mapping[str, str] = os.environ) -> int | None:
    """Bytes that Slurm lets this job have on this node; None where it sets no limit."""
    megabytes = int(environ.get("SLURM_MEM_PER_NODE", "0"))
    if not megabytes:  # 0 is the whole node
        per_cpu = int(environ.get("SLURM_MEM_PER_CPU", "0"))
        megabytes = per_cpu * int(environ.get("SLURM_CPUS_ON_NODE", "1"))
    return megabytes * 2**20 or None


def step_hosts(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Hosts of this Slurm step; none outside a step.

    Raises
    ------
    ClusterError
        If `scontrol` cannot tell.
    """
    nodes = environ.get("SLURM_STEP_NODELIST", "")
    return _expand_hosts(nodes) if nodes else []


def time_left(environ: Mapping[str, str] = os.environ) -> str:
    """What squeue says is left of this job's time, such as 1-02:03:04; empty if it cannot say."""
    job = environ.get("SLURM_JOB_ID")
    return _answer("squeue", "--noheader", "--format=%L", f"--job={job}").strip() if job else ""


def seconds_of(time: str) -> float | None:
    """Seconds of Slurm's [days-][[hours:]minutes:]seconds; None if it is none, as INVALID."""
    if time == "UNLIMITED":
        return math.inf
    days, dash, clock = time.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdigit() for part in [*parts, days or "0"]) or (dash and not days):
        return None
    units = (1, 60, 3600)[: len(parts)]
    seconds = sum(int(part) * unit for part, unit in zip(parts[::-1], units, strict=True))
    return seconds + 86_400 * int(days or 0)


def notice_seconds(environ: Mapping[str, str] = os.environ) -> int:
    """How long before its end a job is warned, by TUMORCAM_NOTICE = SIGNAL@SECONDS.

    Raises
    ------
    ClusterError
        If that is not understood.
    """
    text = environ.get("TUMORCAM_NOTICE", NOTICE)
    _, _, seconds = text.partition("@")
    if not seconds.isdigit():
        msg = f"TUMORCAM_NOTICE={text} is not understood; wanted SIGNAL@SECONDS as {NOTICE}"
        raise ClusterError(msg)
    return int(seconds)


def scratch_folder(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The node's fast folder, TUMORCAM_SCRATCH, if the site has one."""
    folder = environ.get("TUMORCAM_SCRATCH", "")
    return Path(folder) if folder else None


def hdf5_locking(environ: Mapping[str, str] = os.environ) -> str:
    """Whether HDF5 is to lock files: TRUE, BEST_EFFORT or FALSE."""
    return environ.get("HDF5_USE_FILE_LOCKING", "TRUE").upper()


class Job(NamedTuple):
    """An element of Slurm's queue: `number` as 12 or 12_3, `state` in Slurm's words."""

    number: str
    state: str
    folder: Path
    command: str


def queue() -> list[Job]:
    """This user's jobs that run or wait; none where squeue is missing or fails."""
    listed = _answer("squeue", "--noheader", "--me", "--array", "--format=%i|%T|%Z|%o")
    rows = (line.split("|", 3) for line in listed.splitlines() if line.count("|") > 2)
    return [Job(row[0], row[1], Path(row[2]), row[3]) for row in rows]


def max_array_size() -> int | None:
    """How many elements an array may have, counted from 0, or None where Slurm does not say."""
    said = _answer("scontrol", "show", "config")
    found = re.search(r"^MaxArraySize\s*=\s*([1-9]\d*)", said, re.MULTILINE)
    return int(found[1]) if found else None


def _answer(*command: str) -> str:
    run = functools.partial(subprocess.run, capture_output=True, text=True, timeout=MAX_SECONDS)
    try:
        return str(run(command, check=True).stdout)
    except (OSError, subprocess.SubprocessError):
        return ""


def site_options(job: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Options of sbatch that slurm/site.env gives every job, then those for this one.

    Raises
    ------
    ClusterError
        If a quote in them is not closed.
    """
    notice = environ.get("TUMORCAM_NOTICE")
    options = [f"--signal=B:{notice}"] if notice else []
    for name in ("TUMORCAM_SBATCH", f"TUMORCAM_{job.upper()}_SBATCH"):
        try:
            options += shlex.split(environ.get(name, ""))
        except ValueError as error:
            msg = f"{name}={environ[name]} cannot be split into words ({error}); see slurm/site.env"
            raise ClusterError(msg) from error
    return options


def array_throttle(environ: Mapping[str, str] = os.environ) -> str:
    """How many elements of an array may run at once, as slurm/site.env says; empty for all.

    Raises
    ------
    ClusterError
        If that is no number above 0.
    """
    text = environ.get("TUMORCAM_THROTTLE", "")
    if text and not (text.isdigit() and int(text)):
        msg = f"TUMORCAM_THROTTLE={text} is no number above 0; see slurm/site.env"
        raise ClusterError(msg)
    return text


def process_text(environ: Mapping[str, str] = os.environ) -> str:
    """Which process this is, for a log, such as `job 12_3, restart 1, host node7, process 4711`."""
    job = environ.get("SLURM_JOB_ID", "")
    if "SLURM_ARRAY_TASK_ID" in environ:
        job = f"{environ['SLURM_ARRAY_JOB_ID']}_{environ['SLURM_ARRAY_TASK_ID']}"
    restart = environ.get("SLURM_RESTART_COUNT", "0")
    known = {"job": job, "restart": restart.lstrip("0"), "host": socket.gethostname()}
    words = [f"{name} {value}" for name, value in known.items() if value]
    return ", ".join([*words, f"process {os.getpid()}"])


def is_gone(name: str) -> bool:
    """Whether the process whose `process_tag` ends a name ran on this host and has ended."""
    rest, _, process = name.rpartition("-")
    if not rest.endswith(f"-{socket.gethostname()}") or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):  # it is another user's; it is no process number
        pass
    return False
