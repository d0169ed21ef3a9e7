import xml.etree.ElementTree as ET

import numpy as np
import pytest
from made_up_run import finish_run

from tumorcam.explain.views import RankingKey
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
    words = texts(figures.svg_text(figure, name="confusion", description="of <three>"))
    for name in NAMES:
        assert words.count(name) == 2  # as it is: neither markup nor mathematics
    assert {"7", "1", "5", "12", "3"} <= set(words)
    assert "called tumor" in words


def test_the_heat_map_takes_each_tumors_best_genes_once():
    rank = np.array([[1, 2, 3, 4, 5], [2, 1, 5, 3, 4], [np.nan, 4, 3, 2, 1]])
    assert figures.heat_map_genes(rank).tolist() == [0, 1, 2, 3, 4]
    rank = np.array([[5, 4, 3, 2, 1], [5, 4, 3, 2, 1]])
    assert figures.heat_map_genes(rank).tolist() == [4, 3, 2]


def test_a_heat_map_may_have_unknown_and_zero_scores():
    score = np.array([[0.0, np.nan, 2.0], [0.0, 1.0, -4.0]])
    figure = figures.heat_map_figure(score, score > 1, ["A", "B"], ["G", "H", "K"])
    shares = figure.axes[0].collections[0].get_array()
    np.testing.assert_array_equal(
        shares.filled(9).reshape(3, 2), [[0.0, 0.0], [9.0, 1.0], [0.5, -1.0]]
    )


def test_ids_of_two_figures_do_not_meet_and_all_references_resolve(run):
    networks = run.networks.values()
    both = [figures.example_figure(run.example), figures.learning_figure(networks)]
    ids = []
    for figure, name in zip(both, ("example", "learning"), strict=True):
        svg = figures.svg_text(figure, name=name, description=name)
        elements = list(ET.fromstring(svg).iter())
        own = {e.get("id") for e in elements if e.get("id")}
        links = {e.get("{http://www.w3.org/1999/xlink}href", "") for e in elements}
        assert {link[1:] for link in links if link.startswith("#")} <= own
        ids.append({name for name in own if not name.startswith(("patch", "line2d", "text"))})
    assert not {name for name in ids[0] & ids[1] if "_" not in name}


def test_the_example_names_the_highest_pixels(run):
    words = texts(figures.svg_text(figures.example_figure(run.example), name="e", description="e"))
    highest = run.example.saliency.ravel()[run.example.pixel].argmax()
    assert f"1  {run.example.labels[highest]}" in words


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_equal_figures_give_equal_bytes(run, kind):
    def draw():
        figure = figures.learning_figure(run.networks.values())
        if kind == "png":
            return figures.png_bytes(figure)
        return figures.svg_text(figure, name="learning", description="curves")

    first = draw()
    assert first == draw()
    assert kind == "png" or "<dc:date>" not in first


def test_the_decoy_curve_may_be_empty(run):
    methods = ("gradient_x_input", "guided_grad_cam")
    first, second = (run.results.ranking(RankingKey(m, "own")).decoy_curve for m in methods)
    curves = {methods[0]: {"own": first}, methods[1]: {"own": second[:0]}}
    words = texts(figures.svg_text(figures.decoy_figure(curves, 0.05), name="d", description="d"))
    assert "Gradient × input" in words
    assert "5 % false" in words


def test_the_kept_epochs_are_ringed(run):
    networks = list(run.networks.values())
    assert all(network.kept_epoch != network.best_epoch for network in networks)
    figure = figures.learning_figure(networks)
    rings = [line for line in figure.axes[1].lines if line.get_marker() == "o"]
    accuracy = [
        network.history.set_index("epoch")["validation_accuracy"][network.kept_epoch]
        for network in networks
    ]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in rings] == [
        (network.kept_epoch, value) for network, value in zip(networks, accuracy, strict=True)
    ]


def test_a_picture_is_two_files(run, tmp_path):
    figure = figures.example_figure(run.example)
    path = tmp_path / "show" / "TCGA.1"
    svg = figures.write_picture(path, figure, name="e", description="of a sample")
    assert sorted(file.name for file in path.parent.iterdir()) == ["TCGA.1.png", "TCGA.1.svg"]
    assert (path.parent / "TCGA.1.svg").read_text(encoding="utf-8") == svg
    assert (path.parent / "TCGA.1.png").read_bytes().startswith(b"\x89PNG")
