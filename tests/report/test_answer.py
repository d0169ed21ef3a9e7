import dataclasses

import numpy as np
import pytest
from edited_files import edited
from made_up_run import finish_run

from tumorcam.report.answer import BAD, FAIR, GOOD, answer, still_improving, verdict_level
from tumorcam.report.classifier import summarise_classifier
from tumorcam.report.faithfulness import read_checks, summarise_checks
from tumorcam.report.results import read_run
from tumorcam.report.summary import Verdict, summarise_ranking


@pytest.fixture
def config(tiny_run):
    return finish_run(tiny_run)


def parts(config):
    run = read_run(config)
    first = summarise_ranking(run, run.results.ranking(run.first_ranking))
    record = read_checks(run)
    checks = summarise_checks(record, run) if record else None
    return run, first, summarise_classifier(run), checks


def with_learned(config, n_learned):
    """The parts of the answer, with the first n genes of BRCA graded learned."""
    with edited(config.folder / "significance.h5") as file:
        group = file["gradient_x_input/contrast"]
        evidence = np.full((4, 36), b"none", dtype="S20")
        evidence[1, :n_learned] = b"learned"
        group["evidence"][...] = evidence
        group.attrs["n_called"] = n_learned
        group.attrs["too_few_decoys"] = False
    run, first, classifier, checks = parts(config)
    first = dataclasses.replace(first, verdict=Verdict("network", "Reflects the network."))
    return run, first, dataclasses.replace(classifier, shortfall=None), checks


def with_accuracy(classifier, networks, regression):
    rows = [
        dataclasses.replace(row, accuracy=regression) if row.name == "Logistic regression" else row
        for row in classifier.rows
    ]
    scores = dataclasses.replace(classifier.scores, accuracy=networks)
    return dataclasses.replace(classifier, rows=rows, scores=scores)


def test_a_good_run_can_be_believed(config):
    run, first, classifier, checks = with_learned(config, 3)
    sentences = answer(run, first, with_accuracy(classifier, 0.95, 0.94), checks)
    assert sentences.level == GOOD
    assert sentences.result == (
        "The networks use 3 genes to recognise 1 of 4 tumor types (3 pairs of tumor and gene), of "
        "which about 5 % or fewer should be false."
    )
    assert sentences.belief.startswith("Believe it as a statement about these networks: the decoys")
    assert sentences.next_step.startswith("Open learned.csv")


def test_networks_far_below_logistic_regression_are_red(config):
    run, first, classifier, checks = with_learned(config, 3)
    sentences = answer(run, first, with_accuracy(classifier, 0.5, 0.94), checks)
    assert sentences.level == BAD
    assert sentences.belief == (
        "Believe the listed genes, but not that the list is complete: the networks call 50.0 % of "
        "the samples correctly, logistic regression 94.0 %."
    )
    assert sentences.reasons[0].level == BAD


def test_a_ranking_that_follows_the_input_is_not_to_be_relied_on(config):
    run, first, classifier, checks = with_learned(config, 3)
    first = dataclasses.replace(first, verdict=Verdict("input", "Reflects the input."))
    sentences = answer(run, first, with_accuracy(classifier, 0.95, 0.94), checks)
    assert sentences.level == BAD
    assert sentences.belief == "Do not rely on the list: the decoys below speak against it."


def test_without_a_learned_gene_nothing_is_claimed(config):
    run, first, classifier, checks = with_learned(config, 0)
    first = dataclasses.replace(first, called_at={0.2: 0})
    sentences = answer(run, first, with_accuracy(classifier, 0.95, 0.94), checks)
    assert sentences.result.startswith("No gene of the 4 tumor types can be said to drive")
    assert sentences.belief.startswith("This does not show that no gene matters")
    assert sentences.next_step == (
        "Set layout.spacing = 2 and run again, so that neighbours on the image do not mix."
    )


def test_too_few_decoys_ask_for_more_of_them(config):
    run, first, classifier, checks = with_learned(config, 0)
    first = dataclasses.replace(first, too_few_decoys=True)
    sentences = answer(run, first, with_accuracy(classifier, 0.95, 0.94), checks)
    assert sentences.next_step == 'Place more decoys: set layout.decoys = "all" and run again.'


def test_unstable_genes_ask_for_more_layouts(config):
    run, first, classifier, checks = with_learned(config, 3)
    first = dataclasses.replace(first, counts=dict(first.counts) | {"unstable": 4})
    sentences = answer(run, first, with_accuracy(classifier, 0.95, 0.94), checks)
    assert sentences.next_step.startswith("Train more layouts: raise layout.replicates above 2")


def test_missing_shards_come_before_everything_else(tiny_run):
    config = finish_run(tiny_run, missing=["r00-f00-b0000"])
    sentences = answer(*parts(config))
    assert (
        sentences.next_step
        == "Finish the run first: run tumorcam explain and then tumorcam reduce."
    )


def test_the_level_is_that_of_the_worst_check():
    assert verdict_level([GOOD, "unchecked"]) == GOOD
    assert verdict_level([GOOD, FAIR, "unchecked"]) == FAIR
    assert verdict_level([FAIR, BAD, GOOD]) == BAD


@pytest.mark.parametrize(("slope", "expected"), [(-0.1, True), (0.0, False)])
def test_networks_whose_loss_still_falls_should_train_longer(config, slope, expected):
    run = read_run(config)
    networks = {
        key: dataclasses.replace(
            record,
            history=record.history.assign(
                validation_loss=1 + slope * np.arange(len(record.history))
            ),
        )
        for key, record in run.networks.items()
    }
    assert still_improving(dataclasses.replace(run, networks=networks)) is expected
