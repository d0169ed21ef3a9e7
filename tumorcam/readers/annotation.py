"""Gene annotation tables of others: where on the chromosomes the genes of a cohort stand."""

import re
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.cluster.logs import logger
from tumorcam.errors import InputError
from tumorcam.settings import LayoutSettings

# Well-known names in order of preference, without case, blanks and punctuation.
CHROMOSOME_COLUMNS = tuple(
    "chromosome chr chrom chromosomename chromosomescaffoldname seqname seqnames seqid".split()
)
START_COLUMNS = tuple(
    "start genestart startposition genestartbp txstart chromstart startbp".split()
)
ID_COLUMNS = tuple(
    "symbol genesymbol hgncsymbol genename externalgenename gene name "
    "ensembl ensemblid ensemblgene ensemblgeneid ensgene genestableid genestableidversion geneid "
    "entrez entrezid entrezgene entrezgeneid ncbigene ncbigeneid ncbigeneformerlyentrezgeneid "
    "id".split()
)
PRIMARY = {name: i for i, name in enumerate([*map(str, range(1, 23)), "X", "Y", "MT"])}
MIN_SHARE_FOUND = 0.5  # of the genes; below, the table is of other IDs or another species
N_SHOWN = 3  # IDs in a message


def annotation_files(settings: LayoutSettings) -> list[Path]:
    """The annotation table, if the layout needs one.

    Raises
    ------
    InputError
        If it needs one and `layout.annotation` names no file.
    """
    if settings.kind != "chromosome":
        return []
    path = Path(settings.annotation)
    if not path.is_file():
        what = f"{path} is no file" if settings.annotation else "layout.annotation is empty"
        msg = (
            f'{what}; layout.kind = "chromosome" wants a table of gene IDs, chromosomes and '
            "starts: set layout.annotation to a TSV or CSV file, plain or .gz"
        )
        raise InputError(msg)
    return [path]


def chromosome_order(path: Path, genes: np.ndarray) -> np.ndarray:
    """Genes by chromosome and start; those that the table lacks come last, by name.

    Chromosomes come as 1 to 22, X, Y, MT, then other scaffolds by name. Genes of equal start come
    by name.

    Parameters
    ----------
    path : Path
        Annotation table, as `gene_places` reads it.
    genes : (genes,) str

    Returns
    -------
    (genes,) int
        Indices of the genes.

    Raises
    ------
    InputError
        As `gene_places`.

    References
    ----------
    Lyu & Haque 2018, doi:10.1145/3233547.3233588.
    """
    places = gene_places(path, genes)
    rank = places["chromosome"].map(PRIMARY)
    places["rank"] = rank.where(rank.notna() | places["start"].isna(), len(PRIMARY))
    places["gene"] = genes
    return places.sort_values(["rank", "chromosome", "start", "gene"]).index.to_numpy()


def gene_places(path: Path, genes: np.ndarray) -> pd.DataFrame:
    """Chromosome and start of each gene, by the column of IDs that matches most genes.

    Where an ID has several rows, the first on a primary chromosome counts, else the first.

    Parameters
    ----------
    path : Path
        TSV or CSV, plain or .gz, with columns for chromosome, start and one or more kinds of ID.
    genes : (genes,) str
        Symbols, Ensembl IDs with or without version, Entrez IDs, or two of them as SYMBOL|ENTREZ.

    Returns
    -------
    DataFrame
        A row a gene: `chromosome` (str, without "chr") and `start` (bp); missing where unknown.

    Raises
    ------
    InputError
        If the table cannot be read, lacks a column, or has fewer than half of the genes.
    """
    table = _read(path)
    id_columns = _known(table, ID_COLUMNS, "gene ID", path)
    places = _places(table, path)
    ids = {name: plain_ids(table.loc[places.index, name]) for name in id_columns}
    parts = pd.Series(genes).str.split("|")  # one where there is no bar
    spellings = [plain_ids(parts.str[0]), plain_ids(parts.str[-1])]
    matches = [(spelled, name) for spelled in spellings for name in id_columns]
    spelled, name = max(matches, key=lambda match: match[0].isin(ids[match[1]]).sum())
    n_found = int(spelled.isin(ids[name]).sum())
    if n_found < MIN_SHARE_FOUND * len(genes):
        raise InputError(_too_few(path, genes, n_found, ids))
    logger.info(
        "%s: column %r has %d of %d genes; %d without a place come last",
        *(path.name, name, n_found, len(genes), len(genes) - n_found),
    )
    by_id = places.set_index(ids[name])
    return by_id[~by_id.index.duplicated()].reindex(spelled).reset_index(drop=True)


def _places(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Chromosome and start of the rows that have both, those on primary chromosomes first."""
    chromosome = _known(table, CHROMOSOME_COLUMNS, "chromosome", path)[0]
    start = _known(table, START_COLUMNS, "start", path)[0]
    places = pd.DataFrame(
        {
            "chromosome": _plain_chromosomes(table[chromosome]),
            "start": pd.to_numeric(table[start], errors="coerce"),
        }
    ).dropna()
    is_primary = places["chromosome"].isin([*PRIMARY])
    return pd.concat([places[is_primary], places[~is_primary]])


def _read(path: Path) -> pd.DataFrame:
    """The table, every cell as text or missing."""
    try:
        header = pd.read_csv(path, sep="\t", nrows=0).columns
        table = pd.read_csv(path, sep="\t" if len(header) > 1 else ",", dtype=str)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        reason = str(error).strip()
        msg = (
            f"{path} cannot be read as a gene annotation table ({reason}); wanted TSV or CSV, "
            "plain or .gz; check layout.annotation, or download or write it again"
        )
        raise InputError(msg) from error
    if isinstance(table.index, pd.RangeIndex):
        return table
    return table.reset_index(names="row names")  # R's write.table leaves the corner out


def _known(table: pd.DataFrame, known: tuple[str, ...], what: str, path: Path) -> list[str]:
    """The columns of known names, best first."""
    plain = {name: re.sub(r"[\W_]", "", name).lower() for name in table.columns}
    found = sorted((n for n in plain if plain[n] in known), key=lambda n: known.index(plain[n]))
    if not found:
        msg = (
            f"{path} has no column that is known to be the {what}; there are: "
            f"{', '.join(map(repr, table.columns))}; rename one to {known[0]!r}, or set "
            "layout.annotation to another table"
        )
        raise InputError(msg)
    return found


def _plain_chromosomes(column: pd.Series) -> pd.Series:
    """Names of chromosomes without "chr", in capitals, the mitochondrion as MT."""
    return column.str.strip().str.upper().str.removeprefix("CHR").replace("M", "MT")


def plain_ids(column: pd.Series) -> pd.Series:
    """IDs as all tables spell them: no version of Ensembl's, no .0 that a spreadsheet adds."""
    plain = column.str.strip().str.replace(r"^(ENS[A-Z]*\d+)\.\d+", r"\1", regex=True)
    return plain.str.replace(r"^(\d+)\.0$", r"\1", regex=True)


def _too_few(path: Path, genes: np.ndarray, n_found: int, ids: dict[str, pd.Series]) -> str:
    examples = "; ".join(
        f"{name!r}: {', '.join(column.dropna()[:N_SHOWN])} ..." for name, column in ids.items()
    )
    return (
        f"{path} has a chromosome and a start for {n_found} of the cohort's {len(genes)} genes "
        f"({', '.join(genes[:N_SHOWN])} ...); wanted at least half; its gene IDs with a place are "
        f"{examples}; set layout.annotation to a table with the cohort's gene IDs"
    )
