"""Matrices with genes in rows: which columns are samples, and which describe the genes."""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tumorcam.errors import InputError, quoted
from tumorcam.readers import column_names
from tumorcam.readers.column_names import AUTO, plain_spelling
from tumorcam.readers.matrix import Fact
from tumorcam.readers.missing import is_missing
from tumorcam.readers.tables import measures, words
from tumorcam.readers.tables.geometry import Columns, DescribingRow, Geometry, IsSample
from tumorcam.readers.wording import listed, listed_columns, plain
from tumorcam.settings import InputSettings

GENE_LIKE = re.compile(r"[A-Za-z0-9?_][^\s;,]*( \(\d+\))?")  # also "A1BG (1)" of DepMap
ROW_NUMBERS = "it has no name and counts the rows"
NEARLY = 0.9  # of the most distinct IDs: the first column that has so many is taken
MIN_DISTINCT = 0.5  # share of the rows that have an ID of their own


class _Roles(NamedTuple):
    """Columns of samples, of annotation, and of row numbers."""

    values: list[int]
    annotation: list[int]
    indices: list[int]


class _GeneColumn(NamedTuple):
    column: int
    fact: Fact


def find_columns(
    columns: Columns, header_row: int, settings: InputSettings, is_sample: IsSample, path: Path
) -> Geometry:
    """Find the samples, the gene IDs and the annotation among the columns.

    A column whose name is not a sample's is annotation only if it holds texts, has a usual name of
    annotation or no name at all; any other one is a sample without label.

    Parameters
    ----------
    header_row : int
        Index of the header row with the samples.

    Raises
    ------
    InputError
        If no column holds gene IDs, or several measures are given for each sample and none fits.
    """
    header = columns.headers[header_row]
    roles = _roles(columns, header, settings, is_sample)
    gene = _gene_column(columns, roles, settings, path)
    above = [row for i, row in enumerate(columns.headers) if i != header_row]
    chosen = measures.choose_columns(header, above, roles.values, columns, settings, path)
    if not chosen.values:
        msg = (
            f"{plain(str(path))} has no column of numbers; its columns are "
            f"{listed_columns(header)}; wanted a column for each sample: check input.expression"
        )
        raise InputError(msg)
    describing = [
        DescribingRow(row[gene.column] or f"header row {columns.headers.index(row) + 1}", row)
        for row in chosen.describing
    ]
    texts = [i for i in roles.annotation if i != gene.column]
    return Geometry(
        genes_in_rows=True,
        header=[name or columns.name(i) for i, name in enumerate(header)],
        values=chosen.values,
        id_column=gene.column,
        texts=texts,
        describing=describing,
        facts=[gene.fact, *_facts(columns, texts, roles.indices), *chosen.facts],
    )


def _roles(
    columns: Columns, header: list[str], settings: InputSettings, is_sample: IsSample
) -> _Roles:
    names = [is_sample(name) for name in header]
    first = names.index(True) if any(names) else 0
    last = len(names) - names[::-1].index(True) if any(names) else len(names)
    values, annotation, indices = list[int](), list[int](), list[int]()
    for i, name in enumerate(header):
        is_nameless = words.is_unnamed(name)
        is_inside = any(names) and first < i < last
        is_text = columns.is_text[i] and not is_inside
        if names[i]:
            values.append(i)
        elif settings.gene_column in columns.names(i):
            annotation.append(i)
        elif is_nameless and columns.counts_rows(i):
            indices.append(i)
        elif words.is_annotation(name) or is_text or (is_nameless and columns.are_whole(i)):
            annotation.append(i)
        else:
            values.append(i)
    return _Roles(values, annotation, indices)


def _gene_column(
    columns: Columns, roles: _Roles, settings: InputSettings, path: Path
) -> _GeneColumn:
    """The column with the gene IDs: as set, or the first one with nearly the most distinct ones."""
    names = {i: columns.name(i) for i in roles.annotation}
    if settings.gene_column != AUTO:
        named = (i for i in names if settings.gene_column in columns.names(i))
        index = next(named, None)
        if index is None:
            msg = (
                f"{plain(str(path))} has no gene column {quoted(settings.gene_column)}; its "
                f"columns beside the samples are {listed_columns(names.values()) or 'none'}; set "
                "input.gene_column to one of them"
            )
            raise InputError(msg)
        reason = f"input.gene_column = {quoted(settings.gene_column)}"
        return _GeneColumn(index, Fact("gene column", names[index], reason))
    n_ids = {i: _n_distinct_ids(columns, i) for i in names}
    most = max(n_ids.values(), default=0)
    n_rows = len(columns.cells[0])
    if most < MIN_DISTINCT * n_rows or most == 0:
        msg = (
            f"{plain(str(path))} has no column of gene IDs: beside the samples there are the "
            f"columns {listed_columns(names.values()) or 'none'}, and the best has {most} "
            f"different IDs in the first {n_rows} rows; add them, or set "
            "input.gene_column to their column"
        )
        raise InputError(msg)
    index = next(i for i in names if n_ids[i] >= NEARLY * most)
    others = [f"{quoted(names[i])} ({n_ids[i]} different IDs)" for i in names if i != index]
    reason = f"{n_ids[index]} different IDs in the first {n_rows} rows"
    fact = Fact("gene column", names[index], reason, ", ".join(others[:5]))
    return _GeneColumn(index, fact)


def _n_distinct_ids(columns: Columns, index: int) -> int:
    """The number of distinct texts of a column that may be gene IDs."""
    name = columns.name(index)
    is_id = plain_spelling(name) in column_names.GENE_ID or words.is_unnamed(
        columns.headers[0][index]
    )
    if columns.is_number[index] and not (is_id and _are_whole(columns.cells[index])):
        return 0
    cells = Counter(columns.cells[index])
    return sum(GENE_LIKE.fullmatch(cell) is not None and not is_missing(cell) for cell in cells)


def _are_whole(cells: list[str]) -> bool:
    return all(cell.removesuffix(".0").isdigit() for cell in cells if not is_missing(cell))


def _facts(columns: Columns, texts: list[int], indices: list[int]) -> list[Fact]:
    facts = []
    if texts:
        names = [columns.name(i) for i in texts]
        reason = "columns of texts or with usual names of annotation are no samples"
        facts.append(Fact("annotation", f"{len(names)} columns: {listed(names)}", reason))
    if indices:
        names = [f"column {i + 1}" for i in indices]
        facts.append(Fact("annotation", f"{listed(names)} is left out", ROW_NUMBERS))
    return facts
