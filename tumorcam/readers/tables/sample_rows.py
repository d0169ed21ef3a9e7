"""Matrices with samples in rows: which columns are genes, and which describe the samples."""

from pathlib import Path

from tumorcam.errors import InputError, quoted
from tumorcam.readers.column_names import AUTO
from tumorcam.readers.matrix import Fact
from tumorcam.readers.tables import words
from tumorcam.readers.tables.geometry import Columns, DescribingRow, Geometry
from tumorcam.readers.wording import listed, listed_columns, plain
from tumorcam.settings import InputSettings

ROW_NUMBERS = "it has no name and counts the rows"


def find_columns(columns: Columns, id_column: int, settings: InputSettings, path: Path) -> Geometry:
    """Find the genes among the columns; other columns are labels of the samples.

    A column is a label if it holds texts, or if its name is a usual one of clinical data, such as
    age; an unnamed column that counts the rows is neither.

    Raises
    ------
    InputError
        If there is no gene, or `input.gene_column` is set.
    """
    if settings.gene_column != AUTO:
        msg = (
            f"{plain(str(path))} has its genes in columns, but input.gene_column is "
            f'{quoted(settings.gene_column)}; set input.gene_column = "auto"'
        )
        raise InputError(msg)
    header = columns.headers[0]
    name = header[id_column]
    if columns.is_padded and not (words.is_unnamed(name) or words.is_clinical(name)):
        msg = (
            f"{plain(str(path))}: the rows have one cell more than the header, and it is empty: "
            f"either the column of the samples is called {quoted(name)}, or it has no name and the "
            'last gene no values; give that column the name "sample" in the header'
        )
        raise InputError(msg)
    others = [i for i in range(len(header)) if i != id_column]
    indices = [i for i in others if words.is_unnamed(header[i]) and columns.counts_rows(i)]
    texts = [
        i
        for i in others
        if i not in indices and (columns.is_text[i] or words.is_clinical(header[i]))
    ]
    values = sorted({*others} - {*indices} - {*texts})
    if not values:
        msg = (
            f"{plain(str(path))} has no column of numbers beside the samples in column "
            f"{quoted(columns.name(id_column))}; its columns are {listed_columns(header)}; wanted "
            "a column for each gene: check input.expression"
        )
        raise InputError(msg)
    describing = [
        DescribingRow(row[id_column] or f"header row {i}", row)
        for i, row in enumerate(columns.headers[1:], start=2)
    ]
    return Geometry(
        genes_in_rows=False,
        header=header,
        values=values,
        id_column=id_column,
        texts=texts,
        describing=describing,
        facts=_facts(columns, id_column, texts, indices),
    )


def _facts(columns: Columns, id_column: int, texts: list[int], indices: list[int]) -> list[Fact]:
    facts = [
        Fact(
            "sample column",
            columns.name(id_column),
            "it has most IDs of samples",
            listed([columns.name(i) for i in texts]),
        )
    ]
    if texts:
        names = [columns.name(i) for i in texts]
        reason = "columns of texts, or with names of clinical data, are no genes"
        facts.append(Fact("labels", f"{len(names)} columns: {listed(names)}", reason))
    if indices:
        names = [f"column {i + 1}" for i in indices]
        facts.append(Fact("labels", f"{listed(names)} is left out", ROW_NUMBERS))
    return facts
