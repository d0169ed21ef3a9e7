"""The page in a real browser: search, panels, tables, keyboard, themes, print, accessibility."""

import dataclasses
import io
import json
import os
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from made_up_run import finish_run

from jobs import report

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for path in map(shutil.which, NAMES) if path), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
WIDTHS = (360, 768, 1400, 1920)  # pixels: phone, tablet, laptop, large screen
THEMES = ("light", "dark")
MAX_PRINTED = 10  # pages
MIN_PIXELS = 12  # of text
CUT_OFF = """() => [...document.querySelectorAll("body *")].filter((node) => {
    const box = node.getBoundingClientRect();
    const hasScroll = node.parentElement.closest(".scroll, .tall, svg, pre");
    return box.width > 0 && !hasScroll && (box.right > innerWidth + 1 || box.left < -1);
}).map((node) => `${node.tagName}.${node.className} ${node.textContent.slice(0, 40)}`)"""
SMALL_TEXT = """(least) => [...document.querySelectorAll("main text, main td, main th, main p")]
    .filter((node) => node.textContent.trim() && node.getBoundingClientRect().width > 0)
    .filter((node) => {
        const matrix = node.getScreenCTM?.() ?? { a: 1, b: 0 };
        const scale = Math.hypot(matrix.a, matrix.b);
        return scale * parseFloat(getComputedStyle(node).fontSize) < least - 0.05;
    }).map((node) => `${node.tagName} ${node.textContent.slice(0, 30)}`)"""


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of the page of a tiny run with planted drivers."""
    from conftest import make_tiny_cohort, make_tiny_config, write_tiny_files, write_toml

    from jobs import prepare

    folder = tmp_path_factory.mktemp("page")
    config = make_tiny_config(write_tiny_files(make_tiny_cohort(), folder), folder / "run")
    layout = dataclasses.replace(config.layout, decoys="all")
    significance = dataclasses.replace(config.significance, q_decoy=0.5, replication=0.25)
    config = dataclasses.replace(config, layout=layout, significance=significance)
    toml = write_toml(config, folder / "tiny.toml")
    assert prepare.main([toml]) == 0
    finish_run(config)
    assert report.main([toml]) == 0
    return (config.folder / "report" / "index.html").as_uri()


@pytest.fixture
def opened(browser, address):
    """Opens the page in a window of some width and theme; fails on messages and requests."""
    contexts, faults = [], []

    def open_page(fragment="", *, width=1400, theme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            accept_downloads=True,
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        requests = []
        page.goto(address + fragment)
        page.wait_for_function("ready.then(() => true)")
        assert requests == [address]
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def keep(page, name):
    """Keep a screenshot where the environment says so."""
    folder = os.environ.get("TUMORCAM_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")


def search(page, text):
    page.fill("#search", text)
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel h3")


def column(page, table, number):
    """The texts in a column of the first table that fits."""
    rows = page.locator(table).nth(0).locator(f"tbody tr > :nth-child({number})")
    return rows.all_inner_texts()


def test_a_gene_is_found_by_typing_and_its_panel_has_all_parts(opened):
    page = opened()
    search(page, "gene00")
    panel = page.locator("#panel")
    assert panel.locator("h3").inner_text() == "GENE00"
    assert "Learned in" in panel.inner_text()
    assert page.url.endswith("#gene/GENE00")
    assert panel.locator("svg[role=img]").count() == 2
    links = panel.locator(".links a")
    assert [links.nth(i).get_attribute("href").split("/")[2] for i in range(4)] == [
        "www.ensembl.org",
        "www.ncbi.nlm.nih.gov",
        "www.proteinatlas.org",
        "gepia.cancer-pku.cn",
    ]
    table = pd.read_csv(Path(page.url.split("#")[0][7:]).with_name("genes.csv"))
    first = table[(table["gene"] == "GENE00") & (table["method"] == "gradient_x_input")]
    first = first[first["view"] == "contrast"].sort_values("score", ascending=False)
    assert column(page, "#panel table", 1) == first["tumor"].tolist()
    scores = column(page, "#panel table", 4)
    expected = [f"{score:.2f}".replace("-", "−") for score in first["score"]]
    assert scores == expected
    keep(page, "gene-panel")


def test_every_gene_of_the_run_can_be_found(opened):
    page = opened()
    genes = page.evaluate("run.genes")
    hits = page.evaluate(
        "run.genes.map((name) => matches(name.toLowerCase())[0].name)",
    )
    assert hits == genes
    assert len(genes) == 36


def test_a_name_that_the_run_lacks_is_answered(opened):
    page = opened()
    page.fill("#search", "nonsense")
    assert page.inner_text("#no-match") == "No gene or tumor of this run has this name."


def test_the_keyboard_alone_opens_a_panel(opened):
    page = opened()
    page.focus("#search")
    page.keyboard.type("gene0")
    assert page.get_attribute("#search", "aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.get_attribute("#search", "aria-activedescendant") == "match-2"
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel h3")
    assert page.inner_text("#panel h3") == "GENE02"
    assert page.evaluate("document.activeElement.tagName") == "H3"
    page.focus("#search")
    page.keyboard.type("1")
    page.keyboard.press("Escape")
    assert page.is_hidden("#matches")


def test_a_link_opens_a_tumor_and_the_way_back_works(opened):
    page = opened("#tumor/BRCA")
    page.wait_for_selector("#panel h3")
    text = page.inner_text("#panel")
    assert page.inner_text("#panel h3") == "BRCA"
    assert "patients" in text and "Recall" in text and "low expression in BRCA" in text
    assert page.locator("#panel canvas.pixels").count() == 1
    page.click("#panel table a >> nth=0")
    page.wait_for_function("document.querySelector('#panel h3').textContent !== 'BRCA'")
    page.go_back()
    page.wait_for_function("document.querySelector('#panel h3').textContent === 'BRCA'")
    keep(page, "tumor-panel")


def test_the_saliency_image_names_the_gene_under_the_pointer(opened):
    page = opened("#tumor/BRCA")
    page.wait_for_selector("canvas.pixels")
    side, pixel = page.evaluate("[run.side, run.pixels[3]]")
    decoy = page.evaluate("run.pixels[run.genes.length]")
    box = page.locator("canvas.pixels")
    box.scroll_into_view_if_needed()
    width = box.bounding_box()["width"]
    for place, name in ((pixel, "GENE03:"), (decoy, "decoy of ")):
        position = {
            "x": (place % side + 0.5) * width / side,
            "y": (place // side + 0.5) * width / side,
        }
        box.hover(position=position)
        assert page.inner_text("#panel figure:has(canvas) output").startswith(name)


def test_the_ranking_can_be_chosen(opened):
    page = opened("#gene/GENE00")
    page.wait_for_selector("#panel h3")
    before = column(page, "#panel table", 4)
    page.select_option("#ranking", "gradient_x_input/own")
    page.wait_for_function(
        "document.querySelector('#panel figcaption').textContent.includes('own')"
    )
    after = column(page, "#panel table", 4)
    assert before != after and len(before) == len(after)


def test_a_table_sorts_by_any_column_both_ways(opened):
    page = opened()
    table, header = "#learned-genes", "#learned-genes thead th >> nth=3 >> button"
    page.click(header)
    ascending = [int(text) for text in column(page, table, 4)]
    page.click(header)
    descending = [int(text) for text in column(page, table, 4)]
    assert ascending == sorted(ascending) == descending[::-1]
    assert page.get_attribute(f"{table} thead th >> nth=3", "aria-sort") == "descending"


def test_a_table_filters_by_text_and_evidence_and_downloads_what_it_shows(opened):
    page = opened("#tumor/BRCA")
    page.wait_for_selector("#panel h3")
    page.select_option("#panel .tools select", "learned")
    learned = column(page, "#panel table", 1)
    assert 0 < len(learned) < 36
    assert set(column(page, "#panel table", 4)) == {"learned"}
    with page.expect_download() as download:
        page.click("#panel .tools button:text-is('CSV') >> nth=0")
    table = pd.read_csv(download.value.path())
    assert table["Gene"].tolist() == learned
    assert table["Score"].dtype == float
    page.click("#panel .tools button:text-is('Copy') >> nth=0")
    copied = pd.read_csv(io.StringIO(page.evaluate("navigator.clipboard.readText()")), sep="\t")
    assert copied["Gene"].tolist() == learned
    page.fill("#panel .tools input", learned[0])
    assert column(page, "#panel table", 1) == learned[:1]


def test_a_cell_that_a_spreadsheet_would_run_is_downloaded_as_text(opened):
    page = opened()
    assert page.evaluate("csv([['=SUM(A1)', '+G', '-1.5', '−2', 'plain \"x\"']])") == (
        '"\'=SUM(A1)","\'+G","-1.5","-2","plain ""x"""\n'
    )


