import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tumorcam.significance import decoys

NAN = np.nan
unhurried = settings(deadline=None, max_examples=50)  # others may share the machine
small_scores = st.integers(-4, 4).map(float)  # many ties


def score_table(n_columns, low=1):
    return hnp.arrays(
        float, st.tuples(st.just(3), st.integers(low, n_columns)), elements=small_scores
    )


def slow_decoy_q_values(genes, decoy):
    """Section 5 word for word: every threshold s' that is some score."""
    ratio = genes.shape[1] / decoy.shape[1]
    rate = {
        s: min(1, (1 + (decoy >= s).sum()) / max(1, (genes >= s).sum()) * ratio)
        for s in [*genes.ravel(), *decoy.ravel()]
    }
    return np.array([[min(rate[t] for t in rate if t <= s) for s in row] for row in genes])


def test_decoy_q_values_by_hand():
    genes, decoy = np.array([[9.0, 8.0, 7.0, 1.0]] * 2), np.array([[7.5, 0.0]] * 2)
    # G/D = 2; at 9: 2/2, at 8: 2/4, at 7: 3 * 2/6, at 1: 3 * 2/8
    q_decoy = decoys.decoy_q_values(genes, decoy)
    np.testing.assert_array_equal(q_decoy, [[0.5, 0.5, 0.75, 0.75]] * 2)
    assert decoys.decoy_curve(genes, decoy).to_dict("list") == {
        "score": [9.0, 8.0, 7.0, 1.0],
        "genes": [2, 4, 6, 8],
        "decoys": [0, 0, 2, 2],
        "estimated_false": [2.0, 2.0, 6.0, 6.0],
        "q_decoy": [0.5, 0.5, 0.75, 0.75],
    }


@unhurried
@given(score_table(6), score_table(4))
def test_decoy_q_values_agree_with_the_formula(genes, decoy):
    q_decoy = decoys.decoy_q_values(genes, decoy)
    np.testing.assert_allclose(q_decoy, slow_decoy_q_values(genes, decoy), rtol=1e-12)


@unhurried
@given(score_table(6), score_table(4))
def test_decoy_q_values_never_fall_with_the_score_and_stay_in_bounds(genes, decoy):
    q_decoy = decoys.decoy_q_values(genes, decoy).ravel()
    downwards = np.argsort(-genes.ravel(), kind="stable")
    assert (np.diff(q_decoy[downwards]) >= 0).all()
    assert ((q_decoy > 0) & (q_decoy <= 1)).all()
    assert q_decoy.min() >= decoys.smallest_q_decoy(genes, decoy).smallest_q_decoy
    scaled = decoys.decoy_q_values(2 * genes + 1, 2 * decoy + 1)
    np.testing.assert_array_equal(scaled.ravel(), q_decoy)


def test_no_decoys_and_no_patients_give_nan():
    genes, decoy = np.array([[3.0, 1.0], [NAN, NAN]]), np.array([[2.0], [NAN]])
    none = np.empty((2, 0))
    assert np.isnan(decoys.decoy_q_values(genes, none)).all()
    assert np.isnan(decoys.decoy_curve(genes, none)["q_decoy"]).all()
    assert np.isnan(decoys.decoys_in_top(genes, none)).all()
    assert not decoys.smallest_q_decoy(genes, none).too_few_decoys
    q_decoy = decoys.decoy_q_values(genes, decoy)
    np.testing.assert_array_equal(np.isnan(q_decoy), np.isnan(genes))
    empty = np.full((2, 2), NAN)
    assert np.isnan(decoys.decoy_q_values(empty, decoy)).all()
    assert np.isnan(decoys.smallest_q_decoy(empty, decoy).smallest_q_decoy)


def test_a_long_decoy_curve_is_thinned_from_the_top():
    rng = np.random.default_rng(0)
    genes, decoy = rng.normal(size=(10, 5000)), rng.normal(size=(10, 500))
    genes[:, :200] += 6
    curve = decoys.decoy_curve(genes, decoy)
    assert 200 < len(curve) <= 500
    assert curve["genes"].iloc[:5].tolist() == [1, 2, 3, 4, 5]
    assert curve["genes"].iloc[-1] == genes.size
    assert curve["score"].is_monotonic_decreasing
    q_decoy = decoys.decoy_q_values(genes, decoy)
    for row in curve.itertuples():
        assert row.genes == (genes >= row.score).sum()
        assert row.decoys == (decoy >= row.score).sum()
        assert row.q_decoy == q_decoy[genes == row.score][0]


@pytest.mark.parametrize(("n_drivers", "too_few"), [(160, True), (250, False)])
def test_smallest_q_decoy_says_whether_there_are_too_few_decoys(n_drivers, too_few):
    genes, decoy = np.zeros((1, 1000)), np.zeros((1, 100))
    genes[0, :n_drivers] = 1.0
    resolution = decoys.smallest_q_decoy(genes, decoy)
    assert resolution.smallest_q_decoy == 10 / n_drivers
    assert resolution.too_few_decoys is too_few
    decoy[0, 0] = 2.0  # one decoy above all raises q_decoy, but not what is attainable
    assert decoys.smallest_q_decoy(genes, decoy).smallest_q_decoy == 10 / n_drivers


def test_decoys_in_top_by_hand():
    genes, decoy = np.array([[9.0, 8.0, 5.0, 1.0]] * 2), np.array([[7.0, 0.0], [5.0, 5.0]])
    assert decoys.decoys_in_top(genes, decoy, k=3).tolist() == [2.0, 2.0]
    assert decoys.decoys_in_top(genes, decoy, k=20).tolist() == [4.0, 4.0]
