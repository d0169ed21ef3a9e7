import json

import pytest

from tumorcam.errors import FileError
from tumorcam.storage import integrity, manifest


@pytest.fixture
def listed(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "a.csv").write_text("abc")
    (tmp_path / "figures" / "b.svg").write_text("")
    manifest.write_manifest(
        tmp_path / "files.json", ["a.csv", "figures/b.svg"], {"significance.h5": "d1"}
    )
    return tmp_path / "files.json"


def test_a_list_comes_back(listed):
    content = manifest.read_manifest(listed)
    assert content.made_from == {"significance.h5": "d1"}
    assert list(content.files) == ["a.csv", "figures/b.svg"]
    assert content.files["a.csv"] == (3, integrity.text_digest("abc"))
    assert content.files["figures/b.svg"] == (0, integrity.text_digest(""))


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "no readable list"), ("{}", "no readable list"), ("[1]", "no readable list")],
)
def test_what_is_no_list_is_refused(listed, text, words):
    listed.write_text(text)
    with pytest.raises(FileError, match=words):
        manifest.read_manifest(listed)


def test_a_missing_list_is_a_file_error(tmp_path):
    with pytest.raises(FileError, match="no readable list"):
        manifest.read_manifest(tmp_path / "files.json")


def test_a_changed_size_is_found(listed):
    listed.write_text(listed.read_text().replace('"size": 3', '"size": 2'))
    with pytest.raises(FileError, match="damaged: its digest differs"):
        manifest.read_manifest(listed)


@pytest.mark.parametrize("name", ["../a.csv", "/etc/passwd", "figures/../../a"])
def test_a_name_that_leads_outside_is_refused(listed, name):
    content = json.loads(listed.read_text())
    content["files"][name] = content["files"].pop("a.csv")
    content.pop("digest")
    content["digest"] = integrity.text_digest(json.dumps(content, sort_keys=True))
    listed.write_text(json.dumps(content))
    with pytest.raises(FileError, match="outside its folder"):
        manifest.read_manifest(listed)