def test_a_chart_downloads_as_svg_and_png(opened):
    page = opened("#gene/GENE00")
    page.wait_for_selector("#panel h3")
    with page.expect_download() as download:
        page.click("#panel figcaption button:text-is('SVG') >> nth=0")
    svg = Path(download.value.path()).read_text(encoding="utf-8")
    assert svg.startswith("<?xml") and "BRCA" in svg
    with page.expect_download() as download:
        page.click("#panel figcaption button:text-is('PNG') >> nth=0")
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("fragment", ["", "#gene/GENE00", "#tumor/BRCA"])
def test_nothing_is_cut_off_and_no_rule_of_accessibility_is_broken(opened, width, theme, fragment):
    page = opened(fragment, width=width, theme=theme)
    if fragment:
        page.wait_for_selector("#panel h3")
    for details in page.locator("details").all():
        details.evaluate("(node) => (node.open = true)")
    keep(page, f"page-{width}-{theme}-{fragment.strip('#').split('/')[0] or 'top'}")
    assert page.evaluate(CUT_OFF) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(SMALL_TEXT, MIN_PIXELS) == []
    violations = axe.Axe().run(page).response["violations"]
    rules = {v["id"]: [node["target"] for node in v["nodes"]][:3] for v in violations}
    assert rules == {}, json.dumps(rules, indent=1)


def test_the_theme_can_be_switched(opened):
    page = opened(theme="dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light == "rgb(255, 255, 255)" != dark
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_the_print_has_at_most_ten_pages(opened):
    page = opened("#gene/GENE00")
    printed = page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) <= MAX_PRINTED
