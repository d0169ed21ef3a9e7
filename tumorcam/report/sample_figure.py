"""The picture of one sample: its input beside its saliency, the outstanding genes ringed."""

import itertools
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

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
from tumorcam.report.figures import (
    FONT_POINTS,
    FULL_WIDTH,
    HALO,
    INK,
    ORANGE,
    STYLE,
    short_name,
)
from tumorcam.report.gene_columns import Answer
from tumorcam.report.line_names import name_points
from tumorcam.storage import hdf5

MAX_NAMES = 20  # of genes beside the map; more would overlap
INPUT_LIMIT = 3.0  # training SD; the colour scale of the input ends there
HEIGHT = 4.4  # inches, with room for the title above
TITLE_LETTERS = 110  # in a line
MAX_LABEL = 20  # letters of a gene beside the map
MAX_TICKS = 4  # of a colour scale; the numbers of small saliencies are long


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
    figure = Figure(figsize=(FULL_WIDTH, HEIGHT), layout="constrained")
    lines = [textwrap.fill(line, TITLE_LETTERS) for line in title.split("\n")]
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=FONT_POINTS)
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
    _name_picks(right, table.head(MAX_NAMES))
    if len(table) > MAX_NAMES:
        note = f"the highest {MAX_NAMES} of {len(table)} are named"
        right.set_title(note, loc="right", fontsize=FONT_POINTS)
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


def _image(axes: Axes, values: np.ndarray, colors: str, limit: float, unit: str) -> None:
    image = axes.imshow(values, cmap=colors, vmin=-limit, vmax=limit, interpolation="nearest")
    outside = "both" if np.abs(values).max() > limit else "neither"
    axes.figure.colorbar(
        image, ax=axes, orientation="horizontal", label=unit, shrink=0.8, pad=0.04,
        extend=outside, ticks=MaxNLocator(MAX_TICKS), format="%g",
    )  # fmt: skip
    axes.set(xticks=[], yticks=[])


def _name_picks(axes: Axes, table: pd.DataFrame) -> None:
    """Write names into the right margin, with a line from each to its pixel."""
    if table.empty:
        return
    texts = [
        f"{short_name(name, MAX_LABEL)}  {share:.2f}"
        for name, share in zip(labels(table), table["share"], strict=True)
    ]
    colors = [ORANGE if is_decoy else INK for is_decoy in table["decoy"]]
    points = table[["column", "row"]].to_numpy(float)
    name_points(axes, texts, points, gap=1 / MAX_NAMES, colors=colors)
