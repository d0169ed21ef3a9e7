# SPDX-License-Identifier: MIT
"""A synthetic cohort with planted drivers: genes whose tumors are known."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from tumorcam.errors import ConfigError
from tumorcam.settings import SynthesizeSettings

# Tumors that real classifiers confuse: they share the organ or the lineage.
CONFUSABLE_PAIRS = (
    ("COAD", "READ"),
    ("ESCA", "STAD"),
    ("GBM", "LGG"),
    ("KIRC", "KIRP"),
    ("LUAD", "LUSC"),
)

# Distribution of each gene. Numbers without a source are chosen so that the table looks like
# log2(RSEM + 1) of TCGA: silent and expressed genes, a sixth of zeros, an SD falling with the mean.
EXPRESSED_SHARE = 0.7  # of the genes; the rest are silent or nearly so
EXPRESSED_MEAN_LOG2 = (9.5, 1.8)  # mean and SD over expressed genes, log2 counts
SILENT_MEAN_LOG2 = (-5.0, 4.0)  # lowest and highest of the other genes, log2 counts
SD_FLOOR, SD_EXCESS, SD_DECAY = 0.5, 1.2, 4.0  # log2; SD = floor + excess * exp(-mean / decay)
SD_SCATTER = 0.35  # of the SDs of genes around that trend, natural log
DROPOUT_MAX = 0.6  # probability of a zero besides those of Poisson, for the lowest mean
DROPOUT_MIDPOINT = 1.0  # log2 counts; the mean at which that probability is half as large
UPPER_QUARTILE = 1000.0  # TCGA scales the 75th percentile of a sample to it: Bullard et al. 2010

# Variation that makes the drivers hard to find.
MODULES = 25  # co-expression modules; their sizes are Dirichlet(2): 5 to 120 of 1,500 genes
MODULE_SHARE = 0.7  # share of the genes that belong to a module
MODULE_LOADING = (0.3, 0.8)  # correlation of a gene with its module's factor, lowest and highest
NEGATIVE_LOADINGS = 0.15  # share of a module's genes that fall when it rises
BATCH_SD = 0.3  # SD of a gene's shift in one batch, in units of the gene's biological SD
LIBRARY_SD = 0.5  # log2; from one SD below the mean to one above, libraries differ 2-fold
PURITY_BETA = (5.0, 2.0)  # mean 0.71, SD 0.16; TCGA asked for 60 % nuclei: Aran et al. 2015
CONTINUUM_BETA = (1.3, 1.3)  # how far a sample of a pair has left the common lineage

# Genes that may become drivers: they are expressed and vary, as real markers do.
MIN_DRIVER_MEAN_LOG2 = 5.0  # log2(x + 1); below, counting noise and zeros would blur the effect
DRIVER_POOL_SHARE = 0.4  # of the expressed genes, the most variable ones
DRIVER_POOL_SLACK = 1.2  # the pool holds at least so many times the number of drivers

DRIVER, PROXY = "driver", "proxy"  # roles in truth.csv


@dataclass(frozen=True)
class SyntheticCohort:
    """Expression, labels and planted truth of a synthetic cohort.

    Attributes
    ----------
    log2_expression : (samples, genes) float32
        log2(x + 1), at least 0; x is scaled so that the upper quartile of each sample is 1,000.
    genes : (genes,) str
        IDs such as "GENE0001", which are no real symbols.
    samples : DataFrame
        One row a sample: `sample`, `patient`, `tumor`, `sample_type` ("01") and `batch`. The order
        and the IDs do not depend on the tumor; the site code of an ID is that of the batch.
    truth : DataFrame
        One row for each tumor and driver, then one for each tumor and proxy: `tumor`, `gene`,
        `effect` (mean shift, within-tumor SD) and `role` ("driver" or "proxy"). A driver that two
        tumors share has two rows.
    """

    log2_expression: np.ndarray
    genes: tuple[str, ...]
    samples: pd.DataFrame
    truth: pd.DataFrame


@dataclass(frozen=True)
class _Genes:
    """The distribution of each gene and its module.

    Attributes
    ----------
    mean_log2 : (genes,) float64
        Mean, log2 counts.
    sd_log2 : (genes,) float64
        Biological SD, log2.
    dropout : (genes,) float64
        Probability of a zero besides those of Poisson.
    module : (genes,) int
        Index of the module.
    loading : (genes,) float64
        Correlation with the factor of the module; 0 for a gene outside all modules.
    """

    mean_log2: np.ndarray
    sd_log2: np.ndarray
    dropout: np.ndarray
    module: np.ndarray
    loading: np.ndarray


def synthesize_cohort(settings: SynthesizeSettings, rng: np.random.Generator) -> SyntheticCohort:
    """A cohort of Poisson counts over log-normal abundances, with drivers planted in each tumor.

    The log2 abundance of a gene is the sum of its mean, a factor of its module times a loading, its
    own noise, and a shift of the batch. Counts are Poisson around abundance times library size, and
    some are set to 0 (dropout). Each sample is then scaled by its upper quartile, which removes the
    library size but not its counting noise. Tumors differ only in their drivers.

    Drivers are drawn at random from the most variable two fifths of the expressed genes (mean
    log2(x + 1) at least 5), so that a variance filter keeps them. If few genes must hold many
    drivers, the share is larger. A driver belongs to one tumor or, in the share
    `synthesize.shared_drivers`, to both tumors of a confusable pair. In its tumor, the log2
    abundance of a driver rises by `effect` SD times the purity of the sample over the mean purity.
    The SD is that of the gene in the same cohort without drivers: biology, modules, batches and
    counting noise together. A driver of only one tumor of a pair is also multiplied by the place of
    the sample on the continuum from the common lineage of the pair (0) to its own type (2); the
    samples near 0 are hard to tell apart. Purity and place have mean 1, so that the mean shift is
    `effect` SD. No sample is mislabelled.

    A driver in a co-expression module has proxies, up to `synthesize.proxies`: the expressed genes
    of the module that are most strongly correlated with it and drive no tumor. Each is shifted
    with the driver in the same samples, by as many of its SDs times that correlation, as if the
    module passed the shift on. A proxy says something about the tumor, but less than its driver.

    With the default settings and two folds by patient, logistic regression (C = 1) on the
    standardised 850 to 1,050 most variable genes is right for 0.94 to 0.96 of the held-out samples
    (0.97 with five folds), and about 0.7 of its errors are within the pairs.

    Parameters
    ----------
    settings : SynthesizeSettings
        Tumors, sizes and planted effect.
    rng : Generator
        Equal generators give equal cohorts. With `permute_labels`, only the labels differ.

    Returns
    -------
    SyntheticCohort
        With `permute_labels`, the labels are shuffled over the patients, and `truth` still lists
        the drivers of the true labels.

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
    sd = without_drivers.std(axis=0, ddof=1)
    shift = _draw_shift_sd(tumor, settings, rng)
    rows = np.arange(tumor.size)[:, np.newaxis]
    log2_abundance[rows, drivers[tumor]] += sd[drivers[tumor]] * shift
    proxies = _choose_proxies(genes, drivers, _is_expressed(without_drivers), settings.proxies)
    for proxy in proxies:
        of_tumor = tumor == proxy.tumor
        strength = proxy.correlation * shift[of_tumor, proxy.driver]
        log2_abundance[of_tumor, proxy.gene] += sd[proxy.gene] * strength
    log2_expression = _sequence(log2_abundance, genes.dropout, rng)
    if settings.permute_labels:
        tumor = rng.permutation(tumor)
    names = np.array([f"GENE{i + 1:04d}" for i in range(settings.genes)])
    return SyntheticCohort(
        log2_expression=log2_expression,
        genes=tuple(names.tolist()),
        samples=_samples_table(np.array(settings.tumors)[tumor], batch),
        truth=_truth_table(names, drivers, proxies, settings),
    )


