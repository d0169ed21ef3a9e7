"""A finished run made of drawn numbers: every file that the report reads, by the schema."""

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.config import Config
from tumorcam.report.results import DECOY_STATISTICS, STATISTICS
from tumorcam.significance import statistics
from tumorcam.storage import hdf5, records
from tumorcam.storage.plan import ShardKey, model_file, read_plan, shard_file

VIEWS = ("own", "contrast")
N_EPOCHS = 6
DRIVERS_PER_TUMOR = 3  # of fixture tiny_run
LAYERS = [
    {"name": "conv1", "kind": "Conv2D", "output": [8, 8, 4], "weights": 40},
    {"name": "logits", "kind": "Dense", "output": [4], "weights": 1234},
]


def finish_run(config: Config, *, with_truth: bool = True) -> Config:
    """Fill the run of fixture `tiny_run`, whose tumor t has the drivers 3 t, 3 t + 1, 3 t + 2."""
    made = read_cohort(config.folder / "cohort.h5", config)
    tumor, gene = np.arange(len(made.tumors)), np.arange(len(made.genes))
    drives = gene // DRIVERS_PER_TUMOR == tumor[:, np.newaxis]
    fill_run(config, drives, np.random.default_rng(0))
    if with_truth:
        where = np.argwhere(drives)
        truth = {"tumor": made.tumors[where[:, 0]], "gene": made.genes[where[:, 1]], "effect": 3.0}
        table = pd.DataFrame(truth).to_csv(index=False)
        hdf5.write_text(config.folder / "input" / "truth.csv", table)
    return config


def fill_run(config: Config, drives: np.ndarray, rng: np.random.Generator) -> Path:
    """Write models, baselines, the first shard and significance.h5 of a prepared run; its folder.

    Parameters
    ----------
    drives : (tumors, genes) bool
        Genes whose saliency is raised in a tumor.
    """
    folder = config.folder
    made = read_cohort(folder / "cohort.h5", config)
    plan = read_plan(folder / "plan.json")
    for model in plan.models:
        write_model(model_file(folder, model), model.name, made, model.replicate, rng)
    digest = {"cohort_digest": made.digest}
    hard = rng.normal(size=(len(made.tumor), len(made.tumors)))  # in the same samples for all
    with hdf5.create_file(folder / "models" / "baselines.h5", "tumorcam-baselines", digest) as file:
        for name, sharpness in (("logistic_regression", 4.0), ("nearest_neighbours", 3.0)):
            records.write_dataset(file, name, probabilities(made, sharpness, hard, rng))
    probability = np.stack([probabilities(made, 4.0, hard, rng) for _ in made.layouts])
    write_shard(folder, plan.shards[0], made, probability[0], rng)
    write_significance(folder / "significance.h5", config, made, probability, drives, rng)
    return folder


