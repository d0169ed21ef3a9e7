"""Shared fixtures: a tiny cohort as arrays, as files, and as a prepared run."""

import dataclasses
import importlib
import logging
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import made_up_shards
import numpy as np
import pandas as pd
import pytest
import slurm_jobs
from hypothesis import HealthCheck, settings

from jobs import explain, prepare, train
from tumorcam.cluster import launcher
from tumorcam.settings.config import Config, config_from_tables, config_toml
from tumorcam.storage.plan import read_plan
from tumorcam.storage.run_folder import RunFolder

launcher.prepare_tensorflow()  # as the jobs do; without oneDNN a batch's order changes last bits

# others may share the machine
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

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


def make_tiny_cohort() -> TinyCohort:
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


def write_tiny_files(tiny_cohort: TinyCohort, folder: Path) -> tuple[Path, Path]:
    expression, samples = folder / "expression.tsv", folder / "samples.tsv"
    table = pd.DataFrame(
        tiny_cohort.log2.T, index=tiny_cohort.genes, columns=tiny_cohort.samples["sample"]
    )
    table.to_csv(expression, sep="\t", index_label="gene", float_format="%.3f")
    tiny_cohort.samples.to_csv(samples, sep="\t", index=False)
    return expression, samples


def make_tiny_config(files: tuple[Path, Path], folder: Path) -> Config:
    expression, samples = files
    tables = {
        "run": {"name": "tiny", "folder": str(folder), "threads_per_rank": 1},
        "input": {"expression": str(expression), "samples": str(samples)},
        "splits": {"folds": 2},
        "layout": {"replicates": 2, "decoys": "0.5"},
        "model": {"filters": [16, 16], "dense": [8]},
        "training": {
            "epochs": 2,
            "patience": 2,
            "batch_size": 8,
            "micro_batch": 2,
            "checkpoint_steps": 2,
            "checkpoint_share": 0.0,
        },
        "explain": {"block": 10, "batch_size": 4},
        "significance": {"min_patients": 5},
    }
    return config_from_tables(tables, source="tiny_config")


def write_toml(config: Config, path: Path) -> str:
    path.write_text(config_toml(config), encoding="utf-8")
    return str(path)


def copy_run(config: Config, folder: Path) -> Config:
    """The config of a copy of a run; its config.toml names the copy's folder."""
    shutil.copytree(config.folder, folder, ignore=shutil.ignore_patterns("logs"))
    copied = dataclasses.replace(config, run=dataclasses.replace(config.run, folder=str(folder)))
    write_toml(copied, folder / "config.toml")
    return copied


def train_here(toml: str, config: Config) -> None:
    """Train all models of a run in this process: a process a model takes longer."""
    for name in read_plan(RunFolder.of(config).plan, config.layout.nulls).train_tasks:
        assert train.main([toml, "--model", name]) == 0


@pytest.fixture
def tiny_cohort() -> TinyCohort:
    return make_tiny_cohort()


@pytest.fixture
def tiny_files(tiny_cohort: TinyCohort, tmp_path: Path) -> tuple[Path, Path]:
    """Paths of the tiny expression matrix (genes x samples, TSV) and its samples table."""
    return write_tiny_files(tiny_cohort, tmp_path)


@pytest.fixture
def tiny_config(tiny_files: tuple[Path, Path], tmp_path: Path) -> Config:
    """Settings of the tiny run: 2 replicates x 2 folds, 18 decoys, images of 8 x 8 pixels."""
    return make_tiny_config(tiny_files, tmp_path / "run")


@pytest.fixture
def tiny_toml(tiny_config: Config, tmp_path: Path) -> str:
    """Path of the tiny settings as a TOML file, as a job's argument."""
    return write_toml(tiny_config, tmp_path / "tiny.toml")


@pytest.fixture
def tiny_run(tiny_config: Config, tiny_toml: str) -> Config:
    """A run folder with cohort.h5, plan.json and config.toml; returns its config."""
    assert prepare.main([tiny_toml]) == 0
    return tiny_config


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The tiny run with its four models and baselines trained once; to be read, never changed."""
    folder = tmp_path_factory.mktemp("trained")
    config = make_tiny_config(write_tiny_files(make_tiny_cohort(), folder), folder / "run")
    learned = {
        "epochs": 8,
        "patience": 8,
        "warmup_epochs": 1.0,
        "learning_rate": 0.01,
        "mixup": 0.0,
    }
    training = dataclasses.replace(config.training, **learned)
    config = dataclasses.replace(config, training=training)
    toml = write_toml(config, folder / "tiny.toml")
    assert prepare.main([toml]) == 0
    train_here(toml, config)
    return config


@pytest.fixture
def trained_copy(trained_run: Config, tmp_path: Path) -> Config:
    """A copy of `trained_run` for one test to change."""
    return copy_run(trained_run, tmp_path / "copy")


@pytest.fixture(scope="session")
def host_run(trained_run: Config, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A copy of the trained run that takes new samples, each test's under a name of its own."""
    return copy_run(trained_run, tmp_path_factory.mktemp("host") / "run")


@pytest.fixture(scope="session")
def explained_run(trained_run: Config, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The trained run with its 12 shards; to be read, never changed."""
    config = copy_run(trained_run, tmp_path_factory.mktemp("explained") / "run")
    assert explain.main([str(config.folder / "config.toml")]) == 0
    return config


@pytest.fixture
def explained_copy(explained_run: Config, tmp_path: Path) -> Config:
    """A copy of `explained_run` for one test to change."""
    return copy_run(explained_run, tmp_path / "copy")


@pytest.fixture(scope="session")
def wide_run(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Six bands of columns, six made-up shards a replicate; to be read, never changed."""
    config = made_up_shards.prepare_wide_run(tmp_path_factory.mktemp("wide"))
    made_up_shards.write_models_and_shards(config)
    return config


@pytest.fixture
def wide_copy(wide_run: Config, tmp_path: Path) -> Config:
    """A copy of `wide_run` for one test to change."""
    return copy_run(wide_run, tmp_path / "copy")


@pytest.fixture(scope="module")
def slurm() -> Iterator[dict[str, str]]:
    """The environment of a running test Slurm."""
    with slurm_jobs.running_slurm() as environment:
        yield environment


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a checkout and takes what the batch scripts write."""
    for name in ("slurm", "jobs", "tumorcam"):
        (tmp_path / name).symlink_to(Path(__file__).parents[1] / name)
    (tmp_path / "my configs").mkdir()
    (tmp_path / "my configs" / "tiny.toml").write_text(slurm_jobs.CONFIG, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with tests under Slurm first, which mostly wait, then those with other slow tests."""
    order = {item.path: 2 for item in items}
    for rank, marker in ((1, "slow"), (0, "slurm")):
        order |= {item.path: rank for item in items if item.get_closest_marker(marker)}
    items.sort(key=lambda item: order[item.path])


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Give TensorFlow, where a test module imported it, the one thread of the tiny run.

    It refuses another number once it has computed something.
    """
    if "tensorflow" in sys.modules:
        importlib.import_module("tumorcam.training.threads").use_threads(1)


@pytest.fixture(autouse=True)
def quiet_logger():
    """Close the log files that a job opened, so that tests do not share handlers."""
    yield
    logger = logging.getLogger("tumorcam")
    for handler in logger.handlers[:]:
        logger.removeHandler(handler)
        handler.close()
    logger.propagate = True
