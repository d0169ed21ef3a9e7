"""A user's lists of known marker genes, by tumor."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.errors import InputError, quoted
from tumorcam.readers.annotation import plain_ids
from tumorcam.readers.column_names import AUTO, require_column
from tumorcam.readers.tables.frames import read_frame, read_text
from tumorcam.readers.wording import listed
from tumorcam.settings import FaithfulnessSettings

SETTING = "faithfulness.markers"
N_SHOWN = 5  # names in a message


def read_markers(
    settings: FaithfulnessSettings, tumors: np.ndarray, genes: np.ndarray
) -> np.ndarray | None:
    """The known markers among a run's genes, or None if the user has set no list.

    Names of tumors are compared without regard to case and to a leading "TCGA-". A cell of a table
    may name several tumors, such as "COAD,READ". Genes are compared as in `annotation`: by symbol,
    by Ensembl ID with or without version, by Entrez ID, or by two of them as SYMBOL|ENTREZ.

    Parameters
    ----------
    settings : FaithfulnessSettings
        Names a .gmt file or a TSV or CSV table, plain or .gz.
    tumors : (tumors,) str
        Tumors of the run.
    genes : (genes,) str
        Genes of the run.

    Returns
    -------
    (tumors, genes) bool, or None
        True where the gene is a marker of the tumor.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column, or names no gene of the run for a tumor of the
        run.
    """
    if not settings.markers:
        return None
    path = Path(settings.markers)
    pairs = _gmt_pairs(path) if ".gmt" in path.suffixes else _table_pairs(settings, tumors, genes)
    tumor_index = _tumor_indices(pairs["tumor"], tumors)
    if not (tumor_index >= 0).any():
        raise InputError(_none_in_run(path, "tumor", "label or TCGA code", pairs, tumors))
    gene_index = _gene_indices(pairs["gene"], genes)
    if not (gene_index >= 0).any():
        raise InputError(_none_in_run(path, "gene", "ID", pairs, genes))
    is_marker = np.zeros((len(tumors), len(genes)), dtype=bool)
    in_run = (tumor_index >= 0) & (gene_index >= 0)
    is_marker[tumor_index[in_run], gene_index[in_run]] = True
    if not is_marker.any():
        msg = (
            f"{path} names no gene of this run for a tumor of this run; wanted at least one pair "
            "of both: check faithfulness.markers"
        )
        raise InputError(msg)
    return is_marker


def _gmt_pairs(path: Path) -> pd.DataFrame:
    """One row for each set and gene of a GMT file: the set's name as `tumor`, and `gene`."""
    lines = enumerate(read_text(path, SETTING).split("\n"), start=1)
    rows = {number: line.split("\t") for number, line in lines if line.strip()}
    short = [number for number, row in rows.items() if len(row) < 3]
    if short:
        msg = (
            f"{path} is no GMT file: line {short[0]} has fewer than three cells; wanted lines of "
            "set name, description and genes, separated by tabs; check faithfulness.markers"
        )
        raise InputError(msg)
    pairs = [(row[0], gene) for row in rows.values() for gene in row[2:] if gene.strip()]
    return pd.DataFrame(pairs, columns=["tumor", "gene"], dtype=str)


def _table_pairs(
    settings: FaithfulnessSettings, tumors: np.ndarray, genes: np.ndarray
) -> pd.DataFrame:
    """One row for each tumor and gene of a table.

    A column that the settings do not name is the one with most genes, or tumors, of the run.
    """
    path = Path(settings.markers)
    table = _read_table(path)
    gene = _choose_column(
        table, "marker_gene_column", settings.marker_gene_column, path,
        lambda column: (_gene_indices(column, genes) >= 0).sum(),
    )  # fmt: skip
    names = {column: _single_tumors(table[column], tumors) for column in table.columns}
    tumor = _choose_column(
        table.drop(columns=gene), "marker_tumor_column", settings.marker_tumor_column, path,
        lambda column: (_tumor_indices(names[str(column.name)], tumors) >= 0).sum(),
    )  # fmt: skip
    return pd.DataFrame({"tumor": names[tumor], "gene": table[gene].reindex(names[tumor].index)})


def _read_table(path: Path) -> pd.DataFrame:
    """A table of two or more columns whose cells are texts; a missing one is empty."""
    table = read_frame(path, SETTING).table
    table = table.where(table != "")
    if len(table.columns) < 2:
        msg = (
            f"{path} has the column {quoted(table.columns[0])} alone; wanted a column of genes and "
            "one of tumors, separated by tabs or commas; check faithfulness.markers"
        )
        raise InputError(msg)
    return table.fillna("")


def _choose_column(
    table: pd.DataFrame,
    key: str,
    column: str,
    path: Path,
    count_matches: Callable[[pd.Series], int],
) -> str:
    """The configured column, or on "auto" the one with most matches.

    Raises
    ------
    InputError
        If the table lacks the configured column.
    """
    if column == AUTO:
        return str(max(table.columns, key=lambda name: count_matches(table.loc[:, name])))
    require_column(table, column, f"faithfulness.{key}", path)
    return column


def _single_tumors(column: pd.Series, tumors: np.ndarray) -> pd.Series:
    """The names of tumors in a column, one a row, with the index of the row that each comes from.

    A cell such as "GBM/LGG" is not split if the run has a tumor of that name.
    """
    is_name = pd.Series(_tumor_indices(column, tumors) >= 0, index=column.index)
    names = column.str.split(r"[,;|/]").where(~is_name, column.map(lambda cell: [cell]))
    return names.explode()


def _tumor_indices(names: pd.Series, tumors: np.ndarray) -> np.ndarray:
    """(names,) int: index of each name among the tumors, or -1 if it is none of them."""
    return pd.Index(_plain_tumors(pd.Series(tumors))).get_indexer(_plain_tumors(names))


def _plain_tumors(names: pd.Series) -> pd.Series:
    """Names of tumors in capitals and without a leading "TCGA-"."""
    return names.str.strip().str.upper().str.replace(r"^TCGA[-_ ]", "", regex=True)


def _gene_indices(names: pd.Series, genes: np.ndarray) -> np.ndarray:
    """(names,) int: index of each name among the genes, or -1 if it is none of them.

    A name that equals a whole ID counts before one that equals the part left of the bar, and that
    before one that equals the part right of it.
    """
    whole = pd.Series(genes)
    parts = whole.str.split("|")  # one part where there is no bar
    gene_index = np.full(len(names), -1)
    for ids in (parts.str[-1], parts.str[0], whole):  # a later match replaces an earlier one
        plain = pd.Index(plain_ids(ids))
        index_of = pd.Series(np.arange(len(genes)), plain)[~plain.duplicated()]
        match = index_of.reindex(plain_ids(names)).to_numpy()
        gene_index = np.where(np.isnan(match), gene_index, match)
    return gene_index.astype(int)


def _none_in_run(
    path: Path, kind: str, form: str, pairs: pd.DataFrame, names_of_run: np.ndarray
) -> str:
    """The message for a list that has no tumor, or no gene, of the run."""
    names = [re.sub(r"\s+", " ", name) for name in pairs[kind].unique() if name]
    return (
        f"{path} names no {kind} of this run: it has {listed(names, N_SHOWN) or 'none'}; wanted a "
        f"{kind} {form} such as {listed(names_of_run.tolist(), N_SHOWN)}; check "
        f"faithfulness.markers and faithfulness.marker_{kind}_column"
    )
