"""The three sentences on top of the page: the result, whether to believe it, what to do next."""

from dataclasses import dataclass

import numpy as np

from tumorcam.report.classifier import MANY_LAYOUTS, ClassifierSummary
from tumorcam.report.faithfulness import Checks
from tumorcam.report.results import Run
from tumorcam.report.summary import RankingSummary
from tumorcam.significance.statistics import LEARNED

GOOD, FAIR, BAD, UNCHECKED = "good", "fair", "bad", "unchecked"
LEVELS = {"network": GOOD, "mixed": FAIR, "none": FAIR, "unknown": FAIR, "input": BAD}
FAR_BELOW = 0.05  # of accuracy; a network this far below logistic regression misses whole signals
LATE_SHARE, LATE_FALL = 0.1, 0.02  # a loss that falls so much over its last tenth still improves
UNSTABLE_SHARE = 0.25  # of the pairs that pass the decoys; above, more replicates help most


@dataclass(frozen=True)
class Reason:
    """One check behind the verdict: its name, its level (good, fair, bad, unchecked), in words."""

    name: str
    level: str
    text: str


@dataclass(frozen=True)
class Answer:
    """What the page says first.

    Attributes
    ----------
    result, belief, next_step : str
        One sentence each.
    level : str
        The level of the belief: good, fair or bad.
    reasons : list of Reason
        What the belief rests on.
    """

    result: str
    belief: str
    next_step: str
    level: str
    reasons: list[Reason]


def answer(
    run: Run, first: RankingSummary, classifier: ClassifierSummary, checks: Checks | None
) -> Answer:
    """The three sentences of a run, by rule from its figures."""
    reasons = [
        classifier_reason(classifier),
        _decoy_reason(run, first),
        _check_reason("Entrapment", checks.entrapment if checks else None, "cohort.entrapment"),
        _check_reason("Null runs", checks.nulls if checks else None, "layout.nulls"),
    ]
    level = verdict_level([reason.level for reason in reasons])
    steps = next_steps(run, first, classifier, level)
    return Answer(
        result=_result(run, first),
        belief=_belief(first, reasons, classifier),
        next_step=steps[0],
        level=level,
        reasons=reasons,
    )


def verdict_level(levels: list[str]) -> str:
    """The worst level of those that were checked; the first two are always checked."""
    return next((level for level in (BAD, FAIR) if level in levels), GOOD)


def classifier_reason(classifier: ClassifierSummary) -> Reason:
    """The networks against logistic regression on the same held-out samples."""
    networks = classifier.scores.accuracy
    regression = classifier.regression.accuracy
    text = (
        f"The networks call {100 * networks:.1f} % of the held-out samples correctly; logistic "
        f"regression calls {100 * regression:.1f} %."
    )
    if regression - networks > FAR_BELOW:
        return Reason(
            "Classifier",
            BAD,
            f"{text} Networks this far below have not learned some of the genes that tell the "
            "tumors apart.",
        )
    if classifier.shortfall:
        return Reason("Classifier", FAIR, f"{text} The difference is more than chance.")
    return Reason("Classifier", GOOD, text)


def _decoy_reason(run: Run, first: RankingSummary) -> Reason:
    if not len(run.results.decoy_gene):
        text = "The run has no decoys, so nobody can tell how many of the genes are false."
        return Reason("Decoys", BAD, text)
    return Reason("Decoys", LEVELS[first.verdict.level], first.verdict.text)


def _check_reason(name: str, check: object, setting: str) -> Reason:
    verdict = getattr(check, "verdict", None)
    if verdict is None:
        return Reason(name, UNCHECKED, f"Not checked in this run ({setting} = 0).")
    return Reason(name, LEVELS[verdict.level], verdict.text)


def _result(run: Run, first: RankingSummary) -> str:
    is_learned = run.results.evidence(first.key) == LEARNED
    n_pairs, n_tumors = int(is_learned.sum()), int(is_learned.any(axis=1).sum())
    n_all = len(run.results.tumors)
    if not n_pairs:
        return (
            f"No gene of the {n_all} tumor types can be said to drive the classification: none "
            "stands far enough above its decoys."
        )
    n_genes = int(is_learned.any(axis=0).sum())
    share = 100 * run.config.significance.q_decoy
    tumors = f"all {n_all}" if n_tumors == n_all else f"{n_tumors} of {n_all}"
    genes = "1 gene" if n_genes == 1 else f"{n_genes:,} genes"
    return (
        f"The networks use {genes} to recognise {tumors} tumor types ({n_pairs:,} pairs of tumor "
        f"and gene), of which about {share:g} % or fewer should be false."
    )


