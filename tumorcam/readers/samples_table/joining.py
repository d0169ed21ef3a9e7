"""Which rows of a samples table belong to which samples of a matrix, however both spell the IDs."""

import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tumorcam.errors import InputError, quoted
from tumorcam.readers.column_names import AUTO, SAMPLE, cells_of, require_column, usual_columns
from tumorcam.readers.matrix import Fact
from tumorcam.readers.missing import blank_missing
from tumorcam.readers.samples_table.identifiers import canonical, identify, levels
from tumorcam.readers.samples_table.matching import (
    EXACT,
    PATIENT,
    SPECIMEN,
    SPELLING,
    Match,
    match_columns,
)
from tumorcam.readers.samples_table.mismatch import no_common_sample
from tumorcam.readers.wording import listed, plain

RULES = {
    EXACT: "spelled alike",
    SPELLING: "but for dots and dashes, case, quotes, leading zeros, or R's X",
    SPECIMEN: "by the sample in both barcodes",
    PATIENT: "by the patient in both barcodes",
}
MEASUREMENT = re.compile(r"-?\d+\.\d*[1-9]\d*")  # a number with decimals, which no ID is


class SampleNames:
    """Tells whether a name in a matrix is a sample's.

    Parameters
    ----------
    tables : sequence of DataFrame
        Samples tables; any of their columns may have the IDs.
    """

    def __init__(self, tables: Sequence[pd.DataFrame]) -> None:
        self._names = {cell for table in tables for column in _id_columns(table) for cell in column}

    @functools.cached_property
    def _canonical(self) -> set[str]:
        return {canonical(cell) for cell in self._names}

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
        `sample` (str, as the matrix spells it), `row` (int, position in the table) and `rule`
        (str): a sample may have several rows, and a row several samples.
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

    The column is the one with rows for most samples, where a row that is only the patient's counts
    half. A sample takes the rows whose ID is spelled alike; else those that differ only in
    spelling; else those whose barcode agrees as far as possible, at least in the type of sample;
    and last those of a table of patients.

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
        If the column does not exist, no sample has a row, or two samples or two IDs of the table
        are one in the spelling that joins them.
    """
    distinct = list(dict.fromkeys(samples))
    if table.empty:
        msg = f"{plain(str(path))} has no rows or no columns; check input.samples"
        raise InputError(msg)
    if column != AUTO:
        require_column(table, column, "input.sample_column", path)
    usual = usual_columns(table, SAMPLE)
    names = [*usual, *(name for name in table.columns if name not in {*usual, *others})]
    cells = {name: cells_of(table, name).tolist() for name in dict.fromkeys(names)}
    if not cells:
        raise InputError(no_common_sample(distinct, cells, {}, column, path))
    matches = match_columns(distinct, cells, usual if column == AUTO else [column])
    best = max(matches, key=lambda name: matches[name].score) if column == AUTO else column
    match = matches[best]
    if not match.rows:
        counts = {name: len(other.rows) for name, other in matches.items() if other.rows}
        raise InputError(no_common_sample(distinct, cells, counts, column, path))
    if len(set(distinct).intersection(table.columns)) > 1:
        msg = f"{plain(str(path))} has its samples in columns; wanted a row for each: transpose it"
        raise InputError(msg)
    if best in distinct:
        msg = (
            f"{plain(str(path))} has no header: its first line has the sample {quoted(best)}; "
            "write a line above it that names the columns, such as sample and tumor_type"
        )
        raise InputError(msg)
    _require_unambiguous(match, cells[best], best, path)
    if column == AUTO:
        _require_one_order(match, cells, best, path)
    pairs = [(name, row, match.rules[name]) for name, rows in match.rows.items() for row in rows]
    similar = [n for n in matches if n != best and matches[n].rows.keys() >= match.rows.keys()]
    fact = Fact(
        "sample column",
        quoted(best),
        f"{len(match.rows)} of {len(distinct)} samples of the matrix have a row: "
        f"{_counts(match, cells[best])}",
        f"also {listed(similar, spell=quoted)}" if similar else "",
        setting="input.sample_column",
        value=best,
    )
    table_rows = pd.DataFrame(pairs, columns=["sample", "row", "rule"])
    return Join(best, table_rows, [fact, *_overlap_facts(distinct)])


def _overlap_facts(samples: Sequence[str]) -> list[Fact]:
    """Barcodes of the matrix that are parts of others in it: perhaps of the same sample."""
    identities = {sample: identity for sample in samples if (identity := identify(sample))}
    whole = {identity.key: sample for sample, identity in identities.items()}
    pairs = [
        f"{whole[level]} and {sample}"
        for sample, identity in identities.items()
        for level in levels(identity)[1:-1]
        if level in whole
    ]
    if not pairs:
        return []
    text = f"{listed(pairs)} are taken for different samples of one patient"
    return [Fact("samples", text, "the shorter barcode is a part of the longer one")]


def _require_unambiguous(match: Match, cells: Sequence[str], column: str, path: Path) -> None:
    """Stop where names that a file tells apart are one name in the spelling that joins them."""
    if SPELLING not in match.rules.values():
        return
    samples_of = defaultdict[tuple[int, ...], list[str]](list)
    for sample, rows in match.rows.items():
        if match.rules[sample] in (EXACT, SPELLING):
            samples_of[tuple(rows)].append(sample)
    for positions, samples in samples_of.items():
        ids = list(dict.fromkeys(cells[row] for row in positions))
        if len(ids) > 1 or len({sample.strip() for sample in samples}) > 1:
            several = f"samples {listed(samples, 4)} and IDs {listed(ids, 4)}"
            msg = (
                f"{plain(str(path))}: the matrix's {several} of column {quoted(column)} are the "
                "same but for their spelling (dots and dashes, case, leading zeros, R's X), so it "
                "cannot be known which is which: spell the IDs of the table as the matrix does"
            )
            raise InputError(msg)


def _require_one_order(
    match: Match, cells: Mapping[str, Sequence[str]], column: str, path: Path
) -> None:
    """Stop where another column has the same IDs in other rows."""
    for name, other in cells.items():
        place = {cell: row for row, cell in enumerate(other) if cell in match.rows}
        if len(place) < len(match.rows) or name == column:
            continue
        moved = [sample for sample, rows in match.rows.items() if place[sample] not in rows]
        if moved:
            msg = (
                f"{plain(str(path))}: columns {quoted(column)} and {quoted(name)} both have all "
                f"samples of the matrix, but {len(moved)} of them in other rows ({listed(moved)}); "
                f'set input.sample_column = "{plain(column)}" or "{plain(name)}"'
            )
            raise InputError(msg)


def _counts(match: Match, cells: Sequence[str]) -> str:
    """How many samples were joined by each rule, with an example where the names differ."""
    texts = []
    for rule, words in RULES.items():
        samples = [sample for sample in match.rows if match.rules[sample] == rule]
        if samples:
            other = plain(cells[match.rows[samples[0]][0]])
            example = "" if rule == EXACT else f" (such as {plain(samples[0])} and {other})"
            texts.append(f"{len(samples)} {words}{example}")
    return ", ".join(texts)


def _id_columns(table: pd.DataFrame) -> list[set[str]]:
    """The cells of each column that may have IDs: one with a usual name, or with many values."""
    usual = set(usual_columns(table, SAMPLE))
    columns = []
    for position, name in enumerate(table.columns):
        cells = set(blank_missing(table.iloc[:, position])) - {""}
        if name in usual or 2 * len(cells) > len(table):
            columns.append({cell for cell in cells if MEASUREMENT.fullmatch(cell) is None})
    return columns
