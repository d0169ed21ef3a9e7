import matplotlib as mpl
import numpy as np
import pytest
from figure_geometry import drawing_problems
from matplotlib.text import Text

from tumorcam.report.figures import BLUE, STYLE, panels
from tumorcam.report.line_names import (
    LineName,
    decade_ticks,
    name_lines,
    name_points,
    name_vertical,
    sparse_ticks,
)


@pytest.fixture
def axes():
    with mpl.rc_context(STYLE):
        _, (axes,) = panels(1, width=5, height=2.2)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        yield axes


def middle(text):
    box = Text.get_window_extent(text)
    return (box.y0 + box.y1) / 2


def test_names_of_lines_stand_beside_their_ends_in_order(axes):
    names = [LineName(f"line {i}", BLUE, "-", 1.0, i / 3) for i in range(4)]
    name_lines(axes, names)
    assert not drawing_problems(axes.figure)
    heights = [middle(text) for text in axes.texts]
    assert heights == sorted(heights)
    assert [text.xy[1] for text in axes.texts] == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_names_of_equal_ends_do_not_meet(axes):
    name_lines(axes, [LineName(f"a name of {i}", BLUE, "-", 1.0, 1.0) for i in range(12)])
    assert len(axes.texts) == 12 and not drawing_problems(axes.figure)


def test_a_line_without_a_point_is_named_with_a_stroke_of_its_own(axes):
    name_lines(axes, [LineName("empty", BLUE, "-", np.nan, np.nan)])
    (text,) = axes.texts
    assert text.get_text() == "empty" and 1 < text.xy[0] < text.xyann[0]
    assert text.xy[1] == text.xyann[1]


def test_points_are_named_in_the_order_of_their_heights(axes):
    points = np.array([[0.1, 0.9], [0.2, 0.1], [0.3, 0.5]])
    name_points(axes, ["high", "low", "middle"], points, gap=0.2, colors=[BLUE] * 3)
    assert sorted(axes.texts, key=middle)[0].get_text() == "low"
    assert [text.xy for text in axes.texts] == [tuple(point) for point in points.tolist()]
    name_points(axes, [], np.zeros((0, 2)), gap=0.2, colors=[])
    assert len(axes.texts) == 3


@pytest.mark.parametrize("last", [20, 500, 200_000])
def test_ticks_are_labelled_where_there_is_room(axes, last):
    sizes = [size for size in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10_000, 200_000) if size <= last]
    axes.set(xscale="log", xlim=(1, last))
    sparse_ticks(axes, [*sizes, 10**7])
    assert axes.get_xlim() == (1, last)
    assert [int(tick) for tick in axes.get_xticks()] == sizes
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels[0] == "1" and set(labels) - {""} <= {f"{size:,}" for size in sizes}
    assert not drawing_problems(axes.figure)


def test_ticks_of_decades_lie_within_the_limits(axes):
    axes.set(xscale="log", xlim=(0.3, 60))
    assert decade_ticks(axes) == pytest.approx([0.5, 1, 2, 5, 10, 20, 50])


@pytest.mark.parametrize(("x", "side"), [(0.1, "left"), (0.9, "right"), (7.0, "right")])
def test_the_name_of_a_vertical_line_stays_on_the_canvas(axes, x, side):
    name_vertical(axes, "the name of a line, rather long", x)
    assert axes.texts[0].get_ha() == side
    assert not drawing_problems(axes.figure)
