import dataclasses

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests

from tumorcam.settings import SignificanceSettings
from tumorcam.significance import statistics

NAN = np.nan
seeds = st.integers(0, 2**32 - 1)
fifty = settings(max_examples=50)
small_scores = st.integers(-4, 4).map(float)  # many ties


def score_table(n_columns, low=1):
    return hnp.arrays(
        float, st.tuples(st.just(3), st.integers(low, n_columns)), elements=small_scores
    )


def scipy_p_value(column, method):
    return scipy.stats.wilcoxon(
        column, alternative="greater", zero_method="zsplit", correction=False, method=method
    ).pvalue


# patient means


def test_patient_means_by_hand():
    values = np.array([[1.0, 10.0], [5.0, 0.0], [3.0, 20.0], [7.0, 4.0]])
    means = statistics.patient_means(values, np.array([8, 2, 8, 5]))
    assert means.tolist() == [[5.0, 0.0], [7.0, 4.0], [2.0, 15.0]]


@fifty
@given(seeds)
def test_patient_means_do_not_depend_on_other_genes_or_sample_order(seed):
    rng = np.random.default_rng(seed)
    values, patient = rng.normal(size=(40, 7)), rng.integers(0, 6, 40)
    means = statistics.patient_means(values, patient)
    alone = [statistics.patient_means(values[:, [gene]], patient)[:, 0] for gene in range(7)]
    np.testing.assert_array_equal(means, np.stack(alone, axis=1))
    order = rng.permutation(40)
    shuffled = statistics.patient_means(values[order], patient[order])
    np.testing.assert_allclose(shuffled, means, rtol=0, atol=1e-12)


# signed-rank test


def test_signed_rank_by_hand():
    # ranks 1 to 3: all positive is one of 8 sign patterns; W >= 4 holds for {1,3}, {2,3}, {1,2,3}
    values = np.array([[1.0, 1.0, 0.0], [2.0, -2.0, 0.0], [3.0, 3.0, 0.0]])
    assert statistics.signed_rank_p_values(values).tolist() == [1 / 8, 3 / 8, 0.5]


@pytest.mark.parametrize("n", [1, 2, 5, 10, 25, 49, 50, 51, 200])
def test_signed_rank_agrees_with_scipy(n):
    rng = np.random.default_rng(n)
    continuous = rng.normal(0.2, 1, (n, 20)) * np.geomspace(1e-8, 1e8, 20)
    tied = rng.integers(1, 4, (n, 10)) * rng.choice([-1.0, 1.0], (n, 10))
    tied[-1] = tied[0]
    with_zeros = rng.normal(0.2, 1, (n, 10))
    with_zeros[rng.integers(0, n, 10), np.arange(10)] = 0.0
    tied_method = "exact" if n == 1 else "asymptotic"
    expected = [scipy_p_value(c, "exact" if n <= 50 else "asymptotic") for c in continuous.T]
    expected += [scipy_p_value(c, tied_method) for c in tied.T]
    expected += [scipy_p_value(c, "asymptotic") for c in with_zeros.T]
    p_value = statistics.signed_rank_p_values(np.hstack([continuous, tied, with_zeros]))
    np.testing.assert_allclose(p_value, expected, rtol=0, atol=1e-12)


def test_signed_rank_of_a_far_tail_is_exact():
    values = np.arange(1.0, 51.0)[:, np.newaxis]
    assert statistics.signed_rank_p_values(values)[0] == 2.0**-50


def test_signed_rank_edges():
    values = np.random.default_rng(0).normal(size=(12, 3))
    values[4, 1] = NAN
    p_value = statistics.signed_rank_p_values(values)
    assert np.isnan(p_value).tolist() == [False, True, False]
    assert np.isnan(statistics.signed_rank_p_values(values[:0])).all()
    assert statistics.signed_rank_p_values(values[:, :0]).shape == (0,)


@fifty
@given(seeds, st.integers(1, 60))
def test_signed_rank_depends_on_a_genes_own_values_in_any_order(seed, n):
    rng = np.random.default_rng(seed)
    values = np.where(rng.random((n, 4)) < 0.5, rng.integers(-3, 4, (n, 4)), rng.normal(size=4))
    together = statistics.signed_rank_p_values(values)
    alone = [statistics.signed_rank_p_values(values[:, [gene]])[0] for gene in range(4)]
    np.testing.assert_array_equal(together, alone)
    shuffled = statistics.signed_rank_p_values(rng.permutation(values))
    np.testing.assert_array_equal(together, shuffled)
    assert ((together > 0) & (together <= 1)).all()


@pytest.mark.parametrize("n", [20, 200])
def test_signed_rank_is_calibrated_under_a_heavy_tailed_null(n):
    values = np.random.default_rng(7).standard_t(2, size=(n, 10_000))
    rejected = (statistics.signed_rank_p_values(values) <= 0.05).mean()
    assert abs(rejected - 0.05) < 0.008  # SD 0.002; at n = 20 the exact test attains 0.049


# statistics of a tumor


