import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from tumorcam.cohort.cohort import read_cohort
from tumorcam.faithfulness import gene_sets


def slow_match(top, by_variance):
    """The definition, gene by gene, over all genes."""
    place = {gene: i for i, gene in enumerate(by_variance)}
    taken, matched = set(top), []
    for gene in top:
        free = [other for other in by_variance if other not in taken]
        nearest = min(free, key=lambda other: (abs(place[other] - place[gene]), place[other]))
        taken.add(nearest)
        matched.append(nearest)
    return matched


@given(st.integers(0, 2**32 - 1))
def test_matched_genes_are_the_nearest_by_variance_outside_the_top(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 30))
    by_variance, top = rng.permutation(n), rng.permutation(n)[: rng.integers(1, n // 2 + 1)]
    matched = gene_sets.matched_genes(top, by_variance)
    assert matched.tolist() == slow_match(top.tolist(), by_variance.tolist())
    assert len(set(matched.tolist()) | set(top.tolist())) == 2 * len(top)


def test_a_match_by_hand():
    """Genes 0 to 5 from the most variable down; genes 2 and 3 are the top."""
    assert gene_sets.matched_genes(np.array([2, 3]), np.arange(6)).tolist() == [1, 4]
    assert gene_sets.matched_genes(np.array([3, 2]), np.arange(6)).tolist() == [4, 1]
    assert gene_sets.matched_genes(np.array([0, 1]), np.arange(6)).tolist() == [2, 3]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_welchs_t_agrees_with_scipy(seed):
    rng = np.random.default_rng(seed)
    tumor = np.r_[np.arange(3), np.arange(3), rng.integers(0, 3, rng.integers(0, 20))]
    values = rng.normal(8, 1 + tumor[:, np.newaxis], (len(tumor), 7)).astype(np.float32)
    t_statistic = gene_sets.welch_statistics(values, tumor, 3)
    for t in range(3):
        inside, outside = (values[tumor == t].astype(float), values[tumor != t].astype(float))
        expected = ttest_ind(inside, outside, equal_var=False).statistic
        np.testing.assert_allclose(t_statistic[t], expected, rtol=1e-5, atol=1e-9)


def test_a_constant_gene_has_no_t_and_comes_last():
    values = np.array([[5, 1], [5, 2], [5, 8], [5, 9]], dtype=np.float32)
    t_statistic = gene_sets.welch_statistics(values, np.array([0, 0, 1, 1]), 2)
    assert np.isnan(t_statistic[:, 0]).all() and t_statistic[1, 1] > 0 > t_statistic[0, 1]
    assert gene_sets.ranked_genes(t_statistic).tolist() == [[1, 0], [1, 0]]


def test_the_sets_of_a_run(tiny_run):
    cohort = read_cohort(tiny_run.folder / "cohort.h5", tiny_run)
    rng = np.random.default_rng(0)
    scores = {method: rng.normal(size=(4, 36)) for method in ("a", "b")}
    t_statistic = gene_sets.t_statistics(cohort)
    sets = gene_sets.make_gene_sets(scores, t_statistic, cohort.variance)
    assert sets.sizes == (1, 2, 5, 10), "at most half of 36"
    assert sets.names == ("a", "b", "matched/a", "matched/b", "t_test")
    by_variance = np.argsort(-cohort.variance, kind="stable").tolist()
    for tumor in range(4):
        genes = sets.of_tumor(tumor)
        for i, k in enumerate(sets.sizes):
            for m, score in enumerate(scores.values()):
                top = np.argsort(-score[tumor])[:k].tolist()
                assert genes[m][i].tolist() == top
                assert genes[2 + m][i].tolist() == slow_match(top, by_variance)
        assert set(genes[4][1].tolist()) <= {3 * tumor, 3 * tumor + 1, 3 * tumor + 2}, "planted"


@pytest.mark.parametrize("n_genes", [2, 36, 961, 11449])
def test_as_many_genes_are_left_as_are_changed(n_genes):
    sizes = gene_sets.set_sizes(n_genes)
    assert sizes and max(sizes) * 2 <= n_genes and max(sizes) <= 500


def test_random_genes_are_drawn_by_seed_and_sample(tiny_config):
    first = gene_sets.random_genes("s1", 50, tiny_config)
    assert first.shape == (gene_sets.RANDOM_DRAWS, 50)
    assert (np.sort(first, axis=1) == np.arange(50)).all()
    np.testing.assert_array_equal(first, gene_sets.random_genes("s1", 50, tiny_config))
    assert (first != gene_sets.random_genes("s2", 50, tiny_config)).any()
