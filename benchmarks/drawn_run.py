"""A prepared run of drawn expression, for benchmarks."""

import numpy as np
import pandas as pd

from tumorcam.cohort.cohort import Cohort, read_cohort, write_cohort
from tumorcam.cohort.preparation import prepare_cohort
from tumorcam.cohort.selection import Selection
from tumorcam.config import Config, config_toml
from tumorcam.storage.plan import Plan, make_plan, write_plan


def prepare_drawn(
    config: Config, n_samples: int, n_genes: int, n_tumors: int
) -> tuple[Cohort, Plan]:
    """Write cohort.h5, plan.json and config.toml of patients with one sample each."""
    rng, folder = np.random.default_rng(0), config.folder
    samples = pd.DataFrame({"sample": [f"S{i:06d}" for i in range(n_samples)]})
    samples["patient"] = samples["sample"]
    samples["tumor"] = [f"T{i % n_tumors:02d}" for i in range(n_samples)]
    samples["sample_type"], samples["source"] = "01", "drawn"
    expression = 5 + 2 * rng.standard_normal((n_samples, n_genes), dtype=np.float32)
    genes = np.array([f"G{i:05d}" for i in range(n_genes)])
    dropped = pd.DataFrame({"kind": [], "name": [], "reason": []}, dtype=str)
    variance = expression[:200].var(axis=0).astype(np.float64)
    selection = Selection(expression, samples, genes, variance, dropped)
    folder.mkdir(parents=True)
    write_cohort(folder / "cohort.h5", prepare_cohort(selection, config), config, "drawn")
    cohort = read_cohort(folder / "cohort.h5", config)
    plan = make_plan(
        cohort.digest,
        cohort.fold,
        side=cohort.layouts[0].side,
        n_genes=n_genes,
        n_decoys=len(cohort.decoy_gene),
        replicates=config.layout.replicates,
        block=config.explain.block,
    )
    write_plan(folder / "plan.json", plan)
    (folder / "config.toml").write_text(config_toml(config), encoding="utf-8")
    return cohort, plan
