"""A prepared run of drawn expression, for benchmarks."""

import sys

from tumorcam.cluster.launcher import current_launch
from tumorcam.cluster.processes import Cost, find_mpiexec, run_together
from tumorcam.cohort.cohort import Cohort, plan_of
from tumorcam.operations.drawn_run import draw_cohort
from tumorcam.settings.config import Config
from tumorcam.storage.plan import Plan
from tumorcam.storage.run_folder import RunFolder


def prepare_drawn(
    config: Config, n_samples: int, n_genes: int, n_tumors: int
) -> tuple[Cohort, Plan]:
    """Write cohort.h5, plan.json and config.toml of patients with one sample each."""
    cohort = draw_cohort(config, n_samples, n_genes, n_tumors)
    return cohort, plan_of(cohort, config)


def run_job(config: Config, stage: str, *options: str, n_ranks: int = 1, threads: int = 1) -> Cost:
    """Run the job of a stage; its seconds and peak memory."""
    launcher = [find_mpiexec(), "-n", str(n_ranks)] if n_ranks > 1 else []
    job = ["-m", "mpi4py", "-m", "tumorcam.jobs", stage, str(RunFolder.of(config).config)]
    words = [*launcher, sys.executable, *job, "--set", f"run.threads_per_rank={threads}", *options]
    ended = run_together([words], current_launch().child_environment(threads))
    assert ended.exit_code == 0, f"{stage} failed"
    return ended.cost
