"""Rows of a count matrix that are no genes: reads without a gene, and totals."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tumorcam.readers.column_names import plain_spelling
from tumorcam.readers.matrix import Drop

NO_GENE = re.compile(  # STAR, HTSeq and featureCounts
    r"N_(unmapped|multimapping|noFeature|ambiguous)|__\w+|Unassigned_\w+", re.IGNORECASE
)
BARE = frozenset(  # HTSeq before 0.6, in plain spelling
    "nofeature ambiguous toolowaqual notaligned alignmentnotunique".split()
)
TOTALS = frozenset(  # in plain spelling
    "total totals sum grandtotal totalcount totalcounts totalreads totalreadcount librarysize "
    "libsize columnsum colsum colsums sumcounts mappedreads totalmapped totalmappedreads ncounts "
    "ncountrna nfeaturerna ngenesbycounts".split()
)
SPIKE_IN = re.compile(r"ERCC-\d{5}")


class Counters(NamedTuple):
    """`mask` (rows,) bool, True for rows that are no genes, and the drops that say why."""

    mask: np.ndarray
    dropped: list[Drop]


def find_counters(ids: Sequence[str], other_ids: Sequence[Sequence[str]] = ()) -> Counters:
    """Rows whose ID says that they count something else than a gene.

    Parameters
    ----------
    ids : sequence of str
        The ID of each row.
    other_ids : sequence of sequences of str
        More columns of IDs; there, only the names that STAR, HTSeq and featureCounts give count.
    """
    names = [gene_id.strip() for gene_id in ids]
    reasons = [_reason(name) for name in names]
    for column in other_ids:
        for i, name in enumerate(column):
            if not reasons[i] and NO_GENE.fullmatch(name.strip()):
                names[i], reasons[i] = name.strip(), _reason(name.strip())
    rows = zip(names, reasons, strict=True)
    dropped = [Drop("gene", name, reason) for name, reason in rows if reason]
    return Counters(np.array([reason != "" for reason in reasons], dtype=bool), dropped)


def is_spike_in(name: str) -> bool:
    """Whether an ID is that of an ERCC spike-in, such as ERCC-00002."""
    return SPIKE_IN.fullmatch(name) is not None


def _reason(name: str) -> str:
    if NO_GENE.fullmatch(name) or plain_spelling(name) in BARE:
        return "counts reads that belong to no gene"
    return "is a total, no gene" if plain_spelling(name) in TOTALS else ""
