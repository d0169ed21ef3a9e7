"""A finished run of random numbers: every file that the report reads, by its record."""

import json
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.cohort.images import Scaler
from tumorcam.explain.shards import MethodMaps, Shard, shard_attributes, write_shard
from tumorcam.explain.views import RankingKey, ranking_keys
from tumorcam.settings.config import Config
from tumorcam.significance import classification, decoys, statistics
from tumorcam.significance.decoys import Scores
from tumorcam.significance.tables import (
    DECOY_STATISTICS,
    GENE_STATISTICS,
    Classification,
    DecoyStatistics,
    NullRuns,
    Ranking,
    SharedTables,
    write_ranking,
    write_significance,
)
from tumorcam.storage import chain, hdf5
from tumorcam.storage.plan import ModelKey, ShardKey, read_plan
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import HeldOut, TrainedModel, model_attributes, write_model
from tumorcam.training.baselines import Baselines, write_baselines

N_EPOCHS = 6
DRIVERS_PER_TUMOR = 3  # of fixture tiny_run
LAYERS = [
    {"name": "conv1", "kind": "Conv2D", "output": [8, 8, 4], "weights": 40},
    {"name": "logits", "kind": "Dense", "output": [4], "weights": 1234},
]


def finish_run(config: Config, *, with_truth: bool = True, missing: Collection[str] = ()) -> Config:
    """Fill the run of fixture `tiny_run`, whose tumor t has the drivers 3 t, 3 t + 1, 3 t + 2.

    Parameters
    ----------
    missing : collection of str
        Names of shards that are not written, so that the run is partial.
    """
    run = RunFolder.of(config)
    cohort = read_cohort(run.cohort, config)
    tumor, gene = np.arange(len(cohort.tumors)), np.arange(len(cohort.genes))
    drives = gene // DRIVERS_PER_TUMOR == tumor[:, np.newaxis]
    fill_run(config, drives, np.random.default_rng(0), missing=missing)
    if with_truth:
        where = np.argwhere(drives)
        tumors, genes = cohort.tumors[where[:, 0]], cohort.genes[where[:, 1]]
        table = pd.DataFrame({"tumor": tumors, "gene": genes, "effect": 3.0})
        hdf5.write_text(run.input.truth, table.to_csv(index=False))
    return config


def fill_run(
    config: Config,
    drives: np.ndarray,
    rng: np.random.Generator,
    *,
    missing: Collection[str] = (),
) -> Path:
    """Write models, baselines, shards with cubes and tables of a prepared run; its folder.

    Of the shards only the first that is not missing is written, and of the models those that have
    a shard.

    Parameters
    ----------
    drives : (tumors, genes) bool
        Genes whose saliency is raised in a tumor.
    """
    run = RunFolder.of(config)
    cohort, plan = read_cohort(run.cohort, config), read_plan(run.plan)
    present = [key for key in plan.shards if key.name not in missing]
    for key in plan.models:
        made_up = model(cohort, key, rng)
        if key in {shard.model for shard in present}:
            attributes = model_attributes(config, cohort.digest, key.name)
            write_model(run.model(key), attributes, made_up)
    hard = rng.normal(size=(len(cohort.tumor), len(cohort.tumors)))  # in the same samples for all
    baselines = (probabilities(cohort, sharpness, hard, rng) for sharpness in (4.0, 3.0))
    write_baselines(run.baselines, config, cohort.digest, Baselines(*baselines, digest=""))
    probability = np.stack(
        [probabilities(cohort, 4.0, hard, rng) for _ in range(cohort.n_replicates)]
    )
    first = present[0]
    content = shard(config, cohort, first, probability[first.replicate], rng)
    digests = cohort.digest, hdf5.stored_digest(run.model(first.model), "tumorcam-model", remedy="")
    attributes = shard_attributes(config, *digests, first, cohort.n_columns)
    write_shard(run.shard(first), attributes, content, compression="gzip")
    for key in (key for key in plan.shards if key.name in missing):
        probability[key.replicate, samples_of(cohort, key)] = np.nan
    names = tuple(key.name for key in plan.shards if key.name in missing)
    write_tables(run, config, cohort, probability, drives, names, rng)
    return run.root


