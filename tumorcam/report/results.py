"""What a finished run has in its files, as the report needs it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.cohort.images import Scaler, place_genes
from tumorcam.config import Config
from tumorcam.errors import ConfigError, FileError
from tumorcam.significance.truth import PlantedTruth, read_truth
from tumorcam.storage import hdf5, records
from tumorcam.storage.plan import (
    BASELINE_METHODS,
    BASELINES_TYPE,
    MODEL_TYPE,
    SHARD_TYPE,
    SIGNIFICANCE_TYPE,
    ModelKey,
    Plan,
    ShardKey,
    model_file,
    read_plan,
    shard_file,
)

STATISTICS = (
    "score", "sd", "effect", "positive", "positive_low", "positive_high",
    "p_value", "q_value", "p_fwer", "q_decoy", "replication", "rank", "rank_low", "rank_high",
    "p_null",
)  # fmt: skip
DECOY_STATISTICS = ("score", "sd", "positive", "p_value")


@dataclass(frozen=True)
class Ranking:
    """The statistics of one method and view.

    Attributes
    ----------
    statistics : mapping
        Name of STATISTICS to (tumors, genes) float64.
    evidence : (tumors, genes) str
    decoys : mapping
        Name of DECOY_STATISTICS to (tumors, decoys) float64.
    decoys_in_top_20 : (tumors,) float64
        Decoys among the top 20 of genes and decoys together, times genes / decoys.
    decoy_curve : DataFrame
        score, genes, decoys, estimated_false, q_decoy.
    smallest_q_decoy : float
        The smallest attainable value; NaN without decoys.
    too_few_decoys : bool
    zero_scale_samples : int
        Explained samples whose maps were all zero.
    """

    method: str
    view: str
    statistics: Mapping[str, np.ndarray]
    evidence: np.ndarray
    decoys: Mapping[str, np.ndarray]
    decoys_in_top_20: np.ndarray
    decoy_curve: pd.DataFrame
    smallest_q_decoy: float
    too_few_decoys: bool
    zero_scale_samples: int


@dataclass(frozen=True)
class Results:
    """significance.h5 but for the rankings, which are read one at a time.

    `n` (tumors,) patients; `expression_auroc`, `log2_fold_change` (tumors, genes) float64;
    `probability` (replicates, samples, tumors) float32, held out; `recall` (tumors,) of the
    ensemble; `decoy_gene` (decoys,) int; `missing_shards` names the shards that reduce went on
    without: all is partial then.
    """

    path: Path
    digest: str
    methods: tuple[str, ...]
    views: tuple[str, ...]
    tumors: np.ndarray
    genes: np.ndarray
    decoy_gene: np.ndarray
    n: np.ndarray
    expression_auroc: np.ndarray
    log2_fold_change: np.ndarray
    probability: np.ndarray
    recall: np.ndarray
    missing_shards: tuple[str, ...] = ()

    def rankings(self) -> Iterator[Ranking]:
        """Every method and view in alphabetical order, one in memory at a time."""
        for method in sorted(self.methods):
            for view in sorted(self.views):
                yield self.ranking(method, view)

    def ranking(self, method: str, view: str) -> Ranking:
        """The statistics of one method and view."""
        with _open_significance(self.path) as file:
            return _read_ranking(file[f"{method}/{view}"], method, view)


@dataclass(frozen=True)
class TrainedNetwork:
    """How one network was built and how it learned."""

    model: ModelKey
    digest: str
    layers: list[dict[str, Any]]
    best_epoch: int
    history: pd.DataFrame


@dataclass(frozen=True)
class Baselines:
    """Held-out probabilities (samples, tumors) of each of BASELINE_METHODS."""

    digest: str
    probability: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Example:
    """One held-out sample's input image and saliency cube.

    `image` (rows, columns) float32, expression in training SD, 0 on empty pixels; `saliency`
    (rows, columns) float32; `pixel` (genes + decoys,) int; `labels` (genes + decoys,) str.
    """

    sample: str
    tumor: str
    probability: float
    model: str
    method: str
    image: np.ndarray
    saliency: np.ndarray
    pixel: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Run:
    """Everything that the report is made of; `example` is None where no cubes were kept."""

    config: Config
    cohort: Cohort
    plan: Plan
    results: Results
    networks: tuple[TrainedNetwork, ...]
    baselines: Baselines
    example: Example | None
    truth: PlantedTruth | None


def read_run(config: Config) -> Run:
    """A finished run.

    Raises
    ------
    FileError
        If a file is missing, incomplete or made from another cohort.
    ConfigError
        If the ranking to show first was not computed.
    """
    folder = config.folder
    cohort = read_cohort(folder / "cohort.h5", config)
    plan = read_plan(folder / "plan.json", config.layout.nulls)
    results = read_results(folder / "significance.h5", cohort)
    for name, wanted, there in (
        ("method", config.report.method, results.methods),
        ("view", config.report.view, results.views),
    ):
        if wanted not in there:
            msg = f"report.{name} = {wanted!r} was not computed; this run has {', '.join(there)}"
            raise ConfigError(msg)
    return Run(
        config=config,
        cohort=cohort,
        plan=plan,
        results=results,
        networks=tuple(read_network(folder, model, cohort) for model in plan.models),
        baselines=read_baselines(folder / "models" / "baselines.h5", cohort),
        example=read_example(folder, plan.shards[0], cohort, config.explain.cubes),
        truth=read_truth(folder / "input" / "truth.csv", cohort.tumors, cohort.genes),
    )


def read_results(path: Path, cohort: Cohort) -> Results:
    """The statistics that reduce wrote for this cohort; FileError where they are another's."""
    with _open_significance(path) as file:
        _require_cohort(file, path, cohort, "jobs.reduce")
        return Results(
            path=path,
            digest=str(file.attrs["digest"]),
            methods=tuple(json.loads(file.attrs["methods"])),
            views=tuple(json.loads(file.attrs["views"])),
            tumors=records.read_strings(file["tumors"]),
            genes=records.read_strings(file["genes"]),
            decoy_gene=file["decoy_gene"][...],
            n=file["n"][...],
            expression_auroc=file["expression_auroc"][...],
            log2_fold_change=file["log2_fold_change"][...],
            probability=file["classification/probability"][...],
            recall=file["classification/recall"][...],
            missing_shards=tuple(json.loads(file.attrs["missing_shards"])),
        )


