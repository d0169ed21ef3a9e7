"""Is the ranking right? The checks of faithfulness.h5 in words and small tables."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorcam.explain.views import method_name
from tumorcam.faithfulness.agreement import MIN_MARKERS
from tumorcam.faithfulness.deletion import CHANGES, CONTROLS, MEAN
from tumorcam.faithfulness.examine import Faithfulness, read_faithfulness
from tumorcam.faithfulness.gene_sets import MATCHED, RANDOM, T_TEST
from tumorcam.faithfulness.ranking_checks import MarkerLifts, Nulls, PlantedScores, Stability
from tumorcam.faithfulness.retraining import RANKING, VARIABLE
from tumorcam.report.results import Run
from tumorcam.report.summary import Verdict

MOST, HALF = 0.8, 0.5  # of the tumors: a verdict is good from MOST on, mixed from HALF on
FEW_REPLICATES = 6  # fewer make halves too small to compare
FEW_NULLS = 5  # fewer make an interval that says little
CONTROL_NAMES = {
    RANDOM: "random genes",
    MATCHED: "genes of like variance",
    T_TEST: "the t-test's genes",
}
CHANGE_NAMES = ("deleted", "replaced", "inserted")  # in the order of CHANGES
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Check:
    """One check: a verdict and the rows of its table; `columns` name further ones."""

    verdict: Verdict
    rows: Rows
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checks:
    """All checks of a run as the page shows them; None where the run has nothing to check.

    `found` is what they were made from; the rankings' names are "Method, view".
    """

    found: Faithfulness
    nulls: Check | None
    deletion: Check
    retrained: Check
    markers: Check | None
    stability: Check
    planted: Check | None


def read_checks(run: Run) -> Faithfulness | None:
    """The run's faithfulness.h5; None where it is not there, or was made from other tables."""
    return read_faithfulness(run.config.folder / "faithfulness.h5", run.results.digest)


def summarise_checks(found: Faithfulness, run: Run) -> Checks:
    """Every check in words, the report's ranking first."""
    first = f"{run.config.report.method}/{run.config.report.view}"
    names = found.rankings.tolist()
    order = sorted(range(len(names)), key=lambda i: (names[i] != first, names[i]))
    method = run.config.report.method
    methods = sorted(found.methods.tolist(), key=lambda name: (name != method, name))
    level = run.config.significance.q_decoy
    return Checks(
        found=found,
        nulls=None if found.nulls is None else null_check(found.nulls, names, order),
        deletion=deletion_check(found, methods),
        retrained=retrained_check(found, methods),
        markers=None if found.markers is None else marker_check(found.markers, found, order),
        stability=stability_check(found.stability, names, order, n_genes=len(run.results.genes)),
        planted=None
        if found.planted is None
        else planted_check(found.planted, names, order, level),
    )


def ranking_name(ranking: str) -> str:
    """METHOD/VIEW as a reader knows it, such as "Gradient × input, contrast"."""
    method, view = ranking.split("/")
    return f"{method_name(method)}, {view}"


def null_check(nulls: Nulls, names: list[str], order: list[int]) -> Check:
    """Permuted labels: nothing may be called learned, and drivers may not pass their decoys."""
    n_runs = nulls.learned.shape[1]
    rows: Rows = [
        {
            "name": ranking_name(names[i]),
            "spearman": _mean(nulls.spearman[i]),
            "learned": int(nulls.learned[i].max()),
            "clean": int((nulls.learned[i] == 0).sum()),
            "pairs": int(nulls.pairs[i]),
            "difference": float(nulls.difference[i]),
            "low": float(nulls.difference_low[i]),
            "high": float(nulls.difference_high[i]),
        }
        for i in order
    ]
    shown = rows[0]
    text = (
        f"On permuted labels no gene would be called learned in {shown['clean']} of {_runs(n_runs)}"
    )
    passes = shown["high"] < 0
    if shown["clean"] < n_runs:
        text += f", and up to {shown['learned']:,} pairs of tumor and gene in the others"
    if not math.isnan(shown["low"]):
        text += (
            "; genes still stand higher than their own decoys there: part of the ranking follows "
            "the input"
            if passes
            else "; there is no sign there that genes pass their own decoys"
        )
    text += "."
    if n_runs < FEW_NULLS:
        text += f" That is few: take {FEW_NULLS} null replicates or more."
    level = "input" if shown["clean"] < n_runs else "mixed" if passes else "network"
    return Check(Verdict(level, text), rows)


