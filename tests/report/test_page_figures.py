"""What the page and the report's folder have of each figure."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from edited_files import edited
from made_up_run import finish_run
from test_page import check, page_of, run_job

from tumorcam.report import figures, page
from tumorcam.report.results import read_run

EVIDENCE = "gradient_x_input/contrast"


@pytest.fixture
def config(tiny_run):
    return finish_run(tiny_run, missing=["r00-f00-b0000"])


def grade(config, learned):
    """Grade the pairs (tumor, gene) learned, and no other."""
    with edited(config.folder / "significance.h5") as file:
        evidence = np.full((4, 36), b"none", dtype="S17")
        for tumor, gene in learned:
            evidence[tumor, gene] = b"learned"
        del file[f"{EVIDENCE}/evidence"]
        file[f"{EVIDENCE}/evidence"] = evidence


def test_every_figure_has_a_picture_for_print_and_screen_and_its_data(config):
    grade(config, [(0, 3), (1, 3), (2, 5)])
    assert run_job(config) == 0
    folder = config.folder / "report"
    html = (folder / "index.html").read_text(encoding="utf-8")
    check(html)
    listed = json.loads((folder / "files.json").read_text())["files"]
    names = [Path(name).stem for name in page.report_files(read_run(config)) if ".svg" in name]
    assert {"genes", "overlaps", "stability", "example"} <= set(names)
    for name in names:
        for kind in ("svg", "png", "csv"):
            assert f"figures/{name}.{kind}" in listed
            assert f'<a href="figures/{name}.{kind}">{kind.upper()}</a>' in html
        data = pd.read_csv(folder / "figures" / f"{name}.csv")
        assert len(data) and data["partial"].all()
        assert "partial: 1 shards were missing" in (folder / f"figures/{name}.svg").read_text()
    boxes = re.findall(
        r'<div class="scroll" tabindex="0" role="group" aria-label="[^"]+"><svg', html
    )
    assert len(boxes) == len(names)
    widths = [float(width) for width in re.findall(r'<svg width="(\d+)" height="\d+" role', html)]
    assert len(widths) == len(names)
    limit = figures.FULL_WIDTH * 96 * figures.SCREEN_SCALE
    assert max(widths) == pytest.approx(limit, abs=1)


@pytest.mark.parametrize(
    ("learned", "absent"),
    [
        ([], {"overlaps": "no gene is learned in two tumors", "stability": "no gene is graded"}),
        ([(1, 2), (2, 3)], {"overlaps": "no gene is learned in two tumors"}),
        ([(1, 2), (2, 2)], {}),
    ],
)
def test_a_figure_that_cannot_be_drawn_has_its_reason_on_the_page(config, learned, absent):
    grade(config, learned)
    html = page_of(config)
    files = page.report_files(read_run(config))
    for name in ("overlaps", "stability"):
        assert (f"figures/{name}.svg" in files) == (name not in absent)
        assert f'id="figure-{name}"' in html
        assert absent.get(name, "") in html
    assert html.count('class="note" id="figure-') == len(absent)
