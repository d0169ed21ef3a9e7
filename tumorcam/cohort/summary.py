"""A cohort in a few lines of text, and the tumors that its sources confound."""

import numpy as np

from tumorcam.cohort.cohort import Cohort
from tumorcam.readers.wording import N_COLUMNS, listed


def cohort_summary(cohort: Cohort) -> list[str]:
    """Lines for a log: tumors with their folds, sizes, drops, and tumors of a single source."""
    lines = [f"{'tumor':12} samples patients  samples in each fold"]
    for index, name in enumerate(cohort.tumors):
        is_own = cohort.tumor == index
        folds = " ".join(map(str, np.bincount(cohort.fold[is_own], minlength=cohort.n_folds)))
        n_patients = len(set(cohort.patient[is_own]))
        lines.append(f"{name:12} {is_own.sum():7} {n_patients:8}  {folds}")
    side = cohort.layouts[0].side
    lines.append(
        f"{len(cohort.sample)} samples of {len(cohort.tumors)} tumors, {len(cohort.genes)} genes "
        f"and {len(cohort.decoy_gene)} decoys on images of {side} x {side} pixels, "
        f"{cohort.n_folds} folds, {len(cohort.layouts)} layouts; {len(cohort.dropped)} drops"
    )
    confounded = confounded_tumors(cohort.tumors[cohort.tumor], cohort.source)
    if len(confounded):
        lines.append(
            f"warning: all samples of {listed(confounded.tolist(), N_COLUMNS)} come from one "
            "source each: source and tumor type cannot be told apart"
        )
    return lines


def confounded_tumors(tumor: np.ndarray, source: np.ndarray) -> np.ndarray:
    """The tumors, sorted, whose samples all come from the same source.

    In such a tumor the tumor type cannot be told from the source. If the whole cohort has a single
    source, no tumor is confounded, because the source then distinguishes nothing.

    Parameters
    ----------
    tumor : (samples,) int or str
    source : (samples,) str
    """
    names = np.unique(tumor)
    n_sources = np.array([len(np.unique(source[tumor == name])) for name in names])
    return names[(n_sources == 1) & (len(np.unique(source)) > 1)]
