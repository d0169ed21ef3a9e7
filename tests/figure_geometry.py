"""What a drawn figure breaks: small type, texts outside or upon each other, too great a width."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

SVG = "{http://www.w3.org/2000/svg}"
SMALLEST_POINTS, WIDEST_MM = 7.0, 180.0
MM_PER_POINT = 25.4 / 72
TOUCH = 0.5  # pixels at 100 dpi that boxes may share, which have room around their letters


def svg_problems(svg: str) -> list[str]:
    """What the text of an SVG file breaks."""
    root = ET.fromstring(svg)
    width = float(root.get("width", "").removesuffix("pt"))
    box = [float(number) for number in root.get("viewBox", "").split()]
    problems = [] if width == box[2] else [f"a unit is no point: {width}, {box}"]
    if width * MM_PER_POINT > WIDEST_MM:
        problems.append(f"{width * MM_PER_POINT:.1f} mm wide")
    if root.get("role") != "img":
        problems.append("no role")
    ids = {element.get("id") for element in (root.find(f"{SVG}title"), root.find(f"{SVG}desc"))}
    if ids != set(root.get("aria-labelledby", "").split()):
        problems.append("no title and description")
    texts = list(root.iter(f"{SVG}text"))
    for text in texts:
        size = re.search(r"font(?:-size)?:[^;]*?([\d.]+)px", text.get("style", ""))
        if size is None or float(size[1]) < SMALLEST_POINTS:
            problems.append(f"{text.text!r}: {text.get('style')}")
    return problems if texts else [*problems, "no text"]


def drawing_problems(figure: Figure) -> list[str]:
    """Texts outside the canvas or upon each other, labels of ticks among them."""
    figure.draw_without_rendering()
    hidden = {id(label) for axes in figure.axes for label in _hidden_labels(axes)}
    texts = [
        text
        for text in figure.findobj(Text)
        if text.get_text().strip() and text.get_visible() and id(text) not in hidden
    ]
    boxes = [Text.get_window_extent(text) for text in texts]  # without the stroke to a line
    canvas, problems = figure.bbox.padded(1), []
    for text, box in zip(texts, boxes, strict=True):
        if box.x0 < canvas.x0 or box.y0 < canvas.y0 or box.x1 > canvas.x1 or box.y1 > canvas.y1:
            problems.append(f"outside: {text.get_text()!r} {box.extents} of {canvas.extents}")
    return problems + [f"on each other: {a!r}, {b!r}" for a, b in _meetings(texts, boxes)]


def _hidden_labels(axes: Axes) -> Iterator[Text]:
    """The labels of an axis that is off or beyond whose limits their ticks are."""
    for axis in (axes.xaxis, axes.yaxis):
        drawn = axis._update_ticks() if axes.axison and axes.get_visible() else []
        if not axes.axison:
            yield axis.label
        for tick in (*axis.majorTicks, *axis.minorTicks):
            if tick not in drawn:
                yield from (tick.label1, tick.label2)


def _meetings(texts: list[Text], boxes: list[Bbox]) -> Iterator[tuple[str, str]]:
    corners = np.array([[box.x0, box.y0, box.x1, box.y1] for box in boxes])
    for i in range(len(texts)):
        rest = corners[i + 1 :]
        x = np.minimum(rest[:, 2], corners[i, 2]) - np.maximum(rest[:, 0], corners[i, 0])
        y = np.minimum(rest[:, 3], corners[i, 3]) - np.maximum(rest[:, 1], corners[i, 1])
        for j in np.flatnonzero((x > TOUCH) & (y > TOUCH)):
            yield texts[i].get_text(), texts[i + 1 + j].get_text()
