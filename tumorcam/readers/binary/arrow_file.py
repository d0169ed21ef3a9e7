"""Parquet, Feather and Arrow files, read in a process of their own: who is who in the matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.errors import InputError, quoted
from tumorcam.readers.binary.arrow_tables import (
    ColumnFault,
    Columns,
    Source,
    cells,
    look_at_columns,
    numbers,
    open_source,
)
from tumorcam.readers.binary.messages import text_table
from tumorcam.readers.binary.worker import AreSamples
from tumorcam.readers.column_names import AUTO
from tumorcam.readers.matrix import SAMPLE, Drop, Fact, Matrix
from tumorcam.readers.missing import is_missing
from tumorcam.readers.tables.names import require_names
from tumorcam.readers.tables.words import is_annotation, is_clinical
from tumorcam.readers.wording import listed, listed_columns, plain
from tumorcam.settings import InputSettings
from tumorcam.storage.stored_values import StoredValues

CLEAR = 2  # times as large must the better of two shares be
WRITE_IDS = "write it again with them as a column or as the index of the table"
NEARLY = 0.9  # of the most distinct IDs: the first column that has so many is taken


@dataclass(frozen=True)
class _Roles:
    """What the columns are: that of the rows' names, those of texts, and those of values."""

    genes_in_rows: bool
    id_column: int
    texts: list[int]
    values: list[int]
    facts: list[Fact]


@dataclass(frozen=True)
class _Samples:
    """How many names of columns are samples, and of the first cells of each column."""

    in_header: list[bool]
    share: dict[int, float]
    first: dict[int, list[str]]


def read(
    path: Path, settings: InputSettings, values: StoredValues, are_samples: AreSamples
) -> Matrix:
    """Read a file, as in `tumorcam.readers.binary.columnar`."""
    try:
        with open_source(path) as source:
            columns = look_at_columns(source.schema)
            roles = _roles(columns, _look(source, columns, are_samples), settings)
            return _read(source, columns, roles, path, values)
    except ColumnFault as fault:
        raise InputError(f"{plain(str(path))}: {fault}") from None


def _read(
    source: Source, columns: Columns, roles: _Roles, path: Path, values: StoredValues
) -> Matrix:
    names, dropped = list[str](), list[Drop]()
    tables: list[list[str]] = [[] for _ in roles.texts]
    n_rows = 0
    for batch in source.batches():
        ids = cells(batch.column(roles.id_column))
        kept = [i for i, name in enumerate(ids) if roles.genes_in_rows or not is_missing(name)]
        lost = sorted(set(range(len(ids))) - set(kept))
        dropped += [Drop("row", f"row {n_rows + i + 1}", "it names no sample") for i in lost]
        n_rows += len(ids)
        names += [ids[i] for i in kept]
        for table, index in zip(tables, roles.texts, strict=True):
            column = cells(batch.column(index))
            table += [column[i] for i in kept]
        add = values.add_genes if roles.genes_in_rows else values.add_samples
        add(numbers(batch, roles.values)[kept])
    if not names:
        raise ColumnFault("it has no rows; check input.expression")
    titles = [columns.names[i] for i in roles.values]
    samples, genes = (titles, names) if roles.genes_in_rows else (names, titles)
    require_names(samples, "sample", path)
    require_names(genes, "gene", path)
    texts = [(columns.names[i], table) for i, table in zip(roles.texts, tables, strict=True)]
    no_columns = text_table([], len(genes))
    return Matrix(
        path=path,
        samples=samples,
        genes=genes,
        values=values,
        dropped=dropped,
        facts=[Fact("format", source.kind, "its first bytes say so"), *roles.facts],
        labels=None if roles.genes_in_rows else _labels(names, texts),
        annotation=text_table(texts, len(genes)) if roles.genes_in_rows else no_columns,
    )


def _labels(names: list[str], texts: Sequence[tuple[str, list[str]]]) -> pd.DataFrame:
    others = [(f"{SAMPLE} (2)" if name == SAMPLE else name, column) for name, column in texts]
    return text_table([(SAMPLE, names), *others], len(names))


def _look(source: Source, columns: Columns, are_samples: AreSamples) -> _Samples:
    """Look for samples among the names of columns of numbers, and in the other columns."""
    in_header = are_samples([columns.names[i] for i in columns.number]) if columns.number else []
    batch = next(iter(source.batches()), None)
    share, first = dict[int, float](), dict[int, list[str]]()
    for i in [*columns.index, *columns.text]:
        first[i] = cells(batch.column(i)) if batch is not None else []
        distinct = sorted(set(first[i]))
        share[i] = float(np.mean(are_samples(distinct))) if distinct else 0.0
    return _Samples(in_header, share, first)


