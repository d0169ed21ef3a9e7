"""Names beside the lines and points of a figure, and ticks that leave each other room."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from scipy.optimize import isotonic_regression

from tumorcam.report.figures import (
    FONT_POINTS,
    HALO,
    INK,
    LINE_EM,
    POINTS_PER_INCH,
    text_points,
)

NAME_LETTERS = 20  # in a line of a name beside a panel
MARGIN = 1.06  # where names start, in widths of the panel
STROKE = 0.05  # length of the stroke before the name of an empty line, in the same unit


class LineName(NamedTuple):
    """The name of a line, its colour and style, and its last point; NaN if it has no point."""

    text: str
    color: str
    style: str
    x: float
    y: float


def name_lines(axes: Axes, names: Sequence[LineName], *, letters: int = NAME_LETTERS) -> None:
    """Write the names of lines into the right margin, each with a stroke to the line's end.

    Call it when the limits of the axes are final.

    Parameters
    ----------
    letters : int
        After so many letters a name goes on in the next line.
    """
    texts = ["\n".join(textwrap.wrap(name.text, letters)) for name in names]
    points = np.array([(name.x, name.y) for name in names]).reshape(-1, 2)
    ends = axes.transAxes.inverted().transform(axes.transData.transform(points))
    n_lines = max((text.count("\n") + 1 for text in texts), default=1)
    gap = FONT_POINTS * LINE_EM * n_lines / axes_points(axes)[1]
    gap = min(gap, 1 / max(len(names) - 1, 1))
    has_end = np.isfinite(ends).all(axis=1)
    end_height = np.where(has_end, np.nan_to_num(ends[:, 1]).clip(0, 1), 0.0)
    heights = spread_heights(end_height, gap)
    for i, name in enumerate(names):
        end = ends[i].clip(0, 1) if has_end[i] else (MARGIN - STROKE, heights[i])
        axes.annotate(
            texts[i], end, (MARGIN, float(heights[i])), xycoords="axes fraction",
            textcoords="axes fraction", va="center", color=INK, linespacing=1.0,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-", "color": name.color, "linewidth": 1.0, "relpos": (0, 0.5),
                "linestyle": name.style, "shrinkA": 1, "shrinkB": 1,
            },
        )  # fmt: skip


def name_vertical(axes: Axes, text: str, x: float) -> None:
    """Write the name of a vertical line above the panel, on the side that has more room.

    Call it when the limits of the axes are final. `text` is the name, and `x` the place of the line
    in units of the data.
    """
    place, _ = axes.transAxes.inverted().transform(axes.transData.transform((x, 1.0)))
    axes.annotate(
        text, (float(np.clip(place, 0, 1)), 1.0), (0, 2), xycoords="axes fraction",
        textcoords="offset points", ha="left" if place < 0.5 else "right", va="bottom", color=INK,
    )  # fmt: skip


def name_points(
    axes: Axes, texts: Sequence[str], points: np.ndarray, *, gap: float, colors: Sequence[str]
) -> None:
    """Write the names of points into the right margin, each with a stroke to its point.

    Parameters
    ----------
    points : (points, 2) float64
        x and y in units of the data.
    gap : float
        The least distance of two names, in heights of the panel.
    """
    if not len(texts):
        return
    ends = axes.transAxes.inverted().transform(axes.transData.transform(points))
    heights = spread_heights(ends[:, 1].clip(0, 1), gap)
    for text, point, height, color in zip(texts, points, heights, colors, strict=True):
        axes.annotate(
            text, tuple(point), (MARGIN, float(height)), textcoords="axes fraction", va="center",
            color=color, zorder=2,
            arrowprops={
                "arrowstyle": "-", "color": color, "linewidth": 0.6, "relpos": (0, 0.5),
                "shrinkA": 1, "shrinkB": 4, "path_effects": HALO,
            },
        )  # fmt: skip


def axes_points(axes: Axes) -> tuple[float, float]:
    """Width and height of a panel in points, after its layout."""
    figure: Any = axes.figure
    figure.get_layout_engine().execute(figure)
    size = axes.get_window_extent().size * POINTS_PER_INCH / figure.dpi
    return float(size[0]), float(size[1])


def spread_heights(height: np.ndarray, gap: float) -> np.ndarray:
    """Heights in the same order that are at least `gap` apart, moved as little as possible.

    Parameters
    ----------
    height : (labels,) float
        From 0 to 1, as the result; at most 1 + 1 / gap heights.

    Notes
    -----
    Sorted heights minus 0, 1, 2 … gaps must not fall, so the nearest ones are an isotonic
    regression.
    """
    if not len(height):
        return height
    steps = gap * np.arange(len(height))
    order = np.argsort(height, kind="stable")
    placed = np.empty(len(height))
    nearest = isotonic_regression(height[order] - steps).x
    placed[order] = np.clip(nearest, 0, 1 - steps[-1]) + steps
    return placed


def decade_ticks(axes: Axes) -> list[float]:
    """1, 2 and 5 times the powers of ten within the limits of a logarithmic x axis."""
    low, high = axes.get_xlim()
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10**power for power in powers for digit in (1, 2, 5)]
    return [tick for tick in ticks if low <= tick <= high]


def sparse_ticks(axes: Axes, values: Sequence[float]) -> None:
    """Mark numbers on a logarithmic x axis, and write those that leave each other room.

    Call it when the limits of the axis are final. Axes that share the axis get the same ticks.
    """
    low, high = np.log(axes.get_xlim())
    values = [value for value in values if low <= np.log(value) <= high]
    x = np.log(np.array(values, dtype=float))
    place = (x - low) / (high - low) * axes_points(axes)[0]
    labels, last = [], -np.inf
    for at, value in zip(place, values, strict=True):
        label = f"{value:,}" if value >= 1 else f"{value:g}"
        half = text_points(label) / 2 + 1.5
        fits = bool(at - half >= last)
        labels.append(label if fits else "")
        last = at + half if fits else last
    axes.set_xticks(values, labels=labels, minor=False)
    axes.minorticks_off()
