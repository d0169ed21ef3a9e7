"""What is picked from maps that are given; the maps themselves are in test_show.py."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from figure_geometry import drawing_problems, svg_problems
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text

from tumorcam.cohort.cohort import read_cohort
from tumorcam.cohort.images import place_genes
from tumorcam.cohort.layout import GeneLayout
from tumorcam.errors import ConfigError
from tumorcam.explain.sample import (
    Question,
    SampleMap,
    ask,
    describe,
    file_name,
    full_table,
    held_out_models,
    pick_features,
    picks_table,
    table_text,
)
from tumorcam.report.figures import svg_text
from tumorcam.report.line_names import spread_heights
from tumorcam.report.sample_figure import MAX_NAMES, picks_figure

GENES = np.array(["A", "B", "C", "D"])
# pixels of a 3 x 3 image: genes A to D, then decoys of B and D
LAYOUT = GeneLayout(3, np.array([4, 0, 8, 2, 6, 5]), np.array([1, 3]))


def sample_map(saliency, layout=LAYOUT, empty=99.0):
    """A map with so much saliency on each feature's pixel, and on the empty ones."""
    pictures = np.full((layout.side, layout.side), empty, np.float32)
    pictures.ravel()[layout.pixel] = saliency
    features = np.arange(len(saliency), dtype=np.float32)
    image = place_genes(features[np.newaxis], layout)[0, :, :, 0]
    return SampleMap("r00-f01", layout, 10 + features, image, pictures, np.array([0.25, 0.75]))


def many_picks(n, side=20):
    layout = GeneLayout(side, np.arange(side**2), np.empty(0, np.int32))
    saliency = np.where(np.arange(side**2) < n, 2.0, 0.0)
    genes = np.array([f"$G_{i}$<&" for i in range(side**2)])
    first = sample_map(saliency, layout)
    return first, picks_table([first], genes, cutoff=0.5)


def test_the_table_of_a_small_map():
    first = sample_map([8.0, -9.0, 10.0, 7.9, 3.0, 9.0])
    other = sample_map([1.0, 0.0, 0.9, 0.0, 0.0, 0.7])
    table = picks_table([first, other], GENES, cutoff=0.8)
    assert table.columns.tolist() == [
        "gene", "decoy", "saliency", "share", "expression", "standardised", "row", "column",
        "replicates",
    ]  # fmt: skip
    assert table["gene"].tolist() == ["C", "D", "A"]
    assert table["decoy"].tolist() == [False, True, False]
    np.testing.assert_allclose(table["saliency"], [10, 9, 8])
    np.testing.assert_allclose(table["share"], [1, 0.9, 0.8])
    np.testing.assert_allclose(table["expression"], [12, 15, 10])
    np.testing.assert_allclose(table["standardised"], [2, 5, 0])
    assert table["row"].tolist() == [2, 1, 1] and table["column"].tolist() == [2, 2, 1]
    assert table["replicates"].tolist() == [2, 1, 2]


def test_the_table_as_text_marks_decoys_and_explains_its_columns():
    maps = [sample_map([8.0, -9.0, 10.0, 7.9, 3.0, 9.0])] * 3
    text = table_text(picks_table(maps, GENES, cutoff=0.8), n_replicates=3)
    lines = text.splitlines()
    assert lines[0].split()[0] == "gene" and "decoy" not in lines[0]
    assert lines[1].split() == ["C", "10", "1.00", "12.00", "+2.00", "2", "2", "3/3"]
    assert lines[2].split()[:2] == ["D", "(decoy)"]
    assert "training SD" in text


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=30),
    st.floats(1e-300, 1),  # below, the cutoff itself is rounded when values are scaled
    st.integers(-20, 20),
)
def test_picks_are_a_top_set_that_no_scale_changes_and_that_grows_as_the_cutoff_falls(
    values, cutoff, power
):
    saliency = np.array(values, np.float32)
    picked = pick_features(saliency, cutoff)
    assert picked.any() == (saliency.max() > 0)
    if picked.any():
        assert picked[saliency.argmax()]
        assert saliency[picked].min() > saliency[~picked].max(initial=-np.inf)
    assert not (picked & ~pick_features(saliency, cutoff / 2)).any()
    scaled = pick_features((saliency * np.float64(2.0) ** power), cutoff)
    assert np.array_equal(pick_features(saliency.astype(np.float64), cutoff), scaled)


def test_a_map_without_positive_saliency_picks_nothing_and_is_still_drawn(tiny_run):
    cohort = read_cohort(tiny_run.folder / "cohort.h5", tiny_run)
    for value in (0.0, -1.0):
        empty_map = sample_map(np.full(6, value), empty=0.0)
        table = picks_table([empty_map], GENES, cutoff=0.8)
        assert table.empty and table_text(table, n_replicates=1) == ""
        question = ask(cohort, cohort.sample[0], None, method="guided_grad_cam", cutoff=0.8)
        text = describe(cohort, question, empty_map, table)
        assert text.endswith("no gene or decoy has a positive saliency")
        figure = picks_figure(empty_map, table, title=text, method="guided_grad_cam")
        assert "Guided Grad-CAM" in svg_text(figure, name="show", description="nothing")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=MAX_NAMES))
