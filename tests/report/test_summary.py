import dataclasses
import math

import numpy as np
import pytest
from made_up_run import finish_run

from tumorcam.report.results import read_run
from tumorcam.report.summary import (
    blind_decoys,
    called_words,
    defined_mean,
    judge_ranking,
    summarise_ranking,
)


@pytest.fixture
def run(tiny_run):
    return read_run(finish_run(tiny_run))


def test_called_words_count_the_expected_errors(run):
    ranking = run.results.ranking(run.first_ranking)

    def words(n_called, low, high):
        called = dataclasses.replace(ranking, n_called=n_called, called_low=low, called_high=high)
        return called_words(called, 12, 0.05)

    text = words(431, 400.0, 1440.0)
    assert text.startswith(
        "431 (tumor, gene) pairs are called at q_decoy ≤ 0.05; 12 of them are graded learned. When "
    )
    assert "drawn again with replacement, 400 to 1,440 are called (5 to 95 %)." in text
    assert "at most 5 % of the called pairs are false: at most 21 of these" in text  # 21.55
    assert "fewer than 1 of these" in words(19, 3.0, 25.0)
    assert words(0, 0.0, 25.0).startswith("No (tumor, gene) pair is called at q_decoy ≤ 0.05. When")
    assert words(0, math.nan, math.nan) == "No (tumor, gene) pair is called at q_decoy ≤ 0.05."


def test_a_blind_ranking_fills_the_top_with_decoys_in_proportion():
    assert blind_decoys(100, 100) == 10  # half of 20 places, each decoy for one gene
    assert blind_decoys(1000, 100) == pytest.approx(20 * (100 / 1100) * 10)
    assert math.isnan(blind_decoys(100, 0))


@pytest.mark.parametrize(
    ("n_learned", "uncalled_share", "decoys", "level"),
    [
        (100, 0.1, 0.5, "network"),
        (100, 0.6, 0.5, "mixed"),
        (0, 1.0, 4.0, "none"),
        (0, 1.0, 9.0, "input"),
        (3, 0.2, 9.0, "input"),
        (0, 0.0, math.nan, "unknown"),
    ],
)
def test_the_verdict_follows_decoys_then_evidence(n_learned, uncalled_share, decoys, level):
    verdict = judge_ranking(
        n_learned,
        uncalled_share=uncalled_share,
        decoys_in_top=decoys,
        blind=18.0,
        guided_own=False,
    )
    assert verdict.level == level
    assert "repeat the input" not in verdict.text


def test_own_views_of_guided_methods_carry_a_warning(run):
    for ranking in run.results.rankings():
        text = summarise_ranking(run, ranking).verdict.text
        guided_own = ranking.method.startswith("guided") and ranking.view == "own"
        assert ("largely repeats the input" in text) == guided_own


def test_a_summary_counts_every_pair_once_and_shows_the_top(run):
    for ranking in run.results.rankings():
        summary = summarise_ranking(run, ranking)
        assert sum(summary.counts.values()) == 4 * 36
        assert sum(tumor.n_learned for tumor in summary.top) == summary.counts["learned"]
        assert summary.n_called == (ranking.q_decoy <= 0.05).sum() >= summary.counts["learned"]
        assert summary.called_low <= summary.called_high
        assert summary.called_at[0.05] == summary.n_called and 0 < summary.called_at[0.2] < 144
        for t, tumor in enumerate(summary.top):
            assert len(tumor.rows) == 20
            best = run.results.genes[ranking.score[t].argmax()]
            assert tumor.rows[0]["gene"] == best
        assert summary.truth is not None


def test_planted_drivers_come_first_in_the_made_up_contrast(run):
    summary = summarise_ranking(run, run.results.ranking(run.first_ranking))
    assert {row["gene"] for row in summary.top[1].rows[:3]} == {"GENE03", "GENE04", "GENE05"}


def test_a_ranking_without_testable_genes_has_no_shares(run):
    ranking = run.results.ranking(run.first_ranking)
    unknown = np.full(ranking.rank.shape, np.nan)
    untestable = np.full(ranking.rank.shape, "untestable")
    summary = summarise_ranking(
        run, dataclasses.replace(ranking, rank=unknown, evidence=untestable)
    )
    assert math.isnan(summary.uncalled_share)
    assert all(not tumor.rows for tumor in summary.top)


def test_the_mean_of_what_is_defined():
    assert defined_mean(np.array([1.0, np.nan, 4.0])) == 2.5
    assert math.isnan(defined_mean(np.array([np.nan]))) and math.isnan(defined_mean(np.empty(0)))
