"""A prepared run of drawn expression, for benchmarks."""

import sys

import numpy as np
import pandas as pd

from tumorcam.cluster.launcher import current_launch
from tumorcam.cluster.processes import Cost, find_mpiexec, run_together
from tumorcam.cohort.cohort import Cohort, plan_of, read_cohort, write_cohort
from tumorcam.cohort.preparation import prepare_cohort
from tumorcam.cohort.selection import Selection
from tumorcam.cohort.summary import count_by_type
from tumorcam.cohort.tally import tally_of
from tumorcam.readers.matrix import Drop, Fact
from tumorcam.settings.config import Config, config_toml
from tumorcam.storage import hdf5
from tumorcam.storage.plan import Plan, write_plan
from tumorcam.storage.run_folder import RunFolder
from tumorcam.storage.stored_values import StoredValues


def prepare_drawn(
    config: Config, n_samples: int, n_genes: int, n_tumors: int
) -> tuple[Cohort, Plan]:
    """Write cohort.h5, plan.json and config.toml of patients with one sample each."""
    rng, run = np.random.default_rng(0), RunFolder.of(config)
    samples = pd.DataFrame({"sample": [f"S{i:06d}" for i in range(n_samples)]})
    samples["patient"] = samples["sample"]
    samples["tumor"] = [f"T{i % n_tumors:02d}" for i in range(n_samples)]
    samples["sample_type"], samples["source"] = "01", "drawn"
    expression = 5 + 2 * rng.standard_normal((n_samples, n_genes), dtype=np.float32)
    genes = np.array([f"G{i:05d}" for i in range(n_genes)])
    selection = Selection(
        expression=StoredValues.of(expression.T),
        samples=samples,
        genes=genes,
        variance=expression[:200].var(axis=0).astype(np.float64),
        dropped=pd.DataFrame(columns=list(Drop._fields), dtype=str),
        facts=pd.DataFrame(columns=list(Fact._fields), dtype=str),
        counts=count_by_type(samples, samples),
        tally=tally_of(),
    )
    write_cohort(run.cohort, prepare_cohort(selection, config), config, "drawn")
    cohort = read_cohort(run.cohort, config)
    plan = plan_of(cohort, config)
    write_plan(run.plan, plan)
    hdf5.write_text(run.config, config_toml(config))
    return cohort, plan


def run_job(config: Config, stage: str, *options: str, n_ranks: int = 1, threads: int = 1) -> Cost:
    """Run the job of a stage; its seconds and peak memory."""
    launcher = [find_mpiexec(), "-n", str(n_ranks)] if n_ranks > 1 else []
    job = ["-m", "mpi4py", "-m", "tumorcam.jobs", stage, str(RunFolder.of(config).config)]
    words = [*launcher, sys.executable, *job, "--set", f"run.threads_per_rank={threads}", *options]
    ended = run_together([words], current_launch().child_environment(threads))
    assert ended.exit_code == 0, f"{stage} failed"
    return ended.cost
