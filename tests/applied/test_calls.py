"""New samples from predictions to calls, and what explain and reduce make of them."""

import dataclasses

import h5py
import numpy as np
import pytest
import training_runs
from applied_runs import (
    cohort_of,
    finish_new,
    folder_of,
    new_table,
    own_table,
    prepare_new,
    settings_of,
    write_labels,
    write_matrix,
)
from scipy.special import softmax

from jobs import classify, explain, reduce
from tumorcam.applied.calls import explained_cohort, read_calls, targets
from tumorcam.applied.classify import logits_of
from tumorcam.applied.reference import calibrated, read_reference
from tumorcam.errors import ConfigError, FileError
from tumorcam.explain.shards import read_predictions
from tumorcam.significance.tables import read_significance
from tumorcam.storage.plan import ModelKey, read_plan
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.network import load_classifier

KEYS = [ModelKey(r, f) for r in range(2) for f in range(2)]


@pytest.fixture(scope="module")
def applied(host_run, tmp_path_factory):
    """New samples, some of the run's own patients among them, through reduce."""
    folder = tmp_path_factory.mktemp("new")
    table = new_table().join(own_table())
    labels = [(f"S{i:02d}", tumor) for i, tumor in enumerate(["ACC", "BRCA", "COAD", "SKCM"])]
    sheet = write_labels(folder / "s.tsv", *map(list, zip(*labels, strict=True)))
    assert prepare_new(host_run, write_matrix(table, folder / "m.tsv"), sheet, name="all") == 0
    finish_new(host_run, "all")
    return host_run


def read(applied, name="all"):
    config = settings_of(applied, name)
    run, cohort = RunFolder.of(config), cohort_of(applied, name)
    return run, cohort, config, read_calls(run, cohort, config)


def test_every_network_that_did_not_train_on_the_patient_has_a_voice(applied):
    run, cohort, config, calls = read(applied)
    is_own = np.char.startswith(cohort.sample, "TCGA")
    total, votes, n = np.zeros((2, len(cohort.sample), 4)), np.zeros((32, 4)), np.zeros(32)
    for key in KEYS:
        classifier = load_classifier(run, cohort, key, config)
        probability = softmax(logits_of(classifier, cohort.expression()), axis=1)
        may_judge = ~is_own | (cohort.fold == key.fold)
        total[0][may_judge] += probability[may_judge]
        votes[may_judge, probability[may_judge].argmax(axis=1)] += 1
        n += may_judge
    expected = total[0] / n[:, np.newaxis]
    np.testing.assert_allclose(calls.probability, expected, atol=1e-6)
    assert calls.n_networks.tolist() == n.tolist() == np.where(is_own, 2, 4).tolist()
    order = np.argsort(-expected, axis=1)
    assert calls.call.tolist() == order[:, 0].tolist()
    assert calls.runner_up.tolist() == order[:, 1].tolist()
    share = votes[np.arange(32), order[:, 0]] / n
    np.testing.assert_allclose(calls.agreement, share, rtol=1e-6)
    temperature = read_reference(run.reference).calibration.temperature
    np.testing.assert_allclose(calls.calibrated, calibrated(expected, temperature), atol=1e-5)


def test_own_patients_get_the_very_probabilities_that_the_run_s_report_has(applied):
    """They are judged by the networks that held them out alone, with the same bits."""
    run, cohort, _, calls = read(applied)
    trained, reference = training_runs.cohort_of(applied), read_reference(run.reference)
    is_own = np.char.startswith(cohort.sample, "TCGA")
    rows = np.searchsorted(trained.sample, cohort.sample[is_own])
    np.testing.assert_array_equal(calls.probability[is_own], reference.calibration.before[rows])
    np.testing.assert_allclose(calls.distance[is_own], reference.distance[rows], rtol=1e-9)


def test_what_is_unlike_anything_is_flagged_and_strangers_of_the_same_make_are_not(
    host_run, tmp_path
):
    table = new_table()
    table.iloc[:, :4] = np.random.default_rng(0).normal(6, 1, (36, 4)) + 4 * (
        np.arange(36)[:, None] % 2
    )
    assert prepare_new(host_run, write_matrix(table, tmp_path / "u.tsv"), name="odd") == 0
    assert classify.main([folder_of(host_run, "odd")]) == 0
    *_, calls = read(host_run, "odd")
    assert calls.is_unlike[:4].all()
    assert calls.is_unlike[4:].mean() < 0.5
    assert (calls.is_unlike == (calls.false_alarm <= 0.05)).all()


def test_samples_are_explained_for_their_calls_by_one_network_a_layout(applied):
    run, cohort, config, calls = read(applied)
    plan = read_plan(run.plan)
    rows = [read_predictions(run.shard(key)) for key in plan.shards if key.replicate == 0]
    index = np.concatenate([part.sample_index for part in rows])
    assert sorted(index.tolist()) == list(range(32))
    explained = np.concatenate([part.tumor for part in rows])
    assert explained.tolist() == calls.call[index].tolist()
    assert explained_cohort(run, cohort, config).tumor.tolist() == calls.call.tolist()


