import dataclasses
import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from made_up_checks import changed_record, drawn_deletion, drawn_parts, drawn_table, write_checks
from made_up_run import finish_run
from test_page import check, page_of, run_job

from tumorcam.errors import StaleError
from tumorcam.explain.views import ranking_keys
from tumorcam.report import faithfulness, faithfulness_figures, false_calls, figures
from tumorcam.report.results import read_run

METHODS = ["guided_grad_cam", "guided_backprop", "gradient_x_input"]
TITLES = [key.title for key in ranking_keys(METHODS)]
FIRST = [5, 0, 1, 2, 3, 4]  # gradient x input, contrast
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def config(tiny_run):
    return finish_run(tiny_run)


@pytest.fixture
def parts():
    return drawn_parts(METHODS, len(TITLES))


def checks_of(config):
    run = read_run(config)
    return faithfulness.summarise_checks(faithfulness.read_checks(run), run)


def section(html):
    start = html.index('<section id="faithfulness">')
    return html[start : html.index("</section>", start)]


def test_a_run_that_was_not_checked_says_how_to(config):
    html = page_of(config)
    assert "tumorcam faithfulness CONFIG" in section(html)
    assert 'href="#faithfulness"' in html


def test_checks_of_other_tables_are_refused(config):
    write_checks(config)
    run = read_run(config)
    assert faithfulness.read_checks(run) is not None
    other = dataclasses.replace(run, results=dataclasses.replace(run.results, digest="another"))
    with pytest.raises(StaleError, match=r"another significance\.h5; run `tumorcam faithfulness`"):
        faithfulness.read_checks(other)


def test_the_page_has_every_check_and_its_files(config):
    write_checks(config)
    assert run_job(config) == 0
    folder = config.folder / "report"
    html = (folder / "index.html").read_text(encoding="utf-8")
    check(html)
    for words in (
        "On permuted labels no pair is called in 5 of 5 runs. There is no sign that genes rank "
        "above their own decoys.</strong>",
        "Deleting its top genes lowers the logit more than deleting genes of like variance in 4 of "
        "4 tumors",
        "Logistic regression on the 30 genes that are in some tumor&#39;s top 20 calls 90.0 % of "
        "the held-out samples correctly. On as many random genes it calls 52.0 %, on as many of "
        "the most variable ones 80.0 %.",
        "The top 50 genes of two halves of the replicates overlap with a Jaccard index of",
        "as well as a random ranking does, and the t-test 4.0 times.",
        "called pairs are neither driver nor proxy of any tumor: within what q_decoy promises.",
    ):
        assert words in section(html), words
    for name in ("deletion", "deletion-tumors", "false-share"):
        assert f'id="figure-{name}"' in html
        assert (folder / "figures" / f"{name}.svg").exists()
        assert (folder / "figures" / f"{name}.png").stat().st_size > 1000
        assert f'href="figures/{name}.csv"' in html


def test_parts_that_a_run_cannot_have_are_said_to_be_absent(config):
    write_checks(config, nulls=None, entrapment=None, markers=None, planted=None)
    html = section(page_of(config))
    assert "No null runs." in html and "No list of markers is configured" in html
    assert "Planted truth" not in html and "false-share" not in html


def test_called_pairs_on_permuted_labels_are_a_warning(parts):
    called = parts["nulls"].called.copy()
    called[5, 2] = 7
    nulls = false_calls.null_check(changed_record(parts["nulls"], called=called), TITLES, FIRST)
    assert nulls.verdict.level == "input"
    assert "in 4 of 5 runs, and up to 7 pairs are called in the others" in nulls.verdict.text
    assert [row["called"] for row in nulls.rows] == [7, 0, 0, 0, 0, 0]
    assert nulls.rows[0]["name"] == "Gradient × input, contrast"


def test_calls_of_permuted_genes_are_held_against_the_promise(parts):
    part = parts["entrapment"]
    at = [*part.level].index(0.05)
    for low, high, words in (
        (0.01, 0.05, "within what"),
        (0.051, 0.2, "above what"),
        (0.01, 0.06, "(95 %: 1.0 % to 6.0 %), too rough"),
    ):
        changed = changed_record(
            part,
            called=np.full(part.called.shape, 400),
            false_low=np.full(part.called.shape, low),
            false_high=np.full(part.called.shape, high),
        )
        check = false_calls.entrapment_check(changed, TITLES, FIRST, 0.05)
        assert "1 of 400 called pairs are of the 5 permuted genes" in check.verdict.text
        assert words in check.verdict.text
    none = changed_record(part, called=np.zeros_like(part.called))
    check = false_calls.entrapment_check(none, TITLES, FIRST, 0.05)
    assert check.verdict.text == "No pair has a q_decoy of at most 0.05."
    assert len(check.rows) == 6 and check.rows[0]["entrapped"] == part.entrapped[5, at]


def test_genes_above_their_decoys_without_learning_are_a_warning(parts):
    high = np.full(6, -0.5)
    nulls = false_calls.null_check(
        changed_record(parts["nulls"], difference_high=high), TITLES, FIRST
    )
    assert nulls.verdict.level == "mixed"
    assert "Genes rank above their own decoys there" in nulls.verdict.text


