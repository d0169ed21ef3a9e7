"""Checks of what a site gives a job, each with a remedy where that is not enough.

Every process checks for itself and talks to no other, so that a broken MPI cannot hang it.
"""

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tumorcam.cluster import slurm
from tumorcam.cluster.launcher import Launch
from tumorcam.cluster.resources import existing, memory_limits, size_text
from tumorcam.errors import ClusterError, FileError
from tumorcam.explain.shards import shard_bytes
from tumorcam.settings.config import Config
from tumorcam.storage.plan import read_plan
from tumorcam.storage.run_folder import RunFolder

try:
    from tumorcam.explain import devices
    from tumorcam.operations import selftest
    from tumorcam.training.threads import use_threads
except ImportError as no_tensorflow:
    NO_TENSORFLOW_REASON = str(no_tensorflow)
else:
    NO_TENSORFLOW_REASON = ""

CHECKS = (
    "MPI, ranks, PMI, CPUs, GPUs, TensorFlow, run folder, scratch, file locks, memory, time left, "
    "hosts, self-test"
)
BYTES_PER_RANK = 2 * 2**30  # measured: reduce takes 1.2 GB, explain about 2
MPI_SECONDS = 60.0  # an MPI that has not started by then hangs
MPI_PROGRAM = "from tumorcam.cluster import ranks; print(ranks.world_json())"
MAX_HOSTS = 4  # named in a check
SET_MPI_TYPE = "export SLURM_MPI_TYPE in slurm/site.env, one of `srun --mpi=list`"
RED, GREEN, PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[0m"


@dataclass(frozen=True)
class SiteCheck:
    """The result of one check; a check with a remedy is red."""

    name: str
    result: str
    remedy: str = ""

    @property
    def is_red(self) -> bool:
        """Whether jobs would fail or crawl."""
        return bool(self.remedy)


@dataclass(frozen=True)
class MpiAnswer:
    """MPI's library and number of processes; `size` is 0, with a `reason`, if it did not start."""

    library: str = ""
    size: int = 0
    reason: str = ""


def inspect_site(config: Config, launch: Launch) -> Iterator[SiteCheck]:
    """Every check of this process, in the order of CHECKS; a check is yielded once it is done.

    Parameters
    ----------
    launch : Launch
        The launcher's view of this process. Only the first process asks Slurm for the time that
        is left.
    """
    run, threads, n_launched = RunFolder.of(config), config.run.threads_per_rank, launch.world_size
    answer = ask_mpi()
    yield check_mpi(answer, n_launched)
    yield check_ranks(answer, n_launched)
    yield check_pmi(n_launched, launch.mpi_type, launch.pmi_variables)
    yield check_cpus(launch.cpus_per_rank, threads)
    names = [] if NO_TENSORFLOW_REASON else devices.device_names()
    yield check_gpus(launch.gpus, names)
    yield check_tensorflow(names)
    yield check_run_folder(run, config)
    yield check_scratch(launch.scratch_folder, run.cohort)
    yield check_locks(existing(run.root), launch.hdf5_locking)
    yield check_memory(memory_limits(launch.slurm_memory), launch.local_size)
    if launch.share.index == 0:
        yield check_time(slurm.time_left(launch.job), launch)
    yield check_hosts(launch)
    yield check_selftest(launch, threads=min(threads, launch.cpus_per_rank))


def line(check: SiteCheck, *, coloured: bool = False) -> str:
    """A check in one line: ok or FAIL, the name, the result and the remedy."""
    remedy = f" -> {check.remedy}" if check.is_red else ""
    return f"{_mark(check.is_red, coloured)} {check.name}: {check.result}{remedy}"


def summary(checks: Sequence[SiteCheck], *, coloured: bool = False) -> str:
    """How many checks are red, and which, in one line."""
    red = [check.name for check in checks if check.is_red]
    words = f"{len(checks)} checks"
    if red:
        words = f"{len(red)} of {words} are red: {', '.join(red)}"
    return f"{_mark(bool(red), coloured)} {words}"


def _mark(is_red: bool, coloured: bool) -> str:
    word = "FAIL" if is_red else "ok  "
    return f"{RED if is_red else GREEN}{word}{PLAIN}" if coloured else word


def ask_mpi(seconds: float = MPI_SECONDS) -> MpiAnswer:
    """What MPI answers in a child process, since a broken MPI may end or hang its process.

    The child inherits open files, because PMI hands a rank its connection as an open file.
    """
    command = [sys.executable, "-c", MPI_PROGRAM]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, close_fds=False, check=False
        )
    except subprocess.TimeoutExpired:
        return MpiAnswer(reason=f"MPI did not start in {seconds:.0f} s")
    answers = [text for text in ended.stdout.splitlines() if text.startswith("{")]
    if ended.returncode == 0 and answers:
        return MpiAnswer(**json.loads(answers[-1]))
    words = " ".join(ended.stderr.split())[-200:]
    return MpiAnswer(reason=f"MPI ended with exit code {ended.returncode}: {words}")


