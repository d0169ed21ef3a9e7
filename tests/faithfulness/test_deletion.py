import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import trapezoid

from tumorcam.cohort.cohort import read_cohort
from tumorcam.faithfulness.deletion import (
    ResponseBlock,
    Responses,
    SampleFalls,
    deletion_curves,
    log_area,
    sample_falls,
)
from tumorcam.faithfulness.gene_sets import RANDOM_DRAWS, GeneSets
from tumorcam.significance import resampling
from tumorcam.storage.plan import ModelKey

SIZES = (1, 2, 5, 20)
SETS = GeneSets(
    SIZES, ("a", "b", "matched/a", "matched/b", "t_test"), (), np.ones((5, 4), dtype=bool)
)
NAMES = [*SETS.names, "random"]
N_COPIES = 2 + 3 * (len(SETS.names) + RANDOM_DRAWS) * len(SIZES)


def test_falls_are_means_over_replicates_and_draws():
    rng = np.random.default_rng(0)
    blocks = [ResponseBlock(ModelKey(r, f), np.arange(f, 6, 2)) for r in range(2) for f in range(2)]
    responses = [
        Responses(*rng.normal(size=(2, 3, N_COPIES)), rng.random((3, N_COPIES)) < 0.5)
        for _ in blocks
    ]
    tumor = np.array([0, 1, 2, 3, 0, 1])
    falls = sample_falls(blocks, responses, SETS, tumor)
    assert falls.sample.tolist() == [0, 1, 2, 3, 4, 5]
    for sample in range(6):
        mine = [
            [part[sample // 2] for part in vars(one).values()]
            for one, block in zip(responses, blocks, strict=True)
            if sample in block.rows
        ]
        margin, logit, correct = (np.mean([one[i] for one in mine], axis=0) for i in range(3))
        assert falls.intact_logit[sample] == logit[0]
        assert falls.intact_correct[sample] == correct[0]
        for values, falls_of_kind in ((margin, falls.margin), (logit, falls.logit)):
            changed = values[2:].reshape(3, -1, 4)
            expected = np.stack(
                [values[0] - changed[0], values[0] - changed[1], changed[2] - values[1]]
            )
            draws = expected[:, -RANDOM_DRAWS:].mean(axis=1)
            np.testing.assert_allclose(
                falls_of_kind[:, :-1, :, sample], expected[:, :-RANDOM_DRAWS]
            )
            np.testing.assert_allclose(falls_of_kind[:, -1, :, sample], draws)
        kept = correct[2:].reshape(3, -1, 4)
        np.testing.assert_allclose(falls.correct[:, :5, :, sample], kept[:, :5])


def test_a_tumor_without_scores_has_no_falls():
    rng = np.random.default_rng(0)
    responses = Responses(*rng.normal(size=(2, 4, N_COPIES)), rng.random((4, N_COPIES)) < 0.5)
    has_scores = SETS.has_scores.copy()
    has_scores[[1, 3], 2] = False  # method b and its matched genes in tumor 2
    sets = dataclasses.replace(SETS, has_scores=has_scores)
    block = ResponseBlock(ModelKey(0, 0), np.arange(4))
    falls = sample_falls([block], [responses], sets, np.array([0, 2, 1, 2]))
    for values in (falls.margin, falls.logit, falls.correct):
        unknown = np.isnan(values).all(axis=(0, 2))
        assert np.argwhere(unknown).tolist() == [[1, 1], [1, 3], [3, 1], [3, 3]]
        assert np.isnan(values).sum() == 4 * 3 * len(SIZES)


@pytest.fixture
def drawn(tiny_run):
    """Falls of the tiny cohort's samples, its patients, and both as a table with their weights."""
    cohort = read_cohort(tiny_run.folder / "cohort.h5", tiny_run)
    rng, n = np.random.default_rng(1), len(cohort.sample)
    sample = np.sort(rng.permutation(n)[:40])
    shape = (3, len(NAMES), len(SIZES), 40)
    falls = SampleFalls(
        sample, rng.normal(2, 1, shape), rng.normal(size=shape), rng.random(shape),
        *rng.random((3, 40)),
    )  # fmt: skip
    table = pd.DataFrame({"tumor": cohort.tumor[sample], "patient": cohort.patient[sample]})
    weights = {p: tiny_run.rng("bootstrap", p).poisson(1.0, 200) for p in table["patient"]}
    return falls, resampling.group_patients(cohort, sample, tiny_run), table, weights


def patient_values(values, table, tumor):
    """A mean a patient, by pandas."""
    rows = table["tumor"] == tumor
    return pd.Series(values[rows]).groupby(table["patient"][rows].to_numpy()).mean()


def quantiles(values, draws):
    """A tumor's mean and its interval, of patients' values and {patient: weights}."""
    weights = np.array([draws[p] for p in values.index], dtype=float)
    means = (weights * values.to_numpy()[:, np.newaxis]).sum(axis=0) / weights.sum(axis=0)
    return values.mean(), means


def test_curves_and_areas_agree_with_pandas(drawn):
    falls, patients, table, weights = drawn
    curves = deletion_curves(falls, SETS, patients, min_patients=5)
    assert (
        curves.sets.tolist() == NAMES and curves.sizes.tolist() == list(SIZES) and curves.size == 20
    )
    close = {"rtol": 1e-4, "atol": 1e-5}
    b, matched = NAMES.index("b"), NAMES.index("matched/b")
    means, draws = [], []
    for tumor in range(4):
        cells = [
            [
                quantiles(patient_values(falls.margin[1, s, k], table, tumor), weights)
                for k in range(4)
            ]
            for s in (b, matched)
        ]
        own, control = (np.array([value for value, _ in row]) for row in cells)
        own_draws, control_draws = (np.array([drawn for _, drawn in row]) for row in cells)
        np.testing.assert_allclose(curves.curve[tumor, 1, b], own, **close)
        low, high = np.quantile(own_draws, [0.025, 0.975], axis=1)
        np.testing.assert_allclose(curves.curve_low[tumor, 1, b], low, **close)
        np.testing.assert_allclose(curves.curve_high[tumor, 1, b], high, **close)
        logs = np.log(SIZES)
        width = logs[-1] - logs[0]
        area = trapezoid(own - control, logs) / width
        np.testing.assert_allclose(curves.area[tumor, 1, 1, 1], area, **close)
        gaps = trapezoid((own_draws - control_draws).T, logs) / width
        bounds = np.quantile(gaps, [0.025, 0.975])
        np.testing.assert_allclose(
            [curves.area_low[tumor, 1, 1, 1], curves.area_high[tumor, 1, 1, 1]], bounds, **close
        )
        difference = own[3] - control[3]
        np.testing.assert_allclose(curves.difference[tumor, 1, 1, 1], difference, **close)
        means.append(area)
        draws.append(gaps)
    np.testing.assert_allclose(curves.area[4, 1, 1, 1], np.mean(means), **close)
    bounds = np.quantile(np.mean(draws, axis=0), [0.025, 0.975])
    np.testing.assert_allclose(curves.area_high[4, 1, 1, 1], bounds[1], **close)
    np.testing.assert_allclose(curves.area_low[4, 1, 1, 1], bounds[0], **close)


def test_accuracies_are_means_over_samples(drawn):
    falls, patients, table, _ = drawn
    curves = deletion_curves(falls, SETS, patients, min_patients=5)
    for tumor in range(4):
        mine = (table["tumor"] == tumor).to_numpy()
        np.testing.assert_allclose(curves.accuracy[tumor], falls.correct[..., mine].mean(axis=-1))
        np.testing.assert_allclose(curves.logit_curve[tumor], falls.logit[..., mine].mean(axis=-1))
        np.testing.assert_allclose(curves.intact_accuracy[tumor], falls.intact_correct[mine].mean())
    np.testing.assert_allclose(curves.intact_margin[4], curves.intact_margin[:4].mean())


def test_a_method_without_scores_in_a_tumor_is_left_out_of_the_mean(drawn):
    falls, patients, table, _ = drawn
    margin = falls.margin.copy()
    margin[:, [1, 3]] = np.where((table["tumor"] == 2).to_numpy(), np.nan, margin[:, [1, 3]])
    curves = deletion_curves(
        dataclasses.replace(falls, margin=margin), SETS, patients, min_patients=5
    )
    assert np.isnan(curves.area[2, :, 1]).any() and np.isnan(curves.area_low[2, :, 1]).any()
    assert np.isfinite(curves.area[[0, 1, 3, 4]]).all() and np.isfinite(curves.area_low[4]).all()
    others = curves.area[[0, 1, 3], :, 1, 1].mean(axis=0)
    np.testing.assert_allclose(curves.area[4, :, 1, 1], others)


def test_few_patients_give_means_without_intervals(drawn):
    falls, patients, _, _ = drawn
    n = np.bincount(patients.tumor)
    most = int(n.max())
    curves = deletion_curves(falls, SETS, patients, min_patients=most)
    few = n < most
    assert few.any() and not few.all()
    assert np.isnan(curves.curve_low[:4][few]).all() and np.isfinite(curves.curve[:4][few]).all()
    assert np.isfinite(curves.curve_low[:4][~few]).all()
    np.testing.assert_allclose(curves.curve[4], curves.curve[:4][~few].mean(axis=0))
    none = deletion_curves(falls, SETS, patients, min_patients=most + 1)
    assert np.isnan(none.area_low).all() and np.isnan(none.curve[4]).all()


def test_the_area_of_a_straight_line_is_its_middle():
    line = np.log(np.array(SIZES)) * 3 + 1
    expected = (line[0] + line[-1]) / 2
    assert log_area(line, SIZES) == pytest.approx(expected)
    assert log_area(np.array([[5.0]]), (1,)).tolist() == [5]
