"""How well a ranking finds the drivers that were planted in a synthetic cohort."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.errors import InputError

TRUTH_COLUMNS = ("tumor", "gene", "effect")
TOP = 20  # genes; precision@20


@dataclass(frozen=True)
class PlantedTruth:
    """The planted drivers, as far as the cohort kept them.

    `drives` (tumors, genes) bool: the gene was planted in the tumor. `n_lost` counts the planted
    (tumor, gene) pairs that the cohort's filters dropped.
    """

    drives: np.ndarray
    n_lost: int


@dataclass(frozen=True)
class TruthScores:
    """One ranking against the planted drivers.

    Attributes
    ----------
    precision : float
        Share of own drivers among a tumor's top 20 genes, mean over tumors that have drivers.
    called, own, other, neither : int
        (tumor, gene) pairs at or below the q_decoy threshold: all; the gene drives this tumor;
        it drives only other tumors (its absence can be evidence); it drives none.
    false_share : float
        neither / called; NaN where nothing was called.
    recall : float
        own / planted pairs of the cohort.
    """

    precision: float
    called: int
    own: int
    other: int
    neither: int
    false_share: float
    recall: float


def read_truth(path: Path, tumors: np.ndarray, genes: np.ndarray) -> PlantedTruth | None:
    """The planted drivers of a run, or None where nothing was planted.

    Parameters
    ----------
    path : Path
        `truth.csv` with the columns tumor, gene and effect.
    tumors, genes : (tumors,), (genes,) str
        Of the cohort.

    Raises
    ------
    InputError
        If the table lacks a column.
    """
    if not path.exists():
        return None
    table = pd.read_csv(path, dtype={"tumor": str, "gene": str}, keep_default_na=False)
    missing = [name for name in TRUTH_COLUMNS if name not in table]
    if missing:
        msg = f"{path} has no column {missing[0]}; wanted {', '.join(TRUTH_COLUMNS)}"
        raise InputError(msg)
    tumor = pd.Index(tumors).get_indexer(table["tumor"])
    gene = pd.Index(genes).get_indexer(table["gene"])
    kept = (tumor >= 0) & (gene >= 0)
    drives = np.zeros((len(tumors), len(genes)), dtype=bool)
    drives[tumor[kept], gene[kept]] = True
    return PlantedTruth(drives, n_lost=int((~kept).sum()))


def score_against_truth(
    drives: np.ndarray, rank: np.ndarray, q_decoy: np.ndarray, *, threshold: float
) -> TruthScores:
    """Precision at 20, observed false proportion and recall of one ranking.

    Parameters
    ----------
    drives : (tumors, genes) bool
        Planted drivers.
    rank : (tumors, genes) float64
        1 is the highest score; NaN where untestable.
    q_decoy : (tumors, genes) float64
        NaN where unknown.
    threshold : float
        Pairs with q_decoy at most this are called.
    """
    n_planted = int(drives.sum())
    with_drivers = drives.any(axis=1)
    in_top = np.nan_to_num(rank, nan=np.inf) <= TOP
    called = q_decoy <= threshold  # False where q_decoy is NaN
    own = called & drives
    other = called & ~drives & drives.any(axis=0)
    n_called, n_own, n_other = int(called.sum()), int(own.sum()), int(other.sum())
    n_neither = n_called - n_own - n_other
    n_found = (in_top & drives)[with_drivers].sum(axis=1)
    n_top = np.maximum(in_top[with_drivers].sum(axis=1), 1)
    return TruthScores(
        precision=float((n_found / n_top).mean()) if n_planted else float("nan"),
        called=n_called,
        own=n_own,
        other=n_other,
        neither=n_neither,
        false_share=n_neither / n_called if n_called else float("nan"),
        recall=n_own / n_planted if n_planted else float("nan"),
    )
