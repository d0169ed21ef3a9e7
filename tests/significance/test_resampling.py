import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tumorcam.significance import resampling
from tumorcam.significance.exact_sums import column_sums, group_sums, midranks

seeds = st.integers(0, 2**32 - 1)
fifty = settings(max_examples=50)


def draw(block):
    return np.random.default_rng([5, block])


def signs(n):
    """The flips that `flip_records` draws, (flips, patients)."""
    blocks = [
        draw(i).integers(0, 2, (1000, min(1024, n - start)), dtype=np.int8)[1:]
        for i, start in enumerate(range(0, n, 1024))
    ]
    return 2 * np.hstack(blocks) - 1


def slow_p_fwer(values):
    """Westfall & Young's algorithm, one flip and one gene after the other."""
    own = scipy.stats.ttest_1samp(values, 0).statistic
    down = np.argsort(-own, kind="stable")
    counts = np.zeros(len(own))
    for flip in signs(len(values)):
        flipped = scipy.stats.ttest_1samp(values * flip[:, None], 0).statistic
        largest = -np.inf
        for gene in down[::-1]:
            largest = max(largest, flipped[gene])
            counts[gene] += largest >= own[gene]
    p_value = np.empty(len(own))
    p_value[down] = np.maximum.accumulate((1 + counts[down]) / 1000)
    return p_value


def p_fwer(values, cuts=()):
    parts = np.split(values, cuts, axis=1)
    return resampling.step_down_p_values([resampling.flip_records(part, draw) for part in parts])


def test_step_down_p_values_agree_with_the_slow_algorithm():
    rng = np.random.default_rng(1)
    values = rng.standard_t(3, (25, 40)) + np.linspace(1.2, -0.4, 40)
    expected = slow_p_fwer(values)
    assert expected.min() == 0.001 and np.median(expected) > 0.05
    np.testing.assert_array_equal(p_fwer(values), expected)


@pytest.mark.parametrize("cuts", [[7], [1, 2, 39], range(1, 40)])
def test_p_fwer_does_not_depend_on_how_genes_are_cut_into_bands(cuts):
    rng = np.random.default_rng(2)
    values = rng.normal(0.1, 1, (30, 40))
    values[:, 20:] = values[:, :20]  # every statistic twice
    whole = p_fwer(values)
    np.testing.assert_array_equal(whole[:20], whole[20:])
    np.testing.assert_array_equal(p_fwer(values, cuts), whole)


def test_p_fwer_of_values_without_spread():
    values = np.zeros((12, 3))
    values[:, 1] = 2.0
    values[:, 2] = np.arange(12) - 5.5
    # a constant above 0 is reached by no flip but the 2 in 4,096 that leave all signs alike
    constant_zero, constant, symmetric = p_fwer(values)
    assert constant_zero == 1 and constant <= 0.003 and symmetric > 0.3


def test_more_patients_than_a_block():
    rng = np.random.default_rng(3)
    values = rng.normal(0.02, 1, (1500, 4))
    t = scipy.stats.ttest_1samp(values, 0).statistic
    records = resampling.flip_records(values, draw)
    np.testing.assert_allclose(records.statistic, t, rtol=1e-9)
    largest = np.array(
        [scipy.stats.ttest_1samp(values * f[:, None], 0).statistic.max() for f in signs(1500)]
    )
    assert p_fwer(values)[t.argmax()] == (1 + (largest >= t.max()).sum()) / 1000


def test_p_fwer_keeps_the_family_wise_error():
    rng = np.random.default_rng(4)
    errors = 0
    for _ in range(150):  # heavy tails, correlated genes
        values = rng.standard_t(3, (20, 30)) + rng.standard_t(3, (20, 1))
        errors += p_fwer(values).min() <= 0.05
    assert scipy.stats.binomtest(errors, 150, 0.05).pvalue > 0.001


def test_bootstrap_means_are_weighted_means():
    weights = resampling.bootstrap_weights([np.random.default_rng(i) for i in range(30)])
    assert weights.shape == (200, 30) and 0.9 < weights.mean() < 1.1
    alone = resampling.bootstrap_weights([np.random.default_rng(7)])
    np.testing.assert_array_equal(weights[:, 7], alone[:, 0])
    values = np.random.default_rng(0).normal(size=(30, 5))
    means = resampling.bootstrap_means(values, weights)
    np.testing.assert_allclose(means[3], np.average(values, axis=0, weights=weights[3]), rtol=1e-5)
    assert np.isnan(resampling.bootstrap_means(values, np.zeros((1, 30)))).all()


def test_rank_intervals_agree_with_numpy_quantiles():
    means = np.random.default_rng(1).normal(np.arange(6) / 3, 1, (200, 6)).astype(np.float32)
    low, high = resampling.rank_intervals(means)
    ranks = scipy.stats.rankdata(-means, axis=1)
    expected = np.quantile(ranks, [0.025, 0.975], axis=0, method="inverted_cdf")
    np.testing.assert_array_equal([low, high], expected)
    means[5] = np.nan
    assert np.isfinite(resampling.rank_intervals(means)).all()
    assert np.isnan(resampling.rank_intervals(np.full((200, 2), np.nan))).all()


def test_null_p_values_by_hand():
    scores = np.array([[5.0, 1.0, np.nan], [0.0, -3.0, 9.0]])
    nulls = np.array([[[1.0, 0.0, 2.0], [np.nan] * 3], [[-1.0, 6.0, 0.5], [np.nan] * 3]])
    p_value = resampling.null_p_values(scores, nulls)
    np.testing.assert_allclose(p_value[0], [2 / 7, 4 / 7, np.nan])
    assert np.isnan(p_value[1]).all()
    assert np.isnan(resampling.null_p_values(scores, nulls[:0])).all()


@fifty
@given(hnp.arrays(float, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.integers(-2, 2)))
def test_midranks_are_those_of_scipy(values):
    np.testing.assert_array_equal(midranks(values), scipy.stats.rankdata(values, axis=1))
    values[0, 0] = np.nan
    np.testing.assert_array_equal(midranks(values), scipy.stats.rankdata(values, axis=1))


@fifty
@given(seeds, st.integers(1, 60), st.integers(1, 9))
def test_sums_do_not_depend_on_other_columns(seed, n_rows, n_groups):
    rng = np.random.default_rng(seed)
    values, group = rng.normal(size=(n_rows, 5)), rng.integers(0, n_groups, n_rows)
    sums = group_sums(values, group, n_groups)
    expected = np.zeros((n_groups, 5))
    np.add.at(expected, group, values)  # row after row
    np.testing.assert_array_equal(sums, expected)
    alone = [group_sums(values[:, [i]], group, n_groups)[:, 0] for i in range(5)]
    np.testing.assert_array_equal(np.stack(alone, axis=1), sums)
    np.testing.assert_array_equal(column_sums(values)[2], column_sums(values[:, [2]])[0])
