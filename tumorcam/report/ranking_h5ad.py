"""The rankings as an AnnData file, which scanpy reads as the result of its own test."""

from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy

from tumorcam.cluster.logs import logger
from tumorcam.explain.views import RankingKey
from tumorcam.report.summary import EVIDENCE
from tumorcam.significance.tables import Ranking, Significance
from tumorcam.storage import disk, hdf5

LAYERS = ("score", "q_decoy", "rank", "q_value")  # of each ranking, besides evidence
GROUPS = "rank_genes_groups"  # where scanpy looks for its result
EVIDENCE_TYPE = np.int8
TREE = "dendrogram_tumor"
HEADER_BYTES, FIELD_BYTES = 60_000, 80  # that HDF5 has for all fields of a record; of one field


def write_ranking_h5ad(path: Path, results: Significance, key: RankingKey) -> None:
    """Write tumors × genes as AnnData.

    `obs` has tumor, n and recall, `var` has_decoy. Each ranking has the layers METHOD_VIEW_score,
    _q_decoy, _rank, _q_value and _evidence. `X` is the score of the given ranking, 0 where it is
    unknown, and uns["rank_genes_groups"] the same ranking as `scanpy_groups`.
    uns["dendrogram_tumor"] is what scanpy draws beside a plot.
    """
    layers: dict[str, np.ndarray] = {}
    scores, groups = np.empty(0), {}
    for ranking in results.rankings():
        layers |= ranking_layers(ranking)
        if ranking.key == key:
            scores = np.nan_to_num(ranking.score).astype(np.float32)
            groups = scanpy_groups(results, ranking) if _fits(results.tumors) else {}
    has_decoy = np.isin(np.arange(len(results.genes)), results.decoy_gene)
    tumor = pd.Categorical(results.tumors, categories=results.tumors)
    recall = results.classification.recall
    table = anndata.AnnData(
        X=scores,
        obs=pd.DataFrame({"tumor": tumor, "n": results.n, "recall": recall}, index=results.tumors),
        var=pd.DataFrame({"has_decoy": has_decoy}, index=results.genes),
        layers=layers,
        uns={
            "X": f"{key.method}_{key.view}_score",
            **({GROUPS: groups} if groups else {}),
            **({TREE: dendrogram(results.tumors, scores)} if len(scores) > 1 else {}),
            "evidence_codes": {grade: code for code, grade in enumerate(EVIDENCE)},
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


def ranking_layers(ranking: Ranking) -> dict[str, np.ndarray]:
    """The layers of a ranking by name, each (tumors, genes); NaN where a number is unknown.

    All are float32 but the evidence, which is int8: the place of its grade in EVIDENCE.
    """
    start = f"{ranking.method}_{ranking.view}"
    layers = {f"{start}_{name}": getattr(ranking, name).astype(np.float32) for name in LAYERS}
    codes = np.select([ranking.evidence == grade for grade in EVIDENCE], range(len(EVIDENCE)))
    return layers | {f"{start}_evidence": codes.astype(EVIDENCE_TYPE)}


def dendrogram(tumors: np.ndarray, values: np.ndarray) -> dict[str, object]:
    """The tumors by the correlation of their scores, in the layout of scanpy.tl.dendrogram.

    scanpy's own stops at a tumor whose scores are all equal; here its correlations are 0.

    Parameters
    ----------
    tumors, values : (tumors,) str, (tumors, genes) float32
        At least two tumors.
    """
    centred = values - values.mean(axis=1, keepdims=True, dtype=np.float64)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
    correlation = np.clip(unit @ unit.T, -1, 1)
    np.fill_diagonal(correlation, 1)
    pairs = np.triu_indices(len(tumors), k=1)
    linkage = scipy.cluster.hierarchy.linkage(1 - correlation[pairs], method="complete")
    drawing = scipy.cluster.hierarchy.dendrogram(linkage, labels=tumors.tolist(), no_plot=True)
    return {
        "linkage": linkage,
        "groupby": ["tumor"],
        "cor_method": "pearson",
        "linkage_method": "complete",
        "categories_ordered": drawing["ivl"],
        "categories_idx_ordered": drawing["leaves"],
        "dendrogram_info": {name: np.array(values) for name, values in drawing.items()},
        "correlation_matrix": correlation,
    }


def scanpy_groups(results: Significance, ranking: Ranking) -> dict[str, object]:
    """A ranking in the layout of scanpy.tl.rank_genes_groups, a group for each tumor.

    The genes of a tumor stand by descending score. `pvals` are the Wilcoxon signed-rank p-values
    and `pvals_adj` the q_decoy. What cannot be tested gets a p-value of 1, as scanpy does, and an
    unknown score is 0, so that no NaN breaks a plot.

    References
    ----------
    Wolf et al. 2018, doi:10.1186/s13059-017-1382-0.
    """
    score = np.nan_to_num(ranking.score)
    order = np.argsort(-score, axis=1, kind="stable")
    fields = {
        "names": (np.broadcast_to(results.genes.astype(object), score.shape), object),
        "scores": (score, np.float32),
        "pvals": (np.nan_to_num(ranking.p_value, nan=1.0), np.float64),
        "pvals_adj": (np.nan_to_num(ranking.q_decoy, nan=1.0), np.float64),
        "logfoldchanges": (np.nan_to_num(results.log2_fold_change), np.float32),
    }
    tumors = [str(tumor) for tumor in results.tumors]
    return {
        "params": {
            "groupby": "tumor",
            "reference": "rest",
            "method": "wilcoxon",
            "use_raw": False,
            "corr_method": "q_decoy",
        }
    } | {
        name: _by_group(np.take_along_axis(values, order, axis=1), tumors, dtype)
        for name, (values, dtype) in fields.items()
    }


def _fits(tumors: np.ndarray) -> bool:
    """Whether HDF5 holds a field for each tumor; the log says where it does not."""
    fits = sum(FIELD_BYTES + len(str(tumor).encode()) for tumor in tumors) <= HEADER_BYTES
    if not fits:
        logger.warning("%d tumors are too many for uns[%r], which is left out", len(tumors), GROUPS)
    return fits


def _by_group(values: np.ndarray, tumors: list[str], dtype: type) -> np.ndarray:
    """(genes,) records with a field for each tumor, of (tumors, genes) values."""
    records = np.empty(values.shape[1], dtype=[(tumor, dtype) for tumor in tumors])
    for tumor, column in zip(tumors, values, strict=True):
        records[tumor] = column
    return records
