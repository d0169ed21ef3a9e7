# SPDX-License-Identifier: MIT
"""A synthetic cohort whose tumor-specific genes are known, because they were planted."""

import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from tumorcam.errors import ConfigError
from tumorcam.settings import SynthesizeSettings
from tumorcam.storage import hdf5

# Tumors that real classifiers mix up: same organ or same lineage.
CONFUSABLE_PAIRS = (
    ("COAD", "READ"),
    ("ESCA", "STAD"),
    ("GBM", "LGG"),
    ("KIRC", "KIRP"),
    ("LUAD", "LUSC"),
)

# Marginals. Numbers without a source are chosen so that the table looks like log2(RSEM + 1) of
# TCGA: a silent and an expressed mode, a sixth of zeros, SD falling with the mean.
EXPRESSED_SHARE = 0.7  # of the genes; the rest are silent or nearly so
EXPRESSED_MEAN_LOG2 = (9.5, 1.8)  # mean and SD over expressed genes, log2 counts
SILENT_MEAN_LOG2 = (-5.0, 4.0)  # lowest and highest of the other genes, log2 counts
SD_FLOOR, SD_EXCESS, SD_DECAY = 0.5, 1.2, 4.0  # log2; SD = floor + excess * exp(-mean / decay)
SD_SCATTER = 0.35  # SD of the gene's own factor on that trend, natural log
DROPOUT_MAX = 0.6  # probability of a zero beyond Poisson's, for the lowest mean
DROPOUT_MIDPOINT = 1.0  # log2 counts; mean at which that probability is half of the largest
UPPER_QUARTILE = 1000.0  # TCGA scales each sample's 75th percentile to it: see Bullard et al. 2010

# What stands between the drivers and a classifier.
MODULES = 25  # co-expression modules; of Dirichlet(2) sizes, about 5 to 120 of 1,500 genes
MODULE_SHARE = 0.7  # of the genes that belong to a module
MODULE_LOADING = (0.3, 0.8)  # correlation of a gene with its module's factor, lowest and highest
NEGATIVE_LOADINGS = 0.15  # share of a module's genes that fall when it rises
BATCH_SD = 0.3  # of a gene's shift in one batch, in the gene's biological SD
LIBRARY_SD = 0.5  # log2; within one SD libraries differ 2-fold
PURITY_BETA = (5.0, 2.0)  # mean 0.71, SD 0.16; TCGA asked for 60 % nuclei: see Aran et al. 2015
CONTINUUM_BETA = (1.3, 1.3)  # how far a sample of a pair has left the common lineage

# Which genes become drivers: markers are expressed and vary.
MIN_DRIVER_MEAN_LOG2 = 5.0  # log2(x + 1); below, counting noise and zeros would blur the effect
DRIVER_POOL_SHARE = 0.4  # of the expressed genes, the most variable ones
DRIVER_POOL_SLACK = 1.2  # the pool holds at least so many times the drivers wanted

COMPRESSION_LEVEL = 3  # gzip; level 9 takes five times as long for a tenth less


@dataclass(frozen=True)
class SyntheticCohort:
    """Expression, labels and planted truth of a synthetic cohort.

    Attributes
    ----------
    log2_expression : (samples, genes) float32
        log2(x + 1), x scaled to an upper quartile of 1,000 in each sample; at least 0.
    genes : (genes,) str
        IDs such as "GENE0001"; no real symbols.
    samples : DataFrame
        `sample`, `patient`, `tumor`, `sample_type` ("01"), `batch`: one row a sample, in an order
        and with IDs that say nothing of the tumor (the ID's site code is the batch's).
    truth : DataFrame
        `tumor`, `gene`, `effect` (within-tumor SD): one row a tumor and driver, so that a driver
        which two tumors share has two rows.
    """

    log2_expression: np.ndarray
    genes: tuple[str, ...]
    samples: pd.DataFrame
    truth: pd.DataFrame


