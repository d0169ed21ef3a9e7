"""The figures of the report of new samples."""

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tumorcam.report.call_results import Application, calibration_error, label_confusion
from tumorcam.report.figures import (
    BLUE,
    GREY,
    ORANGE,
    STYLE,
    CaptionedFigure,
    confusion_figure,
    panels,
)
from tumorcam.significance.classification import reliability_table

N_BINS = 40
MAX_SHIFT = 3.0  # training SDs at the end of the axis


def call_figures(application: Application) -> Iterator[CaptionedFigure]:
    """All figures of the page, one at a time."""
    counts, labels = label_confusion(application)
    if len(labels):
        yield CaptionedFigure(
            "confusion",
            "Samples by the tumor type in the samples table and the call. Numbers are samples. "
            "Rows below the run’s own tumors are types that the networks never saw.",
            confusion_figure(counts, application.cohort.tumors.tolist(), labels),
        )
    yield CaptionedFigure(
        "calibration",
        "How often a call is right, by its probability: of the run’s own held-out samples, before "
        "and after calibration, and of the new samples with a label. Points on the dashed line are "
        "as sure as they are right.",
        calibration_figure(application),
    )
    yield CaptionedFigure(
        "unlike",
        "Distance to the nearest tumor of the run: its own held-out samples and the new ones. "
        "Samples to the right of the line are flagged as unlike anything.",
        distance_figure(application),
    )
    yield CaptionedFigure(
        "missing",
        "Accuracy on the run’s own held-out samples when a share of the genes is taken away at "
        "random. The line marks the sample that lacks most genes here.",
        missing_figure(application),
    )
    if application.calls.shift.genes["shift"].notna().any():
        yield CaptionedFigure(
            "shift",
            "How far genes are shifted against the training cohort: the plain difference, and the "
            "difference to samples of the tumor that each sample is called.",
            shift_figure(application),
        )


@mpl.rc_context(STYLE)
def calibration_figure(application: Application) -> Figure:
    """Share of right calls by probability."""
    figure, (axes,) = panels(1, width=4.2, height=3.4)
    axes.plot([0, 1], [0, 1], "--", color=GREY, linewidth=0.8)
    calibration, tumor = application.reference.calibration, application.trained.tumor
    _reliability(axes, calibration.before, tumor, GREY, "held out, before")
    _reliability(axes, calibration.after, tumor, BLUE, "held out, calibrated")
    has_label = application.has_label
    if has_label.any():
        labels = application.labelled.tumor[has_label]
        _reliability(axes, application.calls.calibrated[has_label], labels, ORANGE, "new samples")
    axes.set(xlabel="probability of the call", ylabel="share of right calls", xlim=(0, 1.02))
    axes.set_ylim(0, 1.05)
    axes.legend(loc="upper left")
    return figure


def _reliability(
    axes: Axes, probability: np.ndarray, tumor: np.ndarray, color: str, name: str
) -> None:
    table = reliability_table(probability, tumor)
    error = calibration_error(table)
    table = table[table["samples"] > 0]
    axes.plot(table["confidence"], table["accuracy"], "-", color=color, linewidth=0.9)
    size = 8 + 60 * np.sqrt(table["samples"] / table["samples"].sum())
    axes.scatter(
        table["confidence"], table["accuracy"], size, color, label=f"{name} (error {error:.3f})"
    )


@mpl.rc_context(STYLE)
def distance_figure(application: Application) -> Figure:
    """Histograms of the distance to the nearest tumor, and the limit."""
    figure, (axes,) = panels(1, width=5.2, height=2.8)
    own, new = application.reference.distance, application.calls.distance
    edges = np.geomspace(min(own.min(), new.min()), max(own.max(), new.max()) * 1.01, N_BINS)
    for values, color, name in ((own, GREY, "held out"), (new, ORANGE, "new samples")):
        weights = np.full(len(values), 1 / len(values))
        axes.hist(values, edges.tolist(), weights=weights, color=color, alpha=0.6, label=name)
    limit = np.quantile(own, 1 - application.config.apply.false_alarms)
    axes.axvline(limit, color=BLUE, linewidth=1)
    share = application.config.apply.false_alarms
    axes.text(limit, axes.get_ylim()[1], f" limit, {100 * share:g} % false alarms", va="top")
    axes.set(xlabel="distance (SDs within a tumor)", ylabel="share of samples", xscale="log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.legend(loc="upper left")
    return figure


@mpl.rc_context(STYLE)
def missing_figure(application: Application) -> Figure:
    """Accuracy by the share of missing genes."""
    figure, (axes,) = panels(1, width=4.2, height=2.8)
    curve = application.reference.missing
    axes.plot(100 * curve["share"], 100 * curve["accuracy"], "o-", color=BLUE, ms=4)
    for share, accuracy in curve[["share", "accuracy"]].itertuples(index=False):
        axes.annotate(f"{100 * accuracy:.1f}", (100 * share, 100 * accuracy), (0, 6),
                      textcoords="offset points", ha="center")  # fmt: skip
    axes.axvline(100 * application.missing_share.max(), color=ORANGE, linewidth=1)
    axes.set(xlabel="genes missing (%)", ylabel="right calls (%)", ylim=(0, 108))
    return figure


@mpl.rc_context(STYLE)
def shift_figure(application: Application) -> Figure:
    """Histograms of the shifts of all genes."""
    figure, (axes,) = panels(1, width=5.2, height=2.8)
    genes: pd.DataFrame = application.calls.shift.genes
    edges = np.linspace(-MAX_SHIFT, MAX_SHIFT, 2 * N_BINS)
    names = {"shift": (GREY, "plain"), "shift_within": (BLUE, "against the called tumor")}
    for column, (color, name) in names.items():
        values = genes[column].dropna().clip(-MAX_SHIFT, MAX_SHIFT)
        axes.hist(values, edges.tolist(), color=color, alpha=0.6, label=name)
    axes.set(xlabel="shift (training SDs)", ylabel="genes")
    axes.legend(loc="upper left")
    return figure
