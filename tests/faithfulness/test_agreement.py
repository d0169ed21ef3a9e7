import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score

from tumorcam.faithfulness import agreement

NAN = np.nan


def slow_overlap(first, second, p=0.9):
    """Webber et al. 2010, equation 23, with sets."""
    k = len(first)
    shared = [len(set(first[:d]) & set(second[:d])) for d in range(1, k + 1)]
    tail = sum(x / d * p**d for d, x in enumerate(shared, start=1))
    return shared[-1] / k * p**k + (1 - p) / p * tail


@given(st.integers(0, 2**32 - 1))
def test_rank_biased_overlap_agrees_with_its_definition(seed):
    rng = np.random.default_rng(seed)
    k, n = int(rng.integers(1, 30)), 40
    first, second = rng.permutation(n)[:k], rng.permutation(n)[:k]
    overlap = agreement.rank_biased_overlap(first, second)
    assert overlap == pytest.approx(slow_overlap(first.tolist(), second.tolist()))
    assert overlap == pytest.approx(agreement.rank_biased_overlap(second, first))
    assert 0 <= overlap <= 1


def test_rank_biased_overlap_at_its_ends():
    one, other = np.arange(50), np.arange(50, 100)
    assert agreement.rank_biased_overlap(one, one) == pytest.approx(1)
    assert agreement.rank_biased_overlap(one, other) == 0
    swapped = np.array([1, 0])
    assert agreement.rank_biased_overlap(swapped, np.array([0, 1]), p=0.5) == pytest.approx(0.5)


def test_tops_by_hand():
    first = np.array([[3, 2, 1, 0.0], [1, 2, 3, 4], [1, NAN, 0, 0], [3, 2, 1, 0]])
    second = np.array([[3, 1, 2, 0.0], [4, 3, 2, 1], [1, 1, 0, 0], [3, 1, 2, 0]])
    tops = agreement.top_agreement(first, second, k=np.array([2, 2, 2, 1]))
    np.testing.assert_allclose(tops.jaccard, [1 / 3, 0, NAN, 1])
    assert math.isnan(tops.overlap[2]) and tops.overlap[0] > tops.overlap[1] == 0


@given(st.integers(0, 2**32 - 1))
def test_spearman_agrees_with_scipy(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 9, (2, 4, 12)).astype(float)
    first[0, 3], first[1] = NAN, 5
    correlation = agreement.spearman(first, np.stack([second, -second]))
    assert correlation.shape == (2, 4) and np.isnan(correlation[:, :2]).all()
    for i, other in enumerate((second, -second)):
        for t in (2, 3):
            expected = stats.spearmanr(first[t], other[t]).statistic
            np.testing.assert_allclose(correlation[i, t], expected, atol=1e-12)


def test_ranks_of_genes_and_their_decoys():
    """Gene 1 has the first decoy, gene 0 the second; ranks 1 2 3 4 5 of 9 7 5 3 1."""
    score, decoy = np.array([[[9.0, 1.0, 5.0]]]), np.array([[[7.0, 3.0]]])
    genes = np.array([1, 0])
    for pairs, expected in (([1, 0], 5 - 2), ([0, 1], 1 - 4), ([1, 1], 0), ([0, 0], NAN)):
        difference = agreement.decoy_rank_differences(
            score, decoy, genes, np.array([pairs], dtype=bool)
        )
        np.testing.assert_array_equal(difference, [expected])


def test_the_t_interval_agrees_with_scipy():
    values = np.array([1.0, 4.0, 2.5, 3.0, -1.0])
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    interval = agreement.t_interval(values)
    np.testing.assert_allclose(interval, [values.mean(), expected.low, expected.high])
    assert np.isnan(agreement.t_interval(values[:1])[1:]).all()
    assert np.isnan(agreement.t_interval(values[:0])).all()


@pytest.mark.parametrize(("n", "n_ways"), [(2, 1), (3, 3), (6, 10), (7, 35), (8, 35), (9, 35)])
def test_halvings_are_distinct_and_disjoint(n, n_ways):
    ways = agreement.halvings(n, np.random.default_rng(0))
    assert len(ways) == n_ways
    assert len({frozenset((frozenset(a), frozenset(b))) for a, b in ways}) == n_ways
    for first, second in ways:
        assert sorted(first + second) == list(range(n)) and abs(len(first) - len(second)) == n % 2
    assert ways == agreement.halvings(n, np.random.default_rng(0))


def test_halves_leave_out_what_is_missing():
    scores = np.array([[[1.0, 2.0]], [[NAN, 4.0]], [[3.0, 8.0]], [[NAN, NAN]]])
    ((first, second),) = agreement.half_scores(scores, [([0, 1], [2, 3])])
    np.testing.assert_array_equal(first, [[1, 3]])
    np.testing.assert_array_equal(second, [[3, 8]])


def test_lifts_agree_with_scikit_learn():
    rng = np.random.default_rng(1)
    score, is_marker = rng.normal(size=(4, 60)), rng.random((4, 60)) < 0.3
    is_marker[1], score[2, 5], is_marker[3, 4:] = False, NAN, False
    assert is_marker[3].sum() < agreement.MIN_MARKERS
    lift = agreement.marker_lift(score, is_marker)
    expected = average_precision_score(is_marker[0], score[0]) / is_marker[0].mean()
    np.testing.assert_allclose(lift, [expected, NAN, NAN, NAN])
    perfect = agreement.marker_lift(is_marker[:1] + 0.0, is_marker[:1])
    np.testing.assert_allclose(perfect, 1 / is_marker[0].mean())
