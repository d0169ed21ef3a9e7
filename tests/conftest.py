"""Shared fixtures: a tiny cohort as arrays, as files, and as a prepared run."""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from jobs import prepare
from tumorcam.config import Config, config_from_tables, config_toml

TUMORS = ("ACC", "BRCA", "COAD", "READ")
SAMPLES_PER_TUMOR, N_GENES, DRIVERS_PER_TUMOR = 12, 36, 3


class TinyCohort(NamedTuple):
    """48 samples of 4 tumors, 36 genes; genes 3 t, 3 t + 1, 3 t + 2 are raised by 3 in tumor t.

    `log2` (samples, genes) float32, at most 3 decimals; `samples` has sample, patient, tumor,
    sample_type and source, sorted by sample; one patient of each tumor has two samples.
    """

    log2: np.ndarray
    genes: np.ndarray
    samples: pd.DataFrame


@pytest.fixture
def tiny_cohort() -> TinyCohort:
    rng = np.random.default_rng(0)
    n_samples = len(TUMORS) * SAMPLES_PER_TUMOR
    tumor = np.arange(n_samples) % len(TUMORS)
    log2 = rng.normal(6, 1, (n_samples, N_GENES)).clip(0)
    log2 += 3 * (np.arange(N_GENES) // DRIVERS_PER_TUMOR == tumor[:, np.newaxis])
    patient = [f"TCGA-AA-{max(i, len(TUMORS)):04d}" for i in range(n_samples)]
    patient[: len(TUMORS)] = patient[len(TUMORS) : 2 * len(TUMORS)]
    vial = ["B" if i < len(TUMORS) else "A" for i in range(n_samples)]
    samples = pd.DataFrame(
        {
            "sample": [f"{p}-01{v}" for p, v in zip(patient, vial, strict=True)],
            "patient": patient,
            "tumor": np.array(TUMORS)[tumor],
            "sample_type": "01",
            "source": np.array(["east", "west"])[np.arange(n_samples) // 4 % 2],
        }
    )
    order = np.argsort(samples["sample"].to_numpy(str))
    genes = np.array([f"GENE{i:02d}" for i in range(N_GENES)])
    return TinyCohort(
        log2.round(3).astype(np.float32)[order], genes, samples.iloc[order].reset_index(drop=True)
    )


@pytest.fixture
def tiny_files(tiny_cohort: TinyCohort, tmp_path: Path) -> tuple[Path, Path]:
    """Paths of the tiny expression matrix (genes x samples, TSV) and its samples table."""
    expression, samples = tmp_path / "expression.tsv", tmp_path / "samples.tsv"
    table = pd.DataFrame(
        tiny_cohort.log2.T, index=tiny_cohort.genes, columns=tiny_cohort.samples["sample"]
    )
    table.to_csv(expression, sep="\t", index_label="gene", float_format="%.3f")
    tiny_cohort.samples.to_csv(samples, sep="\t", index=False)
    return expression, samples


@pytest.fixture
def tiny_config(tiny_files: tuple[Path, Path], tmp_path: Path) -> Config:
    """Settings of the tiny run: 2 replicates x 2 folds, 18 decoys, images of 8 x 8 pixels."""
    expression, samples = tiny_files
    tables = {
        "run": {"name": "tiny", "folder": str(tmp_path / "run"), "threads_per_rank": 1},
        "input": {"expression": str(expression), "samples": str(samples)},
        "splits": {"folds": 2},
        "layout": {"replicates": 2},
        "model": {"filters": [4, 4], "dense": [8]},
        "training": {"epochs": 2, "patience": 2, "batch_size": 8, "checkpoint_steps": 2},
        "explain": {"block": 10, "batch_size": 4},
        "significance": {"min_patients": 5},
    }
    return config_from_tables(tables, source="tiny_config")


@pytest.fixture
def tiny_toml(tiny_config: Config, tmp_path: Path) -> str:
    """Path of the tiny settings as a TOML file, as a job's argument."""
    path = tmp_path / "tiny.toml"
    path.write_text(config_toml(tiny_config), encoding="utf-8")
    return str(path)


@pytest.fixture
def tiny_run(tiny_config: Config, tiny_toml: str) -> Config:
    """A run folder with cohort.h5, plan.json and config.toml; returns its config."""
    assert prepare.main([tiny_toml]) == 0
    return tiny_config


@pytest.fixture(autouse=True)
def quiet_logger():
    """Close the log files that a job opened, so that tests do not share handlers."""
    yield
    logger = logging.getLogger("tumorcam")
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
        handler.close()
    logger.propagate = True
