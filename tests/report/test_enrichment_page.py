import pandas as pd
import pytest
from compared_runs import loosened
from made_up_run import finish_run
from test_page import check

from tumorcam.cohort.cohort import read_cohort
from tumorcam.report.enrichment import EnrichmentOptions, plan_enrichment
from tumorcam.report.enrichment_page import (
    FILES,
    plan_text,
    render_enrichment,
    results_text,
    run_tests,
    write_enrichment,
)
from tumorcam.storage.run_folder import RunFolder

NASTY = "=SUM(A1)", "<script>alert(1)</script>"
LIMITS = (
    "against the genes that this run kept",
    "treat genes as independent",
    "The p-values of prerank are not about learning",
)


@pytest.fixture
def plan(tiny_run, tmp_path):
    config = finish_run(loosened(tiny_run))
    lines = [f"{name}\tna\tGENE00\tGENE01\tGENE{20 + i}" for i, name in enumerate(NASTY)]
    (tmp_path / "sets.gmt").write_text("\r\n".join([*lines, "EMPTY\tna", ""]))
    cohort = read_cohort(RunFolder.of(config).cohort, config)
    options = EnrichmentOptions(permutations=100, min_size=2)
    return plan_enrichment(config, cohort, tmp_path / "sets.gmt", options)


def test_the_page_is_sound_and_states_its_limits(plan):
    html = render_enrichment(plan, run_tests(plan))
    checker = check(html)
    assert all(link.startswith("#") or link in FILES for link in checker.links)
    assert checker.scripts == 1 and all(limit in html for limit in LIMITS)
    assert "<script>alert" not in html and "&lt;script&gt;alert" in html
    assert "without a gene in the third cell" in html and str(plan.file.path.parent) not in html


def test_the_table_has_every_tumor_set_and_test(plan, tmp_path):
    tests = run_tests(plan)
    write_enrichment(plan, tests, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(FILES)
    table = pd.read_csv(tmp_path / "out" / "enrichment.csv")
    assert len(table) == 4 * 2 * 2
    assert set(table["set"]) == {f"'{NASTY[0]}", NASTY[1]}  # no formula for a spreadsheet
    first = (tmp_path / "out" / "enrichment.csv").read_bytes()
    write_enrichment(plan, run_tests(plan), tmp_path / "out")
    assert (tmp_path / "out" / "enrichment.csv").read_bytes() == first


def test_the_printed_text_counts_sets(plan):
    assert "sets.gmt: 2 sets; 2 have 2 to 500 genes of the run" in plan_text(plan)
    tests = run_tests(plan)
    rows = {line.split()[0]: line.split() for line in results_text(tests).splitlines()}
    for test in tests:
        over = test.of_kind("over-representation")
        n_below = int((over["fdr"] <= 0.05).sum())
        assert rows[test.tumor][1:5] == ["36", str(test.n_learned), "2", str(n_below)]
