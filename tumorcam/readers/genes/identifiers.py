"""Kinds of gene IDs, and the names that genes get from their IDs."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from tumorcam.readers.missing import is_missing

SYMBOL = "gene symbols"
ENTREZ = "Entrez IDs"
TRANSCRIPT = "Ensembl transcripts"
OTHER = "other names"
ENSEMBL = re.compile(r"(ENS[A-Z]*?[GTPE]R?\d{6,})(\.\d+)?(_PAR_Y)?", re.ASCII)
PAR_Y = re.compile(r"ENS[GT](R\d+(\.\d+)?|\d+(\.\d+)?_PAR_Y)", re.ASCII)  # ENSGR before GENCODE 25
KINDS = {  # the first that the whole ID matches counts
    "Ensembl genes": re.compile(r"ENS[A-Z]*?GR?\d{6,}(\.\d+)?(_PAR_Y)?", re.ASCII),
    TRANSCRIPT: re.compile(r"ENS[A-Z]*?TR?\d{6,}(\.\d+)?(_PAR_Y)?", re.ASCII),
    ENTREZ: re.compile(r"\d+(\.0+)?", re.ASCII),
    "SYMBOL|ENTREZ": re.compile(r"[^|]+\|\d+(\.0)?", re.ASCII),
    "SYMBOL (ENTREZ)": re.compile(r"\S+ \(\d+\)", re.ASCII),
    "several IDs with bars": re.compile(r"[^|]+(\|[^|]*)+"),
    "microRNAs": re.compile(r"hsa-(mir|let)-\S+|MIMAT\d+", re.ASCII | re.IGNORECASE),
    "array probes": re.compile(r"\d+(_[a-z])?_at|(ILMN|A_\d+_P|cg)_?\d{4,}", re.ASCII),
    "RefSeq transcripts": re.compile(r"[NX][MR]_\d+(\.\d+)?", re.ASCII),
    "UCSC transcripts": re.compile(r"uc\d{3}[a-z]{3}\.\d+", re.ASCII),
    SYMBOL: re.compile(r"[A-Za-z][\w.\-@/:]*", re.ASCII),
}
WHOLE_FLOAT = re.compile(r"(\d+)\.0+", re.ASCII)  # an Entrez ID that a spreadsheet took for a float
UNNAMED = re.compile(r"\?\|(\d+)", re.ASCII)  # in TCGA's RSEM files, an Entrez ID without symbol


class Unversioned(NamedTuple):
    """Names of genes, and how many lost the version of their Ensembl ID.

    `clash` is a name that two genes would share without versions; then all keep theirs.
    """

    names: list[str]
    n_stripped: int
    clash: str


def count_kinds(ids: Sequence[str]) -> dict[str, int]:
    """How many IDs are of each kind, the most frequent kind first."""
    return dict(Counter(map(_kind, ids)).most_common())


def clean_names(ids: Sequence[str], fallbacks: Sequence[str]) -> list[str]:
    """IDs without blanks and without what a spreadsheet added; a missing ID gets its fallback."""
    names = []
    for gene_id, fallback in zip(ids, fallbacks, strict=True):
        name = gene_id.strip()
        match = WHOLE_FLOAT.fullmatch(name) or UNNAMED.fullmatch(name)
        names.append(fallback if is_missing(name) else match[1] if match else name)
    return names


def without_versions(names: Sequence[str]) -> Unversioned:
    """Names without the versions of Ensembl IDs, unless two different IDs would become the same.

    A copy on the Y chromosome keeps its mark, as in ENSG00000002586_PAR_Y.
    """
    stripped = [without_version(name) for name in names]
    n_stripped = sum(new != old for new, old in zip(stripped, names, strict=True))
    full_ids: dict[str, str] = {}
    for new, old in zip(stripped, names, strict=True):
        if full_ids.setdefault(new, old) != old:
            return Unversioned(list(names), 0, new)
    return Unversioned(stripped, n_stripped, "")


def is_par_y(name: str) -> bool:
    """Whether an Ensembl ID is the copy of a gene on the Y chromosome (X has the same gene)."""
    return PAR_Y.fullmatch(name) is not None


def _kind(gene_id: str) -> str:
    matches = (kind for kind, pattern in KINDS.items() if pattern.fullmatch(gene_id.strip()))
    return next(matches, OTHER)


def without_version(name: str) -> str:
    """An Ensembl ID without its version, or any other name as it is."""
    match = ENSEMBL.fullmatch(name)
    return match[1] + (match[3] or "") if match else name
