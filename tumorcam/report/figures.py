"""The figures of the report, in colours that colour-blind readers can tell apart."""

import io
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from tumorcam.explain.views import UNITS, method_name
from tumorcam.report.results import Example
from tumorcam.storage import hdf5
from tumorcam.training.artifact import LearningRecord

# Okabe & Ito 2008, "Color Universal Design": distinct with any colour vision.
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#6b7785"
INK = "#1b2430"
VIEW_COLORS = {"contrast": BLUE, "own": ORANGE}
HALO = [withStroke(linewidth=2.2, foreground="white")]  # legible on any colour
STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.edgecolor": "#9aa5b1",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": "#4a5563",
    "ytick.color": "#4a5563",
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text, which readers can search and copy
    "text.parse_math": False,  # a gene may be called $x$
}
PNG_DOTS_PER_INCH = 160
INCHES_PER_TUMOR = 0.27
N_RINGS = 10  # highest pixels of the example, which are ringed and named
HEAT_MAP_GENES = 3  # of each tumor
MAX_HEAT_MAP_ROWS = 100


class CaptionedFigure(NamedTuple):
    """A figure of the page with its name, which is that of its files, and its caption."""

    name: str
    caption: str
    figure: Figure


@mpl.rc_context(STYLE)
def confusion_figure(
    confusion: np.ndarray, tumors: Sequence[str], labels: Sequence[str] | None = None
) -> Figure:
    """Heat map of a confusion matrix, with counts and the share of the true tumor as colour.

    Parameters
    ----------
    confusion : (labels, tumors) int
        Number of samples by true (row) and called (column) tumor.
    labels : sequence of str, or None
        The true tumors; None: the same as `tumors`.
    """
    n, labels = len(tumors), tumors if labels is None else labels
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    figure, axes = _figure(2.0 + INCHES_PER_TUMOR * n, 1.3 + INCHES_PER_TUMOR * len(labels))
    _heat_map(figure, axes, share, "Blues", (0, 1), "share of the true tumor's samples")
    for row, column in np.argwhere(confusion > 0):
        color = "white" if share[row, column] > 0.55 else INK
        text = str(confusion[row, column])
        axes.text(column, row, text, ha="center", va="center", fontsize=6.5, color=color)
    _label(axes.xaxis, tumors, "called tumor")
    _label(axes.yaxis, labels, "true tumor")
    axes.tick_params(axis="x", rotation=90)
    return figure


@mpl.rc_context(STYLE)
def learning_figure(networks: Collection[LearningRecord]) -> Figure:
    """Loss and validation accuracy of every network by epoch, the kept epochs ringed."""
    figure, every = panels(2, width=4.4, height=2.7)
    curves = (
        (every[0], "training_loss", GREY, "training"),
        (every[0], "validation_loss", BLUE, "validation"),
        (every[1], "validation_accuracy", BLUE, "validation"),
    )
    faint = max(0.25, min(1.0, 6 / len(networks)))
    for axes, column, color, label in curves:
        for network in networks:
            history = network.history
            axes.plot(history["epoch"], history[column], color=color, lw=0.7, alpha=faint)
            if label == "validation":
                kept = history[history["epoch"] == network.kept_epoch]
                axes.plot(kept["epoch"], kept[column], "o", color=color, mfc="white", ms=3.5)
        axes.plot([], [], color=color, label=label)
    every[0].set(title="Loss", xlabel="epoch", ylabel="cross-entropy (nats)")
    every[1].set(title="Validation accuracy", xlabel="epoch", ylabel="share of samples")
    every[0].legend()
    for axes in every:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


@mpl.rc_context(STYLE)
def decoy_figure(curves: Mapping[str, Mapping[str, pd.DataFrame]], level: float) -> Figure:
    """Estimated number of false pairs by number of called pairs, for every method and view.

    Parameters
    ----------
    curves : mapping
        Name of a method to a mapping from a view to its decoy curve, a table with the columns
        genes and estimated_false.
    level : float
        The q_decoy up to which genes are called; a dashed line shows it.

    Returns
    -------
    Figure
        A panel for each method, a line for each view.
    """
    figure, every = panels(len(curves), width=3.1, height=2.9)
    for axes, (method, views) in zip(every, curves.items(), strict=True):
        for view, curve in sorted(views.items()):
            color = VIEW_COLORS[view]
            axes.plot(curve["genes"], curve["estimated_false"], color=color, label=view)
        most = max([10.0, *(curve["genes"].max() for curve in views.values() if len(curve))])
        called = np.array([1.0, most])
        axes.plot(called, called, ":", color=GREY, linewidth=0.8, label="all false")
        axes.plot(
            called,
            level * called,
            "--",
            color=GREY,
            linewidth=0.8,
            label=f"{100 * level:g} % false",
        )
        axes.set(
            xscale="log",
            yscale="log",
            title=method_name(method),
            xlabel="(tumor, gene) pairs called",
        )
        axes.set_ylim(bottom=0.5)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(
                lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"
            )
    every[0].set_ylabel("of these estimated false")
    every[0].legend()
    return figure


def heat_map_genes(rank: np.ndarray) -> np.ndarray:
    """Indices of the genes in the heat map, which are the top three of every tumor, once.

    Parameters
    ----------
    rank : (tumors, genes) float64
        1 is the highest score; NaN where untestable.
    """
    top = np.argsort(rank, axis=1, kind="stable")[:, :HEAT_MAP_GENES].ravel()
    first = np.sort(np.unique(top, return_index=True)[1])
    return top[first][:MAX_HEAT_MAP_ROWS]


