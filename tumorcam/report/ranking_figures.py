"""Figures of the rankings: genes by tumor, decoys, and how stable learned genes are."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from scipy.cluster import hierarchy

from tumorcam.explain.views import method_name
from tumorcam.report.figures import (
    BLUE,
    FULL_WIDTH,
    GREY,
    INCHES_PER_TUMOR,
    INK,
    MAP_INCHES,
    STYLE,
    VIEW_COLORS,
    CaptionedFigure,
    heat_map,
    label_names,
    name_inches,
    short_name,
)
from tumorcam.report.line_names import LineName, decade_ticks, name_lines, sparse_ticks
from tumorcam.report.overlap_figure import (
    MAX_OVERLAPS,
    find_overlaps,
    overlap_data,
    overlap_figure,
)
from tumorcam.report.results import Run
from tumorcam.report.summary import RankingSummary
from tumorcam.significance.statistics import LEARNED
from tumorcam.significance.tables import Ranking

GENES_PER_TUMOR = 3  # in the heat map
MAX_HEAT_MAP_ROWS = 60  # a page of a journal has room for so many genes in the smallest type
GENE_INCHES, TREE_INCHES = 0.125, 0.35  # height of a gene; size of a dendrogram
DECOY_COLUMNS = 3  # panels side by side
MAX_STABLE = 40  # pairs of tumor and gene in the figure of stability
MAX_STABLE_NAME = 19  # letters of a tumor, and of a gene, beside each other
CHANCE_REPLICATION = 1 / 3  # of a gene that no network uses: above both scores of its decoy


class Clustered(NamedTuple):
    """An order of rows in which like ones are neighbours, and the lines of its dendrogram.

    `order` (rows,) int; `lines` (merges, 4, 2) float64 are points of (place among the rows,
    distance).
    """

    order: np.ndarray
    lines: np.ndarray


def figure_names(run: Run) -> list[str]:
    """Names of the figures that `ranking_figures` yields."""
    learned = run.results.evidence(run.first_ranking) == LEARNED
    names = ["genes", "decoys"] + ["overlaps"] * bool((learned.sum(axis=0) > 1).any())
    return names + ["stability"] * bool(learned.any())


def ranking_figures(
    run: Run, first: Ranking, rankings: Sequence[RankingSummary]
) -> Iterator[CaptionedFigure]:
    """The figures of the rankings; `first` is the one that comes first on the page."""
    tumors, names = run.results.tumors.tolist(), figure_names(run)
    top, learned = heat_map_genes(first.rank), first.is_learned
    curves: dict[str, dict[str, pd.DataFrame]] = {}
    for ranking in rankings:
        curves.setdefault(ranking.key.method, {})[ranking.key.view] = ranking.decoy_curve
    part = first.score[:, top], learned[:, top], tumors, run.results.genes[top].tolist()
    yield CaptionedFigure(
        "genes",
        f"Top {GENES_PER_TUMOR} genes of every tumor by {first.key.title}, at most "
        f"{MAX_HEAT_MAP_ROWS} genes. Colour: score as a share of the gene's largest absolute "
        "score; dots: graded learned. Tumors and genes with like shares stand side by side "
        "(average linkage of Euclidean distances).",
        heat_map_figure(*part),
        heat_map_data(*part),
    )
    yield CaptionedFigure(
        "decoys",
        "Number of (tumor, gene) pairs that can be called, and number of those that are false by "
        "the estimate from the decoys. Pairs are called up to the last point at which "
        "the line is not above the dashed one.",
        decoy_figure(curves, run.config.significance.q_decoy),
        decoy_data(curves),
    )
    if "overlaps" in names:
        parts = find_overlaps(learned)
        more = len(parts.shared) - MAX_OVERLAPS
        rest = f" {more:,} more intersections are in the CSV file." if more > 0 else ""
        yield CaptionedFigure(
            "overlaps",
            f"Learned genes that tumors share, by {first.key.title}. Above: number of genes that "
            "are learned in exactly the tumors with a dot. Left: learned genes of each tumor; the "
            f"dark part is learned in no other tumor.{rest}",
            overlap_figure(parts, tumors),
            overlap_data(parts, tumors, run.results.genes.tolist()),
        )
    if "stability" in names:
        table = stability_data(first, run.results.tumors, run.results.genes)
        yield CaptionedFigure(
            "stability",
            f"How stable the best {len(table):,} of {int(learned.sum()):,} learned pairs of tumor "
            f"and gene are, by {first.key.title}. Left: rank with its 95 % bootstrap interval over "
            "patients. Right: share of the networks in which the gene stands above its decoy; "
            "dashed: the least for a learned gene, dotted: about what chance gives.",
            stability_figure(table, run.config.significance.replication),
            table,
        )


def heat_map_genes(rank: np.ndarray) -> np.ndarray:
    """Indices of the genes in the heat map, which are the top three of every tumor, once.

    The first genes of all tumors come before the second ones. If no gene has a rank, these are the
    first three genes.

    Parameters
    ----------
    rank : (tumors, genes) float64
        1 is the highest score; NaN where untestable.
    """
    top = np.argsort(rank, axis=1, kind="stable")[:, :GENES_PER_TUMOR]
    has_rank = ~np.isnan(np.take_along_axis(rank, top, axis=1))
    genes = top.T[has_rank.T] if has_rank.any() else np.arange(rank.shape[1])[:GENES_PER_TUMOR]
    first = np.sort(np.unique(genes, return_index=True)[1])
    return genes[first][:MAX_HEAT_MAP_ROWS]


def gene_shares(score: np.ndarray) -> np.ndarray:
    """Scores (tumors, genes) as shares of each gene's largest absolute score; NaN stays."""
    largest = np.nan_to_num(np.abs(score)).max(axis=0)
    return score / np.where(largest > 0, largest, 1)


