"""What deleting and inserting genes does to the networks: falls by sample, curves by tumor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tumorcam.cohort.cohort import Cohort
from tumorcam.config import Config
from tumorcam.faithfulness.gene_sets import MATCHED, RANDOM, RANDOM_DRAWS, T_TEST, GeneSets
from tumorcam.significance import resampling, statistics
from tumorcam.significance.exact_sums import known_mean
from tumorcam.storage.plan import ModelKey

MEAN, DONOR, INSERTION = CHANGES = ("mean", "donor", "insertion")
CONTROLS = (RANDOM, MATCHED, T_TEST)  # what a ranking is held against
BLOCK = 32  # samples; fixed, so that no bit depends on who computes which
SHOWN_SIZE = 20  # genes of the difference that is told in words


class Block(NamedTuple):
    """Samples at `rows` (samples,) int of the cohort, held out by `model`."""

    model: ModelKey
    rows: np.ndarray


class Responses(NamedTuple):
    """What a network says of all copies of some samples, each (samples, copies).

    `margin` float64 is the own tumor's logit minus the mean of the others', `logit` float64 the own
    tumor's, `correct` bool whether it is the highest.
    """

    margin: np.ndarray
    logit: np.ndarray
    correct: np.ndarray

    @classmethod
    def of_logits(cls, logits: np.ndarray, own: np.ndarray) -> "Responses":
        """Of (samples, copies, tumors) logits and the samples' own tumors (samples,) int."""
        values = logits.astype(np.float64)
        logit = values[np.arange(len(own)), :, own]
        others = (values.sum(axis=2) - logit) / (values.shape[2] - 1)
        return cls(logit - others, logit, values.argmax(axis=2) == own[:, np.newaxis])


@dataclass(frozen=True)
class SampleFalls:
    """Every sample's falls, means over replicates and over random draws.

    `sample` (samples,) int, ascending, in the cohort. `margin`, `logit` (changes, sets, sizes,
    samples) float64: what the intact sample had more than the changed one (insertion: what the
    changed sample has more than a blank one); `correct` of the same shape: the share of networks
    that call the changed sample rightly. `intact_margin`, `intact_logit`, `intact_correct`
    (samples,) are of the sample as it is.
    """

    sample: np.ndarray
    margin: np.ndarray
    logit: np.ndarray
    correct: np.ndarray
    intact_margin: np.ndarray
    intact_logit: np.ndarray
    intact_correct: np.ndarray


@dataclass(frozen=True)
class Deletion:
    """Curves of deletion and insertion, a row a tumor and a last one for their mean.

    The mean is over the tumors that have enough patients for an interval. Intervals are 95 %
    bootstraps over patients, paired over sets; NaN for tumors with too few patients.

    Attributes
    ----------
    sizes, sets : (sizes,) int, (sets,) str
        Numbers of genes; sets as in `GeneSets`, and "random".
    curve, curve_low, curve_high : (tumors + 1, changes, sets, sizes) float64
        Mean fall of the margin over a tumor's patients, logits.
    logit_curve, accuracy : (tumors + 1, changes, sets, sizes) float64
        Mean fall of the own logit; share of samples still called rightly.
    intact_margin, intact_accuracy : (tumors + 1,) float64
        Of unchanged samples.
    area, area_low, area_high : (tumors + 1, changes, rankings, controls) float64
        Area between a ranking's curve and a control's over the logarithm of the number of genes,
        divided by its width: their mean distance in logits.
    size : int
        The number of genes of `difference`, 20 or the next smaller one.
    difference, difference_low, difference_high : (tumors + 1, changes, rankings, controls) float64
        Fall of the ranking minus the control's at that number.
    """

    sizes: np.ndarray
    sets: np.ndarray
    curve: np.ndarray
    curve_low: np.ndarray
    curve_high: np.ndarray
    logit_curve: np.ndarray
    accuracy: np.ndarray
    intact_margin: np.ndarray
    intact_accuracy: np.ndarray
    area: np.ndarray
    area_low: np.ndarray
    area_high: np.ndarray
    size: np.ndarray
    difference: np.ndarray
    difference_low: np.ndarray
    difference_high: np.ndarray


def choose_samples(cohort: Cohort, config: Config) -> np.ndarray:
    """(chosen samples,) int: all, or so many of each tumor at most, by the seed and their IDs."""
    at_most = config.faithfulness.samples or len(cohort.tumor)
    place = np.array([config.rng("chosen", one).random() for one in cohort.sample.tolist()])
    order = np.argsort(place, kind="stable")
    by_tumor = [order[cohort.tumor[order] == t][:at_most] for t in range(len(cohort.tumors))]
    return np.sort(np.concatenate(by_tumor))


def make_blocks(fold: np.ndarray, chosen: np.ndarray, replicates: int) -> list[Block]:
    """The chosen samples in the order of replicate, fold and ID, so many at once.

    Parameters
    ----------
    fold, chosen : (samples,), (chosen samples,) int
    """
    return [
        Block(ModelKey(r, f), held_out[i : i + BLOCK])
        for r in range(replicates)
        for f in range(int(fold.max()) + 1)
        for held_out in [chosen[fold[chosen] == f]]
        for i in range(0, len(held_out), BLOCK)
    ]


