from dataclasses import replace

import numpy as np
import pytest
from made_up_run import finish_run

from tumorcam.cohort.cohort import read_cohort
from tumorcam.errors import ConfigError, DamageError
from tumorcam.explain.views import RankingKey
from tumorcam.report.gene_text import (
    describe_gene,
    describe_learned,
    gene_answer,
    gene_table,
    mean_expression,
)
from tumorcam.report.results import read_results
from tumorcam.storage.run_folder import RunFolder

KEY = RankingKey("gradient_x_input", "contrast")
DRIVER = 4  # GENE04, of BRCA


@pytest.fixture
def config(tiny_run):
    """A finished run whose threshold is one that its few decoys allow."""
    significance = replace(tiny_run.significance, q_decoy=0.3)
    return finish_run(replace(tiny_run, significance=significance))


@pytest.fixture
def cohort(config):
    return read_cohort(RunFolder.of(config).cohort, config)


@pytest.fixture
def results(config, cohort):
    return read_results(RunFolder.of(config), cohort, config)


def line_of(text, start):
    (line,) = (line for line in text.splitlines() if line.split()[:1] == [start])
    return line


def test_a_driver_is_first_and_learned_in_its_tumor(cohort, results):
    answer = gene_answer(cohort, results, KEY, DRIVER)
    lines = answer.text.splitlines()
    assert lines[0].startswith("GENE04: variance ") and lines[0].endswith(" of 36 genes")
    assert lines[1:3] == [
        "learned in 1 of 4 tumors (Gradient × input, contrast)",
        "  expressed higher than in the others: BRCA",
    ]
    table, ranking = answer.table, results.ranking(KEY)
    first = table.iloc[0]
    assert (first["tumor"], first["gene"], first["evidence"]) == ("BRCA", "GENE04", "learned")
    assert first["rank"] == ranking.rank[1, DRIVER] <= 3
    assert sorted(table["tumor"]) == ["ACC", "BRCA", "COAD", "READ"]
    assert table["rank"].is_monotonic_increasing
    row = line_of(answer.text, "BRCA").split()
    rank = f"{first['rank']:g} ({first['rank_low']:.0f}-{first['rank_high']:.0f})"
    assert row[1] == f"{first['score']:.3g}" and " ".join(row[2:4]) == rank
    assert row[-1] == f"{results.expression_auroc[1, DRIVER]:.2f}"
    assert row[-2] == f"{results.log2_fold_change[1, DRIVER]:+.2f}"


def test_every_number_of_the_table_is_that_of_the_ranking(cohort, results):
    ranking = results.ranking(KEY)
    table = gene_table(cohort, results, ranking, DRIVER).set_index("tumor").loc[cohort.tumors]
    for name in ("score", "rank_low", "rank_high", "margin", "q_decoy", "q_value", "replication"):
        assert np.array_equal(table[name], getattr(ranking, name)[:, DRIVER], equal_nan=True)
    assert table["evidence"].tolist() == ranking.evidence[:, DRIVER].tolist()
    difference = table["mean_inside"] - table["mean_outside"]
    np.testing.assert_allclose(difference, results.log2_fold_change[:, DRIVER], rtol=1e-6)
    expression = cohort.expression()[:, DRIVER]
    is_brca = cohort.tumor == 1
    np.testing.assert_allclose(table.loc["BRCA", "mean_inside"], expression[is_brca].mean())
    np.testing.assert_allclose(table.loc["BRCA", "mean_outside"], expression[~is_brca].mean())
    assert not table["partial"].any()


def test_each_other_ranking_has_a_line_with_its_tumors(cohort, results):
    text = gene_answer(cohort, results, KEY, DRIVER).text
    for key in results.keys:
        tumors = cohort.tumors[results.ranking(key).evidence[:, DRIVER] == "learned"]
        words = f"{key.title}: learned in {', '.join(tumors) or 'no tumor'}"
        assert (words in text.splitlines()) == (key != KEY)
    assert text.count(": learned in ") == len(results.keys) - 1


def test_a_gene_that_is_learned_nowhere_has_the_direction_of_its_best_rank(cohort, results):
    table = gene_table(cohort, results, results.ranking(KEY), DRIVER).assign(evidence="none")
    table.loc[0, "log2_fold_change"] = -0.5
    assert describe_learned(table, KEY) == [
        "learned in 0 of 4 tumors (Gradient × input, contrast)",
        "  in the tumor of its best rank expressed lower than in the others: BRCA",
    ]
    unranked = table.assign(rank=np.nan, evidence="untestable")
    assert describe_learned(unranked, KEY)[1:] == []


def test_high_and_low_expression_are_told_apart(cohort, results):
    table = gene_table(cohort, results, results.ranking(KEY), DRIVER).assign(evidence="learned")
    table["log2_fold_change"] = [1.0, -1.0, 0.0, np.nan]
    tumors = table["tumor"].tolist()
    assert describe_learned(table, KEY)[1:] == [
        f"  expressed higher than in the others: {tumors[0]}",
        f"  expressed lower than in the others: {tumors[1]}",
        f"  expressed as in the others: {tumors[2]}",
    ]


def test_variance_entrapment_and_constancy_are_said(cohort):
    variance = np.arange(36.0)
    is_entrapped = np.arange(36) == 3
    edited = replace(cohort, variance=variance, is_entrapped=is_entrapped)
    assert describe_gene(edited, 35) == ["GENE35: variance 35, rank 1 of 36 genes"]
    line, entrapped = describe_gene(edited, 3)
    assert line.endswith("rank 33 of 36 genes") and entrapped.startswith("entrapped: ")
    assert describe_gene(edited, 0)[1].startswith("constant: it has one value in all samples")


def test_a_tumor_without_samples_has_unknown_means(cohort):
    lacking = replace(cohort, tumors=np.append(cohort.tumors, "UVM"))
    mean = mean_expression(lacking, DRIVER)
    assert np.isnan(mean.inside[4]) and not np.isnan(mean.inside[:4]).any()
    np.testing.assert_allclose(mean.outside[4], cohort.expression()[:, DRIVER].mean(), rtol=1e-6)
    alone = mean_expression(replace(cohort, tumors=cohort.tumors[:1], tumor=cohort.tumor * 0), 0)
    assert np.isnan(alone.outside).all()


def test_a_partial_run_says_so(tiny_run):
    config = finish_run(tiny_run, missing=["r00-f00-b0000"])
    cohort = read_cohort(RunFolder.of(config).cohort, config)
    results = read_results(RunFolder.of(config), cohort, config)
    answer = gene_answer(cohort, results, KEY, DRIVER)
    assert "partial: 1 shards were missing when reduce ran" in answer.text
    assert answer.table["partial"].all()


def test_a_ranking_must_have_been_computed_and_be_whole(cohort, results):
    with pytest.raises(ConfigError, match="smooth_grad/own was not computed"):
        gene_answer(cohort, results, RankingKey("smooth_grad", "own"), 0)
    results.path.write_bytes(results.path.read_bytes()[:-10])
    with pytest.raises(DamageError, match="run `tumorcam reduce`"):
        results.evidence(KEY, 0)
