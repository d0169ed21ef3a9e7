"""The overlaps between tumors of their learned genes, as an UpSet plot."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tumorcam.report.figures import (
    BLUE,
    FONT_POINTS,
    FULL_WIDTH,
    INK,
    STYLE,
    label_names,
    name_inches,
)

MAX_OVERLAPS = 20  # intersections in the figure
INCHES_PER_SET, INCHES_PER_OVERLAP, BAR_INCHES = 0.155, 0.22, 1.1
EMPTY = "#d9dee5"  # a tumor that is not in an intersection
PALE = "#9cc6e2"  # genes that another tumor has, too
MIN_COLUMNS = 6  # for which there is room, so that few bars are not broad


class Overlap(NamedTuple):
    """Genes that are learned in exactly some tumors; both are indices, ascending."""

    tumors: tuple[int, ...]
    genes: np.ndarray


class Overlaps(NamedTuple):
    """Which learned genes tumors share.

    `shared` are the exclusive intersections of two tumors or more, that with most genes first;
    equally large ones stand by the number of tumors, then by their order. `alone` are the genes
    that are learned in one tumor, in the order of the tumors.
    """

    shared: list[Overlap]
    alone: list[Overlap]

    @property
    def present(self) -> list[int]:
        """The tumors with learned genes, as indices, ascending."""
        return sorted({tumor for part in (*self.shared, *self.alone) for tumor in part.tumors})

    def n_learned(self, tumor: int) -> int:
        """The number of genes that are learned in a tumor."""
        parts = (*self.shared, *self.alone)
        return sum(len(part.genes) for part in parts if tumor in part.tumors)

    def n_alone(self, tumor: int) -> int:
        """The number of genes that are learned in this tumor and no other."""
        return sum(len(part.genes) for part in self.alone if tumor in part.tumors)


def find_overlaps(learned: np.ndarray) -> Overlaps:
    """The overlaps between the tumors' learned genes.

    Parameters
    ----------
    learned : (tumors, genes) bool
        Pairs that are graded learned.

    References
    ----------
    Lex et al. 2014, UpSet, doi:10.1109/TVCG.2014.2346248.
    """
    genes = np.flatnonzero(learned.any(axis=0))
    if not len(genes):
        return Overlaps([], [])
    patterns, group = np.unique(learned[:, genes], axis=1, return_inverse=True)
    sets = [
        Overlap(tuple(np.flatnonzero(pattern).tolist()), genes[group.ravel() == i])
        for i, pattern in enumerate(patterns.T)
    ]
    return Overlaps(
        shared=sorted(
            (part for part in sets if len(part.tumors) > 1),
            key=lambda part: (-len(part.genes), len(part.tumors), part.tumors),
        ),
        alone=sorted((part for part in sets if len(part.tumors) == 1), key=lambda p: p.tumors),
    )


@mpl.rc_context(STYLE)
def overlap_figure(parts: Overlaps, tumors: Sequence[str]) -> Figure:
    """Bars of the largest intersections above a matrix of their tumors, and sizes of the tumors.

    Parameters
    ----------
    parts : Overlaps
        With one intersection or more.
    """
    present, drawn = parts.present, parts.shared[:MAX_OVERLAPS]
    names = [tumors[tumor] for tumor in present]
    width = 1.5 + name_inches(names) + BAR_INCHES + INCHES_PER_OVERLAP * len(drawn)
    matrix = INCHES_PER_SET * len(names)
    figure = Figure(figsize=(min(FULL_WIDTH, max(3.6, width)), 2.2 + matrix), layout="constrained")
    grid = figure.subplots(
        2, 2, width_ratios=(BAR_INCHES, max(1.6, INCHES_PER_OVERLAP * len(drawn))),
        height_ratios=(1.4, matrix), sharex="col", sharey="row",
    )  # fmt: skip
    grid[0, 0].set_axis_off()
    _draw_bars(grid[0, 1], [len(part.genes) for part in drawn])
    _draw_matrix(grid[1, 1], drawn, present)
    _draw_sizes(grid[1, 0], parts, names)
    return figure


def _draw_bars(axes: Axes, counts: Sequence[int]) -> None:
    bars = axes.bar(range(len(counts)), counts, color=BLUE, width=0.6)
    turned = 90 if max(counts) >= 1000 else 0
    axes.bar_label(bars, padding=1.5, fontsize=FONT_POINTS, rotation=turned)
    axes.margins(y=0.3 if turned else 0.15)
    axes.set_ylabel("genes learned in\nexactly these tumors")
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.tick_params(axis="x", length=0, labelbottom=False)
    axes.tick_params(axis="y", labelleft=True)
    axes.set_xlim(-0.6, max(len(counts), MIN_COLUMNS) - 0.4)


def _draw_matrix(axes: Axes, sets: Sequence[Overlap], present: Sequence[int]) -> None:
    row_of = {tumor: row for row, tumor in enumerate(present)}
    column, row = np.meshgrid(np.arange(len(sets)), np.arange(len(present)))
    axes.plot(column.ravel(), row.ravel(), "o", color=EMPTY, ms=4)
    for at, part in enumerate(sets):
        rows = [row_of[tumor] for tumor in part.tumors]
        axes.plot([at] * len(rows), rows, "o-", color=INK, ms=4, lw=1)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelbottom=False)
    axes.set_xlabel("intersections, most genes first")


def _draw_sizes(axes: Axes, parts: Overlaps, names: Sequence[str]) -> None:
    """Draw the number of learned genes of each tumor, dark where it is the only one."""
    rows, present = range(len(names)), parts.present
    bars = axes.barh(rows, [parts.n_learned(tumor) for tumor in present], color=PALE, height=0.6)
    axes.barh(rows, [parts.n_alone(tumor) for tumor in present], color=INK, height=0.6)
    axes.bar_label(bars, padding=1.5, fontsize=FONT_POINTS)
    label_names(axes.yaxis, names, "")
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.margins(x=0.45)
    axes.xaxis.set_major_locator(MaxNLocator(2, integer=True))
    axes.set_xlabel("learned genes")


def overlap_data(parts: Overlaps, tumors: Sequence[str], genes: Sequence[str]) -> pd.DataFrame:
    """A row for each bar: all intersections, those that are drawn first, and then the tumors.

    `bar` is intersection, alone or tumor. Names of tumors and of genes are joined by "; ".
    """
    rows: list[tuple[str, str, int, int, bool, str]] = []
    for bar, sets in (("intersection", parts.shared), ("alone", parts.alone)):
        for number, part in enumerate(sets):
            names = "; ".join(tumors[tumor] for tumor in part.tumors)
            listed = "; ".join(genes[gene] for gene in part.genes)
            is_drawn = bar == "alone" or number < MAX_OVERLAPS
            rows.append((bar, names, len(part.tumors), len(part.genes), is_drawn, listed))
    rows += [
        ("tumor", tumors[tumor], 1, parts.n_learned(tumor), True, "") for tumor in parts.present
    ]
    columns = ["bar", "tumors", "n_tumors", "n_genes", "is_drawn", "genes"]
    return pd.DataFrame(rows, columns=columns)