def deletion_check(found: Faithfulness, methods: list[str]) -> Check:
    """Deleting top genes: in how many tumors the logit falls more than with other genes."""
    part, names = found.deletion, found.methods.tolist()
    mean = CHANGES.index(MEAN)
    size, n = int(part.size), len(found.tumors)
    rows = []
    for method in methods:
        i = names.index(method)
        for change, words in enumerate(CHANGE_NAMES):
            row: dict[str, Any] = {"name": ranking_name(f"{method}/{found.view}"), "change": words}
            for c, control in enumerate(CONTROLS):
                at = (-1, change, i, c)
                row[control] = {
                    "value": float(part.area[at]),
                    "low": float(part.area_low[at]),
                    "high": float(part.area_high[at]),
                    "above": int((part.area_low[:n, change, i, c] > 0).sum()),
                }
            rows.append(row)
    i, known = names.index(methods[0]), int((~np.isnan(part.area_low[:n, mean, 0, 0])).sum())
    if not known:
        text = "No tumor has enough patients for an interval."
        return Check(Verdict("unknown", text), rows, CONTROLS)
    above = {
        control: int((part.difference_low[:n, mean, i, c] > 0).sum())
        for c, control in enumerate(CONTROLS)
    }
    fall = float(part.difference[-1, mean, i, CONTROLS.index(MATCHED)])
    text = (
        f"Deleting the {_top(size)} lowers the tumor's logit more than deleting genes of like "
        f"variance in {above[MATCHED]} of {known} tumors (by {_signed(fall)} logits in the mean), "
        f"more than random genes in {above[RANDOM]}, and more than the t-test's top genes in "
        f"{above[T_TEST]}."
    )
    return Check(Verdict(_level(above[MATCHED] / known), text), rows, CONTROLS)


def retrained_check(found: Faithfulness, methods: list[str]) -> Check:
    """Logistic regression on the top genes alone, against as many others."""
    table = found.retrained
    rows: Rows = []
    for method in [*methods, ""]:
        for kind in (RANKING, RANDOM, VARIABLE, T_TEST):
            part = table[(table["method"] == method) & (table["genes"] == kind)]
            if part.empty:
                continue
            one = len(part) == 1
            rows.append(
                {
                    "name": _retrained_name(method, kind, found.view, len(part)),
                    "kind": kind,
                    "n_genes": int(part["n_genes"].iloc[0]),
                    "accuracy": float(part["accuracy"].mean()),
                    "low": float(part["accuracy_low" if one else "accuracy"].min()),
                    "high": float(part["accuracy_high" if one else "accuracy"].max()),
                    "macro_f1": float(part["macro_f1"].mean()),
                }
            )
    ranking, random, variable = rows[:3]
    text = (
        f"Logistic regression on the {ranking['n_genes']:,} genes that are in some tumor's top 20 "
        f"calls {_percent(ranking['accuracy'])} of the held-out samples rightly; on as many random "
        f"genes {_percent(random['accuracy'])}, on as many of the most variable "
        f"{_percent(variable['accuracy'])}."
    )
    better = ranking["low"] > random["high"], ranking["accuracy"] > variable["accuracy"]
    level = "network" if all(better) else "mixed" if any(better) else "input"
    return Check(Verdict(level, text), rows)


def marker_check(part: MarkerLifts, found: Faithfulness, order: list[int]) -> Check:
    """Known markers: how much of them the rankings bring to the top, beside the t-test."""
    lifts = {ranking_name(found.rankings[i]): part.lift[i] for i in order} | {"t-test": part.t_test}
    usable = part.n_markers >= MIN_MARKERS
    columns = tuple(lifts)
    rows: Rows = [
        {
            "tumor": str(found.tumors[t]),
            "n": int(part.n_markers[t]),
            "lifts": [float(lift[t]) for lift in lifts.values()],
        }
        for t in np.flatnonzero(usable)
    ]
    if not rows:
        text = f"No tumor has {MIN_MARKERS} of the markers of {found.marker_file} among its genes."
        return Check(Verdict("unknown", text), rows, columns)
    medians = [_median(lift) for lift in lifts.values()]
    rows.append({"tumor": "median", "n": int(part.n_markers[usable].sum()), "lifts": medians})
    text = (
        f"For the markers of {found.marker_file} the area under the precision-recall curve is "
        f"{medians[0]:.1f} times that of a random ranking (median of {len(rows) - 1} tumors); the "
        f"t-test's is {medians[-1]:.1f} times."
    )
    return Check(Verdict("none", text), rows, columns)


