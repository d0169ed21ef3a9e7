"""Figures of the checks: curves of deletion, distances by tumor, shares of false pairs."""

import textwrap
from collections.abc import Iterator, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tumorcam.explain.views import RankingKey, ranking_keys
from tumorcam.faithfulness.deletion import CHANGES, CONTROLS
from tumorcam.faithfulness.gene_sets import MATCHED, RANDOM, T_TEST
from tumorcam.faithfulness.results import Deletion, Faithfulness, PlantedScores
from tumorcam.report.faithfulness import CHANGE_NAMES, CONTROL_NAMES
from tumorcam.report.figures import (
    BLUE,
    FULL_WIDTH,
    GREEN,
    GREY,
    ORANGE,
    STYLE,
    VIEW_COLORS,
    CaptionedFigure,
    label_names,
)
from tumorcam.report.line_names import LineName, name_lines, sparse_ticks
from tumorcam.report.results import Run

SET_STYLES = {  # colour and line of the ranking, here without a name, and of its controls
    "": (BLUE, "-"),
    T_TEST: (ORANGE, "-."),
    MATCHED: (GREEN, "--"),
    RANDOM: (GREY, ":"),
}
TITLES = ("Deleted\n(training mean)", "Replaced\n(another tumor's)", "Inserted\nalone")
MARKERS = ("o", "s", "^")  # of the three changes
MARKER_COLORS = (BLUE, ORANGE, GREEN)
LINES = ("-", "--", "-.", ":")  # of the methods
INCHES_PER_ROW = 0.19  # of a tumor with its three intervals
TITLE_LETTERS = 22  # in a line of a title
X_MARGIN = 1.15  # factor beyond the smallest and the largest number of genes
WIDE_NAME = 40  # letters of a name beside the only panel of a figure


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
    tumors, ranking = record.tumors.tolist(), methods.index(method)
    yield CaptionedFigure(
        "deletion",
        f"Effect of deleting, replacing or inserting the top genes of a tumor by {name}, and as "
        "many other genes, in held-out samples. Above: fall of the tumor's logit minus the mean of "
        "the others (inserted: rise above a blank image). Below: accuracy. Means of tumors with "
        "95 % bootstrap intervals over patients.",
        curves_figure(record.deletion, method, name),
        curves_data(record.deletion, method, name),
    )
    yield CaptionedFigure(
        "deletion-tumors",
        f"How much more the genes of {name} matter than other genes, tumor by tumor. Shown is the "
        "area between the curves over the logarithm of the number of genes, divided by its width. "
        "Lines are paired 95 % bootstrap intervals over patients. Right of the line at 0 the "
        "ranking is better.",
        tumors_figure(record.deletion, ranking, tumors),
        tumors_data(record.deletion, ranking, tumors),
    )
    if record.planted:
        yield CaptionedFigure(
            "false-share",
            "Share of the called pairs of tumor and gene whose gene is neither driver nor proxy, "
            "by q_decoy up to which pairs are called. Below the dotted line q_decoy keeps its "
            "promise.",
            false_share_figure(record.planted, ranking_keys(methods)),
            false_share_data(record.planted, ranking_keys(methods)),
        )


def _set_places(part: Deletion, method: str) -> dict[str, int]:
    """The place among `part.sets` of the ranking and of each control, by their kind."""
    sets = part.sets.tolist()
    return {
        kind: sets.index(f"{MATCHED}/{method}" if kind == MATCHED else kind or method)
        for kind in SET_STYLES
    }


@mpl.rc_context(STYLE)
def curves_figure(part: Deletion, method: str, name: str) -> Figure:
    """Fall of the logit and accuracy by number of genes, for every change and gene set.

    `method` is the saliency method of the gene sets, and `name` is how the page calls it.
    """
    figure = Figure(figsize=(FULL_WIDTH, 3.9), layout="constrained")
    panels = figure.subplots(2, len(CHANGES), sharex=True, sharey="row")
    names = []
    for c, title in enumerate(TITLES):
        upper, lower = panels[:, c]
        for kind, place in _set_places(part, method).items():
            (color, line), at = SET_STYLES[kind], (-1, c, place)
            upper.plot(part.sizes, part.curve[at], line, color=color)
            upper.fill_between(
                part.sizes, part.curve_low[at], part.curve_high[at], color=color, alpha=0.2, lw=0
            )
            lower.plot(part.sizes, part.accuracy[at], line, color=color)
            if c == len(TITLES) - 1:
                text, end = CONTROL_NAMES.get(kind, name), (part.sizes[-1], part.curve[at][-1])
                names.append(LineName(text, color, line, *map(float, end)))
        upper.axhline(0, color=GREY, lw=0.6)
        upper.set_title(title)
        lower.axhline(part.intact_accuracy[-1], color=GREY, lw=0.6)
        limits = part.sizes[0] / X_MARGIN, part.sizes[-1] * X_MARGIN  # also where no curve is known
        lower.set(xlim=limits, xscale="log", xlabel="genes", ylim=(0, 1))
    panels[0, 0].set_ylabel("change (logits)")
    panels[1, 0].set_ylabel("accuracy (line: unchanged)")
    name_lines(panels[0, -1], names)
    sparse_ticks(panels[1, -1], part.sizes.tolist())
    return figure


