"""Genes that occur more than once in a matrix become one, by the rule of `cohort.duplicates`."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from tumorcam.cohort.drops import stop_or_drop
from tumorcam.readers.matrix import Drop

REASONS = {
    "drop": "repeated: the most variable is kept",
    "max_variance": "repeated: the most variable is kept",
    "first": "repeated: the first is kept",
    "mean": "repeated: the mean is taken",
    "sum": "repeated: the values are added",
}


class DistinctGenes(NamedTuple):
    """The rows of a matrix that make each gene, and the repeats.

    Attributes
    ----------
    rows : (rows,) int
        Rows of the matrix, those of one gene side by side.
    starts : (genes,) int
        Where each gene begins in `rows`. Under "drop" and "max_variance" each row is still a gene
        of its own, since its variance must be known first.
    dropped : list of Drop
        The repeats.
    """

    rows: np.ndarray
    starts: np.ndarray
    dropped: list[Drop]


def distinct_genes(
    names: np.ndarray, is_usable: np.ndarray, rule: str, *, are_transcripts: bool = False
) -> DistinctGenes:
    """The rows of each gene.

    Parameters
    ----------
    names : (genes,) str
        Of the rows of the matrix.
    is_usable : (genes,) bool
        Rows that are genes and have no bad values.
    rule : str
        As `cohort.duplicates`.
    are_transcripts : bool
        Whether the rows are transcripts, each with the name of its gene.

    Raises
    ------
    InputError
        If a name is repeated and the rule is "error".
    """
    rows = np.flatnonzero(is_usable)
    is_repeated = pd.Index(names[rows]).duplicated()
    advice = (
        'make their IDs unique, set input.gene_column, or set cohort.duplicates = "drop", which '
        "keeps the most variable of each name"
    )
    if are_transcripts:
        advice = 'set cohort.duplicates = "sum", which adds the transcripts of each gene'
    dropped = stop_or_drop(
        rule,
        [Drop("gene", name, REASONS.get(rule, "repeated")) for name in names[rows][is_repeated]],
        "transcripts of one gene" if are_transcripts else "repeated genes",
        advice,
    )
    if rule in ("mean", "sum") and is_repeated.any():
        first = pd.Index(names[rows]).factorize()[0]
        order = np.argsort(first, kind="stable")
        return DistinctGenes(
            rows[order], np.flatnonzero(np.diff(first[order], prepend=-1)), dropped
        )
    if rule == "first":
        rows = rows[~is_repeated]
    return DistinctGenes(rows, np.arange(len(rows)), dropped)
