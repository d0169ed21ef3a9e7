"""A prepared run of several bands of columns whose shards hold random numbers, without networks."""

from pathlib import Path

import numpy as np
import pandas as pd

from jobs import prepare
from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.explain import shards
from tumorcam.explain.shards import MethodMaps, Shard, shard_attributes
from tumorcam.explain.views import VIEWS
from tumorcam.settings.config import Config, config_from_tables, config_toml
from tumorcam.storage import hdf5
from tumorcam.storage.plan import ShardKey, read_plan
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import MODEL_TYPE, model_attributes, model_digest

TUMORS = ("ACC", "BRCA", "COAD")
N_PATIENTS, N_GENES, N_DRIVERS = 12, 500, 12  # a tumor; gene g drives tumor g // 12
LEFT_OUT = "COAD"  # always misclassified in fold 0: with correct_only no model of it has any
METHOD = "gradient_x_input"


def prepare_wide_run(folder: Path, *, decoys: str = "all") -> Config:
    """Prepare a run of 500 genes, which with all decoys has 1,500 columns: six bands of 256.

    The first patient of a tumor has two samples. Expression is whole numbers, so that it has ties.
    BRCA's last patient and COAD's first are the same person.

    Parameters
    ----------
    decoys : str
        The setting layout.decoys.
    """
    rng = np.random.default_rng(7)
    rows = [(t, p) for t in TUMORS for p in [0, *range(N_PATIENTS)]]
    samples = pd.DataFrame(
        {
            "sample": [f"s{i:03d}" for i in range(len(rows))],
            "patient": [f"{t}-{p}" for t, p in rows],
            "tumor": [t for t, _ in rows],
            "sample_type": "01",
        }
    ).replace({"patient": {"COAD-0": f"BRCA-{N_PATIENTS - 1}"}})
    log2 = rng.integers(0, 12, (len(rows), N_GENES)) * 1.25
    folder.mkdir(parents=True, exist_ok=True)
    samples.to_csv(folder / "samples.tsv", sep="\t", index=False)
    genes = [f"G{i:03d}" for i in range(N_GENES)]
    table = pd.DataFrame(log2.T, index=genes, columns=samples["sample"])
    table.to_csv(folder / "expression.tsv", sep="\t", index_label="gene")
    tables = {
        "run": {"folder": str(folder / "run"), "threads_per_rank": 1},
        "input": {
            "expression": str(folder / "expression.tsv"),
            "samples": str(folder / "samples.tsv"),
        },
        "cohort": {"genes": N_GENES},
        "splits": {"folds": 2},
        "layout": {"replicates": 2, "decoys": decoys},
        "explain": {"block": 8, "methods": [METHOD], "cubes": []},
        "significance": {"min_patients": 5, "q_decoy": 0.5, "recall": 0.6},
    }
    config = config_from_tables(tables, source="wide run")
    toml = folder / "wide.toml"
    toml.write_text(config_toml(config), encoding="utf-8")
    assert prepare.main([str(toml)]) == 0
    return config


def write_models_and_shards(config: Config) -> None:
    """Write an empty artifact for every model, and every shard as explain would write it."""
    run = RunFolder.of(config)
    cohort = read_cohort(run.cohort, config)
    plan = read_plan(run.plan, config.layout.nulls)
    for model in (*plan.models, *plan.null_models):
        attributes = model_attributes(config, cohort.digest, model.name)
        with hdf5.create_file(run.model(model), MODEL_TYPE, attributes):
            pass
    for shard in plan.explain_tasks:
        write_shard(config, cohort, shard)


def write_shard(config: Config, cohort: Cohort, shard: ShardKey, *, seed: int = 0) -> None:
    """Write a shard in which drivers are raised; of own values one in twenty is exactly 0.

    Contrast values are rounded, so that they have ties.
    """
    rng = np.random.default_rng([seed, shard.null, shard.replicate, shard.fold, shard.block])
    index = np.flatnonzero(cohort.fold == shard.fold)[shard.start : shard.stop]
    n, n_columns = len(index), cohort.n_columns
    tumor = cohort.tumor[index]
    drives = np.arange(n_columns) // N_DRIVERS == tumor[:, np.newaxis]
    values = {view: rng.normal(0, 1, (n, n_columns)) + 1.5 * drives for view in VIEWS}
    values["contrast"] = np.round(values["contrast"], 1)
    values["own"][rng.random((n, n_columns)) < 0.05] = 0
    probability = rng.dirichlet(np.ones(3), n) + 1.2 * np.eye(3)[tumor]
    lost = (cohort.tumors[tumor] == LEFT_OUT) & (shard.fold == 0)
    probability[lost] = [0.1, 2.0, 0.1]
    scale = np.where(np.arange(n) == 0, 0, 1).astype(np.float32)
    run = RunFolder.of(config)
    attributes = shard_attributes(
        config, cohort.digest, model_digest(run.model(shard.model)), shard, cohort.n_columns
    )
    rivals = np.array([[other for other in range(3) if other != own] for own in tumor], np.int16)
    maps = {view: values[view].astype(np.float16) for view in VIEWS}
    record = Shard(
        sample_index=index.astype(np.int32),
        tumor=tumor.astype(np.int16),
        predicted=probability.argmax(axis=1).astype(np.int16),
        probability=(probability / 3).astype(np.float32),
        sample=cohort.sample[index],
        target=tumor.astype(np.int16),
        rivals=rivals,
        methods={METHOD: MethodMaps(**maps, scale=scale, cube=None, cube_scale=None)},
    )
    shards.write_shard(run.shard(shard), attributes, record, compression="gzip")
