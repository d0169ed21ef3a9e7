"""The tables of the report: genes, decoys and rank lists for GSEA."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tumorcam.cohort.cohort import read_cohort
from tumorcam.errors import ConfigError, quoted
from tumorcam.explain.views import RankingKey
from tumorcam.report.columns import DECOY_COLUMNS, GENE_COLUMNS, arrow_schema, columns_of
from tumorcam.report.csv_files import part_names, plain_text, write_csv, write_parts
from tumorcam.report.results import read_results
from tumorcam.settings.values import check_plain
from tumorcam.significance.tables import (
    DECOY_STATISTICS,
    GENE_STATISTICS,
    Ranking,
    Significance,
)
from tumorcam.storage import hdf5
from tumorcam.storage.run_config import load_run
from tumorcam.storage.run_folder import RunFolder, slugs

ALL_DIGITS = 17  # that a float64 needs at most
GENE_SCHEMA = arrow_schema(GENE_COLUMNS)


def gene_significance(run_folder: str | Path, *, method: str, view: str) -> pd.DataFrame:
    """How strongly, surely and reproducibly each gene drives each tumor, by one method and view.

    Parameters
    ----------
    run_folder : path
        The folder of a run that `tumorcam reduce` has finished.
    method : str
        A saliency method of the run's explain.methods, such as "guided_grad_cam".
    view : str
        "own", or "contrast" with the rival tumors.

    Returns
    -------
    DataFrame
        A row for each (tumor, gene), sorted by tumor and rank, with the columns of GENE_SCHEMA,
        which docs/method.md explains. `partial` is true where shards were missing.

    Raises
    ------
    ConfigError
        If there is no run in the folder, or it has no such method or view.
    FileError
        If the run is not finished, or its tables were made from another cohort.

    Examples
    --------
    >>> import tumorcam
    >>> table = tumorcam.gene_significance("runs/demo", method="guided_grad_cam", view="own")
    >>> called = table[table["q_decoy"] <= 0.1]
    >>> list(table.columns[:6])
    ['tumor', 'gene', 'method', 'view', 'n', 'score']
    """
    folder = _require_run(run_folder)
    run, (config, _) = RunFolder(folder), load_run(folder, [])
    cohort = read_cohort(run.cohort, config)
    results = read_results(run, cohort, config)
    _require_ranking(results, method, view)
    return gene_table(results, results.ranking(RankingKey(method, view)))


def _require_run(run_folder: object) -> Path:
    advice = "pass the run.folder of a config, such as 'runs/demo'"
    if not isinstance(run_folder, str | os.PathLike):
        msg = f"run_folder is a {type(run_folder).__name__}; wanted the path of a run; {advice}"
        raise ConfigError(msg)
    check_plain(str(run_folder), f"run_folder, {quoted(str(run_folder))},")
    folder = Path(run_folder)
    if not (folder / "config.toml").is_file():
        what = "holds no config.toml" if folder.is_dir() else "is no folder"
        msg = f"run_folder {quoted(str(run_folder))} {what}; wanted a finished run; {advice}"
        raise ConfigError(msg)
    return folder


def _require_ranking(results: Significance, method: object, view: object) -> None:
    if (method, view) in [(key.method, key.view) for key in results.keys]:
        return
    methods, views = (
        ", ".join(dict.fromkeys(getattr(key, name) for key in results.keys))
        for name in ("method", "view")
    )
    msg = (
        f"{results.path} has no genes by method {quoted(method)} and view {quoted(view)}; its "
        f"methods are {methods}, its views {views}; pass one of each"
    )
    raise ConfigError(msg)


def gene_table(results: Significance, ranking: Ranking) -> pd.DataFrame:
    """One row for each (tumor, gene) of a ranking, sorted by tumor and rank.

    The columns are those of GENE_SCHEMA. Genes of equal rank, or without one, stand by name.
    """
    n_tumors, n_genes = len(results.tumors), len(results.genes)
    columns: dict[str, object] = {
        "tumor": np.repeat(results.tumors.astype(object), n_genes),
        "gene": np.tile(results.genes.astype(object), n_tumors),
        "method": ranking.method,
        "view": ranking.view,
        "n": np.repeat(results.n.astype(np.int64), n_genes),
    }
    columns |= {name: getattr(ranking, name).ravel() for name in GENE_STATISTICS}
    columns["expression_auroc"] = results.expression_auroc.ravel()
    columns["log2_fold_change"] = results.log2_fold_change.ravel()
    columns["evidence"] = ranking.evidence.ravel().astype(object)
    columns["partial"] = bool(results.missing_shards)
    order = np.argsort(ranking.rank, axis=1, kind="stable")
    rows = order + np.arange(n_tumors)[:, np.newaxis] * n_genes
    return pd.DataFrame(columns).iloc[rows.ravel()].reset_index(drop=True)


def gene_tables(results: Significance) -> Iterator[pd.DataFrame]:
    """The `gene_table` of every ranking, one in memory at a time."""
    return (gene_table(results, ranking) for ranking in results.rankings())


def decoy_table(results: Significance, ranking: Ranking) -> pd.DataFrame:
    """One row for each (tumor, decoy) of a ranking, sorted by tumor and rank.

    The statistics are given for both passes, such as `present_score` and `chance_score`.
    `rank_among_genes` is 1 + the number of the tumor's genes with a score above both of the decoy.
    """
    n_tumors, n_decoys = ranking.present.score.shape
    columns: dict[str, object] = {
        "tumor": np.repeat(results.tumors.astype(object), n_decoys),
        "decoy": np.tile(results.genes[results.decoy_gene].astype(object), n_tumors),
        "method": ranking.method,
        "view": ranking.view,
    }
    for name in DECOY_STATISTICS:
        columns[f"present_{name}"] = getattr(ranking.present, name).ravel()
        columns[f"chance_{name}"] = getattr(ranking.chance, name).ravel()
    larger = np.maximum(ranking.present.score, ranking.chance.score)
    ranks = [
        rank_among_genes(genes, decoys) for genes, decoys in zip(ranking.score, larger, strict=True)
    ]
    columns["rank_among_genes"] = np.concatenate(ranks)
    columns["partial"] = bool(results.missing_shards)
    table = pd.DataFrame(columns)
    return table.sort_values(["tumor", "rank_among_genes", "decoy"], ignore_index=True)


def rank_among_genes(gene_scores: np.ndarray, decoy_scores: np.ndarray) -> np.ndarray:
    """(decoys,) float64: 1 + the number of genes that score higher; NaN genes do not count."""
    ascending = np.sort(gene_scores[~np.isnan(gene_scores)])
    rank = 1.0 + len(ascending) - np.searchsorted(ascending, decoy_scores, side="right")
    return np.where(np.isnan(decoy_scores), np.nan, rank)


def csv_parts(results: Significance) -> dict[str, list[str]]:
    """The files of genes.csv and of decoys.csv: one each, or several where a table is long."""
    blocks = len(results.keys) * len(results.tumors)
    rows = {"genes.csv": len(results.genes), "decoys.csv": len(results.decoy_gene)}
    return {name: part_names(name, blocks=blocks, rows=n) for name, n in rows.items()}


def described_files(descriptions: Mapping[str, str], results: Significance) -> dict[str, str]:
    """The files of a report, with the parts of a long table in its place, and what each holds."""
    parts = csv_parts(results)
    files = {}
    for name, text in descriptions.items():
        names = parts.get(name, [name])
        for i, part in enumerate(names, start=1):
            files[part] = f"{text}; part {i} of {len(names)}" if len(names) > 1 else text
    return files


def write_genes_csv(folder: Path, results: Significance) -> None:
    """Write all gene tables as CSV, with 6 significant digits; NaN where a number is unknown."""
    names, rows = csv_parts(results)["genes.csv"], len(results.genes)
    write_parts(folder, names, gene_tables(results), GENE_COLUMNS, rows=rows)


def write_genes_parquet(path: Path, results: Significance) -> None:
    """Write all gene tables as Parquet, a row group for each ranking, null for NaN."""
    with (
        hdf5.write_aside(path) as aside,
        pq.ParquetWriter(aside, GENE_SCHEMA, compression="zstd") as writer,
    ):
        for table in gene_tables(results):
            writer.write_table(
                pa.Table.from_pandas(table, schema=GENE_SCHEMA, preserve_index=False)
            )


def write_decoys_csv(folder: Path, results: Significance) -> None:
    """Write the `decoy_table` of every ranking as CSV."""
    names, rows = csv_parts(results)["decoys.csv"], len(results.decoy_gene)
    decoys = (decoy_table(results, ranking) for ranking in results.rankings())
    write_parts(folder, names, decoys, DECOY_COLUMNS, rows=rows)


def rank_list_names(results: Significance) -> list[str]:
    """The file name of each tumor's rank list.

    Raises
    ------
    CohortError
        If two tumors would get the same file name.
    """
    return [f"{slug}.rnk" for slug in slugs(results.tumors)]


def write_rank_lists(folder: Path, results: Significance, ranking: Ranking) -> list[str]:
    """Write a rank list for GSEA (gene, tab, score; highest first) for each tumor; their names.

    Genes without a score are left out. A comment says where shards were missing. A gene is written
    as in the other tables, in one line and one column, so that a spreadsheet runs no formula.

    Raises
    ------
    CohortError
        If two tumors would get the same file name.
    """
    names = rank_list_names(results)
    n_missing = len(results.missing_shards)
    note = f"# partial: {n_missing} shards were missing\n" if n_missing else ""
    for name, scores in zip(names, ranking.score, strict=True):
        order = np.argsort(-scores, kind="stable")
        order = order[~np.isnan(scores[order])]
        lines = [f"{one_cell(results.genes[gene])}\t{scores[gene]:.6g}\n" for gene in order]
        hdf5.write_text(folder / name, note + "".join(lines))
    return names


def require_new(path: Path) -> None:
    """Check that nothing has this path; ConfigError if something has, or it is no plain name."""
    check_plain(str(path), f"the path of the table, {quoted(str(path))},")
    if os.path.lexists(path):
        raise ConfigError(f"{path} is there already; name another file, or move that one away")


def write_new_csv(path: Path, table: pd.DataFrame) -> None:
    """Write the table of an answer as CSV to a new file, with all digits, NaN where unknown.

    No cell is a formula for a spreadsheet.

    Raises
    ------
    ConfigError
        If the file exists.
    """
    require_new(path)
    write_csv(path, [table], columns_of(table), digits=ALL_DIGITS)


def one_cell(gene: str) -> str:
    """The gene as a cell of a table without quotes: no tab or line break in it."""
    return plain_text(" ".join(re.split(r"[\t\r\n]+", gene)))
