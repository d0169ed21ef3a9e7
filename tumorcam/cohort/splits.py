"""Which patients a model is tested on and which choose its epoch: by patient, within tumor."""

import numpy as np

from tumorcam.errors import CohortError

HELD_OUT, TRAINING, VALIDATION = 0, 1, 2  # roles of a sample for one model


def patient_folds(
    patients: np.ndarray, tumors: np.ndarray, *, n_folds: int, rng: np.random.Generator
) -> np.ndarray:
    """The held-out fold of each sample: patients whole, every tumor in every fold.

    A tumor's patients are shuffled and dealt out in turn; the next tumor goes on where the last
    stopped, so that folds of all tumors together differ by one patient at most.

    Parameters
    ----------
    patients : (samples,) str
    tumors : (samples,) int
        Class of each sample. A patient with several tumors is dealt with the first of them.
    n_folds : int
        At least 2.

    Returns
    -------
    (samples,) int8
        From 0 to n_folds - 1.

    Raises
    ------
    CohortError
        If a tumor has fewer patients than folds.
    """
    names, first, patient = np.unique(patients, return_index=True, return_inverse=True)
    fold = np.empty(len(names), dtype=np.int8)
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
    """What each sample is to one model: HELD_OUT, TRAINING or VALIDATION.

    Parameters
    ----------
    patients, tumors : (samples,)
        As in `patient_folds`.
    held_out : (samples,) bool
        The model's held-out fold.
    validation : float
        Share of each tumor's remaining patients, rounded to at least one where two or more remain.

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
