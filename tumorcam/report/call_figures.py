"""The figures of the report of new samples."""

from collections.abc import Iterator, Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tumorcam.report.call_results import Application, calibration_error, label_confusion
from tumorcam.report.figures import (
    BLUE,
    COLUMN_WIDTH,
    FULL_WIDTH,
    GREY,
    ORANGE,
    STYLE,
    CaptionedFigure,
    panels,
)
from tumorcam.report.line_names import (
    LineName,
    decade_ticks,
    name_lines,
    name_vertical,
    sparse_ticks,
)
from tumorcam.report.network_figures import confusion_data, confusion_figure
from tumorcam.significance.classification import reliability_table

N_BINS = 40
MAX_SHIFT = 3.0  # training SDs at the end of the axis
WIDE_NAME = 40  # letters in a line of a name beside the only panel
LEGEND_HEIGHT = 1.06  # in heights of the panel; the name of a vertical line stands below
MIN_LABEL_STEP = 0.09  # of the share of missing genes between two points with a number


def call_figures(application: Application) -> Iterator[CaptionedFigure]:
    """All figures of the page, one at a time."""
    counts, labels = label_confusion(application)
    tumors = application.cohort.tumors.tolist()
    if len(labels):
        yield CaptionedFigure(
            "confusion",
            "Samples by the tumor type in the samples table and the call. Numbers are samples. "
            "Rows below the run’s own tumors are types that the networks never saw.",
            confusion_figure(counts, tumors, labels),
            confusion_data(counts, tumors, labels),
        )
    yield CaptionedFigure(
        "calibration",
        "How often a call is right, by its probability: of the run’s own held-out samples, before "
        "and after calibration, and of the new samples with a label. Points on the dashed line are "
        "as sure as they are right.",
        calibration_figure(application),
        calibration_data(application),
    )
    yield CaptionedFigure(
        "unlike",
        "Distance to the nearest tumor of the run: its own held-out samples and the new ones. "
        "Samples to the right of the line are flagged as unlike anything.",
        distance_figure(application),
        distance_data(application),
    )
    yield CaptionedFigure(
        "missing",
        "Accuracy on the run’s own held-out samples when a share of the genes is taken away at "
        "random. The line marks the sample that lacks most genes here.",
        missing_figure(application),
        missing_data(application),
    )
    if application.calls.shift.genes["shift"].notna().any():
        yield CaptionedFigure(
            "shift",
            "How far genes are shifted against the training cohort: the plain difference, and the "
            "difference to samples of the tumor that each sample is called.",
            shift_figure(application),
            shift_data(application),
        )


@mpl.rc_context(STYLE)
def calibration_figure(application: Application) -> Figure:
    """Share of right calls by probability."""
    figure, (axes,) = panels(1, width=FULL_WIDTH, height=3.2)
    axes.plot([0, 1], [0, 1], "--", color=GREY, linewidth=0.8)
    names = [LineName("as sure as right", GREY, "--", 1.0, 1.0)]
    for name, (table, color) in _reliabilities(application).items():
        axes.plot(table["confidence"], table["accuracy"], "-", color=color, linewidth=0.9)
        size = 8 + 60 * np.sqrt(table["samples"] / table["samples"].sum())
        axes.scatter(table["confidence"], table["accuracy"], size, color)
        text = f"{name} (error {calibration_error(table):.3f})"
        end = table[["confidence", "accuracy"]].iloc[-1]
        names.append(LineName(text, color, "-", *map(float, end)))
    axes.set(xlabel="probability of the call", ylabel="share of right calls", xlim=(0, 1.02))
    axes.set_ylim(0, 1.05)
    name_lines(axes, names, letters=WIDE_NAME)
    return figure


def _reliabilities(application: Application) -> dict[str, tuple[pd.DataFrame, str]]:
    """The bins with samples, and the colour, of each group of samples."""
    calibration, tumor = application.reference.calibration, application.trained.tumor
    groups = {
        "held out, before": (calibration.before, tumor, GREY),
        "held out, calibrated": (calibration.after, tumor, BLUE),
    }
    has_label = application.has_label
    if has_label.any():
        labels = application.labelled.tumor[has_label]
        groups["new samples"] = application.calls.calibrated[has_label], labels, ORANGE
    tables = {
        name: (reliability_table(probability, own), color)
        for name, (probability, own, color) in groups.items()
    }
    return {name: (table[table["samples"] > 0], color) for name, (table, color) in tables.items()}


def calibration_data(application: Application) -> pd.DataFrame:
    """A row for each point of `calibration_figure`."""
    parts = [
        table.rename(columns={"low": "probability_low", "high": "probability_high"})
        .rename(columns={"confidence": "mean_probability", "accuracy": "share_right"})
        .assign(group=name)
        for name, (table, _) in _reliabilities(application).items()
    ]
    columns = "group probability_low probability_high samples mean_probability share_right"
    return pd.concat(parts, ignore_index=True)[columns.split()]