def check_mpi(answer: MpiAnswer, n_launched: int | None) -> SiteCheck:
    """Which MPI library there is; a single process needs none."""
    if answer.library:
        return SiteCheck("MPI", answer.library)
    if n_launched in (None, 1):
        return SiteCheck("MPI", f"none ({answer.reason}); a single process needs none")
    remedy = (
        "load the site's MPI in slurm/site.env, or pip install '.[local-mpi]' and "
        "export SLURM_MPI_TYPE=pmi2"
    )
    return SiteCheck("MPI", answer.reason, remedy)


def check_ranks(answer: MpiAnswer, n_launched: int | None) -> SiteCheck:
    """Whether MPI sees as many processes as the launcher started."""
    if n_launched is None:
        return SiteCheck("ranks", "no launcher: one process")
    size = answer.size or 1
    if size == n_launched:
        return SiteCheck("ranks", f"the launcher started {n_launched}, MPI sees {size}")
    result = f"the launcher started {n_launched} ranks but MPI sees {size}"
    return SiteCheck("ranks", result, f"srun --mpi=pmi2 or --mpi=pmix: {SET_MPI_TYPE}")


def check_pmi(n_launched: int | None, mpi_type: str, variables: Sequence[str]) -> SiteCheck:
    """Whether the ranks have the variables by which they find each other.

    `n_launched` is the launcher's number of ranks, `mpi_type` Slurm's, `variables` are the names
    that are set.
    """
    result = (
        f"SLURM_MPI_TYPE is {mpi_type or 'not set'}; set for MPI: {' '.join(variables) or 'none'}"
    )
    if n_launched in (None, 1):
        return SiteCheck("PMI", result)
    has_pmix = any(name.startswith("PMIX") for name in variables)
    if not variables or (mpi_type.startswith("pmix") and not has_pmix):
        return SiteCheck("PMI", result, f"{SET_MPI_TYPE}, such as pmix or pmi2")
    return SiteCheck("PMI", result)


def check_cpus(n_cpus: int, threads: int) -> SiteCheck:
    """Whether this process has a CPU for each thread that it will start."""
    result = f"{n_cpus} for run.threads_per_rank = {threads}"
    if n_cpus >= threads:
        return SiteCheck("CPUs", result)
    remedy = (
        f"--cpus-per-task={threads} in TUMORCAM_EXPLAIN_SBATCH and its like, or "
        f"--set run.threads_per_rank={n_cpus}"
    )
    return SiteCheck("CPUs", result, remedy)


def check_gpus(gpus: Sequence[str], device_names: Sequence[str]) -> SiteCheck:
    """Whether TensorFlow sees a GPU where this process was given some.

    `gpus` are those that Slurm gave, `device_names` those that TensorFlow lists.
    """
    n_visible = sum(name.startswith("GPU") for name in device_names)
    given = f"{len(gpus)} given ({','.join(gpus)})" if gpus else "none given"
    result = f"{given}, TensorFlow sees {n_visible or 'none'}"
    if n_visible or not gpus:
        return SiteCheck("GPUs", result)
    return SiteCheck(
        "GPUs", result, "pip install '.[gpu]'; nvidia-smi on the node shows its driver"
    )


def check_tensorflow(device_names: Sequence[str]) -> SiteCheck:
    """Whether TensorFlow is installed, its version and its devices."""
    if device_names:
        return SiteCheck("TensorFlow", ", ".join(device_names))
    return SiteCheck("TensorFlow", NO_TENSORFLOW_REASON, "pip install '.[cpu]' or '.[gpu]'")


def check_run_folder(run: RunFolder, config: Config) -> SiteCheck:
    """Whether the run's file system has space for the missing shards."""
    free = shutil.disk_usage(existing(run.root)).free
    result = f"{run.root} has {size_text(free)} free"
    try:
        plan = read_plan(run.plan, config.layout.nulls)
    except FileError:
        return SiteCheck("run folder", f"{result}; no plan yet that says what it needs")
    missing = [key for key in plan.explain_tasks if not run.shard(key).exists()]
    needed = shard_bytes(plan, missing, config)
    result = f"{result}, the missing shards take {size_text(needed)} at most"
    remedy = "free some space, or --set run.folder to a larger file system"
    return SiteCheck("run folder", result, "" if free >= needed else remedy)


def check_scratch(folder: Path | None, cohort: Path) -> SiteCheck:
    """Whether the node's fast folder, if the site has one, can take a copy of the cohort."""
    if folder is None:
        return SiteCheck("scratch", "TUMORCAM_SCRATCH is not set")
    remedy = "correct TUMORCAM_SCRATCH in slurm/site.env, or leave it out"
    place = existing(folder)  # jobs create the rest of the path
    if not (place.is_dir() and os.access(place, os.W_OK)):
        return SiteCheck("scratch", f"{place} is no folder that can be written", remedy)
    free = shutil.disk_usage(place).free
    result = f"{folder} has {size_text(free)} free"
    if not cohort.exists():
        return SiteCheck("scratch", f"{result}; no cohort yet")
    needed = cohort.stat().st_size
    result = f"{result}, the cohort takes {size_text(needed)}"
    return SiteCheck("scratch", result, "" if free >= needed else remedy)


