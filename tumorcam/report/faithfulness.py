"""The checks of the rankings, of faithfulness.h5, in words and small tables."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorcam.explain.views import RankingKey, ranking_keys
from tumorcam.faithfulness.agreement import MIN_MARKERS
from tumorcam.faithfulness.deletion import CHANGES, CONTROLS, MEAN
from tumorcam.faithfulness.gene_sets import MATCHED, RANDOM, T_TEST
from tumorcam.faithfulness.results import (
    Entrapment,
    Faithfulness,
    MarkerLifts,
    Nulls,
    PlantedScores,
    Stability,
    read_faithfulness,
)
from tumorcam.faithfulness.retraining import RANKING, VARIABLE
from tumorcam.report.results import Run
from tumorcam.report.summary import Verdict, defined_mean

MOST, HALF = 0.8, 0.5  # shares of the tumors: from MOST on a verdict is good, from HALF on mixed
MIN_REPLICATES = 6  # with fewer, halves are too small to compare
MIN_NULLS = 3  # runs on permuted labels; with fewer, an interval says little
CONTROL_NAMES = {
    RANDOM: "random genes",
    MATCHED: "genes of like variance",
    T_TEST: "the t-test's genes",
}
CHANGE_NAMES = ("deleted", "replaced", "inserted")  # in the order of CHANGES
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Check:
    """A verdict and the rows of its table; `columns` names the columns that vary by run."""

    verdict: Verdict
    rows: Rows
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checks:
    """All checks of a run on the page, and the record that they were made from.

    A check is None where the run lacks null runs, entrapped genes, a list of markers or planted
    drivers.
    """

    record: Faithfulness
    nulls: Check | None
    entrapment: Check | None
    deletion: Check
    retrained: Check
    markers: Check | None
    stability: Check
    planted: Check | None


def read_checks(run: Run) -> Faithfulness | None:
    """The run's faithfulness.h5; None if there is none. FileError as in `read_faithfulness`."""
    return read_faithfulness(run.folder.faithfulness, run.results.digest, run.config)


def summarise_checks(record: Faithfulness, run: Run) -> Checks:
    """Every check in words, the report's ranking first."""
    first, n_genes = run.first_ranking, len(run.results.genes)
    methods = record.methods.tolist()
    keys = ranking_keys(methods)
    order = sorted(range(len(keys)), key=lambda i: (keys[i] != first, keys[i].name))
    titles = [key.title for key in keys]
    in_order = sorted(methods, key=lambda method: (method != first.method, method))
    level = run.config.significance.q_decoy
    nulls, entrapment = record.nulls, record.entrapment
    markers, planted = record.markers, record.planted
    return Checks(
        record=record,
        nulls=None if nulls is None else null_check(nulls, titles, order),
        entrapment=None
        if entrapment is None
        else entrapment_check(entrapment, titles, order, level),
        deletion=deletion_check(record, in_order),
        retrained=retrained_check(record, in_order),
        markers=None if markers is None else marker_check(markers, record, titles, order),
        stability=stability_check(record.stability, titles, order, n_genes=n_genes),
        planted=None if planted is None else planted_check(planted, titles, order, level),
    )


def null_check(nulls: Nulls, titles: list[str], order: list[int]) -> Check:
    """Whether networks that learned permuted labels show nothing.

    No pair may be called there, and drivers may not rank above their decoys.

    Parameters
    ----------
    titles : list of str
        Titles of the rankings, in the order of the record.
    order : list of int
        Indices of the rankings in the order of the page.
    """
    n_runs = nulls.called.shape[1]
    rows: Rows = [
        {
            "name": titles[i],
            "spearman": defined_mean(nulls.spearman[i]),
            "called": int(nulls.called[i].max()),
            "learned": int(nulls.learned[i].max()),
            "clean": int((nulls.called[i] == 0).sum()),
            "pairs": int(nulls.pairs[i]),
            "difference": float(nulls.difference[i]),
            "low": float(nulls.difference_low[i]),
            "high": float(nulls.difference_high[i]),
        }
        for i in order
    ]
    return Check(_null_verdict(rows[0], n_runs), rows)


def _null_verdict(row: dict[str, Any], n_runs: int) -> Verdict:
    text = (
        f"On permuted labels no pair of tumor and gene is called in {row['clean']} of "
        f"{_runs(n_runs)}"
    )
    follows_input = row["high"] < 0
    if row["clean"] < n_runs:
        text += f", and up to {row['called']:,} pairs are called in the others"
    if not math.isnan(row["low"]):
        text += (
            "; genes rank above their own decoys there: part of the ranking follows the input"
            if follows_input
            else "; there is no sign that genes rank above their own decoys"
        )
    text += "."
    if n_runs < MIN_NULLS:
        text += f" That is few: take {MIN_NULLS} null runs or more."
    level = "input" if row["clean"] < n_runs else "mixed" if follows_input else "network"
    return Verdict(level, text)


