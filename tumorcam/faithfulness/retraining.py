"""Logistic regression on the top genes alone: do they carry what tells the tumors apart?"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from tumorcam.cohort.cohort import Cohort
from tumorcam.config import Config
from tumorcam.faithfulness.gene_sets import RANDOM, T_TEST, ranked_genes
from tumorcam.significance import classification, statistics
from tumorcam.training.baselines import held_out_probability

TOP = 20  # genes of each tumor
DRAWS = 5  # of random genes
RANKING, VARIABLE = "ranking", "variable"
COLUMNS = (
    "method", "genes", "draw", "n_genes", "samples", "correct",
    "accuracy", "accuracy_low", "accuracy_high", "macro_f1",
)  # fmt: skip


class RetrainTask(NamedTuple):
    """Genes (n,) int to learn from: the ranking's of a method, or as many others.

    `kind` is ranking, random, variable or t_test; `draw` counts random ones from 0.
    """

    method: str
    kind: str
    draw: int
    genes: np.ndarray


def retrain_tasks(
    scores: Mapping[str, np.ndarray], t_statistic: np.ndarray, cohort: Cohort, config: Config
) -> list[RetrainTask]:
    """For each method the union of the tumors' top 20 genes, and what it is held against.

    Those are as many random genes, five times, and as many of the most variable ones; for all
    methods together, the union of the t-test's top 20, which may be more or fewer.

    Parameters
    ----------
    scores : mapping
        Method to (tumors, genes) float.
    t_statistic : (tumors, genes) float
    """
    by_variance = np.argsort(-cohort.variance, kind="stable")
    tasks = []
    for method, score in scores.items():
        union = _top_union(score)
        tasks.append(RetrainTask(method, RANKING, 0, union))
        tasks.append(RetrainTask(method, VARIABLE, 0, np.sort(by_variance[: len(union)])))
        for draw in range(DRAWS):
            rng = config.rng("retrain", method, draw)
            drawn = rng.choice(len(cohort.genes), len(union), replace=False)
            tasks.append(RetrainTask(method, RANDOM, draw, np.sort(drawn)))
    return [*tasks, RetrainTask("", T_TEST, 0, _top_union(t_statistic))]


def retrain(
    cohort: Cohort, tasks: Mapping[int, RetrainTask], config: Config
) -> dict[int, dict[str, str | int | float]]:
    """How well logistic regression on each task's genes calls held-out samples.

    The folds are the networks'. The rankings were made from explanations of all samples, each while
    it was held out, so the choice of genes has seen the held-out samples; that of random and of
    variable genes has not seen their labels.

    Parameters
    ----------
    tasks : mapping
        Tasks by their number.

    Returns
    -------
    dict
        A row of COLUMNS by the same numbers; Wilson intervals over samples.

    References
    ----------
    After Hooker et al. 2019, arXiv:1806.10758, who retrain without the top features instead.
    """
    rows = {}
    with threadpool_limits(config.run.threads_per_rank):  # on which bits of matrix products depend
        for number, task in tasks.items():
            expression = cohort.some_genes(task.genes)
            probability = np.zeros((len(cohort.tumor), len(cohort.tumors)))
            for fold in range(cohort.n_folds):
                held_out = cohort.fold == fold
                probability[held_out] = held_out_probability(
                    "logistic_regression",
                    expression,
                    cohort.tumor,
                    held_out,
                    n_tumors=len(cohort.tumors),
                )
            rows[number] = _row(task, probability, cohort.tumor)
    return rows


def retrained_table(rows: Sequence[Mapping[str, str | int | float]]) -> pd.DataFrame:
    """The rows of all tasks as a table of COLUMNS."""
    return pd.DataFrame(list(rows), columns=COLUMNS)


def _row(
    task: RetrainTask, probability: np.ndarray, tumor: np.ndarray
) -> dict[str, str | int | float]:
    scores = classification.score_classifier(probability, tumor)
    n_correct = int(np.trace(scores.confusion))
    accuracy = statistics.wilson_interval(np.array(n_correct), len(tumor))
    return {
        "method": task.method,
        "genes": task.kind,
        "draw": task.draw,
        "n_genes": len(task.genes),
        "samples": len(tumor),
        "correct": n_correct,
        "accuracy": float(accuracy.share),
        "accuracy_low": float(accuracy.low),
        "accuracy_high": float(accuracy.high),
        "macro_f1": scores.macro_f1,
    }


def _top_union(score: np.ndarray) -> np.ndarray:
    """(n,) int, ascending: the top genes of all tumors that have scores."""
    has_scores = ~np.isnan(score).all(axis=1)
    return np.unique(ranked_genes(score[has_scores])[:, :TOP])
