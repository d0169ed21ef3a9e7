"""The speed of a machine that no probe has measured, roughly."""

import time
from typing import Any, NamedTuple

import numpy as np

from tumorcam.cluster import launcher
from tumorcam.operations.cost import cost_of
from tumorcam.operations.probe import Probe, read_probe
from tumorcam.operations.sizes import Sizes
from tumorcam.settings.config import Config
from tumorcam.training.shapes import n_operations

SIDE = 1024  # of the matrices whose product is timed
N_PRODUCTS = 5  # the fastest counts; the first ones start the threads
EFFICIENCY = 0.6  # of the rate of matrix products that training and explaining reach, roughly
N_PASSES = 2  # of explaining: with the genes as they are, and with permuted ones
BACKWARD = 2  # passes backwards cost twice the pass forwards
# Of stages without networks, as the demo took them on one core; roughly
REDUCED_VALUES = 1e6  # saliency values of genes and decoys that reduce ranks in a second
READ_VALUES = 5e6  # expression values that prepare reads in a second
JOB_SECONDS, REPORT_SECONDS = 3.0, 20.0  # at least


class Speed(NamedTuple):
    """The speed of a machine, a word for where it comes from, and a line that says more."""

    probe: Probe
    basis: str
    note: str


def speed_of(config: Config, sizes: Sizes) -> Speed:
    """The speed that a probe of the run has measured; without one, what arithmetic gives.

    Parameters
    ----------
    sizes : Sizes
        Of the run.
    """
    probe = read_probe(config)
    if probe is not None:
        note = (
            f"probe: of {probe.machine}, {probe.date}, {probe.n_processes} processes of "
            f"{probe.threads} threads"
        )
        return Speed(probe, "probe", note)
    rate = matrix_rate()
    note = (
        f"arithmetic: roughly, at {rate / launcher.n_cpus() / 1e9:.0f} GFLOP/s a core; "
        "`tumorcam preflight CONFIG --probe` measures it"
    )
    return Speed(assumed_probe(config, sizes, rate), "arithmetic", note)


def assumed_probe(config: Config, sizes: Sizes, rate: float) -> Probe:
    """What a probe would measure, by arithmetic and by rules; starts and most tables cost nothing.

    Parameters
    ----------
    rate : float
        Floating-point operations of matrix products per second on all processors, from
        `matrix_rate`.
    """
    n_cpus = launcher.n_cpus()
    threads = min(config.run.threads_per_rank, n_cpus)
    side = sizes.side(config)
    forward, dense = n_operations(config.model, side, sizes.n_tumors)
    n_targets = min(1 + config.explain.rivals, sizes.n_tumors)
    seconds = 1 / (rate / n_cpus * threads * EFFICIENCY)  # of an operation, in one process
    cost = cost_of(config, sizes)
    return Probe(
        date="",
        machine="",
        cpu="",
        devices="",
        versions={},
        settings="",
        n_cpus=n_cpus,
        n_processes=max(1, n_cpus // threads),
        threads=threads,
        side=side,
        job_start=JOB_SECONDS,
        tensorflow_start=0.0,
        train_start=0.0,
        train_sample=(1 + BACKWARD) * forward * seconds,
        explain_start=0.0,
        explain_sample=N_PASSES * (forward + n_targets * (dense + forward)) * seconds,
        forward_sample=forward * seconds,
        model_load=0.0,
        read_value=1 / READ_VALUES,
        write_value=0.0,
        tree_pair=0.0,
        band_file=0.0,
        band_ranking=0.0,
        reduce_value=1 / (REDUCED_VALUES * threads),
        patient_value=0.0,
        tumor_value=0.0,
        gene_patient_value=0.0,
        gene_tumor_value=0.0,
        rank_pair=0.0,
        report_start=REPORT_SECONDS,
        report_pair=0.0,
        regression_value=0.0,
        write_rate=float("inf"),
        read_rate=float("inf"),
        base_peak=0,
        text_peak=0,
        train_peak=cost.train,
        explain_peak=cost.explain,
        forward_peak=0,
        report_peak=0,
    )


def matrix_rate() -> float:
    """Floating-point operations per second of matrix products in float32 on this machine."""
    matrix: np.ndarray[Any, Any] = np.ones((SIDE, SIDE), np.float32)
    seconds = []
    for _ in range(N_PRODUCTS):
        started = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - started)
    return 2 * SIDE**3 / min(seconds)


def hours_text(hours: float) -> str:
    """Such as 3.2 h, 14 min or 40 s."""
    if hours >= 1:
        return f"{hours:,.1f} h"
    return f"{hours * 60:.0f} min" if hours >= 1 / 60 else f"{hours * 3600:.0f} s"
