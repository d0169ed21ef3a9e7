"""The page does not contradict itself: a quantity has one number, wherever it stands."""

import base64
import dataclasses
import gzip
import json
import re
from typing import NamedTuple

import numpy as np
import pytest
from edited_files import edited
from made_up_checks import drawn_deletion, drawn_parts, drawn_table, write_checks
from made_up_run import finish_run
from test_page import page_of

from tumorcam.explain.views import ranking_keys
from tumorcam.faithfulness.ranking_checks import levels_of, planted_scores
from tumorcam.report.answer import LEVELS
from tumorcam.report.page import LEVEL_WORDS
from tumorcam.report.results import read_run
from tumorcam.report.summary import most_false

N_PAIRS = 4 * 36
FIRST = "Gradient × input, contrast"


class Table(NamedTuple):
    """A table of the page: its headings and its rows, as texts by heading."""

    heads: list[str]
    rows: list[list[str]]

    def column(self, head: str) -> dict[str, str]:
        """The cells below a heading, by the first cell of each row."""
        at = self.heads.index(head)
        return {row[0]: row[at] for row in self.rows}


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).replace("&#39;", "'").split())


def section(html: str, name: str) -> str:
    start = html.index(f'id="{name}"')
    return html[start : html.index("</section>", start)]


def tables_of(html: str) -> list[Table]:
    tables = []
    for body in re.findall(r"<table.*?</table>", html, re.DOTALL):
        rows = [
            [text_of(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)]
            for row in re.findall(r"<tr>.*?</tr>", body, re.DOTALL)
        ]
        tables.append(Table(rows[0], rows[1:]))
    return tables


def number(text: str) -> int:
    """The first whole number of a text."""
    return int(re.search(r"[\d,]+", text)[0].replace(",", ""))


def fact(html: str, name: str) -> int:
    return number(re.search(rf"<dt>{name}</dt><dd>([\d,]+)", html)[1])


def titled(table: Table, head: str, titles: list[str]) -> dict[str, str]:
    """A column of the table of verdicts, by ranking."""
    column = table.column(head)
    return {
        title: next(cell for row, cell in column.items() if row.startswith(title))
        for title in titles
    }


def write_true_checks(config) -> None:
    """The checks of a made-up run with its own planted scores; the other parts are drawn."""
    run = read_run(config)
    t_statistic = np.random.default_rng(5).normal(size=(4, 36))
    planted = planted_scores(run.results, run.truth, t_statistic, levels=levels_of(config))
    write_checks(config, planted=planted, entrapment=None)


def call_pairs(config, q_decoy: float, grade: str) -> None:
    """Give every pair of every ranking this q_decoy and grade."""
    with edited(config.folder / "significance.h5") as file:
        for key in ranking_keys(config.explain.methods):
            group = file[key.name]
            group["q_decoy"][...] = q_decoy
            group["evidence"][...] = np.full((4, 36), grade.encode())
            n_called = N_PAIRS * (q_decoy <= config.significance.q_decoy)
            for name in ("n_called", "called_low", "called_high"):
                group.attrs[name] = type(group.attrs[name])(n_called)


def truth_of(config):
    config = finish_run(config)
    write_true_checks(config)
    return config


def other_level(config):
    significance = dataclasses.replace(config.significance, q_decoy=0.27)
    return truth_of(dataclasses.replace(config, significance=significance))


def nothing_called(config):
    config = finish_run(config)
    call_pairs(config, 0.9, "none")
    write_true_checks(config)
    return config


def everything_called(config):
    config = finish_run(config)
    call_pairs(config, 0.001, "learned")
    write_true_checks(config)
    return config


def partial(config):
    return finish_run(config, missing=["r00-f00-b0000", "r01-f00-b0000", "r01-f01-b0001"])


RUNS = {
    "truth": truth_of,
    "another level": other_level,
    "nothing called": nothing_called,
    "everything called": everything_called,
    "partial": partial,
}


@pytest.fixture(params=RUNS)
def config(request, tiny_run):
    return RUNS[request.param](tiny_run)


def test_a_quantity_has_one_number_on_the_page(config):
    html = page_of(config)
    titles = [key.title for key in ranking_keys(config.explain.methods)]
    level = config.significance.q_decoy
    (verdicts,) = tables_of(section(html, "rankings"))
    called = {k: number(v) for k, v in titled(verdicts, "Called", titles).items()}
    learned = {k: number(v) for k, v in titled(verdicts, "Learned", titles).items()}
    lead_agrees(html, called[FIRST], learned[FIRST], level)
    lowest = titled(verdicts, "Lowest q_decoy", titles)
    for title in titles:
        assert learned[title] <= called[title] <= N_PAIRS, "called are testable pairs"
        assert (float(lowest[title]) <= level) == (called[title] > 0)
    (decoys,) = tables_of(section(html, "decoys"))
    at_level = {k: number(v) for k, v in decoys.column(f"{level:g}").items()}
    assert at_level == called
    learned_agree(html, learned)
    truth_agrees(html, called)
    classifier_agrees(html)
    cohort_agrees(html)
    verdicts_agree(html, verdicts, titles)