@dataclass(frozen=True)
class _Genes:
    """Each gene's marginal and its place in the modules; all arrays (genes,)."""

    mean_log2: np.ndarray  # log2 counts
    sd_log2: np.ndarray  # biological SD, log2
    dropout: np.ndarray  # probability of a zero beyond Poisson's
    module: np.ndarray
    loading: np.ndarray  # correlation with the module's factor; 0 outside modules


def synthesize_cohort(settings: SynthesizeSettings, rng: np.random.Generator) -> SyntheticCohort:
    """A cohort of Poisson counts over log-normal abundances, with drivers planted in each tumor.

    A gene's log2 abundance is its mean plus a module's factor times a loading, own noise, and a
    shift of the batch. Counts are Poisson around abundance times library size, some lost to
    dropout; each sample is then scaled by its upper quartile, which removes the library size but
    not its counting noise. Tumors differ in their drivers alone.

    Drivers are drawn from the most variable two fifths of the expressed genes (mean log2(x + 1) at
    least 5; more of them where few genes must hold many drivers), so that a variance filter keeps
    them. Each serves one tumor or, in the stated share, both of a confusable pair. In its tumor a
    driver's log2 abundance rises by `effect` SD times the sample's purity over the mean purity.
    The SD is the gene's over the same cohort without drivers: biology, modules, batches and
    counting noise together. A driver that only one of a pair has is scaled once more, by the
    sample's place on the continuum from the pair's common lineage (0) to its own type (2): samples
    near 0 are the ones that get confused. Purity and place have mean 1, so the mean shift is
    `effect` SD. No sample is mislabelled.

    With the default settings and two folds by patient, logistic regression (C = 1) on the
    standardised 850 to 1,050 most variable genes is right for 0.94 to 0.96 of held-out samples
    (five folds: 0.97), and about 0.7 of its errors lie within the pairs.

    Parameters
    ----------
    settings : SynthesizeSettings
        Tumors, sizes and planted effect.
    rng : Generator
        Equal generators give equal cohorts; with `permute_labels` only the labels differ.

    Returns
    -------
    SyntheticCohort
        With `permute_labels` the labels are shuffled over patients and `truth` still lists what was
        planted for the true ones.

    Raises
    ------
    ConfigError
        If no tumor is named, or there are fewer expressed genes than drivers to plant.

    References
    ----------
    Bullard et al. 2010, doi:10.1186/1471-2105-11-94 (upper-quartile scaling).
    Aran, Sirota & Butte 2015, doi:10.1038/ncomms9971 (tumor purity in TCGA).
    """
    if not settings.tumors:
        msg = "synthesize.tumors is empty; name at least one tumor"
        raise ConfigError(msg)
    tumor = rng.permutation(np.repeat(np.arange(len(settings.tumors)), settings.samples_per_tumor))
    batch = rng.integers(settings.batches, size=tumor.size)
    genes = _draw_genes(settings.genes, rng)
    log2_abundance = _draw_log2_abundance(genes, batch, rng)
    without_drivers = _sequence(log2_abundance, genes.dropout, rng)
    drivers = _choose_drivers(without_drivers, settings, rng)
    sd = without_drivers.std(axis=0, ddof=1)[drivers[tumor]]
    rows = np.arange(tumor.size)[:, np.newaxis]
    log2_abundance[rows, drivers[tumor]] += sd * _draw_shift_sd(tumor, settings, rng)
    log2_expression = _sequence(log2_abundance, genes.dropout, rng)
    if settings.permute_labels:
        tumor = rng.permutation(tumor)
    names = np.array([f"GENE{i + 1:04d}" for i in range(settings.genes)])
    return SyntheticCohort(
        log2_expression=log2_expression,
        genes=tuple(names.tolist()),
        samples=_samples_table(np.array(settings.tumors)[tumor], batch),
        truth=_truth_table(names[drivers], settings),
    )


