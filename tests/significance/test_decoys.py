import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tumorcam.significance import decoys
from tumorcam.significance.decoys import Scores

NAN = np.nan
fifty = settings(max_examples=50)
small_scores = st.integers(-4, 4).map(float)  # many ties


def score_table(n_columns, low=1):
    return hnp.arrays(
        float, st.tuples(st.just(3), st.integers(low, n_columns)), elements=small_scores
    )


def shared(genes, decoy):
    """Scores of a run in which a share of the genes has a decoy."""
    return Scores(genes, decoy, np.arange(decoy.shape[-1]))


def paired(genes, decoy):
    """Scores of a run in which every gene has a decoy; decoys stand in another order."""
    order = np.arange(genes.shape[-1])[::-1]
    return Scores(genes, decoy[..., order], order)


def pair_table():
    sizes = st.integers(1, 6)
    return sizes.flatmap(lambda n: hnp.arrays(float, (2, 3, n), elements=small_scores))


def slow_pooled_q_values(genes, decoy):
    """The pooled rule word for word: every threshold s' that is some score."""
    ratio = genes.shape[1] / decoy.shape[1]
    rate = {
        s: min(1, (1 + (decoy >= s).sum()) / max(1, (genes >= s).sum()) * ratio)
        for s in [*genes.ravel(), *decoy.ravel()]
    }
    return np.array([[min(rate[t] for t in rate if t <= s) for s in row] for row in genes])


def slow_knockoff_q_values(margin):
    """Knockoff+ word for word: every threshold w that is some margin's size."""
    rate = {
        w: min(1, (1 + (margin <= -w).sum()) / max(1, (margin >= w).sum()))
        for w in np.abs(margin).ravel()
        if w > 0
    }
    return np.array(
        [[min((rate[v] for v in rate if v <= w), default=1.0) for w in row] for row in margin]
    )


def test_a_gene_stands_above_the_larger_of_two_scores_of_its_own_decoy():
    #                  genes       present    chance
    columns = np.array([[5.0, 3.0, 1.0, 4.0, 2.0, 0.0]])
    scores = Scores.of_columns(columns, np.array([1, 0]))
    assert scores.decoy.tolist() == [[2.0, 4.0]] and scores.is_paired
    assert scores.margin.tolist() == [[1.0, 1.0]]  # 5 - 4 and 3 - 2
    one = Scores.of_columns(columns[:, [0, 1, 2, 4]], np.array([1]))
    np.testing.assert_array_equal(one.margin, [[NAN, 1.0]])
    assert not one.is_paired


def test_knockoff_q_values_by_hand():
    margin = np.array([[9.0, 8.0, -7.0, 6.0], [5.0, 4.0, 0.0, -0.5]])
    scores = paired(margin, np.zeros((2, 4)))
    # above 7 no decoy wins: 1/2; down to 4 one does: 2/5; both of 0 and below are 1
    q_decoy = [[0.4, 0.4, 1.0, 0.4], [0.4, 0.4, 1.0, 1.0]]
    np.testing.assert_allclose(decoys.decoy_q_values(scores), q_decoy, rtol=1e-15)
    assert decoys.decoy_curve(scores).to_dict("list") == {
        "score": [9.0, 8.0, 6.0, 5.0, 4.0],
        "genes": [1, 2, 3, 4, 5],
        "decoys": [0, 0, 1, 1, 1],
        "estimated_false": [1.0, 1.0, 2.0, 2.0, 2.0],
        "q_decoy": [0.4] * 5,
    }


@fifty
@given(pair_table())
def test_knockoff_q_values_agree_with_the_formula(table):
    scores = paired(*table)
    q_decoy = decoys.decoy_q_values(scores)
    np.testing.assert_allclose(q_decoy, slow_knockoff_q_values(table[0] - table[1]), rtol=1e-12)
    assert (q_decoy[scores.margin <= 0] == 1).all()


def test_pooled_q_values_by_hand():
    genes, decoy = np.array([[9.0, 8.0, 7.0, 1.0]] * 2), np.array([[7.5, 0.0]] * 2)
    # G/D = 2; at 9: 2/2, at 8: 2/4, at 7: 3 * 2/6, at 1: 3 * 2/8
    q_decoy = decoys.decoy_q_values(shared(genes, decoy))
    np.testing.assert_array_equal(q_decoy, [[0.5, 0.5, 0.75, 0.75]] * 2)


@fifty
@given(score_table(6, low=5), score_table(4))
def test_pooled_q_values_agree_with_the_formula(genes, decoy):
    q_decoy = decoys.decoy_q_values(shared(genes, decoy))
    np.testing.assert_allclose(q_decoy, slow_pooled_q_values(genes, decoy), rtol=1e-12)


@fifty
@given(score_table(6, low=5), score_table(4))
def test_pooled_q_values_never_fall_with_the_score_and_stay_in_bounds(genes, decoy):
    scores = shared(genes, decoy)
    q_decoy = decoys.decoy_q_values(scores).ravel()
    downwards = np.argsort(-genes.ravel(), kind="stable")
    assert (np.diff(q_decoy[downwards]) >= 0).all()
    assert ((q_decoy > 0) & (q_decoy <= 1)).all()
    assert q_decoy.min() >= decoys.smallest_q_decoy(scores).smallest_q_decoy
    scaled = decoys.decoy_q_values(shared(2 * genes + 1, 2 * decoy + 1))
    np.testing.assert_array_equal(scaled.ravel(), q_decoy)