def test_tables_count_patients_that_are_like_the_run_s_and_have_the_run_s_recall(applied):
    run, cohort, _, calls = read(applied)
    results = read_significance(run.significance, cohort.digest)
    counted = [
        len(set(cohort.patient[(calls.call == tumor) & ~calls.is_unlike])) for tumor in range(4)
    ]
    assert results.n.tolist() == counted
    recall = read_reference(run.reference).recall
    np.testing.assert_array_equal(results.classification.recall, recall)


def test_the_target_is_the_call_the_label_or_a_named_tumor(applied):
    _, cohort, _, calls = read(applied)
    labelled = targets(cohort, calls, "label")
    place = {name: i for i, name in enumerate(cohort.sample.tolist())}
    assert [labelled[place[f"S{i:02d}"]] for i in range(3)] == [0, 1, 2]
    assert labelled[place["S03"]] == calls.call[place["S03"]]  # SKCM is no tumor of the run
    assert (targets(cohort, calls, "READ") == 3).all()
    with pytest.raises(ConfigError, match="'UVM'; wanted called, label, or a tumor of the run: AC"):
        targets(cohort, calls, "UVM")


def test_a_label_of_no_tumor_of_the_run_does_not_count_by_labels(applied):
    run, cohort, config, calls = read(applied)
    by_label = dataclasses.replace(config, apply=dataclasses.replace(config.apply, target="label"))
    calls_alone = explained_cohort(run, cohort, config).is_counted
    place = cohort.sample.tolist().index("S03")  # SKCM
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tumorcam.applied.calls.read_calls", lambda *_: calls)
        counted = explained_cohort(run, cohort, by_label).is_counted
    assert not counted[place]
    assert counted.sum() == calls_alone.sum() - calls_alone[place]


def test_a_killed_classification_goes_on_with_what_is_missing(applied):
    run, cohort, config, calls = read(applied)
    keys = read_plan(run.plan).prediction_tasks
    before = {key: run.prediction(key).stat().st_mtime_ns for key in keys}
    run.prediction(keys[3]).unlink()
    run.calls.unlink()
    with pytest.raises(FileError, match=r"calls\.h5 does not exist; run `tumorcam classify`"):
        explained_cohort(run, cohort, config)
    assert classify.main([str(run.root)]) == 0
    after = {key: run.prediction(key).stat().st_mtime_ns for key in keys}
    assert [key for key in keys if after[key] != before[key]] == [keys[3]]
    again = read_calls(run, cohort, config)
    for field in dataclasses.fields(calls):
        if field.name not in ("shift",):
            first, second = getattr(calls, field.name), getattr(again, field.name)
            np.testing.assert_array_equal(first, second)


def test_shares_give_the_same_bits_and_the_last_one_writes_the_calls(host_run, tmp_path):
    path = write_matrix(new_table(), tmp_path / "m.tsv")
    for name in ("whole", "parts"):
        assert prepare_new(host_run, path, name=name) == 0
    assert classify.main([folder_of(host_run, "whole")]) == 0
    folder = folder_of(host_run, "parts")
    for i in range(3):
        assert not RunFolder.of(settings_of(host_run, "parts")).calls.exists()
        assert classify.main([folder, "--share", f"{i}/3"]) == 0
    digests = []
    for name in ("whole", "parts"):
        with h5py.File(RunFolder.of(settings_of(host_run, name)).calls) as file:
            digests.append(file.attrs["digest"])
    assert digests[0] == digests[1]


def test_new_samples_of_a_single_tumor_can_be_ranked(host_run, tmp_path):
    table = new_table().iloc[:, ::4]  # tumor 0 alone
    assert prepare_new(host_run, write_matrix(table, tmp_path / "one.tsv"), name="single") == 0
    finish_new(host_run, "single")
    run, cohort, *_ = read(host_run, "single")
    results = read_significance(run.significance, cohort.digest)
    absent = np.flatnonzero(results.n == 0)
    ranking = results.ranking(results.keys[0])
    assert len(absent) and np.isnan(ranking.score[absent]).all()
    assert (ranking.evidence[absent] == "untestable").all()
    assert np.isfinite(ranking.score[results.n > 0]).all()


def test_one_sample_alone_is_called_and_explained(host_run, tmp_path):
    table = new_table()[["S02"]]
    assert prepare_new(host_run, write_matrix(table, tmp_path / "one.tsv"), name="alone") == 0
    finish_new(host_run, "alone")
    *_, calls = read(host_run, "alone")
    assert len(calls.call) == 1 and calls.shift.n_shifted == 0


@pytest.mark.parametrize("job", [explain, reduce])
def test_later_jobs_say_what_is_missing(host_run, tmp_path, capsys, job):
    name = f"early-{job.__name__.split('.')[-1]}"
    assert prepare_new(host_run, write_matrix(new_table(), tmp_path / "m.tsv"), name=name) == 0
    assert job.main([folder_of(host_run, name)]) == 1
    assert "run `tumorcam classify`" in capsys.readouterr().err