def entrapment_check(part: Entrapment, titles: list[str], order: list[int], level: float) -> Check:
    """Whether genes that cannot matter are called.

    `titles` and `order` are as in `null_check`. Pairs are called up to a q_decoy of `level`.
    """
    at = int(np.abs(part.level - level).argmin())
    rows: Rows = [
        {
            "name": titles[i],
            "called": int(part.called[i, at]),
            "entrapped": int(part.entrapped[i, at]),
            "false_share": float(part.false_share[i, at]),
            "low": float(part.false_low[i, at]),
            "high": float(part.false_high[i, at]),
        }
        for i in order
    ]
    return Check(_entrapment_verdict(rows[0], part, level=float(part.level[at])), rows)


def _entrapment_verdict(row: dict[str, Any], part: Entrapment, *, level: float) -> Verdict:
    if not row["called"]:
        return Verdict("mixed", f"No pair has a q_decoy of at most {level:g}.")
    text = (
        f"At q_decoy ≤ {level:g}, {row['entrapped']:,} of {row['called']:,} called pairs are of "
        f"the {int(part.n_entrapped):,} permuted genes. This "
        f"estimates that {_percent(row['false_share'])} of all called pairs are false by chance "
        f"(95 %: {_percent(row['low'])} to {_percent(row['high'])}), "
    )
    if row["low"] > level:
        return Verdict("mixed", f"{text}which is above what q_decoy promises.")
    if row["high"] <= level:
        return Verdict("network", f"{text}which is within what q_decoy promises.")
    return Verdict("none", f"{text}too rough to tell whether q_decoy keeps its promise.")


def deletion_check(record: Faithfulness, methods: list[str]) -> Check:
    """In how many tumors the deletion of top genes lowers the logit more than that of others."""
    rows = [
        _deletion_row(record, method, change)
        for method in methods
        for change in range(len(CHANGE_NAMES))
    ]
    return Check(_deletion_verdict(record, methods[0]), rows, CONTROLS)


def _deletion_row(record: Faithfulness, method: str, change: int) -> dict[str, Any]:
    part, i = record.deletion, record.methods.tolist().index(method)
    title = RankingKey(method, record.view).title
    row: dict[str, Any] = {"name": title, "change": CHANGE_NAMES[change]}
    for c, control in enumerate(CONTROLS):
        at = (-1, change, i, c)
        row[control] = {
            "value": float(part.area[at]),
            "low": float(part.area_low[at]),
            "high": float(part.area_high[at]),
            "above": int((part.area_low[: len(record.tumors), change, i, c] > 0).sum()),
        }
    return row


def _deletion_verdict(record: Faithfulness, method: str) -> Verdict:
    part, i = record.deletion, record.methods.tolist().index(method)
    mean, tumors = CHANGES.index(MEAN), slice(len(record.tumors))
    n_tested = int((~np.isnan(part.area_low[tumors, mean, 0, 0])).sum())
    if not n_tested:
        return Verdict("unknown", "No tumor has enough patients for an interval.")
    above = {
        control: int((part.difference_low[tumors, mean, i, c] > 0).sum())
        for c, control in enumerate(CONTROLS)
    }
    fall = float(part.difference[-1, mean, i, CONTROLS.index(MATCHED)])
    text = (
        f"Deleting the {_top(int(part.size))} lowers the tumor's logit more than deleting genes of "
        f"like variance in {above[MATCHED]} of {n_tested} tumors (by {_signed(fall)} logits on "
        f"average), more than random genes in {above[RANDOM]}, and more than the t-test's top "
        f"genes in {above[T_TEST]}."
    )
    return Verdict(_level(above[MATCHED] / n_tested), text)


def retrained_check(record: Faithfulness, methods: list[str]) -> Check:
    """Whether logistic regression on the top genes alone beats that on as many other genes."""
    table = record.retrained
    rows: Rows = []
    for method in [*methods, ""]:
        for kind in (RANKING, RANDOM, VARIABLE, T_TEST):
            part = table[(table["method"] == method) & (table["genes"] == kind)]
            if part.empty:
                continue
            is_single = len(part) == 1  # else draws of random genes, which have a range
            rows.append(
                {
                    "name": _retrained_name(RankingKey(method, record.view), kind, len(part)),
                    "kind": kind,
                    "n_genes": int(part["n_genes"].iloc[0]),
                    "accuracy": float(part["accuracy"].mean()),
                    "low": float(part["accuracy_low" if is_single else "accuracy"].min()),
                    "high": float(part["accuracy_high" if is_single else "accuracy"].max()),
                    "macro_f1": float(part["macro_f1"].mean()),
                }
            )
    ranking, random, variable = rows[:3]
    text = (
        f"Logistic regression on the {ranking['n_genes']:,} genes that are in some tumor's top 20 "
        f"calls {_percent(ranking['accuracy'])} of the held-out samples correctly; on as many "
        f"random genes {_percent(random['accuracy'])}, on as many of the most variable ones "
        f"{_percent(variable['accuracy'])}."
    )
    better = ranking["low"] > random["high"], ranking["accuracy"] > variable["accuracy"]
    level = "network" if all(better) else "mixed" if any(better) else "input"
    return Check(Verdict(level, text), rows)


