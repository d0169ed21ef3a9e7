import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from training_runs import cohort_of

from tumorcam.applied.reference import (
    Calibration,
    FoldReference,
    Reference,
    calibrated,
    is_reference_current,
    read_reference,
)
from tumorcam.applied.reference_fit import fit_temperature, group_sums, write_reference
from tumorcam.cohort.images import Scaler
from tumorcam.storage.plan import ModelKey
from tumorcam.storage.run_folder import RunFolder
from tumorcam.training.artifact import read_held_out

RNG = np.random.default_rng(5)
CURVE = pd.DataFrame({"share": [0.0, 0.5], "accuracy": [0.9, 0.5], "samples": 48})


def reference_of(distance):
    return Reference(
        mean=np.zeros(2, np.float32), sd=np.ones(2, np.float32), tumor_mean=np.zeros((1, 2)),
        folds=(), distance=np.array(distance), recall=np.ones(1),
        calibration=Calibration(1.0, np.ones((1, 1)), np.ones((1, 1))), missing=CURVE,
    )  # fmt: skip


def test_a_false_alarm_counts_held_out_samples_as_far_and_the_sample_itself():
    reference = reference_of([1.0, 2.0, 2.0, 5.0])
    expected = [5 / 5, 4 / 5, 4 / 5, 2 / 5, 1 / 5]
    np.testing.assert_allclose(reference.false_alarm(np.array([0.5, 1.5, 2.0, 3.0, 9.0])), expected)


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
def test_the_temperature_of_probabilities_that_are_too_sure_is_recovered(true):
    logits = RNG.normal(0, 2, (20_000, 5))
    honest = softmax(logits, axis=1)
    tumor = np.array([RNG.choice(5, p=row) for row in honest])
    stated = softmax(logits * true, axis=1)
    assert fit_temperature(stated, tumor) == pytest.approx(true, rel=0.05)
    np.testing.assert_allclose(calibrated(stated, true), honest, atol=1e-9)


def test_a_temperature_keeps_the_order_and_a_zero_probability_is_no_error():
    probability = np.array([[0.7, 0.3, 0.0]])
    result = calibrated(probability, 3.0)
    assert result[0, 0] > result[0, 1] > result[0, 2] > 0
    assert result.sum() == pytest.approx(1)


def test_the_distance_is_that_to_the_nearest_tumor_in_whitened_coordinates():
    whitening = np.diag([1.0, 0.5])  # the second axis scatters twice as much
    centre = np.array([[0.0, 0.0], [10.0, 0.0]]) @ whitening
    scaler = Scaler(np.zeros(3, np.float32), np.ones(3, np.float32))
    fold = FoldReference(scaler, np.eye(2, 3, dtype=np.float32), centre, whitening)
    samples = np.array([[3, 4, 99], [9, 0, -99], [0, 0, 0]], np.float32)
    np.testing.assert_allclose(fold.distance(samples), [np.hypot(3, 2), 1, 0])


def test_group_sums_leave_out_what_is_in_no_group():
    values = np.array([[1.0, 2], [3, 4], [5, 6]])
    np.testing.assert_array_equal(group_sums(values, np.array([1, -1, 1]), 2), [[0, 0], [6, 8]])


def test_the_file_holds_what_the_run_s_own_samples_say(trained_copy):
    run, cohort = RunFolder.of(trained_copy), cohort_of(trained_copy)
    assert not is_reference_current(run, cohort, trained_copy)
    write_reference(run, cohort, trained_copy, CURVE)
    assert is_reference_current(run, cohort, trained_copy)
    reference, expression = read_reference(run.reference), cohort.expression()
    np.testing.assert_allclose(reference.mean, expression.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(reference.sd, expression.std(axis=0), rtol=1e-4)
    for tumor in range(4):
        mean = expression[cohort.tumor == tumor].mean(axis=0)
        np.testing.assert_allclose(reference.tumor_mean[tumor], mean, rtol=1e-5)
    mean = np.zeros((48, 4))
    for replicate in range(2):
        for fold in range(2):
            judged = read_held_out(run.model(ModelKey(replicate, fold)))
            mean[judged.sample] += judged.probability / 2
    np.testing.assert_allclose(reference.calibration.before, mean, atol=1e-6)
    is_right = mean.argmax(axis=1) == cohort.tumor
    recall = [is_right[cohort.tumor == tumor].mean() for tumor in range(4)]
    np.testing.assert_allclose(reference.recall, recall)
    pd.testing.assert_frame_equal(reference.missing, CURVE)


def test_the_distance_of_a_sample_is_that_of_the_fold_without_its_patient(trained_copy):
    run, cohort = RunFolder.of(trained_copy), cohort_of(trained_copy)
    reference = write_reference(run, cohort, trained_copy, CURVE)
    expression = cohort.expression()
    for fold, own in enumerate(reference.folds):
        is_own = cohort.fold == fold
        np.testing.assert_allclose(
            reference.distance[is_own], own.distance(expression[is_own]), rtol=1e-6
        )
        np.testing.assert_allclose(own.scaler.mean, expression[~is_own].mean(axis=0), rtol=1e-5)


def test_another_model_makes_the_reference_stale(trained_copy):
    run, cohort = RunFolder.of(trained_copy), cohort_of(trained_copy)
    write_reference(run, cohort, trained_copy, CURVE)
    run.model(ModelKey(0, 0)).write_bytes(run.model(ModelKey(0, 1)).read_bytes())
    assert not is_reference_current(run, cohort, trained_copy)