def samples_of(cohort: Cohort, key: ShardKey) -> np.ndarray:
    return np.flatnonzero(cohort.fold == key.fold)[key.start : key.stop]


def probabilities(
    cohort: Cohort, sharpness: float, hard: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """(samples, tumors) float32 that are mostly right."""
    logits = hard + rng.normal(0, 0.5, hard.shape)
    logits[np.arange(len(cohort.tumor)), cohort.tumor] += sharpness
    power = np.exp(2 * logits)
    return (power / power.sum(axis=1, keepdims=True)).astype(np.float32)


def model(cohort: Cohort, key: ModelKey, rng: np.random.Generator) -> TrainedModel:
    """A model whose kept epoch is not its best one, and whose scaler has mean 6 and SD 1."""
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
    layout, best = cohort.layout_of(key), int(history["validation_loss"].argmin())
    n_genes = len(cohort.genes)
    return TrainedModel(
        layers=json.dumps(LAYERS),
        best_epoch=best,
        kept_epoch=best - 1,
        history=history,
        convolution_share=0.25,
        digest="",
        tumors=cohort.tumors,
        genes=cohort.genes,
        side=layout.side,
        pixel=layout.pixel,
        decoy_gene=layout.decoy_gene,
        scaler=Scaler(np.full(n_genes, 6, np.float32), np.ones(n_genes, np.float32)),
        weights=(np.zeros(3, np.float32),),
        role=np.zeros(len(cohort.tumor), np.int8),
        held_out=HeldOut(np.arange(3, dtype=np.int32), np.zeros((3, 4), np.float32)),
    )


def shard(
    config: Config,
    cohort: Cohort,
    key: ShardKey,
    probability: np.ndarray,
    rng: np.random.Generator,
) -> Shard:
    """A shard with the cubes that the config asks for."""
    sample, side = samples_of(cohort, key), cohort.layouts[0].side
    cube = (rng.normal(size=(len(sample), side, side)) ** 3).astype(np.float16)
    scale = rng.random(len(sample)).astype(np.float32)
    zeros = np.zeros((len(sample), cohort.n_columns), np.float16)
    return Shard(
        sample_index=sample.astype(np.int32),
        tumor=cohort.tumor[sample].astype(np.int16),
        predicted=probability[sample].argmax(axis=1).astype(np.int16),
        probability=probability[sample],
        sample=cohort.sample[sample],
        target=cohort.tumor[sample].astype(np.int16),
        rivals=np.zeros((len(sample), 0), np.int16),
        methods={
            method: MethodMaps(
                own=zeros,
                contrast=zeros,
                scale=scale,
                cube=cube if method in config.explain.cubes else None,
                cube_scale=scale if method in config.explain.cubes else None,
            )
            for method in config.explain.methods
        },
    )


def write_tables(
    run: RunFolder,
    config: Config,
    cohort: Cohort,
    probability: np.ndarray,
    drives: np.ndarray,
    missing: Sequence[str],
    rng: np.random.Generator,
) -> None:
    """Write significance.h5."""
    expression, n_tumors = cohort.expression(), len(cohort.tumors)
    ensemble = classification.ensemble_probability(probability)
    has_shard = ~np.isnan(ensemble).any(axis=1)
    scores = classification.score_classifier(ensemble[has_shard], cohort.tumor[has_shard])
    shared = SharedTables(
        methods=tuple(config.explain.methods),
        tumors=cohort.tumors,
        genes=cohort.genes,
        decoy_gene=cohort.decoy_gene,
        is_entrapped=cohort.is_entrapped,
        n=np.array([len(set(cohort.patient[cohort.tumor == t])) for t in range(n_tumors)]),
        expression_auroc=statistics.expression_auroc(expression, cohort.tumor, n_tumors=n_tumors),
        log2_fold_change=statistics.log2_fold_change(expression, cohort.tumor, n_tumors=n_tumors),
        classification=Classification(probability, scores.recall),
        missing_shards=tuple(missing),
    )
    files = []
    for i, key in enumerate(ranking_keys(config.explain.methods)):
        # the own view of a guided method follows expression, present decoys included
        input_share = 1.5 if key.view == "own" and key.method.startswith("guided") else 0.1
        of_input = input_share * shared.log2_fold_change
        present = of_input[:, cohort.decoy_gene]
        mean = np.hstack([1.2 * drives + of_input, present, np.zeros(present.shape)])
        files.append(run.ranking(i))
        write_ranking(files[-1], {}, ranking(key, config, shared, mean, rng))
    attributes = {"cohort_digest": cohort.digest} | chain.made_with(config, "reduce")
    write_significance(run.significance, attributes, shared, files)
    shutil.rmtree(run.bands)


def ranking(
    key: RankingKey,
    config: Config,
    shared: SharedTables,
    mean: np.ndarray,
    rng: np.random.Generator,
) -> Ranking:
    """The statistics of values that are drawn around a mean (tumors, genes + 2 decoys)."""
    n_genes, n_tumors, n_decoys = len(shared.genes), len(shared.tumors), len(shared.decoy_gene)
    by_tumor = [
        statistics.tumor_statistics(
            mean[t] + rng.normal(0, 0.5, (shared.n[t], mean.shape[1])),
            np.ones(mean.shape[1], dtype=bool),
            min_patients=config.significance.min_patients,
        )
        for t in range(n_tumors)
    ]
    names = [name for name in GENE_STATISTICS if hasattr(by_tumor[0], name)]
    columns = {name: np.stack([getattr(tumor, name) for tumor in by_tumor]) for name in names}
    genes = {name: values[:, :n_genes] for name, values in columns.items()}
    present, chance = (
        DecoyStatistics(
            **{name: columns[name][:, first:][:, :n_decoys] for name in DECOY_STATISTICS}
        )
        for first in (n_genes, n_genes + n_decoys)
    )
    score, scores = genes["score"], Scores.of_columns(columns["score"], shared.decoy_gene)
    level = config.significance.q_decoy
    genes["margin"] = scores.margin
    genes["q_value"] = statistics.benjamini_hochberg(genes["p_value"])
    genes["q_decoy"] = decoys.decoy_q_values(scores)
    genes["rank"] = statistics.rank_genes(score)
    genes["p_fwer"] = np.minimum(1, genes["p_value"] * n_genes)
    genes["rank_low"], genes["rank_high"] = 0.8 * genes["rank"], 1.3 * genes["rank"]
    genes["p_null"] = np.full(score.shape, np.nan)
    genes["replication"] = np.clip(1.2 - genes["rank"] / 30, 0, 1)
    evidence = statistics.grade_evidence(
        genes["q_decoy"], genes["q_value"], genes["replication"], genes["rank"],
        shared.classification.recall, settings=config.significance,
    )  # fmt: skip
    resolution = decoys.smallest_q_decoy(scores, level=level)
    interval = decoys.called_interval(scores, rng, level=level)
    counts = np.zeros((2, 0), int)
    no_nulls = np.zeros((0, *score.shape)), np.zeros((0, *scores.decoy.shape)), *counts
    return Ranking(
        **genes,
        evidence=evidence,
        method=key.method,
        view=key.view,
        present=present,
        chance=chance,
        nulls=NullRuns(*no_nulls),
        decoys_in_top_20=decoys.decoys_in_top(score, present.score),
        replicate_score=np.zeros((1, *mean.shape)),
        fold_score=np.zeros((1, *mean.shape)),
        decoy_curve=decoys.decoy_curve(scores),
        n_called=int((genes["q_decoy"] <= level).sum()),
        called_low=interval.low,
        called_high=interval.high,
        smallest_q_decoy=resolution.smallest_q_decoy,
        too_few_decoys=resolution.too_few_decoys,
        zero_scale_samples=0,
    )