def _draw_genes(n_genes: int, rng: np.random.Generator) -> _Genes:
    """Genes with random distributions and modules."""
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
    """(samples, genes) float64: log2 abundance without drivers, the same for all tumors."""
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
    """(samples, genes) float32: log2(x + 1) after sequencing and upper-quartile scaling."""
    library = LIBRARY_SD * rng.standard_normal((len(log2_abundance), 1))
    counts = rng.poisson(np.exp2(log2_abundance + library))
    counts[rng.random(counts.shape) < dropout] = 0
    quartile = np.quantile(counts, 0.75, axis=1, keepdims=True)
    scaled = counts * (UPPER_QUARTILE / np.maximum(quartile, 1))  # a tiny table may have quartile 0
    return np.log2(scaled + 1).astype(np.float32)


def _choose_drivers(
    without_drivers: np.ndarray, settings: SynthesizeSettings, rng: np.random.Generator
) -> np.ndarray:
    """(tumors, drivers) int64: index of each driver; those that a pair shares come first."""
    firsts, seconds = _pair_indices(settings.tumors)
    n_shared = _n_shared(settings)
    drivers = np.empty((len(settings.tumors), settings.drivers), dtype=np.int64)
    is_own = np.ones_like(drivers, dtype=bool)
    is_own[seconds, :n_shared] = False
    n_own = is_own.sum()
    drivers[is_own] = rng.choice(_driver_pool(without_drivers, n_own), n_own, replace=False)
    drivers[seconds, :n_shared] = drivers[firsts, :n_shared]
    return drivers


