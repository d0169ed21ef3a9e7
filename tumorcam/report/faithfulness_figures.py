"""Figures of the checks: deletion and insertion curves, gaps by tumor, planted truth."""

from collections.abc import Iterator, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tumorcam.explain.views import method_name
from tumorcam.faithfulness.deletion import CHANGES, CONTROLS, Deletion
from tumorcam.faithfulness.examine import Faithfulness
from tumorcam.faithfulness.gene_sets import MATCHED, RANDOM, T_TEST
from tumorcam.faithfulness.ranking_checks import PlantedScores
from tumorcam.report.faithfulness import CONTROL_NAMES, ranking_name
from tumorcam.report.figures import BLUE, GREY, INCHES_PER_TUMOR, ORANGE, STYLE, VIEW_COLORS
from tumorcam.report.results import Run

GREEN = "#009e73"  # Okabe & Ito, as in `figures`
SET_STYLES = {  # of the ranking, which has no name of its own, and its controls
    "": (BLUE, "-"),
    T_TEST: (ORANGE, "-."),
    MATCHED: (GREEN, "--"),
    RANDOM: (GREY, ":"),
}
TITLES = ("Deleted (training mean)", "Replaced (another tumor's)", "Inserted alone")
MARKS = ("o", "s", "^")  # of the three changes
MARK_COLORS = (BLUE, ORANGE, GREEN)
LINES = ("-", "--", "-.", ":")  # of methods


def figure_names(found: Faithfulness | None) -> list[str]:
    """Names of the figures that `drawn_figures` makes."""
    if found is None:
        return []
    return ["deletion", "deletion-tumors", *(["false-share"] if found.planted else [])]


def drawn_figures(found: Faithfulness, run: Run) -> Iterator[tuple[str, str, Figure]]:
    """Name, caption and figure of each check that has one."""
    methods, wanted = found.methods.tolist(), run.config.report.method
    method = wanted if wanted in methods else methods[0]
    name = ranking_name(f"{method}/{found.view}")
    yield (
        "deletion",
        f"What happens to held-out samples when the top genes of their tumor by {name} are "
        "deleted, replaced or alone inserted, and when as many others are: fall of the tumor's "
        "logit less the mean of the others (inserted: rise above a blank image), and accuracy. "
        "Means of tumors with 95 % bootstrap intervals over patients.",
        curves_figure(found.deletion, method, name),
    )
    yield (
        "deletion-tumors",
        f"How much more the genes of {name} matter than other genes, tumor by tumor: area between "
        "the curves over the logarithm of the number of genes, divided by its width, with paired "
        "95 % bootstrap intervals over patients. Right of the line the ranking is better.",
        tumors_figure(found.deletion, methods.index(method), found.tumors.tolist()),
    )
    if found.planted:
        yield (
            "false-share",
            "Share of the called pairs of tumor and gene that drive no tumor, against the q_decoy "
            "up to which they were called. Below the dotted line q_decoy keeps what it promises.",
            false_share_figure(found.planted, found.rankings.tolist()),
        )


@mpl.rc_context(STYLE)
def curves_figure(part: Deletion, method: str, name: str) -> Figure:
    """Fall and accuracy against the number of genes, a column a change, a line a gene set."""
    figure = Figure(figsize=(9.4, 5.0), layout="constrained")
    panels = figure.subplots(2, len(CHANGES), sharex=True, sharey="row")
    sets = part.sets.tolist()
    places = {
        own: sets.index(f"{MATCHED}/{method}" if own == MATCHED else own or method)
        for own in SET_STYLES
    }
    for c, title in enumerate(TITLES):
        upper, lower = panels[:, c]
        for own, (color, line) in SET_STYLES.items():
            at, label = (-1, c, places[own]), CONTROL_NAMES.get(own, name)
            upper.plot(part.sizes, part.curve[at], line, color=color, label=label)
            upper.fill_between(
                part.sizes, part.curve_low[at], part.curve_high[at], color=color, alpha=0.2, lw=0
            )
            lower.plot(part.sizes, part.accuracy[at], line, color=color)
        upper.axhline(0, color=GREY, lw=0.6)
        upper.set_title(title)
        lower.axhline(part.intact_accuracy[-1], color=GREY, lw=0.6)
        lower.set(xscale="log", xlabel="genes", ylim=(0, 1))
        lower.set_xticks(part.sizes, labels=[str(k) for k in part.sizes], minor=False)
        lower.minorticks_off()
    panels[0, 0].set_ylabel("change of the logit")
    panels[1, 0].set_ylabel("accuracy (line: unchanged)")
    panels[0, 0].legend(fontsize=7)
    return figure


@mpl.rc_context(STYLE)
def tumors_figure(part: Deletion, ranking: int, tumors: Sequence[str]) -> Figure:
    """Mean distance of the ranking's curve from each control's: a row a tumor, their mean last."""
    names = [*tumors, "mean"]
    height = 1.5 + INCHES_PER_TUMOR * len(names)
    figure = Figure(figsize=(9.4, height), layout="constrained")
    panels: Sequence[Axes] = figure.subplots(1, len(CONTROLS), sharey=True)
    row = np.arange(len(names))
    for c, (axes, control) in enumerate(zip(panels, CONTROLS, strict=True)):
        for change, title in enumerate(TITLES):
            value, low, high = (
                each[:, change, ranking, c] for each in (part.area, part.area_low, part.area_high)
            )
            y = row + 0.22 * (change - 1)
            color = MARK_COLORS[change]
            axes.hlines(y, low, high, color=color, lw=1.1, alpha=0.7)
            axes.plot(value, y, MARKS[change], color=color, ms=3.2, label=title, linestyle="none")
        axes.axvline(0, color=GREY, lw=0.8)
        axes.set_title(f"against {CONTROL_NAMES[control]}")
        axes.set_xlabel("logits")
        axes.set_yticks(row, labels=names)
        axes.set_ylim(len(names) - 0.4, -0.6)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@mpl.rc_context(STYLE)
def false_share_figure(part: PlantedScores, rankings: Sequence[str]) -> Figure:
    """Observed share of false pairs against q_decoy: a line a ranking that calls any."""
    figure = Figure(figsize=(5.6, 3.4), layout="constrained")
    axes = figure.subplots()
    called = np.where(part.called > 0, part.called, np.nan)
    share = part.neither / called
    methods = list(dict.fromkeys(name.split("/")[0] for name in rankings))
    for i, name in enumerate(rankings):
        method, view = name.split("/")
        if not np.isnan(share[i]).all():
            line = LINES[methods.index(method) % len(LINES)]
            label = f"{method_name(method)}, {view}"
            axes.plot(part.level, share[i], line, marker=".", color=VIEW_COLORS[view], label=label)
    most = part.level[-1]
    axes.plot([0, most], [0, most], ":", color=GREY, lw=0.9, label="as promised")
    axes.set(xlabel="q_decoy", ylabel="share of called pairs that drive no tumor")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7)
    return figure