def marker_check(
    part: MarkerLifts, record: Faithfulness, titles: list[str], order: list[int]
) -> Check:
    """How far the rankings bring markers of the tumors to the top, beside the t-test.

    `titles` and `order` are as in `null_check`.
    """
    lifts = {titles[i]: part.lift[i] for i in order} | {"t-test": part.t_test}
    usable = part.n_markers >= MIN_MARKERS
    columns = tuple(lifts)
    rows: Rows = [
        {
            "tumor": str(record.tumors[t]),
            "n": int(part.n_markers[t]),
            "lifts": [float(lift[t]) for lift in lifts.values()],
        }
        for t in np.flatnonzero(usable)
    ]
    if not rows:
        text = f"No tumor has {MIN_MARKERS} of the markers of {record.marker_file} among its genes."
        return Check(Verdict("unknown", text), rows, columns)
    medians = [_median(lift) for lift in lifts.values()]
    rows.append({"tumor": "median", "n": int(part.n_markers[usable].sum()), "lifts": medians})
    text = (
        f"For the markers of {record.marker_file} the area under the precision-recall curve is "
        f"{medians[0]:.1f} times that of a random ranking (median of {len(rows) - 1} tumors); the "
        f"t-test's is {medians[-1]:.1f} times."
    )
    return Check(Verdict("none", text), rows, columns)


def stability_check(part: Stability, titles: list[str], order: list[int], *, n_genes: int) -> Check:
    """How similar the top genes of two halves of the replicates are, and those of two folds.

    `titles` and `order` are as in `null_check`.
    """
    keys = ("jaccard_halves", "overlap_halves", "jaccard_folds", "overlap_folds")
    rows: Rows = [
        {"name": titles[i], "k": _median(part.k[i])}
        | {key: _median(getattr(part, key)[i]) for key in keys}
        for i in order
    ]
    k, n = rows[0]["k"], int(part.replicates)
    chance = k / (2 * n_genes - k)
    folds = f"those of two folds with {rows[0]['jaccard_folds']:.2f}; by chance {chance:.2f}"
    if n < 2:
        text = f"The {_top(round(k))} of two folds overlap with a Jaccard index of "
        text += f"{rows[0]['jaccard_folds']:.2f} (median tumor); by chance {chance:.2f}."
        return Check(Verdict("unknown", f"One replicate cannot be halved. {text}"), rows)
    text = (
        f"The {_top(round(k))} of two halves of the replicates overlap with a Jaccard index of "
        f"{rows[0]['jaccard_halves']:.2f} (median tumor), {folds}."
    )
    if n < MIN_REPLICATES:
        text += f" With {n} replicates this is rough: take {MIN_REPLICATES} or more."
    level = "network" if rows[0]["jaccard_halves"] >= HALF else "mixed"
    return Check(Verdict(level, text), rows)


def planted_check(part: PlantedScores, titles: list[str], order: list[int], level: float) -> Check:
    """How many planted drivers stand at the top, and whether q_decoy is right.

    `titles` and `order` are as in `null_check`. Pairs are called up to a q_decoy of `level`.
    """
    at = int(np.abs(part.level - level).argmin())
    rows: Rows = [
        {
            "name": titles[i],
            "precision": float(part.precision[i]),
            "area": float(part.area[i]),
            "called": int(part.called[i, at]),
            "false_share": int(part.neither[i, at]) / (int(part.called[i, at]) or math.nan),
        }
        for i in order
    ]
    verdict = _planted_verdict(rows[0], part, level=float(part.level[at]))
    rows.append(
        {
            "name": "t-test",
            "precision": float(part.t_precision),
            "area": float(part.t_area),
            "called": None,
            "false_share": math.nan,
        }
    )
    return Check(verdict, rows, (f"{part.level[at]:g}",))


def _planted_verdict(row: dict[str, Any], part: PlantedScores, *, level: float) -> Verdict:
    text = (
        f"Of a tumor's top 20 genes {_percent(row['precision'])} were planted in it (t-test: "
        f"{_percent(float(part.t_precision))}). "
    )
    if not row["called"]:
        return Verdict("mixed", f"{text}No pair has a q_decoy of at most {level:g}.")
    is_kept = row["false_share"] <= level
    text += (
        f"At q_decoy ≤ {level:g}, {_percent(row['false_share'])} of {row['called']:,} called pairs "
        f"are neither driver nor proxy of any tumor: {'within' if is_kept else 'above'} what "
        "q_decoy promises."
    )
    return Verdict("network" if is_kept else "mixed", text)


def _retrained_name(key: RankingKey, kind: str, n_draws: int) -> str:
    names = {
        RANDOM: f"as many random genes (mean of {n_draws} draws)",
        VARIABLE: "as many most variable genes",
        T_TEST: "t-test",
    }
    return names.get(kind, key.title)


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


def _median(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(np.median(defined)) if defined.size else math.nan
