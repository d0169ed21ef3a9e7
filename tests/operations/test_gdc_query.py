"""What the GDC lists for some projects, and answers that are not what its API promises."""

import gdc_stand_in
import pytest

from tumorcam.errors import ServerError
from tumorcam.operations.gdc_query import GdcCase, GdcSample, Query, list_files

BRCA = Query(("TCGA-BRCA",))


@pytest.fixture
def stand_in(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with gdc_stand_in.running(7) as server:
        yield server


@pytest.mark.parametrize(("page_size", "n_pages"), [(1, 7), (3, 3), (7, 1), (100, 1)])
def test_all_pages_are_read(stand_in, page_size, n_pages):
    stand_in.hits.reverse()
    files = list_files(stand_in.client(), BRCA, page_size=page_size)
    assert [file.file_id for file in files] == sorted(hit["file_id"] for hit in stand_in.hits)
    assert len(stand_in.questions) == n_pages
    assert stand_in.questions[0]["sort"] == "file_id:asc"


def test_a_file_has_all_that_is_listed(stand_in):
    file = list_files(stand_in.client(), BRCA)[4]
    hit = stand_in.hits[4]
    assert (file.name, file.md5) == (hit["file_name"], hit["md5sum"])
    assert (file.size, file.state) == (len(gdc_stand_in.star_text(4)), "released")
    sample = GdcSample("TCGA-AA-0004-11A", "Normal", "Not Applicable", "Solid Tissue", "--")
    assert file.cases == (GdcCase("TCGA-BRCA", "TCGA-AA-0004", (sample,)),)


def test_only_open_files_of_the_kind_are_asked_for(stand_in):
    for number, (key, value) in enumerate(
        [("access", "controlled"), ("data_type", "Exon Expression Quantification")], start=10
    ):
        stand_in.add(number)
        stand_in.hits[-1][key] = value
    stand_in.add(20, "TCGA-LUAD")
    assert len(list_files(stand_in.client(), BRCA)) == 7
    fields = {
        part["content"]["field"]: part["content"]["value"]
        for part in stand_in.questions[0]["filters"]["content"]
    }
    assert fields == {
        "cases.project.project_id": ["TCGA-BRCA"],
        "files.access": ["open"],
        "files.data_type": ["Gene Expression Quantification"],
        "files.analysis.workflow_type": ["STAR - Counts"],
    }


def test_projects_and_sample_types_choose(stand_in):
    stand_in.add(20, "TCGA-LUAD")
    both = Query(("TCGA-BRCA", "TCGA-LUAD"))
    assert len(list_files(stand_in.client(), both)) == 8
    normal = Query(("TCGA-BRCA",), sample_types=("Solid Tissue Normal",))
    assert [f.cases[0].case for f in list_files(stand_in.client(), normal)] == ["TCGA-AA-0004"]


def test_an_unknown_project_is_named(stand_in):
    query = Query(("TCGA-BRCA", "TCGA-BRAC"))
    with pytest.raises(ServerError, match="for the project TCGA-BRAC; check how it is spelled"):
        list_files(stand_in.client(), query)


def test_a_list_that_changes_is_refused(stand_in):
    def rule(handler, n_before):
        if n_before == 1:
            stand_in.add(30)
        return False

    stand_in.rules.append(rule)
    with pytest.raises(ServerError, match=r"it had 7 files, and now 8; .*run the command again"):
        list_files(stand_in.client(), BRCA, page_size=3)


def answer_with(stand_in, change):
    def rule(handler, n_before):
        answer = stand_in.listing(handler.question)
        handler.json(change(answer) or answer)
        return True

    stand_in.rules.append(rule)


@pytest.mark.parametrize(
    ("page_size", "change", "message"),
    [
        (3, lambda a: a["data"].update(hits=[]), "lists 0 files, but says that it has 7"),
        (7, lambda a: a["data"]["hits"].pop(), "from 6: it lists .* twice"),
        (7, lambda a: a["data"]["hits"].append(a["data"]["hits"][0]), "twice"),
        (7, lambda a: a["data"]["pagination"].update(total=5), "lists 7 files, but says .* has 5"),
    ],
)
def test_lists_that_contradict_themselves_are_refused(stand_in, page_size, change, message):
    def first_page(answer):
        if message.startswith("from 6"):
            answer["data"]["hits"] = gdc_stand_in.StandIn(hits=stand_in.hits).listing(
                stand_in.questions[0]
            )["data"]["hits"][:6]
            return
        change(answer)

    answer_with(stand_in, first_page)
    with pytest.raises(ServerError, match=message):
        list_files(stand_in.client(), BRCA, page_size=page_size)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([], r"files, from 0 is \[\]; wanted an object with data"),
        ({"error": "no"}, "data is None; wanted an object"),
        ({"data": {"hits": [], "pagination": {"total": "7"}}}, "total is '7'; wanted a whole"),
        ({"data": {"hits": [], "pagination": {"total": -1}}}, "total is -1; wanted a whole"),
        ({"data": {"hits": [], "pagination": {"total": True}}}, "total is True; wanted a whole"),
        ({"data": {"hits": {}, "pagination": {"total": 1}}}, "hits is {}; wanted a list"),
        ({"data": {"hits": [1], "pagination": {"total": 1}}}, r"hits\[0\] is 1; wanted an object"),
    ],
)
def test_another_shape_is_refused(stand_in, answer, message):
    answer_with(stand_in, lambda _: answer or [])
    stand_in.rules[:] = [lambda handler, n: handler.json(answer) or True]
    with pytest.raises(ServerError, match=message):
        list_files(stand_in.client(), BRCA)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("file_name", "../x"),
        ("file_name", "/etc/passwd"),
        ("file_name", ".."),
        ("file_name", ".bashrc"),
        ("file_name", "a/b"),
        ("file_name", "a\\b"),
        ("file_name", "a\tb"),
        ("file_name", "a\x1b[2J"),
        ("file_name", "a\0"),
        ("file_name", "x" * 300),
        ("file_name", ""),
        ("file_name", None),
        ("file_id", "../../../../tmp"),
        ("file_id", "00000000-0000-0000-0000-00000000000G"),
        ("file_id", 7),
        ("md5sum", "d41d8cd9"),
        ("md5sum", None),
        ("file_size", -1),
        ("file_size", "12"),
        ("file_size", 1.5),
        ("file_size", True),
        ("access", "controlled"),
        ("data_type", "Aligned Reads"),
        ("state", "a\nb"),
        ("cases", []),
        ("cases", [{}]),
    ],
)
def test_values_of_hits_are_not_trusted(stand_in, key, value):
    answer_with(stand_in, lambda answer: answer["data"]["hits"][3].update({key: value}))
    with pytest.raises(ServerError, match=r"hits\[3\]") as failed:
        list_files(stand_in.client(), BRCA)
    assert "\x1b" not in str(failed.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda case: case.update(samples=[]), r"samples is \[\]"),
        (lambda case: case.update(submitter_id="A\tB"), "submitter_id is"),
        (lambda case: case["project"].update(project_id="TCGA-LUAD"), "project_id is"),
        (lambda case: case["samples"][0].update(tissue_type=5), "tissue_type is 5; wanted a text"),
        (lambda case: case["samples"][0].update(submitter_id=""), "submitter_id is ''"),
    ],
)
def test_values_of_cases_are_not_trusted(stand_in, change, message):
    answer_with(stand_in, lambda answer: change(answer["data"]["hits"][0]["cases"][0]))
    with pytest.raises(ServerError, match=message):
        list_files(stand_in.client(), BRCA)
