"""What all figures of the report share: widths, type sizes, colours, and their files."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from tumorcam.report.columns import Column
from tumorcam.report.csv_files import write_csv
from tumorcam.storage import hdf5

# Okabe & Ito 2008, "Color Universal Design": distinct with any colour vision.
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#6b7785"
INK = "#1b2430"
VIEW_COLORS = {"contrast": BLUE, "own": ORANGE}
HALO = [withStroke(linewidth=2.2, foreground="white")]  # legible on any colour
FONT_POINTS = 7  # the smallest type that journals print
STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": FONT_POINTS,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.labelsize": FONT_POINTS,
    "xtick.labelsize": FONT_POINTS,
    "ytick.labelsize": FONT_POINTS,
    "legend.fontsize": FONT_POINTS,
    "axes.edgecolor": "#9aa5b1",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": "#4a5563",
    "ytick.color": "#4a5563",
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "svg.fonttype": "none",  # text stays text, which readers can search and copy
    "text.parse_math": False,  # a gene may be called $x$
}
PNG_DOTS_PER_INCH = 304.8  # 12,000 a metre: PNG counts by the metre, and 300 would be 299.9994
FULL_WIDTH, COLUMN_WIDTH = 7.08, 3.5  # inches; journals print 180 mm, and 89 mm in one column
POINTS_PER_INCH = 72
# 7 points are 9.3 pixels of CSS (96 an inch), too small on a screen; times 1.3 they are 12.1.
SCREEN_SCALE = 1.3
PIXELS_PER_POINT = 96 / 72
LETTER_EM = 0.62  # mean width of a letter or digit of DejaVu Sans, in units of the type size
LINE_EM = 1.25  # height of a line
INCHES_PER_TUMOR = 0.27
MAP_INCHES = 2.2  # least width of a heat map; the name of its colour bar needs it
MAX_NAME = 40  # letters of a name in a figure


class CaptionedFigure(NamedTuple):
    """A figure of the page.

    `name` is that of its files. `data` has a row for each mark; units stand in its column names.
    """

    name: str
    caption: str
    figure: Figure
    data: pd.DataFrame


def svg_text(figure: Figure, *, name: str, description: str) -> str:
    """The figure as an SVG element; equal figures give equal text.

    Parameters
    ----------
    name : str
        The name of the figure. It is part of all IDs in the text, so that two figures on a page
        have no ID in common.
    description : str
        What a screen reader reads out. Its first sentence is the title.
    """
    stream = io.StringIO()
    title = description.split(". ")[0].split("\n")[0]
    with mpl.rc_context(STYLE | {"svg.hashsalt": name}):
        metadata = {"Date": None, "Title": title, "Description": description}
        _save(figure, stream, format="svg", metadata=metadata)
    text = stream.getvalue()
    svg = text[text.index("<svg") :]
    for number in ("figure", "axes"):  # numbered alike in every figure
        svg = svg.replace(f'id="{number}_', f'id="{name}-{number}_')
    ids = f"{name}-title", f"{name}-description"
    svg = svg.replace("<svg ", f'<svg role="img" aria-labelledby="{ids[0]} {ids[1]}" ', 1)
    svg = svg.replace("<title>", f'<title id="{ids[0]}">', 1)
    start = svg.index("<dc:description>") + len("<dc:description>")
    words = svg[start : svg.index("</dc:description>")]
    return svg.replace("</title>", f'</title>\n <desc id="{ids[1]}">{words}</desc>', 1)


def screen_svg(svg: str, figure: Figure) -> str:
    """The text of `svg_text` with the width and height that a page shows it at, in pixels."""
    pixels = np.array(figure.get_size_inches()) * POINTS_PER_INCH * PIXELS_PER_POINT * SCREEN_SCALE
    head, rest = svg.split(">", 1)
    parts = [part for part in head.split(" ") if not part.startswith(("width=", "height="))]
    width, height = pixels.round().astype(int).tolist()
    return " ".join([parts[0], f'width="{width}" height="{height}"', *parts[1:]]) + ">" + rest


def png_bytes(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    stream = io.BytesIO()
    with mpl.rc_context(STYLE):
        _save(figure, stream, format="png", dpi=PNG_DOTS_PER_INCH, metadata={"Software": None})
    return stream.getvalue()


class Picture(NamedTuple):
    """The content of both files of a figure."""

    svg: str
    png: bytes


def write_picture(path: Path, figure: Figure, *, name: str, description: str) -> str:
    """Write a figure to PATH.svg and PATH.png; the text of the SVG file.

    Parameters
    ----------
    path : Path
        The path of both files without their suffix.
    name, description : str
        As in `svg_text`.
    """
    svg, png = picture_of(figure, name=name, description=description)
    hdf5.write_text(path.with_name(f"{path.name}.svg"), svg)
    with hdf5.write_aside(path.with_name(f"{path.name}.png")) as aside:
        aside.write_bytes(png)
    return svg


def write_data(path: Path, data: pd.DataFrame, columns: Sequence[Column], *, partial: bool) -> None:
    """Write the data of a figure as CSV, like every other table; see `csv_files.write_csv`.

    Parameters
    ----------
    columns : sequence of Column
        Those of the data, and last `partial`.
    partial : bool
        Whether shards were missing, which the last column tells.
    """
    write_csv(path, [data.assign(partial=partial)], columns)


def picture_of(figure: Figure, *, name: str, description: str) -> Picture:
    """A figure as SVG and PNG in one layout; the arguments are those of `svg_text`."""
    svg = svg_text(figure, name=name, description=description)
    figure.set_layout_engine("none")  # both files have the layout of the first
    return Picture(svg, png_bytes(figure))


def _save(figure: Figure, stream: Any, **options: Any) -> None:
    with warnings.catch_warnings():  # boxes stand for letters that the font lacks
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(stream, **options)


def panels(
    n: int, *, width: float, height: float, extra_width: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """A figure of n panels side by side; `width` and `height` are those of a panel in inches."""
    total = min(FULL_WIDTH, n * width + extra_width)
    figure = Figure(figsize=(total, height), layout="constrained")
    return figure, list(figure.subplots(1, n, squeeze=False)[0])


def text_points(text: str) -> float:
    """About how wide a text is in the smallest type, in points."""
    return LETTER_EM * FONT_POINTS * max((len(line) for line in text.split("\n")), default=0)


def name_inches(names: Sequence[str]) -> float:
    """About how wide the longest name is in the smallest type, in inches."""
    return max((text_points(short_name(name)) for name in names), default=0.0) / POINTS_PER_INCH


def short_name(name: str, limit: int = MAX_NAME) -> str:
    """The name in one line; of a longer one than `limit` letters the middle is left out."""
    line = " ".join(name.split()) or name
    if len(line) <= limit:
        return line
    last = limit // 2
    return f"{line[: limit - last - 1]}…{line[-last:]}"


def label_names(axis: Any, names: Sequence[str], title: str) -> None:
    """Label the places 0, 1, 2 … of an axis with names, without marks of their own."""
    axis.set_ticks(range(len(names)), labels=[short_name(name) for name in names])
    axis.set_tick_params(length=0)
    axis.set_label_text(title)


def heat_map(axes: Axes, values: np.ndarray, *, colors: str, limits: tuple[float, float]) -> Any:
    """Cells of colour, row 0 on top; NaN stays blank. What a colour bar is drawn for.

    Parameters
    ----------
    values : (rows, columns) float64
    colors : str
        The name of matplotlib's colour map, which runs between the two `limits`.
    """
    mesh = axes.pcolormesh(
        np.arange(values.shape[1]), np.arange(values.shape[0]), np.ma.masked_invalid(values),
        shading="nearest", cmap=colors, vmin=limits[0], vmax=limits[1],
        edgecolors="white", linewidth=0.4,
    )  # fmt: skip
    axes.set_ylim(values.shape[0] - 0.5, -0.5)
    axes.spines[:].set_visible(False)
    return mesh
