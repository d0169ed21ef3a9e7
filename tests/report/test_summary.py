import dataclasses
import math

import numpy as np
import pytest
from made_up_run import finish_run

from tumorcam.report import classifier
from tumorcam.report.results import read_run
from tumorcam.report.summary import blind_decoys, called_words, judge_ranking, summarise_ranking
from tumorcam.significance.classification import ensemble_probability, score_classifier


@pytest.fixture
def run(tiny_run):
    return read_run(finish_run(tiny_run))


def test_called_words_count_the_expected_errors():
    words = called_words(431, 0.05)
    assert "Of 431 (tumor, gene) pairs" in words
    assert "at most 5 % (about 22)" in words  # 21.55
    assert called_words(0, 0.05) == "No (tumor, gene) pair is graded learned."


def test_a_blind_ranking_fills_the_top_with_decoys_in_proportion():
    assert blind_decoys(100, 100) == 10  # half of 20 places, each decoy for one gene
    assert blind_decoys(1000, 100) == pytest.approx(20 * (100 / 1100) * 10)
    assert math.isnan(blind_decoys(100, 0))


@pytest.mark.parametrize(
    ("n_learned", "expression_share", "decoys", "level"),
    [
        (100, 0.1, 0.5, "network"),
        (100, 0.6, 0.5, "mixed"),
        (0, 1.0, 4.0, "none"),
        (0, 1.0, 9.0, "input"),
        (3, 0.2, 9.0, "input"),
        (0, 0.0, math.nan, "unknown"),
    ],
)
def test_the_verdict_follows_decoys_then_evidence(n_learned, expression_share, decoys, level):
    verdict = judge_ranking(
        n_learned,
        expression_share=expression_share,
        decoys_in_top=decoys,
        blind=18.0,
        guided_own=False,
    )
    assert verdict.level == level
    assert "re-read the input" not in verdict.text


def test_own_views_of_guided_methods_carry_a_warning(run):
    for ranking in run.results.rankings():
        text = summarise_ranking(run, ranking).verdict.text
        guided_own = ranking.method.startswith("guided") and ranking.view == "own"
        assert ("re-read the input" in text) == guided_own


def test_a_summary_counts_every_pair_once_and_shows_the_top(run):
    for ranking in run.results.rankings():
        summary = summarise_ranking(run, ranking)
        assert sum(summary.counts.values()) == 4 * 36
        assert sum(tumor.n_learned for tumor in summary.top) == summary.counts["learned"]
        for t, tumor in enumerate(summary.top):
            assert len(tumor.rows) == 20
            best = run.results.genes[ranking.statistics["score"][t].argmax()]
            assert tumor.rows[0]["gene"] == best
        assert summary.truth is not None


def test_planted_drivers_come_first_in_the_made_up_contrast(run):
    summary = summarise_ranking(run, run.results.ranking("gradient_x_input", "contrast"))
    assert {row["gene"] for row in summary.top[1].rows[:3]} == {"GENE03", "GENE04", "GENE05"}


def test_the_table_of_classifiers(run):
    summary = classifier.summarise_classifier(run)
    assert [row.name for row in summary.rows] == [
        "Single network (mean of 2)",
        "Ensemble of 2",
        "Logistic regression",
        "Nearest neighbours (5)",
    ]
    probability, tumor = run.results.probability, run.cohort.tumor
    singles = [(one.argmax(axis=1) == tumor).mean() for one in probability]
    assert summary.rows[0].accuracy == pytest.approx(np.mean(singles))
    ensemble = score_classifier(ensemble_probability(probability), tumor)
    assert summary.rows[1].macro_f1 == ensemble.macro_f1
    assert summary.rows[1].merged_accuracy >= summary.rows[1].accuracy  # COAD and READ are there
    assert summary.has_merged
    assert sum(row["samples"] for row in summary.sources) == 48
    assert summary.confounded == []


def test_without_read_nothing_is_merged(run):
    names = np.array(["A", "B", "COAD", "D"])
    row = classifier.classifier_row("", run.results.probability[0], run.cohort.tumor, names)
    assert math.isnan(row.merged_accuracy)


def test_a_tumor_of_one_source_is_named(run):
    source = np.where(run.cohort.tumor == 1, "east", run.cohort.source)
    moved = dataclasses.replace(run, cohort=dataclasses.replace(run.cohort, source=source))
    assert classifier.summarise_classifier(moved).confounded == ["BRCA"]


@pytest.mark.parametrize(
    ("n", "sizes"), [(1, []), (2, [2]), (3, [3]), (8, [3, 6, 8]), (13, [3, 6, 12, 13])]
)
def test_ensembles_double_up_to_all(n, sizes):
    assert classifier.ensemble_sizes(n) == sizes
