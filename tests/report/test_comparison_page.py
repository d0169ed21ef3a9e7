import pandas as pd
import pytest
from compared_runs import loosened, renamed, second_run, without_genes
from made_up_run import finish_run
from test_page import check

from tumorcam.report.comparison import compare_runs
from tumorcam.report.comparison_page import (
    FILES,
    comparison_text,
    learned_counts,
    render_comparison,
    write_comparison,
)
from tumorcam.storage.manifest import read_manifest

NASTY = {"GENE00": "<script>alert(1)</script>", "GENE01": "=SUM(A1)"}


@pytest.fixture(scope="module")
def nasty_names():
    return NASTY


@pytest.fixture
def comparison(tiny_run, tmp_path, nasty_names):
    """Run B has other names of two drivers of ACC."""
    other = second_run(
        tmp_path / "b", change=lambda cohort: renamed(cohort, nasty_names), name="<b>other"
    )
    return compare_runs(finish_run(loosened(tiny_run)), other)


def test_the_page_and_the_tables_are_written(comparison, tmp_path):
    write_comparison(comparison, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(FILES)
    listed = read_manifest(tmp_path / "out" / "files.json")
    assert listed.made_from["A/significance.h5"] == comparison.a.results.digest
    genes = pd.read_csv(tmp_path / "out" / "genes.csv")
    assert len(genes) == len(comparison.learned)
    counts = learned_counts(comparison)
    assert genes["learned_in"].value_counts().to_dict() == {k: n for k, n in counts.items() if n}
    path = tmp_path / "out" / "agreement.csv"
    agreement = pd.read_csv(path, float_precision="round_trip")
    expected = comparison.agreement.astype(agreement.dtypes)
    pd.testing.assert_frame_equal(agreement, expected, check_exact=True)  # all digits
    accuracy = pd.read_csv(tmp_path / "out" / "accuracy.csv", index_col="classifier")
    assert len(accuracy) == 3
    assert accuracy["only_a"].isna().tolist() == [False, True, False]  # no test of the mean


def test_the_page_is_sound_and_loads_nothing(comparison):
    html = render_comparison(comparison)
    checker = check(html)
    assert all(link.startswith("#") or link in FILES for link in checker.links)
    targets = {link[1:] for link in checker.links if link.startswith("#")}
    assert targets <= set(checker.ids)
    assert checker.scripts == 1


def test_names_are_text_on_the_page_and_no_formulas_in_tables(comparison, tmp_path):
    html = render_comparison(comparison)
    assert "<script>alert" not in html and "&lt;script&gt;alert" in html
    assert "<b>other" not in html and "&lt;b&gt;other" in html
    write_comparison(comparison, tmp_path / "out")
    table = (tmp_path / "out" / "genes.csv").read_text()
    assert "'=SUM(A1)" in table and ",=SUM" not in table


def test_the_page_says_where_a_gene_is_missing(comparison):
    learned = comparison.learned.set_index("gene")
    assert learned.loc["GENE00", "learned_in"] == "A only"
    assert learned.loc[NASTY["GENE00"], "learned_in"] == "B only"
    assert "no such gene" in render_comparison(comparison)


def test_the_page_names_no_place_of_this_machine(comparison):
    html = render_comparison(comparison)
    facts = comparison.settings.astype(str).to_numpy().ravel().tolist()
    for fact in facts:  # the settings may have paths of the input
        html = html.replace(fact.replace('"', "&#34;"), "")
    assert str(comparison.a.config.folder) not in html


def test_the_printed_text_has_every_tumor_and_note(tiny_run, tmp_path):
    other = second_run(tmp_path / "b", change=lambda cohort: without_genes(cohort, 3))
    comparison = compare_runs(finish_run(loosened(tiny_run)), other)
    text = comparison_text(comparison)
    assert "A: tiny (" in text and "36 genes, 4 tumors" in text and "25 genes, 4 tumors" in text
    lines = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    for row in comparison.agreement.to_dict("records"):
        words = lines[row["tumor"]]
        assert words[1:3] == ["25", f"{row['spearman']:.2f}".replace("-", "−")]
        assert words[3:5] == [f"{row['overlap_20']:.0f}", "16.0"]  # 20 of 25 twice
        assert words[5] == "–"  # no top 50 of 25 genes
