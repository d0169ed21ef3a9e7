"""MPI ranks, or one rank where there is no MPI; the only importer of mpi4py."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from tumorcam.cluster.launcher import Launch
from tumorcam.errors import ClusterError

try:
    if not Path("/dev/shm").is_dir():  # MPICH would end the process
        raise RuntimeError("there is no /dev/shm")
    from mpi4py import MPI
except (ImportError, RuntimeError) as no_mpi:  # mpi4py raises RuntimeError without a libmpi
    MPI: Any = None  # type: ignore[no-redef]
    NO_MPI_REASON = str(no_mpi)
else:
    NO_MPI_REASON = ""


Value = TypeVar("Value")


@dataclass(frozen=True)
class Ranks:
    """This process among its peers: `rank` of `size`; rank 0 alone writes and reports."""

    rank: int = 0
    size: int = 1
    comm: Any = None

    @property
    def is_root(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait for all ranks."""
        if self.comm is not None:
            self.comm.Barrier()

    def gather(self, value: Any) -> list[Any] | None:
        """Every rank's value in rank order on rank 0, None elsewhere."""
        return [value] if self.comm is None else self.comm.gather(value)

    def broadcast(self, value: Any) -> Any:
        """Rank 0's value on every rank."""
        return value if self.comm is None else self.comm.bcast(value)


def on_root(world: Ranks, call: Callable[[], Value]) -> Value:
    """What a function returns on rank 0, on every rank; where it raises, all ranks end.

    Rank 0 raises the error, and says it. The others end with exit code 1, without a message.
    """
    value = error = None
    if world.is_root:
        try:
            value = call()
        except Exception as raised:
            error = raised
    value, has_failed = world.broadcast((value, error is not None))
    if error is not None:
        raise error
    if has_failed:
        raise SystemExit(1)
    return cast(Value, value)


def connect(launch: Launch) -> Ranks:
    """This process's rank and size.

    Raises
    ------
    ClusterError
        If the launcher started more processes than MPI sees: under a mismatched PMI every rank
        believes that it is 0 of 1, and all would do all the work into the same files.
    """
    expected = launch.world_size
    size = 1 if MPI is None else MPI.COMM_WORLD.Get_size()
    if expected is not None and expected != size:
        reason = f" (mpi4py: {NO_MPI_REASON})" if NO_MPI_REASON else ""
        msg = (
            f"the launcher started {expected} ranks but MPI sees {size}{reason}; "
            "under Slurm try srun --mpi=pmi2 or --mpi=pmix (list them with srun --mpi=list)"
        )
        raise ClusterError(msg)
    if size == 1:
        return Ranks()
    return Ranks(MPI.COMM_WORLD.Get_rank(), size, MPI.COMM_WORLD)


def library_version() -> str:
    """Name and version of the MPI library in one line; empty without one."""
    return "" if MPI is None else " ".join(MPI.Get_library_version().split("\n")[0].split())


def world_json() -> str:
    """What MPI says of this process, as JSON for a parent that must not start MPI itself."""
    size = 0 if MPI is None else MPI.COMM_WORLD.Get_size()
    return json.dumps({"library": library_version(), "size": size, "reason": NO_MPI_REASON})


def in_order(gathered: Sequence[dict[int, Any]]) -> list[Any]:
    """The values of every rank's {index: value} by ascending index."""
    merged = {index: value for part in gathered for index, value in part.items()}
    return [merged[index] for index in sorted(merged)]
