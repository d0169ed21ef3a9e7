"""What a site gives a job: one finding a check, with the remedy where it is not enough.

Every process looks for itself and talks to no other, so that a broken MPI cannot hang it.
"""

import fcntl
import json
import math
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

from tumorcam.cluster import launcher
from tumorcam.cluster.launcher import Share
from tumorcam.config import Config
from tumorcam.errors import ClusterError, FileError
from tumorcam.storage.plan import Plan, read_plan, shard_file

try:
    from tumorcam.explain import devices
    from tumorcam.operations import selftest
    from tumorcam.training.network import use_threads
except ImportError as no_tensorflow:
    NO_TENSORFLOW_REASON = str(no_tensorflow)
else:
    NO_TENSORFLOW_REASON = ""

CHECKS = (
    "MPI, ranks, PMI, CPUs, GPUs, TensorFlow, run folder, scratch, file locks, memory, time left, "
    "hosts, self-test"
)
BYTES_A_RANK = 2 * 2**30  # measured: reduce 1.2 GB, explain about 2
MPI_SECONDS = 60.0  # in which MPI is to start, or it hangs
MPI_PROGRAM = "from tumorcam.cluster import ranks; print(ranks.world_json())"
HOSTS_SHOWN = 4
TYPES = "export SLURM_MPI_TYPE in slurm/site.env, one of `srun --mpi=list`"
RED, GREEN, PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[0m"


@dataclass(frozen=True)
class Finding:
    """What one check found; a remedy makes it red."""

    check: str
    found: str
    remedy: str = ""

    @property
    def is_red(self) -> bool:
        """Whether jobs would fail or crawl."""
        return bool(self.remedy)


@dataclass(frozen=True)
class World:
    """What MPI says in a process of its own: its library and size, 0 where it did not start."""

    library: str = ""
    size: int = 0
    reason: str = ""


def inspect_site(config: Config, share: Share) -> Iterator[Finding]:
    """Every check of this process, in the order of CHECKS, each as soon as it is known.

    Parameters
    ----------
    share : Share
        This process among those that the launcher started; the first one alone asks Slurm for the
        time that is left.
    """
    threads, n_local = config.run.threads_per_rank, launcher.local_size()
    launched, world = launcher.launcher_size(), mpi_world()
    yield check_mpi(world, launched)
    yield check_ranks(world, launched)
    yield check_pmi(launched, launcher.mpi_type(), launcher.rank_variables())
    yield check_cpus(launcher.cpus_of_rank(), threads)
    names = [] if NO_TENSORFLOW_REASON else devices.device_names()
    yield check_gpus(launcher.gpus_given(), names)
    yield check_tensorflow(names)
    yield check_run_folder(config)
    yield check_scratch(launcher.scratch_folder(), config.folder / "cohort.h5")
    yield check_locks(existing(config.folder), launcher.hdf5_locking())
    yield check_memory(memory_limits(launcher.slurm_memory()), n_local)
    if share.index == 0:
        yield check_time(launcher.time_left())
    yield check_hosts()
    yield check_selftest(min(threads, launcher.cpus_of_rank()))


def line(finding: Finding, *, coloured: bool = False) -> str:
    """A finding in one line: the verdict in words, what was found, the remedy."""
    remedy = f" -> {finding.remedy}" if finding.is_red else ""
    return f"{_verdict(finding.is_red, coloured)} {finding.check}: {finding.found}{remedy}"


def summary(findings: Sequence[Finding], *, coloured: bool = False) -> str:
    """How many checks are red, and which, in one line."""
    red = [finding.check for finding in findings if finding.is_red]
    said = f"{len(red)} of {len(findings)} checks are red: {', '.join(red)}"
    return f"{_verdict(bool(red), coloured)} {said if red else f'{len(findings)} checks'}"


def _verdict(is_red: bool, coloured: bool) -> str:
    word = "FAIL" if is_red else "ok  "
    return f"{RED if is_red else GREEN}{word}{PLAIN}" if coloured else word


def mpi_world(seconds: float = MPI_SECONDS) -> World:
    """MPI started in a child process: some libraries end or hang a process that they cannot place.

    The child inherits open files, since PMI gives a rank its connection as one.
    """
    command = [sys.executable, "-c", MPI_PROGRAM]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, close_fds=False, check=False
        )
    except subprocess.TimeoutExpired:
        return World(reason=f"MPI did not start in {seconds:.0f} s")
    answers = [text for text in ended.stdout.splitlines() if text.startswith("{")]
    if ended.returncode == 0 and answers:
        return World(**json.loads(answers[-1]))
    words = " ".join(ended.stderr.split())[-200:]
    return World(reason=f"MPI ended with exit code {ended.returncode}: {words}")


def check_mpi(world: World, launched: int | None) -> Finding:
    """The MPI library; one process alone needs none."""
    if world.library:
        return Finding("MPI", world.library)
    if launched in (None, 1):
        return Finding("MPI", f"none ({world.reason}); a single process needs none")
    remedy = (
        "load the site's MPI in slurm/site.env, or pip install '.[local-mpi]' and "
        "export SLURM_MPI_TYPE=pmi2"
    )
    return Finding("MPI", world.reason, remedy)


