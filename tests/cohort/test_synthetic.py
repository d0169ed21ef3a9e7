# SPDX-License-Identifier: MIT
"""The synthetic cohort: its distributions, its planted drivers, and its files."""

import dataclasses
import functools
import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import LogisticRegression

from tumorcam.cohort.synthetic import (
    CONFUSABLE_PAIRS,
    SyntheticCohort,
    synthesize_cohort,
)
from tumorcam.cohort.synthetic_files import write_synthetic_cohort
from tumorcam.errors import ConfigError
from tumorcam.settings import SynthesizeSettings
from tumorcam.settings.config import rng_for
from tumorcam.storage.run_folder import SyntheticInput

DEMO = SynthesizeSettings()
SMALL = SynthesizeSettings(
    tumors=("COAD", "READ", "BRCA"), samples_per_tumor=40, genes=200, drivers=6
)
FILES = ("expression.tsv.gz", "samples.tsv", "truth.csv")


@functools.cache
def demo() -> SyntheticCohort:
    return synthesize_cohort(DEMO, rng_for(1, "synthesize"))


def small(seed: int = 0, **changes: object) -> SyntheticCohort:
    return synthesize_cohort(dataclasses.replace(SMALL, **changes), np.random.default_rng(seed))


def drivers_table(cohort: SyntheticCohort) -> pd.DataFrame:
    return cohort.truth[cohort.truth["role"] == "driver"]


def drivers_of(cohort: SyntheticCohort) -> dict[str, set[str]]:
    return drivers_table(cohort).groupby("tumor")["gene"].agg(set).to_dict()


def gene_columns(cohort: SyntheticCohort, genes: set[str]) -> list[int]:
    return [column for column, gene in enumerate(cohort.genes) if gene in genes]


def most_variable(cohort: SyntheticCohort, n_genes: int) -> np.ndarray:
    return np.sort(np.argsort(-cohort.log2_expression.var(axis=0))[:n_genes])


def realised_effects(cohort: SyntheticCohort) -> pd.Series:
    """Each planted driver's mean shift over the tumors that do not have it, in those tumors' SD."""
    return shifts_of(cohort, drivers_table(cohort))


def shifts_of(cohort: SyntheticCohort, planted: pd.DataFrame) -> pd.Series:
    """The same of some rows of the truth."""
    expression = pd.DataFrame(cohort.log2_expression, columns=cohort.genes)
    tumor = cohort.samples["tumor"]
    owners = cohort.truth.groupby("gene")["tumor"].agg(list)
    shifts = [
        (expression.loc[tumor == row.tumor, row.gene].mean() - rest.mean()) / rest.std()
        for row in planted.itertuples()
        for rest in [expression.loc[~tumor.isin(owners[row.gene]), row.gene]]
    ]
    return pd.Series(shifts, index=planted["tumor"])


def held_out_prediction(cohort: SyntheticCohort, n_genes: int) -> np.ndarray:
    """Tumor that logistic regression predicts for each sample from the half without it."""
    expression = cohort.log2_expression[:, most_variable(cohort, n_genes)]
    tumor = cohort.samples["tumor"].to_numpy()
    fold = cohort.samples.groupby("tumor").cumcount().to_numpy() % 2  # samples are shuffled
    predicted = np.empty_like(tumor)
    for held_out in (fold == 0, fold == 1):
        train = expression[~held_out]
        scaled = (expression - train.mean(axis=0)) / train.std(axis=0)
        model = LogisticRegression(C=1, max_iter=200).fit(scaled[~held_out], tumor[~held_out])
        predicted[held_out] = model.predict(scaled[held_out])
    return predicted


def test_demo_has_the_stated_shape_and_range():
    cohort = demo()
    assert cohort.log2_expression.shape == (22 * 60, 1500)
    assert cohort.log2_expression.dtype == np.float32
    assert np.isfinite(cohort.log2_expression).all()
    assert cohort.log2_expression.min() == 0
    assert (cohort.samples["tumor"].value_counts() == 60).all()
    assert (cohort.samples["sample_type"] == "01").all()
    assert cohort.samples["sample"].is_unique
    assert cohort.samples["patient"].is_unique
    assert cohort.samples["sample"].str.fullmatch(r"TCGA-[0-9A-Z]{2}-[0-9A-Z]{4}-01").all()


