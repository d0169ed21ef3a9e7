"""What was understood of the input and what is kept, in a few lines of text."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from tumorcam.cohort.cohort import Cohort
from tumorcam.readers.matrix import Fact
from tumorcam.readers.wording import N_COLUMNS, listed


def fact_lines(facts: Iterable[Fact]) -> list[str]:
    """A line for each fact: what was understood, why, and what else it might have been."""
    lines = []
    for fact in facts:
        more = f"; {fact.others}" if fact.others else ""
        lines.append(f"{fact.topic}: {fact.text} ({fact.reason}{more})")
    return lines


def facts_of(table: pd.DataFrame) -> list[Fact]:
    """The facts of a table whose columns are the fields of a fact."""
    return [Fact(*row) for row in table.itertuples(index=False)]


def count_by_type(samples: pd.DataFrame, kept: pd.DataFrame) -> pd.DataFrame:
    """Samples of each tumor and type in the input, and how many of them a cohort keeps.

    Parameters
    ----------
    samples, kept : DataFrame
        With the columns sample, tumor and sample_type: all of the input, and those of the cohort.

    Returns
    -------
    DataFrame
        tumor, sample_type (str), n_samples and n_kept (int), sorted by tumor and type.
    """
    counted = samples.drop_duplicates("sample")
    counted = counted.assign(is_kept=counted["sample"].isin(kept["sample"]))
    groups = counted.groupby(["tumor", "sample_type"], as_index=False)
    return groups.agg(n_samples=("sample", "size"), n_kept=("is_kept", "sum"))


def type_lines(counts: pd.DataFrame) -> list[str]:
    """Lines for a log: what is kept and left out of each tumor, by sample type."""
    lines = [f"{'tumor':12} samples    kept  left out, by sample type"]
    for tumor, rows in counts.groupby("tumor"):
        left_out = [
            f"{n - n_kept} of type {kind or 'unknown'}"
            for kind, n, n_kept in rows[["sample_type", "n_samples", "n_kept"]].to_numpy()
            if n > n_kept
        ]
        total, n_kept = rows["n_samples"].sum(), rows["n_kept"].sum()
        name = str(tumor) or "(none)"
        lines.append(f"{name:12} {total:7} {n_kept:7}  {', '.join(left_out)}".rstrip())
    return lines


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
