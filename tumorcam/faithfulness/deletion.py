"""The effect of deleting and inserting genes: falls of logits by sample, curves by tumor."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tumorcam.cohort.cohort import Cohort
from tumorcam.faithfulness.gene_sets import (
    MATCHED,
    RANDOM,
    RANDOM_DRAWS,
    T_TEST,
    GeneSets,
    matched_set,
)
from tumorcam.faithfulness.results import Deletion, Responses, SampleFalls
from tumorcam.settings.config import Config
from tumorcam.significance import resampling, statistics
from tumorcam.significance.exact_sums import known_mean
from tumorcam.significance.resampling import Interval
from tumorcam.storage.plan import ModelKey

MEAN, DONOR, INSERTION = CHANGES = ("mean", "donor", "insertion")
CONTROLS = (RANDOM, MATCHED, T_TEST)  # gene sets that a ranking is compared with
BLOCK = 32  # samples; fixed, so that no bit depends on the number of ranks
DIFFERENCE_SIZE = 20  # number of genes at which the report compares the curves in words


class ResponseBlock(NamedTuple):
    """Samples at `rows` (samples,) int of the cohort, which `model` held out."""

    model: ModelKey
    rows: np.ndarray


def choose_samples(cohort: Cohort, config: Config) -> np.ndarray:
    """(chosen samples,) int: up to faithfulness.samples of each tumor, by seed and IDs."""
    at_most = config.faithfulness.samples or len(cohort.tumor)
    names = cohort.sample.tolist()
    place = np.array([config.rng("chosen", name).random() for name in names])
    order = np.argsort(place, kind="stable")
    by_tumor = [order[cohort.tumor[order] == t][:at_most] for t in range(len(cohort.tumors))]
    return np.sort(np.concatenate(by_tumor))


def make_blocks(fold: np.ndarray, chosen: np.ndarray, replicates: int) -> list[ResponseBlock]:
    """The chosen samples in blocks, in the order of replicate, fold and ID.

    Parameters
    ----------
    fold, chosen : (samples,), (chosen samples,) int
    """
    return [
        ResponseBlock(ModelKey(r, f), held_out[i : i + BLOCK])
        for r in range(replicates)
        for f in range(int(fold.max()) + 1)
        for held_out in [chosen[fold[chosen] == f]]
        for i in range(0, len(held_out), BLOCK)
    ]


def sample_falls(
    blocks: Sequence[ResponseBlock],
    responses: Sequence[Responses],
    sets: GeneSets,
    tumor: np.ndarray,
) -> SampleFalls:
    """The falls of all samples, from the responses of all blocks; NaN where a set has no scores.

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
        margin[where] = response.margin
        logit[where] = response.logit
        correct[where] = response.correct
    margin, logit, correct = (values.mean(axis=0).T for values in (margin, logit, correct))
    shape = (len(CHANGES), -1, len(sets.sizes), len(sample))
    always = np.ones((1, sets.has_scores.shape[1]), bool)
    has_scores = np.concatenate([sets.has_scores, always])[:, tumor[sample]]

    def of_sets(values: np.ndarray) -> np.ndarray:
        return np.where(has_scores[:, np.newaxis], _join_draws(values), np.nan)

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
    """Curves by tumor with intervals, and the distances of rankings from their controls.

    Parameters
    ----------
    min_patients : int
        Tumors with fewer patients get no interval.
    """
    shape = falls.margin.shape[:3]
    n_tumors = int(patients.tumor.max()) + 1
    by_patient = statistics.patient_means(
        falls.margin.reshape(-1, falls.margin.shape[3]).T, patients.patient
    )
    n_patients = np.bincount(patients.tumor, minlength=n_tumors)
    enough = n_patients >= min_patients
    mean = np.empty((n_tumors, by_patient.shape[1]))
    bootstraps = np.full((resampling.N_BOOTSTRAPS, *mean.shape), np.nan, dtype=np.float32)
    for tumor in range(n_tumors):
        own = patients.tumor == tumor
        mean[tumor] = by_patient[own].mean(axis=0)
        if enough[tumor]:
            bootstraps[:, tumor] = resampling.bootstrap_means(
                by_patient[own], patients.weights[:, own]
            )
    curve = with_mean(mean, enough).reshape(-1, *shape)
    curves = np.stack([with_mean(means, enough) for means in bootstraps])
    curves = curves.reshape(-1, *curve.shape)
    names = [*sets.names, RANDOM]
    methods, controls = _compared_sets(names)
    size = max(i for i, k in enumerate(sets.sizes) if k <= DIFFERENCE_SIZE)

    def distances(values: np.ndarray) -> np.ndarray:
        return values[..., methods, np.newaxis] - values[..., controls]

    sample_tumor = patients.tumor[patients.patient]
    curve_interval = interval(curves)
    area_interval = interval(distances(log_area(curves, sets.sizes)))
    difference_interval = interval(distances(curves[..., size]))
    return Deletion(
        sizes=np.array(sets.sizes),
        sets=np.array(names),
        curve=curve,
        curve_low=curve_interval.low,
        curve_high=curve_interval.high,
        logit_curve=_tumor_means(falls.logit, sample_tumor, enough),
        accuracy=_tumor_means(falls.correct, sample_tumor, enough),
        intact_margin=_tumor_means(falls.intact_margin, sample_tumor, enough),
        intact_accuracy=_tumor_means(falls.intact_correct, sample_tumor, enough),
        area=distances(log_area(curve, sets.sizes)),
        area_low=area_interval.low,
        area_high=area_interval.high,
        size=np.array(sets.sizes[size]),
        difference=distances(curve[..., size]),
        difference_low=difference_interval.low,
        difference_high=difference_interval.high,
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
    """(tumors + 1, ...) from (tumors, ...): the last row is the mean of the tumors that count.

    The mean leaves NaN out.
    """
    return np.concatenate([values, known_mean(values[counted])[np.newaxis]])


def interval(draws: np.ndarray) -> Interval:
    """Quantiles over the first axis; NaN is left out, and stays where there is nothing else."""
    flat = draws.reshape(len(draws), -1)
    low, high = np.full((2, flat.shape[1]), np.nan)
    has_value = ~np.isnan(flat).all(axis=0)
    if has_value.any():
        quantiles = np.nanquantile(flat[:, has_value], resampling.INTERVAL, axis=0)
        low[has_value], high[has_value] = quantiles
    return Interval(low.reshape(draws.shape[1:]), high.reshape(draws.shape[1:]))


class _ComparedSets(NamedTuple):
    """Positions among the sets of the methods (rankings,) and their controls, both int."""

    methods: np.ndarray
    controls: np.ndarray  # (rankings, controls)


def _compared_sets(names: list[str]) -> _ComparedSets:
    methods = [name for name in names if matched_set(name) in names]
    controls = [
        [names.index(matched_set(method) if name == MATCHED else name) for name in CONTROLS]
        for method in methods
    ]
    positions = [names.index(method) for method in methods]
    return _ComparedSets(np.array(positions), np.array(controls))


def _join_draws(values: np.ndarray) -> np.ndarray:
    """Replace the random draws, which are the last sets, by one set with their mean."""
    random = values[:, -RANDOM_DRAWS:].mean(axis=1, keepdims=True)
    return np.concatenate([values[:, :-RANDOM_DRAWS], random], axis=1)


def _tumor_means(values: np.ndarray, tumor: np.ndarray, enough: np.ndarray) -> np.ndarray:
    """(tumors + 1, ...) means over samples of (..., samples)."""
    means = [values[..., tumor == t].mean(axis=-1) for t in range(len(enough))]
    return with_mean(np.stack(means), enough)
