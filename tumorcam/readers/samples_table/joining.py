"""Which rows of a samples table belong to which samples of a matrix, however both spell the IDs."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tumorcam.errors import InputError, quoted
from tumorcam.readers.column_names import AUTO, SAMPLE, require_column, usual_columns
from tumorcam.readers.matrix import Fact
from tumorcam.readers.missing import blank_missing
from tumorcam.readers.samples_table.identifiers import canonical, identify, levels
from tumorcam.readers.wording import listed, plain

RULES = {
    "exact": "spelled alike",
    "spelling": "but for dashes, dots, case, zeros, or R's X",
    "barcode": "by the part of the barcode that both have",
}


class SampleNames:
    """Tells whether a name in a matrix is a sample's.

    Parameters
    ----------
    tables : sequence of DataFrame
        Samples tables; any of their columns may have the IDs.
    """

    def __init__(self, tables: Sequence[pd.DataFrame]) -> None:
        columns = [column for table in tables for column in _id_columns(table)]
        cells = {cell for column in columns for cell in column}
        self._names = cells
        self._canonical = {canonical(cell) for cell in cells}
        self._has_table = bool(tables)

    def is_sample(self, name: str) -> bool:
        """Whether a table has the name, in any spelling, or it is a barcode."""
        name = name.strip()
        if not name:
            return False
        return name in self._names or canonical(name) in self._canonical or bool(identify(name))


class Join(NamedTuple):
    """The rows of a table for the samples of a matrix.

    Attributes
    ----------
    column : str
        The column with the IDs.
    pairs : DataFrame
        `sample` (str, as the matrix spells it) and `row` (int, position in the table): a sample may
        have several rows, and a row several samples.
    facts : list of Fact
        How the IDs were compared.
    """

    column: str
    pairs: pd.DataFrame
    facts: list[Fact]


def join_samples(
    samples: Sequence[str], table: pd.DataFrame, column: str, path: Path, others: Iterable[str] = ()
) -> Join:
    """The rows of a samples table that belong to the samples of a matrix.

    Parameters
    ----------
    samples : sequence of str
        Names in the matrix.
    table : DataFrame
        Texts.
    column : str
        As `input.sample_column`: a name, or "auto" for the column with most of the samples.
    path : Path
        File of the table, for messages.
    others : iterable of str
        Names of columns that are no candidates.

    Raises
    ------
    InputError
        If the column does not exist, or no sample has a row.
    """
    if column != AUTO:
        require_column(table, column, "input.sample_column", path)
        columns = [column]
    else:
        usual = usual_columns(table, SAMPLE)
        columns = usual + [name for name in table.columns if name not in {*usual, *others}]
    distinct = list(dict.fromkeys(samples))
    matches = {name: _match(distinct, _cells(table, name)) for name in dict.fromkeys(columns)}
    best = max(matches, key=lambda name: matches[name].score)
    match = matches[best]
    if not match.rows:
        raise InputError(_no_common_sample(distinct, table, columns, path))
    pairs = [(name, row) for name, rows in match.rows.items() for row in rows]
    rules = [f"{n} {RULES[rule]}" for rule, n in match.n_by_rule.items() if n]
    similar = [
        quoted(name) for name, other in matches.items()
        if name != best and len(other.rows) == len(match.rows)
    ]  # fmt: skip
    fact = Fact(
        "sample column",
        quoted(best),
        f"{len(match.rows)} of {len(distinct)} samples of the matrix have a row: "
        f"{', '.join(rules)}",
        f"also {listed(similar, spell=str)}" if similar else "",
        setting="input.sample_column",
        value=best,
    )
    return Join(best, pd.DataFrame(pairs, columns=["sample", "row"]), [fact])


class _Match(NamedTuple):
    rows: dict[str, list[int]]
    n_by_rule: dict[str, int]

    @property
    def score(self) -> tuple[int, int, int]:
        """Samples with one row count first: a patient with two samples has two."""
        n_single = sum(len(rows) == 1 for rows in self.rows.values())
        return n_single, len(self.rows), self.n_by_rule["exact"]


def _match(samples: Sequence[str], cells: Sequence[str]) -> _Match:
    """The rows of each sample by the first rule that gives any."""
    indexes: dict[str, Mapping[str, list[int]]] = {
        "exact": _index((cell, i) for i, cell in enumerate(cells)),
        "spelling": _index((canonical(cell), i) for i, cell in enumerate(cells) if cell),
    }
    by_level = _index(
        (level, i)
        for i, cell in enumerate(cells)
        if (identity := identify(cell)) is not None
        for level in levels(identity)
    )
    whole = _index(
        (identity.key, i)
        for i, cell in enumerate(cells)
        if (identity := identify(cell)) is not None
    )
    rows: dict[str, list[int]] = {}
    n_by_rule = dict.fromkeys(RULES, 0)
    for sample in samples:
        name = sample.strip()
        for rule, index in indexes.items():
            if hits := index.get(name if rule == "exact" else canonical(name), []):
                rows[sample] = hits
                n_by_rule[rule] += 1
                break
        else:
            if hits := _by_barcode(name, whole, by_level):
                rows[sample] = hits
                n_by_rule["barcode"] += 1
    return _Match(rows, n_by_rule)


def _by_barcode(
    name: str, whole: Mapping[str, list[int]], by_level: Mapping[str, list[int]]
) -> list[int]:
    """Rows whose barcode is a shorter one of the sample's, the longest first, or a longer one."""
    identity = identify(name)
    if identity is None:
        return []
    for level in reversed(levels(identity)):
        if level in whole:
            return whole[level]
    return by_level.get(identity.key, [])


def _index(items: Iterable[tuple[str, int]]) -> Mapping[str, list[int]]:
    index = defaultdict(list)
    for key, row in items:
        if key:
            index[key].append(row)
    return index


def _cells(table: pd.DataFrame, name: str) -> list[str]:
    cells = table.loc[:, table.columns == name].iloc[:, 0]
    return list(blank_missing(cells))


def _id_columns(table: pd.DataFrame) -> list[set[str]]:
    """The cells of each column that may have IDs: one with a usual name, or with many values."""
    usual = set(usual_columns(table, SAMPLE))
    columns = []
    for position, name in enumerate(table.columns):
        cells = set(blank_missing(table.iloc[:, position])) - {""}
        if name in usual or 2 * len(cells) > len(table):
            columns.append({cell for cell in cells if not _is_measurement(cell)})
    return columns


def _is_measurement(cell: str) -> bool:
    """Whether a text is a number with decimals, which no ID is."""
    whole, point, rest = cell.partition(".")
    return bool(point) and rest.strip("0") != "" and (whole.lstrip("-") + rest).isdigit()


def _no_common_sample(
    samples: Sequence[str], table: pd.DataFrame, columns: Sequence[str], path: Path
) -> str:
    texts = [f"{quoted(name)}: {listed(_cells(table, name), 2)}" for name in columns[:8]]
    return (
        f"{plain(str(path))}: none of its columns has a sample of the expression matrix "
        f"({listed(samples)}), also not in another spelling (dots or dashes, upper or lower case, "
        f"leading zeros, R's X) or as a part of a barcode; its columns are {'; '.join(texts)}; "
        "give the table a column with the IDs of the matrix, and set input.sample_column to it"
    )
