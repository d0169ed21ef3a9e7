import dataclasses
import math

import numpy as np
import pytest
from made_up_run import finish_run, samples_of

from tumorcam.report import classifier
from tumorcam.report.results import read_run
from tumorcam.significance.classification import ensemble_probability, score_classifier


@pytest.fixture
def run(tiny_run):
    return read_run(finish_run(tiny_run))


@pytest.fixture
def partial_run(tiny_run):
    """The run without some shards, by a test of their keys."""
    whole = read_run(finish_run(tiny_run))

    def read(is_missing):
        names = [key.name for key in whole.plan.shards if is_missing(key)]
        return read_run(finish_run(tiny_run, missing=names))

    return read


def test_the_table_of_classifiers(run):
    summary = classifier.summarise_classifier(run)
    assert [row.name for row in summary.rows] == [
        "Single network (mean of 2)",
        "Ensemble of 2",
        "Logistic regression",
        "Nearest neighbours (5)",
    ]
    probability, tumor = run.results.classification.probability, run.cohort.tumor
    singles = [(replicate.argmax(axis=1) == tumor).mean() for replicate in probability]
    assert summary.rows[0].accuracy == pytest.approx(np.mean(singles))
    ensemble = score_classifier(ensemble_probability(probability), tumor)
    assert summary.rows[1].macro_f1 == ensemble.macro_f1
    assert summary.rows[1].merged_accuracy >= summary.rows[1].accuracy  # COAD and READ are there
    assert summary.has_merged
    assert sum(row["samples"] for row in summary.sources) == 48
    assert summary.confounded == []


def test_the_share_through_the_convolutions_is_told_where_there_is_a_skip_path(run):
    assert classifier.summarise_classifier(run).paths == ""
    model = dataclasses.replace(run.config.model, skip="linear")
    skip = dataclasses.replace(run, config=dataclasses.replace(run.config, model=model))
    paths = classifier.summarise_classifier(skip).paths
    assert "account for 25 % of the logits" in paths and "goes past the convolutions" in paths
    assert "and Grad-CAM maps show the smaller part of it." in paths
    first, *others = run.networks
    networks = {first: dataclasses.replace(run.networks[first], convolution_share=0.85)}
    networks |= {key: run.networks[key] for key in others}
    paths = classifier.summarise_classifier(dataclasses.replace(skip, networks=networks)).paths
    assert "account for 40 % of the logits" in paths, "the mean over four networks"
    assert "goes past" not in paths


def test_without_read_nothing_is_merged(run):
    names = np.array(["A", "B", "COAD", "D"])
    probability = run.results.classification.probability[0]
    row = classifier.classifier_row("", probability, run.cohort.tumor, names)
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


def test_networks_clearly_below_logistic_regression_are_told_what_may_help(tiny_config):
    regression = np.ones(100, dtype=bool)
    networks = regression.copy()
    networks[:4] = False
    assert classifier.shortfall_of(networks, regression, tiny_config, n_replicates=2) is None
    networks[:6] = False
    regression[6] = False  # 6 of 7 pairs: p = 8 / 128
    assert classifier.shortfall_of(networks, regression, tiny_config, n_replicates=2) is None
    networks[7] = False  # 7 of 8: p = 9 / 256
    shortfall = classifier.shortfall_of(networks, regression, tiny_config, n_replicates=2)
    assert (shortfall.only_regression, shortfall.only_networks) == (7, 1)
    assert shortfall.p_value == pytest.approx(9 / 256)
    assert shortfall.remedies[0] == "raise layout.replicates (now 2)"
    assert "set layout.spacing = 2 (now 1)" in shortfall.remedies
    layout = dataclasses.replace(tiny_config.layout, spacing=2)
    model = dataclasses.replace(tiny_config.model, skip="linear")
    spaced = dataclasses.replace(tiny_config, layout=layout, model=model)
    left = classifier.shortfall_of(networks, regression, spaced, n_replicates=6).remedies
    assert left == [
        "lower training.input_dropout (now 0.5), although that called fewer genes elsewhere"
    ]
    training = dataclasses.replace(tiny_config.training, input_dropout=0.0)
    accurate = dataclasses.replace(spaced, training=training)
    left = classifier.shortfall_of(networks, regression, accurate, n_replicates=6).remedies
    assert left == ["add samples, since no setting that helped elsewhere is left"]
    assert classifier.shortfall_of(regression, networks, tiny_config, n_replicates=2) is None


