"""What Slurm, an MPI launcher and the site say of this process; the only reader of the environment.

After submitit's JobEnvironment: one object that is read at a job's start and handed on.
"""

import functools
import json
import os
import shlex
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tumorcam.cluster import slurm
from tumorcam.errors import ClusterError

WORLD_SIZE_VARIABLES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_SIZE")
RANK_VARIABLES = {  # of each launcher: this process's rank, and the number of processes
    "OMPI_COMM_WORLD_RANK": "OMPI_COMM_WORLD_SIZE",  # Open MPI's mpirun
    "PMI_RANK": "PMI_SIZE",  # MPICH's and Intel's mpiexec, srun --mpi=pmi2
    "SLURM_PROCID": "SLURM_STEP_NUM_TASKS",  # srun
}
LOCAL_RANK_VARIABLES = ("SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID")
LOCAL_SIZE_VARIABLES = ("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS")
PMI_VARIABLES = ("PMIX_RANK", "PMIX_NAMESPACE", "PMI_RANK", "PMI_FD", "PMI_PORT")
GPU_VARIABLES = ("CUDA_VISIBLE_DEVICES", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
TENSORFLOW_VARIABLES = {
    "TF_CPP_MIN_LOG_LEVEL": "1",  # warnings and errors; `quiet` drops those without consequence
    # off by default where the CPU lacks AVX-512; a training step takes 0.6 of the time with it
    "TF_ENABLE_ONEDNN_OPTS": "1",
}
CHILD_VARIABLE = "TUMORCAM_CHILD"  # set for processes that a job starts
PROGRESS_VARIABLE = "TUMORCAM_PROGRESS"  # folder into which the stages of a run report
PREEMPTION_SIGNAL = "USR1@120"  # a signal, and how many seconds before the end of the job
FIRST_PORT, N_PORTS = 20_000, 12_000  # TensorFlow's workers listen there, below Linux's own ports


@dataclass(frozen=True)
class Share:
    """One of `count` equal parts of the work, counted from 0."""

    index: int
    count: int


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


def current_launch() -> "Launch":
    """The launch of this process."""
    return Launch.from_environ(os.environ)


def n_cpus() -> int:
    """CPUs that this process may use; Slurm or a container can bound them."""
    return len(os.sched_getaffinity(0))


def set_variables(variables: Mapping[str, str]) -> None:
    """Set environment variables for libraries that this process loads later."""
    os.environ.update(variables)


def prepare_tensorflow() -> None:
    """Set what TensorFlow reads when it is imported, where the user did not."""
    for name, value in TENSORFLOW_VARIABLES.items():
        os.environ.setdefault(name, value)


@dataclass(frozen=True)
class Launch:
    """A process as its launcher sees it: its rank, array task, job, signals and limits.

    `variables` are those of the environment, of which each property reads its own. `command` is
    the subcommand with its arguments, such as ("train", "my.toml"); empty if nobody told it.
    """

    variables: Mapping[str, str]
    command: tuple[str, ...] = ()

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Launch":
        """The launch of a process with this environment."""
        return cls(MappingProxyType(dict(environ)))

    @property
    def world_size(self) -> int | None:
        """Processes that the launcher says it started; None without a launcher."""
        for name in WORLD_SIZE_VARIABLES:
            if name in self.variables:
                return int(self.variables[name])
        if self.is_step:
            n_tasks = self.variables.get("SLURM_NTASKS", "1")
            return int(self.variables.get("SLURM_STEP_NUM_TASKS", n_tasks))
        return None

    @property
    def is_step(self) -> bool:
        """Whether srun started this process; sbatch alone starts no step."""
        return "SLURM_STEP_ID" in self.variables

    @property
    def is_child(self) -> bool:
        """Whether another job started this process (`processes.run_together`)."""
        return CHILD_VARIABLE in self.variables

    @property
    def progress_folder(self) -> Path | None:
        """Where this process reports its progress; None where no `tumorcam run` started it."""
        folder = self.variables.get(PROGRESS_VARIABLE, "")
        return Path(folder) if folder else None

    @property
    def share(self) -> Share:
        """This process among those of its launcher, without MPI; 0 of 1 without a launcher.

        For work that needs no communication: without MPI the death of one process leaves the
        others at work.
        """
        for rank, size in RANK_VARIABLES.items():
            if rank in self.variables and size in self.variables:
                return Share(int(self.variables[rank]), int(self.variables[size]))
        return Share(0, 1)

    @property
    def local_rank(self) -> int:
        """Number of this process among those of its node; 0 without a launcher."""
        names = (name for name in LOCAL_RANK_VARIABLES if name in self.variables)
        return next((int(self.variables[name]) for name in names), 0)

    @property
    def local_size(self) -> int:
        """Processes that the launcher started on this node; 1 without a launcher."""
        for name in LOCAL_SIZE_VARIABLES:
            if name in self.variables:
                return int(self.variables[name])
        if "SLURM_STEP_TASKS_PER_NODE" in self.variables:
            counts = slurm.tasks_per_node(self.variables["SLURM_STEP_TASKS_PER_NODE"])
            return counts[int(self.variables.get("SLURM_NODEID", "0"))]
        return 1

    @property
    def array_share(self) -> Share:
        """The share of this Slurm array task in work divided by arithmetic; 0 of 1 outside arrays.

        Raises
        ------
        ClusterError
            If the array is not 0 to N - 1, since shares would then be missing.
        """
        if "SLURM_ARRAY_TASK_ID" not in self.variables:
            return Share(0, 1)
        first, last, count, task = (
            int(self.variables[f"SLURM_ARRAY_TASK_{name}"])
            for name in ("MIN", "MAX", "COUNT", "ID")
        )
        if first != 0 or last != count - 1:
            msg = (
                f"the array has {count} tasks from {first} to {last}, which leaves shares out; "
                f"submit --array=0-{last} (finished shards are skipped), or pass --share I/N"
            )
            raise ClusterError(msg)
        return Share(task, count)

    @property
    def array_task(self) -> int | None:
        """Number of this Slurm array task; None outside arrays.

        Where the site's arrays are shorter than the work, each further array counts from 0 again
        and TUMORCAM_ARRAY_FIRST says what to add.
        """
        task = self.variables.get("SLURM_ARRAY_TASK_ID")
        if task is None:
            return None
        return int(self.variables.get("TUMORCAM_ARRAY_FIRST", "0")) + int(task)

    @property
    def job(self) -> str:
        """Number of the Slurm job, such as 12 or 12_3; empty without Slurm."""
        if "SLURM_ARRAY_TASK_ID" in self.variables:
            array, task = (self.variables[f"SLURM_ARRAY_{n}"] for n in ("JOB_ID", "TASK_ID"))
            return f"{array}_{task}"
        return self.variables.get("SLURM_JOB_ID", "")

    @property
    def command_line(self) -> str:
        """The command as a user would type it; empty if nobody told it."""
        return shlex.join(["tumorcam", *self.command]) if self.command else ""

    @property
    def tag(self) -> str:
        """A word for file names that no other running process has: job, rank, host and process."""
        job = self.variables.get("SLURM_JOB_ID", "local")
        rank = self.variables.get("SLURM_PROCID", self.variables.get("PMI_RANK", "0"))
        return f"{job}-{rank}-{socket.gethostname()}-{os.getpid()}"

    @property
    def restart(self) -> int:
        """How often Slurm has restarted this job; 0 without Slurm."""
        return int(self.variables.get("SLURM_RESTART_COUNT", "0"))

    @property
    def description(self) -> str:
        """This process for a log, such as `job 12_3, restart 1, host node7, process 4711`."""
        facts = {"job": self.job, "restart": self.restart, "host": socket.gethostname()}
        words = [f"{name} {value}" for name, value in facts.items() if value]
        return ", ".join([*words, f"process {os.getpid()}"])

    @functools.cached_property
    def tf_config(self) -> str | None:
        """TensorFlow's TF_CONFIG for this worker; None where there is a single one.

        Built from Slurm's own variables, since `SlurmClusterResolver` needs GPUs
        (tensorflow#56894). TUMORCAM_TASK is the number of the model, where a job trains several.
        """
        if "TF_CONFIG" in self.variables:
            return self.variables["TF_CONFIG"]
        if not self.is_step or int(self.variables.get("SLURM_STEP_NUM_TASKS", "1")) < 2:
            return None
        hosts = self.step_hosts()
        tasks = slurm.tasks_per_node(self.variables["SLURM_STEP_TASKS_PER_NODE"])
        ranked = [host for host, n in zip(hosts, tasks, strict=True) for _ in range(n)]
        # a port of an earlier attempt or model may linger
        restart, model = (
            int(self.variables.get(name, "0")) for name in ("SLURM_RESTART_COUNT", "TUMORCAM_TASK")
        )
        job = int(self.variables["SLURM_JOB_ID"])
        base = FIRST_PORT + (job * 97 + restart * 31 + model * len(ranked)) % N_PORTS
        workers = [f"{host}:{base + rank}" for rank, host in enumerate(ranked)]
        task = {"type": "worker", "index": int(self.variables["SLURM_PROCID"])}
        return json.dumps({"cluster": {"worker": workers}, "task": task})

    @property
    def worker(self) -> int:
        """Number of this process among the workers that train one model; 0 of a single one."""
        return int(json.loads(self.tf_config)["task"]["index"]) if self.tf_config else 0

    @property
    def preemption_signals(self) -> tuple[str, ...]:
        """Names of the signals that ask a job to stop early and be run again.

        TUMORCAM_NOTICE is SIGNAL@SECONDS, such as USR1@120. Slurm itself sends TERM.

        Raises
        ------
        ClusterError
            If there is no signal of that name.
        """
        text = self.variables.get("TUMORCAM_NOTICE", PREEMPTION_SIGNAL)
        name = f"SIG{text.partition('@')[0]}"
        if name not in signal.Signals.__members__:
            msg = f"TUMORCAM_NOTICE={text} names no signal; wanted one such as {PREEMPTION_SIGNAL}"
            raise ClusterError(msg)
        return (name, "SIGTERM")

    @property
    def preemption_seconds(self) -> int:
        """How long before its end a job gets the signal, by TUMORCAM_NOTICE = SIGNAL@SECONDS.

        Raises
        ------
        ClusterError
            If that is not understood.
        """
        text = self.variables.get("TUMORCAM_NOTICE", PREEMPTION_SIGNAL)
        _, _, seconds = text.partition("@")
        if not seconds.isdigit():
            msg = (
                f"TUMORCAM_NOTICE={text} is not understood; wanted SIGNAL@SECONDS as "
                f"{PREEMPTION_SIGNAL}"
            )
            raise ClusterError(msg)
        return int(seconds)

    @property
    def pmi_variables(self) -> list[str]:
        """PMI and PMIx variables that the launcher set."""
        return [name for name in PMI_VARIABLES if name in self.variables]

    @property
    def mpi_type(self) -> str:
        """What `srun --mpi` is to be, by the site file; empty where Slurm's default holds."""
        return self.variables.get("SLURM_MPI_TYPE", "")

    @property
    def cpus_per_rank(self) -> int:
        """CPUs meant for this process: Slurm's number where it does not bind processes to CPUs."""
        return min(n_cpus(), int(self.variables.get("SLURM_CPUS_PER_TASK", n_cpus())))

    @property
    def gpus(self) -> list[str]:
        """GPUs that Slurm or the user names for this process."""
        named = (self.variables[name] for name in GPU_VARIABLES if name in self.variables)
        return [gpu for gpu in next(named, "").split(",") if gpu not in ("", "-1", "NoDevFiles")]

    @property
    def slurm_memory(self) -> int | None:
        """Bytes that Slurm lets this job have on this node; None where it sets no limit."""
        megabytes = int(self.variables.get("SLURM_MEM_PER_NODE", "0"))
        if not megabytes:  # 0 is the whole node
            per_cpu = int(self.variables.get("SLURM_MEM_PER_CPU", "0"))
            megabytes = per_cpu * int(self.variables.get("SLURM_CPUS_ON_NODE", "1"))
        return megabytes * 2**20 or None

    @property
    def scratch_folder(self) -> Path | None:
        """The node's fast folder, TUMORCAM_SCRATCH, if the site has one."""
        folder = self.variables.get("TUMORCAM_SCRATCH", "")
        return Path(folder) if folder else None

    @property
    def is_verbose(self) -> bool:
        """Whether the user asks for all messages of TensorFlow, by TF_CPP_MIN_LOG_LEVEL=0."""
        return self.variables.get("TF_CPP_MIN_LOG_LEVEL") == "0"

    @property
    def hdf5_locking(self) -> str:
        """Whether HDF5 is to lock files: TRUE, BEST_EFFORT or FALSE."""
        return self.variables.get("HDF5_USE_FILE_LOCKING", "TRUE").upper()

    @property
    def array_throttle(self) -> str:
        """How many elements of an array may run at once, by slurm/site.env; empty for all.

        Raises
        ------
        ClusterError
            If that is no number above 0.
        """
        text = self.variables.get("TUMORCAM_THROTTLE", "")
        if text and not (text.isdigit() and int(text)):
            msg = f"TUMORCAM_THROTTLE={text} is no number above 0; see slurm/site.env"
            raise ClusterError(msg)
        return text

    def gpu_names(self, n_gpus: int) -> list[str]:
        """What nvidia-smi calls the GPUs that this process sees: indices or UUIDs."""
        names = [n for n in self.variables.get("CUDA_VISIBLE_DEVICES", "").split(",") if n]
        return names if len(names) == n_gpus else [str(i) for i in range(n_gpus)]

    def step_hosts(self) -> list[str]:
        """Hosts of this Slurm step; none outside a step.

        Raises
        ------
        ClusterError
            If `scontrol` cannot tell.
        """
        nodes = self.variables.get("SLURM_STEP_NODELIST", "")
        return slurm.expand_hosts(nodes) if nodes else []

    def child_environment(self, threads: int) -> dict[str, str]:
        """This environment for a child process whose BLAS and OpenMP get so many threads."""
        return {**self.variables, **dict.fromkeys(THREAD_VARIABLES, str(threads))}

    def site_options(self, job: str) -> list[str]:
        """Options of sbatch that slurm/site.env gives every job, then those for this one.

        Raises
        ------
        ClusterError
            If a quote in them is not closed.
        """
        signal = self.variables.get("TUMORCAM_NOTICE")
        options = [f"--signal=B:{signal}"] if signal else []
        for name in ("TUMORCAM_SBATCH", f"TUMORCAM_{job.upper()}_SBATCH"):
            text = self.variables.get(name, "")
            try:
                options += shlex.split(text)
            except ValueError as error:
                msg = f"{name}={text} cannot be split into words ({error}); see slurm/site.env"
                raise ClusterError(msg) from error
        return options
