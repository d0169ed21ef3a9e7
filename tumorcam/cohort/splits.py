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

    Parameters
    ----------
    patients : (samples,) str
        ID of each sample's patient.
    tumors : (samples,) int
        Tumor of each sample. A patient with several tumors is dealt with the first of them.
    n_folds : int
        At least 2.

    Returns
    -------
    (samples,) int16
        From 0 to n_folds - 1.

    Raises
    ------
    CohortError
        If a tumor has fewer patients than folds.
    """
    names, first, patient = np.unique(patients, return_index=True, return_inverse=True)
    fold = np.empty(len(names), dtype=np.int16)
    n_dealt = 0
    for tumor in np.unique(tumors):
        members = np.flatnonzero(tumors[first] == tumor)
        if len(members) < n_folds:
            msg = (
                f"tumor {tumor} has {len(members)} patients of its own, fewer than the {n_folds} "
                'folds; lower splits.folds or set cohort.rare_tumors = "drop"'
            )
            raise CohortError(msg)
        fold[rng.permutation(members)] = (n_dealt + np.arange(len(members))) % n_folds
        n_dealt += len(members)
    return fold[patient]


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
    for tumor in np.unique(tumors[free]):
        members = patients[free[tumors[free] == tumor]]
        n_chosen = max(1, round(validation * len(members))) if len(members) > 1 else 0
        chosen = rng.permutation(members)[:n_chosen]
        role[np.isin(patients, chosen) & ~held_out] = VALIDATION
    return role