def lead_agrees(html: str, n_called: int, n_learned: int, level: float) -> None:
    """The sentences on top and at the decoys have the numbers of the table of rankings."""
    top = re.search(r"\(([\d,]+) pairs? of tumor and gene\)", text_of(html))
    assert (number(top[1]) if top else 0) == n_learned
    answer = text_of(section(html, "decoys"))
    assert ("Nothing is called." in answer) == (n_called == 0)
    if not n_called:
        assert "No (tumor, gene) pair is called" in answer
        return
    pairs = re.search(r"([\d,]+) \(tumor, gene\) pairs? (?:is|are) called", answer)
    assert number(pairs[1]) == n_called
    assert number(re.search(r"; ([\d,]+) of them are graded learned", answer)[1]) == n_learned
    most = re.search(r"at most ([\d,]+) of these", answer)
    n_false = number(most[1]) if most else 0
    assert n_false == most_false(n_called, level) <= n_called * level


def learned_agree(html: str, learned: dict[str, int]) -> None:
    """The table of tumors and the data of the panels have the same learned pairs."""
    (tumors,) = tables_of(section(html, "genes"))
    assert sum(map(number, tumors.column("Learned").values())) == learned[FIRST]
    data = json.loads(re.search(r'id="run-data">(.*?)</script>', html, re.DOTALL)[1])
    code = data["evidence"].index("learned")
    for ranking in data["rankings"]:
        packed = data["arrays"][f"{ranking['key']}/evidence"]["data"]
        codes = np.frombuffer(gzip.decompress(base64.b64decode(packed)), np.uint8)
        assert (codes == code).sum() == learned[ranking["title"]]


def truth_agrees(html: str, called: dict[str, int]) -> None:
    """Both tables of the planted truth have the same numbers, which add up."""
    (truth,) = tables_of(section(html, "truth"))
    kinds = ["Driver of this tumor", "Driver of another tumor", "Proxy of a driver", "Neither"]
    for title, n in called.items():
        counts = [number(truth.column(kind)[title]) for kind in kinds]
        assert number(truth.column("Called")[title]) == n == sum(counts)
        share = truth.column("Observed false share")[title]
        assert share == (f"{100 * counts[-1] / n:.1f} %" if n else "–")
    if "does q_decoy keep its promise?" not in html:
        return
    checked = tables_of(section(html, "faithfulness"))[-1]
    n_checked = next(head for head in checked.heads if head.startswith("Called at"))
    for title, n in called.items():
        assert number(checked.column(n_checked)[title]) == n
        for head in ("Precision@20", "Observed false share"):
            assert checked.column(head)[title] == truth.column(head)[title]
    verdict = text_of(section(html, "faithfulness").rpartition('<p class="answer')[2])
    precision = float(re.search(r"besides proxies, ([\d.]+) % were planted", verdict)[1])
    assert f"{precision / 100:.2f}" == truth.column("Precision@20")[FIRST]


def classifier_agrees(html: str) -> None:
    """Accuracy, samples and recall agree between the lead, the tables and the warnings."""
    classifiers, by_tumor, *_, by_source = tables_of(section(html, "classifier"))
    reasons = tables_of(html[html.index('id="summary"') : html.index("</header>")])[0]
    accuracy, regression = re.search(
        r"call ([\d.]+ %) of the held-out samples.*?calls ([\d.]+ %)",
        reasons.column("Why")["Classifier"],
    ).groups()
    ensemble = [name for name in classifiers.column("Accuracy") if name.startswith("Ensemble")]
    rows = ensemble or [next(iter(classifiers.column("Accuracy")))]
    assert classifiers.column("Accuracy")[rows[-1]] == accuracy
    assert classifiers.column("Accuracy")["Logistic regression"] == regression
    samples = [number(cell) for cell in by_tumor.column("Samples").values()]
    sources = [number(cell) for cell in by_source.column("Samples").values()]
    assert sum(samples) == sum(sources)
    recalls = [float(cell.split()[0]) for cell in by_tumor.column("Recall").values()]
    mean = np.average(recalls, weights=samples)
    assert abs(mean - float(accuracy.split()[0])) <= 0.6, "recalls are rounded to 1 %"
    missed = {t for t, cell in by_tumor.column("Recall").items() if float(cell.split()[0]) < 50}
    warning = re.search(r"Too often missed to be explained:</strong> ([^.]+)\.", html)
    assert missed == (set(warning[1].split(", ")) if warning else set())
    n_networks = number(re.search(r"([\d,]+)(?: of [\d,]+)? networks \([^)]*\) learned", html)[1])
    assert f"All {n_networks} networks have the same layers." in text_of(html)