def write_cohort(cohort: SyntheticCohort, folder: Path) -> None:
    """Write `expression.tsv.gz`, `samples.tsv` and `truth.csv`; equal cohorts give equal bytes.

    Parameters
    ----------
    cohort : SyntheticCohort
        The expression is written genes by samples as UCSC Xena ships it, with 4 decimals.
    folder : Path
        Made if it is missing. Each file is written aside and then replaced in one step.

    Raises
    ------
    FileError
        If the disk or a quota is full.
    """
    with hdf5.write_aside(folder / "expression.tsv.gz") as aside, aside.open("wb") as file:
        _write_gzip(file, _expression_lines(cohort))
    samples = cohort.samples.to_csv(sep="\t", index=False, lineterminator="\n")
    hdf5.write_text(folder / "samples.tsv", samples)
    hdf5.write_text(folder / "truth.csv", cohort.truth.to_csv(index=False, lineterminator="\n"))


def _draw_genes(n_genes: int, rng: np.random.Generator) -> _Genes:
    expressed = rng.random(n_genes) < EXPRESSED_SHARE
    mean = np.where(
        expressed,
        rng.normal(*EXPRESSED_MEAN_LOG2, size=n_genes),
        rng.uniform(*SILENT_MEAN_LOG2, size=n_genes),
    )
    trend = SD_FLOOR + SD_EXCESS * np.exp(-np.maximum(mean, 0) / SD_DECAY)
    sizes = rng.dirichlet(np.full(MODULES, 2.0))
    loading = rng.uniform(*MODULE_LOADING, size=n_genes)
    loading *= np.where(rng.random(n_genes) < NEGATIVE_LOADINGS, -1, 1)
    return _Genes(
        mean_log2=mean,
        sd_log2=trend * np.exp(SD_SCATTER * rng.standard_normal(n_genes)),
        dropout=DROPOUT_MAX / (1 + np.exp(mean - DROPOUT_MIDPOINT)),
        module=rng.choice(MODULES, size=n_genes, p=sizes),
        loading=loading * (rng.random(n_genes) < MODULE_SHARE),
    )