def check_locks(folder: Path, setting: str) -> SiteCheck:
    """Whether a folder's files can be locked, and HDF5 can write and read one as jobs do.

    Parameters
    ----------
    setting : str
        The value of HDF5_USE_FILE_LOCKING; with FALSE no job locks a file.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".preflight-", dir=folder) as name:
            flock, hdf5 = _flock_fault(Path(name) / "lock"), _hdf5_fault(Path(name) / "probe.h5")
    except OSError as error:
        result = f"cannot write to {folder}: {error.strerror}"
        return SiteCheck("file locks", result, "set run.folder to one that nodes can write")
    result = f"flock {flock or 'works'}, HDF5 {hdf5 or 'works'}, HDF5_USE_FILE_LOCKING is {setting}"
    if not hdf5 and (not flock or setting == "FALSE"):
        return SiteCheck("file locks", result)
    if setting == "FALSE":
        return SiteCheck("file locks", result, "set run.folder to another file system")
    return SiteCheck("file locks", result, "export HDF5_USE_FILE_LOCKING=FALSE in slurm/site.env")


def _flock_fault(path: Path) -> str:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return f"fails ({error.strerror})"
    return ""


def _hdf5_fault(path: Path) -> str:
    try:
        with h5py.File(path, "w") as file:
            file["values"] = np.arange(10)
        with h5py.File(path, "r") as file:
            return "" if file["values"][9] == 9 else "fails (reads other values than it wrote)"
    except OSError as error:
        return f"fails ({error})"


def check_memory(limits: Mapping[str, int], n_local: int) -> SiteCheck:
    """Whether the smallest limit, shared by this node's ranks, is what a rank takes."""
    if not limits:
        return SiteCheck("memory", "nothing here says how much there is")
    name = min(limits, key=lambda name: limits[name])
    per_rank = limits[name] // n_local
    result = (
        f"{size_text(per_rank)} a rank ({size_text(limits[name])} by {name}, ranks here: {n_local})"
    )
    if per_rank >= BYTES_PER_RANK:
        return SiteCheck("memory", result)
    remedy = (
        f"about {size_text(BYTES_PER_RANK)} a rank: --mem-per-cpu or --mem in "
        "TUMORCAM_EXPLAIN_SBATCH and its like, or fewer ranks a node with --ntasks-per-node"
    )
    return SiteCheck("memory", result, remedy)


def check_time(time_left: str, launch: Launch) -> SiteCheck:
    """Whether the job has more time than remains after the signal that ends it early.

    Parameters
    ----------
    time_left : str
        As squeue writes it, such as 1-02:03:04; empty where it cannot say.
    """
    try:
        warned = launch.preemption_seconds
    except ClusterError as error:
        return SiteCheck("time left", str(error), "correct TUMORCAM_NOTICE in slurm/site.env")
    seconds = slurm.seconds_of(time_left)
    if seconds is None:
        return SiteCheck("time left", time_left or "no Slurm job, or no squeue here to ask")
    result = f"{time_left}; jobs are warned {warned} s before their end"
    remedy = f"--time longer than {warned} s, in TUMORCAM_EXPLAIN_SBATCH and its like"
    return SiteCheck("time left", result, "" if seconds >= warned else remedy)


def check_hosts(launch: Launch) -> SiteCheck:
    """Whether the step's hosts have addresses, by which workers that train one model meet."""
    try:
        hosts = launch.step_hosts()
    except ClusterError:
        return SiteCheck(
            "hosts", "no scontrol here: to train a model on several nodes set TF_CONFIG"
        )
    lost = [host for host in hosts if not _has_address(host)]
    named = lost or hosts
    names = ", ".join(named[:MAX_HOSTS]) + (" ..." if len(named) > MAX_HOSTS else "")
    if not lost:
        return SiteCheck("hosts", f"all have addresses: {names}" if hosts else "no Slurm step")
    remedy = "train each model on one node, or export TF_CONFIG with addresses"
    return SiteCheck("hosts", f"no address for {len(lost)} of {len(hosts)}: {names}", remedy)


def _has_address(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True


def check_selftest(launch: Launch, *, threads: int) -> SiteCheck:
    """Whether a small network is explained alike on this process's device and on the CPU."""
    if NO_TENSORFLOW_REASON:
        return SiteCheck("self-test", "not done", "see TensorFlow")
    use_threads(threads)
    trial = selftest.try_device(launch)
    remedy = "explain without GPUs until it is right: it and the GPU's name belong in a bug report"
    return SiteCheck("self-test", trial.text, remedy if trial.faults else "")
