"""Several samples tables as one: further rows, or further columns of the same samples."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tumorcam.errors import InputError, quoted
from tumorcam.readers.column_names import AUTO, cells_of
from tumorcam.readers.matrix import Fact
from tumorcam.readers.samples_table.joining import Join, join_samples
from tumorcam.readers.wording import plain

MATRIX = "name in the matrix"  # joins the tables; it has a name that no table's column has
MIN_IDS = 3  # different values of a column by which another table may be joined


class Combined(NamedTuple):
    """One table with what several tables say of the samples of a matrix, and how it was joined."""

    table: pd.DataFrame
    facts: list[Fact]


def combine_tables(
    tables: Sequence[pd.DataFrame],
    matrix_samples: Sequence[str],
    sample_column: str,
    paths: Sequence[Path],
) -> Combined:
    """One table of the samples of the matrix, with the rows and columns of several tables.

    Each table is joined by the names of the matrix. One that has none of them, as a table of
    patients beside one of samples, is joined by a column of the tables before it. Where two tables
    have a column of the same name, one fills the gaps of the other; if they contradict each other,
    both columns stay, the second one under its name and its file's.

    Parameters
    ----------
    tables : sequence of DataFrame
        All texts. A single one is returned as it is.
    matrix_samples : sequence of str
        Names in the matrix.
    sample_column : str
        As `input.sample_column`; it counts for the tables that have such a column.
    paths : sequence of Path
        Files of the tables.

    Returns
    -------
    Combined
        Its column with the IDs has its name in the first table that has samples, and the names of
        the matrix as values.

    Raises
    ------
    InputError
        If a table has none of the samples, nor a value of a column of the tables before it.
    """
    if len(tables) == 1:
        return Combined(tables[0], [])
    parts, failures = list[_Part](), list[tuple[pd.DataFrame, Path, InputError]]()
    for table, path in zip(tables, paths, strict=True):
        column = sample_column if sample_column in table.columns else AUTO
        try:
            join = join_samples(matrix_samples, table, column, path)
        except InputError as error:
            failures.append((table, path, error))
        else:
            parts.append(_Part(path, _rows(table, join, join.pairs["sample"]), join.column))
    if not parts:
        raise failures[0][2]
    combined, id_column = parts[0].rows, parts[0].column
    facts = [part.fact for part in parts]
    for part in parts[1:]:
        combined = _merged(combined, part, facts)
    for table, path, failure in failures:
        further = _by_column(table, combined, path)
        if further is None:
            raise failure
        facts.append(further.fact)
        combined = _merged(combined, further, facts)
    order = {name: i for i, name in enumerate(dict.fromkeys(matrix_samples))}
    combined = combined.sort_values(MATRIX, key=lambda names: names.map(order), kind="stable")
    combined[id_column] = combined[MATRIX]
    combined = combined.drop(columns=MATRIX).reset_index(drop=True)
    return Combined(combined, facts)


class _Part(NamedTuple):
    """Rows of a table with the sample of each in the column MATRIX, and the column of its IDs."""

    path: Path
    rows: pd.DataFrame
    column: str

    @property
    def fact(self) -> Fact:
        """How the table was joined."""
        n = self.rows[MATRIX].nunique()
        text = f"{plain(self.path.name)}, by column {quoted(self.column)}"
        return Fact("samples table", text, f"{n} samples of the matrix have rows in it")


def _by_column(table: pd.DataFrame, before: pd.DataFrame, path: Path) -> _Part | None:
    """The rows of a table by the column of earlier tables that has most rows in it, or None."""
    best: _Part | None = None
    for name in before.columns.drop(MATRIX):
        cells = before[name]
        values = [value for value in cells.unique() if value]
        if len(values) < MIN_IDS:
            continue
        try:
            join = join_samples(values, table, AUTO, path)
        except InputError:
            continue
        samples = pd.DataFrame({MATRIX: before[MATRIX], "sample": cells})
        pairs = join.pairs.merge(samples.drop_duplicates(), on="sample")
        is_better = best is None or pairs[MATRIX].nunique() > best.rows[MATRIX].nunique()
        if is_better and join.pairs["sample"].nunique() >= MIN_IDS:
            rows = _rows(table, join._replace(pairs=pairs), pairs[MATRIX])
            best = _Part(path, rows, join.column)
    return best


def _rows(table: pd.DataFrame, join: Join, samples: pd.Series) -> pd.DataFrame:
    """The rows of a join, each with its sample; of columns of one name the first."""
    cells = {name: cells_of(table, name).to_numpy() for name in dict.fromkeys(table.columns)}
    part = pd.DataFrame(cells, dtype=str).iloc[join.pairs["row"].to_numpy()].reset_index(drop=True)
    part.insert(0, MATRIX, samples.to_numpy())
    return part


def _merged(first: pd.DataFrame, part: _Part, facts: list[Fact]) -> pd.DataFrame:
    """The columns of both for the samples of either; columns that differ get a fact."""
    second, mark = part.rows, f" ({part.path.name})"
    merged = first.merge(second, on=MATRIX, how="outer", suffixes=("", mark)).fillna("")
    for name in second.columns.intersection(first.columns).drop(MATRIX):
        a, b = merged[name], merged[f"{name}{mark}"]
        if ((a == "") | (b == "") | (a == b)).all():
            merged[name] = a.where(a != "", b)
            merged = merged.drop(columns=f"{name}{mark}")
        else:
            n = int(((a != b) & (a != "") & (b != "")).sum())
            text = f"column {quoted(name)} of {plain(part.path.name)} stays beside an earlier one"
            facts.append(Fact("samples table", text, f"they differ in {n} of {len(a)} rows"))
    return merged