def _draw_log2_abundance(genes: _Genes, batch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The (samples, genes) log2 abundance that any tumor's sample would have."""
    n_samples, n_genes = batch.size, genes.module.size
    factors = rng.standard_normal((n_samples, MODULES))
    batch_shift = BATCH_SD * rng.standard_normal((batch.max() + 1, n_genes))
    deviation = rng.standard_normal((n_samples, n_genes)) * np.sqrt(1 - genes.loading**2)
    deviation += genes.loading * factors[:, genes.module]
    deviation += batch_shift[batch]
    return np.asarray(genes.mean_log2 + genes.sd_log2 * deviation)


def _sequence(
    log2_abundance: np.ndarray, dropout: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The (samples, genes) log2(x + 1) that sequencing and upper-quartile scaling make of it."""
    library = LIBRARY_SD * rng.standard_normal((len(log2_abundance), 1))
    counts = rng.poisson(np.exp2(log2_abundance + library))
    counts[rng.random(counts.shape) < dropout] = 0
    quartile = np.quantile(counts, 0.75, axis=1, keepdims=True)
    scaled = counts * (UPPER_QUARTILE / np.maximum(quartile, 1))  # a tiny table may have quartile 0
    return np.log2(scaled + 1).astype(np.float32)


def _choose_drivers(
    without_drivers: np.ndarray, settings: SynthesizeSettings, rng: np.random.Generator
) -> np.ndarray:
    """The (tumors, drivers) gene index; the ones a pair has in common come first."""
    firsts, seconds = _pair_indices(settings.tumors)
    n_shared = _n_shared(settings)
    drivers = np.empty((len(settings.tumors), settings.drivers), dtype=np.int64)
    own = np.ones_like(drivers, dtype=bool)
    own[seconds, :n_shared] = False
    drivers[own] = rng.choice(_driver_pool(without_drivers, own.sum()), own.sum(), replace=False)
    drivers[seconds, :n_shared] = drivers[firsts, :n_shared]
    return drivers


def _driver_pool(without_drivers: np.ndarray, n_wanted: int) -> np.ndarray:
    expressed = np.flatnonzero(without_drivers.mean(axis=0) >= MIN_DRIVER_MEAN_LOG2)
    if expressed.size < n_wanted:
        msg = (
            f"synthesize: {n_wanted} drivers are to be planted but only {expressed.size} of the "
            f"{without_drivers.shape[1]} genes are expressed; raise synthesize.genes to about "
            f"{2 * n_wanted} or lower synthesize.drivers"
        )
        raise ConfigError(msg)
    least_variable_first = expressed[np.argsort(without_drivers[:, expressed].std(axis=0))]
    n_pool = max(DRIVER_POOL_SLACK * n_wanted, DRIVER_POOL_SHARE * expressed.size)
    return least_variable_first[-round(n_pool) :]


def _draw_shift_sd(
    tumor: np.ndarray, settings: SynthesizeSettings, rng: np.random.Generator
) -> np.ndarray:
    """The (samples, drivers) shift of each sample's drivers, in within-tumor SD, mean `effect`."""
    of_pair = np.isin(tumor, _pair_indices(settings.tumors))
    specific = np.arange(settings.drivers) >= _n_shared(settings)
    purity = _mean_1_beta(PURITY_BETA, tumor.size, rng)[:, np.newaxis]
    continuum = _mean_1_beta(CONTINUUM_BETA, tumor.size, rng)[:, np.newaxis]
    strength = purity * np.where(np.outer(of_pair, specific), continuum, 1)
    return np.asarray(settings.effect * strength)


def _mean_1_beta(shape: tuple[float, float], size: int, rng: np.random.Generator) -> np.ndarray:
    return rng.beta(*shape, size=size) * sum(shape) / shape[0]


def _pair_indices(tumors: tuple[str, ...]) -> np.ndarray:
    """The (2, pairs) tumor index of the first and the second of each pair that is whole here."""
    whole = [pair for pair in CONFUSABLE_PAIRS if set(pair) <= set(tumors)]
    indices = [[tumors.index(first), tumors.index(second)] for first, second in whole]
    return np.array(indices, dtype=np.int64).reshape(-1, 2).T


def _n_shared(settings: SynthesizeSettings) -> int:
    return round(settings.shared_drivers * settings.drivers)


def _samples_table(tumor: np.ndarray, batch: np.ndarray) -> pd.DataFrame:
    """One primary sample a patient, numbered in the order of the (shuffled) samples."""
    patient = [
        f"TCGA-{np.base_repr(site + 1, 36).zfill(2)}-{np.base_repr(number + 1, 36).zfill(4)}"
        for number, site in enumerate(batch.tolist())
    ]
    return pd.DataFrame(
        {
            "sample": [f"{name}-01" for name in patient],
            "patient": patient,
            "tumor": tumor.tolist(),
            "sample_type": "01",
            "batch": [f"B{site + 1}" for site in batch.tolist()],
        }
    )


def _truth_table(drivers: np.ndarray, settings: SynthesizeSettings) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "tumor": np.repeat(settings.tumors, settings.drivers).tolist(),
            "gene": np.sort(drivers, axis=1).ravel().tolist(),
            "effect": settings.effect,
        }
    )


def _expression_lines(cohort: SyntheticCohort) -> Iterator[bytes]:
    # Formatting each number once, not at each place, makes writing several times as fast.
    highest = int(_ten_thousandths(cohort.log2_expression.max()))
    text = [f"{value / 1e4:.4f}" for value in range(highest + 1)]
    yield ("\t".join(["sample", *cohort.samples["sample"]]) + "\n").encode()
    for gene, values in zip(cohort.genes, cohort.log2_expression.T, strict=True):
        cells = map(text.__getitem__, _ten_thousandths(values).tolist())
        yield ("\t".join([gene, *cells]) + "\n").encode()


def _ten_thousandths(values: np.ndarray) -> np.ndarray:
    return np.rint(np.asarray(values, dtype=np.float64) * 1e4).astype(np.int64)


def _write_gzip(file: BinaryIO, lines: Iterable[bytes]) -> None:
    # Neither name nor time in the header: equal cohorts are to give equal bytes.
    with gzip.GzipFile("", "wb", COMPRESSION_LEVEL, fileobj=file, mtime=0) as packed:
        packed.writelines(lines)
