"""Whether the genes of a text table are in its rows, told by the genes of a run.

New samples may have IDs that nothing else lists, so that only the genes tell the two sides apart.
"""

import itertools
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.applied.matching import gene_keys, plain_keys
from tumorcam.errors import InputError
from tumorcam.readers.files import is_file
from tumorcam.readers.tables.packing import open_unpacked

PEEK_BYTES, PEEK_LINES = 2**21, 200
N_COLUMNS = 5  # at the left, in which IDs of genes are looked for
N_HEADERS = 5  # lines at the top
MIN_GENES = 3
CLEAR = 3  # times as many on one side as on the other


def orientation_by_genes(path: Path, genes: np.ndarray) -> str:
    """The value of `input.orientation` for a text table; empty where the genes do not tell.

    Parameters
    ----------
    genes : (genes,) str
        The run's genes.
    """
    if not is_file(path):
        return ""
    try:
        with open_unpacked(path) as stream:
            text = stream.read(PEEK_BYTES).decode("utf-8-sig", "replace")
    except InputError:  # whose reader says what is wrong
        return ""
    lines = text.splitlines()[:PEEK_LINES]
    delimiter = max("\t,;", key="".join(lines[:1]).count)
    cells = [[cell.strip('" ') for cell in line.split(delimiter)] for line in lines]
    keys = gene_keys(genes)
    columns = list(itertools.zip_longest(*(row[:N_COLUMNS] for row in cells), fillvalue=""))
    in_rows = max((_n_genes(column, keys) for column in columns), default=0)
    in_header = max((_n_genes(row, keys) for row in cells[:N_HEADERS]), default=0)
    if in_rows >= max(MIN_GENES, CLEAR * in_header):
        return "genes_in_rows"
    if in_header >= max(MIN_GENES, CLEAR * in_rows):
        return "samples_in_rows"
    return ""


def _n_genes(names: Iterable[str], keys: pd.Series) -> int:
    """How many different genes of the run some IDs, or their first parts, name."""
    ids = pd.Series(sorted(set(names)), dtype=str)
    whole, first = plain_keys(ids), plain_keys(ids.str.split("|").str[0])
    return max(int(whole.isin(keys.index).sum()), int(first.isin(keys.index).sum()))
