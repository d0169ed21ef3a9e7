import xml.etree.ElementTree as ET

import numpy as np
import pytest
from figure_geometry import drawing_problems, svg_problems

from tumorcam.report import figures
from tumorcam.report.overlap_figure import (
    MAX_OVERLAPS,
    find_overlaps,
    overlap_data,
    overlap_figure,
)

TUMORS, GENES = ["A", "B", "C"], [f"G{i}" for i in range(6)]
LEARNED = np.array(
    [
        [1, 1, 1, 0, 0, 0],
        [1, 1, 0, 1, 0, 0],
        [0, 0, 0, 1, 1, 0],
    ],
    dtype=bool,
)


def texts(figure):
    svg = figures.svg_text(figure, name="overlaps", description="of genes")
    assert not svg_problems(svg) + drawing_problems(figure)
    return [e.text for e in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_every_learned_gene_is_in_exactly_one_intersection():
    parts = find_overlaps(LEARNED)
    shared = [(part.tumors, part.genes.tolist()) for part in parts.shared]
    assert shared == [((0, 1), [0, 1]), ((1, 2), [3])]
    alone = [(part.tumors, part.genes.tolist()) for part in parts.alone]
    assert alone == [((0,), [2]), ((2,), [4])]
    assert [parts.n_learned(tumor) for tumor in parts.present] == LEARNED.sum(axis=1).tolist()
    assert [parts.n_alone(tumor) for tumor in parts.present] == [1, 0, 1]


def test_nothing_learned_has_no_overlap():
    parts = find_overlaps(np.zeros((3, 6), bool))
    assert parts.shared == parts.alone == parts.present == []


def test_the_data_have_a_row_for_each_bar():
    data = overlap_data(find_overlaps(LEARNED), TUMORS, GENES)
    assert data["bar"].tolist() == ["intersection"] * 2 + ["alone"] * 2 + ["tumor"] * 3
    assert data["n_genes"].tolist() == [2, 1, 1, 1, 3, 3, 2]
    assert data["genes"].tolist()[:2] == ["G0; G1", "G3"]
    assert data["tumors"].tolist()[:2] == ["A; B", "B; C"]


@pytest.mark.parametrize(("n_tumors", "letters"), [(2, 1), (8, 40), (33, 4), (33, 40)])
def test_at_most_so_many_intersections_are_drawn(n_tumors, letters):
    rng = np.random.default_rng(0)
    learned = rng.random((n_tumors, 400)) < 0.3
    parts = find_overlaps(learned)
    tumors = [f"{i:02d}".rjust(letters, "x")[:letters] for i in range(n_tumors)]
    figure = overlap_figure(parts, tumors)
    words = texts(figure)
    assert set(tumors) <= set(words)
    n_bars = len(figure.axes[1].patches)
    assert n_bars == min(len(parts.shared), MAX_OVERLAPS)
    data = overlap_data(parts, tumors, [f"G{i}" for i in range(400)])
    is_shared = data["bar"] == "intersection"
    assert is_shared.sum() == len(parts.shared)
    assert (is_shared & data["is_drawn"]).sum() == n_bars


def test_thousands_of_genes_have_room():
    learned = np.ones((3, 25_000), bool)
    learned[0, :9000] = False
    assert {"16000", "9000"} <= set(texts(overlap_figure(find_overlaps(learned), TUMORS)))
