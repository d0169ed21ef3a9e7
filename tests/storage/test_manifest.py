import pytest
from edited_files import edit_json

from tumorcam.errors import DamageError, FileError
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
    [("", "is damaged"), ("{}", "is damaged"), ("[1]", "is damaged"), ("[" * 99_999, "is damaged")],
)
def test_what_is_no_list_is_refused(listed, text, words):
    listed.write_text(text)
    with pytest.raises(FileError, match=words):
        manifest.read_manifest(listed)


def test_a_missing_list_is_a_file_error(tmp_path):
    with pytest.raises(FileError, match="does not exist"):
        manifest.read_manifest(tmp_path / "files.json")


def test_a_changed_size_is_found(listed):
    listed.write_text(listed.read_text().replace('"size": 3', '"size": 2'))
    with pytest.raises(FileError, match="damaged: its digest differs"):
        manifest.read_manifest(listed)


@pytest.mark.parametrize("name", ["../a.csv", "/etc/passwd", "figures/../../a"])
def test_a_name_that_leads_outside_is_refused(listed, name):
    edit_json(listed, lambda content: content.update(files={name: {"size": 3, "sha256": ""}}))
    with pytest.raises(FileError, match="outside its folder"):
        manifest.read_manifest(listed)


def test_a_list_of_something_else_is_no_damage(listed):
    edit_json(listed, lambda content: content.pop("files"))
    with pytest.raises(FileError, match="is no list of files") as raised:
        manifest.read_manifest(listed)
    assert not isinstance(raised.value, DamageError)


def test_a_listed_file_must_be_as_listed(listed):
    path = listed.with_name("a.csv")
    manifest.require_as_listed(path, remedy="run it")
    manifest.require_as_listed(listed.with_name("not listed"), remedy="")
    path.write_text("abd")
    with pytest.raises(DamageError, match=r"a\.csv is damaged: its SHA-256 differs; run it"):
        manifest.require_as_listed(path, remedy="run it")
    path.write_text("ab")
    with pytest.raises(DamageError, match="it has 2 bytes, and had 3"):
        manifest.require_as_listed(path, remedy="run it")
    path.unlink()
    with pytest.raises(FileError, match="does not exist; run it"):
        manifest.require_as_listed(path, remedy="run it")