def _belief(first: RankingSummary, reasons: list[Reason], classifier: ClassifierSummary) -> str:
    about_classifier, *about_list = reasons
    doubts = [reason for reason in about_list if reason.level in (BAD, FAIR)]
    if not first.counts[LEARNED]:
        return (
            "This does not show that no gene matters: the samples, the networks or the decoys may "
            "not suffice."
        )
    if doubts:
        names = _and([reason.name.lower() for reason in doubts])
        is_bad = BAD in [reason.level for reason in doubts]
        start = "Do not rely on the list" if is_bad else "Use the list with care"
        return f"{start}: the {names} below {'speak against it' if is_bad else 'leave doubts'}."
    passed = _and([reason.name.lower() for reason in about_list if reason.level == GOOD])
    if about_classifier.level == GOOD:
        return f"Believe it as a statement about these networks: the {passed} below support it."
    networks = 100 * classifier.scores.accuracy
    regression = 100 * classifier.regression.accuracy
    return (
        "Believe the listed genes, but not that the list is complete: the networks call "
        f"{networks:.1f} % of the samples correctly, logistic regression {regression:.1f} %."
    )


def next_steps(
    run: Run, first: RankingSummary, classifier: ClassifierSummary, level: str
) -> list[str]:
    """What would help most, in order; the last one always applies."""
    config, steps = run.config, []
    n_called, n_unstable = first.n_called, first.counts["unstable"]
    regression = classifier.regression.accuracy
    if run.results.missing_shards:
        steps.append("Finish the run first: run tumorcam explain and then tumorcam reduce.")
    if not len(run.results.decoy_gene):
        steps.append('Set layout.decoys = "all" and run again, so that false genes can be counted.')
    if classifier.shortfall or regression - classifier.scores.accuracy > FAR_BELOW:
        if still_improving(run):
            steps.append(
                f"Train longer: raise training.epochs above {config.training.epochs}, since most "
                "networks were still improving at the end."
            )
        steps.append(_sentence(classifier))
    if len(run.results.decoy_gene) and not first.counts[LEARNED]:
        steps.append(_towards_calls(run, first))
    if n_unstable > UNSTABLE_SHARE * max(n_called, 1):
        steps.append(
            f"Train more layouts: raise layout.replicates above {run.n_replicates}, since "
            f"{n_unstable:,} pairs pass the decoys but not in enough networks."
        )
    if not config.layout.nulls and level == GOOD:
        steps.append(
            "Open learned.csv; for a paper also set layout.nulls = 10, which trains on shuffled "
            "labels."
        )
    steps.append(
        "Open learned.csv, and test the genes on another cohort with tumorcam apply before you "
        "build on them."
    )
    return steps


def still_improving(run: Run) -> bool:
    """Whether the validation loss of most networks still fell over the last tenth of training."""
    losses = [record.history["validation_loss"].to_numpy() for record in run.networks.values()]
    falls = []
    for loss in losses:
        n_late = max(1, round(LATE_SHARE * len(loss)))
        before, late = loss[-2 * n_late : -n_late], loss[-n_late:]
        falls.append(len(before) > 0 and late.mean() < (1 - LATE_FALL) * before.mean())
    return bool(np.mean(falls) > 0.5)


def _sentence(classifier: ClassifierSummary) -> str:
    remedies = classifier.shortfall.remedies if classifier.shortfall else []
    if not remedies:
        return "Add samples, or train longer: the networks call fewer samples than simple models."
    return f"Improve the networks, then run again: {remedies[0]}."


def _towards_calls(run: Run, first: RankingSummary) -> str:
    layout = run.config.layout
    if first.too_few_decoys:
        return 'Place more decoys: set layout.decoys = "all" and run again.'
    if first.called_at[max(first.called_at)] and run.n_replicates < MANY_LAYOUTS:
        return (
            f"Train more layouts: raise layout.replicates above {run.n_replicates}, since pairs "
            "come close to being called."
        )
    if layout.spacing == 1:
        return "Set layout.spacing = 2 and run again, so that neighbours on the image do not mix."
    return "Add samples: neither more decoys nor more layouts are left to try."


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
