"""How well a ranking finds the drivers that were planted in a synthetic cohort."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from tumorcam.cohort.synthetic import PROXY
from tumorcam.errors import InputError
from tumorcam.readers.tables.frames import read_frame
from tumorcam.storage import manifest

TRUTH_COLUMNS = ("tumor", "gene", "effect")
TOP = 20  # genes; precision@20


@dataclass(frozen=True)
class PlantedTruth:
    """The planted drivers and their proxies, as far as the cohort kept them.

    `drives` (tumors, genes) bool: the gene was planted in the tumor. `is_proxy` (tumors, genes)
    bool: a driver of the tumor passes some of its shift on to the gene, which is then neither right
    nor wrong. `n_lost` counts the planted (tumor, gene) pairs that the cohort's filters dropped.
    """

    drives: np.ndarray
    is_proxy: np.ndarray
    n_lost: int


@dataclass(frozen=True)
class TruthScores:
    """One ranking against the planted drivers.

    Attributes
    ----------
    precision : float
        Share of own drivers among a tumor's top 20 genes besides its proxies, mean over tumors
        that have drivers.
    called, own, other, proxy, neither : int
        (tumor, gene) pairs at or below the q_decoy threshold: all; the gene drives this tumor;
        it drives only other tumors (its absence can be evidence); it drives none but is a proxy
        in some; it is neither.
    false_share : float
        neither / called; NaN where nothing was called.
    recall : float
        own / planted pairs of the cohort.
    """

    precision: float
    called: int
    own: int
    other: int
    proxy: int
    neither: int
    false_share: float
    recall: float


def read_truth(path: Path, tumors: np.ndarray, genes: np.ndarray) -> PlantedTruth | None:
    """The planted drivers of a run, or None where nothing was planted.

    Parameters
    ----------
    path : Path
        `truth.csv` with the columns tumor, gene and effect; without the column role all genes are
        drivers.
    tumors, genes : (tumors,), (genes,) str
        Of the cohort.

    Raises
    ------
    InputError
        If the table cannot be read, or lacks a column.
    FileError
        If the list of the synthetic input names it, and it is missing or damaged.
    """
    manifest.require_as_listed(path, remedy="run `tumorcam synthesize`, which writes it anew")
    if not os.path.lexists(path):
        return None
    table = read_frame(path, "the folder input of the run").table
    missing = [name for name in TRUTH_COLUMNS if name not in table]
    if missing:
        msg = f"{path} has no column {missing[0]}; wanted {', '.join(TRUTH_COLUMNS)}"
        raise InputError(msg)
    tumor = pd.Index(tumors).get_indexer(table["tumor"])
    gene = pd.Index(genes).get_indexer(table["gene"])
    is_kept = (tumor >= 0) & (gene >= 0)
    of_proxy = (table["role"] == PROXY).to_numpy() if "role" in table else np.zeros_like(is_kept)
    marks = {}
    for name, rows in {"drives": ~of_proxy & is_kept, "is_proxy": of_proxy & is_kept}.items():
        marks[name] = np.zeros((len(tumors), len(genes)), dtype=bool)
        marks[name][tumor[rows], gene[rows]] = True
    return PlantedTruth(**marks, n_lost=int((~is_kept & ~of_proxy).sum()))


def score_against_truth(
    planted: PlantedTruth, rank: np.ndarray, q_decoy: np.ndarray, *, threshold: float
) -> TruthScores:
    """Precision at 20, observed false proportion and recall of one ranking.

    Parameters
    ----------
    planted : PlantedTruth
        Drivers and proxies.
    rank : (tumors, genes) float64
        1 is the highest score; NaN where untestable.
    q_decoy : (tumors, genes) float64
        NaN where unknown.
    threshold : float
        Pairs with q_decoy at most this are called.
    """
    drives = planted.drives
    n_planted = int(drives.sum())
    with_drivers = drives.any(axis=1)
    place = rankdata(
        np.where(planted.is_proxy, np.nan, rank), axis=1, method="min", nan_policy="omit"
    )
    in_top = np.nan_to_num(place, nan=np.inf) <= TOP
    called = q_decoy <= threshold  # False where q_decoy is NaN
    drives_any = drives.any(axis=0)
    kinds = {
        "own": called & drives,
        "other": called & ~drives & drives_any,
        "proxy": called & ~drives_any & planted.is_proxy.any(axis=0),
        "neither": called & ~drives_any & ~planted.is_proxy.any(axis=0),
    }
    counts = {kind: int(np.count_nonzero(pairs)) for kind, pairs in kinds.items()}
    n_called = int(np.count_nonzero(called))
    n_found = (in_top & drives)[with_drivers].sum(axis=1)
    n_top = np.maximum(in_top[with_drivers].sum(axis=1), 1)
    return TruthScores(
        precision=float((n_found / n_top).mean()) if n_planted else float("nan"),
        called=n_called,
        **counts,
        false_share=counts["neither"] / n_called if n_called else float("nan"),
        recall=counts["own"] / n_planted if n_planted else float("nan"),
    )
