"""Which genes of a run are in the gene sets of a file, whatever both call them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.applied.matching import SEPARATORS, gene_keys, plain_keys
from tumorcam.errors import InputError
from tumorcam.readers.annotation import plain_ids
from tumorcam.readers.gmt import GeneSetFile
from tumorcam.readers.tables.frames import read_frame
from tumorcam.readers.wording import listed, plain

SETTING = "--gene-table or layout.annotation"
N_SHOWN = 4  # names in a message
FEW = 0.1  # share of the run's genes and of the file's names, below which a note says so


@dataclass(frozen=True)
class MatchedSets:
    """The sets of a file as genes of a run.

    Attributes
    ----------
    names : list of str
        Names of the sets.
    members : list of (genes in the set,) int
        Indices of the run's genes in each set, ascending.
    file_sizes : list of int
        Number of genes of each set in the file.
    n_file_genes, n_matched : int
        Different genes in the file, and how many of them are genes of the run.
    notes : list of str
        What a reader must know of the matching, as sentences.
    """

    names: list[str]
    members: list[np.ndarray]
    file_sizes: list[int]
    n_file_genes: int
    n_matched: int
    notes: list[str]


def match_sets(
    file: GeneSetFile, genes: np.ndarray, is_usable: np.ndarray, table: Path | None
) -> MatchedSets:
    """Match the genes of a file of gene sets to those of a run.

    Names are compared whole and by their parts, such as TP53 and 7157 of TP53|7157, without case
    and without versions of Ensembl IDs. Names that match no gene are looked up in the table. A name
    that fits two genes of the run counts for neither.

    Parameters
    ----------
    file : GeneSetFile
        The sets.
    genes : (genes,) str
        Names of the run's genes.
    is_usable : (genes,) bool
        Genes that may be in a set; entrapped genes may not.
    table : Path or None
        A table whose rows have several names of one gene.

    Raises
    ------
    InputError
        If the table cannot be read, or no gene of the file is one of the run.
    """
    usable = np.flatnonzero(is_usable)
    named = genes[usable]
    gene_of = pd.Series(usable[gene_keys(named).to_numpy()], gene_keys(named).index)
    ids = pd.Series(list(dict.fromkeys(g for members in file.sets.values() for g in members)))
    keys = plain_keys(ids)
    index = keys.map(gene_of).to_numpy(float)
    n_direct = int(np.isfinite(index).sum())
    if table is not None and n_direct < len(ids):
        translated = keys.map(_translation(table, keys, gene_of)).to_numpy(float)
        index = np.where(np.isfinite(index), index, translated)
    if not np.isfinite(index).any():
        raise InputError(_nothing_matches(file, ids, named, table))
    by_name = {name: int(gene) for name, gene in zip(ids, index, strict=True) if np.isfinite(gene)}
    members = [
        np.unique([by_name[gene] for gene in of_set if gene in by_name]).astype(int)
        for of_set in file.sets.values()
    ]
    n_matched = len(set(by_name.values()))
    notes = [
        f"{len(by_name):,} of {len(ids):,} gene names of the file are genes of the run, "
        f"{len(by_name) - n_direct:,} of them by a table; they are {n_matched:,} of the run's "
        f"{len(named):,} genes.",
        *_warnings(ids, named, index, n_matched, table),
    ]
    sizes = [len(of_set) for of_set in file.sets.values()]
    return MatchedSets(list(file.sets), members, sizes, len(ids), n_matched, notes)


def _warnings(
    ids: pd.Series, genes: np.ndarray, index: np.ndarray, n_matched: int, table: Path | None
) -> list[str]:
    """What may be wrong with a matching, as sentences."""
    notes = []
    names = pd.Series(genes.tolist(), dtype=str)
    parts = names.str.split(SEPARATORS, regex=True)
    spelled = pd.concat([names, parts.str[0], parts.str[1].dropna()])
    is_matched = np.isfinite(index)
    same_case = plain_ids(ids[is_matched]).isin(set(plain_ids(spelled)))
    if table is None and same_case.mean() < 0.5:
        notes.append(
            "Most names match only if capitals do not count: check that the sets and the run are "
            "of the same species."
        )
    if is_matched.mean() < FEW and n_matched < FEW * len(genes):
        notes.append(
            "Few names match: check that the file has the same kind of gene names as the run."
        )
    every = pd.concat([plain_keys(part) for part in (names, parts.str[0], parts.str[1])])
    owners = pd.DataFrame({"key": every, "gene": every.index}).drop_duplicates()
    shared = set(owners.loc[owners["key"].duplicated() & (owners["key"] != ""), "key"])
    n_shared = int(plain_keys(ids).isin(shared).sum())
    if n_shared:
        notes.append(f"Names that fit two or more genes of the run count for none: {n_shared:,}.")
    return notes


def _translation(path: Path, keys: pd.Series, gene_of: pd.Series) -> pd.Series:
    """The run's gene of each name that one column of a table has, by another column of it.

    The columns are those with most of the run's genes and with most of the file's names. A name
    whose rows have two genes of the run is left out.
    """
    table = read_frame(path, SETTING).table
    columns = {name: plain_keys(cells) for name, cells in table.items()}
    own = max(columns, key=lambda name: columns[name].isin(gene_of.index).sum())
    others = [name for name in columns if name != own] or [own]
    theirs = max(others, key=lambda name: columns[name].isin(set(keys)).sum())
    pairs = pd.DataFrame({"name": columns[theirs], "gene": columns[own].map(gene_of)})
    pairs = pairs[pairs["name"] != ""].dropna().drop_duplicates()
    pairs = pairs[~pairs["name"].duplicated(keep=False)]
    return pairs.set_index("name")["gene"]


def _nothing_matches(
    file: GeneSetFile, ids: pd.Series, genes: np.ndarray, table: Path | None
) -> str:
    advice = (
        "take a file with the run's kind of names, or name a table with both kinds by --gene-table"
        if table is None
        else f"{plain(str(table))} does not help: name a table with both kinds by --gene-table"
    )
    return (
        f"{plain(str(file.path))} has no gene of the run among its {len(ids):,} names: it has "
        f"{listed(ids.tolist(), N_SHOWN)}; the run has {listed(genes.tolist(), N_SHOWN)}; {advice}"
    )