def _distance_bins(application: Application) -> pd.DataFrame:
    """A row for each group of samples and bin of the distance."""
    own, new = application.reference.distance, application.calls.distance
    both = np.concatenate([own, new])
    low = both[both > 0].min(initial=1.0)
    edges = np.geomspace(low, max(both.max(), low) * 1.01, N_BINS)
    return _bins({"held out": own, "new samples": new}, edges, "share_of_samples", is_share=True)


def _bins(
    values: Mapping[str, np.ndarray], edges: np.ndarray, name: str, *, is_share: bool
) -> pd.DataFrame:
    """A row for each group and bin with its edges; numbers or shares stand in column `name`."""
    parts = []
    for group, numbers in values.items():
        count, _ = np.histogram(numbers.clip(edges[0], edges[-1]), edges)
        height = count / max(len(numbers), 1) if is_share else count
        parts.append(
            pd.DataFrame({"group": group, "low": edges[:-1], "high": edges[1:], name: height})
        )
    return pd.concat(parts, ignore_index=True)


def _draw_bins(axes: Axes, table: pd.DataFrame, name: str, colors: Sequence[str]) -> None:
    """Draw the first group as an area and the second as a line, which differ in grey, too."""
    for i, (group, part) in enumerate(table.groupby("group", sort=False)):
        edges = [*part["low"], part["high"].iloc[-1]]
        is_area = i == 0
        axes.stairs(
            part[name], edges, fill=is_area, color=colors[i], alpha=0.5 if is_area else 1.0,
            linewidth=1.2, label=str(group),
        )  # fmt: skip
    axes.legend(loc="lower left", bbox_to_anchor=(0, LEGEND_HEIGHT), ncols=2, borderaxespad=0.2)


@mpl.rc_context(STYLE)
def distance_figure(application: Application) -> Figure:
    """Histograms of the distance to the nearest tumor, and the limit."""
    figure, (axes,) = panels(1, width=FULL_WIDTH, height=2.6)
    _draw_bins(axes, _distance_bins(application), "share_of_samples", (GREY, ORANGE))
    share = application.config.apply.false_alarms
    limit = float(np.quantile(application.reference.distance, 1 - share))
    axes.axvline(limit, color=BLUE, linewidth=1)
    axes.set(xlabel="distance (SDs within a tumor)", ylabel="share of samples", xscale="log")
    name = f"limit, {100 * share:g} % false alarms"
    name_vertical(axes, name, limit)
    sparse_ticks(axes, decade_ticks(axes))
    return figure


def distance_data(application: Application) -> pd.DataFrame:
    """A row for each bar of `distance_figure`."""
    table = _distance_bins(application)
    return table.rename(columns={"low": "distance_low_sd", "high": "distance_high_sd"})


@mpl.rc_context(STYLE)
def missing_figure(application: Application) -> Figure:
    """Accuracy by the share of missing genes."""
    figure, (axes,) = panels(1, width=FULL_WIDTH, height=2.6)
    curve = application.reference.missing
    axes.plot(100 * curve["share"], 100 * curve["accuracy"], "o-", color=BLUE, ms=4)
    last = -np.inf
    for share, accuracy in curve[["share", "accuracy"]].itertuples(index=False):
        if share - last > MIN_LABEL_STEP:
            axes.annotate(f"{100 * accuracy:.1f}", (100 * share, 100 * accuracy), (0, 5),
                          textcoords="offset points", ha="center")  # fmt: skip
            last = share
    largest = 100 * float(application.missing_share.max())
    axes.axvline(largest, color=ORANGE, linewidth=1)
    axes.set(xlabel="genes missing (%)", ylabel="right calls (%)", ylim=(0, 112))
    name_vertical(axes, "most that a new sample lacks", largest)
    return figure


def missing_data(application: Application) -> pd.DataFrame:
    """A row for each point of `missing_figure`."""
    curve = application.reference.missing
    return pd.DataFrame(
        {
            "genes_missing_percent": 100 * curve["share"],
            "right_calls_percent": 100 * curve["accuracy"],
        }
    )


def _shift_bins(application: Application) -> pd.DataFrame:
    genes: pd.DataFrame = application.calls.shift.genes
    names = {"plain": "shift", "against the called tumor": "shift_within"}
    values = {name: genes[column].dropna().to_numpy() for name, column in names.items()}
    edges = np.linspace(-MAX_SHIFT, MAX_SHIFT, 2 * N_BINS)
    return _bins(values, edges, "genes", is_share=False)


@mpl.rc_context(STYLE)
def shift_figure(application: Application) -> Figure:
    """Histograms of the shifts of all genes."""
    figure, (axes,) = panels(1, width=1.5 * COLUMN_WIDTH, height=2.6)
    _draw_bins(axes, _shift_bins(application), "genes", (GREY, BLUE))
    axes.set(xlabel="shift (training SDs)", ylabel="genes")
    return figure


def shift_data(application: Application) -> pd.DataFrame:
    """A row for each bar of `shift_figure`; the outer bars hold all genes beyond them."""
    table = _shift_bins(application)
    return table.rename(columns={"low": "shift_low_sd", "high": "shift_high_sd"})
