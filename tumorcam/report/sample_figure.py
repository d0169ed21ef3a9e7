"""The picture of one sample: its input beside its saliency, the outstanding genes ringed."""

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.optimize import isotonic_regression

from tumorcam.cohort.cohort import Cohort
from tumorcam.explain.sample import (
    Question,
    SampleMap,
    describe,
    full_table,
    labels,
    picks_table,
    table_text,
)
from tumorcam.explain.views import UNITS, method_name
from tumorcam.report import figures
from tumorcam.report.figures import HALO, INK, ORANGE, STYLE
from tumorcam.report.gene_columns import Answer
from tumorcam.storage import hdf5

MAX_NAMES = 24  # of genes beside the map; more would overlap
INPUT_LIMIT = 3.0  # training SD; the colour scale of the input ends there
PANEL_INCHES = (3.9, 4.9)  # width, height
NAMES_INCHES = 1.4
MAX_TICKS = 6  # of a colour scale; the numbers of small saliencies are long


@mpl.rc_context(STYLE)
def picks_figure(sample_map: SampleMap, table: pd.DataFrame, *, title: str, method: str) -> Figure:
    """The input image beside the saliency, the picked pixels ringed, the highest ones named.

    Parameters
    ----------
    table : DataFrame
        The table that `picks_table` returns. Decoys have a colour of their own.
    title : str
        One or more lines above the images.
    method : str
        The saliency method, one of UNITS.
    """
    width, height = PANEL_INCHES
    figure = Figure(figsize=(2 * width + NAMES_INCHES, height), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=9)
    left, right = figure.subplots(1, 2)
    largest = float(np.abs(sample_map.saliency).max()) or 1.0
    _image(left, sample_map.image, "RdBu_r", INPUT_LIMIT, "expression, training SD from the mean")
    unit = UNITS[method]
    _image(right, sample_map.saliency, "PuOr_r", largest, f"saliency, signed, {unit}")
    left.set_title("Input")
    right.set_title(method_name(method))
    for axes in (left, right):
        for is_decoy, color in ((False, INK), (True, ORANGE)):
            picks = table[table["decoy"] == is_decoy]
            axes.plot(
                picks["column"], picks["row"], "o", mfc="none", mec=color, mew=1.0, ms=6.5,
                path_effects=HALO, zorder=3, clip_on=False, in_layout=False,
            )  # fmt: skip
    _name_picks(right, table.head(MAX_NAMES), side=sample_map.layout.side)
    if len(table) > MAX_NAMES:
        note = f"the highest {MAX_NAMES} of {len(table)} are named"
        right.set_title(note, loc="right", fontsize=7)
    return figure


def write_picture(path: Path, figure: Figure, *, description: str) -> Path:
    """Write the figure to PATH.png and PATH.svg, or beside them where these are another picture.

    The same picture leaves its files as they are. Another one, such as that of a model which was
    trained anew, stays, and this one gets PATH-2, PATH-3 and so on.

    Parameters
    ----------
    path : Path
        The path of both files without their suffix.
    description : str
        What a screen reader reads out.

    Returns
    -------
    Path
        The path of both files without their suffix, as they are now.
    """
    picture = figures.picture_of(figure, name="show", description=description)
    for number in itertools.count(1):
        own = path if number == 1 else path.with_name(f"{path.name}-{number}")
        svg, png = (own.with_name(f"{own.name}.{suffix}") for suffix in ("svg", "png"))
        is_same = svg.is_file() and svg.read_bytes() == picture.svg.encode()
        if is_same and png.is_file():
            return own
        if is_same or not (os.path.lexists(svg) or os.path.lexists(png)):
            break
    hdf5.write_text(svg, picture.svg)
    with hdf5.write_aside(png) as aside:
        aside.write_bytes(picture.png)
    return own


def draw_picks(path: Path, cohort: Cohort, question: Question, maps: Sequence[SampleMap]) -> Answer:
    """The genes and decoys picked from the first map, which are also drawn.

    Parameters
    ----------
    path : Path
        The path of both pictures without their suffix.
    maps : sequence of SampleMap
        One a replicate, of the question's sample.
    """
    table = picks_table(maps, cohort.genes, cutoff=question.cutoff)
    title = describe(cohort, question, maps[0], table)
    figure = picks_figure(maps[0], table, title=title, method=question.method)
    written = write_picture(path, figure, description=title)
    text = table_text(table, n_replicates=len(maps))
    other = "" if written == path else f" ({path.name} is there already, and is another picture)"
    lines = [title, text, f"see {written}.png and .svg{other}"]
    return Answer("\n".join(lines), full_table(cohort, question, maps[0], table))


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
    steps = gap * np.arange(len(height))
    order = np.argsort(height, kind="stable")
    placed = np.empty(len(height))
    nearest = isotonic_regression(height[order] - steps).x
    placed[order] = np.clip(nearest, 0, 1 - steps[-1]) + steps
    return placed


def _image(axes: Axes, values: np.ndarray, colors: str, limit: float, unit: str) -> None:
    image = axes.imshow(values, cmap=colors, vmin=-limit, vmax=limit, interpolation="nearest")
    outside = "both" if np.abs(values).max() > limit else "neither"
    axes.figure.colorbar(
        image, ax=axes, orientation="horizontal", label=unit, shrink=0.8, pad=0.04,
        extend=outside, ticks=MaxNLocator(MAX_TICKS), format="%g",
    )  # fmt: skip
    axes.set(xticks=[], yticks=[])


def _name_picks(axes: Axes, table: pd.DataFrame, *, side: int) -> None:
    """Write names into the right margin, with a line from each to its pixel."""
    if table.empty:
        return
    height = spread_heights(1 - (table["row"].to_numpy() + 0.5) / side, 1 / MAX_NAMES)
    for pick, name, at in zip(table.itertuples(), labels(table), height, strict=True):
        color = ORANGE if pick.decoy else INK
        axes.annotate(
            f"{name}  {pick.share:.2f}",
            (pick.column, pick.row),
            (1.05, at),
            textcoords="axes fraction",
            va="center",
            color=color,
            zorder=2,
            arrowprops={
                "arrowstyle": "-",
                "color": color,
                "linewidth": 0.6,
                "relpos": (0, 0.5),
                "shrinkA": 1,
                "shrinkB": 4,
                "path_effects": HALO,
            },
        )