def share_correct(probability, tumor):
    """Slow and obvious: the share of correct calls among the samples that have a probability."""
    calls = [
        row.argmax() == own for row, own in zip(probability, tumor, strict=True) if row[0] == row[0]
    ]
    return sum(calls) / len(calls)


def slow_ensemble(probability):
    """The mean of each sample's replicates that are not NaN."""
    means = np.full(probability.shape[1:], np.nan)
    for sample in range(probability.shape[1]):
        rows = [row for row in probability[:, sample].astype(float) if row[0] == row[0]]
        if rows:
            means[sample] = sum(rows) / len(rows)
    return means


def check_accuracies(run):
    """Every accuracy of a partial run with two replicates agrees with a slow count."""
    rows = {row.name: row for row in classifier.summarise_classifier(run).rows}
    tumor, probability = run.cohort.tumor, run.results.classification.probability
    singles = [share_correct(replicate, tumor) for replicate in probability]
    assert rows["Single network (mean of 2)"].accuracy == pytest.approx(np.mean(singles))
    ensemble = slow_ensemble(probability)
    assert rows["Ensemble of 2"].accuracy == pytest.approx(share_correct(ensemble, tumor))
    logistic = np.where(np.isnan(ensemble), np.nan, run.baselines.logistic_regression)
    assert rows["Logistic regression"].accuracy == pytest.approx(share_correct(logistic, tumor))


def test_without_one_shard_its_samples_count_in_the_other_replicate(partial_run):
    run = partial_run(lambda key: key.name == "r00-f00-b0000")
    check_accuracies(run)
    summary = classifier.summarise_classifier(run)
    assert summary.scores.n.sum() == 48, "all samples are explained by one replicate at least"
    assert sum(row["samples"] for row in summary.sources) == 48


def test_a_replicate_that_is_missing_as_a_whole_is_left_out(partial_run):
    run = partial_run(lambda key: key.replicate == 0)
    summary = classifier.summarise_classifier(run)
    assert [row.name for row in summary.rows] == [
        "Single network (mean of 1)",
        "Logistic regression",
        "Nearest neighbours (5)",
    ]
    alone = score_classifier(run.results.classification.probability[1], run.cohort.tumor)
    assert summary.rows[0].accuracy == summary.scores.accuracy == alone.accuracy
    assert summary.rows[0].macro_f1 == alone.macro_f1
    assert summary.scores.n.sum() == 48
    for row in summary.rows:
        assert not any(math.isnan(value) for value in dataclasses.astuple(row)[1:])


def test_without_a_fold_the_other_samples_count(partial_run):
    run = partial_run(lambda key: key.fold == 0)
    check_accuracies(run)
    summary = classifier.summarise_classifier(run)
    others = run.cohort.fold != 0
    assert summary.scores.n.sum() == others.sum()
    logistic = score_classifier(run.baselines.logistic_regression[others], run.cohort.tumor[others])
    assert summary.rows[2].macro_f1 == logistic.macro_f1


def test_no_sample_need_be_explained_by_all_replicates(partial_run):
    """Replicate 0 lacks fold 0, and replicate 1 fold 1."""
    run = partial_run(lambda key: key.replicate == key.fold)
    check_accuracies(run)
    summary = classifier.summarise_classifier(run)
    assert summary.scores.n.sum() == 48
    assert not math.isnan(summary.rows[0].balanced_accuracy)
    first = run.plan.shards[0]
    assert np.isnan(run.results.classification.probability[0, samples_of(run.cohort, first)]).all()


def test_the_page_says_when_baselines_learned_from_a_part_of_the_samples():
    assert classifier.learned_words(np.repeat([0, 1], [10_000, 9_000])) == ""
    words = classifier.learned_words(np.repeat([0, 1, 2], [10_000, 9_000, 2_345]))
    assert "10,000 of up to 19,000 training samples" in words
