"""A probe of this machine: the real functions at work on a run of drawn numbers."""

import dataclasses
import importlib.metadata
import json
import math
import platform
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import tumorcam
from tumorcam.cluster import launcher
from tumorcam.cluster.launcher import Launch
from tumorcam.cluster.processes import Cost, run_together
from tumorcam.cluster.resources import memory_limits
from tumorcam.errors import ClusterError
from tumorcam.explain.views import VIEWS
from tumorcam.operations.drawn_run import draw_cohort
from tumorcam.operations.probe import EXPLAINED_BATCHES, Probe, settings_digest
from tumorcam.operations.probe_tables import BANDS, FEW, GENES, PATIENTS, REPLICATES, TUMORS
from tumorcam.operations.sizes import Sizes
from tumorcam.settings import (
    CohortSettings,
    InputSettings,
    LayoutSettings,
    SplitSettings,
)
from tumorcam.settings.config import Config, config_toml
from tumorcam.storage import hdf5
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.shapes import n_operations

FOLDS = 2
EPOCHS = 3  # the first one compiles
EPOCH_OPERATIONS = 5e10  # forward and backward, of an epoch: some seconds of one core
MAX_TRAINED = 1024  # samples of an epoch
MIN_PATIENTS = 6  # of a tumor
BYTES_PER_PROCESS = 2 * 2**30  # as preflight asks for


def take_probe(config: Config, sizes: Sizes, launch: Launch, job: Sequence[str]) -> Probe:
    """Measure this machine with as many processes side by side as it would run.

    A run of drawn numbers, with the network and the image of the config, is made in a temporary
    folder of the run, and removed at the end.

    Parameters
    ----------
    sizes : Sizes
        Of the run; only the sizes of the image and the number of tumors count.
    launch : Launch
        Of this process.
    job : sequence of str
        The words before the name of a job that start it.

    Raises
    ------
    ClusterError
        If a part of the probe fails.
    """
    threads = min(config.run.threads_per_rank, launcher.n_cpus())
    n_processes = _n_processes(launch, threads)
    run = RunFolder.of(config)
    run.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".probe-", dir=run.root) as name:
        folder, environment = Path(name), launch.child_environment(threads)
        drawn = _network_config(config, sizes, folder / "network", n_processes, threads)
        numbers = _measure_network(drawn, sizes, environment, job)
        numbers |= _measure_tables(drawn, folder, environment, job)
    return Probe(
        date=time.strftime("%Y-%m-%d %H:%M"),
        machine=socket.gethostname(),
        cpu=_cpu_name(),
        versions=_versions(),
        settings=settings_digest(config),
        n_cpus=launcher.n_cpus(),
        n_processes=n_processes,
        threads=threads,
        side=sizes.side(config),
        **numbers,
    )


