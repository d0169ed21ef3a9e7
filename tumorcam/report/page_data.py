"""The numbers behind the panels of the page: all genes of all tumors, compact, within the page."""

import base64
import gzip
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorcam.cohort.cohort import Cohort
from tumorcam.cohort.lookup import name_parts
from tumorcam.explain.views import RankingKey, method_name
from tumorcam.faithfulness.gene_sets import BAND, ranked_genes, t_statistics
from tumorcam.report.summary import EVIDENCE
from tumorcam.report.tumor_text import describe_tumor
from tumorcam.significance.tables import Ranking, Significance

MAX_CHARACTERS = 13_000_000  # of all arrays together; the page may have 15 MB
MISSING_SHORT, MISSING_BYTE = -(2**15), 2**8 - 1  # stand for NaN
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # of the box plots of expression
SHORT_STEP = 0.01  # the page prints two decimals
SMALL_STEP = 0.0001  # of q_decoy
SHARE_STEP = 1 / 250  # of replication and AUROC, as bytes
MIN_TESTED = 20  # genes of the t-test that a tumor's learned genes are compared with, at least


@dataclass(frozen=True)
class PageData:
    """What the script of the page reads.

    Attributes
    ----------
    content : dict
        Names, settings and packed arrays, ready for JSON.
    left_out : list of str
        Titles of the rankings that did not fit in the page.
    """

    content: dict[str, Any]
    left_out: list[str]


def page_data(
    cohort: Cohort,
    results: Significance,
    first: RankingKey,
    *,
    top: int,
    aliases: Sequence[Sequence[str]] = (),
) -> PageData:
    """All genes of all tumors in as many rankings as fit.

    Both views of the method shown first come with all columns. Other methods come with score and
    evidence, in the order of the run, until the arrays have MAX_CHARACTERS.

    Parameters
    ----------
    first : RankingKey
        The ranking that the page shows first.
    top : int
        The number of genes of each tumor that come with exact ranks, besides learned ones.
    aliases : sequence of sequences of str
        Other names of each gene, such as synonyms; empty without an annotation.
    """
    ranking = results.ranking(first)
    arrays = _shared_arrays(cohort, results, ranking)
    n_characters = sum(len(array["data"]) for array in arrays.values())
    rankings: list[dict[str, Any]] = []
    left_out: list[str] = []
    for key in sorted(results.keys, key=lambda key: (key != first, key.method != first.method)):
        other = ranking if key == first else results.ranking(key)
        part = _ranking_arrays(other, whole=key.method == first.method)
        size = sum(len(array["data"]) for array in part.values())
        if rankings and n_characters + size > MAX_CHARACTERS:
            left_out.append(key.title)
            continue
        n_characters += size
        arrays |= {f"{key.name}/{name}": array for name, array in part.items()}
        rankings.append(
            {
                "key": key.name,
                "title": key.title,
                "method": method_name(key.method),
                "view": key.view,
                "listed": _listed_rows(other, top),
            }
        )
    content = {
        "tumors": results.tumors.tolist(),
        "facts": [_facts(cohort, results, tumor) for tumor in range(len(results.n))],
        "genes": results.genes.tolist(),
        "symbols": link_names(results.genes, aliases),
        "aliases": [list(names) for names in aliases],
        "decoys": results.decoy_gene.tolist(),
        "evidence": list(EVIDENCE),
        "side": int(cohort.layouts[0].side),
        "pixels": cohort.layouts[0].pixel.tolist(),
        "tested": _first_of_test(cohort, ranking),
        "rankings": rankings,
        "arrays": arrays,
    }
    return PageData(content, left_out)


def _facts(cohort: Cohort, results: Significance, tumor: int) -> str:
    """How many patients a tumor has, and what its samples are called, in sentences."""
    lines = describe_tumor(cohort, results, tumor)
    return " ".join(f"{line[:1].upper()}{line[1:]}." for line in lines)


def link_names(genes: np.ndarray, aliases: Sequence[Sequence[str]]) -> list[str]:
    """The name by which other databases know each gene: its symbol where it is given, else its ID.

    A symbol is a part of the name, or an alias, that has a letter and is no Ensembl ID.
    """
    names = []
    for i, gene in enumerate(genes.tolist()):
        parts = [*name_parts(gene), *(aliases[i] if len(aliases) else ())]
        symbols = [part for part in parts if not part.startswith("ENS") and not part.isdigit()]
        names.append(symbols[0] if symbols else parts[0])
    return names


def pack_shorts(values: np.ndarray, step: float) -> dict[str, Any]:
    """Numbers as whole multiples of a step, two bytes each; the step grows where they are large.

    The low bytes come first and then the high ones, since they compress better apart.
    """
    largest = np.nanmax(np.abs(values), initial=0.0)
    step = max(step, float(largest) / (2**15 - 1))
    whole = np.where(np.isnan(values), MISSING_SHORT, np.rint(np.nan_to_num(values) / step))
    pairs = whole.astype("<i2").ravel().view(np.uint8).reshape(-1, 2)
    return {"type": "short", "step": step, "data": compressed(pairs.T.tobytes())}