@mpl.rc_context(STYLE)
def heat_map_figure(
    score: np.ndarray, learned: np.ndarray, tumors: Sequence[str], genes: Sequence[str]
) -> Figure:
    """Heat map of tumors and top genes; dots mark the pairs that are graded learned.

    Parameters
    ----------
    score : (tumors, genes) float64
        Scores of the genes in the figure; the colour is the share of the gene's largest absolute
        score.
    learned : (tumors, genes) bool
        Pairs that are graded learned.
    """
    largest = np.nan_to_num(np.abs(score)).max(axis=0)
    share = (score / np.where(largest > 0, largest, 1)).T
    height = 1.4 + 0.155 * len(genes)
    figure, axes = _figure(2.6 + INCHES_PER_TUMOR * len(tumors), height)
    _heat_map(figure, axes, share, "PuOr_r", (-1, 1), "score / gene's largest absolute score")
    gene, tumor = np.nonzero(learned.T)
    axes.plot(tumor, gene, "o", color=INK, ms=1.8, linestyle="none")
    _label(axes.xaxis, tumors, "tumor")
    _label(axes.yaxis, genes, "gene")
    axes.tick_params(axis="x", rotation=90)
    axes.tick_params(axis="y", labelsize=6.5)
    return figure


@mpl.rc_context(STYLE)
def example_figure(example: Example) -> Figure:
    """The input image of a sample beside its saliency, the highest pixels ringed and named."""
    figure, every = panels(2, width=3.3, height=3.9, extra_width=1.3)
    limits = (3.0, float(np.abs(example.saliency).max()) or 1.0)
    images = (example.image, example.saliency)
    titles = ("Input: expression", f"Saliency: {method_name(example.method)}")
    units = ("training SD from the mean", f"signed, {UNITS[example.method]}")
    order = np.argsort(-example.saliency.ravel()[example.pixel], kind="stable")[:N_RINGS]
    side = example.image.shape[1]
    for axes, image, title, unit, limit, colors in zip(
        every, images, titles, units, limits, ("RdBu_r", "PuOr_r"), strict=True
    ):
        heat = axes.imshow(image, cmap=colors, vmin=-limit, vmax=limit, interpolation="nearest")
        figure.colorbar(heat, ax=axes, orientation="horizontal", label=unit, shrink=0.8, pad=0.04)
        axes.set(title=title, xticks=[], yticks=[])
        for number, feature in enumerate(order, start=1):
            row, column = divmod(int(example.pixel[feature]), side)
            axes.plot(
                column, row, "o", mfc="none", mec=INK, mew=0.9, ms=7, path_effects=HALO,
            )  # fmt: skip
            axes.annotate(
                str(number), (column, row), (4, 3), textcoords="offset points", fontsize=6.5,
                path_effects=HALO,
            )  # fmt: skip
    names = [f"{i}  {example.labels[feature]}" for i, feature in enumerate(order, start=1)]
    every[1].text(
        1.06, 0.98, "\n".join(names), transform=every[1].transAxes, va="top", linespacing=1.6
    )
    return figure


def svg_text(figure: Figure, *, name: str, description: str) -> str:
    """The figure as an SVG element; equal figures give equal text.

    Parameters
    ----------
    name : str
        The name of the figure. It is part of all IDs in the text, so that two figures on a page
        have no ID in common.
    description : str
        What a screen reader reads out.
    """
    stream = io.StringIO()
    with mpl.rc_context(STYLE | {"svg.hashsalt": name}):
        _save(figure, stream, format="svg", metadata={"Date": None, "Title": description})
    text = stream.getvalue()
    svg = text[text.index("<svg") :].replace("<svg ", '<svg role="img" ', 1)
    for number in ("figure", "axes"):  # numbered alike in every figure
        svg = svg.replace(f'id="{number}_', f'id="{name}-{number}_')
    return svg


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


def picture_of(figure: Figure, *, name: str, description: str) -> Picture:
    """A figure as SVG and PNG in one layout; the arguments are those of `svg_text`."""
    svg = svg_text(figure, name=name, description=description)
    figure.set_layout_engine("none")  # both files have the layout of the first
    return Picture(svg, png_bytes(figure))


def _save(figure: Figure, stream: Any, **options: Any) -> None:
    with warnings.catch_warnings():  # boxes stand for letters that the font lacks
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(stream, **options)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure, axes = panels(1, width=width, height=height)
    return figure, axes[0]


def panels(
    n: int, *, width: float, height: float, extra_width: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """A figure of n panels side by side; `width` and `height` are those of a panel in inches."""
    figure = Figure(figsize=(n * width + extra_width, height), layout="constrained")
    return figure, list(figure.subplots(1, n, squeeze=False)[0])


def _heat_map(
    figure: Figure,
    axes: Axes,
    values: np.ndarray,
    colors: str,
    limits: tuple[float, float],
    unit: str,
) -> None:
    mesh = axes.pcolormesh(
        np.arange(values.shape[1]), np.arange(values.shape[0]), np.ma.masked_invalid(values),
        shading="nearest", cmap=colors, vmin=limits[0], vmax=limits[1],
        edgecolors="white", linewidth=0.4,
    )  # fmt: skip
    axes.invert_yaxis()
    figure.colorbar(
        mesh, ax=axes, label=unit, location="top", shrink=0.5, aspect=35, pad=0.02, anchor=(0, 1)
    )
    axes.spines[:].set_visible(False)


def _label(axis: Any, names: Sequence[str], title: str) -> None:
    axis.set_ticks(range(len(names)), labels=list(names))
    axis.set_tick_params(length=0)
    axis.set_label_text(title)
