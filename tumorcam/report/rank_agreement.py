"""How far two rankings of the same genes agree, and which genes one run alone calls learned."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from tumorcam.cohort.cohort import ENTRAPPED, Cohort
from tumorcam.faithfulness.agreement import spearman
from tumorcam.report.result_columns import COMPARED_GENE_COLUMNS, TOP_SIZES
from tumorcam.significance.tables import Ranking

LEARNED = "learned"
BOTH, ONLY_A, ONLY_B = "both", "A only", "B only"
UNLISTED = "not in its input, or varies less than the genes that it keeps"


class CommonNames(NamedTuple):
    """Names that two lists both have, with the index of each name in either list."""

    names: np.ndarray
    first: np.ndarray
    second: np.ndarray


class TopOverlap(NamedTuple):
    """Genes that are in the tops of two rankings.

    `expected` is the mean of two independent rankings, and `p_value` the chance that these share
    as many genes or more. All are NaN where the top would hold every gene.
    """

    n_shared: float
    expected: float
    p_value: float


def common_names(first: np.ndarray, second: np.ndarray) -> CommonNames:
    """Names that two lists both have, sorted.

    Parameters
    ----------
    first, second : (names,) str
        Each list has a name once.
    """
    return CommonNames(*np.intersect1d(first, second, return_indices=True))


def common_genes(first: Cohort, second: Cohort) -> CommonNames:
    """Genes that two cohorts both have by name, without those that are entrapped."""
    common = common_names(first.genes, second.genes)
    is_own = ~(first.is_entrapped[common.first] | second.is_entrapped[common.second])
    return CommonNames(*(part[is_own] for part in common))


def top_overlap(first: np.ndarray, second: np.ndarray, k: int) -> TopOverlap:
    """How many of the k highest scores two rankings share, and how many chance would give.

    Parameters
    ----------
    first, second : (genes,) float
        Scores without NaN. Of equal scores the first gene comes first.

    Notes
    -----
    The number that two independent rankings of n genes share has the hypergeometric distribution
    of k draws among n genes of which k count; its mean is k² / n.
    """
    n_genes = len(first)
    if k >= n_genes:
        return TopOverlap(np.nan, np.nan, np.nan)
    top, other_top = (np.argsort(-score, kind="stable")[:k] for score in (first, second))
    n_shared = len(np.intersect1d(top, other_top))
    p_value = float(hypergeom.sf(n_shared - 1, n_genes, k, k))
    return TopOverlap(n_shared, k * k / n_genes, p_value)


def agreement_table(
    first: Ranking, second: Ranking, tumors: CommonNames, genes: CommonNames
) -> pd.DataFrame:
    """A row for each tumor in common: the agreement of two rankings over the genes in common.

    Returns
    -------
    DataFrame
        `genes` counts those with a score in both runs; `spearman` is over these. For each k of
        TOP_SIZES, `overlap_k`, `expected_k` and `p_k` are as in `TopOverlap`. `learned_a`,
        `learned_b` and `learned_both` count the learned genes among those in common.
    """
    rows = []
    for name, a, b in zip(*tumors, strict=True):
        score_a, score_b = first.score[a, genes.first], second.score[b, genes.second]
        has_score = ~(np.isnan(score_a) | np.isnan(score_b))
        score_a, score_b = score_a[has_score], score_b[has_score]
        correlation = spearman(score_a, score_b) if has_score.any() else np.nan
        row = {
            "tumor": str(name),
            "genes": int(has_score.sum()),
            "spearman": float(correlation),
        }
        for k in TOP_SIZES:
            overlap = top_overlap(score_a, score_b, k)
            row |= {f"overlap_{k}": overlap.n_shared, f"expected_{k}": overlap.expected}
            row[f"p_{k}"] = overlap.p_value
        is_a = first.evidence[a, genes.first] == LEARNED
        is_b = second.evidence[b, genes.second] == LEARNED
        counts = {"learned_a": is_a, "learned_b": is_b, "learned_both": is_a & is_b}
        rows.append(row | {name: int(is_learned.sum()) for name, is_learned in counts.items()})
    return pd.DataFrame(rows)


def learned_table(
    cohorts: tuple[Cohort, Cohort], rankings: tuple[Ranking, Ranking], tumors: CommonNames
) -> pd.DataFrame:
    """A row for each tumor and gene that either run calls learned, with both runs' results.

    Entrapped genes are left out.

    Parameters
    ----------
    cohorts, rankings : tuple
        Of run A and of run B.
    tumors : CommonNames
        Tumors that both runs have.

    Returns
    -------
    DataFrame
        The columns of COMPARED_GENE_COLUMNS. `learned_in` is BOTH, ONLY_A or ONLY_B; `absence` says
        why a run does not have the gene. Numbers of a run without the gene are NaN, its evidence
        is empty.
    """
    names = [cohort.genes.tolist() for cohort in cohorts]
    index = [{name: i for i, name in enumerate(genes)} for genes in names]
    absences = [_absences(cohort) for cohort in cohorts]
    rows = []
    for tumor, *places in zip(*tumors, strict=True):
        learned = [
            {genes[i] for i in np.flatnonzero(
                (ranking.evidence[place] == LEARNED) & ~cohort.is_entrapped)}
            for genes, cohort, ranking, place in zip(names, cohorts, rankings, places, strict=True)
        ]  # fmt: skip
        for gene in sorted(learned[0] | learned[1]):
            both = gene in learned[0] and gene in learned[1]
            row = {
                "tumor": str(tumor),
                "gene": gene,
                "learned_in": BOTH if both else ONLY_A if gene in learned[0] else ONLY_B,
                "absence": "",
            }
            for run, place, ranking, genes, absence in zip(
                "ab", places, rankings, index, absences, strict=True
            ):
                i = genes.get(gene)
                row[f"{run}_has_gene"] = i is not None
                row |= _results_of(run, ranking, place, i)
                if i is None:
                    row["absence"] = f"{run.upper()}: {absence.get(gene, UNLISTED)}"
            rows.append(row)
    table = pd.DataFrame(rows, columns=[column.name for column in COMPARED_GENE_COLUMNS])
    best = table[["rank_a", "rank_b"]].min(axis=1)
    order = table.assign(best=best).sort_values(["tumor", "learned_in", "best", "gene"]).index
    return table.loc[order].reset_index(drop=True)


def _results_of(run: str, ranking: Ranking, tumor: int, gene: int | None) -> dict[str, object]:
    """The columns of one run for a gene, by its index; None if the run does not have it."""
    if gene is None:
        return {f"evidence_{run}": "", f"rank_{run}": np.nan, f"q_decoy_{run}": np.nan}
    return {
        f"evidence_{run}": str(ranking.evidence[tumor, gene]),
        f"rank_{run}": float(ranking.rank[tumor, gene]),
        f"q_decoy_{run}": float(ranking.q_decoy[tumor, gene]),
    }


def _absences(cohort: Cohort) -> dict[str, str]:
    """Why a cohort does not have a gene, by its name, where that is known."""
    dropped = cohort.dropped[cohort.dropped["kind"] == "gene"]
    reasons = {
        str(name): f"prepare left it out ({reason})"
        for name, reason in zip(dropped["name"], dropped["reason"], strict=True)
    }
    entrapped = cohort.genes[cohort.is_entrapped].tolist()
    return reasons | {name.removesuffix(ENTRAPPED): "permuted as a check" for name in entrapped}
