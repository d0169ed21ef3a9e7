"""What the tests of reduce share: its tables' digest, and reduce on MPI ranks."""

import subprocess
import sys

from tumorcam.cluster import processes
from tumorcam.settings.config import Config
from tumorcam.significance.tables import SIGNIFICANCE_TYPE
from tumorcam.storage import hdf5, integrity
from tumorcam.storage.plan import ShardKey, read_plan
from tumorcam.storage.run_folder import RunFolder


def toml(config: Config) -> str:
    """The config file of a run, as a job's argument."""
    return str(config.folder / "config.toml")


def tables_digest(config: Config) -> str:
    """The digest of significance.h5, which must be undamaged."""
    path = RunFolder.of(config).significance
    integrity.check_seal(path)
    return hdf5.stored_digest(path, SIGNIFICANCE_TYPE, remedy="")


def shards_of(config: Config) -> tuple[ShardKey, ...]:
    """The shards of the plan of a run."""
    return read_plan(RunFolder.of(config).plan).shards


def reduce_on_ranks(config: Config, n_ranks: int) -> "subprocess.CompletedProcess[str]":
    """Run the reduce job on MPI ranks."""
    words = [processes.find_mpiexec(), "-n", str(n_ranks), sys.executable, "-m", "mpi4py", "-m"]
    command = [*words, "tumorcam.jobs", "reduce", toml(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)
