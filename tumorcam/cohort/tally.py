"""How many genes and samples were read, left out for each reason, and kept; the sum is exact."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pandas as pd

from tumorcam.cohort.variance import GeneStatistics
from tumorcam.readers.genes.naming import NamedGenes
from tumorcam.readers.inputs import Inputs
from tumorcam.readers.matrix import Drop, Matrix

READ, KEPT = "read", "kept"
COLUMNS = ("kind", "step", "n")
IS_TOTAL = "holds the sums of all other genes"
IS_LABEL = "has one value in each tumor type: a label or a flag, not a gene"
NOT_IN_EVERY_FILE = "not in every file of the input"
NOT_IN_ANY_FILE = "named, but without values in the files of the input"
BAD_VALUES = "bad values (cohort.bad_values)"
LESS_VARIABLE = "varies less than the genes kept (cohort.genes)"
CONSTANT = "has the same value in all samples kept"
TABLE_ALONE = "in the samples table, but not in the expression matrix"
UNLIKE_TYPES = "not of a sample type that is kept (cohort.sample_types)"
OTHER_SOURCE = "not of a source that is kept (cohort.sources)"
OTHER_TUMOR = "not of a tumor that is kept (cohort.tumors)"
RARE_TUMOR = "its tumor has too few patients for the folds"


def tally_of(*parts: list[tuple[str, str, int]]) -> pd.DataFrame:
    """The rows of several kinds as a table: kind, step (str) and n (int)."""
    return pd.DataFrame([row for part in parts for row in part], columns=list(COLUMNS))


def gene_rows(
    matrix: Matrix, named: NamedGenes, steps: Iterable[tuple[str, int]], n_kept: int
) -> list[tuple[str, str, int]]:
    """The genes of the input by what became of them.

    Parameters
    ----------
    steps : iterable of (str, int)
        A reason for which genes with a name were left out, and how many.
    n_kept : int
        Number of genes that the cohort keeps.
    """
    n_absent = sum(drop.kind == "gene" for drop in matrix.dropped)
    steps = [(NOT_IN_EVERY_FILE, n_absent), *by_reason(named.dropped), *steps]
    return _rows("gene", len(named.names) + n_absent, steps, n_kept)


def choice_steps(
    n_good: int,
    repeats: list[Drop],
    statistics: GeneStatistics,
    is_candidate: np.ndarray,
    n_kept: int,
) -> list[tuple[str, int]]:
    """How many genes with good values were left out for each reason.

    Parameters
    ----------
    n_good : int
        Number of rows of the matrix that are genes with good values.
    repeats : list of Drop
        The rows that repeat a gene.
    is_candidate : (genes,) bool
        The genes of which the most variable are kept.
    n_kept : int
        Number of genes that the cohort keeps.
    """
    n_candidates, n_labels = int(is_candidate.sum()), int(statistics.is_label.sum())
    n_varying = int((is_candidate & (statistics.variance > 0)).sum())
    return [
        (repeats[0].reason if repeats else "repeated", n_good - n_labels - n_candidates),
        (IS_LABEL, n_labels),
        (CONSTANT, n_candidates - max(n_varying, n_kept)),
        (LESS_VARIABLE, max(0, n_varying - n_kept)),
    ]


def sample_rows(
    given: Inputs, steps: Iterable[tuple[str, int]], n_kept: int
) -> list[tuple[str, str, int]]:
    """The samples of the input by what became of them; a repeated name counts each time.

    Parameters
    ----------
    steps : iterable of (str, int)
        A reason for which samples of the matrix or of the table were left out, and how many.
    n_kept : int
        Number of samples that the cohort keeps.
    """
    names, table = pd.Index(given.matrix.samples), given.samples["sample"]
    everywhere = set(names) | set(table)
    absent = {
        drop.name
        for drop in (*given.matrix.dropped, *given.dropped)
        if drop.kind == "sample" and drop.name not in everywhere
    }
    n_repeats = int(names.duplicated().sum() + table.duplicated().sum())
    n_read = len(everywhere) + n_repeats + len(absent)
    return _rows("sample", n_read, [(NOT_IN_ANY_FILE, len(absent)), *steps], n_kept)


def _rows(
    kind: str, n_read: int, steps: Iterable[tuple[str, int]], n_kept: int
) -> list[tuple[str, str, int]]:
    """A row for what was read, for each reason that has any, and for what is kept."""
    totals: Counter[str] = Counter()
    for reason, n in steps:
        totals[reason] += n
    dropped = [(kind, reason, n) for reason, n in totals.items() if n]
    return [(kind, READ, n_read), *dropped, (kind, KEPT, n_kept)]


def by_reason(dropped: Iterable[Drop]) -> list[tuple[str, int]]:
    """How many were dropped for each reason, in the order in which the reasons first come."""
    return list(Counter(drop.reason for drop in dropped).items())


def unexplained(tally: pd.DataFrame, kind: str) -> int:
    """What was read minus what was dropped and kept; 0 where every name is accounted for.

    Parameters
    ----------
    tally : DataFrame
        Kind, step and n, as in the cohort file.
    kind : str
        "gene" or "sample".
    """
    rows = tally[tally["kind"] == kind]
    is_read = rows["step"] == READ
    return int(rows.loc[is_read, "n"].sum() - rows.loc[~is_read, "n"].sum())
