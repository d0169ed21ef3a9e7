"""The files that a setting names: lists, folders, patterns, and what is refused and how."""

import os

import pytest

from tumorcam.errors import InputError
from tumorcam.readers.quantifications.file_list import resolve

SETTING = "input.expression"


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def names(paths, folder):
    return [str(path.relative_to(folder)) for path in paths]


def refusal(*texts):
    with pytest.raises(InputError) as caught:
        resolve(texts, SETTING)
    message = str(caught.value)
    assert SETTING in message or (message.count("twice") and len(message) < 1000)
    return message


def test_files_stand_in_the_order_of_the_list(tmp_path):
    touch(tmp_path, "b.tsv", "a.tsv")
    paths = resolve([str(tmp_path / "b.tsv"), str(tmp_path / "a.tsv")], SETTING)
    assert names(paths, tmp_path) == ["b.tsv", "a.tsv"]


def test_a_folder_gives_its_data_files_in_natural_order(tmp_path):
    touch(tmp_path, "10/x.tsv", "2/x.tsv.gz", "2/annotations.txt", "2/logs/x.parcel", ".hidden/x")
    touch(tmp_path, "MANIFEST.txt", "2/x.tsv.gz.md5", ".DS_Store", "gdc_sample_sheet.2024.tsv")
    touch(tmp_path, "s10.tsv", "s9.tsv", "2/y.tsv.partial")
    assert names(resolve([str(tmp_path)], SETTING), tmp_path) == [
        "2/x.tsv.gz",
        "10/x.tsv",
        "s9.tsv",
        "s10.tsv",
    ]


def test_files_of_programs_beside_the_data_do_not_count(tmp_path):
    touch(tmp_path, "s1/quant.sf", "s1/cmd_info.json", "s1/aux_info/fld.gz", "s1/logs/q.log")
    touch(tmp_path, "s2/abundance.tsv", "s2/abundance.h5", "s2/run_info.json")
    touch(tmp_path, "s3/ReadsPerGene.out.tab", "s3/SJ.out.tab", "s3/Log.final.out")
    touch(tmp_path, "s4/c.txt", "s4/c.txt.summary")
    assert names(resolve([str(tmp_path)], SETTING), tmp_path) == [
        "s1/quant.sf",
        "s2/abundance.tsv",
        "s3/ReadsPerGene.out.tab",
        "s4/c.txt",
    ]


def test_patterns_match_files_and_folders(tmp_path):
    touch(tmp_path, "c/2.tsv", "c/10.tsv", "c/1.txt", "d/e/3.tsv", "d/e/annotations.txt")
    assert names(resolve([f"{tmp_path}/c/*.tsv"], SETTING), tmp_path) == ["c/2.tsv", "c/10.tsv"]
    assert len(resolve([f"{tmp_path}/**/*.tsv"], SETTING)) == 3
    assert names(resolve([f"{tmp_path}/d/*"], SETTING), tmp_path) == ["d/e/3.tsv"]


def test_a_name_that_exists_is_no_pattern_and_no_list(tmp_path):
    touch(tmp_path, "a[1],b.tsv")
    assert names(resolve([f"{tmp_path}/a[1],b.tsv"], SETTING), tmp_path) == ["a[1],b.tsv"]


def test_a_text_with_commas_is_a_list(tmp_path):
    touch(tmp_path, "a.tsv", "b.tsv")
    paths = resolve([f"{tmp_path}/a.tsv, {tmp_path}/b.tsv"], SETTING)
    assert names(paths, tmp_path) == ["a.tsv", "b.tsv"]
    assert "c.tsv" in refusal(f"{tmp_path}/a.tsv,{tmp_path}/c.tsv")


def test_links_to_folders_are_followed_once(tmp_path):
    touch(tmp_path, "data/a.tsv")
    (tmp_path / "data" / "self").symlink_to(tmp_path / "data")
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "link").symlink_to(tmp_path / "data")
    assert names(resolve([str(tmp_path / "all")], SETTING), tmp_path) == ["all/link/a.tsv"]


def test_a_file_that_is_named_twice_is_refused(tmp_path):
    touch(tmp_path, "a.tsv")
    (tmp_path / "b.tsv").symlink_to("a.tsv")
    assert "twice" in refusal(f"{tmp_path}/a.tsv", f"{tmp_path}/*.tsv")


@pytest.mark.parametrize("url", ["https://x.org/a.tsv.gz", "https:/x.org/a", "s3://b/a", "ftp://a"])
def test_a_url_is_to_be_downloaded(url):
    assert "download it first" in refusal(url)


def test_a_tilde_is_spelled_out(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert f"{tmp_path}/a.tsv" in refusal("~/a.tsv")


def test_a_missing_file_is_told_with_similar_names(tmp_path, monkeypatch):
    touch(tmp_path, "counts.tsv.gz", "other.txt")
    message = refusal(f"{tmp_path}/counts.tsv")
    assert "counts.tsv.gz" in message and "other.txt" not in message
    monkeypatch.chdir(tmp_path)
    message = refusal("count.tsv.gz")
    assert "counts.tsv.gz" in message and str(tmp_path) in message and "where" in message


def test_a_missing_folder_is_told(tmp_path):
    (tmp_path / "data").mkdir()
    assert "data has no folder gone" in refusal(f"{tmp_path}/data/gone/deep/a.tsv")
    assert "pattern" in refusal(f"{tmp_path}/data/*.tsv")


def test_a_folder_without_data_is_refused(tmp_path):
    touch(tmp_path, "MANIFEST.txt", "logs/a.log")
    assert "holds no data file" in refusal(str(tmp_path))


@pytest.mark.parametrize("text", ["a\0b", "a\0*", "x" * 5000, "x" * 300 + "*", "[", "\n", " ", ","])
def test_odd_texts_are_input_errors(text):
    assert len(refusal_of(text)) < 1000


def refusal_of(text):
    with pytest.raises(InputError) as caught:
        resolve([text], SETTING)
    return str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_locked_folder_is_refused(tmp_path):
    (tmp_path / "a").mkdir(mode=0)
    assert "cannot be read" in refusal(str(tmp_path))
