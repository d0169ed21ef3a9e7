"""Each ranking in words and in a few numbers: what is called, and whether it can be believed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tumorcam.report.results import Ranking, Run
from tumorcam.report.tables import gene_table
from tumorcam.truth import TOP, TruthScores, score_against_truth

METHOD_NAMES = {
    "guided_grad_cam": "Guided Grad-CAM",
    "guided_backprop": "Guided backpropagation",
    "gradient_x_input": "Gradient × input",
}
EVIDENCE = ("learned", "unstable", "expression-driven", "none", "unknown", "untestable")
BLIND_SHARE = 0.5  # of a blind ranking's decoys in the top: from here on it reflects the input
GUIDED_OWN = (
    "Own views of guided methods largely re-read the input: a network trained on shuffled labels "
    "gives much the same ranking (Adebayo 2018, Nie 2018). Rely on the contrast view."
)


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

    `counts` are (tumor, gene) pairs by evidence; `decoys_in_top` the mean over tumors of false
    genes in the top 20, `blind` what a ranking that ignores the training would have there.
    """

    method: str
    view: str
    counts: Mapping[str, int]
    decoys_in_top: float
    blind: float
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


def method_name(method: str) -> str:
    """The method as a reader knows it."""
    return METHOD_NAMES.get(method, method)


def summarise_ranking(run: Run, ranking: Ranking) -> RankingSummary:
    """A ranking's counts, verdict and top genes."""
    results, thresholds = run.results, run.config.significance
    counts = {grade: int((ranking.evidence == grade).sum()) for grade in EVIDENCE}
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
        decoys_in_top=decoys_in_top,
        blind=blind,
        smallest_q_decoy=ranking.smallest_q_decoy,
        too_few_decoys=ranking.too_few_decoys,
        zero_scale_samples=ranking.zero_scale_samples,
        verdict=judge_ranking(
            counts,
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


def called_words(n_learned: int, q_decoy: float) -> str:
    """How many pairs are graded learned, and how many of them are expected to be wrong."""
    if n_learned == 0:
        return "No (tumor, gene) pair is graded learned."
    return (
        f"Of {n_learned:,} (tumor, gene) pairs graded learned, at most {100 * q_decoy:g} % (about "
        f"{math.ceil(q_decoy * n_learned):,}) are expected to be ones that the network does not use."
    )


def judge_ranking(
    counts: Mapping[str, int], *, decoys_in_top: float, blind: float, guided_own: bool
) -> Verdict:
    """Whether a ranking reflects the network or only its input.

    Parameters
    ----------
    counts : mapping
        (tumor, gene) pairs by evidence.
    decoys_in_top, blind : float
        False genes in the top 20, measured and of a ranking that ignores the training; NaN
        without decoys.
    guided_own : bool
        The own view of a guided method, which carries a warning of its own.
    """
    n_learned, n_expression = counts["learned"], counts["expression-driven"]
    in_words = f"{decoys_in_top:.1f} of the top {TOP} places (blind to the training: {blind:.1f})"
    if math.isnan(decoys_in_top):
        verdict = Verdict(
            "unknown",
            "Without decoys nobody can tell whether this follows the network or its input.",
        )
    elif decoys_in_top >= BLIND_SHARE * blind:
        verdict = Verdict(
            "input",
            "Reflects the input, not what the network learned: genes that it could not learn "
            f"fill an estimated {in_words}.",
        )
    elif n_learned == 0:
        verdict = Verdict(
            "none", f"Not shown to reflect the network: decoys fill {in_words} and no pair is learned."
        )
    elif n_expression > n_learned:
        verdict = Verdict(
            "mixed",
            f"Partly the input: {n_expression:,} pairs of the tumors' top lists are only "
            f"expression-driven, {n_learned:,} learned.",
        )
    else:
        verdict = Verdict("network", f"Reflects the network: decoys fill {in_words}.")
    return Verdict(verdict.level, f"{verdict.text} {GUIDED_OWN}") if guided_own else verdict


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
