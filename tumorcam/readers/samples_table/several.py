"""Several samples tables as one: rows below each other, or columns beside each other."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tumorcam.errors import InputError
from tumorcam.readers.matrix import Fact
from tumorcam.readers.missing import blank_missing
from tumorcam.readers.samples_table.identifiers import canonical
from tumorcam.readers.wording import listed, plain

MIN_COMMON = 0.5  # share of the smaller table's columns, or of the rows, that both tables have


def join_tables(tables: Sequence[pd.DataFrame], paths: Sequence[Path]) -> tuple[pd.DataFrame, Fact]:
    """All tables as one, and how they were joined.

    Tables that have most columns in common are one table in several files: their rows are put below
    each other. Else a table adds its columns to the rows of the first one, by the column of IDs
    that both have, in any spelling; a patient's row is then given to each of the samples.

    Parameters
    ----------
    tables : sequence of DataFrame
        At least one; all texts.
    paths : sequence of Path
        Their files, for messages.

    Raises
    ------
    InputError
        If a table has neither columns nor IDs in common with the others.
    """
    joined, ways = tables[0], list[str]()
    for table, path in zip(tables[1:], paths[1:], strict=True):
        common = [name for name in table.columns if name in joined.columns]
        if len(common) >= MIN_COMMON * min(table.shape[1], joined.shape[1]):
            joined = pd.concat([joined, table], ignore_index=True).fillna("")
            ways.append(f"{len(table)} rows of {plain(path.name)} below")
            continue
        left, right = _common_ids(joined, table, path)
        row_of = {canonical(cell): i for i, cell in enumerate(table[right]) if cell}
        rows = [row_of.get(canonical(cell), -1) for cell in joined[left]]
        added = table.drop(columns=common)
        blank = pd.DataFrame([[""] * added.shape[1]], columns=added.columns)
        beside = pd.concat([added, blank], ignore_index=True).iloc[rows].reset_index(drop=True)
        joined = pd.concat([joined.reset_index(drop=True), beside], axis=1)
        ways.append(f"{added.shape[1]} columns of {plain(path.name)} beside, by column {right!r}")
    return joined, Fact("samples tables", f"{len(tables)} are joined", listed(ways))


def _common_ids(first: pd.DataFrame, second: pd.DataFrame, path: Path) -> tuple[str, str]:
    """The columns of two tables that have most IDs in common."""
    ids = {name: _ids(second[name]) for name in second.columns}
    hits = {
        (left, right): sum(cell in of_right for cell in _cells(first[left]))
        for left in first.columns
        for right, of_right in ids.items()
        if len(of_right) > 1
    }
    best = max(hits, key=lambda pair: hits[pair], default=("", ""))
    if not hits or hits[best] < MIN_COMMON * min(len(first), len(second)):
        msg = (
            f"{plain(str(path))} has neither the columns nor the IDs of the other tables in "
            "input.samples; give each table a column with the same IDs of samples or patients, or "
            "name only one of them"
        )
        raise InputError(msg)
    return best


def _cells(column: pd.Series) -> list[str]:
    return [canonical(cell) for cell in blank_missing(column) if cell]


def _ids(column: pd.Series) -> set[str]:
    """The cells of a column if all are different, as IDs are; else none."""
    cells = _cells(column)
    return set(cells) if len(set(cells)) == len(cells) else set()
