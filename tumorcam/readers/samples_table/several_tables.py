"""Several samples tables as one: further rows, or further columns of the same samples."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tumorcam.errors import InputError, quoted
from tumorcam.readers.column_names import AUTO, cells_of, plain_spelling
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
    patients beside one of samples, is joined by a column of the tables before it; so is one whose
    IDs have the name of a further column of another table, whatever they look like. Where two
    tables have a column of the same name, one fills the gaps of the other; if they contradict each
    other, both columns stay, the second one under its name and its file's.

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
    joined = [
        _by_sample(table, matrix_samples, sample_column, path)
        for table, path in zip(tables, paths, strict=True)
    ]
    by_sample = [part for part in joined if isinstance(part, _Part)]
    parts = [p for p in by_sample if not any(_has_as_column(other, p) for other in by_sample)]
    parts = parts or by_sample  # if each of them is a column of the next one
    if not parts:
        raise next(failure for failure in joined if isinstance(failure, InputError))
    combined, id_column = parts[0].rows, parts[0].column
    facts = [part.fact for part in parts]
    for part in parts[1:]:
        combined = _merged(combined, part, facts)
    for table, path, other in zip(tables, paths, joined, strict=True):
        if any(other is part for part in parts):
            continue
        further = _by_column(table, combined, path) or other
        if isinstance(further, InputError):
            raise further
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


def _by_sample(
    table: pd.DataFrame, samples: Sequence[str], column: str, path: Path
) -> _Part | InputError:
    """The rows of a table by the names of the matrix, or why there are none."""
    try:
        join = join_samples(samples, table, column if column in table.columns else AUTO, path)
    except InputError as error:
        return error
    return _Part(path, _rows(table, join, join.pairs["sample"]), join.column)


def _has_as_column(part: _Part, other: _Part) -> bool:
    """Whether the IDs of another table are a further column of this one, and not the reverse."""
    spelled, of_other = (set(map(plain_spelling, p.rows.columns)) for p in (part, other))
    key, other_key = plain_spelling(part.column), plain_spelling(other.column)
    return key != other_key and other_key in spelled and key not in of_other


def _by_column(table: pd.DataFrame, before: pd.DataFrame, path: Path) -> _Part | None:
    """The rows of a table by the column of earlier tables that has most rows in it, or None.

    A column whose name the table has, too, comes before all others.
    """
    best: _Part | None = None
    names = set(map(plain_spelling, table.columns))
    columns = sorted(before.columns.drop(MATRIX), key=lambda n: plain_spelling(n) not in names)
    for name in columns:
        if best is not None and plain_spelling(name) not in names:
            break
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
    earlier = {plain_spelling(name): name for name in reversed(first.columns)}
    names = {name: earlier.get(plain_spelling(name), name) for name in part.rows.columns}
    is_one_each = len(set(names.values())) == len(names)
    second = part.rows.rename(columns=names) if is_one_each else part.rows
    mark = f" ({part.path.name})"
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
