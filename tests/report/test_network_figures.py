import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from figure_geometry import drawing_problems, svg_problems
from made_up_run import finish_run

from tumorcam.report import figures, network_figures
from tumorcam.report.results import read_run

SVG = "{http://www.w3.org/2000/svg}"
NAMES = ["A", "<b>&", "$x_1$"]


@pytest.fixture
def run(tiny_run):
    return read_run(finish_run(tiny_run))


def texts(figure, name="f"):
    svg = figures.svg_text(figure, name=name, description="of <three>")
    assert not svg_problems(svg) + drawing_problems(figure)
    return [element.text for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_a_confusion_matrix_shows_its_counts_and_names():
    confusion = np.array([[7, 0, 1], [0, 5, 0], [0, 12, 3]])
    words = texts(network_figures.confusion_figure(confusion, NAMES))
    for name in NAMES:
        assert words.count(name) == 2  # as it is: neither markup nor mathematics
    assert {"7", "1", "5", "12", "3"} <= set(words)
    assert "called tumor" in words


def test_the_data_of_a_confusion_matrix_are_its_cells():
    data = network_figures.confusion_data(np.array([[3, 1], [0, 0]]), ["A", "B"], ["A", "C"])
    assert data["true_tumor"].tolist() == ["A", "A", "C", "C"]
    assert data["called_tumor"].tolist() == ["A", "B", "A", "B"]
    assert data["samples"].tolist() == [3, 1, 0, 0]
    assert data["share_of_true_tumor"].fillna(-1).tolist() == [0.75, 0.25, -1, -1]


@pytest.mark.parametrize(("count", "is_turned"), [(9, False), (12_345, True)])
def test_counts_that_would_meet_are_turned(count, is_turned):
    confusion = np.full((33, 33), count)
    figure = network_figures.confusion_figure(confusion, [f"T{i:02d}" for i in range(33)])
    assert texts(figure).count(str(count)) == 33 * 33
    assert {text.get_rotation() for text in figure.axes[0].texts} == {90.0 * is_turned}


def test_the_example_names_the_highest_pixels(run):
    words = texts(network_figures.example_figure(run.example))
    highest = run.example.saliency.ravel()[run.example.pixel].argmax()
    assert f"1  {run.example.labels[highest]}" in words
    data = network_figures.example_data(run.example)
    assert data.loc[data["ring"] == 1, "gene"].tolist() == [run.example.labels[highest]]
    row, column = data.loc[data["ring"] == 1, ["row", "column"]].iloc[0]
    assert run.example.saliency[row, column] == data["saliency"].max()
    assert sorted(data["ring"])[-10:] == list(range(1, 11)) and len(data) == 36 + 18


def test_an_example_in_one_row_fills_its_panel(run):
    example = run.example
    rows = example.image.reshape(1, -1), example.saliency.reshape(1, -1)
    figure = network_figures.example_figure(replace(example, image=rows[0], saliency=rows[1]))
    assert texts(figure)
    assert {axes.get_aspect() for axes in figure.axes[:2]} == {"auto"}


def test_the_kept_epochs_are_ringed(run):
    networks = list(run.networks.values())
    assert all(network.kept_epoch != network.best_epoch for network in networks)
    figure = network_figures.learning_figure(networks)
    rings = [line for line in figure.axes[1].lines if line.get_marker() == "o"]
    accuracy = [
        network.history.set_index("epoch")["validation_accuracy"][network.kept_epoch]
        for network in networks
    ]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in rings] == [
        (network.kept_epoch, value) for network, value in zip(networks, accuracy, strict=True)
    ]


def test_the_data_of_learning_are_the_points_of_all_curves(run):
    networks = {key.name: network for key, network in run.networks.items()}
    data = network_figures.learning_data(networks)
    assert len(data) == 4 * 3 * 6 and data["is_kept"].sum() == 4 * 3
    first = data[(data["network"] == "r00-f00") & (data["quantity"] == "training_loss")]
    history = networks["r00-f00"].history
    np.testing.assert_array_equal(first["value"], history["training_loss"])
    assert set(first["unit"]) == {"nats"}


@pytest.mark.parametrize("n_epochs", [1, 300])
def test_forty_networks_and_one_epoch_are_drawn(run, n_epochs):
    network = next(iter(run.networks.values()))
    epoch = np.arange(n_epochs)
    history = pd.DataFrame(
        {
            "epoch": epoch,
            "training_loss": 1 / (epoch + 1),
            "validation_loss": 1.2 / (epoch + 1),
            "validation_accuracy": epoch / n_epochs,
        }
    )
    figure = network_figures.learning_figure([replace(network, history=history)] * 40)
    assert {"training", "validation"} <= set(texts(figure))
    assert len(figure.axes[0].lines) == 40 * 3
