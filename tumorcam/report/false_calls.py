"""Are false pairs called: on permuted labels, of permuted genes, against planted drivers?"""

import math
from typing import Any

import numpy as np

from tumorcam.faithfulness.results import Entrapment, Nulls, PlantedScores
from tumorcam.report.check import Check, Rows, percent, runs
from tumorcam.report.summary import Verdict, defined_mean
from tumorcam.significance.truth import TOP

MIN_NULLS = 3  # runs on permuted labels; with fewer, an interval says little


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
    doubts = {}
    for row in rows:
        if row["clean"] < n_runs:
            doubts[row["name"]] = "networks that learned permuted labels call pairs, too"
        elif row["high"] < 0:
            doubts[row["name"]] = "genes rank above their decoys on permuted labels, too"
    return Check(_null_verdict(rows[0], n_runs), rows, doubts=doubts)


def _null_verdict(row: dict[str, Any], n_runs: int) -> Verdict:
    text = f"On permuted labels no pair is called in {row['clean']} of {runs(n_runs)}"
    follows_input = row["high"] < 0
    if row["clean"] < n_runs:
        text += f", and up to {row['called']:,} pairs are called in the others"
    text += "."
    if not math.isnan(row["low"]):
        text += (
            " Genes rank above their own decoys there: part of the ranking follows the input."
            if follows_input
            else " There is no sign that genes rank above their own decoys."
        )
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
    doubts = {
        row["name"]: "more permuted genes are called than q_decoy promises"
        for row in rows
        if row["called"] and row["low"] > part.level[at]
    }
    verdict = _entrapment_verdict(rows[0], part, level=float(part.level[at]))
    return Check(verdict, rows, doubts=doubts)


def _entrapment_verdict(row: dict[str, Any], part: Entrapment, *, level: float) -> Verdict:
    if not row["called"]:
        return Verdict("mixed", f"No pair has a q_decoy of at most {level:g}.")
    text = (
        f"At q_decoy ≤ {level:g}, {row['entrapped']:,} of {row['called']:,} called pairs are of "
        f"the {int(part.n_entrapped):,} permuted genes. So {percent(row['false_share'])} of all "
        "called pairs are false by chance, by estimate "
        f"(95 %: {percent(row['low'])} to {percent(row['high'])}), "
    )
    if row["low"] > level:
        return Verdict("mixed", f"{text}which is above what q_decoy promises.")
    if row["high"] <= level:
        return Verdict("network", f"{text}which is within what q_decoy promises.")
    return Verdict("none", f"{text}too rough to tell whether q_decoy keeps its promise.")


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
        f"Of a tumor's top {TOP} genes besides proxies, {percent(row['precision'])} were planted "
        f"in it (t-test: {percent(float(part.t_precision))}). "
    )
    if not row["called"]:
        return Verdict("mixed", f"{text}No pair has a q_decoy of at most {level:g}.")
    is_kept = row["false_share"] <= level
    text += (
        f"At q_decoy ≤ {level:g}, {percent(row['false_share'])} of {row['called']:,} called pairs "
        f"are neither driver nor proxy of any tumor: {'within' if is_kept else 'above'} what "
        "q_decoy promises."
    )
    return Verdict("network" if is_kept else "mixed", text)
