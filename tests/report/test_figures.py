import xml.etree.ElementTree as ET

import numpy as np
import pytest
from made_up_run import finish_run

from tumorcam.report import figures
from tumorcam.report.results import read_run

SVG = "{http://www.w3.org/2000/svg}"
NAMES = ["A", "<b>&", "$x_1$"]


@pytest.fixture
def run(tiny_run):
    return read_run(finish_run(tiny_run))


def texts(svg):
    return [element.text for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_a_confusion_matrix_shows_its_counts_and_names():
    confusion = np.array([[7, 0, 1], [0, 5, 0], [0, 12, 3]])
    figure = figures.confusion_figure(confusion, NAMES)
    shown = texts(figures.svg_text(figure, name="confusion", description="of <three>"))
    for name in NAMES:
        assert shown.count(name) == 2  # as it is: neither markup nor mathematics
    assert {"7", "1", "5", "12", "3"} <= set(shown)
    assert "called tumor" in shown


def test_the_heat_map_takes_each_tumors_best_genes_once():
    rank = np.array([[1, 2, 3, 4, 5], [2, 1, 5, 3, 4], [np.nan, 4, 3, 2, 1]])
    assert figures.heat_map_genes(rank).tolist() == [0, 1, 2, 3, 4]
    rank = np.array([[5, 4, 3, 2, 1], [5, 4, 3, 2, 1]])
    assert figures.heat_map_genes(rank).tolist() == [4, 3, 2]


def test_a_heat_map_may_have_unknown_and_zero_scores():
    score = np.array([[0.0, np.nan, 2.0], [0.0, 1.0, -4.0]])
    figure = figures.heat_map_figure(score, score > 1, ["A", "B"], ["G", "H", "K"])
    drawn = figure.axes[0].collections[0].get_array()
    np.testing.assert_array_equal(
        drawn.filled(9).reshape(3, 2), [[0.0, 0.0], [9.0, 1.0], [0.5, -1.0]]
    )


def test_ids_of_two_figures_do_not_meet_and_all_references_resolve(run):
    drawn = [figures.example_figure(run.example), figures.learning_figure(run.networks)]
    ids = []
    for figure, name in zip(drawn, ("example", "learning"), strict=True):
        svg = figures.svg_text(figure, name=name, description=name)
        elements = list(ET.fromstring(svg).iter())
        own = {e.get("id") for e in elements if e.get("id")}
        links = {e.get("{http://www.w3.org/1999/xlink}href", "") for e in elements}
        assert {link[1:] for link in links if link.startswith("#")} <= own
        ids.append({one for one in own if not one.startswith(("patch", "line2d", "text"))})
    assert not {one for one in ids[0] & ids[1] if "_" not in one}


def test_the_example_names_the_highest_pixels(run):
    shown = texts(figures.svg_text(figures.example_figure(run.example), name="e", description="e"))
    highest = run.example.saliency.ravel()[run.example.pixel].argmax()
    assert f"1  {run.example.labels[highest]}" in shown


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_equal_figures_give_equal_bytes(run, kind):
    def draw():
        figure = figures.learning_figure(run.networks)
        if kind == "png":
            return figures.png_bytes(figure)
        return figures.svg_text(figure, name="learning", description="curves")

    first = draw()
    assert first == draw()
    assert kind == "png" or "<dc:date>" not in first


def test_the_decoy_curve_may_be_empty(run):
    curves = {
        "gradient_x_input": {"own": run.results.ranking("gradient_x_input", "own").decoy_curve},
        "guided_grad_cam": {"own": run.results.ranking("guided_grad_cam", "own").decoy_curve[:0]},
    }
    shown = texts(figures.svg_text(figures.decoy_figure(curves, 0.05), name="d", description="d"))
    assert "Gradient × input" in shown
    assert "5 % false" in shown
