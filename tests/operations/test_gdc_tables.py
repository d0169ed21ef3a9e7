"""Manifest and sample sheet of a download, and folders that hold another one."""

import dataclasses

import pytest

from tumorcam.errors import FileError, StaleError
from tumorcam.operations.gdc_query import GdcCase, GdcFile, GdcSample
from tumorcam.operations.gdc_tables import (
    MANIFEST,
    SHEET,
    manifest_text,
    require_same_download,
    sheet_text,
    write_tables,
)

TUMOR = GdcSample("TCGA-AA-0001-01A", "Tumor", "Primary", "Solid Tissue", "OCT")
NORMAL = GdcSample("TCGA-AA-0002-11A", "Normal")
CASES = (
    GdcCase("TCGA-BRCA", "TCGA-AA-0001", (TUMOR,)),
    GdcCase("TCGA-LUAD", "TCGA-AA-0002", (NORMAL,)),
)
FILE = GdcFile("0-id", "a.tsv", "f" * 32, 12, "released", "Transcriptome", "Expression", CASES[:1])
OTHER = dataclasses.replace(FILE, file_id="1-id", name="b.tsv", cases=CASES)


def texts(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_the_manifest_is_the_portals():
    assert manifest_text([FILE]) == (
        "id\tfilename\tmd5\tsize\tstate\n0-id\ta.tsv\tffffffffffffffffffffffffffffffff\t12\treleased\n"
    )


def test_the_sheet_has_the_portals_columns_and_joins_cases():
    header, first, second = sheet_text([FILE, OTHER]).splitlines()
    assert header.split("\t") == [
        *("File ID", "File Name", "Data Category", "Data Type", "Project ID", "Case ID"),
        *("Sample ID", "Tissue Type", "Tumor Descriptor", "Specimen Type", "Preservation Method"),
    ]
    assert first.split("\t")[4:] == [
        *("TCGA-BRCA", "TCGA-AA-0001", "TCGA-AA-0001-01A"),
        *("Tumor", "Primary", "Solid Tissue", "OCT"),
    ]
    assert second.split("\t")[4:] == [
        *("TCGA-BRCA, TCGA-LUAD", "TCGA-AA-0001, TCGA-AA-0002"),
        *("TCGA-AA-0001-01A, TCGA-AA-0002-11A", "Tumor, Normal"),
        *("Primary, --", "Solid Tissue, --", "OCT, --"),
    ]


def test_the_same_download_and_a_larger_one_go_on(tmp_path):
    write_tables(tmp_path, [FILE])
    before = texts(tmp_path)
    write_tables(tmp_path, [FILE])
    assert texts(tmp_path) == before and before.keys() == {MANIFEST, SHEET}
    write_tables(tmp_path, [FILE, OTHER])
    assert texts(tmp_path)[MANIFEST] == manifest_text([FILE, OTHER])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"size": 13},
            f"0-id: the manifest has a.tsv {'f' * 32} 12, the server a.tsv {'f' * 32} 13",
        ),
        ({"md5": "e" * 32}, f"the server a.tsv {'e' * 32} 12"),
        ({"name": "c.tsv"}, f"the server c.tsv {'f' * 32} 12"),
    ],
)
def test_files_that_changed_on_the_server_are_refused(tmp_path, change, text):
    write_tables(tmp_path, [FILE, OTHER])
    before = texts(tmp_path)
    with pytest.raises(StaleError, match=r"1 files of .* have changed on the server") as failed:
        write_tables(tmp_path, [dataclasses.replace(FILE, **change), OTHER])
    assert text in str(failed.value) and "nothing was changed" in str(failed.value)
    assert texts(tmp_path) == before


def test_another_download_is_refused(tmp_path):
    write_tables(tmp_path, [FILE])
    with pytest.raises(StaleError, match=r"lists 1 files that are not asked for .*: 0-id; .*--out"):
        require_same_download(tmp_path, [OTHER])


@pytest.mark.parametrize("text", ["", "a\tb\n", "id\tfilename\tmd5\tsize\tstate\nonly one cell\n"])
def test_a_manifest_that_is_none_is_refused(tmp_path, text):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(FileError, match="is no manifest of the GDC"):
        write_tables(tmp_path, [FILE])
    assert (tmp_path / MANIFEST).read_text() == text


def test_a_sheet_without_manifest_is_not_overwritten(tmp_path):
    (tmp_path / SHEET).write_text("mine")
    with pytest.raises(FileError, match=r"is there without gdc_manifest\.txt"):
        write_tables(tmp_path, [FILE])
    assert texts(tmp_path) == {SHEET: "mine"}
