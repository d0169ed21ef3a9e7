"""The figures of a matrix by which its scale is recognised."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.cohort.evidence import N_EXAMINED, Evidence, EvidenceSum, relative_spread


def evidence(values, step: int = 3) -> Evidence:
    matrix = np.asarray(values, dtype=np.float32)
    total = EvidenceSum(matrix.shape[1])
    for start in range(0, len(matrix), step):
        total.add(matrix[start : start + step])
    return total.result()


def test_hand_worked():
    figures = evidence([[0, 1.5, np.nan], [-2, 4, 2.5], [np.inf, 3, -np.inf], [3, 0, 8]])
    assert (figures.n_genes, figures.n_samples) == (4, 3)
    assert (figures.n_values, figures.n_missing, figures.n_infinite) == (9, 1, 2)
    assert (figures.n_negative, figures.smallest, figures.largest) == (1, -2, 8)
    assert (figures.n_positive, figures.smallest_positive) == (6, 1.5)
    assert figures.whole_share == 4 / 6
    assert (figures.zero_share, figures.floor_share) == (2 / 9, 1 / 9)
    assert figures.sums.tolist() == [1, 8.5, 10.5]
    expected = [2**-2 - 1 + 7, 2**1.5 - 1 + 15 + 7, 2**2.5 - 1 + 255]
    np.testing.assert_allclose(figures.sums_exp2, expected)
    np.testing.assert_allclose(figures.sums_exp[2], np.expm1([2.5, 8]).sum())


@pytest.mark.parametrize("n_genes, n_samples", [(0, 4), (3, 0), (0, 0)])
def test_nothing_is_evidence_of_nothing(n_genes, n_samples):
    figures = evidence(np.zeros((n_genes, n_samples)))
    assert figures.n_values == 0 and np.isnan(figures.largest) and figures.total_gene == -1


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_the_size_of_bands_changes_no_bit(step, seed):
    rng = np.random.default_rng(seed)
    values = rng.lognormal(1, 2, (9, 5))
    values[rng.random(values.shape) < 0.1] = np.nan
    left, right = evidence(values, step), evidence(values, 9)
    for name in Evidence.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)


def test_many_samples_are_spread_evenly_and_all_extremes_are_counted():
    values = np.tile(np.arange(2000.0), (5, 1))
    values[2, 3] = -7
    figures = evidence(values)
    assert len(figures.sums) == N_EXAMINED and figures.sums[[0, -1]].tolist() == [0, 5 * 1999]
    assert (figures.smallest, figures.largest, figures.n_negative) == (-7, 1999, 1)


def test_logarithms_of_counts():
    counts = np.random.default_rng(1).poisson(5, (40, 8))
    log2, log_e = np.log2(counts + 1).round(4), np.log1p(counts).round(4)
    assert evidence(log2).log2_counts_share == 1 and evidence(log2).log_e_counts_share < 0.4
    assert evidence(log_e).log_e_counts_share == 1 and evidence(log_e).log2_counts_share < 0.4


def test_skewness_as_scipy_computes_it():
    from scipy.stats import skew

    values = np.random.default_rng(2).lognormal(0, 1, (30, 6)).astype(np.float32)
    assert evidence(values).skewness == pytest.approx(skew(values.ravel().astype(float)))
    assert evidence(np.ones((4, 4))).skewness == 0


def test_standardised_genes():
    values = np.random.default_rng(3).normal(5, 3, (20, 30))
    assert evidence(values).standardised_share == 0
    z_scores = (values - values.mean(1, keepdims=True)) / values.std(1, keepdims=True)
    assert evidence(z_scores).standardised_share == 1


@pytest.mark.parametrize("position", [0, 4, 9])
def test_a_row_of_totals_is_recognised_by_its_values(position):
    values = np.random.default_rng(4).poisson(50, (9, 6)).astype(float)
    assert evidence(values).total_gene == -1
    assert evidence(np.insert(values, position, values.sum(0), axis=0)).total_gene == position
    assert evidence(np.insert(values, position, values.mean(0), axis=0)).total_gene == -1


def test_relative_spread():
    assert relative_spread(np.full(5, 7.0)) == 0
    assert relative_spread(np.arange(1.0, 22)) == pytest.approx(18 / 11)
    assert relative_spread(np.zeros(0)) == np.inf and relative_spread(np.zeros(3)) == np.inf
