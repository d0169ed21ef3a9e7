"""Logistic regression on the top genes alone: do these genes suffice to tell tumors apart?"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from tumorcam.cohort.cohort import Cohort
from tumorcam.faithfulness.gene_sets import (
    RANDOM,
    RETRAINED,
    RETRAINED_DRAWS,
    T_TEST,
    ranked_genes,
)
from tumorcam.settings.config import Config
from tumorcam.significance import classification, statistics
from tumorcam.training.baseline_training import held_out_probability, learned_samples

RANKING, VARIABLE = "ranking", "variable"


class RetrainTask(NamedTuple):
    """Genes (n,) int to learn from: those of the ranking of a method, or as many others.

    `kind` is ranking, random, variable or t_test; `draw` counts random ones from 0.
    """

    method: str
    kind: str
    genes: np.ndarray
    draw: int = 0


@dataclass(frozen=True)
class Retrained:
    """How well logistic regression on some genes classifies held-out samples.

    `method`, `draw` and `genes`, its kind, are those of the `RetrainTask`. `correct` of all
    `samples` are classified correctly; the interval of the accuracy is a 95 % Wilson interval over
    samples.
    """

    method: str
    genes: str
    draw: int
    n_genes: int
    samples: int
    correct: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    macro_f1: float


def retrain_tasks(
    scores: Mapping[str, np.ndarray], t_statistic: np.ndarray, cohort: Cohort, config: Config
) -> list[RetrainTask]:
    """For each method the union of the tumors' top 20 genes, and the genes it is compared with.

    These are as many random genes, drawn five times, and as many of the most variable genes. All
    methods together are compared with the union of the t-test's top 20 genes, which may be more or
    fewer genes.

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
        tasks.append(RetrainTask(method, RANKING, union))
        tasks.append(RetrainTask(method, VARIABLE, np.sort(by_variance[: len(union)])))
        for draw in range(RETRAINED_DRAWS):
            rng = config.rng("retrain", method, draw)
            random = rng.choice(len(cohort.genes), len(union), replace=False)
            tasks.append(RetrainTask(method, RANDOM, np.sort(random), draw))
    return [*tasks, RetrainTask("", T_TEST, _top_union(t_statistic))]


def retrain(
    cohort: Cohort, tasks: Mapping[int, RetrainTask], config: Config
) -> dict[int, Retrained]:
    """How well logistic regression on the genes of some tasks classifies held-out samples.

    The folds are those of the networks, and the samples that are learned those of the baselines. A
    ranking comes from explanations of all samples, so its genes depend on the held-out samples too.
    Random genes and the most variable genes do not depend on labels.

    Parameters
    ----------
    tasks : mapping
        Tasks by their number.

    Returns
    -------
    dict
        Results by the same numbers.

    References
    ----------
    After Hooker et al. 2019, arXiv:1806.10758, who retrain without the top features instead.
    """
    rows = {}
    learned = [learned_samples(cohort, fold, config) for fold in range(cohort.n_folds)]
    with threadpool_limits(config.run.threads_per_rank):  # on which bits of matrix products depend
        for number, task in tasks.items():
            expression = cohort.some_genes(task.genes)
            probability = np.zeros((len(cohort.tumor), len(cohort.tumors)))
            for fold in range(cohort.n_folds):
                held_out = np.flatnonzero(cohort.fold == fold)
                of_fold = held_out_probability(
                    ["logistic_regression"],
                    expression.__getitem__,
                    cohort.tumor,
                    learned[fold],
                    held_out,
                    n_tumors=len(cohort.tumors),
                )
                probability[held_out] = of_fold["logistic_regression"]
            rows[number] = _retrained(task, probability, cohort.tumor)
    return rows


def retrained_table(rows: Sequence[Retrained]) -> pd.DataFrame:
    """The results of all tasks as a table whose columns are the fields of `Retrained`."""
    columns = [field.name for field in fields(Retrained)]
    return pd.DataFrame([asdict(row) for row in rows], columns=columns)


def _retrained(task: RetrainTask, probability: np.ndarray, tumor: np.ndarray) -> Retrained:
    scores = classification.score_classifier(probability, tumor)
    n_correct = int(np.trace(scores.confusion))
    accuracy = statistics.wilson_interval(np.array(n_correct), len(tumor))
    return Retrained(
        method=task.method,
        genes=task.kind,
        draw=task.draw,
        n_genes=len(task.genes),
        samples=len(tumor),
        correct=n_correct,
        accuracy=float(accuracy.share),
        accuracy_low=float(accuracy.low),
        accuracy_high=float(accuracy.high),
        macro_f1=scores.macro_f1,
    )


def _top_union(score: np.ndarray) -> np.ndarray:
    """(n,) int, ascending: the top genes of all tumors that have scores."""
    has_scores = ~np.isnan(score).all(axis=1)
    return np.unique(ranked_genes(score[has_scores])[:, :RETRAINED])
