"""A second finished run of random numbers, beside that of fixture `tiny_run`."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
from conftest import TinyCohort, make_tiny_cohort, make_tiny_config, write_tiny_files, write_toml
from made_up_run import fill_run

from jobs import prepare
from tumorcam.cohort.cohort import read_cohort
from tumorcam.settings.config import Config
from tumorcam.storage.run_folder import RunFolder

LOOSE = {"q_decoy": 0.3, "q_value": 0.3, "recall": 0.1, "replication": 0.0}
Change = Callable[[TinyCohort], TinyCohort]


def second_run(
    folder: Path, *, change: Change = lambda cohort: cohort, seed: int = 2, name: str = "other"
) -> Config:
    """A finished run whose tumor t has the drivers 3 t, 3 t + 1, 3 t + 2 of its own genes.

    Parameters
    ----------
    change : function
        Makes another cohort of the tiny one.
    """
    folder.mkdir()
    config = make_tiny_config(write_tiny_files(change(make_tiny_cohort()), folder), folder / "run")
    config = dataclasses.replace(config, run=dataclasses.replace(config.run, name=name, seed=seed))
    config = loosened(config)
    assert prepare.main([write_toml(config, folder / "tiny.toml")]) == 0
    cohort = read_cohort(RunFolder.of(config).cohort, config)
    drives = np.arange(len(cohort.genes)) // 3 == np.arange(len(cohort.tumors))[:, np.newaxis]
    fill_run(config, drives, np.random.default_rng(seed))
    return config


def loosened(config: Config) -> Config:
    """The config with thresholds by which the drivers of a made-up run are learned."""
    significance = dataclasses.replace(config.significance, **LOOSE)
    return dataclasses.replace(config, significance=significance)


def renamed(cohort: TinyCohort, names: dict[str, str]) -> TinyCohort:
    """The cohort with other names of some genes."""
    return cohort._replace(genes=np.array([names.get(g, g) for g in cohort.genes.tolist()]))


def without_genes(cohort: TinyCohort, n_first: int) -> TinyCohort:
    """The cohort without its first genes."""
    return cohort._replace(log2=cohort.log2[:, n_first:], genes=cohort.genes[n_first:])


def with_tumors(cohort: TinyCohort, names: dict[str, str]) -> TinyCohort:
    """The cohort with other names of some tumors."""
    return cohort._replace(
        samples=cohort.samples.assign(tumor=cohort.samples["tumor"].replace(names))
    )
