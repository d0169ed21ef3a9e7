"""Gene annotation tables: where on the chromosomes the genes of a cohort stand."""

from pathlib import Path

import numpy as np
import pandas as pd

from tumorcam.cluster.logs import logger
from tumorcam.errors import InputError, quoted
from tumorcam.readers import column_names
from tumorcam.readers.column_names import usual_columns
from tumorcam.readers.files import require_file
from tumorcam.readers.tables.frames import read_frame
from tumorcam.readers.wording import listed, listed_columns
from tumorcam.settings import LayoutSettings

PRIMARY = {name: i for i, name in enumerate([*map(str, range(1, 23)), "X", "Y", "MT"])}
MIN_SHARE_PLACED = 0.5  # of the genes; below, the table has other IDs or another species
SETTING = "layout.annotation"


def annotation_files(settings: LayoutSettings) -> list[Path]:
    """The annotation table in a list, or an empty list for a layout that needs none.

    Raises
    ------
    InputError
        If the layout needs a table and `layout.annotation` does not name a file.
    """
    if settings.kind != "chromosome":
        return []
    if not settings.annotation:
        msg = (
            'layout.annotation is empty; layout.kind = "chromosome" wants a table of gene IDs, '
            "chromosomes and starts: set layout.annotation to a TSV or CSV file, plain or .gz"
        )
        raise InputError(msg)
    path = Path(settings.annotation)
    require_file(path, SETTING)
    return [path]


def chromosome_order(path: Path, genes: np.ndarray) -> np.ndarray:
    """The genes in the order of their chromosomes and, on a chromosome, of their starts.

    The order of the chromosomes is 1 to 22, X, Y, MT, then other scaffolds by name. Genes with the
    same start are sorted by name. Genes that the table lacks come last, sorted by name.

    Parameters
    ----------
    path : Path
        Annotation table, as `gene_places` reads it.
    genes : (genes,) str
        IDs, as `gene_places` reads them.

    Returns
    -------
    (genes,) int
        Indices of the genes, the first on the chromosomes first.

    Raises
    ------
    InputError
        For the same reasons as in `gene_places`.

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
    """Chromosome and start of each gene, read by the ID column that matches most genes.

    If an ID has several rows, the first one on a primary chromosome counts; if none is on a primary
    chromosome, the first one counts.

    Parameters
    ----------
    path : Path
        TSV or CSV, plain or .gz, with columns for chromosome, start and one or more kinds of ID.
    genes : (genes,) str
        Symbols, Ensembl IDs with or without version, Entrez IDs, or two of them as SYMBOL|ENTREZ.

    Returns
    -------
    DataFrame
        One row a gene: `chromosome` (str, without "chr") and `start` (float, base pairs); both are
        missing for a gene that the table lacks.

    Raises
    ------
    InputError
        If the table cannot be read, lacks a column, or has fewer than half of the genes.
    """
    table = read_frame(path, SETTING).table
    table = table.where(table != "")
    id_columns = _required_columns(table, column_names.GENE_ID, "gene ID", path)
    places = _places(table, path)
    ids = {name: plain_ids(table.loc[places.index, name]) for name in id_columns}
    parts = pd.Series(genes).str.split("|")  # one part where there is no bar
    spellings = [plain_ids(parts.str[0]), plain_ids(parts.str[-1])]
    matches = [(spelled, name) for spelled in spellings for name in id_columns]
    spelled, name = max(matches, key=lambda match: match[0].isin(ids[match[1]]).sum())
    n_placed = int(spelled.isin(ids[name]).sum())
    if n_placed < MIN_SHARE_PLACED * len(genes):
        raise InputError(_too_few_genes(path, genes, n_placed, ids))
    logger.info(
        "%s: column %r has %d of %d genes; %d without a place come last",
        *(path.name, name, n_placed, len(genes), len(genes) - n_placed),
    )
    by_id = places.set_index(ids[name])
    return by_id[~by_id.index.duplicated()].reindex(spelled).reset_index(drop=True)


def _places(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Chromosome and start of the rows that have both, those on primary chromosomes first."""
    chromosome = _required_columns(table, column_names.CHROMOSOME, "chromosome", path)[0]
    start = _required_columns(table, column_names.START, "start", path)[0]
    places = pd.DataFrame(
        {
            "chromosome": _plain_chromosomes(table[chromosome]),
            "start": pd.to_numeric(table[start], errors="coerce"),
        }
    ).dropna()
    is_primary = places["chromosome"].isin([*PRIMARY])
    return pd.concat([places[is_primary], places[~is_primary]])


def _required_columns(
    table: pd.DataFrame, usual_names: tuple[str, ...], meaning: str, path: Path
) -> list[str]:
    """The columns that have a usual name, the best one first; InputError if there is none."""
    columns = usual_columns(table, usual_names)
    if not columns:
        msg = (
            f"{path} has no column with a usual name for the {meaning}; its columns are "
            f"{listed_columns(table.columns)}; rename one to {usual_names[0]!r}, or set "
            "layout.annotation to another table"
        )
        raise InputError(msg)
    return columns


def _plain_chromosomes(column: pd.Series) -> pd.Series:
    """Names of chromosomes in capitals and without "chr"; the mitochondrial one is MT."""
    return column.str.strip().str.upper().str.removeprefix("CHR").replace("M", "MT")


def plain_ids(column: pd.Series) -> pd.Series:
    """IDs without the version of Ensembl's and without the .0 that a spreadsheet adds."""
    plain = column.str.strip().str.replace(r"^(ENS[A-Z]*\d+)\.\d+", r"\1", regex=True)
    return plain.str.replace(r"^(\d+)\.0$", r"\1", regex=True)


def _too_few_genes(path: Path, genes: np.ndarray, n_placed: int, ids: dict[str, pd.Series]) -> str:
    """The message for a table that has the chromosome and start of too few genes."""
    examples = "; ".join(
        f"{quoted(name)}: {listed(column.dropna().tolist())}" for name, column in ids.items()
    )
    return (
        f"{path} has a chromosome and a start for {n_placed} of the cohort's {len(genes)} genes "
        f"({listed(genes.tolist())}); wanted at least half; its gene IDs with a place are "
        f"{examples}; set layout.annotation to a table with the cohort's gene IDs"
    )