def cluster(values: np.ndarray) -> Clustered:
    """Rows in the optimal order of an average linkage; NaN counts as 0.

    References
    ----------
    Bar-Joseph, Gifford & Jaakkola 2001, doi:10.1093/bioinformatics/17.suppl_1.S22.
    """
    if len(values) < 2:
        return Clustered(np.arange(len(values)), np.zeros((0, 4, 2)))
    linkage = hierarchy.linkage(np.nan_to_num(values), "average", optimal_ordering=True)
    tree = hierarchy.dendrogram(linkage, no_plot=True)
    place = (np.array(tree["icoord"]) - 5) / 10  # scipy puts the leaves at 5, 15, 25 …
    lines = np.stack([place, np.array(tree["dcoord"])], axis=2)
    return Clustered(np.array(tree["leaves"]), lines)


@mpl.rc_context(STYLE)
def heat_map_figure(
    score: np.ndarray, learned: np.ndarray, tumors: Sequence[str], genes: Sequence[str]
) -> Figure:
    """Clustered heat map of tumors and top genes; dots mark the pairs that are graded learned.

    Parameters
    ----------
    score : (tumors, genes) float64
        Scores of the genes in the figure; the colour is the share of the gene's largest absolute
        score.
    learned : (tumors, genes) bool
        Pairs that are graded learned.
    """
    share = gene_shares(score)
    columns, rows = cluster(share), cluster(share.T)
    cells = INCHES_PER_TUMOR * len(tumors), GENE_INCHES * len(genes)
    width = 0.9 + name_inches(genes) + max(MAP_INCHES, cells[0]) + TREE_INCHES
    height = 1.1 + name_inches(tumors) + cells[1] + TREE_INCHES
    figure = Figure(figsize=(min(FULL_WIDTH, width), height), layout="constrained")
    grid = figure.subplots(
        2, 2, width_ratios=(max(MAP_INCHES, cells[0]), TREE_INCHES),
        height_ratios=(TREE_INCHES, max(cells[1], 0.4)),
    )  # fmt: skip
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    axes = grid[1, 0]
    ordered = np.ix_(rows.order, columns.order)
    mesh = heat_map(axes, share.T[ordered], colors="PuOr_r", limits=(-1, 1))
    gene, tumor = np.nonzero(learned.T[ordered])
    axes.plot(tumor, gene, "o", color=INK, mec="white", mew=0.5, ms=3.2, linestyle="none")
    label_names(axes.xaxis, [tumors[t] for t in columns.order], "tumor")
    label_names(axes.yaxis, [genes[g] for g in rows.order], "gene")
    axes.tick_params(axis="x", rotation=90)
    _draw_tree(grid[0, 0], columns.lines)
    _draw_tree(grid[1, 1], rows.lines[:, :, ::-1])
    grid[0, 0].set(xlim=axes.get_xlim(), ylim=(0, _tree_end(columns)))
    grid[1, 1].set(ylim=axes.get_ylim(), xlim=(0, _tree_end(rows)))
    grid[0, 1].set_axis_off()
    figure.colorbar(
        mesh, ax=list(grid.ravel()), label="score / gene's largest absolute score",
        location="top", shrink=0.6, aspect=35, pad=0.02, anchor=(0, 1),
    )  # fmt: skip
    return figure