def test_marginals_look_like_expression():
    expression = demo().log2_expression
    zeros = (expression == 0).mean(axis=0)
    mean, sd = expression.mean(axis=0), expression.std(axis=0)
    assert 0.1 < zeros.mean() < 0.3
    assert zeros[mean > 8].max() < 0.02
    assert zeros[mean < 0.5].min() > 0.5
    expressed = mean > 5
    assert stats.spearmanr(mean[expressed], sd[expressed]).statistic < -0.15
    correlation = np.corrcoef(expression[:, expressed], rowvar=False)
    pairs = np.abs(correlation[np.triu_indices_from(correlation, k=1)])
    assert 0.005 < (pairs > 0.3).mean() < 0.1  # modules: few pairs of genes, but clearly


def test_equal_seeds_give_equal_cohorts_and_other_seeds_do_not():
    first, again, other = small(3), small(3), small(4)
    np.testing.assert_array_equal(first.log2_expression, again.log2_expression)
    pd.testing.assert_frame_equal(first.samples, again.samples)
    pd.testing.assert_frame_equal(first.truth, again.truth)
    assert not np.array_equal(first.log2_expression, other.log2_expression)
    assert not first.truth.equals(other.truth)


def test_planted_effect_is_two_sd():
    effects = realised_effects(demo())
    assert drivers_table(demo())["effect"].eq(2).all()
    assert effects.mean() == pytest.approx(2, abs=0.08)
    assert effects.groupby(level=0).mean().between(1.6, 2.4).all()
    assert effects.between(1, 3).all()


@pytest.mark.parametrize("effect", [0.0, 1.0, 4.0])
def test_effect_is_what_the_settings_say(effect):
    effects = realised_effects(small(effect=effect, samples_per_tumor=400))
    assert effects.mean() == pytest.approx(effect, abs=0.1 + 0.05 * effect)


def test_proxies_have_a_part_of_their_drivers_shift():
    """By their correlation, which is below 1 in absolute value; some fall."""
    cohort = demo()
    proxies = cohort.truth[cohort.truth["role"] == "proxy"]
    assert proxies["tumor"].value_counts().between(15, 40).all(), "two of each driver in a module"
    assert not set(proxies["gene"]) & set(drivers_table(cohort)["gene"])
    assert (proxies["effect"].abs() <= 2 * 0.8**2).all() and (proxies["effect"] < 0).any()
    shifts = shifts_of(cohort, proxies).to_numpy()
    assert np.corrcoef(shifts, proxies["effect"])[0, 1] > 0.9
    assert np.polyfit(proxies["effect"], shifts, 1)[0] == pytest.approx(1, abs=0.1)


def test_without_proxies_drivers_and_labels_are_the_same():
    with_proxies, without = small(5), small(5, proxies=0)
    pd.testing.assert_frame_equal(drivers_table(with_proxies), without.truth)
    pd.testing.assert_frame_equal(with_proxies.samples, without.samples)


def test_genes_that_are_no_drivers_do_not_differ_between_tumors():
    cohort = demo()
    planted = set(cohort.truth["gene"])
    others = gene_columns(cohort, set(cohort.genes) - planted)
    groups = cohort.samples.groupby("tumor").indices.values()
    p_values = stats.f_oneway(*(cohort.log2_expression[rows][:, others] for rows in groups)).pvalue
    assert np.nanmean(p_values < 0.01) < 0.03
    assert np.nanmin(p_values) > 1e-7


def test_batches_and_order_say_nothing_of_the_tumor():
    samples = demo().samples
    table = pd.crosstab(samples["tumor"], samples["batch"])
    assert table.shape == (22, 4)
    assert stats.chi2_contingency(table).pvalue > 0.001
    positions = samples.groupby("tumor").indices.values()
    assert stats.kruskal(*positions).pvalue > 0.001
    site = samples["patient"].str.slice(5, 7)
    assert site.nunique() == 4
    assert (site.groupby(samples["batch"]).nunique() == 1).all()


