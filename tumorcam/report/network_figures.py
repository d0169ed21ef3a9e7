"""Figures of the networks: what they call, how they learned, and one sample as they see it."""

from collections.abc import Iterator, Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tumorcam.explain.views import UNITS, method_name
from tumorcam.report.classifier import ClassifierSummary
from tumorcam.report.figures import (
    BLUE,
    FONT_POINTS,
    FULL_WIDTH,
    GREY,
    HALO,
    INCHES_PER_TUMOR,
    INK,
    LETTER_EM,
    MAP_INCHES,
    POINTS_PER_INCH,
    STYLE,
    CaptionedFigure,
    heat_map,
    label_names,
    name_inches,
    panels,
    short_name,
)
from tumorcam.report.line_names import LineName, axes_points, name_lines, name_points
from tumorcam.report.results import Example, Run
from tumorcam.training.artifact import LearningRecord

INCHES_PER_ROW = 0.2  # of a confusion matrix
INPUT_LIMIT = 3.0  # training SD; the colour scale of the input ends there
N_RINGS = 10  # highest pixels of the example, which are ringed and named
MAX_LABEL = 20  # letters of a gene beside the example
CURVES = {  # of a network: colour, name, unit
    "training_loss": (GREY, "training", "nats"),
    "validation_loss": (BLUE, "validation", "nats"),
    "validation_accuracy": (BLUE, "validation", "share of samples"),
}


def network_figures(run: Run, classifier: ClassifierSummary) -> Iterator[CaptionedFigure]:
    """The figures of the networks; that of an example only where the run has one."""
    confusion, tumors = classifier.scores.confusion, run.results.tumors.tolist()
    yield CaptionedFigure(
        "confusion",
        f"Held-out samples by true and called tumor, by the ensemble of {run.n_replicates} "
        "replicates. Numbers are samples.",
        confusion_figure(confusion, tumors),
        confusion_data(confusion, tumors, tumors),
    )
    networks = {key.name: network for key, network in run.networks.items()}
    yield CaptionedFigure(
        "learning",
        f"Learning curves of all {len(networks)} networks. Rings mark the epoch kept.",
        learning_figure(list(networks.values())),
        learning_data(networks),
    )
    if run.example is not None:
        yield CaptionedFigure(
            "example",
            f"Sample {run.example.sample}, held out and correctly called {run.example.tumor} by "
            f"network {run.example.model} (probability {run.example.probability:.2f}). Each pixel "
            f"is a gene; the {N_RINGS} with the highest saliency are ringed and named.",
            example_figure(run.example),
            example_data(run.example),
        )


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
    labels = tumors if labels is None else labels
    width = 0.75 + name_inches(labels) + max(MAP_INCHES, INCHES_PER_TUMOR * len(tumors))
    height = 1.2 + name_inches(tumors) + INCHES_PER_ROW * len(labels)
    figure, (axes,) = panels(1, width=width, height=height)
    share = _row_shares(confusion)
    mesh = heat_map(axes, np.nan_to_num(share), colors="Blues", limits=(0, 1))
    figure.colorbar(
        mesh, ax=axes, label="share of the true tumor's samples", location="top", shrink=0.6,
        aspect=35, pad=0.02, anchor=(0, 1),
    )  # fmt: skip
    label_names(axes.xaxis, tumors, "called tumor")
    label_names(axes.yaxis, labels, "true tumor")
    axes.tick_params(axis="x", rotation=90)
    _write_counts(figure, axes, confusion, share)
    return figure


def _write_counts(figure: Figure, axes: Axes, confusion: np.ndarray, share: np.ndarray) -> None:
    """Write counts into cells, upright; or turned, in higher rows, where two would meet."""
    digits = np.char.str_len(confusion.astype(str)) * (confusion > 0)
    width, cell = LETTER_EM * 1.05 * FONT_POINTS * digits, axes_points(axes)[0] / len(confusion.T)
    beside = (digits[:, 1:] > 0) & (digits[:, :-1] > 0)
    is_turned = bool((beside & ((width[:, 1:] + width[:, :-1]) / 2 + 1 > cell)).any())
    if is_turned:
        missing = width.max() + 3 - INCHES_PER_ROW * POINTS_PER_INCH
        more = max(0.0, missing / POINTS_PER_INCH) * len(confusion)
        figure.set_figheight(figure.get_figheight() + more)
    for row, column in np.argwhere(confusion > 0):
        axes.text(
            column, row, str(confusion[row, column]), ha="center", va="center",
            rotation=90 if is_turned else 0, color="white" if share[row, column] > 0.55 else INK,
        )  # fmt: skip


def confusion_data(
    confusion: np.ndarray, tumors: Sequence[str], labels: Sequence[str]
) -> pd.DataFrame:
    """A row for each cell of a confusion matrix; the arguments are those of `confusion_figure`.

    Parameters
    ----------
    tumors, labels : sequence of str
        The called and the true tumors.
    """
    return pd.DataFrame(
        {
            "true_tumor": np.repeat(np.array(labels, dtype=object), len(tumors)),
            "called_tumor": np.tile(np.array(tumors, dtype=object), len(labels)),
            "samples": confusion.ravel(),
            "share_of_true_tumor": _row_shares(confusion).ravel(),
        }
    )