def _draw_tree(axes: Axes, lines: np.ndarray) -> None:
    axes.add_collection(LineCollection(list(lines), colors=GREY, linewidths=0.6))
    axes.set_axis_off()


def _tree_end(clustered: Clustered) -> float:
    return 1.03 * float(clustered.lines[:, :, 1].max(initial=0.0)) or 1.0


def heat_map_data(
    score: np.ndarray, learned: np.ndarray, tumors: Sequence[str], genes: Sequence[str]
) -> pd.DataFrame:
    """A row for each cell of `heat_map_figure`; row 1 is on top, column 1 on the left.

    Parameters
    ----------
    score, learned : (tumors, genes) float64, bool
        As in `heat_map_figure`.
    tumors, genes : sequence of str
        Their names.
    """
    share = gene_shares(score)
    row, column = np.argsort(cluster(share.T).order), np.argsort(cluster(share).order)
    n_tumors, n_genes = score.shape
    return pd.DataFrame(
        {
            "tumor": np.repeat(np.array(tumors, dtype=object), n_genes),
            "gene": np.tile(np.array(genes, dtype=object), n_tumors),
            "score": score.ravel(),
            "share_of_largest": share.ravel(),
            "is_learned": learned.ravel(),
            "row": np.tile(row + 1, n_tumors),
            "column": np.repeat(column + 1, n_genes),
        }
    )


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
    n_columns = min(DECOY_COLUMNS, len(curves))
    n_rows = math.ceil(len(curves) / n_columns)
    width = FULL_WIDTH if n_columns > 1 else 4.2
    figure = Figure(figsize=(width, 2.3 * n_rows), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False)
    for axes in grid.ravel()[len(curves) :]:
        axes.set_axis_off()
    named = grid[0, -1]
    for axes, (method, views) in zip(grid.ravel(), curves.items(), strict=False):
        names = _decoy_lines(axes, views, level)
        axes.set(xscale="log", yscale="log", title=method_name(method))
        axes.set_ylim(bottom=0.5)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(numticks=4))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        if axes is named:
            name_lines(axes, names)
    figure.supxlabel("(tumor, gene) pairs called", fontsize="medium")
    figure.supylabel("of these estimated false", fontsize="medium")
    return figure


