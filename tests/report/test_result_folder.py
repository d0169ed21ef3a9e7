import json

import pytest

from tumorcam.errors import FileError
from tumorcam.report.result_folder import require_place, write_results
from tumorcam.storage.manifest import read_manifest

MADE_FROM = {"command": "compare", "A": "1"}


def write(folder, text, made_from=MADE_FROM):
    with write_results(folder, ["page.html"], made_from) as aside:
        (aside / "page.html").write_text(text, encoding="utf-8")


def test_a_new_folder_gets_the_files_and_their_list(tmp_path):
    write(tmp_path / "a" / "b", "first")
    assert (tmp_path / "a" / "b" / "page.html").read_text() == "first"
    listed = read_manifest(tmp_path / "a" / "b" / "files.json")
    assert listed.made_from == MADE_FROM and list(listed.files) == ["page.html"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]  # nothing is left over


def test_the_same_call_writes_anew_and_leaves_other_files(tmp_path):
    write(tmp_path / "out", "first")
    (tmp_path / "out" / "mine.txt").write_text("mine")
    write(tmp_path / "out", "second")
    assert (tmp_path / "out" / "page.html").read_text() == "second"
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("other", [{"command": "enrich", "A": "1"}, MADE_FROM | {"A": "2"}, {}])
def test_results_of_another_call_stay(tmp_path, other):
    write(tmp_path / "out", "first", other)
    with pytest.raises(FileError, match=r"another call, which differs in .*--out"):
        write(tmp_path / "out", "second")
    assert (tmp_path / "out" / "page.html").read_text() == "first"


def test_a_failure_leaves_the_earlier_files(tmp_path):
    write(tmp_path / "out", "first")
    with (
        pytest.raises(ZeroDivisionError),
        write_results(tmp_path / "out", ["page.html"], MADE_FROM),
    ):
        1 / 0  # noqa: B018
    assert (tmp_path / "out" / "page.html").read_text() == "first"
    assert read_manifest(tmp_path / "out" / "files.json").made_from == MADE_FROM


def test_what_else_is_in_a_folder_is_never_replaced(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    assert require_place(folder, MADE_FROM) == folder
    (folder / "page.html").write_text("mine")
    with pytest.raises(FileError, match="is not empty"):
        require_place(folder, MADE_FROM)
    (folder / "files.json").write_text(json.dumps({"files": {}}))
    with pytest.raises(FileError, match=r"nothing in .* is replaced"):
        require_place(folder, MADE_FROM)
    assert (folder / "page.html").read_text() == "mine"


def test_a_file_is_no_place(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(FileError, match="is a file"):
        require_place(tmp_path / "out", MADE_FROM)
