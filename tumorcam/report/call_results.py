"""The records of new samples that their report is made of, and what they say in figures."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
import pandas as pd

from tumorcam.applied.calls import Calls, explained_cohort, read_calls
from tumorcam.applied.new_cohort import NewSamples, read_new_samples
from tumorcam.applied.reference import Reference, read_reference
from tumorcam.cohort.cohort import Cohort, planned, read_cohort
from tumorcam.explain.shards import read_columns
from tumorcam.explain.views import RankingKey
from tumorcam.readers.samples_table.sample_types import is_normal
from tumorcam.report.results import require_ranking
from tumorcam.settings.config import Config
from tumorcam.significance.classification import reliability_table
from tumorcam.significance.tables import Significance, read_significance
from tumorcam.storage import chain
from tumorcam.storage.plan import Plan
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.source import NetworkSource, network_source

N_TOP = 10  # genes of a sample
STRANGERS = "patients that the run does not have"


@dataclass(frozen=True)
class Application:
    """New samples to which the networks of a run were applied, with all that was computed.

    `labelled` has the labels of the samples, and `cohort` the tumors that they are explained for;
    `trained` is the cohort of the run.
    """

    config: Config
    source: NetworkSource
    cohort: Cohort
    labelled: Cohort
    trained: Cohort
    plan: Plan
    new: NewSamples
    calls: Calls
    reference: Reference
    results: Significance

    @property
    def folder(self) -> RunFolder:
        """The folder of the new samples."""
        return RunFolder.of(self.config)

    @property
    def first_ranking(self) -> RankingKey:
        """The ranking that the page shows."""
        return RankingKey(self.config.report.method, self.config.report.view)

    @property
    def is_normal(self) -> np.ndarray:
        """(samples,) bool: normal tissue, whatever tumor its patient has."""
        return np.array([is_normal(code) for code in self.cohort.sample_type.tolist()], bool)

    @property
    def has_label(self) -> np.ndarray:
        """(samples,) bool: tumors whose label is one of the run's."""
        return (self.labelled.tumor >= 0) & ~self.is_normal

    @property
    def missing_share(self) -> np.ndarray:
        """(samples,) float64: the share of the run's genes that each sample lacks."""
        return self.new.n_missing / len(self.cohort.genes)


class TopGenes(NamedTuple):
    """The genes with the highest saliency in some samples.

    `sample` (samples,) int are indices of samples; `gene` (samples, 10) int are indices of genes,
    highest first; `value` (samples, 10) float32 is the saliency, in units of the sample's mean
    absolute saliency, mean over the layouts; `standardised` (samples, 10) float32 is the
    expression, in training SDs from the training mean.
    """

    sample: np.ndarray
    gene: np.ndarray
    value: np.ndarray
    standardised: np.ndarray


class Agreement(NamedTuple):
    """How calls agree with the labels of some samples.

    `n` counts samples that have a label of the run; `accuracy` and `balanced` (mean over their
    tumors) are shares, NaN without samples; `calibration_error` is that of the calibrated
    probability.
    """

    name: str
    n: int
    accuracy: float
    balanced: float
    calibration_error: float


def read_application(config: Config) -> Application:
    """Read new samples that reduce has finished.

    Raises
    ------
    FileError
        If a file is missing, damaged, or of other samples or settings.
    ConfigError
        If the ranking to show was not computed.
    """
    folder = RunFolder.of(config)
    labelled = read_cohort(folder.cohort, config)
    results = read_significance(folder.significance, labelled.digest)
    chain.require_settings(folder.significance, {"config": results.config}, config, "reduce")
    require_ranking(results, RankingKey(config.report.method, config.report.view))
    source = network_source(folder, labelled, config)
    return Application(
        config=config,
        source=source,
        cohort=explained_cohort(folder, labelled, config),
        labelled=labelled,
        trained=source.cohort,
        plan=planned(folder, config),
        new=read_new_samples(folder.cohort),
        calls=read_calls(folder, labelled, config),
        reference=read_reference(folder.reference),
        results=results,
    )


def top_genes(application: Application) -> Iterator[TopGenes]:
    """The top genes of all samples, a block of samples at a time.

    Raises
    ------
    FileError
        If a shard is missing or damaged.
    """
    cohort, reference = application.cohort, application.reference
    shards = sorted(application.plan.shards, key=lambda key: (key.fold, key.block, key.replicate))
    for _, group in groupby(shards, key=lambda key: (key.fold, key.block)):
        keys = list(group)
        rows = cohort.rows_of(keys[0])
        value = np.zeros((len(rows), len(cohort.genes)), np.float32)
        for key in keys:
            path = application.folder.shard(key)
            value += read_columns(path, application.first_ranking, len(cohort.genes)) / len(keys)
        gene = np.argsort(-value, axis=1, kind="stable")[:, :N_TOP]
        expression = np.take_along_axis(cohort.expression(rows), gene, axis=1)
        yield TopGenes(
            sample=rows,
            gene=gene,
            value=np.take_along_axis(value, gene, axis=1),
            standardised=(expression - reference.mean[gene]) / reference.sd[gene],
        )


def agreements(application: Application) -> list[Agreement]:
    """How calls agree with labels: of all labelled samples, and with the run's patients apart."""
    has_label, is_own = application.has_label, application.new.is_own
    groups = {
        "all": has_label,
        STRANGERS: has_label & ~is_own,
        "patients of the run, by networks that held them out": has_label & is_own,
    }
    return [_agreement(application, name, rows) for name, rows in groups.items()]


def _agreement(application: Application, name: str, rows: np.ndarray) -> Agreement:
    tumor, calls = application.labelled.tumor[rows], application.calls
    is_right = calls.call[rows] == tumor
    if not len(tumor):
        return Agreement(name, 0, np.nan, np.nan, np.nan)
    recalls = [is_right[tumor == index].mean() for index in np.unique(tumor)]
    error = calibration_error(reliability_table(calls.calibrated[rows], tumor))
    return Agreement(name, len(tumor), float(is_right.mean()), float(np.mean(recalls)), error)


def calibration_error(reliability: pd.DataFrame) -> float:
    """The mean gap between probability and accuracy over the bins, weighted by their samples."""
    gap = (reliability["confidence"] - reliability["accuracy"]).abs().fillna(0)
    return float((gap * reliability["samples"]).sum() / reliability["samples"].sum())


def label_confusion(application: Application) -> tuple[np.ndarray, list[str]]:
    """Samples by label (row) and call (column), and the labels; of the run's tumors or not.

    Returns
    -------
    (labels, tumors) int, list of str
        Labels of the run come first, in its order; the others are sorted. Normal tissue is one.
    """
    tumors, label = application.cohort.tumors.tolist(), application.new.label
    label = np.where(application.is_normal, "normal tissue", label)
    present = set(label.tolist()) - {""}
    names = [name for name in tumors if name in present] + sorted(present - set(tumors))
    counts = np.zeros((len(names), len(tumors)), int)
    rows = pd.Index(names).get_indexer(label)
    np.add.at(counts, (rows[rows >= 0], application.calls.call[rows >= 0]), 1)
    return counts, names
