"""Other names of genes, by which a reader of the page may search: symbols, IDs and synonyms."""

from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.cohort.lookup import name_parts
from tumorcam.errors import InputError
from tumorcam.readers import column_names
from tumorcam.readers.annotation import plain_ids
from tumorcam.readers.column_names import usual_columns
from tumorcam.readers.tables.frames import read_frame
from tumorcam.readers.wording import listed, listed_columns

SETTING = "report.annotation"
SEPARATORS = r"[|,;]\s*"  # between the synonyms in a cell


def read_aliases(path: Path, genes: np.ndarray) -> list[list[str]]:
    """The other names of each gene in a gene table, in the order of its columns.

    A gene is matched by its name or a part of it, such as 7157 of TP53|7157, with any column of
    IDs. Synonyms are not matched, since several genes may share one.

    Parameters
    ----------
    path : Path
        TSV or CSV, plain or .gz, with one or more columns of symbols or IDs; columns of synonyms
        are separated by "|", "," or ";" within a cell.
    genes : (genes,) str
        Names of the run's genes.

    Raises
    ------
    InputError
        If the table cannot be read, has no column of IDs, or matches no gene.
    """
    table = read_frame(path, SETTING).table
    id_columns = usual_columns(table, column_names.GENE_ID)
    if not id_columns:
        msg = (
            f"{path} has no column with a usual name for the gene ID; its columns are "
            f"{listed_columns(table.columns)}; rename one to 'symbol', or set {SETTING} to another "
            "table"
        )
        raise InputError(msg)
    ids = table[id_columns].apply(plain_ids).fillna("")
    rows: dict[str, int] = {}
    for name in id_columns:
        rows |= {text.upper(): row for row, text in enumerate(ids[name]) if text} | rows
    matches = [_row_of(str(gene), rows) for gene in genes]
    if all(row is None for row in matches):
        example = listed([text for text in ids[id_columns[0]] if text])
        msg = (
            f"{path} has none of the run's {len(genes):,} genes ({listed(genes.tolist())}); its "
            f"IDs are {example}; set {SETTING} to a table with the run's gene IDs"
        )
        raise InputError(msg)
    names = _all_names(table, ids)
    return [
        [] if row is None else [name for name in names[row] if name != gene]
        for gene, row in zip(genes.tolist(), matches, strict=True)
    ]


def _row_of(gene: str, rows: dict[str, int]) -> int | None:
    """The row of the first part of a gene's name that the table has."""
    parts = plain_ids(pd.Series([gene, *name_parts(gene)]))
    return next((rows[part.upper()] for part in parts if part.upper() in rows), None)


def _all_names(table: pd.DataFrame, ids: pd.DataFrame) -> list[list[str]]:
    """Every ID and synonym of each row, once."""
    synonyms = table[usual_columns(table, column_names.SYNONYMS)].fillna("").astype(str)
    parts = pd.concat([ids, *(synonyms[name].str.split(SEPARATORS) for name in synonyms)], axis=1)
    return [
        list(
            dict.fromkeys(
                name for cell in row for name in ([cell] if isinstance(cell, str) else cell) if name
            )
        )
        for row in parts.itertuples(index=False)
    ]
