"""A user's table that maps the gene IDs of a matrix to the names that the report shows."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tumorcam.errors import InputError, quoted
from tumorcam.readers.annotation import plain_ids
from tumorcam.readers.column_names import usual_columns
from tumorcam.readers.genes.identifiers import OTHER, SYMBOL, TRANSCRIPT, count_kinds
from tumorcam.readers.matrix import Fact
from tumorcam.readers.missing import blank_missing
from tumorcam.readers.tables.frames import read_frame
from tumorcam.readers.wording import listed, listed_columns

SETTING = "input.gene_table"
NAMES = tuple(  # usual names of the column of symbols, the best one first, in plain spelling
    "symbol genesymbol hgncsymbol approvedsymbol genename externalgenename hugosymbol hugo "
    "gene name".split()
)
MIN_SHARE = 0.5  # of the genes of the matrix; below, the table has other IDs
N_LOOKED_AT = 1000  # IDs by which the content of a column is recognised


class Mapped(NamedTuple):
    """Names of genes: those of the table, or the IDs that it does not have.

    `are_transcripts` says whether most IDs are those of transcripts.
    """

    names: list[str]
    facts: list[Fact]
    are_transcripts: bool


def map_names(ids: Sequence[str], path: Path) -> Mapped:
    """The table's names of genes, by the column that has most of the matrix's IDs.

    IDs are compared without version and without the .0 of a spreadsheet. An ID with a bar, such as
    TP53|7157, is looked up by its parts. If an ID has several rows, the first one with a name
    counts. An ID without a name stays as it is.

    Parameters
    ----------
    ids : sequence of str
    path : Path
        TSV or CSV with a header, plain or .gz. The header may be missing if it would be IDs itself.

    Raises
    ------
    InputError
        If the file cannot be read, has fewer than half of the IDs, or no single column of names.
    """
    table = _with_header(read_frame(path, SETTING).table)
    parts = pd.Series(list(ids), dtype=str).str.split("|")
    spellings = [plain_ids(parts.str[0]), plain_ids(parts.str[-1])]
    keys = {column: plain_ids(table[column].fillna("")) for column in table.columns}
    spelled, id_column = max(
        ((spelled, column) for spelled in spellings for column in keys),
        key=lambda match: match[0].isin(keys[match[1]]).sum(),
    )
    n_matched = int(spelled.isin(keys[id_column]).sum())
    if n_matched < MIN_SHARE * len(ids):
        msg = (
            f"{path} has {n_matched} of the matrix's {len(ids)} gene IDs ({listed(list(ids))}); "
            f"its columns are {listed_columns(table.columns)}; set input.gene_table to a table of "
            'the same kind of IDs, or to "" to keep the IDs'
        )
        raise InputError(msg)
    name_column = _name_column(table, id_column, path)
    names = blank_missing(table[name_column].fillna(""))
    by_id = names[names != ""].set_axis(keys[id_column][names != ""])
    mapped = spelled.map(by_id[~by_id.index.duplicated()]).fillna("")
    result = mapped.where(mapped != "", pd.Series(list(ids), dtype=str))
    are_transcripts = count_kinds(ids).get(TRANSCRIPT, 0) > 0.5 * len(ids)
    facts = _facts(
        f"{path.name}: IDs in {quoted(id_column)}, names in {quoted(name_column)}", mapped
    )
    return Mapped(result.tolist(), facts, are_transcripts)


def _with_header(table: pd.DataFrame) -> pd.DataFrame:
    """The table; a header that holds an Ensembl ID is its first row."""
    columns = [str(name) for name in table.columns]
    if not any(kind.startswith("Ensembl") for kind in count_kinds(columns)):
        return table
    first = pd.DataFrame([columns], columns=table.columns)
    rows = pd.concat([first, table], ignore_index=True)
    return rows.set_axis([f"column {i + 1}" for i in range(len(columns))], axis=1)


def _name_column(table: pd.DataFrame, id_column: str, path: Path) -> str:
    """The column of names: one with a usual name, else the only one that holds symbols."""
    others = table.drop(columns=id_column)
    usual = usual_columns(others, NAMES)
    columns = usual or [name for name in others.columns if _holds_names(others[name])]
    if not usual and others.shape[1] == 1:
        columns = [str(others.columns[0])]
    if not columns or (len(columns) > 1 and not usual):
        msg = (
            f"{path}: {len(columns)} columns may be the names of the genes in column "
            f"{quoted(id_column)}; its columns are {listed_columns(table.columns)}; "
            "rename the right one to symbol"
        )
        raise InputError(msg)
    return str(columns[0])


def _holds_names(cells: pd.Series) -> bool:
    """Whether the cells of a column are mostly symbols, and different ones."""
    texts = [text for text in cells.dropna().head(N_LOOKED_AT) if text]
    kinds = count_kinds(texts)
    n_symbols = kinds.get(SYMBOL, 0) + kinds.get("Ensembl genes", 0)
    is_mostly = OTHER not in kinds and n_symbols > 0.9 * len(texts)
    return is_mostly and len(set(texts)) > 0.1 * len(texts)  # a type of gene is not


def _facts(columns: str, mapped: pd.Series) -> list[Fact]:
    named = mapped[mapped != ""]
    facts = [Fact("gene table", f"{len(named)} of {len(mapped)} IDs have a name", columns)]
    if n_shared := int(named.duplicated().sum()):
        text = f"{n_shared} IDs share a name with another one"
        facts.append(Fact("duplicate genes", text, "cohort.duplicates says what becomes of them"))
    return facts
