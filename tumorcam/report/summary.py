"""Each ranking in words and in a few numbers: what is called, and whether it can be believed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tumorcam.explain.views import method_name
from tumorcam.report.results import Ranking, Run
from tumorcam.report.tables import gene_table
from tumorcam.significance.truth import TOP, TruthScores, score_against_truth

EVIDENCE = ("learned", "unstable", "expression-driven", "none", "unknown", "untestable")
BLIND_SHARE = 0.5  # of a blind ranking's decoys in the top: from here on it reflects the input
MIXED_SHARE = (
    0.5  # of the top pairs that are expression-driven: from here on it is partly the input
)
P_LEVEL = 0.05  # at which a test of decoys shows whether p-values can be believed
GUIDED_OWN = "Own views of guided methods largely re-read the input; rely on the contrast."


@dataclass(frozen=True)
class Verdict:
    """Whether a ranking is about the network: `level` network, mixed, input, none or unknown."""

    level: str
    text: str


@dataclass(frozen=True)
class TopGenes:
    """A tumor's first rows of `tables.gene_table`, with how many of its genes are learned."""

    tumor: str
    n: int
    n_learned: int
    rows: list[dict[str, object]]


@dataclass(frozen=True)
class RankingSummary:
    """One method and view as the page shows it.

    `counts` are (tumor, gene) pairs by evidence; `expression_share` is the share of the tumors'
    top 20 that is graded expression-driven; `decoys_in_top` the mean over tumors of false genes in
    the top 20, `blind` what a ranking that ignores the training would have there;
    `decoys_rejected` the share of (tumor, decoy) pairs with a p-value of at most 0.05.
    """

    method: str
    view: str
    counts: Mapping[str, int]
    expression_share: float
    decoys_in_top: float
    blind: float
    decoys_rejected: float
    smallest_q_decoy: float
    too_few_decoys: bool
    zero_scale_samples: int
    verdict: Verdict
    called: str
    top: list[TopGenes]
    decoy_curve: pd.DataFrame
    truth: TruthScores | None

    @property
    def name(self) -> str:
        """Such as "Gradient × input, contrast"."""
        return f"{method_name(self.method)}, {self.view}"


def summarise_ranking(run: Run, ranking: Ranking) -> RankingSummary:
    """A ranking's counts, verdict and top genes."""
    results, thresholds = run.results, run.config.significance
    counts = {grade: int((ranking.evidence == grade).sum()) for grade in EVIDENCE}
    in_top = ranking.statistics["rank"] <= TOP
    expression_share = float((ranking.evidence == "expression-driven")[in_top].mean())
    known = ranking.decoys_in_top_20[~np.isnan(ranking.decoys_in_top_20)]
    decoys_in_top = float(known.mean()) if known.size else math.nan
    blind = blind_decoys(len(results.genes), len(results.decoy_gene))
    truth = None
    if run.truth is not None:
        truth = score_against_truth(
            run.truth.drives,
            ranking.statistics["rank"],
            ranking.statistics["q_decoy"],
            threshold=thresholds.q_decoy,
        )
    return RankingSummary(
        method=ranking.method,
        view=ranking.view,
        counts=counts,
        expression_share=expression_share,
        decoys_in_top=decoys_in_top,
        blind=blind,
        decoys_rejected=decoys_rejected(ranking.decoys["p_value"]),
        smallest_q_decoy=ranking.smallest_q_decoy,
        too_few_decoys=ranking.too_few_decoys,
        zero_scale_samples=ranking.zero_scale_samples,
        verdict=judge_ranking(
            counts["learned"],
            expression_share=expression_share,
            decoys_in_top=decoys_in_top,
            blind=blind,
            guided_own=ranking.method.startswith("guided") and ranking.view == "own",
        ),
        called=called_words(counts["learned"], thresholds.q_decoy),
        top=_top_genes(run, ranking),
        decoy_curve=ranking.decoy_curve,
        truth=truth,
    )


def blind_decoys(n_genes: int, n_decoys: int) -> float:
    """False genes expected in the top 20 of a ranking that cannot tell decoys from genes.

    Of 20 places D / (G + D) go to decoys, each standing for G / D genes; NaN without decoys.
    """
    return TOP * n_genes / (n_genes + n_decoys) if n_decoys else math.nan


def decoys_rejected(p_value: np.ndarray) -> float:
    """Share of (tumor, decoy) pairs whose p-value is at most 0.05; NaN where none has one."""
    known = p_value[~np.isnan(p_value)]
    return float((known <= P_LEVEL).mean()) if known.size else math.nan


def called_words(n_learned: int, q_decoy: float) -> str:
    """How many pairs are graded learned, and how many of them are expected to be wrong."""
    if n_learned == 0:
        return "No (tumor, gene) pair is graded learned."
    return (
        f"Of {n_learned:,} (tumor, gene) pairs graded learned, at most {100 * q_decoy:g} % "
        f"(about {math.ceil(q_decoy * n_learned):,}) are expected to be ones that the network does "
        "not use."
    )


def judge_ranking(
    n_learned: int,
    *,
    expression_share: float,
    decoys_in_top: float,
    blind: float,
    guided_own: bool,
) -> Verdict:
    """Whether a ranking reflects the network or only its input.

    Parameters
    ----------
    n_learned : int
        (tumor, gene) pairs graded learned.
    expression_share : float
        Share of the tumors' top 20 that is graded expression-driven.
    decoys_in_top, blind : float
        False genes in the top 20, measured and of a ranking that ignores the training; NaN
        without decoys.
    guided_own : bool
        The own view of a guided method, which carries a warning of its own.

    References
    ----------
    Adebayo et al. 2018, doi:10.48550/arXiv.1810.03292; Nie et al. 2018,
    doi:10.48550/arXiv.1805.07039 (guided maps re-read the input).
    """
    decoys = f"{decoys_in_top:.1f} of the top {TOP} places"
    if math.isnan(decoys_in_top):
        level = "unknown"
        text = "Without decoys nobody can tell whether this follows the network or its input."
    elif decoys_in_top >= BLIND_SHARE * blind:
        level = "input"
        text = (
            "Reflects the input, not what the network learned: genes that it could not have "
            f"learned fill an estimated {decoys}; blind to the training it would be {blind:.1f}."
        )
    elif n_learned == 0:
        level = "none"
        text = (
            f"Not shown to reflect the network: no pair is learned, and genes that it could not "
            f"have learned fill an estimated {decoys}."
        )
    elif expression_share >= MIXED_SHARE:
        level = "mixed"
        text = (
            f"Partly the input: {100 * expression_share:.0f} % of the tumors' top {TOP} genes are "
            "only expression-driven. Trust the ones graded learned."
        )
    else:
        level = "network"
        text = (
            "Reflects what the network learned: genes that it could not have learned fill an "
            f"estimated {decoys}."
        )
    return Verdict(level, f"{text} {GUIDED_OWN}" if guided_own else text)


def _top_genes(run: Run, ranking: Ranking) -> list[TopGenes]:
    table = gene_table(run.results, ranking)
    rows = table[table["rank"].notna()].groupby("tumor", sort=False).head(run.config.report.top)
    learned = (ranking.evidence == "learned").sum(axis=1)
    return [
        TopGenes(
            tumor=tumor,
            n=int(n),
            n_learned=int(n_learned),
            rows=rows[rows["tumor"] == tumor].to_dict("records"),
        )
        for tumor, n, n_learned in zip(
            run.results.tumors.tolist(), run.results.n, learned, strict=True
        )
    ]