def test_batches_shift_genes():
    cohort = demo()
    expressed = cohort.log2_expression[:, cohort.log2_expression.mean(axis=0) > 5]
    groups = cohort.samples.groupby("batch").indices.values()
    p_values = stats.f_oneway(*(expressed[rows] for rows in groups)).pvalue
    assert (p_values < 0.01).mean() > 0.8


def test_each_driver_serves_one_tumor_or_one_pair():
    drivers = drivers_of(demo())
    assert all(len(genes) == 20 for genes in drivers.values())
    assert set(drivers) == set(DEMO.tumors)
    for first in DEMO.tumors:
        for second in DEMO.tumors:
            if first < second:
                shared = 10 if (first, second) in CONFUSABLE_PAIRS else 0
                assert len(drivers[first] & drivers[second]) == shared


@pytest.mark.parametrize(("share", "n_shared"), [(0.0, 0), (0.5, 3), (0.8, 5), (1.0, 6)])
def test_pairs_share_the_stated_part(share, n_shared):
    drivers = drivers_of(small(shared_drivers=share))
    assert len(drivers["COAD"] & drivers["READ"]) == n_shared
    assert not drivers["BRCA"] & (drivers["COAD"] | drivers["READ"])


def test_half_a_pair_shares_nothing_and_is_as_strong_as_any_tumor():
    cohort = small(tumors=("READ", "BRCA"), samples_per_tumor=400)
    assert drivers_table(cohort)["gene"].is_unique
    effects = realised_effects(cohort).groupby(level=0).mean()
    assert effects["READ"] == pytest.approx(effects["BRCA"], abs=0.3)


@pytest.mark.parametrize("n_genes", [850, 1050])
def test_variance_filter_keeps_the_drivers(n_genes):
    kept = {demo().genes[column] for column in most_variable(demo(), n_genes)}
    assert drivers_table(demo())["gene"].isin(kept).mean() > 0.98


def test_permuted_labels_keep_all_but_the_labels():
    real, null = small(), small(permute_labels=True)
    np.testing.assert_array_equal(real.log2_expression, null.log2_expression)
    pd.testing.assert_frame_equal(real.truth, null.truth)
    rest = ["sample", "patient", "sample_type", "batch"]
    pd.testing.assert_frame_equal(real.samples[rest], null.samples[rest])
    assert sorted(real.samples["tumor"]) == sorted(null.samples["tumor"])
    agreement = (real.samples["tumor"] == null.samples["tumor"]).mean()
    assert agreement == pytest.approx(1 / 3, abs=0.15)
    assert np.abs(realised_effects(null)).max() < 1


def test_logistic_regression_finds_the_demo_hard_enough_but_not_too_hard():
    tumor = demo().samples["tumor"].to_numpy()
    predicted = held_out_prediction(demo(), n_genes=950)
    assert 0.93 <= (predicted == tumor).mean() <= 0.98
    pairs = {frozenset(pair) for pair in CONFUSABLE_PAIRS}
    wrong = predicted != tumor
    in_pair = [frozenset(p) in pairs for p in zip(tumor[wrong], predicted[wrong], strict=True)]
    assert np.mean(in_pair) > 0.5


def test_permuted_labels_leave_chance_accuracy():
    cohort = small(permute_labels=True, samples_per_tumor=100)
    correct = held_out_prediction(cohort, n_genes=150) == cohort.samples["tumor"].to_numpy()
    assert stats.binomtest(int(correct.sum()), correct.size, 1 / 3).pvalue > 0.001


def test_t_test_finds_the_drivers():
    cohort = demo()
    tumor = cohort.samples["tumor"].to_numpy()
    kept = most_variable(cohort, 950)
    genes, expression = np.array(cohort.genes)[kept], cohort.log2_expression[:, kept]
    precision = []
    for name, drivers in drivers_of(cohort).items():
        mine = tumor == name
        t = stats.ttest_ind(expression[mine], expression[~mine], equal_var=False).statistic
        top = genes[np.argsort(-t)[:20]]
        precision.append(np.isin(top, list(drivers)).mean())
    assert np.mean(precision) > 0.95


