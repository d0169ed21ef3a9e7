"""Two finished runs side by side: accuracy, settings, rankings and learned genes."""

import json
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tumorcam.cohort.cohort import Cohort, read_cohort
from tumorcam.errors import ConfigError, FileError
from tumorcam.explain.views import RankingKey
from tumorcam.readers.wording import listed, plain
from tumorcam.report.rank_agreement import (
    CommonNames,
    agreement_table,
    common_genes,
    common_names,
    learned_table,
)
from tumorcam.report.results import read_results
from tumorcam.report.run_accuracy import accuracy_table, common_samples, correct_shares
from tumorcam.settings.config import Config
from tumorcam.significance.tables import Significance
from tumorcam.storage import chain
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.baselines import Baselines, read_baselines

ABSENT = "–"  # a setting that one run does not have


@dataclass(frozen=True)
class ComparedRun:
    """One of the two runs, `label` A or B: its settings, cohort, tables and baselines."""

    label: str
    config: Config
    cohort: Cohort
    results: Significance
    baselines: Baselines

    @property
    def name(self) -> str:
        """The name of the run, as its config gives it."""
        return self.config.run.name

    @property
    def first_ranking(self) -> RankingKey:
        """The ranking that the run's own page shows first."""
        return RankingKey(self.config.report.method, self.config.report.view)


@dataclass(frozen=True)
class Comparison:
    """What two runs share and where they differ.

    Attributes
    ----------
    a, b : ComparedRun
        The two runs.
    key : RankingKey
        The ranking that is compared.
    tumors, genes : CommonNames
        Tumors and genes that both runs have; entrapped genes are not among them.
    accuracy, settings, agreement, learned : DataFrame
        From `accuracy_table`, `settings_table`, `agreement_table` and `learned_table`.
    notes : list of str
        What a reader must know before he compares the numbers, as sentences.
    """

    a: ComparedRun
    b: ComparedRun
    key: RankingKey
    tumors: CommonNames
    genes: CommonNames
    accuracy: pd.DataFrame
    settings: pd.DataFrame
    agreement: pd.DataFrame
    learned: pd.DataFrame
    notes: list[str]


def read_compared(config: Config, label: str) -> ComparedRun:
    """Read one of the two runs, which must be finished.

    Raises
    ------
    ConfigError
        If the folder has new samples, to which a run is applied.
    FileError
        If `reduce` has not finished the run, or a file is damaged or of other settings.
    """
    if config.apply.run:
        msg = (
            f"{config.folder} (run {label}) has new samples, to which the networks of a run are "
            "applied; `tumorcam compare` takes two runs with networks of their own"
        )
        raise ConfigError(msg)
    folder = RunFolder.of(config)
    try:
        cohort = read_cohort(folder.cohort, config)
        return ComparedRun(
            label=label,
            config=config,
            cohort=cohort,
            results=read_results(folder, cohort, config),
            baselines=read_baselines(folder.baselines, cohort.digest),
        )
    except FileError as error:
        error.add_note(f"`tumorcam compare` needs two finished runs; this is run {label}")
        raise


def compare_runs(first: Config, second: Config, *, method: str = "", view: str = "") -> Comparison:
    """Compare two finished runs.

    Parameters
    ----------
    first, second : Config
        Settings of run A and of run B.
    method, view : str
        The ranking to compare; empty for the first ranking of run A, or of B if A alone has that.

    Raises
    ------
    ConfigError
        If both are the same run, or have no ranking, tumor or gene in common.
    FileError
        As `read_compared`.
    """
    if os.path.realpath(first.folder) == os.path.realpath(second.folder):
        msg = f"A and B are the same run, {first.folder}; name two runs, such as runs/a runs/b"
        raise ConfigError(msg)
    a, b = read_compared(first, "A"), read_compared(second, "B")
    key = common_ranking(a, b, method=method, view=view)
    tumors = common_names(a.results.tumors, b.results.tumors)
    if not len(tumors.names):
        raise ConfigError(_nothing_common(a.results.tumors, b.results.tumors, "tumor"))
    genes = common_genes(a.cohort, b.cohort)
    if not len(genes.names):
        msg = (
            f"{_nothing_common(a.cohort.genes, b.cohort.genes, 'gene')}; input.gene_table names "
            "the genes of a run by a table"
        )
        raise ConfigError(msg)
    samples = common_samples(a.cohort, b.cohort)
    shares_a, shares_b = (
        correct_shares(run.results, run.baselines, run.cohort.tumor) for run in (a, b)
    )
    rankings = a.results.ranking(key), b.results.ranking(key)
    return Comparison(
        a=a,
        b=b,
        key=key,
        tumors=tumors,
        genes=genes,
        accuracy=accuracy_table(shares_a, shares_b, samples),
        settings=settings_table(a.results.config, b.results.config),
        agreement=agreement_table(*rankings, tumors, genes),
        learned=learned_table((a.cohort, b.cohort), rankings, tumors),
        notes=_notes(a, b, n_relabelled=samples.n_relabelled),
    )


