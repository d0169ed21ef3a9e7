"""Each ranking in words and a few numbers: what it calls, and whether to believe it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tumorcam.explain.views import RankingKey
from tumorcam.faithfulness.ranking_checks import LEVELS
from tumorcam.report.results import Run
from tumorcam.report.tables import gene_table
from tumorcam.significance.tables import Ranking
from tumorcam.significance.truth import TOP, TruthScores, score_against_truth

EVIDENCE = ("learned", "unstable", "expression-driven", "none", "unknown", "untestable")
# A ranking with this share of the false genes of a blind ranking reflects the input; one with this
# share of expression-driven genes at the top reflects it in part.
BLIND_SHARE, MIXED_SHARE = 0.5, 0.5
P_LEVEL = 0.05  # of p-values that count as small
GUIDED_OWN = (
    "The order of genes in own views of guided methods largely repeats the input: go by the called "
    "genes, or by the contrast."
)


@dataclass(frozen=True)
class Verdict:
    """Whether a ranking is about the network, in words and as a level.

    `level` is network, mixed, input, none or unknown.
    """

    level: str
    text: str


@dataclass(frozen=True)
class TopGenes:
    """The first rows of a tumor in `tables.gene_table`, and its number of learned genes."""

    tumor: str
    n: int
    n_learned: int
    rows: list[dict[str, object]]


@dataclass(frozen=True)
class RankingSummary:
    """One ranking on the page.

    Attributes
    ----------
    key : RankingKey
        The method and the view.
    counts : mapping
        Grade of evidence to the number of (tumor, gene) pairs.
    expression_share : float
        Share of the tumors' top 20 that is graded expression-driven.
    decoys_in_top, blind : float
        Number of false genes in the top 20, mean over tumors; the number that a ranking which
        ignores the training would have.
    n_called, called_low, called_high
        As in `Ranking`.
    called_at : mapping
        Each of LEVELS to the number of (tumor, gene) pairs with a q_decoy at or below it.
    decoys_rejected : float
        Share of (tumor, present decoy) pairs with a p-value of at most 0.05.
    smallest_q_decoy, too_few_decoys, zero_scale_samples, decoy_curve
        As in `Ranking`.
    verdict, called
        Whether the ranking is about the network, and how many pairs it calls, in words.
    top : list of TopGenes
        The first genes of every tumor.
    truth : TruthScores or None
        The ranking against planted drivers, if there are any.
    """

    key: RankingKey
    counts: Mapping[str, int]
    expression_share: float
    decoys_in_top: float
    blind: float
    n_called: int
    called_low: float
    called_high: float
    called_at: Mapping[float, int]
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
        """The title of the ranking, such as "Gradient × input, contrast"."""
        return self.key.title


def summarise_ranking(run: Run, ranking: Ranking) -> RankingSummary:
    """The counts, the verdict and the top genes of a ranking."""
    results, thresholds = run.results, run.config.significance
    counts = {grade: int((ranking.evidence == grade).sum()) for grade in EVIDENCE}
    is_expression_driven = ranking.evidence == "expression-driven"
    expression_share = defined_mean(is_expression_driven[ranking.rank <= TOP])
    decoys_in_top = defined_mean(ranking.decoys_in_top_20)
    blind = blind_decoys(len(results.genes), len(results.decoy_gene))
    truth = None
    if run.truth is not None:
        truth = score_against_truth(
            run.truth,
            ranking.rank,
            ranking.q_decoy,
            threshold=thresholds.q_decoy,
        )
    return RankingSummary(
        key=ranking.key,
        counts=counts,
        expression_share=expression_share,
        decoys_in_top=decoys_in_top,
        blind=blind,
        n_called=ranking.n_called,
        called_low=ranking.called_low,
        called_high=ranking.called_high,
        called_at={level: int((ranking.q_decoy <= level).sum()) for level in LEVELS},
        decoys_rejected=decoys_rejected(ranking.present.p_value),
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
        called=called_words(ranking, counts["learned"], thresholds.q_decoy),
        top=_top_genes(run, ranking),
        decoy_curve=ranking.decoy_curve,
        truth=truth,
    )


def blind_decoys(n_genes: int, n_decoys: int) -> float:
    """Expected number of false genes in the top 20 of a ranking that ignores the training.

    With G genes and D decoys, D / (G + D) of the 20 places go to decoys, and each decoy stands for
    G / D genes. NaN without decoys.
    """
    return TOP * n_genes / (n_genes + n_decoys) if n_decoys else math.nan


def decoys_rejected(p_value: np.ndarray) -> float:
    """Share of (tumor, decoy) pairs whose p-value is at most 0.05; NaN without p-values."""
    return defined_mean(np.where(np.isnan(p_value), np.nan, p_value <= P_LEVEL))


def defined_mean(values: np.ndarray) -> float:
    """The mean of all values but NaN; NaN where there is none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else math.nan


def called_words(ranking: Ranking, n_learned: int, q_decoy: float) -> str:
    """How many pairs are called and graded learned, and how many are expected to be wrong."""
    pairs = "pair is" if ranking.n_called <= 1 else "pairs are"
    count = f"{ranking.n_called:,}" if ranking.n_called else "No"
    called = f"{count} (tumor, gene) {pairs} called at q_decoy ≤ {q_decoy:g}"
    if not math.isnan(ranking.called_low):
        called += " (5 to 95 % when the decoys of this run are drawn again with replacement: "
        called += f"{ranking.called_low:,.0f} to {ranking.called_high:,.0f})"
    if ranking.n_called == 0:
        return f"{called}."
    n_false = math.ceil(q_decoy * ranking.n_called)
    return (
        f"{called}; {n_learned:,} of them are graded learned. On average over draws of the decoys, "
        f"at most {100 * q_decoy:g} % of the called pairs, about {n_false:,}, are genes that the "
        "networks use by chance or that are merely present."
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
        Number of (tumor, gene) pairs that are graded learned.
    expression_share, decoys_in_top, blind : float
        As in `RankingSummary`; the last two are NaN without decoys.
    guided_own : bool
        Whether it is the own view of a guided method, whose verdict ends with a warning.

    References
    ----------
    Adebayo et al. 2018, doi:10.48550/arXiv.1810.03292; Nie et al. 2018,
    doi:10.48550/arXiv.1805.07039 (guided maps repeat the input).
    """
    decoys = f"{decoys_in_top:.1f} of the top {TOP} places"
    if math.isnan(decoys_in_top):
        level = "unknown"
        text = "Without decoys nobody can tell whether this follows the network or its input."
    elif decoys_in_top >= BLIND_SHARE * blind:
        level = "input"
        text = (
            "Reflects the input, not what the network learned: genes that it could not have "
            f"learned fill an estimated {decoys}; a ranking blind to the training would have "
            f"{blind:.1f}."
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
            f"Uncertain in part: {100 * expression_share:.0f} % of the tumors' top {TOP} genes do "
            "not stand far enough above decoys. Trust those graded learned."
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
    n_learned = (ranking.evidence == "learned").sum(axis=1)
    return [
        TopGenes(
            tumor=tumor,
            n=int(run.results.n[t]),
            n_learned=int(n_learned[t]),
            rows=rows[rows["tumor"] == tumor].to_dict("records"),
        )
        for t, tumor in enumerate(run.results.tumors.tolist())
    ]
