import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from figure_geometry import drawing_problems, svg_problems
from made_up_run import finish_run

from tumorcam.explain.views import RankingKey
from tumorcam.report import figures, ranking_figures
from tumorcam.report.results import read_run

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def run(tiny_run):
    return read_run(finish_run(tiny_run))


def texts(figure, name="f"):
    svg = figures.svg_text(figure, name=name, description="of a test. More of it.")
    assert not svg_problems(svg) + drawing_problems(figure)
    return [element.text for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_the_heat_map_takes_first_genes_of_all_tumors_before_second_ones():
    rank = np.array([[1, 2, 3, 4, 5], [2, 1, 5, 3, 4], [np.nan, 4, 3, 2, 1]])
    assert ranking_figures.heat_map_genes(rank).tolist() == [0, 1, 4, 3, 2]
    rank = np.array([[5, 4, 3, 2, 1], [5, 4, 3, 2, 1]])
    assert ranking_figures.heat_map_genes(rank).tolist() == [4, 3, 2]


def test_a_tumor_without_ranks_brings_no_gene_into_the_heat_map():
    rank = np.array([[np.nan] * 4, [4, 3, 2, 1]])
    assert ranking_figures.heat_map_genes(rank).tolist() == [3, 2, 1]
    assert ranking_figures.heat_map_genes(np.full((2, 4), np.nan)).tolist() == [0, 1, 2]


def test_like_rows_become_neighbours_whatever_their_order():
    rows = np.array([[1.0, 0, 0], [0, 0, 1], [0.9, 0, 0.1], [0, 0.1, 0.9]])
    order = ranking_figures.cluster(rows).order.tolist()
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset({0, 2}), frozenset({1, 3})}
    assert ranking_figures.cluster(rows).order.tolist() == order
    lines = ranking_figures.cluster(rows).lines
    assert lines.shape == (3, 4, 2) and lines[:, :, 0].max() <= 3 and lines[:, :, 0].min() >= 0


def test_a_heat_map_may_have_unknown_and_zero_scores():
    score = np.array([[0.0, np.nan, 2.0], [0.0, 1.0, -4.0]])
    part = score, score > 1, ["A", "B"], ["G", "H", "K"]
    data = ranking_figures.heat_map_data(*part)
    assert data["share_of_largest"].fillna(9).tolist() == [0.0, 9.0, 0.5, 0.0, 1.0, -1.0]
    assert data.loc[data["is_learned"], ["tumor", "gene"]].to_numpy().tolist() == [["A", "K"]]
    figure = ranking_figures.heat_map_figure(*part)
    grid = next(axes for axes in figure.axes if axes.collections and axes.axison)
    shares = grid.collections[0].get_array().filled(9)
    for row in data.itertuples():
        value = shares.reshape(3, 2)[row.row - 1, row.column - 1]
        assert value == (9 if np.isnan(row.share_of_largest) else row.share_of_largest)
    assert {"A", "B", "G", "H", "K"} <= set(texts(figure))


@pytest.mark.parametrize("shape", [(2, 1), (1, 1), (3, 2)])
def test_a_heat_map_of_one_gene_or_without_any_score_is_drawn(shape):
    for score in (np.ones(shape), np.full(shape, np.nan)):
        tumors, genes = [f"T{i}" for i in range(shape[0])], [f"G{i}" for i in range(shape[1])]
        figure = ranking_figures.heat_map_figure(score, score > 2, tumors, genes)
        assert set(genes) <= set(texts(figure))


def test_the_decoy_curve_may_be_empty(run):
    methods = ("gradient_x_input", "guided_grad_cam")
    first, second = (run.results.ranking(RankingKey(m, "own")).decoy_curve for m in methods)
    curves = {methods[0]: {"own": first}, methods[1]: {"own": second[:0]}}
    words = texts(ranking_figures.decoy_figure(curves, 0.05))
    assert "Gradient × input" in words
    assert "5 % false" in words and "own" in words
    assert len(ranking_figures.decoy_data(curves)) == len(first)


@pytest.mark.parametrize("n_methods", [1, 4, 9])
def test_panels_of_decoys_fill_rows_of_three(run, n_methods):
    curve = run.results.ranking(RankingKey("gradient_x_input", "own")).decoy_curve
    curves = {f"method {i}": {"own": curve, "contrast": curve} for i in range(n_methods)}
    figure = ranking_figures.decoy_figure(curves, 0.05)
    assert {f"method {i}" for i in range(n_methods)} <= set(texts(figure))


def test_stable_pairs_are_learned_and_take_turns(run):
    ranking = run.results.ranking(run.first_ranking)
    evidence = np.full(ranking.evidence.shape, "none", dtype="U17")
    evidence[0], evidence[2, :3] = "learned", "learned"
    ranking = ranking.__class__(**{**vars(ranking), "evidence": evidence})
    table = ranking_figures.stability_data(ranking, run.results.tumors, run.results.genes)
    assert len(table) == 39 and table["tumor"].value_counts().to_dict() == {"ACC": 36, "COAD": 3}
    evidence[:] = "learned"
    table = ranking_figures.stability_data(ranking, run.results.tumors, run.results.genes)
    assert table["tumor"].value_counts().to_list() == [10] * 4
    assert (table.groupby("tumor")["rank"].max() == 10).all()
    assert table["rank"].groupby(table["tumor"]).is_monotonic_increasing.all()


@pytest.mark.parametrize("largest", [3.0, 18_765.0])
def test_stability_names_tumor_and_gene_and_keeps_long_names_apart(largest):
    table = pd.DataFrame(
        {
            "tumor": ["A" * 40, "B"],
            "gene": ["G1", "$G_2$" * 20],
            "rank": [1.0, 2.0],
            "rank_low": [1.0, np.nan],
            "rank_high": [largest, np.nan],
            "replication_share_of_networks": [0.75, np.nan],
        }
    )
    words = texts(ranking_figures.stability_figure(table, 0.5))
    assert f"{'A' * 9}…{'A' * 9} G1" in words
    assert "replication (% of networks)" in words
    assert ("10,000" in words) == (largest > 10_000)