def test_names_keep_apart_stay_in_order_and_within_the_margin(heights):
    height, gap = np.array(heights), 1 / MAX_NAMES
    placed = spread_heights(height, gap)
    assert placed.min() >= -1e-9 and placed.max() <= 1 + 1e-9
    assert (np.diff(np.sort(placed)) >= gap - 1e-9).all()
    order = np.argsort(height, kind="stable")
    assert (np.diff(placed[order]) > 0).all()


def test_names_that_do_not_crowd_stay_beside_their_pixels():
    height = np.array([0.9, 0.1, 0.5])
    np.testing.assert_allclose(spread_heights(height, 0.1), height)
    np.testing.assert_allclose(spread_heights(np.array([0.5, 0.5]), 0.2), [0.4, 0.6])


@pytest.mark.parametrize("n", [1, 3, MAX_NAMES, MAX_NAMES + 1, 300])
def test_at_most_so_many_picks_are_named_and_none_overlap(n):
    first, table = many_picks(n)
    figure = picks_figure(first, table, title="t", method="gradient_x_input")
    svg = svg_text(figure, name="show", description="picks")
    assert not svg_problems(svg) + drawing_problems(figure)
    texts = [e.text for e in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    named = [text for text in texts if text.startswith("$G_")]
    assert len(named) == min(n, MAX_NAMES)
    assert named[0].startswith("$G_0$<&")
    assert (f"the highest {MAX_NAMES} of {n} are named" in texts) == (n > MAX_NAMES)
    names = figure.axes[1].texts
    boxes = sorted((Text.get_window_extent(t) for t in names), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 for low, high in pairwise(boxes))
    rings = [line for axes in figure.axes[:2] for line in axes.lines]
    assert sum(len(line.get_xdata()) for line in rings) == 2 * n


def test_questions_name_what_exists(tiny_run):
    cohort = read_cohort(tiny_run.folder / "cohort.h5", tiny_run)
    sample = cohort.sample[5]
    question = ask(cohort, sample, "READ", method="guided_grad_cam", cutoff=1.0)
    assert question == Question(5, 3, "guided_grad_cam", 1.0)
    assert ask(cohort, sample.lower(), "read", method="guided_grad_cam", cutoff=1.0) == question
    own = ask(cohort, sample, None, method="guided_grad_cam", cutoff=1.0)
    assert own.target == cohort.tumor[5]
    assert file_name(cohort, question, 1) == f"{sample}-READ-guided_grad_cam-cutoff1.0-r01"
    hostile = replace(cohort, sample=np.array(["../../x/y z"] * len(cohort.sample)))
    assert file_name(hostile, question, 0) == "x_y_z-READ-guided_grad_cam-cutoff1.0-r00"
    for name, target, cutoff, message in (
        (sample[:-2], None, 0.8, f"fits .* samples .*{sample}"),
        (f"{sample}C", None, 0.8, f"did you mean .*{sample}"),
        ("?", None, 0.8, f"such as {cohort.sample[0]}"),
        (sample, "KICH", 0.8, "it has ACC, BRCA, COAD, READ"),
        (sample, None, 0.0, "above 0 and at most 1"),
        (sample, None, 1.1, "above 0 and at most 1"),
        (sample, None, float("nan"), "above 0 and at most 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            ask(cohort, name, target, method="guided_grad_cam", cutoff=cutoff)


def test_pictures_of_other_options_have_other_names(tiny_run):
    cohort = read_cohort(tiny_run.folder / "cohort.h5", tiny_run)
    names = [
        file_name(cohort, Question(sample, target, method, cutoff), replicate)
        for sample in (0, 1)
        for target in (0, 1)
        for method in ("guided_grad_cam", "gradient")
        for cutoff in (0.8, 0.80000001)
        for replicate in (0, 1)
    ]
    assert len(set(names)) == 32


def test_the_table_for_a_file_says_what_is_explained(tiny_run):
    cohort = read_cohort(tiny_run.folder / "cohort.h5", tiny_run)
    first = sample_map([8.0, -9.0, 10.0, 7.9, 3.0, 9.0])
    table = picks_table([first], GENES, cutoff=0.8)
    full = full_table(cohort, Question(5, 3, "gradient", 0.8), first, table)
    about = full.iloc[:, :4].drop_duplicates().to_dict("list")
    assert about == {
        "sample": [cohort.sample[5]],
        "target": ["READ"],
        "method": ["gradient"],
        "model": ["r00-f01"],
    }
    assert full.iloc[:, 4:].equals(table)


def test_every_model_asked_never_saw_the_patient(tiny_run):
    cohort = read_cohort(tiny_run.folder / "cohort.h5", tiny_run)
    for sample in range(len(cohort.sample)):
        models = held_out_models(cohort, sample, 1)
        assert [(m.replicate, m.fold) for m in models] == [
            (1, cohort.fold[sample]),
            (0, cohort.fold[sample]),
        ]
    with pytest.raises(ConfigError, match="0 to 1"):
        held_out_models(cohort, 0, 2)
