"""Each ranking in words and a few numbers: what it calls, and whether to believe it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tumorcam.explain.views import RankingKey
from tumorcam.faithfulness.ranking_checks import levels_of
from tumorcam.report.results import Run
from tumorcam.report.tables import gene_table
from tumorcam.significance.statistics import LEARNED
from tumorcam.significance.tables import Ranking
from tumorcam.significance.truth import TOP, TruthScores, score_against_truth

EVIDENCE = (LEARNED, "unstable", "expression-driven", "none", "unknown", "untestable")
# Of the top 20 places: a ranking in which decoys take this share of what they would take in a blind
# ranking reflects the input; one with this share of genes that are not called does so in part.
BLIND_SHARE, MIXED_SHARE = 0.5, 0.5
ROUNDING = 1e-9  # so that 0.05 x 460 is 23, not a little less
P_LEVEL = 0.05  # of p-values that count as small
GUIDED_OWN = (
    "The order of genes in own views of guided methods largely repeats the input: go by the called "
    "genes, or by the contrast."
)
DECOYS = "decoys, which the networks could not learn,"


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
    uncalled_share : float
        Share of the tumors' top 20 genes that is not called.
    decoys_in_top, blind : float
        How many of the top 20 places decoys take, mean over tumors: at most so many genes there
        are false. The same of a ranking that ignores the training. Both are about the order of the
        genes, not about the called ones.
    n_called, called_low, called_high
        As in `Ranking`.
    called_at : mapping
        Each of `levels_of` to the number of (tumor, gene) pairs with a q_decoy at or below it.
    decoys_rejected : float
        Share of (tumor, present decoy) pairs with a p-value of at most 0.05.
    lowest_q_decoy : float
        That of the best pair.
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
    uncalled_share: float
    decoys_in_top: float
    blind: float
    n_called: int
    called_low: float
    called_high: float
    called_at: Mapping[float, int]
    decoys_rejected: float
    lowest_q_decoy: float
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
    is_uncalled = ~(ranking.q_decoy <= thresholds.q_decoy)
    uncalled_share = defined_mean(is_uncalled[ranking.rank <= TOP])
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
        uncalled_share=uncalled_share,
        decoys_in_top=decoys_in_top,
        blind=blind,
        n_called=ranking.n_called,
        called_low=ranking.called_low,
        called_high=ranking.called_high,
        called_at={level: int((ranking.q_decoy <= level).sum()) for level in levels_of(run.config)},
        decoys_rejected=decoys_rejected(ranking.present.p_value),
        lowest_q_decoy=lowest(ranking.q_decoy),
        smallest_q_decoy=ranking.smallest_q_decoy,
        too_few_decoys=ranking.too_few_decoys,
        zero_scale_samples=ranking.zero_scale_samples,
        verdict=judge_ranking(
            counts[LEARNED],
            uncalled_share=uncalled_share,
            decoys_in_top=decoys_in_top,
            blind=blind,
            guided_own=ranking.method.startswith("guided") and ranking.view == "own",
        ),
        called=called_words(ranking, counts[LEARNED], thresholds.q_decoy),
        top=_top_genes(run, ranking),
        decoy_curve=ranking.decoy_curve,
        truth=truth,
    )


def blind_decoys(n_genes: int, n_decoys: int) -> float:
    """How many of the top 20 places decoys take in a ranking that ignores the training.

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


def lowest(values: np.ndarray) -> float:
    """The lowest of all values but NaN; NaN where there is none."""
    defined = values[~np.isnan(values)]
    return float(defined.min()) if defined.size else math.nan


def called_words(ranking: Ranking, n_learned: int, q_decoy: float) -> str:
    """How many pairs are called and graded learned, and how many are expected to be wrong."""
    pairs = "pair is" if ranking.n_called <= 1 else "pairs are"
    count = f"{ranking.n_called:,}" if ranking.n_called else "No"
    called = f"{count} (tumor, gene) {pairs} called at q_decoy ≤ {q_decoy:g}"
    if ranking.n_called:
        called += f"; {n_learned:,} of them are graded learned"
    if not math.isnan(ranking.called_low):
        called += (
            ". When the decoys of this run are drawn again with replacement, "
            f"{ranking.called_low:,.0f} to {ranking.called_high:,.0f} are called (5 to 95 %)"
        )
    if ranking.n_called == 0:
        return f"{called}."
    n_false = most_false(ranking.n_called, q_decoy)
    number = f"at most {n_false:,}" if n_false else "fewer than 1"
    return (
        f"{called}. On average over draws of the decoys, at most {100 * q_decoy:g} % of the called "
        f"pairs are false: {number} of these. A false pair is of a gene that the networks use by "
        "chance, or that is merely there."
    )


def most_false(n_called: int, q_decoy: float) -> int:
    """The largest whole number of false pairs that q_decoy allows among the called ones."""
    return math.floor(q_decoy * n_called + ROUNDING)


def judge_ranking(
    n_learned: int,
    *,
    uncalled_share: float,
    decoys_in_top: float,
    blind: float,
    guided_own: bool,
) -> Verdict:
    """Whether a ranking reflects the network or only its input.

    Parameters
    ----------
    n_learned : int
        Number of (tumor, gene) pairs that are graded learned.
    uncalled_share, decoys_in_top, blind : float
        As in `RankingSummary`; the last two are NaN without decoys.
    guided_own : bool
        Whether it is the own view of a guided method, whose verdict ends with a warning.

    References
    ----------
    Adebayo et al. 2018, doi:10.48550/arXiv.1810.03292; Nie et al. 2018,
    doi:10.48550/arXiv.1805.07039 (guided maps repeat the input).
    """
    places = f"take {decoys_in_top:.1f} of the top {TOP} places"
    if math.isnan(decoys_in_top):
        level = "unknown"
        text = "Without decoys nobody can tell whether this follows the network or its input."
    elif decoys_in_top >= BLIND_SHARE * blind:
        level = "input"
        text = (
            f"Its order follows the input, not what the networks learned: {DECOYS} {places}. In a "
            f"ranking blind to the training they take {blind:.1f}."
        )
    elif n_learned == 0:
        level = "none"
        text = f"It is not shown to follow the networks: no pair is learned; {DECOYS} {places}."
    elif uncalled_share >= MIXED_SHARE:
        level = "mixed"
        text = (
            f"It follows the networks in part: {100 * uncalled_share:.0f} % of the tumors' top "
            f"{TOP} genes are not called. Trust those graded learned."
        )
    else:
        level = "network"
        text = f"It follows what the networks learned: {DECOYS} {places}."
    return Verdict(level, f"{text} {GUIDED_OWN}" if guided_own else text)


def _top_genes(run: Run, ranking: Ranking) -> list[TopGenes]:
    table = gene_table(run.results, ranking)
    rows = table[table["rank"].notna()].groupby("tumor", sort=False).head(run.config.report.top)
    n_learned = ranking.is_learned.sum(axis=1)
    return [
        TopGenes(
            tumor=tumor,
            n=int(run.results.n[t]),
            n_learned=int(n_learned[t]),
            rows=rows[rows["tumor"] == tumor].to_dict("records"),
        )
        for t, tumor in enumerate(run.results.tumors.tolist())
    ]