class _Proxy(NamedTuple):
    """A gene that is shifted with a driver.

    `tumor` and `driver` are the indices of the driver in the array (tumors, drivers);
    `correlation` is that of the gene's biology with the driver's.
    """

    tumor: int
    driver: int
    gene: int
    correlation: float


def _choose_proxies(
    genes: _Genes, drivers: np.ndarray, is_expressed: np.ndarray, n_proxies: int
) -> list[_Proxy]:
    """The proxies of the drivers (tumors, drivers); a gene has only one driver in a tumor."""
    is_free = is_expressed.copy()
    is_free[drivers] = False
    proxies = []
    for tumor, of_tumor in enumerate(drivers):
        left = is_free.copy()
        for number, driver in enumerate(of_tumor):
            correlation = np.where(
                left & (genes.module == genes.module[driver]),
                genes.loading * genes.loading[driver],
                0,
            )
            chosen = np.argsort(-np.abs(correlation), kind="stable")[:n_proxies]
            chosen = chosen[correlation[chosen] != 0]
            left[chosen] = False
            proxies += [_Proxy(tumor, number, gene, correlation[gene]) for gene in chosen.tolist()]
    return proxies


def _is_expressed(log2_expression: np.ndarray) -> np.ndarray:
    return np.asarray(log2_expression.mean(axis=0) >= MIN_DRIVER_MEAN_LOG2)


def _driver_pool(without_drivers: np.ndarray, n_drivers: int) -> np.ndarray:
    """(pool,) int: indices of the expressed genes of high variance.

    Raises
    ------
    ConfigError
        If there are fewer expressed genes than drivers.
    """
    expressed = np.flatnonzero(_is_expressed(without_drivers))
    if expressed.size < n_drivers:
        msg = (
            f"synthesize: {n_drivers} drivers are to be planted but only {expressed.size} of the "
            f"{without_drivers.shape[1]} genes are expressed; raise synthesize.genes to about "
            f"{2 * n_drivers} or lower synthesize.drivers"
        )
        raise ConfigError(msg)
    least_variable_first = expressed[np.argsort(without_drivers[:, expressed].std(axis=0))]
    n_pool = max(DRIVER_POOL_SLACK * n_drivers, DRIVER_POOL_SHARE * expressed.size)
    return least_variable_first[-round(n_pool) :]


def _draw_shift_sd(
    tumor: np.ndarray, settings: SynthesizeSettings, rng: np.random.Generator
) -> np.ndarray:
    """(samples, drivers) float64: shift of each driver, in within-tumor SD, with mean `effect`."""
    of_pair = np.isin(tumor, _pair_indices(settings.tumors))
    specific = np.arange(settings.drivers) >= _n_shared(settings)
    purity = _mean_1_beta(PURITY_BETA, tumor.size, rng)[:, np.newaxis]
    continuum = _mean_1_beta(CONTINUUM_BETA, tumor.size, rng)[:, np.newaxis]
    strength = purity * np.where(np.outer(of_pair, specific), continuum, 1)
    return np.asarray(settings.effect * strength)


def _mean_1_beta(shape: tuple[float, float], size: int, rng: np.random.Generator) -> np.ndarray:
    """(size,) float64: random values of a beta distribution, divided by its mean."""
    return rng.beta(*shape, size=size) * sum(shape) / shape[0]


def _pair_indices(tumors: tuple[str, ...]) -> np.ndarray:
    """(2, pairs) int64: indices of both tumors of each confusable pair that the cohort has."""
    pairs = [pair for pair in CONFUSABLE_PAIRS if set(pair) <= set(tumors)]
    indices = [[tumors.index(first), tumors.index(second)] for first, second in pairs]
    return np.array(indices, dtype=np.int64).reshape(-1, 2).T


def _n_shared(settings: SynthesizeSettings) -> int:
    """Number of drivers that both tumors of a pair have."""
    return round(settings.shared_drivers * settings.drivers)


def _samples_table(tumor: np.ndarray, batch: np.ndarray) -> pd.DataFrame:
    """The samples table: one primary sample a patient, numbered in the order of the samples."""
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


def _truth_table(
    names: np.ndarray, drivers: np.ndarray, proxies: list[_Proxy], settings: SynthesizeSettings
) -> pd.DataFrame:
    """The planted drivers and their proxies: one row for each tumor and gene."""
    planted = pd.DataFrame(
        {
            "tumor": np.repeat(settings.tumors, settings.drivers).tolist(),
            "gene": np.sort(names[drivers], axis=1).ravel().tolist(),
            "effect": settings.effect,
            "role": DRIVER,
        }
    )
    passed_on = [
        (
            settings.tumors[proxy.tumor],
            names[proxy.gene],
            settings.effect * proxy.correlation,
            PROXY,
        )
        for proxy in proxies
    ]
    both = [planted, pd.DataFrame(passed_on, columns=planted.columns)]
    return pd.concat(both, ignore_index=True) if passed_on else planted
