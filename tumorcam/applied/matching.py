"""Which rows of a new matrix are the genes of a run, whatever both call them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tumorcam.readers.annotation import plain_ids
from tumorcam.readers.matrix import Fact, Matrix
from tumorcam.readers.wording import listed

SEPARATORS = r"[|(),; ]+"  # between the parts of an ID such as TP53|7157 or TP53 (7157)


class Spelling(NamedTuple):
    """One way to name the rows of a matrix: (rows,) str, empty where there is no name."""

    text: str
    names: pd.Series


class GeneMatch(NamedTuple):
    """The rows of a matrix that are genes of a run.

    Attributes
    ----------
    names : (rows,) str
        The run's name of the gene, empty where the run has no such gene.
    facts : list of Fact
        How the genes were matched.
    """

    names: np.ndarray
    facts: list[Fact]


def match_genes(
    matrix: Matrix, names: Sequence[str], genes: np.ndarray, tables: Sequence[pd.DataFrame] = ()
) -> GeneMatch:
    """The genes of a run among the rows of a matrix.

    Rows are compared by their names, by the parts of their IDs, by what the file says of them
    besides, and through annotation tables; without case, and without versions of Ensembl IDs. The
    spelling that has most genes of the run comes first, the others fill its gaps. A spelling that
    two genes of the run share is not used.

    Parameters
    ----------
    matrix : Matrix
        Its `genes` are IDs, and its `annotation` what the file says of them.
    names : sequence of str
        Names of the rows, as `name_genes` gives them.
    genes : (genes,) str
        The run's genes.
    tables : sequence of DataFrame
        Annotation tables, all texts: the cells of a row are names of one gene.
    """
    gene_of = gene_keys(genes)
    spellings = list(_spellings(matrix, names))
    spellings += [Spelling(f"{s.text}, by a table", _through(s, table, gene_of))
                  for table in tables for s in spellings]  # fmt: skip
    matched = [spelling.names.map(gene_of).to_numpy(float) for spelling in spellings]
    order = sorted(range(len(matched)), key=lambda i: -np.isfinite(matched[i]).sum())
    gene = np.full(len(names), np.nan)
    facts = []
    for i in order:
        is_new = np.isnan(gene) & ~np.isin(matched[i], gene) & np.isfinite(matched[i])
        gene[is_new] = matched[i][is_new]
        if is_new.any():
            example = f"such as {listed(genes[matched[i][is_new].astype(int)].tolist())}"
            n_genes = len(np.unique(matched[i][is_new]))
            facts.append(Fact("genes of the run", f"{n_genes} by {spellings[i].text}", example))
    has_gene = np.isfinite(gene)
    result = np.full(len(names), "", dtype=genes.dtype)
    result[has_gene] = genes[gene[has_gene].astype(int)]
    return GeneMatch(result, facts)


def _spellings(matrix: Matrix, names: Sequence[str]) -> Iterator[Spelling]:
    """The ways in which the file itself names its rows."""
    yield Spelling("name", plain_keys(pd.Series(list(names), dtype=str)))
    parts = pd.Series(matrix.genes, dtype=str).str.split(SEPARATORS, regex=True)
    yield Spelling("the first part of the ID", plain_keys(parts.str[0]))
    yield Spelling("the second part of the ID", plain_keys(parts.str[1]))
    for column, cells in matrix.annotation.items():
        yield Spelling(f"column {column!r} of the matrix", plain_keys(cells.reset_index(drop=True)))


def plain_keys(names: pd.Series) -> pd.Series:
    """Names as they are compared."""
    return plain_ids(names.fillna("").astype(str)).str.upper()


def gene_keys(genes: np.ndarray) -> pd.Series:
    """The index of each gene of the run, by each spelling of its name that no other gene has."""
    whole = pd.Series(genes.tolist(), dtype=str)
    parts = whole.str.split(SEPARATORS, regex=True)
    index = pd.Series(np.arange(len(genes)))
    spelled = [plain_keys(whole), plain_keys(parts.str[0]), plain_keys(parts.str[1])]
    pairs = pd.concat([pd.DataFrame({"key": keys, "gene": index}) for keys in spelled])
    pairs = pairs[pairs["key"] != ""].drop_duplicates()
    return pairs[~pairs["key"].duplicated(keep=False)].set_index("key")["gene"]


def _through(spelling: Spelling, table: pd.DataFrame, gene_of: pd.Series) -> pd.Series:
    """The names of the run's genes for the rows, by the columns of a table with most of both."""
    columns = {name: plain_keys(cells) for name, cells in table.items()}
    ids = max(columns, key=lambda name: spelling.names.isin(columns[name]).sum())
    own = max(columns, key=lambda name: columns[name].isin(gene_of.index).sum())
    pairs = pd.DataFrame({"id": columns[ids], "own": columns[own]})
    pairs = pairs[(pairs["id"] != "") & pairs["own"].isin(gene_of.index)].drop_duplicates("id")
    return spelling.names.map(pairs.set_index("id")["own"]).fillna("")
