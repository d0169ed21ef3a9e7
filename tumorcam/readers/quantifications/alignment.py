"""Lists of genes or samples of several files, compared name by name."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

LIBRARY_SIZES = "the library sizes of counts are sums over the genes that are left"


class Alignment(NamedTuple):
    """Where the names of a reference stand in another list.

    Attributes
    ----------
    positions : (reference names,) int
        The position in the other list; -1 for a name that it lacks.
    others : list of str
        Names of the other list that the reference lacks.
    """

    positions: np.ndarray
    others: list[str]


def align(reference: Sequence[str], names: Sequence[str]) -> Alignment:
    """Match two lists by name; the second time that a name occurs matches the other's second."""
    reference_keys, keys = _keys(reference), _keys(names)
    is_other = reference_keys.get_indexer(keys) < 0
    others = [name for name, other in zip(names, is_other, strict=True) if other]
    return Alignment(keys.get_indexer(reference_keys), others)


def _keys(names: Sequence[str]) -> pd.MultiIndex:
    texts = pd.Series(list(names), dtype=object)
    return pd.MultiIndex.from_arrays([texts, texts.groupby(texts).cumcount()])