def stability_check(part: Stability, names: list[str], order: list[int], *, n_genes: int) -> Check:
    """How alike the top genes of halves of the layouts and of folds are."""
    keys = ("jaccard_halves", "overlap_halves", "jaccard_folds", "overlap_folds")
    rows: Rows = [
        {"name": ranking_name(names[i])} | {key: _median(getattr(part, key)[i]) for key in keys}
        for i in order
    ]
    k, n = int(part.k), int(part.replicates)
    chance = k / (2 * n_genes - k)
    folds = f"{rows[0]['jaccard_folds']:.2f} between folds; by chance {chance:.2f}"
    if n < 2:
        text = f"The top {_genes(k)} of a tumor agree to {folds} (Jaccard, median tumor)."
        return Check(Verdict("unknown", f"One layout cannot be halved. {text}"), rows)
    text = (
        f"Half of the layouts name the same {_genes(k)} as the other half to "
        f"{rows[0]['jaccard_halves']:.2f} (Jaccard, median tumor), {folds}."
    )
    if n < FEW_REPLICATES:
        text += f" With {n} layouts this is rough: take {FEW_REPLICATES} or more."
    level = "network" if rows[0]["jaccard_halves"] >= HALF else "mixed"
    return Check(Verdict(level, text), rows)


def planted_check(part: PlantedScores, names: list[str], order: list[int], level: float) -> Check:
    """The planted drivers: how many are at the top, and whether q_decoy keeps its word."""
    at = int(np.abs(part.level - level).argmin())
    columns = (f"{part.level[at]:g}",)
    rows: Rows = [
        {
            "name": ranking_name(names[i]),
            "precision": float(part.precision[i]),
            "area": float(part.area[i]),
            "called": int(part.called[i, at]),
            "false_share": _share(int(part.neither[i, at]), int(part.called[i, at])),
        }
        for i in order
    ]
    first = rows[0]
    rows.append(
        {
            "name": "t-test",
            "precision": float(part.t_precision),
            "area": float(part.t_area),
            "called": None,
            "false_share": math.nan,
        }
    )
    text = (
        f"Of a tumor's top 20 genes {_percent(first['precision'])} were planted in it (t-test: "
        f"{_percent(float(part.t_precision))}). "
    )
    if not first["called"]:
        text += f"No pair has a q_decoy of at most {part.level[at]:g}."
        return Check(Verdict("mixed", text), rows, columns)
    kept = first["false_share"] <= part.level[at]
    text += (
        f"At q_decoy ≤ {part.level[at]:g}, {_percent(first['false_share'])} of {first['called']:,} "
        f"called pairs are no driver of any tumor: {'within' if kept else 'above'} what q_decoy "
        "promises."
    )
    return Check(Verdict("network" if kept else "mixed", text), rows, columns)


def _retrained_name(method: str, kind: str, view: str, n_draws: int) -> str:
    names = {
        RANDOM: f"as many random genes (mean of {n_draws} draws)",
        VARIABLE: "as many most variable genes",
        T_TEST: "t-test",
    }
    return names[kind] if kind in names else ranking_name(f"{method}/{view}")


def _level(share: float) -> str:
    return "network" if share >= MOST else "mixed" if share >= HALF else "input"


def _runs(n: int) -> str:
    return "1 run" if n == 1 else f"{n} runs"


def _genes(k: int) -> str:
    return "1 gene" if k == 1 else f"{k} genes"


def _top(k: int) -> str:
    return "top gene" if k == 1 else f"top {k} genes"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−").removeprefix("+")


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def _median(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else math.nan
