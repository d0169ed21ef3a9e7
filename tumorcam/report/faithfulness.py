"""The checks of the rankings, of faithfulness.h5, in words and small tables."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorcam.explain.views import RankingKey, ranking_keys
from tumorcam.faithfulness.agreement import MIN_MARKERS
from tumorcam.faithfulness.deletion import CHANGES, CONTROLS, MEAN
from tumorcam.faithfulness.gene_sets import MATCHED, RANDOM, T_TEST
from tumorcam.faithfulness.results import (
    Faithfulness,
    MarkerLifts,
    Stability,
    read_faithfulness,
)
from tumorcam.faithfulness.retraining import RANKING, VARIABLE
from tumorcam.report.check import HALF, Check, Rows, level_of, median, percent, signed, top
from tumorcam.report.false_calls import entrapment_check, null_check, planted_check
from tumorcam.report.results import Run
from tumorcam.report.summary import RankingSummary, Verdict
from tumorcam.significance.truth import TOP

MIN_REPLICATES = 6  # with fewer, halves are too small to compare
CONTROL_NAMES = {
    RANDOM: "random genes",
    MATCHED: "genes of like variance",
    T_TEST: "the t-test's genes",
}
CHANGE_NAMES = ("deleted", "replaced", "inserted")  # in the order of CHANGES


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

    def doubts(self, ranking: str) -> list[str]:
        """What speaks against that a ranking, named by its title, follows the networks."""
        parts = (self.nulls, self.entrapment, self.deletion, self.retrained)
        return [part.doubts[ranking] for part in parts if part and ranking in part.doubts]


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


def with_doubts(summary: RankingSummary, checks: Checks | None) -> RankingSummary:
    """A ranking whose verdict agrees with the checks: it is at most mixed where one speaks against.

    Without checks the verdict stays as it is.
    """
    doubts = checks.doubts(summary.name) if checks else []
    if not doubts or summary.verdict.level not in ("network", "mixed"):
        return summary
    text = f"{summary.verdict.text} But {'; '.join(doubts)}."
    return dataclasses.replace(summary, verdict=Verdict("mixed", text))


def deletion_check(record: Faithfulness, methods: list[str]) -> Check:
    """In how many tumors the deletion of top genes lowers the logit more than that of others."""
    rows = [
        _deletion_row(record, method, change)
        for method in methods
        for change in range(len(CHANGE_NAMES))
    ]
    of_means = [row for row in rows if row["change"] == CHANGE_NAMES[CHANGES.index(MEAN)]]
    verdicts = {row["name"]: _deletion_verdict(row) for row in of_means}
    doubts = {
        name: "in most tumors it deletes no better than genes of like variance"
        for name, verdict in verdicts.items()
        if verdict.level == "input"
    }
    return Check(verdicts[rows[0]["name"]], rows, CONTROLS, doubts)


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
            "tested": int((~np.isnan(part.area_low[: len(record.tumors), change, i, c])).sum()),
        }
    return row


def _deletion_verdict(row: dict[str, Any]) -> Verdict:
    """The verdict of a row of the table, by its own numbers."""
    n_tested, matched = row[MATCHED]["tested"], row[MATCHED]
    if not n_tested:
        return Verdict("unknown", "No tumor has enough patients for an interval.")
    text = (
        "Deleting its top genes lowers the logit more than deleting genes of like variance in "
        f"{matched['above']} of {n_tested} tumors. The mean difference is "
        f"{signed(matched['value'])} logits. It lowers the logit more than random genes in "
        f"{row[RANDOM]['above']} tumors, and more than the t-test's top genes in "
        f"{row[T_TEST]['above']}."
    )
    return Verdict(level_of(matched["above"] / n_tested), text)


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
    verdicts = {
        row["name"]: _retrained_verdict(*rows[i : i + 3])
        for i, row in enumerate(rows)
        if row["kind"] == RANKING
    }
    doubts = {
        name: "its top genes tell the tumors apart no better than other genes"
        for name, verdict in verdicts.items()
        if verdict.level == "input"
    }
    return Check(verdicts[rows[0]["name"]], rows, doubts=doubts)


def _retrained_verdict(
    ranking: dict[str, Any], random: dict[str, Any], variable: dict[str, Any]
) -> Verdict:
    text = (
        f"Logistic regression on the {ranking['n_genes']:,} genes that are in some tumor's top "
        f"{TOP} calls {percent(ranking['accuracy'])} of the held-out samples correctly. On as many "
        f"random genes it calls {percent(random['accuracy'])}, on as many of the most variable "
        f"ones {percent(variable['accuracy'])}."
    )
    better = ranking["low"] > random["high"], ranking["accuracy"] > variable["accuracy"]
    level = "network" if all(better) else "mixed" if any(better) else "input"
    return Verdict(level, text)


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
    medians = [median(lift) for lift in lifts.values()]
    rows.append({"tumor": "median", "n": int(part.n_markers[usable].sum()), "lifts": medians})
    text = (
        f"The ranking finds the markers of {record.marker_file} {medians[0]:.1f} times as well as "
        f"a random ranking does, and the t-test {medians[-1]:.1f} times. This is the area under "
        f"the precision-recall curve (median of {len(rows) - 1} tumors)."
    )
    return Check(Verdict("none", text), rows, columns)


def stability_check(part: Stability, titles: list[str], order: list[int], *, n_genes: int) -> Check:
    """How similar the top genes of two halves of the replicates are, and those of two folds.

    `titles` and `order` are as in `null_check`.
    """
    keys = ("jaccard_halves", "overlap_halves", "jaccard_folds", "overlap_folds")
    rows: Rows = [
        {"name": titles[i], "k": median(part.k[i])}
        | {key: median(getattr(part, key)[i]) for key in keys}
        for i in order
    ]
    k, n = rows[0]["k"], int(part.replicates)
    chance = k / (2 * n_genes - k)
    folds = f"Those of two folds have {rows[0]['jaccard_folds']:.2f}; by chance it is {chance:.2f}"
    if n < 2:
        text = f"The {top(round(k))} of two folds overlap with a Jaccard index of "
        text += f"{rows[0]['jaccard_folds']:.2f} (median tumor); by chance {chance:.2f}."
        return Check(Verdict("unknown", f"One replicate cannot be halved. {text}"), rows)
    text = (
        f"The {top(round(k))} of two halves of the replicates overlap with a Jaccard index of "
        f"{rows[0]['jaccard_halves']:.2f} (median tumor). {folds}."
    )
    if n < MIN_REPLICATES:
        text += f" With {n} replicates this is rough: take {MIN_REPLICATES} or more."
    level = "network" if rows[0]["jaccard_halves"] >= HALF else "mixed"
    return Check(Verdict(level, text), rows)


def _retrained_name(key: RankingKey, kind: str, n_draws: int) -> str:
    names = {
        RANDOM: f"as many random genes (mean of {n_draws} draws)",
        VARIABLE: "as many most variable genes",
        T_TEST: "t-test",
    }
    return names.get(kind, key.title)