def probabilities(
    made: Cohort, sharpness: float, hard: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """(samples, tumors) float32 that are mostly right."""
    logits = hard + rng.normal(0, 0.5, hard.shape)
    logits[np.arange(len(made.tumor)), made.tumor] += sharpness
    power = np.exp(2 * logits)
    return (power / power.sum(axis=1, keepdims=True)).astype(np.float32)


def write_model(
    path: Path, name: str, made: Cohort, replicate: int, rng: np.random.Generator
) -> None:
    fall = np.exp(-np.arange(N_EPOCHS) / 2)
    history = pd.DataFrame(
        {
            "epoch": np.arange(N_EPOCHS),
            "training_loss": 0.2 + 2 * fall + 0.05 * rng.random(N_EPOCHS),
            "validation_loss": 0.3 + 2 * fall + 0.1 * rng.random(N_EPOCHS),
            "validation_accuracy": 0.95 - 0.8 * fall,
            "learning_rate": 1e-3,
            "seconds": 1.0,
        }
    )
    attributes = {
        "cohort_digest": made.digest,
        "model": name,
        "layers": json.dumps(LAYERS),
        "best_epoch": int(history["validation_loss"].argmin()),
    }
    with hdf5.create_file(path, "tumorcam-model", attributes) as file:
        records.write_dataset(file, "scaler/mean", np.full(len(made.genes), 6, np.float32))
        records.write_dataset(file, "scaler/sd", np.ones(len(made.genes), np.float32))
        records.write_dataset(file, "pixel", made.layouts[replicate].pixel)
        records.write_table(file.create_group("history"), history)


def write_shard(
    folder: Path,
    shard: ShardKey,
    made: Cohort,
    probability: np.ndarray,
    rng: np.random.Generator,
) -> None:
    sample = np.flatnonzero(made.fold == shard.fold)[shard.start : shard.stop]
    side = made.layouts[shard.replicate].side
    cube = rng.normal(size=(len(sample), side, side)) ** 3
    attributes = {"cohort_digest": made.digest, "shard": shard.name, "n_samples": len(sample)}
    with hdf5.create_file(shard_file(folder, shard), "tumorcam-shard", attributes) as file:
        records.write_dataset(file, "sample", made.sample[sample])
        records.write_dataset(file, "sample_index", sample)
        records.write_dataset(file, "tumor", made.tumor[sample])
        records.write_dataset(file, "predicted", probability[sample].argmax(axis=1))
        records.write_dataset(file, "probability", probability[sample])
        records.write_dataset(file, "guided_grad_cam", cube.astype(np.float16))
        scale = rng.random(len(sample)).astype(np.float32)
        records.write_dataset(file, "cube_scale/guided_grad_cam", scale)


def write_significance(
    path: Path,
    config: Config,
    made: Cohort,
    probability: np.ndarray,
    drives: np.ndarray,
    rng: np.random.Generator,
) -> None:
    expression = made.expression()
    n_tumors, called = len(made.tumors), probability.mean(axis=0).argmax(axis=1)
    recall = np.array([(called[made.tumor == t] == t).mean() for t in range(n_tumors)])
    auroc = statistics.expression_auroc(expression, made.tumor, n_tumors=n_tumors)
    fold_change = statistics.log2_fold_change(expression, made.tumor, n_tumors=n_tumors)
    n = np.array([len(np.unique(made.patient[made.tumor == t])) for t in range(n_tumors)])
    attributes = {
        "cohort_digest": made.digest,
        "config": "{}",
        "missing_shards": "[]",
        "methods": json.dumps(config.explain.methods),
        "views": json.dumps(VIEWS),
    }
    with hdf5.create_file(path, "tumorcam-significance", attributes) as file:
        records.write_dataset(file, "tumors", made.tumors)
        records.write_dataset(file, "genes", made.genes)
        records.write_dataset(file, "decoy_gene", made.decoy_gene)
        records.write_dataset(file, "n", n)
        records.write_dataset(file, "expression_auroc", auroc)
        records.write_dataset(file, "log2_fold_change", fold_change)
        records.write_dataset(file, "classification/probability", probability)
        records.write_dataset(file, "classification/recall", recall)
        for method in config.explain.methods:
            for view in VIEWS:
                # the own view of a guided method follows expression, decoys included
                input_share = 1.5 if view == "own" and method.startswith("guided") else 0.1
                features = np.concatenate([drives, np.zeros((n_tumors, len(made.decoy_gene)))], 1)
                source = np.concatenate([np.arange(len(made.genes)), made.decoy_gene])
                mean = 1.2 * features + input_share * fold_change[:, source]
                _write_ranking(file.create_group(f"{method}/{view}"), config, n, mean, recall, rng)


def _write_ranking(
    group: h5py.Group,
    config: Config,
    n: np.ndarray,
    mean: np.ndarray,
    recall: np.ndarray,
    rng: np.random.Generator,
) -> None:
    n_genes = len(group.file["genes"])
    by_tumor = [
        statistics.tumor_statistics(
            mean[t] + rng.normal(0, 0.5, (n[t], mean.shape[1])),
            np.ones(mean.shape[1], dtype=bool),
            min_patients=config.significance.min_patients,
        )
        for t in range(len(n))
    ]
    both = {
        name: np.stack([getattr(one, name) for one in by_tumor])
        for name in (
            "score",
            "sd",
            "effect",
            "positive",
            "positive_low",
            "positive_high",
            "p_value",
        )
    }
    table = {name: values[:, :n_genes] for name, values in both.items()}
    decoys = {name: both[name][:, n_genes:] for name in DECOY_STATISTICS}
    table["q_value"] = statistics.benjamini_hochberg(table["p_value"])
    table["q_decoy"] = statistics.decoy_q_values(table["score"], decoys["score"])
    table["rank"] = statistics.rank_genes(table["score"])
    table["p_fwer"] = np.minimum(1, table["p_value"] * n_genes)
    table["rank_low"], table["rank_high"] = 0.8 * table["rank"], 1.3 * table["rank"]
    table["p_null"] = np.full(table["rank"].shape, np.nan)
    table["replication"] = np.clip(1.2 - table["rank"] / 30, 0, 1)
    resolution = statistics.smallest_q_decoy(table["score"], decoys["score"])
    for name in STATISTICS:
        records.write_dataset(group, name, table[name])
    for name in DECOY_STATISTICS:
        records.write_dataset(group, f"decoys/{name}", decoys[name])
    evidence = statistics.grade_evidence(
        table["q_decoy"], table["q_value"], table["replication"], table["rank"], recall,
        settings=config.significance,
    )  # fmt: skip
    records.write_dataset(group, "evidence", evidence)
    in_top = statistics.decoys_in_top(table["score"], decoys["score"])
    records.write_dataset(group, "decoys_in_top_20", in_top)
    curve = statistics.decoy_curve(table["score"], decoys["score"])
    records.write_table(group.create_group("decoy_curve"), curve)
    group.attrs["smallest_q_decoy"] = resolution.smallest_q_decoy
    group.attrs["too_few_decoys"] = resolution.too_few_decoys
    group.attrs["zero_scale_samples"] = 0
