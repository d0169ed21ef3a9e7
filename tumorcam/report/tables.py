"""The report's tables: genes, decoys, GSEA rank lists and an AnnData file."""

from collections.abc import Iterator
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tumorcam.cohort.cohort import read_cohort
from tumorcam.config import load_config
from tumorcam.errors import ConfigError
from tumorcam.report.results import DECOY_STATISTICS, STATISTICS, Ranking, Results, read_results
from tumorcam.storage import disk, hdf5
from tumorcam.storage.run_folder import slugs

FORMULA_STARTS = tuple("=+-@\t\r")  # a spreadsheet would run such a cell
FLOAT_FORMAT = "%.6g"  # of CSV files; genes.parquet keeps every bit
TEXT_COLUMNS = ("tumor", "gene", "decoy", "method", "view", "evidence")
GENE_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("tumor", "gene", "method", "view")]
    + [("n", pa.int64())]
    + [(name, pa.float64()) for name in (*STATISTICS, "expression_auroc", "log2_fold_change")]
    + [("evidence", pa.string()), ("partial", pa.bool_())]
)


def gene_significance(run_folder: str | Path, *, method: str, view: str) -> pd.DataFrame:
    """How strongly, surely and reproducibly each gene drives each tumor, by one method and view.

    Parameters
    ----------
    run_folder : path
        Of a run that `jobs.reduce` has finished.
    method, view : str
        Such as "guided_grad_cam" and "contrast".

    Returns
    -------
    DataFrame
        A row a (tumor, gene), sorted by tumor and rank, with the columns of GENE_SCHEMA, which
        docs/method.md explains; `partial` where shards were missing.

    Raises
    ------
    ConfigError
        If the run has no such method or view.
    FileError
        If the run is not finished, or its tables are of another cohort.
    """
    folder = Path(run_folder)
    config = load_config(folder / "config.toml")
    results = read_results(folder / "significance.h5", read_cohort(folder / "cohort.h5", config))
    if method not in results.methods or view not in results.views:
        msg = (
            f"{folder} has no {method!r}, {view!r}; its methods are "
            f"{', '.join(results.methods)}, its views {', '.join(results.views)}"
        )
        raise ConfigError(msg)
    return gene_table(results, results.ranking(method, view))


def gene_tables(results: Results) -> Iterator[pd.DataFrame]:
    """For each method and view, one row a (tumor, gene), sorted by tumor and rank.

    The columns are those of GENE_SCHEMA; genes of equal rank, or without one, stand by name.
    """
    for ranking in results.rankings():
        yield gene_table(results, ranking)


def gene_table(results: Results, ranking: Ranking) -> pd.DataFrame:
    """One ranking's rows of `gene_tables`."""
    n_tumors, n_genes = len(results.tumors), len(results.genes)
    columns: dict[str, object] = {
        "tumor": np.repeat(results.tumors.astype(object), n_genes),
        "gene": np.tile(results.genes.astype(object), n_tumors),
        "method": ranking.method,
        "view": ranking.view,
        "n": np.repeat(results.n.astype(np.int64), n_genes),
    }
    columns |= {name: ranking.statistics[name].ravel() for name in STATISTICS}
    columns["expression_auroc"] = results.expression_auroc.ravel()
    columns["log2_fold_change"] = results.log2_fold_change.ravel()
    columns["evidence"] = ranking.evidence.ravel().astype(object)
    columns["partial"] = bool(results.missing_shards)
    order = np.argsort(ranking.statistics["rank"], axis=1, kind="stable")
    rows = order + np.arange(n_tumors)[:, np.newaxis] * n_genes
    return pd.DataFrame(columns).iloc[rows.ravel()].reset_index(drop=True)


def decoy_table(results: Results, ranking: Ranking) -> pd.DataFrame:
    """One row a (tumor, decoy) of a ranking, sorted by tumor and rank.

    `rank_among_genes` is 1 + the number of the tumor's genes with a higher score.
    """
    n_tumors, n_decoys = ranking.decoys["score"].shape
    columns: dict[str, object] = {
        "tumor": np.repeat(results.tumors.astype(object), n_decoys),
        "decoy": np.tile(results.genes[results.decoy_gene].astype(object), n_tumors),
        "method": ranking.method,
        "view": ranking.view,
    }
    columns |= {name: ranking.decoys[name].ravel() for name in DECOY_STATISTICS}
    rank = [
        rank_among_genes(genes, decoys)
        for genes, decoys in zip(ranking.statistics["score"], ranking.decoys["score"], strict=True)
    ]
    columns["rank_among_genes"] = np.concatenate(rank)
    columns["partial"] = bool(results.missing_shards)
    table = pd.DataFrame(columns)
    return table.sort_values(["tumor", "rank_among_genes", "decoy"], ignore_index=True)


