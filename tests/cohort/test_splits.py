"""Held-out folds and roles: by patient, within tumor, and the same in every release."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from tumorcam.cohort.splits import HELD_OUT, TRAINING, VALIDATION, patient_folds, roles
from tumorcam.errors import CohortError


def rng(seed=0):
    return np.random.default_rng(seed)


@st.composite
def cohorts(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Patients and tumors in any order, each tumor with patients enough for the folds."""
    n_folds = draw(st.integers(2, 5))
    patients, tumors = [], []
    for tumor in range(draw(st.integers(2, 4))):
        for patient in range(draw(st.integers(n_folds, 12))):
            for _ in range(draw(st.integers(1, 3))):
                patients.append(f"P{tumor}-{patient}")
                tumors.append(tumor)
    order = draw(st.permutations(range(len(patients))))
    return np.array(patients)[order], np.array(tumors)[order], n_folds


def test_eight_patients_of_two_tumors_in_two_folds():
    patients = np.array(list("aabcdefgh"))
    tumors = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1])
    fold = patient_folds(patients, tumors, n_folds=2, rng=rng())
    assert fold[0] == fold[1], "both samples of patient a"
    for tumor, n_patients in ((0, 4), (1, 4)):
        of_patient = dict(zip(patients[tumors == tumor], fold[tumors == tumor], strict=True))
        assert sum(of_patient.values()) == n_patients / 2


@given(cohorts(), st.integers(0, 99))
def test_patients_stay_whole_and_tumors_are_spread_evenly(cohort, seed):
    patients, tumors, n_folds = cohort
    fold = patient_folds(patients, tumors, n_folds=n_folds, rng=rng(seed))
    for patient in np.unique(patients):
        assert len(set(fold[patients == patient])) == 1
    for tumor in np.unique(tumors):
        n = [len(set(patients[(tumors == tumor) & (fold == f)])) for f in range(n_folds)]
        assert max(n) - min(n) <= 1 and min(n) >= 1
    total = [len(set(patients[fold == f])) for f in range(n_folds)]
    assert max(total) - min(total) <= 1


@given(cohorts(), st.integers(0, 99))
def test_folds_do_not_depend_on_the_order_of_the_samples(cohort, seed):
    patients, tumors, n_folds = cohort
    fold = patient_folds(patients, tumors, n_folds=n_folds, rng=rng(seed))
    order = rng(seed + 1).permutation(len(patients))
    again = patient_folds(patients[order], tumors[order], n_folds=n_folds, rng=rng(seed))
    assert np.array_equal(again, fold[order])


def test_folds_are_at_least_as_even_as_scikit_learns():
    patients = np.array([f"P{i // 2}" for i in range(200)])
    tumors = np.repeat([0, 0, 0, 1, 2], 40)
    ours = patient_folds(patients, tumors, n_folds=5, rng=rng())
    theirs = np.empty(200, int)
    split = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    for f, (_, held_out) in enumerate(split.split(patients, tumors, patients)):
        theirs[held_out] = f

    def unevenness(fold):
        table = np.array([np.bincount(fold[tumors == t], minlength=5) for t in range(3)])
        return np.ptp(table, axis=1).max()

    assert unevenness(ours) <= unevenness(theirs)


def test_a_tumor_with_too_few_patients_is_refused():
    patients, tumors = np.array(list("aaab")), np.array([0, 0, 0, 0])
    with pytest.raises(CohortError, match=r"too few patients for the 3 folds; lower"):
        patient_folds(patients, tumors, n_folds=3, rng=rng())


def test_a_patient_with_two_tumors_is_dealt_once():
    patients = np.array(list("abcdeea"))
    tumors = np.array([0, 0, 1, 1, 0, 1, 1])
    fold = patient_folds(patients, tumors, n_folds=2, rng=rng())
    assert fold[0] == fold[6] and fold[4] == fold[5]


@given(cohorts(), st.floats(0.02, 0.5), st.integers(0, 99))
def test_no_patient_has_two_roles_and_every_tumor_is_learned(cohort, validation, seed):
    patients, tumors, n_folds = cohort
    held_out = patient_folds(patients, tumors, n_folds=n_folds, rng=rng(seed)) == 0
    role = roles(patients, tumors, held_out, validation=validation, rng=rng(seed))
    assert np.array_equal(role == HELD_OUT, held_out)
    for patient in np.unique(patients):
        assert len(set(role[patients == patient])) == 1
    for tumor in np.unique(tumors):
        free = set(patients[(tumors == tumor) & ~held_out])
        chosen = set(patients[(tumors == tumor) & (role == VALIDATION)])
        if len(free) > 1:
            assert len(chosen) == max(1, round(validation * len(free)))
        assert free - chosen and set(patients[(tumors == tumor) & (role == TRAINING)])


@pytest.mark.parametrize("n_folds", [127, 128, 129, 200, 300])
def test_many_folds_keep_their_numbers(n_folds):
    """A patient a fold and tumor: each fold gets one of each, by the numbers 0 to n_folds - 1."""
    patients = np.array([f"P{i:03d}" for i in range(2 * n_folds)])
    tumors = np.repeat([0, 1], n_folds)
    fold = patient_folds(patients, tumors, n_folds=n_folds, rng=rng())
    for tumor in (0, 1):
        assert np.sort(fold[tumors == tumor]).tolist() == list(range(n_folds))


def test_one_remaining_patient_is_for_training():
    role = roles(
        np.array(["a", "b"]), np.zeros(2, int), np.array([True, False]), validation=0.5, rng=rng()
    )
    assert role.tolist() == [HELD_OUT, TRAINING]


def test_folds_and_roles_are_frozen():
    """A release that deals otherwise changes every user's models."""
    patients = np.array([f"P{i:03d}" for i in range(90)])
    tumors = np.arange(90) % 3
    fold = patient_folds(patients, tumors, n_folds=4, rng=rng(5))
    role = roles(patients, tumors, fold == 1, validation=0.2, rng=rng(6))
    digest = hashlib.sha256(fold.astype(np.int8).tobytes() + role.tobytes()).hexdigest()
    assert digest[:16] == "bcd84898d50d26c5"