def check_ranks(world: World, launched: int | None) -> Finding:
    """The launcher's number of processes against MPI's."""
    if launched is None:
        return Finding("ranks", "no launcher: one process")
    size = world.size or 1
    if size == launched:
        return Finding("ranks", f"the launcher started {launched}, MPI sees {size}")
    found = f"the launcher started {launched} ranks but MPI sees {size}"
    return Finding("ranks", found, f"srun --mpi=pmi2 or --mpi=pmix: {TYPES}")


def check_pmi(launched: int | None, wanted: str, variables: Sequence[str]) -> Finding:
    """By which variables ranks are to find each other."""
    found = f"SLURM_MPI_TYPE is {wanted or 'not set'}; set for MPI: {' '.join(variables) or 'none'}"
    if launched in (None, 1):
        return Finding("PMI", found)
    has_pmix = any(name.startswith("PMIX") for name in variables)
    if not variables or (wanted.startswith("pmix") and not has_pmix):
        return Finding("PMI", found, f"{TYPES}, such as pmix or pmi2")
    return Finding("PMI", found)


def check_cpus(n_cpus: int, threads: int) -> Finding:
    """CPUs of this process against the threads that it will start."""
    found = f"{n_cpus} for run.threads_per_rank = {threads}"
    if n_cpus >= threads:
        return Finding("CPUs", found)
    remedy = (
        f"--cpus-per-task={threads} in TUMORCAM_EXPLAIN_SBATCH and its like, or "
        f"--set run.threads_per_rank={n_cpus}"
    )
    return Finding("CPUs", found, remedy)


def check_gpus(given: Sequence[str], names: Sequence[str]) -> Finding:
    """GPUs that this process was given against those that TensorFlow sees."""
    n_seen = sum(name.startswith("GPU") for name in names)
    was_given = f"{len(given)} given ({','.join(given)})" if given else "none given"
    found = f"{was_given}, TensorFlow sees {n_seen or 'none'}"
    if n_seen or not given:
        return Finding("GPUs", found)
    return Finding("GPUs", found, "pip install '.[gpu]'; nvidia-smi on the node shows its driver")


def check_tensorflow(names: Sequence[str]) -> Finding:
    """TensorFlow and its devices."""
    if names:
        return Finding("TensorFlow", ", ".join(names))
    return Finding("TensorFlow", NO_TENSORFLOW_REASON, "pip install '.[cpu]' or '.[gpu]'")


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists: it lies on the same file system."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def shard_bytes(config: Config, plan: Plan) -> int:
    """What the shards that are not there yet take at most, before compression."""
    settings = config.explain
    values = 2 * len(settings.methods) * (plan.n_genes + plan.n_decoys)  # own and contrast
    pixels = len(settings.cubes) * plan.side**2
    missing = (
        shard.stop - shard.start
        for shard in plan.explain_tasks
        if not shard_file(config.folder, shard).exists()
    )
    return sum(missing) * (values + pixels) * np.dtype(np.float16).itemsize


def check_run_folder(config: Config) -> Finding:
    """Free space of the run's file system against the shards that it is to hold."""
    free = shutil.disk_usage(existing(config.folder)).free
    found = f"{config.folder} has {_size(free)} free"
    try:
        plan = read_plan(config.folder / "plan.json", config.layout.nulls)
    except FileError:
        return Finding("run folder", f"{found}; no plan yet that says what it needs")
    wanted = shard_bytes(config, plan)
    found = f"{found}, the shards to come take {_size(wanted)} at most"
    remedy = "free some space, or --set run.folder to a larger file system"
    return Finding("run folder", found, "" if free >= wanted else remedy)


def check_scratch(folder: Path | None, cohort: Path) -> Finding:
    """The node's fast folder, if there is one, against the cohort that is copied to it."""
    if folder is None:
        return Finding("scratch", "TUMORCAM_SCRATCH is not set")
    remedy = "correct TUMORCAM_SCRATCH in slurm/site.env, or leave it out"
    place = existing(folder)  # jobs make the rest of it
    if not (place.is_dir() and os.access(place, os.W_OK)):
        return Finding("scratch", f"{place} is no folder that can be written", remedy)
    free = shutil.disk_usage(place).free
    found = f"{folder} has {_size(free)} free"
    if not cohort.exists():
        return Finding("scratch", f"{found}; no cohort yet")
    wanted = cohort.stat().st_size
    found = f"{found}, the cohort takes {_size(wanted)}"
    return Finding("scratch", found, "" if free >= wanted else remedy)