def cohort_agrees(html: str) -> None:
    """What was read, dropped and kept adds up to the facts on top."""
    provenance = section(html, "provenance")
    tally = next(table for table in tables_of(provenance) if table.heads[0] == "Kind")
    for kind, name in (("genes", "Genes"), ("samples", "Samples")):
        rows = [row for row in tally.rows if row[0] == kind]
        assert rows[0][1] == "read" and rows[-1][1] == "kept"
        assert number(rows[0][2]) == sum(number(row[2]) for row in rows[1:])
        assert number(rows[-1][2]) == fact(html, name)
    counts = next(table for table in tables_of(provenance) if table.heads[-1] == "Kept")
    assert sum(number(row[-1]) for row in counts.rows) == fact(html, "Samples")


def verdicts_agree(html: str, verdicts: Table, titles: list[str]) -> None:
    """The verdict on top and in the table of rankings is one text and one level."""
    levels = re.findall(r'class="verdict (\w+)">([^<]+?)\s*<p>(.*?)\s*</p>', html, re.DOTALL)
    by_title = {title.strip(): (level, text_of(text)) for level, title, text in levels}
    assert sorted(by_title) == sorted(titles)
    level, text = by_title[FIRST]
    reasons = tables_of(html[html.index('id="summary"') : html.index("</header>")])[0]
    assert reasons.column("Verdict")["Decoys"] == LEVEL_WORDS[LEVELS[level]]
    assert reasons.column("Why")["Decoys"] == text.split("Too few")[0].strip()


class TestWithoutDecoys:
    @pytest.fixture
    def tiny_config(self, tiny_config):
        layout = dataclasses.replace(tiny_config.layout, decoys="none")
        return dataclasses.replace(tiny_config, layout=layout)

    def test_no_number_stands_for_what_nobody_can_know(self, tiny_run):
        html = page_of(finish_run(tiny_run))
        (truth,) = tables_of(section(html, "truth"))
        assert set(truth.column("Called").values()) == {"0"}
        assert set(truth.column("Observed false share").values()) == {"–"}
        (verdicts,) = tables_of(section(html, "rankings"))
        for head in ("Top 20 places that decoys take", "Lowest q_decoy"):
            assert set(verdicts.column(head).values()) == {"–"}
        assert set(verdicts.column("Learned").values()) == {"0"}
        assert "of these. A false pair" not in html
        classifier_agrees(html)
        cohort_agrees(html)


def test_the_deletion_verdict_has_the_numbers_of_its_table(tiny_run):
    config = finish_run(tiny_run)
    part = drawn_deletion(list(config.explain.methods), np.random.default_rng(0))
    low = part.area_low.copy()
    low[:2, 0, :, 1], low[:3, 0, :, 2] = -0.1, -0.1
    write_checks(config, deletion=dataclasses.replace(part, area_low=low))
    html = section(page_of(config), "faithfulness")
    table = next(table for table in tables_of(html) if "Genes are" in table.heads)
    row = next(row for row in table.rows if row[:2] == [FIRST, "deleted"])
    random, matched, t_test = row[3], row[5], row[7]
    text = text_of(html)
    assert f"in {matched} of 4 tumors. The mean difference is {row[4].split()[0]} logits." in text
    assert f"more than random genes in {random} tumors" in text
    assert f"the t-test's top genes in {t_test}." in text
    assert (random, matched, t_test) == ("4", "2", "1")


@pytest.mark.parametrize("part", ["nulls", "deletion", "retrained"])
def test_a_ranking_that_a_check_speaks_against_is_not_praised(tiny_run, part):
    config = everything_called(tiny_run)
    with edited(config.folder / "significance.h5") as file:
        file["gradient_x_input/contrast/decoys_in_top_20"][...] = 0.0
    write_true_checks(config)
    html = page_of(config)
    assert f'class="verdict network">{FIRST}' in html
    methods = list(config.explain.methods)
    parts = drawn_parts(methods, 2 * len(methods))
    called = parts["nulls"].called + 1
    worse = drawn_table(methods)
    worse.loc[worse["genes"] == "ranking", ["accuracy", "accuracy_low"]] = 0.1
    deletion = parts["deletion"]
    changed = {
        "nulls": dataclasses.replace(parts["nulls"], called=called),
        "deletion": dataclasses.replace(deletion, area_low=deletion.area_low - 99),
        "retrained": worse,
    }
    write_checks(config, **{part: changed[part]}, planted=None, entrapment=None)
    html = page_of(config)
    assert f'class="verdict mixed">{FIRST}' in html
    reasons = tables_of(html[html.index('id="summary"') : html.index("</header>")])[0]
    assert "But " in reasons.column("Why")["Decoys"]
