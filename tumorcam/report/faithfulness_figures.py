"""Figures of the checks: curves of deletion, distances by tumor, shares of false pairs."""

from collections.abc import Iterator, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tumorcam.explain.views import RankingKey, ranking_keys
from tumorcam.faithfulness.deletion import CHANGES, CONTROLS
from tumorcam.faithfulness.gene_sets import MATCHED, RANDOM, T_TEST
from tumorcam.faithfulness.results import Deletion, Faithfulness, PlantedScores
from tumorcam.report.faithfulness import CONTROL_NAMES
from tumorcam.report.figures import (
    BLUE,
    GREY,
    INCHES_PER_TUMOR,
    ORANGE,
    STYLE,
    VIEW_COLORS,
    CaptionedFigure,
)
from tumorcam.report.results import Run

GREEN = "#009e73"  # Okabe & Ito, as in `figures`
SET_STYLES = {  # colour and line of the ranking, here without a name, and of its controls
    "": (BLUE, "-"),
    T_TEST: (ORANGE, "-."),
    MATCHED: (GREEN, "--"),
    RANDOM: (GREY, ":"),
}
TITLES = ("Deleted (training mean)", "Replaced (another tumor's)", "Inserted alone")
MARKERS = ("o", "s", "^")  # of the three changes
MARKER_COLORS = (BLUE, ORANGE, GREEN)
LINES = ("-", "--", "-.", ":")  # of the methods


def figure_names(record: Faithfulness | None) -> list[str]:
    """Names of the figures that `check_figures` yields."""
    if record is None:
        return []
    return ["deletion", "deletion-tumors", *(["false-share"] if record.planted else [])]


def check_figures(record: Faithfulness, run: Run) -> Iterator[CaptionedFigure]:
    """The figure of each check that has one."""
    methods, method = record.methods.tolist(), run.first_ranking.method
    method = method if method in methods else methods[0]
    name = RankingKey(method, record.view).title
    yield CaptionedFigure(
        "deletion",
        f"Effect of deleting, replacing or inserting the top genes of a tumor by {name}, and as "
        "many other genes, in held-out samples. Above: fall of the tumor's logit minus the mean of "
        "the others (inserted: rise above a blank image). Below: accuracy. Means of tumors with "
        "95 % bootstrap intervals over patients.",
        curves_figure(record.deletion, method, name),
    )
    yield CaptionedFigure(
        "deletion-tumors",
        f"How much more the genes of {name} matter than other genes, tumor by tumor: area between "
        "the curves over the logarithm of the number of genes, divided by its width, with paired "
        "95 % bootstrap intervals over patients. Right of the line the ranking is better.",
        tumors_figure(record.deletion, methods.index(method), record.tumors.tolist()),
    )
    if record.planted:
        yield CaptionedFigure(
            "false-share",
            "Share of the called pairs of tumor and gene whose gene is neither driver nor proxy, "
            "by q_decoy up to which pairs are called. Below the dotted line q_decoy keeps its "
            "promise.",
            false_share_figure(record.planted, ranking_keys(methods)),
        )


@mpl.rc_context(STYLE)
def curves_figure(part: Deletion, method: str, name: str) -> Figure:
    """Fall of the logit and accuracy by number of genes, for every change and gene set.

    `method` is the saliency method of the gene sets, and `name` is how the page calls it.
    """
    figure = Figure(figsize=(9.4, 5.0), layout="constrained")
    panels = figure.subplots(2, len(CHANGES), sharex=True, sharey="row")
    sets = part.sets.tolist()
    places = {
        kind: sets.index(f"{MATCHED}/{method}" if kind == MATCHED else kind or method)
        for kind in SET_STYLES
    }
    for c, title in enumerate(TITLES):
        upper, lower = panels[:, c]
        for kind, (color, line) in SET_STYLES.items():
            at, label = (-1, c, places[kind]), CONTROL_NAMES.get(kind, name)
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
    """Distance of the ranking's curve from that of each control, for every tumor and their mean."""
    names = [*tumors, "mean"]
    height = 1.5 + INCHES_PER_TUMOR * len(names)
    figure = Figure(figsize=(9.4, height), layout="constrained")
    panels: Sequence[Axes] = figure.subplots(1, len(CONTROLS), sharey=True)
    row = np.arange(len(names))
    for c, (axes, control) in enumerate(zip(panels, CONTROLS, strict=True)):
        for change, title in enumerate(TITLES):
            value, low, high = (
                area[:, change, ranking, c] for area in (part.area, part.area_low, part.area_high)
            )
            y = row + 0.22 * (change - 1)
            color = MARKER_COLORS[change]
            axes.hlines(y, low, high, color=color, lw=1.1, alpha=0.7)
            axes.plot(value, y, MARKERS[change], color=color, ms=3.2, label=title, linestyle="none")
        axes.axvline(0, color=GREY, lw=0.8)
        axes.set_title(f"against {CONTROL_NAMES[control]}")
        axes.set_xlabel("logits")
        axes.set_yticks(row, labels=names)
        axes.set_ylim(len(names) - 0.4, -0.6)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@mpl.rc_context(STYLE)
def false_share_figure(part: PlantedScores, keys: Sequence[RankingKey]) -> Figure:
    """Observed share of false pairs by q_decoy, for every ranking that calls a pair."""
    figure = Figure(figsize=(5.6, 3.4), layout="constrained")
    axes = figure.subplots()
    called = np.where(part.called > 0, part.called, np.nan)
    share = part.neither / called
    methods = list(dict.fromkeys(key.method for key in keys))
    for i, key in enumerate(keys):
        if not np.isnan(share[i]).all():
            line = LINES[methods.index(key.method) % len(LINES)]
            color = VIEW_COLORS[key.view]
            axes.plot(part.level, share[i], line, marker=".", color=color, label=key.title)
    most = part.level[-1]
    axes.plot([0, most], [0, most], ":", color=GREY, lw=0.9, label="as promised")
    axes.set(xlabel="q_decoy", ylabel="share of called pairs: neither driver nor proxy")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7)
    return figure
