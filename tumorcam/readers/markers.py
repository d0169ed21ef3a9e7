"""A user's lists of known marker genes, by tumor."""

import gzip
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.errors import InputError
from tumorcam.readers.annotation import plain_ids
from tumorcam.settings import FaithfulnessSettings

AUTO = "auto"
N_SHOWN = 5  # names in a message


def read_markers(
    settings: FaithfulnessSettings, tumors: np.ndarray, genes: np.ndarray
) -> np.ndarray | None:
    """The known markers among a run's genes, or None where no list is configured.

    Names of tumors are compared without case and without a leading "TCGA-"; of a table's cell with
    several, as "COAD,READ", each counts. Genes are compared as in `annotation`: symbols, Ensembl
    IDs with or without version, Entrez IDs, or two of them as SYMBOL|ENTREZ.

    Parameters
    ----------
    settings : FaithfulnessSettings
        Names a .gmt file or a TSV or CSV table, plain or .gz.
    tumors, genes : (tumors,), (genes,) str
        Of the run.

    Returns
    -------
    (tumors, genes) bool, or None

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column, or names no tumor or no gene of the run.
    """
    if not settings.markers:
        return None
    path = Path(settings.markers)
    pairs = _gmt_pairs(path) if ".gmt" in path.suffixes else _table_pairs(settings, tumors, genes)
    tumor = _tumor_places(pairs["tumor"], tumors)
    if not (tumor >= 0).any():
        raise InputError(_nothing_known(path, "tumor", "label or TCGA code", pairs, tumors))
    place = _gene_places(pairs["gene"], genes)
    if not (place >= 0).any():
        raise InputError(_nothing_known(path, "gene", "ID", pairs, genes))
    is_marker = np.zeros((len(tumors), len(genes)), dtype=bool)
    known = (tumor >= 0) & (place >= 0)
    is_marker[tumor[known], place[known]] = True
    return is_marker


def _gmt_pairs(path: Path) -> pd.DataFrame:
    """A row a set and gene of a GMT file: set name, description and genes, by tabs."""
    rows = [line.split("\t") for line in _text(path).splitlines() if line.strip()]
    short = [i for i, row in enumerate(rows, start=1) if len(row) < 3]
    if short or not rows:
        what = f"line {short[0]} has fewer than three" if short else "it is empty"
        msg = (
            f"{path} is no GMT file: {what}; wanted lines of set name, description and genes, "
            "separated by tabs; check faithfulness.markers"
        )
        raise InputError(msg)
    pairs = [(row[0], gene) for row in rows for gene in row[2:] if gene.strip()]
    return pd.DataFrame(pairs, columns=["tumor", "gene"], dtype=str)


def _table_pairs(
    settings: FaithfulnessSettings, tumors: np.ndarray, genes: np.ndarray
) -> pd.DataFrame:
    """A row a gene and tumor of a table; of the columns left to choose, those that name most."""
    path = Path(settings.markers)
    first = next(iter(_text(path).splitlines()), "")
    try:
        table = pd.read_csv(path, sep="\t" if "\t" in first else ",", dtype=str)
    except ValueError as error:
        msg = (
            f"{path} cannot be read as a table of markers ({str(error).strip()}); wanted TSV or "
            "CSV, plain or .gz, with a column of genes and one of tumors; check "
            "faithfulness.markers"
        )
        raise InputError(msg) from error
    table = table.fillna("")
    gene = _column(
        path, table, "marker_gene_column", settings.marker_gene_column,
        lambda column: (_gene_places(column, genes) >= 0).sum(),
    )  # fmt: skip
    split = {name: _single_tumors(table[name], tumors) for name in table.columns}
    tumor = _column(
        path, table.drop(columns=gene), "marker_tumor_column", settings.marker_tumor_column,
        lambda column: (_tumor_places(split[str(column.name)], tumors) >= 0).sum(),
    )  # fmt: skip
    return pd.DataFrame({"tumor": split[tumor], "gene": table[gene].reindex(split[tumor].index)})


def _column(
    path: Path,
    table: pd.DataFrame,
    key: str,
    wanted: str,
    matches: Callable[[pd.Series], int],
) -> str:
    """The wanted column, or the one with most matches.

    Raises
    ------
    InputError
        If it is not there.
    """
    if wanted == AUTO and len(table.columns):
        return str(max(table.columns, key=lambda name: matches(table.loc[:, name])))
    if wanted not in table:
        msg = (
            f"{path} has no column {wanted!r} for faithfulness.{key}; there are: "
            f"{', '.join(map(repr, table.columns))}; set faithfulness.{key} to one of them"
        )
        raise InputError(msg)
    return wanted


def _single_tumors(column: pd.Series, tumors: np.ndarray) -> pd.Series:
    """One name a row, with the index of the row that it comes from.

    A cell that names a tumor as a whole, as "GBM/LGG", is not split.
    """
    whole = pd.Series(_tumor_places(column, tumors) >= 0, index=column.index)
    lists = column.str.split(r"[,;|/]").where(~whole, column.map(lambda cell: [cell]))
    return lists.explode()


def _tumor_places(names: pd.Series, tumors: np.ndarray) -> np.ndarray:
    """(names,) int: each name's place among the tumors, -1 if it is none of them."""
    return pd.Index(_plain_tumors(pd.Series(tumors))).get_indexer(_plain_tumors(names))


def _plain_tumors(names: pd.Series) -> pd.Series:
    return names.str.strip().str.upper().str.replace(r"^TCGA[-_ ]", "", regex=True)


def _gene_places(names: pd.Series, genes: np.ndarray) -> np.ndarray:
    """(names,) int: each name's place among the genes, -1 if it is none of them."""
    spelled = pd.Series(genes)
    parts = spelled.str.split("|")  # one where there is no bar
    place = np.full(len(names), -1)
    for known in (parts.str[-1], parts.str[0], spelled):  # the later the better
        index = pd.Index(plain_ids(known))
        index_of = pd.Series(np.arange(len(genes)), index)[~index.duplicated()]
        found = index_of.reindex(plain_ids(names)).to_numpy()
        place = np.where(np.isnan(found), place, found)
    return place.astype(int)


def _text(path: Path) -> str:
    """The file's text.

    Raises
    ------
    InputError
        If it is missing or no text.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8-sig") as stream:
                return stream.read()
        return path.read_text(encoding="utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        msg = (
            f"{path} cannot be read ({error}); faithfulness.markers wants a .gmt file or a TSV or "
            "CSV table, plain or .gz, or nothing"
        )
        raise InputError(msg) from error


def _nothing_known(
    path: Path, what: str, wanted: str, pairs: pd.DataFrame, of_run: np.ndarray
) -> str:
    seen = [re.sub(r"\s+", " ", name) for name in pairs[what].unique() if name][:N_SHOWN]
    return (
        f"{path} names no {what} of this run: it has {', '.join(seen) or 'none'} ...; wanted a "
        f"{what} {wanted} such as {', '.join(of_run[:N_SHOWN])}; check faithfulness.markers and "
        f"faithfulness.marker_{what}_column"
    )