def sample_falls(
    blocks: Sequence[Block], responses: Sequence[Responses], sets: GeneSets, tumor: np.ndarray
) -> SampleFalls:
    """The falls of all samples, of the responses of all blocks; NaN where a set is not known.

    Parameters
    ----------
    tumor : (all samples,) int
        Of the cohort.
    """
    replicates = 1 + max(block.model.replicate for block in blocks)
    sample = np.unique(np.concatenate([block.rows for block in blocks]))
    margin, logit, correct = np.empty((3, replicates, len(sample), responses[0].logit.shape[1]))
    for block, response in zip(blocks, responses, strict=True):
        where = (block.model.replicate, np.searchsorted(sample, block.rows))
        margin[where], logit[where], correct[where] = response
    margin, logit, correct = (each.mean(axis=0).T for each in (margin, logit, correct))
    shape = (len(CHANGES), -1, len(sets.sizes), len(sample))
    known = np.concatenate([sets.known, np.ones((1, sets.known.shape[1]), bool)])[:, tumor[sample]]

    def of_sets(values: np.ndarray) -> np.ndarray:
        return np.where(known[:, np.newaxis], _join_draws(values), np.nan)

    def fall(values: np.ndarray) -> np.ndarray:
        intact, blank, changed = values[0], values[1], values[2:].reshape(shape)
        drop = intact - changed
        drop[CHANGES.index(INSERTION)] = changed[CHANGES.index(INSERTION)] - blank
        return of_sets(drop)

    return SampleFalls(
        sample=sample,
        margin=fall(margin),
        logit=fall(logit),
        correct=of_sets(correct[2:].reshape(shape)),
        intact_margin=margin[0],
        intact_logit=logit[0],
        intact_correct=correct[0],
    )


def deletion_curves(
    falls: SampleFalls, sets: GeneSets, patients: resampling.Patients, *, min_patients: int
) -> Deletion:
    """Means by tumor with intervals, and how far rankings lie above their controls.

    Parameters
    ----------
    min_patients : int
        Tumors with fewer get no interval.
    """
    shape = falls.margin.shape[:3]
    n_tumors = int(patients.tumor.max()) + 1
    by_patient = statistics.patient_means(
        falls.margin.reshape(-1, falls.margin.shape[3]).T, patients.patient
    )
    n_patients = np.bincount(patients.tumor, minlength=n_tumors)
    enough = n_patients >= min_patients
    mean = np.empty((n_tumors, by_patient.shape[1]))
    drawn = np.full((resampling.N_BOOTSTRAPS, *mean.shape), np.nan, dtype=np.float32)
    for tumor in range(n_tumors):
        mine = patients.tumor == tumor
        mean[tumor] = by_patient[mine].mean(axis=0)
        if enough[tumor]:
            drawn[:, tumor] = resampling.bootstrap_means(
                by_patient[mine], patients.weights[:, mine]
            )
    curve = with_mean(mean, enough).reshape(-1, *shape)
    curves = np.stack([with_mean(one, enough) for one in drawn]).reshape(-1, *curve.shape)
    names = [*sets.names, RANDOM]
    rankings, controls = _pairs(names)
    size = max(i for i, k in enumerate(sets.sizes) if k <= SHOWN_SIZE)

    def distances(values: np.ndarray) -> np.ndarray:
        return values[..., rankings, np.newaxis] - values[..., controls]

    areas, bounds = distances(log_area(curve, sets.sizes)), log_area(curves, sets.sizes)
    sample_tumor = patients.tumor[patients.patient]
    return Deletion(
        np.array(sets.sizes),
        np.array(names),
        curve,
        *interval(curves),
        _tumor_means(falls.logit, sample_tumor, enough),
        _tumor_means(falls.correct, sample_tumor, enough),
        _tumor_means(falls.intact_margin, sample_tumor, enough),
        _tumor_means(falls.intact_correct, sample_tumor, enough),
        areas,
        *interval(distances(bounds)),
        np.array(sets.sizes[size]),
        distances(curve[..., size]),
        *interval(distances(curves[..., size])),
    )


def log_area(curves: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Mean of curves over the logarithm of the number of genes, by trapezoids.

    Parameters
    ----------
    curves : (..., sizes) float

    Returns
    -------
    (...) float64
    """
    if len(sizes) == 1:
        return curves[..., 0]
    place = np.log(np.array(sizes))
    return np.asarray(np.trapezoid(curves, place, axis=-1) / (place[-1] - place[0]))


def with_mean(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """(tumors + 1, ...) of (tumors, ...): the last row is the mean of the tumors that count.

    NaN among them is left out.
    """
    return np.concatenate([values, known_mean(values[counted])[np.newaxis]])


def interval(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """2.5 and 97.5 % quantile over the first axis, NaN left out; NaN where all is."""
    flat = draws.reshape(len(draws), -1)
    low, high = np.full((2, flat.shape[1]), np.nan)
    known = ~np.isnan(flat).all(axis=0)
    if known.any():
        low[known], high[known] = np.nanquantile(flat[:, known], resampling.INTERVAL, axis=0)
    return low.reshape(draws.shape[1:]), high.reshape(draws.shape[1:])


def _pairs(names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Places of the rankings (rankings,) and of their controls (rankings, controls) among sets."""
    methods = [name.removeprefix(f"{MATCHED}/") for name in names if name.startswith(MATCHED)]
    rankings = [names.index(method) for method in methods]
    controls = [
        [names.index(f"{MATCHED}/{method}" if one == MATCHED else one) for one in CONTROLS]
        for method in methods
    ]
    return np.array(rankings), np.array(controls)


def _join_draws(values: np.ndarray) -> np.ndarray:
    """The random draws, which are the last sets, as one set of their mean."""
    random = values[:, -RANDOM_DRAWS:].mean(axis=1, keepdims=True)
    return np.concatenate([values[:, :-RANDOM_DRAWS], random], axis=1)


def _tumor_means(values: np.ndarray, tumor: np.ndarray, enough: np.ndarray) -> np.ndarray:
    """(tumors + 1, ...) means over samples of (..., samples)."""
    means = [values[..., tumor == t].mean(axis=-1) for t in range(len(enough))]
    return with_mean(np.stack(means), enough)