def curves_data(part: Deletion, method: str, name: str) -> pd.DataFrame:
    """A row for each point of `curves_figure`; 0 genes is the unchanged sample.

    `method` and `name` are as in `curves_figure`.
    """
    rows = []
    for c, change in enumerate(CHANGE_NAMES):
        for kind, place in _set_places(part, method).items():
            at, label = (-1, c, place), CONTROL_NAMES.get(kind, name)
            for i, size in enumerate(part.sizes.tolist()):
                low, high = part.curve_low[at][i], part.curve_high[at][i]
                rows.append((change, label, size, "logits", part.curve[at][i], low, high))
                rows.append((change, label, size, "accuracy", part.accuracy[at][i], *[np.nan] * 2))
        unchanged = float(part.intact_accuracy[-1])
        rows.append((change, "unchanged", 0, "accuracy", unchanged, np.nan, np.nan))
    columns = ["change", "gene_set", "genes", "quantity", "value", "low_95", "high_95"]
    return pd.DataFrame(rows, columns=columns)


@mpl.rc_context(STYLE)
def tumors_figure(part: Deletion, ranking: int, tumors: Sequence[str]) -> Figure:
    """Distance of the ranking's curve from that of each control, for every tumor and their mean."""
    names = [*tumors, "mean"]
    figure = Figure(figsize=(FULL_WIDTH, 1.3 + INCHES_PER_ROW * len(names)), layout="constrained")
    panels: Sequence[Axes] = figure.subplots(1, len(CONTROLS), sharey=True)
    row = np.arange(len(names))
    for c, (axes, control) in enumerate(zip(panels, CONTROLS, strict=True)):
        for change, title in enumerate(TITLES):
            value, low, high = (
                area[:, change, ranking, c] for area in (part.area, part.area_low, part.area_high)
            )
            y = row + 0.25 * (change - 1)
            color, label = MARKER_COLORS[change], title.replace("\n", " ")
            axes.hlines(y, low, high, color=color, lw=1.0, alpha=0.7)
            axes.plot(value, y, MARKERS[change], color=color, ms=2.8, label=label, linestyle="none")
        axes.axvline(0, color=GREY, lw=0.8)
        axes.set_title(textwrap.fill(f"against {CONTROL_NAMES[control]}", TITLE_LETTERS))
        axes.set_xlabel("logits")
        axes.locator_params(axis="x", nbins=4)
        label_names(axes.yaxis, names, "")
        axes.set_ylim(len(names) - 0.4, -0.6)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def tumors_data(part: Deletion, ranking: int, tumors: Sequence[str]) -> pd.DataFrame:
    """A row for each marker of `tumors_figure`."""
    rows = [
        (tumor, change, CONTROL_NAMES[control], *(
            area[t, c, ranking, k] for area in (part.area, part.area_low, part.area_high)
        ))
        for t, tumor in enumerate([*tumors, "mean"])
        for c, change in enumerate(CHANGE_NAMES)
        for k, control in enumerate(CONTROLS)
    ]  # fmt: skip
    columns = ["tumor", "change", "control", "distance_logits", "low_95_logits", "high_95_logits"]
    return pd.DataFrame(rows, columns=columns)


def _false_shares(part: PlantedScores) -> np.ndarray:
    """(rankings, levels) float64: the share of false pairs; NaN where none is called."""
    shares: np.ndarray = part.neither / np.where(part.called > 0, part.called, np.nan)
    return shares


@mpl.rc_context(STYLE)
def false_share_figure(part: PlantedScores, keys: Sequence[RankingKey]) -> Figure:
    """Observed share of false pairs by q_decoy, for every ranking that calls a pair."""
    share, names = _false_shares(part), []
    figure = Figure(figsize=(FULL_WIDTH, 3.2), layout="constrained")
    axes = figure.subplots()
    methods = list(dict.fromkeys(key.method for key in keys))
    for key, values in zip(keys, share, strict=True):
        drawn = np.flatnonzero(~np.isnan(values))
        if len(drawn):
            line = LINES[methods.index(key.method) % len(LINES)]
            color, last = VIEW_COLORS[key.view], drawn[-1]
            axes.plot(part.level, values, line, marker=".", color=color)
            end = float(part.level[last]), float(values[last])
            names.append(LineName(key.title, color, line, *end))
    most = float(part.level[-1])
    axes.plot([0, most], [0, most], ":", color=GREY, lw=0.9)
    names.append(LineName("as promised", GREY, ":", most, most))
    axes.set(xlabel="q_decoy", ylabel="share of called pairs:\nneither driver nor proxy")
    axes.set_ylim(bottom=0)
    name_lines(axes, names, letters=WIDE_NAME)
    return figure


def false_share_data(part: PlantedScores, keys: Sequence[RankingKey]) -> pd.DataFrame:
    """A row for each point of `false_share_figure`; the share is empty where nothing is called."""
    n_levels = len(part.level)
    return pd.DataFrame(
        {
            "method": np.repeat([key.method for key in keys], n_levels),
            "view": np.repeat([key.view for key in keys], n_levels),
            "q_decoy": np.tile(part.level, len(keys)),
            "pairs_called": part.called.ravel(),
            "pairs_neither_driver_nor_proxy": part.neither.ravel(),
            "share_neither": _false_shares(part).ravel(),
        }
    )
