import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.cluster import processes, ranks
from tumorcam.cluster.launcher import Launch
from tumorcam.cluster.ranks import Ranks
from tumorcam.errors import ClusterError

PROGRAM = """
from tumorcam.cluster import ranks
from tumorcam.cluster.launcher import current_launch

peers = ranks.connect(current_launch())
gathered = peers.gather({i: i * i for i in range(peers.rank, 7, peers.size)})
merged = ranks.in_order(gathered) if gathered is not None else None
lines = peers.gather(f"{peers.rank} {peers.size} {peers.is_root} {peers.broadcast(merged)}")
if lines:  # rank 0 alone prints: mpiexec may mix the lines of several
    print(*lines, sep="\\n", flush=True)
"""


def test_one_rank_is_root_and_talks_to_itself():
    alone = Ranks()
    assert alone.is_root and (alone.rank, alone.size) == (0, 1)
    assert alone.gather("a") == ["a"] and alone.broadcast("a") == "a"
    assert not Ranks(1, 2).is_root


def test_without_a_launcher_there_is_one_rank(monkeypatch):
    assert ranks.connect(Launch({})) == Ranks()
    monkeypatch.setattr(ranks, "MPI", None)
    assert ranks.connect(Launch({})) == Ranks()


@pytest.mark.parametrize("library", ["as it is", None])
def test_a_launcher_that_mpi_does_not_see_is_refused(monkeypatch, library):
    if library is None:
        monkeypatch.setattr(ranks, "MPI", None)
        monkeypatch.setattr(ranks, "NO_MPI_REASON", "cannot load libmpi")
    with pytest.raises(ClusterError, match=r"started 4 ranks but MPI sees 1.*--mpi=pmi2") as caught:
        ranks.connect(Launch({"PMI_SIZE": "4"}))
    assert ("cannot load libmpi" in str(caught.value)) == (library is None)


@given(st.lists(st.integers(), unique=True), st.integers(1, 5))
def test_values_come_in_order_whoever_had_them(keys, size):
    parts = [{key: -key for key in keys[rank::size]} for rank in range(size)]
    assert ranks.in_order(parts) == [-key for key in sorted(keys)]


@pytest.mark.mpi
@pytest.mark.parametrize("size", [1, 3])
def test_ranks_meet_under_mpiexec(size):
    command = [
        processes.find_mpiexec(),
        "-n",
        str(size),
        sys.executable,
        "-m",
        "mpi4py",
        "-c",
        PROGRAM,
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    squares = [i * i for i in range(7)]
    assert said.splitlines() == [f"{r} {size} {r == 0} {squares}" for r in range(size)]


@pytest.mark.mpi
def test_one_failed_rank_ends_them_all():
    program = PROGRAM + "if peers.rank == 1: raise ValueError\npeers.comm.Barrier()\n"
    command = [processes.find_mpiexec(), "-n", "3", sys.executable, "-m", "mpi4py", "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert ended.returncode != 0 and "ValueError" in ended.stderr