def common_ranking(a: ComparedRun, b: ComparedRun, *, method: str, view: str) -> RankingKey:
    """The ranking to compare.

    Parameters
    ----------
    method, view : str
        Those that the user asks for; empty takes those that the page of A shows first.

    Raises
    ------
    ConfigError
        If it is not in both runs.
    """
    common = [key for key in a.results.keys if key in b.results.keys]
    if method or view:
        asked = RankingKey(method or a.first_ranking.method, view or a.first_ranking.view)
        if asked in common:
            return asked
        fault = f"the ranking {asked.name} is not in both runs"
    else:
        for key in (a.first_ranking, b.first_ranking, *common):
            if key in common:
                return key
        fault = "the two runs have no ranking in common"
    names = "; ".join(f"run {run.label} has {_names_of(run)}" for run in (a, b))
    msg = f"{fault}: {names}; set --method and --view, or compute one method in both runs"
    raise ConfigError(msg)


def settings_table(first: str, second: str) -> pd.DataFrame:
    """A row for each setting that differs: `setting`, and its value in `a` and in `b`.

    Parameters
    ----------
    first, second : str
        Settings that the tables of each run were made with, as JSON.
    """
    tables = [chain.settings_of({chain.CONFIG: text}) for text in (first, second)]
    values = [
        {f"{section}.{key}": _spelled(value) for section, keys in table.items()
         for key, value in keys.items()}
        for table in tables
    ]  # fmt: skip
    names = sorted(values[0].keys() | values[1].keys())
    rows = [(name, *(value.get(name, ABSENT) for value in values)) for name in names]
    return pd.DataFrame(
        [row for row in rows if row[1] != row[2]], columns=["setting", "a", "b"], dtype=object
    )


def _spelled(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _names_of(run: ComparedRun) -> str:
    return ", ".join(key.name for key in run.results.keys)


def _nothing_common(first: np.ndarray, second: np.ndarray, kind: str) -> str:
    """The message for two runs without a tumor, or a gene, of the same name."""
    return (
        f"the two runs have no {kind} in common by name: run A has {listed(first.tolist())}; run B "
        f"has {listed(second.tolist())}; wanted the same name in both, so compare other runs"
    )


def _notes(a: ComparedRun, b: ComparedRun, *, n_relabelled: int) -> list[str]:
    """What must be known before the numbers are compared."""
    notes = []
    if a.results.digest == b.results.digest:
        notes.append("Both runs have the same tables, bit for bit: one is a copy of the other.")
    elif a.cohort.digest == b.cohort.digest:
        notes.append("Both runs have the same cohort: samples, genes, folds and layouts.")
    for run, other in ((a, b), (b, a)):
        extra = np.setdiff1d(run.results.tumors, other.results.tumors).tolist()
        if extra:
            notes.append(f"Run {run.label} alone has the tumors {', '.join(map(plain, extra))}.")
    if a.results.tumors.tolist() != b.results.tumors.tolist():
        notes.append(
            "The networks of A and B tell other tumors apart, so the two accuracies and the "
            "contrast scores answer different questions."
        )
    for run in (a, b):
        n_missing = len(run.results.missing_shards)
        if n_missing:
            notes.append(f"Run {run.label} is partial: {n_missing} shards were missing.")
    if n_relabelled:
        notes.append(
            f"{n_relabelled:,} samples have another tumor in B than in A, and are left out."
        )
    if a.config.significance != b.config.significance:
        notes.append("The thresholds or tests differ, which alone can change the learned genes.")
    return notes