def _decoy_lines(axes: Axes, views: Mapping[str, pd.DataFrame], level: float) -> list[LineName]:
    """Draw the curves of a method and the two lines of reference; their names."""
    most = max([10.0, *(curve["genes"].max() for curve in views.values() if len(curve))])
    names = []
    for view, curve in sorted(views.items()):
        color, drawn = VIEW_COLORS[view], curve[["genes", "estimated_false"]]
        axes.plot(drawn["genes"], drawn["estimated_false"], color=color)
        drawn = drawn[drawn["estimated_false"] > 0]
        end = drawn.iloc[-1] if len(drawn) else pd.Series([np.nan, np.nan])
        names.append(LineName(view, color, "-", float(end.iloc[0]), float(end.iloc[1])))
    for slope, style, name in ((1.0, ":", "all false"), (level, "--", f"{100 * level:g} % false")):
        axes.plot([1, most], [slope, slope * most], style, color=GREY, linewidth=0.8)
        names.append(LineName(name, GREY, style, most, slope * most))
    return names


def decoy_data(curves: Mapping[str, Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    """A row for each point of the curves."""
    parts = [
        pd.DataFrame(
            {
                "method": method,
                "view": view,
                "pairs_called": curve["genes"],
                "pairs_estimated_false": curve["estimated_false"],
                "q_decoy": curve["q_decoy"],
            }
        )
        for method, views in curves.items()
        for view, curve in sorted(views.items())
    ]
    return pd.concat(parts, ignore_index=True)


def stability_data(ranking: Ranking, tumors: np.ndarray, genes: np.ndarray) -> pd.DataFrame:
    """A row for each learned pair of the figure, by tumor and rank.

    The first learned genes of all tumors come before the second ones, at most 40 in all.
    """
    tumor, gene = np.nonzero(ranking.is_learned)
    table = pd.DataFrame(
        {
            "tumor": tumors[tumor].astype(object),
            "gene": genes[gene].astype(object),
            "rank": ranking.rank[tumor, gene],
            "rank_low": ranking.rank_low[tumor, gene],
            "rank_high": ranking.rank_high[tumor, gene],
            "replication_share_of_networks": ranking.replication[tumor, gene],
        }
    ).sort_values(["tumor", "rank", "gene"], ignore_index=True)
    turn = table.groupby("tumor").cumcount()
    chosen = np.lexsort((table["rank"], turn))[:MAX_STABLE]
    return table.loc[np.sort(chosen)].reset_index(drop=True)


@mpl.rc_context(STYLE)
def stability_figure(table: pd.DataFrame, threshold: float) -> Figure:
    """Rank with its interval, and replication, of each pair of `stability_data`.

    Parameters
    ----------
    threshold : float
        The least replication of a learned gene, from 0 to 1.
    """
    names = [
        f"{short_name(tumor, MAX_STABLE_NAME)} {short_name(gene, MAX_STABLE_NAME)}"
        for tumor, gene in zip(table["tumor"], table["gene"], strict=True)
    ]
    figure = Figure(figsize=(FULL_WIDTH, 0.8 + 0.14 * len(names)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    row = np.arange(len(names))
    left.hlines(row, table["rank_low"], table["rank_high"], color=BLUE, lw=1.4, alpha=0.5)
    left.plot(table["rank"], row, "o", color=BLUE, ms=3.5)
    most = max(10.0, float(np.nanmax(table[["rank", "rank_high"]].to_numpy())))
    left.set(xscale="log", xlabel="rank among the tumor's genes, 95 % interval")
    left.set_xlim(0.8, 1.3 * most)
    right.plot(100 * table["replication_share_of_networks"], row, "o", color=INK, ms=3.5)
    right.axvline(100 * threshold, color=GREY, lw=0.8, linestyle="--")
    right.axvline(100 * CHANCE_REPLICATION, color=GREY, lw=0.8, linestyle=":")
    right.set(xlabel="replication (% of networks)", xlim=(-3, 103))
    label_names(left.yaxis, names, "")
    for axes in (left, right):
        axes.grid(axis="y", color="#e6eaee", lw=0.5)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
    sparse_ticks(left, decade_ticks(left))
    return figure
