from types import SimpleNamespace

import numpy as np
import pytest

from tumorcam.applied.shift import shifted_genes

RNG = np.random.default_rng(7)
N_GENES = 5


def cohort_of(expression, variance=None):
    return SimpleNamespace(
        sample=np.arange(len(expression)), genes=np.array([f"G{i}" for i in range(N_GENES)]),
        variance=np.ones(N_GENES) if variance is None else variance,
        expression=lambda rows: expression[rows],
    )  # fmt: skip


def reference_of(tumor_mean, sd=2.0):
    return SimpleNamespace(
        mean=tumor_mean.mean(axis=0), sd=np.full(N_GENES, sd), tumor_mean=tumor_mean
    )


def test_a_shift_is_told_from_another_mix_of_tumors():
    """All new samples are of tumor 1: gene 0 is high there, and gene 3 is shifted."""
    tumor_mean = np.zeros((2, N_GENES))
    tumor_mean[1, 0] = 8
    expression = (tumor_mean[1] + RNG.normal(0, 0.1, (200, N_GENES))).astype(np.float32)
    expression[:, 3] += 3
    shift = shifted_genes(cohort_of(expression), reference_of(tumor_mean), np.ones(200, int))
    np.testing.assert_allclose(shift.table["shift"], [2, 0, 0, 1.5, 0], atol=0.02)
    np.testing.assert_allclose(shift.table["shift_within"], [0, 0, 0, 1.5, 0], atol=0.02)
    assert shift.is_shifted.tolist() == [False, False, False, True, False]


def test_a_difference_within_chance_is_no_shift():
    expression = RNG.normal(0, 20, (12, N_GENES)).astype(np.float32)
    expression[:, 0] += 3 - expression[:, 0].mean()  # 1.5 SDs, but half a standard error
    shift = shifted_genes(
        cohort_of(expression), reference_of(np.zeros((1, N_GENES))), np.zeros(12, int)
    )
    assert shift.table["shift_within"][0] == pytest.approx(1.5, abs=1e-5)
    assert not shift.is_shifted[0]


def test_few_samples_tell_no_shift_and_a_missing_gene_has_none():
    zero = np.zeros((1, N_GENES))
    few = shifted_genes(cohort_of(np.ones((9, N_GENES))), reference_of(zero), np.zeros(9, int))
    assert few.table["shift"].isna().all() and not few.is_shifted.any()
    variance = np.array([1.0, 1, 0, 1, 1])
    expression = RNG.normal(1.2, 0.1, (50, N_GENES))
    some = shifted_genes(cohort_of(expression, variance), reference_of(zero), np.zeros(50, int))
    assert some.is_shifted.tolist() == [True, True, False, True, True]
    assert np.isnan(some.table["shift_within"][2])
