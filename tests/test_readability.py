"""README, the pages of docs/ and the page of a run are plain: short sentences, grade 11 at most."""

from pathlib import Path

import pytest
from made_up_run import finish_run
from readable import MAX_GRADE, MAX_WORDS, grade, html_prose, long_sentences, markdown_prose

from jobs import report

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLAIN = "The cat sat on the mat. It was a warm day, and the dog lay in the sun."
HARD = (
    "Notwithstanding considerable methodological heterogeneity, interpretability of "
    "convolutional classification architectures necessitates rigorous probabilistic "
    "calibration of attribution methodologies."
)
LONG = "The run " + "reads a file and " * 12 + "ends."
MARKDOWN = f"""# A heading without a full stop

Some text [with a link](https://example.org/a.b.c) and `code.that = is left out`, in 0.05 % of
cases. It goes on here.

| a table | {LONG} |
| --- | --- |

```bash
{LONG}
```

* An item, e.g. this one, is a sentence
* {LONG}
"""
HTML = f"""<style>{LONG}</style><p>Some text with <code>code.that</code> in 0.05 % of cases.</p>
<table><tr><td>{LONG}</td></tr></table><dl><dt>term</dt><dd>It has a meaning of its own.</dd></dl>
<script>{LONG}</script><ul><li>{LONG}</li></ul>"""


@pytest.fixture(scope="module")
def report_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a tiny finished run, as a browser gets it."""
    from conftest import make_tiny_cohort, make_tiny_config, write_tiny_files, write_toml

    from jobs import prepare

    folder = tmp_path_factory.mktemp("page")
    config = make_tiny_config(write_tiny_files(make_tiny_cohort(), folder), folder / "run")
    toml = write_toml(config, folder / "tiny.toml")
    assert prepare.main([toml]) == 0
    finish_run(config)
    assert report.main([toml]) == 0
    return (config.folder / "report" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_easy_to_read(page):
    prose = markdown_prose(page.read_text(encoding="utf-8"))
    assert prose and grade(prose) <= MAX_GRADE
    assert long_sentences(prose) == []


def test_the_page_of_a_run_is_easy_to_read(report_page):
    prose = html_prose(report_page)
    assert len(prose) > 50 and grade(prose) <= MAX_GRADE
    assert long_sentences(prose) == []


def test_plain_text_has_a_low_grade_and_jargon_a_high_one():
    assert grade(markdown_prose(PLAIN)) < 3
    assert grade(markdown_prose(HARD)) > 20


def test_code_tables_and_headings_do_not_count():
    assert [len(sentence.split()) for sentence in markdown_prose(MARKDOWN)] == [12, 4, 8, 51]
    assert [len(sentence.split()) for sentence in html_prose(HTML)] == [9, 7, 51]


def test_a_long_sentence_is_named():
    assert len(LONG.split()) > MAX_WORDS
    assert long_sentences(markdown_prose(MARKDOWN)) == [LONG]
    assert long_sentences(html_prose(HTML)) == [LONG]
    assert long_sentences(markdown_prose(PLAIN)) == []