def pack_bytes(values: np.ndarray, step: float) -> dict[str, Any]:
    """Numbers from 0 to 254 steps as whole multiples of the step, one byte each."""
    whole = np.where(np.isnan(values), MISSING_BYTE, np.rint(np.nan_to_num(values) / step))
    return {"type": "byte", "step": step, "data": compressed(whole.astype(np.uint8).tobytes())}


def compressed(content: bytes) -> str:
    """Bytes as the Base64 text of a gzip file without a time."""
    return base64.b64encode(gzip.compress(content, compresslevel=9, mtime=0)).decode()


def json_text(content: dict[str, Any]) -> str:
    """JSON that may stand within a script element: no character ends it or begins a tag."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _shared_arrays(cohort: Cohort, results: Significance, first: Ranking) -> dict[str, Any]:
    """What does not depend on the ranking, and the decoys of the one shown first.

    Of the quantiles of expression each but the lowest is stored as the step from the one below.
    """
    quantiles = np.concatenate(list(_expression_quantiles(cohort)), axis=2)
    lowest = min(0.0, float(np.nanmin(quantiles, initial=0.0)))
    step = (float(np.nanmax(quantiles, initial=1.0)) - lowest) / (MISSING_BYTE - 1) or 1.0
    whole = np.where(np.isnan(quantiles), MISSING_BYTE, np.rint((quantiles - lowest) / step))
    differences = np.diff(whole.astype(np.uint8), axis=0, prepend=np.uint8(0))  # compress better
    expression = {
        "type": "byte",
        "step": step,
        "offset": lowest,
        "data": compressed(differences.tobytes()),
    }
    decoys = np.fmax(first.present.score, first.chance.score)
    return {
        "expression": expression,
        "auroc": pack_bytes(results.expression_auroc, SHARE_STEP),
        "change": pack_shorts(results.log2_fold_change, SHORT_STEP),
        "decoys": pack_shorts(decoys, SHORT_STEP),
    }


def _expression_quantiles(cohort: Cohort) -> Iterator[np.ndarray]:
    """(quantiles, tumors, band) float64 of log2(x + 1); NaN for a tumor without samples."""
    n_tumors, groups = len(cohort.tumors), range(len(cohort.tumors))
    rows = [np.flatnonzero(cohort.tumor == tumor) for tumor in groups]
    bands = (
        band
        for start in range(0, len(cohort.genes), BAND)
        for band in cohort.gene_bands(slice(start, start + BAND))
    )
    for band in bands:
        quantiles = np.full((len(QUANTILES), n_tumors, band.shape[1]), np.nan)
        for tumor in groups:
            if len(rows[tumor]):
                quantiles[:, tumor] = np.quantile(band[rows[tumor]], QUANTILES, axis=0)
        yield quantiles


def _ranking_arrays(ranking: Ranking, *, whole: bool) -> dict[str, Any]:
    """The arrays of a ranking, each (tumors, genes); only score and evidence unless `whole`."""
    code = {grade: i for i, grade in enumerate(EVIDENCE)}
    evidence = np.vectorize(code.__getitem__, otypes=[float])(ranking.evidence)
    arrays = {
        "score": pack_shorts(ranking.score, SHORT_STEP),
        "evidence": pack_bytes(evidence, 1),
    }
    if whole:
        arrays |= {
            "margin": pack_shorts(ranking.margin, SHORT_STEP),
            "replication": pack_bytes(ranking.replication, SHARE_STEP),
            "q_decoy": pack_shorts(ranking.q_decoy, SMALL_STEP),
        }
    return arrays


def _listed_rows(ranking: Ranking, top: int) -> list[list[list[float | None]]]:
    """For each tumor the index, rank, interval and q_value of its first and its learned genes."""
    is_listed = (ranking.rank <= top) | ranking.is_learned
    return [
        [
            [gene, *_plain_numbers(ranking, tumor, gene)]
            for gene in np.flatnonzero(is_listed[tumor]).tolist()
        ]
        for tumor in range(len(is_listed))
    ]


def _plain_numbers(ranking: Ranking, tumor: int, gene: int) -> Iterable[float | None]:
    for name in ("rank", "rank_low", "rank_high", "q_value"):
        value = float(getattr(ranking, name)[tumor, gene])
        yield None if math.isnan(value) else float(f"{value:.3g}") if value < 1 else round(value)


def _first_of_test(cohort: Cohort, ranking: Ranking) -> list[list[int]]:
    """The first genes of the t-test in each tumor, as many as are learned, at least MIN_TESTED.

    The sign of t does not count: a gene that a tumor lacks differs too.
    """
    order = ranked_genes(np.abs(t_statistics(cohort)))
    n_learned = ranking.is_learned.sum(axis=1)
    return [
        genes[: max(MIN_TESTED, int(n))].tolist() for genes, n in zip(order, n_learned, strict=True)
    ]
