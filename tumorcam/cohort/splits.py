"""Splits by patient within each tumor: held-out folds, and the validation set of a model."""

import numpy as np

from tumorcam.errors import CohortError

HELD_OUT, TRAINING, VALIDATION = 0, 1, 2  # roles of a sample for one model


def patient_folds(
    patients: np.ndarray, tumors: np.ndarray, *, n_folds: int, rng: np.random.Generator
) -> np.ndarray:
    """The fold that holds each sample out.

    All samples of a patient are in the same fold, and every fold has patients of every tumor. The
    patients of a tumor are shuffled and dealt to the folds in turn. The next tumor goes on with the
    fold where the last one stopped, so that the folds differ by at most one patient in all.
    Patients with several tumors, or with a matched normal, are dealt after the others, in groups of
    those who have the same ones.

    Parameters
    ----------
    patients : (samples,) str
        ID of each sample's patient.
    tumors : (samples,) int
        Tumor of each sample.
    n_folds : int
        At least 2.

    Returns
    -------
    (samples,) int16
        From 0 to n_folds - 1.

    Raises
    ------
    CohortError
        If a fold would have no patient of some tumor.
    """
    names, patient = np.unique(patients, return_inverse=True)
    thin = thin_tumors(patients, tumors, n_folds=n_folds)
    if len(thin):
        msg = (
            f"tumor {thin[0]} has too few patients for the {n_folds} folds; lower splits.folds or "
            'set cohort.rare_tumors = "drop"'
        )
        raise CohortError(msg)
    fold = np.empty(len(names), dtype=np.int16)
    n_dealt = 0
    for members in _patients_alike(patients, tumors):
        fold[rng.permutation(members)] = (n_dealt + np.arange(len(members))) % n_folds
        n_dealt += len(members)
    return fold[patient]


def thin_tumors(patients: np.ndarray, tumors: np.ndarray, *, n_folds: int) -> np.ndarray:
    """(thin tumors,) int: the tumors, sorted, that some fold would have no patient of.

    Parameters are as in `patient_folds`. Chance decides which patient goes to which fold, but not
    how many patients with the same tumors a fold has.
    """
    has_fold = np.zeros((tumors.max(initial=-1) + 1, n_folds), bool)
    patient = np.unique(patients, return_inverse=True)[1]
    n_dealt = 0
    for members in _patients_alike(patients, tumors):
        theirs = np.unique(tumors[patient == members[0]])
        folds = (n_dealt + np.arange(len(members))) % n_folds
        has_fold[np.ix_(theirs, folds)] = True
        n_dealt += len(members)
    return np.flatnonzero(~has_fold.all(axis=1) & np.isin(np.arange(len(has_fold)), tumors))


def _patients_alike(patients: np.ndarray, tumors: np.ndarray) -> list[np.ndarray]:
    """Indices of the sorted patients, in groups of those who have the same tumors.

    Patients of one tumor come first. Of the others, those come together who share the tumors
    besides the one of their first sample, so that a class of matched normals is spread evenly.
    """
    names, first, patient = np.unique(patients, return_index=True, return_inverse=True)
    has_tumor = np.zeros((len(names), tumors.max(initial=-1) + 1), bool)
    has_tumor[patient, tumors] = True
    has_tumor[np.arange(len(names)), tumors[first]] = False
    of_first = tumors[first].astype(">u4")[:, np.newaxis].view(np.uint8)
    key = np.hstack([np.packbits(has_tumor, axis=1), of_first])  # a text of bytes: fast to sort
    group = np.unique(key.view(f"S{key.shape[1]}").ravel(), return_inverse=True)[1]
    return np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])


def roles(
    patients: np.ndarray,
    tumors: np.ndarray,
    held_out: np.ndarray,
    *,
    validation: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """The role of each sample for one model: HELD_OUT, TRAINING or VALIDATION.

    The validation patients are drawn at random from the patients of each tumor that are not held
    out.

    Parameters
    ----------
    patients, tumors : (samples,)
        As in `patient_folds`.
    held_out : (samples,) bool
        True for the samples of the model's held-out fold.
    validation : float
        Share of the remaining patients of each tumor that become validation patients. Their number
        is rounded; it is at least 1 if two or more patients remain, else 0.

    Returns
    -------
    (samples,) int8
    """
    role = np.where(held_out, HELD_OUT, TRAINING).astype(np.int8)
    names, first = np.unique(np.where(held_out, "", patients), return_index=True)
    free = first[names != ""]
    chosen = []
    for tumor in np.unique(tumors[free]):
        members = patients[free[tumors[free] == tumor]]
        n_chosen = max(1, round(validation * len(members))) if len(members) > 1 else 0
        chosen += rng.permutation(members)[:n_chosen].tolist()
    role[np.isin(patients, np.array(chosen, patients.dtype)) & ~held_out] = VALIDATION
    return role