def _roles(columns: Columns, samples: _Samples, settings: InputSettings) -> _Roles:
    if not columns.number:
        msg = (
            f"it has no column of numbers; its columns are {listed_columns(columns.names)}; "
            "check input.expression; a table of samples must be text, as CSV or TSV"
        )
        raise ColumnFault(msg)
    orientation = _orientation(columns, samples, settings)
    if orientation.text.startswith("genes in rows"):
        return _gene_rows(columns, samples, settings, orientation)
    return _sample_rows(columns, samples, orientation)


def _orientation(columns: Columns, samples: _Samples, settings: InputSettings) -> Fact:
    n_header, n_names = sum(samples.in_header), len(samples.in_header)
    best = max(samples.share, key=lambda i: samples.share[i], default=None)
    in_rows = 0.0 if best is None else samples.share[best]
    in_header = n_header / max(1, n_names)
    place = "any column" if best is None else f"column {quoted(columns.names[best])}"
    reason = (
        f"{n_header} of {n_names} names of columns of numbers are samples, and {in_rows:.0%} of "
        f"the first cells of {place}"
    )
    is_turned = in_header > in_rows
    if settings.orientation != AUTO:
        is_turned = settings.orientation == "genes_in_rows"
        reason = f'input.orientation = "{settings.orientation}"; {reason}'
    elif max(in_header, in_rows) < CLEAR * min(in_header, in_rows) or in_header == in_rows:
        msg = (
            f"{reason}; wanted samples on one side: add their IDs to input.samples, or set "
            'input.orientation = "genes_in_rows" or "samples_in_rows"'
        )
        raise ColumnFault(msg)
    text = "genes in rows, samples in columns" if is_turned else "samples in rows, genes in columns"
    return Fact("orientation", text, reason)


def _sample_rows(columns: Columns, samples: _Samples, orientation: Fact) -> _Roles:
    """The column with most samples has their names; texts and clinical numbers are labels."""
    if not samples.share:
        msg = (
            f"no column holds the samples' names; its columns are {listed_columns(columns.names)}; "
            "add them as a column of texts"
        )
        raise ColumnFault(msg)
    best = max(samples.share, key=lambda i: samples.share[i])
    clinical = [i for i in columns.number if is_clinical(columns.names[i])]
    texts = [i for i in sorted([*columns.index, *columns.text, *clinical]) if i != best]
    texts = [i for i in texts if columns.names[i]]
    others = listed([columns.names[i] for i in texts]) if texts else ""
    reason = "it has most IDs of samples"
    fact = Fact("sample column", columns.names[best] or "the index", reason, others)
    genes = [i for i in columns.number if i not in clinical]
    return _Roles(False, best, texts, genes, [orientation, fact])


def _gene_rows(
    columns: Columns, samples: _Samples, settings: InputSettings, orientation: Fact
) -> _Roles:
    """Numbers are samples, known or not, unless their column is named as annotation is."""
    name = settings.gene_column
    values = [
        i
        for i in columns.number
        if columns.names[i] != name and not is_annotation(columns.names[i])
    ]
    beside = sorted(set(range(len(columns.names))) - set(values))
    gene = _gene_column(columns, samples, beside, name)
    texts = [i for i in beside if i != gene and columns.names[i]]
    title = columns.names[gene] or "the index"
    reason = "it has most different texts" if name == AUTO else f"input.gene_column = {name!r:.200}"
    others = listed([columns.names[i] for i in texts]) if texts else ""
    facts = [orientation, Fact("gene column", title, reason, others)]
    return _Roles(True, gene, texts, values, facts)


def _gene_column(columns: Columns, samples: _Samples, beside: list[int], name: str) -> int:
    if name != AUTO:
        named = [i for i in beside if columns.names[i] == name]
        if named:
            return named[0]
    n_distinct = {i: len(set(column)) for i, column in samples.first.items() if i in beside}
    if name != AUTO or not n_distinct:
        asked = f" {quoted(name)} as input.gene_column says" if name != AUTO else ""
        msg = (
            f"it has no column of gene IDs{asked}; its columns beside the samples are "
            f"{listed_columns([columns.names[i] for i in beside]) or 'none'}; "
            + ("set input.gene_column to one of them" if beside else WRITE_IDS)
        )
        raise ColumnFault(msg)
    most = max(n_distinct.values())
    return next(i for i in n_distinct if n_distinct[i] >= NEARLY * most)