def _row_shares(confusion: np.ndarray) -> np.ndarray:
    n = confusion.sum(axis=1, keepdims=True)
    return confusion / np.where(n > 0, n, np.nan)


@mpl.rc_context(STYLE)
def learning_figure(networks: Sequence[LearningRecord]) -> Figure:
    """Loss and validation accuracy of every network by epoch, the kept epochs ringed."""
    figure, every = panels(2, width=FULL_WIDTH / 2, height=2.4)
    faint = max(0.25, min(1.0, 6 / len(networks)))
    longest = max(networks, key=lambda network: len(network.history)).history
    for axes, columns in zip(every, (list(CURVES)[:2], list(CURVES)[2:]), strict=True):
        names = []
        for column in columns:
            color, label, _ = CURVES[column]
            for network in networks:
                history = network.history
                axes.plot(history["epoch"], history[column], color=color, lw=0.7, alpha=faint)
                if label == "validation":
                    kept = history[history["epoch"] == network.kept_epoch]
                    axes.plot(kept["epoch"], kept[column], "o", color=color, mfc="white", ms=3.5)
            end = longest[["epoch", column]].iloc[-1]
            names.append(LineName(label, color, "-", float(end["epoch"]), float(end[column])))
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        if len(columns) > 1:
            name_lines(axes, names)
    every[0].set(title="Loss", ylabel="cross-entropy (nats)")
    every[1].set(title="Validation accuracy", ylabel="share of samples")
    return figure


def learning_data(networks: Mapping[str, LearningRecord]) -> pd.DataFrame:
    """A row for each network, curve and epoch."""
    parts = []
    for name, network in networks.items():
        for column, (_, _, unit) in CURVES.items():
            part = network.history[["epoch"]].astype(int)
            parts.append(
                part.assign(
                    network=name,
                    quantity=column,
                    unit=unit,
                    value=network.history[column],
                    is_kept=part["epoch"] == network.kept_epoch,
                )
            )
    columns = ["network", "quantity", "unit", "epoch", "value", "is_kept"]
    return pd.concat(parts, ignore_index=True)[columns]


@mpl.rc_context(STYLE)
def example_figure(example: Example) -> Figure:
    """The input image of a sample beside its saliency, the highest pixels ringed and named."""
    names_width = 1.6
    width = (FULL_WIDTH - names_width) / 2
    figure, every = panels(2, width=width, height=3.4, extra_width=names_width)
    limits = (INPUT_LIMIT, float(np.abs(example.saliency).max()) or 1.0)
    titles = ("Input: expression", f"Saliency: {method_name(example.method)}")
    units = ("training SD from the mean", f"signed, {UNITS[example.method]}")
    order = highest_pixels(example)
    rows, columns = np.divmod(example.pixel[order], example.image.shape[1])
    n_rows, n_columns = example.image.shape
    for axes, image, title, unit, limit, colors in zip(
        every, (example.image, example.saliency), titles, units, limits, ("RdBu_r", "PuOr_r"),
        strict=True,
    ):  # fmt: skip
        heat = axes.imshow(
            image, cmap=colors, vmin=-limit, vmax=limit, interpolation="nearest",
            aspect="equal" if n_rows == n_columns else "auto",
        )  # fmt: skip
        figure.colorbar(
            heat, ax=axes, orientation="horizontal", label=unit, shrink=0.8, pad=0.04,
            ticks=MaxNLocator(4), format="%g",
        )  # fmt: skip
        axes.set(title=title, xticks=[], yticks=[])
        axes.plot(
            columns, rows, "o", mfc="none", mec=INK, mew=0.9, ms=7, path_effects=HALO,
            clip_on=False,
        )  # fmt: skip
    labels = example.labels[order].tolist()
    texts = [f"{i}  {short_name(label, MAX_LABEL)}" for i, label in enumerate(labels, start=1)]
    points = np.column_stack([columns, rows])
    name_points(every[1], texts, points, gap=1 / (N_RINGS + 1), colors=[INK] * len(texts))
    return figure


def highest_pixels(example: Example) -> np.ndarray:
    """(rings,) int: the genes and decoys with the highest saliency, as indices of `labels`."""
    return np.argsort(-example.saliency.ravel()[example.pixel], kind="stable")[:N_RINGS]


def example_data(example: Example) -> pd.DataFrame:
    """A row for each pixel that has a gene or a decoy; `ring` numbers the highest, from 1."""
    row, column = np.divmod(example.pixel, example.image.shape[1])
    ring, order = np.zeros(len(example.pixel), int), highest_pixels(example)
    ring[order] = np.arange(1, len(order) + 1)
    return pd.DataFrame(
        {
            "gene": example.labels,
            "row": row,
            "column": column,
            "expression_training_sd": example.image.ravel()[example.pixel],
            "saliency": example.saliency.ravel()[example.pixel],
            "saliency_unit": UNITS[example.method],
            "ring": ring,
        }
    )
