"""A prepared run of three bands of genes whose shards hold drawn numbers: no network is needed."""

from pathlib import Path

import numpy as np
import pandas as pd

from jobs import prepare
from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.config import Config, config_from_tables, config_json, config_toml
from tumorcam.storage import hdf5, records
from tumorcam.storage.plan import ShardKey, model_file, read_plan, shard_file

TUMORS = ("ACC", "BRCA", "COAD")
N_PATIENTS, N_GENES, N_DRIVERS = 12, 500, 12  # a tumor; gene g drives tumor g // 12
LEFT_OUT = "COAD"  # always misclassified in fold 0: with correct_only no model of it has any
METHOD, VIEWS = "gradient_x_input", ("own", "contrast")


def prepare_wide_run(folder: Path) -> Config:
    """500 genes and 60 decoys in three bands of 256; the first patient of a tumor has two samples.

    Expression is whole numbers, so that it has ties; BRCA's last patient is of the same person as
    COAD's first.
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
    log2 = rng.integers(0, 12, (len(rows), N_GENES))
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
        "layout": {"replicates": 2, "decoys": "0.12"},
        "explain": {"block": 8, "methods": [METHOD], "cubes": []},
        "significance": {"min_patients": 5, "q_decoy": 0.5, "recall": 0.6},
    }
    config = config_from_tables(tables, source="wide run")
    toml = folder / "wide.toml"
    toml.write_text(config_toml(config), encoding="utf-8")
    assert prepare.main([str(toml)]) == 0
    return config


def write_models_and_shards(config: Config) -> None:
    """Every model as an empty artifact, and every shard as explain would write it."""
    cohort = read_cohort(config.folder / "cohort.h5", config)
    plan = read_plan(config.folder / "plan.json", config.layout.nulls)
    for model in (*plan.models, *plan.null_models):
        path = model_file(config.folder, model)
        attributes = {"cohort_digest": cohort.digest, "model": model.name}
        with hdf5.create_file(path, "tumorcam-model", attributes):
            pass
    for shard in plan.explain_tasks:
        write_shard(config, cohort, shard)


def write_shard(config: Config, cohort: Cohort, shard: ShardKey, *, seed: int = 0) -> None:
    """One shard: drivers are raised, one value in twenty is an exact 0, values tie now and then."""
    rng = np.random.default_rng([seed, shard.null, shard.replicate, shard.fold, shard.block])
    index = np.flatnonzero(cohort.fold == shard.fold)[shard.start : shard.stop]
    n, n_features = len(index), len(cohort.genes) + len(cohort.decoy_gene)
    tumor = cohort.tumor[index]
    drives = np.arange(n_features) // N_DRIVERS == tumor[:, np.newaxis]
    values = {view: rng.normal(0, 1, (n, n_features)) + 1.5 * drives for view in VIEWS}
    values["contrast"] = np.round(values["contrast"], 1)
    values["own"][rng.random((n, n_features)) < 0.05] = 0
    probability = rng.dirichlet(np.ones(3), n) + 1.2 * np.eye(3)[tumor]
    lost = (cohort.tumors[tumor] == LEFT_OUT) & (shard.fold == 0)
    probability[lost] = [0.1, 2.0, 0.1]
    scale = np.where(np.arange(n) == 0, 0, 1).astype(np.float32)
    path = model_file(config.folder, shard.model)
    attributes = {
        "cohort_digest": cohort.digest,
        "model_digest": hdf5.stored_digest(path, "tumorcam-model", remedy=""),
        "config": config_json(config, ("explain",)),
        "shard": shard.name,
        "n_samples": n,
    }
    with hdf5.create_file(shard_file(config.folder, shard), "tumorcam-shard", attributes) as file:
        records.write_dataset(file, "sample_index", index.astype(np.int32))
        records.write_dataset(file, "probability", (probability / 3).astype(np.float32))
        records.write_dataset(file, f"scale/{METHOD}", scale)
        for view in VIEWS:
            half = values[view].astype(np.float16)
            name = f"{view}/{METHOD}"
            records.write_dataset(file, name, half, chunks=(n, 256), compression="gzip")