@hypothesis_settings(max_examples=25)
@given(
    tumors=st.lists(st.sampled_from(DEMO.tumors), min_size=1, max_size=5, unique=True),
    samples_per_tumor=st.integers(4, 12),
    genes=st.integers(120, 200),
    drivers=st.integers(1, 6),
    effect=st.floats(0, 6),
    shared_drivers=st.floats(0, 1),
    batches=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_settings_give_a_whole_cohort(seed, tumors, **others):
    settings = SynthesizeSettings(tumors=tuple(tumors), **others)
    cohort = synthesize_cohort(settings, np.random.default_rng(seed))
    n_samples = len(tumors) * settings.samples_per_tumor
    assert cohort.log2_expression.shape == (n_samples, settings.genes)
    assert np.isfinite(cohort.log2_expression).all()
    assert (cohort.log2_expression >= 0).all()
    assert len(set(cohort.genes)) == settings.genes
    assert set(cohort.truth["gene"]) <= set(cohort.genes)
    assert not cohort.truth.duplicated(["tumor", "gene"]).any()
    assert drivers_table(cohort)["tumor"].value_counts().to_dict() == dict.fromkeys(
        tumors, settings.drivers
    )
    assert sorted(cohort.samples["tumor"]) == sorted(tumors * settings.samples_per_tumor)
    assert cohort.samples["batch"].nunique() <= settings.batches


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"drivers": 90}, "raise synthesize.genes"),
        ({"tumors": ()}, "name at least one tumor"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        small(**changes)


def test_files_read_back(tmp_path):
    cohort = small()
    write_synthetic_cohort(cohort, SyntheticInput(tmp_path / "input"))
    assert sorted(path.name for path in (tmp_path / "input").iterdir()) == sorted(FILES)
    expression = pd.read_csv(tmp_path / "input" / "expression.tsv.gz", sep="\t", index_col="sample")
    assert tuple(expression.index) == cohort.genes
    assert expression.columns.tolist() == cohort.samples["sample"].tolist()
    np.testing.assert_allclose(expression.to_numpy().T, cohort.log2_expression, atol=5.1e-5)
    samples = pd.read_csv(tmp_path / "input" / "samples.tsv", sep="\t", dtype=str)
    pd.testing.assert_frame_equal(samples, cohort.samples, check_dtype=False)
    truth = pd.read_csv(tmp_path / "input" / "truth.csv")
    pd.testing.assert_frame_equal(truth, cohort.truth, check_dtype=False)


def test_values_have_four_decimals(tmp_path):
    hand_made = SyntheticCohort(
        log2_expression=np.array([[0, 1.5], [12.34567, 0.00004]], dtype=np.float32),
        genes=("GENE0001", "GENE0002"),
        samples=pd.DataFrame({"sample": ["TCGA-01-0001-01", "TCGA-02-0002-01"]}),
        truth=pd.DataFrame({"tumor": ["BRCA"], "gene": ["GENE0002"], "effect": [2.0]}),
    )
    write_synthetic_cohort(hand_made, SyntheticInput(tmp_path))
    assert gzip.decompress((tmp_path / "expression.tsv.gz").read_bytes()).decode() == (
        "sample\tTCGA-01-0001-01\tTCGA-02-0002-01\n"
        "GENE0001\t0.0000\t12.3457\n"
        "GENE0002\t1.5000\t0.0000\n"
    )
    assert (tmp_path / "truth.csv").read_bytes() == b"tumor,gene,effect\nBRCA,GENE0002,2.0\n"


def test_equal_cohorts_give_equal_bytes_over_earlier_files(tmp_path):
    write_synthetic_cohort(small(), SyntheticInput(tmp_path / "one"))
    write_synthetic_cohort(small(seed=9), SyntheticInput(tmp_path / "two"))
    write_synthetic_cohort(small(), SyntheticInput(tmp_path / "two"))
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