def test_no_decoys_and_no_patients_give_nan():
    genes, decoy = np.array([[3.0, 1.0], [NAN, NAN]]), np.array([[2.0], [NAN]])
    none = shared(genes, np.empty((2, 0)))
    assert np.isnan(decoys.decoy_q_values(none)).all() and np.isnan(none.margin).all()
    assert np.isnan(decoys.decoy_curve(none)["q_decoy"]).all()
    assert np.isnan(decoys.decoys_in_top(genes, none.decoy)).all()
    assert not decoys.smallest_q_decoy(none).too_few_decoys
    assert np.isnan(decoys.called_interval(none, np.random.default_rng(0), level=0.05)).all()
    for scores in (shared(genes, decoy), paired(genes, genes - 1)):
        q_decoy = decoys.decoy_q_values(scores)
        np.testing.assert_array_equal(np.isnan(q_decoy), np.isnan(genes))
    empty = np.full((2, 2), NAN)
    for scores in (shared(empty, decoy), paired(empty, empty)):
        assert np.isnan(decoys.decoy_q_values(scores)).all()
        assert np.isnan(decoys.smallest_q_decoy(scores).smallest_q_decoy)


def test_a_long_decoy_curve_is_thinned_from_the_top():
    rng = np.random.default_rng(0)
    genes, decoy = rng.normal(size=(10, 5000)), rng.normal(size=(10, 500))
    genes[:, :200] += 6
    curve = decoys.decoy_curve(shared(genes, decoy))
    assert 200 < len(curve) <= 500
    assert curve["genes"].iloc[:5].tolist() == [1, 2, 3, 4, 5]
    assert curve["genes"].iloc[-1] == genes.size
    assert curve["score"].is_monotonic_decreasing
    q_decoy = decoys.decoy_q_values(shared(genes, decoy))
    for row in curve.itertuples():
        assert row.genes == (genes >= row.score).sum()
        assert row.decoys == (decoy >= row.score).sum()
        assert row.q_decoy == q_decoy[genes == row.score][0]


@pytest.mark.parametrize(("n_drivers", "too_few"), [(160, True), (250, False)])
def test_smallest_q_decoy_says_whether_there_are_too_few_decoys(n_drivers, too_few):
    genes, decoy = np.zeros((1, 1000)), np.zeros((1, 100))
    genes[0, :n_drivers] = 1.0
    resolution = decoys.smallest_q_decoy(shared(genes, decoy))
    assert resolution.smallest_q_decoy == 10 / n_drivers
    assert resolution.too_few_decoys is too_few
    decoy[0, 0] = 2.0  # one decoy above all raises q_decoy, but not what is attainable
    assert decoys.smallest_q_decoy(shared(genes, decoy)).smallest_q_decoy == 10 / n_drivers


@pytest.mark.parametrize(("n_drivers", "too_few"), [(19, True), (20, False)])
def test_twenty_pairs_are_needed_where_every_gene_has_a_decoy(n_drivers, too_few):
    genes = np.zeros((1, 100))
    genes[0, :n_drivers] = 1.0
    resolution = decoys.smallest_q_decoy(paired(genes, np.zeros((1, 100))))
    assert resolution.smallest_q_decoy == 1 / n_drivers
    assert resolution.too_few_decoys is too_few


def called(scores, level=0.05):
    interval = decoys.called_interval(scores, np.random.default_rng(0), level=level)
    return (decoys.decoy_q_values(scores) <= level).sum(), interval


def test_without_a_winning_decoy_no_draw_changes_what_is_called():
    genes = np.zeros((1, 100))
    genes[0, :30] = 1.0
    assert called(paired(genes, np.zeros((1, 100)))) == (30, (30.0, 30.0))


def test_all_or_nothing_shows_in_the_interval():
    """One decoy wins over all genes but ten: if it is not drawn, 25 are called, else none."""
    genes, decoy = np.zeros((1, 100)), np.zeros((1, 100))
    genes[0, :25] = np.arange(25) + 1.0
    decoy[0, 99] = 15.5
    assert called(paired(genes, decoy)) == (0, (0.0, 25.0))


def slow_called(scores, rng, level):
    """Numbers of called pairs, word for word: the margins or scores against drawn decoys."""
    n_decoys, n_genes = len(scores.decoy_gene), scores.gene.shape[1]
    if scores.is_paired:
        margin = scores.gene[:, scores.decoy_gene] - scores.decoy
        pairs, of_decoys, ratio = margin[margin > 0], -margin, 1
    else:
        pairs, of_decoys, ratio = scores.gene.ravel(), scores.decoy, n_genes / n_decoys
    for _ in range(decoys.N_BOOTSTRAPS):
        drawn = of_decoys[:, rng.integers(0, n_decoys, n_decoys)]
        sizes = [
            (pairs >= s).sum()
            for s in pairs
            if min(1, (1 + (drawn >= s).sum()) / (pairs >= s).sum() * ratio) <= level
        ]
        yield max([0, *sizes])


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([0.2, 0.5, 1.0]))
def test_called_interval_agrees_with_a_slow_count(seed, is_paired, level):
    rng = np.random.default_rng(seed)
    genes, decoy = rng.integers(-3, 9, (2, 12)) * 1.0, rng.integers(-3, 5, (2, 12)) * 1.0
    scores = paired(genes, decoy) if is_paired else shared(genes, decoy[:, :6])
    counts = sorted(slow_called(scores, np.random.default_rng(seed), level))
    interval = decoys.called_interval(scores, np.random.default_rng(seed), level=level)
    low, high = np.quantile(counts, [0.05, 0.95], method="nearest")
    assert interval == (low, high)


def test_decoys_in_top_by_hand():
    genes, decoy = np.array([[9.0, 8.0, 5.0, 1.0]] * 2), np.array([[7.0, 0.0], [5.0, 5.0]])
    assert decoys.decoys_in_top(genes, decoy, k=3).tolist() == [2.0, 2.0]
    assert decoys.decoys_in_top(genes, decoy, k=20).tolist() == [4.0, 4.0]
