"""The genes of a matrix: their names, and the rows that are none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tumorcam.errors import InputError
from tumorcam.readers.column_names import AUTO
from tumorcam.readers.genes.counters import find_counters, is_spike_in
from tumorcam.readers.genes.excel_dates import restore_dates
from tumorcam.readers.genes.gene_table import map_names
from tumorcam.readers.genes.identifiers import (
    clean_names,
    count_kinds,
    is_par_y,
    without_versions,
)
from tumorcam.readers.matrix import Drop, Fact, Matrix
from tumorcam.readers.missing import is_missing
from tumorcam.readers.wording import listed, plain
from tumorcam.settings import InputSettings

NAMELESS = re.compile(r"(?:line|column|gene) \d+")  # what readers call a gene without an ID


@dataclass(frozen=True, kw_only=True)
class NamedGenes:
    """The names of a matrix's genes.

    Attributes
    ----------
    names : list of str
        A name for each row of the matrix, in its order; genes may share a name.
    is_gene : (rows,) bool
        False for rows that are no genes, such as N_unmapped.
    dropped : list of Drop
        The rows that are no genes, and why.
    facts : list of Fact
        The kind of ID, and what was done to the names.
    are_transcripts : bool
        Whether `input.gene_table` named transcripts, which a gene may have several of.
    """

    names: list[str]
    is_gene: np.ndarray
    dropped: list[Drop]
    facts: list[Fact]
    are_transcripts: bool = False


def name_genes(matrix: Matrix, settings: InputSettings) -> NamedGenes:
    """The names of the genes, from their IDs or from the table that the settings name.

    Names are the IDs of the matrix or of the column `input.gene_column` of its annotation. They
    lose blanks, the ".0" of an Entrez ID, the "?|" of TCGA's RSEM files and, if they stay distinct,
    the versions of Ensembl IDs. A missing ID gets the matrix's own ID; a gene without any is
    dropped, as no ranking could name it.

    Raises
    ------
    InputError
        If a spreadsheet changed names and `input.excel_dates` does not settle them, or if
        `input.gene_table` cannot be used.
    """
    ids = _chosen_ids(matrix, settings.gene_column)
    columns = [matrix.annotation[name].tolist() for name in matrix.annotation.columns]
    counters = find_counters(ids, [matrix.genes, *columns])
    positions = np.flatnonzero(~counters.mask).tolist()
    fallbacks = [_fallback(matrix.genes[i], i) for i in positions]
    clean = clean_names([ids[i] for i in positions], fallbacks)
    facts = [*_kind_facts(clean), *_fallback_facts([ids[i] for i in positions])]
    are_transcripts = False
    if settings.gene_table:
        clean, table_facts, are_transcripts = map_names(clean, Path(settings.gene_table))
        facts += table_facts
    stripped = without_versions(clean)
    restored = restore_dates(stripped.names, settings.excel_dates, matrix.path)
    names, is_gene, dropped = list(ids), ~counters.mask, list(counters.dropped)
    for i, name in zip(positions, restored.names, strict=True):
        names[i] = name
        if NAMELESS.fullmatch(name):
            is_gene[i] = False
            dropped.append(Drop("gene", name, "has no ID"))
    if not is_gene.any():
        msg = (
            f"{plain(str(matrix.path))} has no gene: its {len(names)} rows are counters or have no "
            f"ID ({listed(names)}); check input.expression, or download it again"
        )
        raise InputError(msg)
    return NamedGenes(
        names=names,
        is_gene=is_gene,
        dropped=dropped,
        facts=[*facts, *_version_facts(stripped.n_stripped, stripped.clash), *restored.facts],
        are_transcripts=are_transcripts,
    )


def _chosen_ids(matrix: Matrix, column: str) -> list[str]:
    """The IDs in the column of the annotation that the setting names, else the matrix's own."""
    if column == AUTO or column not in matrix.annotation.columns:
        return matrix.genes
    cells: list[str] = matrix.annotation[column].tolist()
    return cells


def _fallback(own_id: str, position: int) -> str:
    name = own_id.strip()
    return f"gene {position + 1}" if is_missing(name) else name


def _kind_facts(names: Sequence[str]) -> list[Fact]:
    """The kinds of ID, and the genes that need a word."""
    kinds = [f"{n} {kind}" for kind, n in count_kinds(names).items()]
    facts = [Fact("gene IDs", ", ".join(kinds[:3]), f"such as {listed(names)}")]
    spike_ins = [name for name in names if is_spike_in(name)]
    if spike_ins:
        text = f"{len(spike_ins)} ERCC spike-ins are taken as genes"
        facts.append(Fact("gene IDs", text, listed(spike_ins)))
    copies = [name for name in names if is_par_y(name)]
    if copies:
        text = f"{len(copies)} copies on the Y chromosome are genes of their own"
        facts.append(Fact("gene IDs", text, listed(copies)))
    return facts


def _fallback_facts(ids: Sequence[str]) -> list[Fact]:
    n_missing = sum(map(is_missing, ids))
    if not n_missing:
        return []
    return [Fact("gene IDs", f"{n_missing} are missing", "another ID or the row's number is used")]


def _version_facts(n_stripped: int, clash: str) -> list[Fact]:
    if clash:
        text = "Ensembl IDs keep their versions"
        return [Fact("gene IDs", text, f"without them two genes would be {clash}")]
    if n_stripped:
        return [Fact("gene IDs", f"{n_stripped} Ensembl IDs without version", "they stay distinct")]
    return []