def read_network(folder: Path, model: ModelKey, cohort: Cohort) -> TrainedNetwork:
    """Layers and learning curve of a model; FileError where it is another cohort's."""
    path = model_file(folder, model)
    with hdf5.open_file(path, MODEL_TYPE, remedy="run jobs.train") as file:
        _require_cohort(file, path, cohort, "jobs.train")
        return TrainedNetwork(
            model=model,
            digest=str(file.attrs["digest"]),
            layers=json.loads(file.attrs["layers"]),
            best_epoch=int(file.attrs["best_epoch"]),
            history=records.read_table(file["history"]),
        )


def read_baselines(path: Path, cohort: Cohort) -> Baselines:
    """The baselines; FileError where they are another cohort's."""
    remedy = "run jobs.train --model baselines"
    with hdf5.open_file(path, BASELINES_TYPE, remedy=remedy) as file:
        _require_cohort(file, path, cohort, "jobs.train --model baselines")
        probability = {name: file[name][...] for name in BASELINE_METHODS}
        return Baselines(str(file.attrs["digest"]), probability)


def read_example(
    folder: Path, shard: ShardKey, cohort: Cohort, cubes: tuple[str, ...]
) -> Example | None:
    """The shard's correctly classified sample of highest probability, or None.

    Parameters
    ----------
    cubes : tuple of str
        Methods whose whole images the shards hold; the first is shown.
    """
    path = shard_file(folder, shard)
    with hdf5.open_file(path, SHARD_TYPE, remedy="run jobs.explain") as file:
        _require_cohort(file, path, cohort, "jobs.explain")
        correct = file["predicted"][...] == file["tumor"][...]
        if not cubes or not correct.any():
            return None
        probability = file["probability"][...].max(axis=1)
        chosen = int(np.where(correct, probability, -1.0).argmax())
        saliency = file[cubes[0]][chosen].astype(np.float32) * file["cube_scale"][cubes[0]][chosen]
        sample = int(file["sample_index"][chosen])
    layout = cohort.layouts[shard.replicate]
    with hdf5.open_file(
        model_file(folder, shard.model), MODEL_TYPE, remedy="run jobs.train"
    ) as file:
        scaler = Scaler(file["scaler/mean"][...], file["scaler/sd"][...])
    expression = cohort.expression(slice(sample, sample + 1))
    features = scaler.standardise(expression)[:, layout.source_gene]
    decoys = np.char.add("decoy of ", cohort.genes[layout.decoy_gene])
    return Example(
        sample=str(cohort.sample[sample]),
        tumor=str(cohort.tumors[cohort.tumor[sample]]),
        probability=float(probability[chosen]),
        model=shard.model.name,
        method=cubes[0],
        image=place_genes(features, layout)[0, :, :, 0],
        saliency=saliency,
        pixel=layout.pixel,
        labels=np.concatenate([cohort.genes, decoys]),
    )


def _open_significance(path: Path) -> Any:
    return hdf5.open_file(path, SIGNIFICANCE_TYPE, remedy="run jobs.reduce")


def _require_cohort(file: h5py.File, path: Path, cohort: Cohort, job: str) -> None:
    if file.attrs["cohort_digest"] != cohort.digest:
        msg = (
            f"{path} was made from another cohort (cohort_digest "
            f"{str(file.attrs['cohort_digest'])[:12]}, wanted {cohort.digest[:12]}); "
            f"delete it and run {job}"
        )
        raise FileError(msg)


def _read_ranking(group: h5py.Group, method: str, view: str) -> Ranking:
    return Ranking(
        method=method,
        view=view,
        statistics={name: group[name][...] for name in STATISTICS},
        evidence=records.read_strings(group["evidence"]),
        decoys={name: group[f"decoys/{name}"][...] for name in DECOY_STATISTICS},
        decoys_in_top_20=group["decoys_in_top_20"][...],
        decoy_curve=records.read_table(group["decoy_curve"]),
        smallest_q_decoy=float(group.attrs["smallest_q_decoy"]),
        too_few_decoys=bool(group.attrs["too_few_decoys"]),
        zero_scale_samples=int(group.attrs["zero_scale_samples"]),
    )