def test_one_null_run_has_no_interval(parts):
    alone = changed_record(
        parts["nulls"],
        called=parts["nulls"].called[:, :1],
        difference_low=np.full(6, math.nan),
        difference_high=np.full(6, math.nan),
    )
    nulls = false_calls.null_check(alone, TITLES, FIRST)
    assert nulls.verdict.text == (
        "On permuted labels no pair is called in 1 of 1 run. That is few: take 3 null runs or more."
    )


def test_a_ranking_that_no_tumor_bears_out(config):
    part = drawn_deletion(METHODS, np.random.default_rng(0))
    low = part.area_low.copy()
    low[:3, 0, 2, 1] = -0.1
    write_checks(config, deletion=changed_record(part, area_low=low))
    verdict = checks_of(config).deletion.verdict
    assert verdict.level == "input" and "in 1 of 4 tumors" in verdict.text
    nothing = np.full(low.shape, math.nan)
    write_checks(config, deletion=changed_record(part, area_low=nothing))
    assert checks_of(config).deletion.verdict.level == "unknown"


def test_retraining_beside_its_controls(config):
    write_checks(config)
    rows = checks_of(config).retrained.rows
    assert [row["kind"] for row in rows] == [*["ranking", "random", "variable"] * 3, "t_test"]
    random = rows[1]
    assert random["accuracy"] == pytest.approx(0.52), "mean of five draws"
    assert (random["low"], random["high"]) == pytest.approx((0.5, 0.54)), "their range"
    worse = drawn_table(METHODS)
    worse.loc[worse["genes"] == "ranking", ["accuracy", "accuracy_low"]] = 0.4
    write_checks(config, retrained=worse)
    assert checks_of(config).retrained.verdict.level == "input"


def test_few_layouts_make_rough_halves(parts):
    def verdict(**values):
        part = changed_record(parts["stability"], **values)
        return faithfulness.stability_check(part, TITLES, FIRST, n_genes=1000).verdict

    assert "rough" not in verdict().text and "by chance it is 0.03" in verdict().text
    assert (
        "With 4 replicates this is rough: take 6 or more." in verdict(replicates=np.array(4)).text
    )
    alone = verdict(replicates=np.array(1), jaccard_halves=np.full((6, 4), math.nan))
    assert alone.level == "unknown" and alone.text.startswith("One replicate cannot be halved.")


def test_no_tumor_with_markers_and_nothing_called(config, parts):
    few = changed_record(parts["markers"], n_markers=np.array([1, 0, 4, 2]))
    called = np.zeros_like(parts["planted"].called)
    write_checks(config, markers=few, planted=changed_record(parts["planted"], called=called))
    checks = checks_of(config)
    assert checks.markers.verdict.text.startswith("No tumor has 5 of the markers")
    assert checks.planted.verdict.text.endswith("No pair has a q_decoy of at most 0.05.")
    assert "No tumor has 5 of the markers" in section(page_of(config))


def test_too_many_false_pairs_are_said(parts):
    many = changed_record(parts["planted"], neither=parts["planted"].called // 2)
    verdict = false_calls.planted_check(many, TITLES, FIRST, 0.05).verdict
    assert verdict.level == "mixed" and "above what q_decoy promises" in verdict.text


def test_figures_name_their_sets_and_tumors(config):
    write_checks(config)
    run = read_run(config)
    record = faithfulness.read_checks(run)
    check_figures = list(faithfulness_figures.check_figures(record, run))
    names = [drawing.name for drawing in check_figures]
    assert names == faithfulness_figures.figure_names(record)
    texts = {}
    for name, caption, figure, data in check_figures:
        root = ET.fromstring(figures.svg_text(figure, name=name, description=caption))
        texts[name] = [element.text for element in root.iter(f"{SVG}text")]
        assert root.get("role") == "img" and root.find(f"{SVG}desc").text == caption
        assert len(data) and list(data.columns) == list(dict.fromkeys(data.columns))
    for words in (
        "Gradient × input,",
        "contrast",
        "random genes",
        "genes of like",
        "variance",
        "10",
    ):
        assert words in texts["deletion"]
    assert {"ACC", "BRCA", "COAD", "READ", "mean"} <= set(texts["deletion-tumors"])
    assert "as promised" in texts["false-share"]
    assert faithfulness_figures.figure_names(None) == []


def test_without_enough_patients_the_curves_are_drawn_empty(config):
    """A few samples of each tumor give no mean curve, as with faithfulness.samples = 2."""
    write_checks(config)
    part = faithfulness.read_checks(read_run(config)).deletion
    names = ("curve", "curve_low", "curve_high", "accuracy", "intact_accuracy")
    empty = changed_record(
        part, **{name: np.full_like(getattr(part, name), np.nan) for name in names}
    )
    method = str(part.sets[0])
    figure = faithfulness_figures.curves_figure(empty, method, "Gradient × input, contrast")
    assert "genes" in figures.svg_text(figure, name="deletion", description="curves")