def rank_among_genes(gene_scores: np.ndarray, decoy_scores: np.ndarray) -> np.ndarray:
    """(decoys,) float64: 1 + the number of genes that score higher; NaN genes do not count."""
    known = np.sort(gene_scores[~np.isnan(gene_scores)])
    rank = 1.0 + len(known) - np.searchsorted(known, decoy_scores, side="right")
    return np.where(np.isnan(decoy_scores), np.nan, rank)


def write_genes_csv(path: Path, results: Results) -> None:
    """Write `gene_tables` as CSV, 6 significant digits, an empty cell where unknown."""
    _write_csv(path, gene_tables(results))


def write_genes_parquet(path: Path, results: Results) -> None:
    """Write `gene_tables` as Parquet, a row group a ranking, null where unknown."""
    with (
        hdf5.write_aside(path) as aside,
        pq.ParquetWriter(aside, GENE_SCHEMA, compression="zstd") as writer,
    ):
        for table in gene_tables(results):
            writer.write_table(
                pa.Table.from_pandas(table, schema=GENE_SCHEMA, preserve_index=False)
            )


def write_decoys_csv(path: Path, results: Results) -> None:
    """Write every ranking's `decoy_table` as CSV."""
    _write_csv(path, (decoy_table(results, ranking) for ranking in results.rankings()))


def write_rank_lists(folder: Path, results: Results, ranking: Ranking) -> list[str]:
    """Write a GSEA rank list (gene, tab, score; highest first) a tumor; the files' names.

    Genes without a score are left out. A comment says where shards were missing.

    Raises
    ------
    CohortError
        If two tumors would get the same file name.
    """
    names = [f"{slug}.rnk" for slug in slugs(results.tumors)]
    for name, scores in zip(names, ranking.statistics["score"], strict=True):
        order = np.argsort(-scores, kind="stable")
        known = order[~np.isnan(scores[order])]
        lines = [f"{results.genes[gene]}\t{scores[gene]:.6g}\n" for gene in known]
        note = [f"# partial: {len(results.missing_shards)} shards were missing\n"]
        hdf5.write_text(folder / name, "".join(note * bool(results.missing_shards) + lines))
    return names


def write_ranking_h5ad(path: Path, results: Results, *, method: str, view: str) -> None:
    """Write tumors x genes as AnnData: layers METHOD_VIEW_score and METHOD_VIEW_q_decoy.

    X is the score of the given method and view; `obs` holds n and recall, `var` has_decoy.
    """
    layers = {
        f"{ranking.method}_{ranking.view}_{name}": ranking.statistics[name].astype(np.float32)
        for ranking in results.rankings()
        for name in ("score", "q_decoy")
    }
    table = anndata.AnnData(
        X=layers[f"{method}_{view}_score"],
        obs=pd.DataFrame({"n": results.n, "recall": results.recall}, index=results.tumors),
        var=pd.DataFrame(
            {"has_decoy": np.isin(np.arange(len(results.genes)), results.decoy_gene)},
            index=results.genes,
        ),
        layers=layers,
        uns={
            "X": f"{method}_{view}_score",
            "significance_digest": results.digest,
            "partial": bool(results.missing_shards),
        },
    )
    with (
        hdf5.write_aside(path) as aside,
        disk.DeferredErrorFile(aside) as output,
        h5py.File(output, "w") as file,
    ):
        anndata.io.write_elem(file, "/", table, dataset_kwargs={"compression": "gzip"})


def plain_text(cell: str) -> str:
    """The cell, after a quote where a spreadsheet would take it for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


def _write_csv(path: Path, tables: Iterator[pd.DataFrame]) -> None:
    with hdf5.write_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as stream:
        for i, table in enumerate(tables):
            texts = {name: _plain_texts(table[name]) for name in TEXT_COLUMNS if name in table}
            table.assign(**texts).to_csv(
                stream, index=False, header=i == 0, float_format=FLOAT_FORMAT, lineterminator="\n"
            )


def _plain_texts(column: pd.Series) -> pd.Series:
    return column.map({cell: plain_text(cell) for cell in column.unique()})