def _n_processes(launch: Launch, threads: int) -> int:
    """Processes side by side: as many as CPUs and memory allow, and one where there are GPUs."""
    if launch.gpus:
        return 1
    memory = min(memory_limits(launch.slurm_memory).values(), default=BYTES_PER_PROCESS)
    return max(1, min(launcher.n_cpus() // threads, memory // BYTES_PER_PROCESS))


def _network_config(
    config: Config, sizes: Sizes, folder: Path, n_processes: int, threads: int
) -> Config:
    """The config of a drawn run in which each process trains and explains a model of its own."""
    return dataclasses.replace(
        config,
        run=dataclasses.replace(config.run, folder=str(folder), threads_per_rank=threads),
        input=InputSettings(),
        cohort=CohortSettings(genes=sizes.n_genes),
        splits=SplitSettings(folds=FOLDS),
        layout=LayoutSettings(
            kind="random",
            replicates=n_processes,
            spacing=config.layout.spacing,
            decoys=str(sizes.n_decoys / sizes.n_genes),
        ),
        training=dataclasses.replace(config.training, epochs=EPOCHS, patience=EPOCHS),
        explain=dataclasses.replace(
            config.explain, block=min(config.explain.block, config.explain.batch_size)
        ),
    )


def _measure_network(
    config: Config, sizes: Sizes, environment: dict[str, str], job: Sequence[str]
) -> dict[str, Any]:
    """Numbers of the stages with networks, by the names of a `Probe`."""
    run, training = RunFolder.of(config), config.training
    operations = 3 * n_operations(config.model, sizes.side(config), sizes.n_tumors)[0]
    n_trained = max(training.batch_size, min(MAX_TRAINED, EPOCH_OPERATIONS / operations))
    n_held_out = max(
        n_trained / (1 - training.validation),
        EXPLAINED_BATCHES * config.explain.block + sizes.n_tumors,
        MIN_PATIENTS * sizes.n_tumors / FOLDS,
    )
    n_samples = math.ceil(FOLDS * n_held_out)
    cohort = draw_cohort(config, n_samples, sizes.n_genes, sizes.n_tumors)
    keys = [ModelKey(i, 0) for i in range(config.layout.replicates)]
    words = [[*job, "train", str(run.config), "--model", key.name] for key in keys]
    cost = _run("train", words, environment)
    curves = [pd.read_csv(run.history(key))["seconds"].iloc[1:].mean() for key in keys]
    numbers = _measure(
        "probe_network",
        [(config, run.root / f"network-{i}.json") for i in range(len(keys))],
        environment,
        numbered=True,
    )
    n_outside = int((cohort.fold != 0).sum())
    n_validation = max(sizes.n_tumors, round(training.validation * n_outside))
    n_steps = math.ceil((n_outside - n_validation) / training.batch_size)
    epoch = statistics.mean(curves)
    step = (epoch - n_validation * numbers["forward_sample"]) / n_steps
    return numbers | {
        "train_start": cost.seconds - EPOCHS * epoch,
        "train_sample": step / training.batch_size,
        "train_peak": cost.peak_bytes,
    }


def _tables_configs(config: Config, folder: Path, n_processes: int) -> list[Config]:
    """The configs of drawn runs of one method for the stages without networks, a folder each."""
    decoys = LayoutSettings(kind="random", replicates=REPLICATES)
    significance = dataclasses.replace(
        config.significance, min_patients=min(FEW // 2, config.significance.min_patients)
    )
    method = config.report.method
    explain = dataclasses.replace(config.explain, methods=(method,), block=PATIENTS, cubes=())
    return [
        dataclasses.replace(
            config,
            run=dataclasses.replace(config.run, folder=str(folder / f"tables-{i}")),
            cohort=CohortSettings(),
            layout=decoys,
            significance=significance,
            explain=explain,
        )
        for i in range(n_processes)
    ]


def _measure_tables(
    config: Config, folder: Path, environment: dict[str, str], job: Sequence[str]
) -> dict[str, Any]:
    """Numbers of the stages without networks, by the names of a `Probe`.

    The starts are those of real jobs, less what the measured rates tell of their work.
    """
    configs = _tables_configs(config, folder, config.layout.replicates)
    outputs = [(of, folder / f"tables-{i}.json") for i, of in enumerate(configs)]
    numbers = _measure("probe_tables", outputs, environment)
    files = [str(RunFolder.of(of).config) for of in configs]
    reduce, report = (
        _run(stage, [[*job, stage, file] for file in files], environment)
        for stage in ("reduce", "report")
    )
    n_samples, n_pairs = TUMORS * PATIENTS, TUMORS * GENES * len(VIEWS)
    column = (
        n_samples * (REPLICATES * numbers["reduce_value"] + numbers["patient_value"])
        + TUMORS * numbers["tumor_value"]
    )
    gene = n_samples * numbers["gene_patient_value"] + TUMORS * numbers["gene_tumor_value"]
    work = len(VIEWS) * GENES * (BANDS * column + gene) + n_pairs * numbers["rank_pair"]
    work += BANDS * (numbers["band_file"] + len(VIEWS) * numbers["band_ranking"])
    return numbers | {
        "job_start": max(0.0, reduce.seconds - work),
        "report_start": max(0.0, report.seconds - n_pairs * numbers["report_pair"]),
        "base_peak": reduce.peak_bytes,
        "report_peak": report.peak_bytes,
    }


def _measure(
    part: str,
    outputs: Sequence[tuple[Config, Path]],
    environment: dict[str, str],
    *,
    numbered: bool = False,
) -> dict[str, Any]:
    """The numbers of a part of the probe, of processes side by side: means, and largest peaks."""
    module, started = f"{tumorcam.__name__}.operations.{part}", str(time.time())
    commands = [
        [sys.executable, "-m", module, str(RunFolder.of(config).config), str(path)]
        + [str(i), started] * numbered
        for i, (config, path) in enumerate(outputs)
    ]
    for config, _ in outputs:
        hdf5.write_text(RunFolder.of(config).config, config_toml(config))
    _run(part, commands, environment)
    parts = [json.loads(path.read_text(encoding="utf-8")) for _, path in outputs]
    return {name: _merged(name, [numbers[name] for numbers in parts]) for name in parts[0]}


def _merged(name: str, values: Sequence[Any]) -> Any:
    if name == "devices":
        return values[0]
    return max(values) if name.endswith("_peak") else statistics.mean(values)


def _run(part: str, commands: Sequence[Sequence[str]], environment: dict[str, str]) -> Cost:
    """Run processes side by side, whose lines are printed only if one of them fails."""
    lines: list[str] = []
    ended = run_together(commands, environment, write=lines.append)
    if ended.exit_code:
        print(*lines, sep="\n", file=sys.stderr)
        msg = f"the probe failed in {part} (exit code {ended.exit_code}); its message stands above"
        raise ClusterError(msg)
    return ended.cost


def _cpu_name() -> str:
    """The model of the CPU, as Linux names it."""
    path = Path("/proc/cpuinfo")
    rows = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [row.partition(":")[2].strip() for row in rows if row.startswith("model name")]
    return names[0] if names else platform.machine()


def _versions() -> dict[str, str]:
    names = importlib.metadata.packages_distributions().get("tensorflow", ["tensorflow"])
    return {
        "tumorcam": tumorcam.__version__,
        "python": platform.python_version(),
        "tensorflow": importlib.metadata.version(names[0]),
    }