def test_tumor_statistics_by_hand():
    values = np.array([[1.0, 0.1, -1.0], [3.0, 0.1, -2.0], [5.0, 0.1, 3.0]])
    computed = statistics.tumor_statistics(values, np.array([True, False, True]), min_patients=3)
    assert computed.score.tolist() == [3.0, 0.1, 0.0]
    assert computed.sd.tolist() == [2.0, 0.0, np.sqrt(7.0)]
    np.testing.assert_array_equal(computed.effect, [1.5, NAN, 0.0])
    np.testing.assert_array_equal(computed.positive, [1.0, 1.0, 1 / 3])
    np.testing.assert_array_equal(computed.p_value, [1 / 8, NAN, 5 / 8])


@fifty
@given(seeds, st.integers(2, 30))
def test_tumor_statistics_agree_with_numpy_and_do_not_depend_on_other_genes(seed, n):
    values = np.random.default_rng(seed).normal(size=(n, 5))
    testable = np.ones(5, dtype=bool)
    computed = statistics.tumor_statistics(values, testable, min_patients=10)
    expected = scipy.stats.trim_mean(values, 0.2 if n >= 10 else 0.0, axis=0)
    np.testing.assert_allclose(computed.score, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(computed.mean, values.mean(axis=0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(computed.sd, values.std(axis=0, ddof=1), rtol=1e-12)
    np.testing.assert_array_equal(computed.effect, computed.mean / computed.sd)
    assert np.isnan(computed.p_value).all() == (n < 10)
    alone = statistics.tumor_statistics(values[:, [2]], testable[:1], min_patients=10)
    for name in (field.name for field in dataclasses.fields(computed)):
        np.testing.assert_array_equal(getattr(computed, name)[[2]], getattr(alone, name))


def test_one_patient_in_ten_cannot_move_the_score_far():
    values = np.zeros((10, 2))
    values[3] = [1e6, NAN]
    np.testing.assert_array_equal(statistics.trimmed_means(values), [0.0, NAN])
    np.testing.assert_array_equal(statistics.trimmed_means(values[:9, :1]), [1e6 / 9])
    equal = np.full((12, 1), 0.1)
    assert statistics.trimmed_means(equal).tolist() == [0.1]


def test_bootstraps_of_winsorised_values_spread_as_trimmed_means_do():
    """Within 10 % of the SD of 2,000 bootstrapped trimmed means, for heavy tails."""
    rng = np.random.default_rng(0)
    values = rng.standard_t(2, size=(100, 3))
    drawn = rng.integers(0, 100, (2000, 100))
    weights = np.stack([np.bincount(rows, minlength=100) for rows in drawn])
    winsorised = statistics.winsorised(values)
    score = statistics.trimmed_means(values)
    np.testing.assert_allclose(winsorised.mean(axis=0), score, atol=1e-12)
    exact = np.stack([statistics.trimmed_means(values[rows]) for rows in drawn])
    linear = weights @ winsorised / 100
    np.testing.assert_allclose(linear.std(axis=0), exact.std(axis=0), rtol=0.1)
    assert (np.abs(linear.mean(axis=0) - exact.mean(axis=0)) < 0.2 * exact.std(axis=0)).all()


@pytest.mark.parametrize("n", [0, 1])
def test_tumor_statistics_of_no_patient_and_of_one(n):
    values = np.ones((n, 2))
    computed = statistics.tumor_statistics(values, np.array([True, True]), min_patients=10)
    assert np.isnan(computed.score).all() == (n == 0)
    assert np.isnan([computed.sd, computed.effect, computed.p_value]).all()


def test_tumor_statistics_keep_nan():
    values = np.array([[NAN, 1.0], [1.0, 2.0]])
    computed = statistics.tumor_statistics(values, np.array([True, True]), min_patients=2)
    assert np.isnan(
        [computed.score[0], computed.sd[0], computed.positive[0], computed.p_value[0]]
    ).all()
    assert computed.p_value[1] == 1 / 4


@fifty
@given(st.integers(1, 400), st.data())
def test_wilson_interval_agrees_with_scipy(n, data):
    successes = data.draw(st.integers(0, n))
    interval = statistics.wilson_interval(np.array([successes]), n)
    expected = scipy.stats.binomtest(successes, n).proportion_ci(method="wilson")
    np.testing.assert_allclose([interval.low[0], interval.high[0]], expected, rtol=0, atol=1e-12)
    assert 0 <= interval.low[0] <= interval.share[0] <= interval.high[0] <= 1


def test_wilson_interval_of_no_trials_is_nan():
    interval = statistics.wilson_interval(np.array([0, 5]), np.array([0, 10]))
    np.testing.assert_array_equal(np.isnan(interval.low), [True, False])
    np.testing.assert_array_equal(interval.share, [NAN, 0.5])


# multiple testing


@fifty
@given(hnp.arrays(float, (3, 5), elements=st.floats(0, 1)), hnp.arrays(bool, (3, 5)))
def test_benjamini_hochberg_agrees_with_statsmodels(p_value, missing):
    q_value = statistics.benjamini_hochberg(np.where(missing, NAN, p_value))
    np.testing.assert_array_equal(np.isnan(q_value), missing)
    if not missing.all():
        expected = multipletests(p_value[~missing], method="fdr_bh")[1]
        np.testing.assert_allclose(q_value[~missing], expected, rtol=0, atol=1e-12)


# ranks and replication


@fifty
@given(score_table(8), seeds)
def test_rank_genes_agrees_with_scipy_and_leaves_nan_out(score, seed):
    score = np.where(np.random.default_rng(seed).random(score.shape) < 0.2, NAN, score)
    rank = statistics.rank_genes(score)
    for row_ranks, row in zip(rank, score, strict=True):
        known = ~np.isnan(row)
        np.testing.assert_array_equal(row_ranks[known], scipy.stats.rankdata(-row[known]))
        assert np.isnan(row_ranks[~known]).all()


@pytest.mark.parametrize(
    ("n_genes", "k"), [(1, 1), (39, 1), (40, 2), (999, 49), (1000, 50), (11449, 50)]
)
def test_top_k(n_genes, k):
    assert statistics.top_k(n_genes) == k


def test_replication_by_hand():
    margins = np.array(
        [
            [[3.0, 2.0, NAN], [NAN, NAN, NAN]],
            [[0.0, 2.0, NAN], [5.0, -9.0, NAN]],
            [[-1.0, 0.5, NAN], [9.0, 5.0, NAN]],
        ]
    )
    share = statistics.replication(margins)
    np.testing.assert_array_equal(share, [[1 / 3, 1.0, NAN], [1.0, 0.5, NAN]])


# expression


@fifty
@given(seeds)
def test_expression_agrees_with_sklearn_and_numpy(seed):
    rng = np.random.default_rng(seed)
    tumor = rng.permutation(np.repeat([0, 1, 2], [5, 9, 16]))
    expression = rng.integers(0, 12, (30, 4)).astype(np.float32) / 2
    auroc = statistics.expression_auroc(expression, tumor, n_tumors=3)
    change = statistics.log2_fold_change(expression, tumor, n_tumors=3)
    for t in range(3):
        own, rest = expression[tumor == t], expression[tumor != t]
        expected = [roc_auc_score(tumor == t, gene) for gene in expression.T]
        np.testing.assert_allclose(auroc[t], expected, rtol=0, atol=1e-12)
        statistic = scipy.stats.mannwhitneyu(own, rest, axis=0).statistic
        np.testing.assert_allclose(auroc[t], statistic / (len(own) * len(rest)), atol=1e-12)
        np.testing.assert_allclose(change[t], own.mean(0) - rest.mean(0), rtol=0, atol=1e-5)


def test_expression_of_a_missing_tumor_is_nan():
    expression, tumor = np.array([[1.0], [3.0], [8.0]]), np.array([0, 0, 1])
    auroc = statistics.expression_auroc(expression, tumor, n_tumors=3)
    change = statistics.log2_fold_change(expression, tumor, n_tumors=3)
    np.testing.assert_array_equal(auroc, [[0.0], [1.0], [NAN]])
    np.testing.assert_array_equal(change, [[-6.0], [6.0], [NAN]])
    for function in (statistics.expression_auroc, statistics.log2_fold_change):
        assert np.isnan(function(expression, np.zeros(3, dtype=int), n_tumors=1)).all()


# evidence


@pytest.mark.parametrize(
    ("grade", "change"),
    [
        ("learned", {}),
        ("unstable", {"replication": 0.49}),
        ("learned", {"replication": NAN}),  # a gene without a decoy
        ("expression-driven", {"q_decoy": 0.051}),
        ("none", {"q_decoy": 0.051, "rank": 2.5}),
        ("none", {"q_value": 0.051}),
        ("none", {"recall": 0.49}),
        ("none", {"recall": NAN}),
        ("unknown", {"q_decoy": NAN}),
        ("unknown", {"q_decoy": NAN, "q_value": 0.9, "rank": 30.0}),
        ("untestable", {"q_value": NAN}),
        ("untestable", {"q_value": NAN, "q_decoy": NAN}),
    ],
)
def test_grade_evidence_of_one_gene(grade, change):
    gene = {"q_decoy": 0.05, "q_value": 0.05, "replication": 0.5, "rank": 2.0, "recall": 0.5}
    gene |= change
    recall = np.array([gene.pop("recall"), 1.0])
    tables = {name: np.full((2, 40), value) for name, value in gene.items()}  # top 2 of 40
    evidence = statistics.grade_evidence(**tables, recall=recall, settings=SignificanceSettings())
    assert evidence.shape == (2, 40)
    assert set(evidence[0]) == {grade}


def test_grade_evidence_takes_its_thresholds_from_the_settings():
    one = np.full((1, 20), 0.2)
    strict, lax = SignificanceSettings(), SignificanceSettings(0.2, 0.2, 0.2, 0.2)
    args = (one, one, one, 10 * one, one[:, 0])
    assert set(statistics.grade_evidence(*args, settings=strict).ravel()) == {"none"}
    assert set(statistics.grade_evidence(*args, settings=lax).ravel()) == {"learned"}