def check_locks(folder: Path, setting: str) -> Finding:
    """Whether files can be locked there, and HDF5 writes and reads one as the jobs would.

    Parameters
    ----------
    setting : str
        HDF5_USE_FILE_LOCKING; under FALSE nobody asks for locks.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".preflight-", dir=folder) as probe:
            lock, hdf5 = _lock_fault(Path(probe) / "lock"), _hdf5_fault(Path(probe) / "probe.h5")
    except OSError as error:
        found = f"cannot write to {folder}: {error.strerror}"
        return Finding("file locks", found, "set run.folder to one that nodes can write")
    found = f"flock {lock or 'works'}, HDF5 {hdf5 or 'works'}, HDF5_USE_FILE_LOCKING is {setting}"
    if not hdf5 and (not lock or setting == "FALSE"):
        return Finding("file locks", found)
    if setting == "FALSE":
        return Finding("file locks", found, "set run.folder to another file system")
    return Finding("file locks", found, "export HDF5_USE_FILE_LOCKING=FALSE in slurm/site.env")


def _lock_fault(path: Path) -> str:
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


def memory_limits(slurm: int | None, root: Path = Path("/")) -> dict[str, int]:
    """Bytes that all processes of this job on this node may take, by who says so."""
    limits = {} if slurm is None else {"Slurm": slurm}
    bounds = [int(text) for text in _cgroup_texts(root) if text.isdigit()]
    if bounds:  # version 1 says "no limit" as a number near 2 ** 63
        limits["the cgroup"] = min(bounds)
    meminfo = root / "proc/meminfo"
    rows = meminfo.read_text(encoding="ascii").splitlines() if meminfo.exists() else []
    for row in rows:
        if row.startswith("MemAvailable:"):
            limits["the node's free memory"] = int(row.split()[1]) * 2**10
    return limits


def _cgroup_texts(root: Path) -> Iterator[str]:
    """memory.max of this process's cgroup and of those above it, of version 1 and of 2."""
    table = root / "proc/self/cgroup"
    for row in table.read_text(encoding="utf-8").splitlines() if table.exists() else []:
        _, controllers, place = row.split(":", 2)
        top = root / "sys/fs/cgroup" / ("memory" if controllers else "")
        if controllers not in ("", "memory"):
            continue
        name = "memory.limit_in_bytes" if controllers else "memory.max"
        for folder in (inner := top / place.lstrip("/"), *inner.parents):
            if folder.is_relative_to(top) and (folder / name).exists():
                yield (folder / name).read_text(encoding="ascii").strip()


def check_memory(limits: Mapping[str, int], n_local: int) -> Finding:
    """The smallest limit, shared by this node's ranks, against what a rank takes."""
    if not limits:
        return Finding("memory", "nothing here says how much there is")
    name = min(limits, key=lambda name: limits[name])
    each = limits[name] // n_local
    found = f"{_size(each)} a rank ({_size(limits[name])} by {name}, ranks here: {n_local})"
    if each >= BYTES_A_RANK:
        return Finding("memory", found)
    remedy = (
        f"about {_size(BYTES_A_RANK)} a rank: --mem-per-cpu or --mem in TUMORCAM_EXPLAIN_SBATCH "
        "and its like, or fewer ranks a node with --ntasks-per-node"
    )
    return Finding("memory", found, remedy)


def check_time(left: str) -> Finding:
    """The job's time against the notice that it gets before its end."""
    try:
        notice = launcher.notice_seconds()
    except ClusterError as error:
        return Finding("time left", str(error), "correct TUMORCAM_NOTICE in slurm/site.env")
    seconds = launcher.seconds_of(left)
    if seconds is None:
        return Finding("time left", left or "no Slurm job, or no squeue here to ask")
    found = f"{left}; jobs are warned {notice} s before their end"
    remedy = "--time longer than the notice, in TUMORCAM_EXPLAIN_SBATCH and its like"
    return Finding("time left", found, "" if seconds >= notice or math.isinf(seconds) else remedy)


def check_hosts() -> Finding:
    """Whether the step's hosts have addresses: workers that train one model meet by name."""
    try:
        hosts = launcher.step_hosts()
    except ClusterError:
        return Finding("hosts", "no scontrol here: to train a model on several nodes set TF_CONFIG")
    lost = [host for host in hosts if not _has_address(host)]
    shown = ", ".join((lost or hosts)[:HOSTS_SHOWN]) + (" ..." if len(hosts) > HOSTS_SHOWN else "")
    if not lost:
        return Finding("hosts", f"found by name: {shown}" if hosts else "no Slurm step")
    remedy = "train each model on one node, or export TF_CONFIG with addresses"
    return Finding("hosts", f"no address for {len(lost)} of {len(hosts)}: {shown}", remedy)


def _has_address(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True


def check_selftest(threads: int) -> Finding:
    """A small network explained on this process's device, on the CPU, and by TensorFlow."""
    if NO_TENSORFLOW_REASON:
        return Finding("self-test", "not done", "see TensorFlow")
    use_threads(threads)
    verdict = selftest.try_device()
    remedy = "explain without GPUs until it is right: it and the GPU's name belong in a bug report"
    return Finding("self-test", verdict.text, remedy if verdict.faults else "")


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:,.1f} GiB"
