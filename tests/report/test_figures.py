import struct
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from tumorcam.report import figures
from tumorcam.report.columns import FLAG, Column, columns_of

SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}href"


def draw(width=figures.FULL_WIDTH):
    with mpl.rc_context(figures.STYLE):
        figure, (axes,) = figures.panels(1, width=width, height=2)
        axes.plot([1, 2], [3, 4], "o-")
        axes.set_xlabel("x (logits)")
    return figure


def luminance(colors):
    """Relative luminance of sRGB colours (WCAG 2)."""
    rgb = np.asarray(colors)[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_an_svg_has_a_title_and_a_description_that_name_it():
    svg = figures.svg_text(draw(), name="one", description="Short <title>. Long & whole.")
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "one-title one-description"
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title.text == "Short <title>" and title.get("id") == "one-title"
    assert description.text == "Short <title>. Long & whole."
    assert description.get("id") == "one-description"


def test_ids_of_two_figures_do_not_meet_and_all_references_resolve():
    ids = []
    for name in ("one", "two"):
        svg = figures.svg_text(draw(), name=name, description=name)
        elements = list(ET.fromstring(svg).iter())
        own = {e.get("id") for e in elements if e.get("id")}
        links = {e.get(XLINK, "") for e in elements}
        assert {link[1:] for link in links if link.startswith("#")} <= own
        ids.append({name for name in own if not name.startswith(("patch", "line2d", "text"))})
    assert not {name for name in ids[0] & ids[1] if "_" not in name}


def test_the_page_shows_a_figure_so_large_that_its_smallest_type_has_12_pixels():
    figure = draw()
    svg = figures.svg_text(figure, name="one", description="one")
    root, screen = ET.fromstring(svg), ET.fromstring(figures.screen_svg(svg, figure))
    assert screen.get("viewBox") == root.get("viewBox") and screen.get("role") == "img"
    points, pixels = float(root.get("width").removesuffix("pt")), float(screen.get("width"))
    assert points <= 180 / 25.4 * 72
    assert pixels / points * figures.FONT_POINTS >= 12
    high = float(root.get("height").removesuffix("pt"))
    assert float(screen.get("height")) / high == pytest.approx(pixels / points, rel=0.01)
    assert len(list(screen.iter())) == len(list(root.iter()))


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_equal_figures_give_equal_bytes(kind):
    def content():
        if kind == "png":
            return figures.png_bytes(draw())
        return figures.svg_text(draw(), name="one", description="one")

    first = content()
    assert first == content()
    assert kind == "png" or "<dc:date>" not in first


def test_a_png_has_300_dots_per_inch():
    png = figures.png_bytes(draw())
    start = png.index(b"pHYs") + 4
    x, y, unit = struct.unpack(">IIB", png[start : start + 9])
    assert (x, unit) == (y, 1) and x * 0.0254 >= 300
    (width,) = struct.unpack(">I", png[16:20])
    assert width >= 300 * figures.FULL_WIDTH


def test_a_picture_is_two_files(tmp_path):
    path = tmp_path / "show" / "TCGA.1"
    svg = figures.write_picture(path, draw(), name="e", description="of a sample")
    assert sorted(file.name for file in path.parent.iterdir()) == ["TCGA.1.png", "TCGA.1.svg"]
    assert (path.parent / "TCGA.1.svg").read_text(encoding="utf-8") == svg
    assert (path.parent / "TCGA.1.png").read_bytes().startswith(b"\x89PNG")


def test_data_are_written_as_text_that_no_spreadsheet_runs(tmp_path):
    data = pd.DataFrame(
        {"gene": ["=SUM(A1)", "-G", "TP53"], "score": [1 / 3, np.nan, 2.0], "is_learned": True}
    )
    columns = [*columns_of(data), Column("partial", FLAG, "")]
    figures.write_data(tmp_path / "a.csv", data, columns, partial=False)
    assert (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines() == [
        "gene,score,is_learned,partial",
        "'=SUM(A1),0.333333,true,false",
        "'-G,NaN,true,false",
        "TP53,2.0,true,false",
    ]
    strings = data.astype({"gene": "string"})
    figures.write_data(tmp_path / "b.csv", strings, columns, partial=True)
    assert pd.read_csv(tmp_path / "b.csv")["gene"].tolist() == ["'=SUM(A1)", "'-G", "TP53"]
    assert pd.read_csv(tmp_path / "b.csv")["partial"].all()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BRCA", "BRCA"),
        ("two\nlines\t", "two lines"),
        ("a" * 40, "a" * 40),
        ("b" * 30 + "c" * 30, "b" * 19 + "…" + "c" * 20),
        (" ", " "),
    ],
)
def test_long_names_lose_their_middle(name, expected):
    assert figures.short_name(name) == expected


def test_a_figure_is_never_wider_than_a_page():
    assert draw(width=30).get_figwidth() == figures.FULL_WIDTH


def test_sequential_colours_darken_evenly_and_diverging_ones_are_palest_in_the_middle():
    steps = np.linspace(0, 1, 64)
    assert (np.diff(luminance(mpl.colormaps["Blues"](steps))) < 0).all()
    for name in ("PuOr_r", "RdBu_r"):
        light = luminance(mpl.colormaps[name](steps))
        assert light.argmax() in (31, 32)
        assert light[0] < 0.1 and light[-1] < 0.1


def test_letters_that_the_font_lacks_are_no_warning(recwarn):
    figure = Figure()
    figure.text(0.1, 0.1, "遺伝子")
    figures.png_bytes(figure)
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
