"""What a reader gives: the raw values of an expression matrix, and what was understood of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tumorcam.storage.stored_values import StoredValues

SAMPLE = "sample"  # the column of `Matrix.labels` that holds the matrix's own names of samples


class Drop(NamedTuple):
    """A gene, sample or row of a file that the cohort leaves out, and why.

    `kind` is "gene", "sample" or "row".
    """

    kind: str
    name: str
    reason: str


class Fact(NamedTuple):
    """Something that was understood of the input, and the evidence for it.

    Attributes
    ----------
    topic : str
        What it is about, such as "orientation", "gene column" or "scale".
    text : str
        What was understood, such as "genes in rows".
    reason : str
        Why, such as "16 of 16 names in line 1 are samples of the samples table".
    others : str
        What else it might have been, such as other columns; empty if there is nothing.
    setting, value : str
        The setting that says the same, such as "input.tumor_column" and its value; empty if none
        does.
    """

    topic: str
    text: str
    reason: str
    others: str = ""
    setting: str = ""
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """An expression matrix whose raw values were read from one or more files.

    Attributes
    ----------
    path : Path
        The file, or the first of several, for messages.
    samples, genes : list of str
        Names in the order of the values; they may repeat.
    values : StoredValues
        (genes, samples) float32, as the file has them; a missing value is NaN.
    dropped : list of Drop
        Rows and columns of the files that are neither samples nor genes.
    facts : list of Fact
        What was understood of the files.
    labels : DataFrame or None
        What the files themselves say of the samples, all texts: a row for each sample in the order
        of `samples`; the column "sample" has their names. None if they say nothing.
    sources : list of str
        The file of each sample, where several were joined by sample; else empty.
    annotation : DataFrame
        What the files say of the genes besides their IDs, all texts: a row for each gene; it may
        have no columns.
    """

    path: Path
    samples: list[str]
    genes: list[str]
    values: StoredValues
    dropped: list[Drop] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    labels: pd.DataFrame | None = None
    sources: list[str] = field(default_factory=list)
    annotation: pd.DataFrame = field(default_factory=pd.DataFrame)
