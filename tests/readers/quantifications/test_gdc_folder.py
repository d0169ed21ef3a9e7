"""Folders of GDC downloads with sample sheets of both layouts, manifests, aliquots and gaps."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from quantification_files import sheet, star_table, uuid, whole, write_gdc_folder, write_star

from tumorcam.errors import InputError
from tumorcam.readers.quantifications.file_list import resolve
from tumorcam.readers.quantifications.gdc import read_listing
from tumorcam.readers.quantifications.reading import read_files
from tumorcam.settings import InputSettings

SAMPLES = [f"TCGA-A1-A{number:03d}-0{1 + number % 2}A" for number in range(6)]
FORMATS = Path(__file__).parents[3].parent / "shared" / "data" / "formats"


def read(folder, *sheets, **settings):
    settings = InputSettings(scale="counts", **settings)
    paths = resolve([str(folder)], "input.expression")
    return read_files(paths, list(sheets), settings, lambda name: False, None, None)


def drops(matrix):
    return {(drop.kind, drop.name) for drop in matrix.dropped}


@pytest.mark.parametrize("layout", ["old", "new"])
def test_the_sheet_names_the_samples(tmp_path, layout):
    write_gdc_folder(tmp_path, 6)
    table = sheet(SAMPLES, layout)
    matrix = read(tmp_path, table.sample(frac=1, random_state=3))
    assert matrix.samples == SAMPLES and not matrix.dropped
    for number, sample in enumerate(SAMPLES):
        expected = star_table(number)["unstranded"]
        np.testing.assert_array_equal(whole(matrix)[sample][4:], expected)
    assert matrix.labels.columns.tolist()[: len(table.columns) + 1] == ["sample", *table.columns]
    assert matrix.labels["sample"].tolist() == SAMPLES
    pd.testing.assert_frame_equal(matrix.labels[table.columns], table)


def test_the_sheet_may_lie_in_the_folder_or_the_files_in_it(tmp_path):
    write_gdc_folder(tmp_path / "deep", 6)
    table = sheet(SAMPLES)
    table.to_csv(tmp_path / "deep" / "gdc_sample_sheet.2024-05-01.tsv", sep="\t", index=False)
    assert read(tmp_path / "deep").samples == SAMPLES
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in (tmp_path / "deep").rglob("*.rna_seq.*.tsv"):
        shutil.copy(path, flat)
    assert read(flat, table).samples == SAMPLES


def test_a_cell_that_repeats_a_case_is_one_case(tmp_path):
    write_gdc_folder(tmp_path, 2)
    table = sheet([f"{SAMPLES[0]}, {SAMPLES[0]}", SAMPLES[1]])
    matrix = read(tmp_path, table)
    assert matrix.samples == SAMPLES[:2]
    assert matrix.labels["Case ID"].tolist() == [name[:12] for name in SAMPLES[:2]]
    assert set(matrix.labels["Sample Type"]) == {"Primary Tumor"}


def test_a_file_of_several_samples_is_dropped(tmp_path):
    write_gdc_folder(tmp_path, 3)
    matrix = read(tmp_path, sheet([SAMPLES[0], f"{SAMPLES[1]}, {SAMPLES[3]}", SAMPLES[2]]))
    assert matrix.samples == [SAMPLES[0], SAMPLES[2]]
    assert drops(matrix) == {("sample", f"{SAMPLES[1]}, {SAMPLES[3]}")}
    np.testing.assert_array_equal(whole(matrix)[SAMPLES[2]][4:], star_table(2)["unstranded"])


def test_aliquots_of_a_sample_stay_apart(tmp_path):
    write_gdc_folder(tmp_path, 3)
    matrix = read(tmp_path, sheet([SAMPLES[0], SAMPLES[1], SAMPLES[0]]))
    assert matrix.samples == [f"{SAMPLES[0]}_00000000", SAMPLES[1], f"{SAMPLES[0]}_00000002"]
    assert matrix.labels["Sample ID"].tolist() == [SAMPLES[0], SAMPLES[1], SAMPLES[0]]
    assert [fact for fact in matrix.facts if fact.topic == "aliquots"]


def test_listed_files_that_are_missing_are_dropped(tmp_path):
    write_gdc_folder(tmp_path, 2)
    slides = sheet(SAMPLES, kind="svs").assign(**{"Data Type": "Slide Image"})
    slides["File ID"] = [uuid(number + 900) for number in range(6)]
    matrix = read(tmp_path, pd.concat([sheet(SAMPLES[:3]), slides]))
    assert matrix.samples == SAMPLES[:2] and drops(matrix) == {("sample", SAMPLES[2])}


def test_a_file_that_is_not_listed_stays_without_a_label(tmp_path):
    write_gdc_folder(tmp_path, 2)
    write_star(tmp_path / "x" / "extra.rna_seq.augmented_star_gene_counts.tsv", 9)
    matrix = read(tmp_path, sheet(SAMPLES[:2]))
    assert matrix.samples == [*SAMPLES[:2], "extra"]
    assert matrix.labels["Sample ID"].tolist() == [*SAMPLES[:2], ""]


def manifest(n):
    rows = sheet(SAMPLES[:n])
    files = {"id": rows["File ID"], "filename": rows["File Name"]}
    return pd.DataFrame({**files, "md5": "", "size": "1"})


def test_a_manifest_needs_a_sample_sheet(tmp_path):
    write_gdc_folder(tmp_path, 2)
    with pytest.raises(InputError, match="Sample Sheet"):
        read(tmp_path, manifest(2))
    matrix = read(tmp_path, manifest(4), sheet(SAMPLES[:3]))
    names = {("sample", SAMPLES[2]), ("sample", manifest(4)["filename"][3])}
    assert matrix.samples == SAMPLES[:2] and drops(matrix) == names


def test_sheets_that_contradict_each_other_are_refused(tmp_path):
    write_gdc_folder(tmp_path, 3)
    assert read(tmp_path, sheet(SAMPLES[:3]), sheet(SAMPLES[:3])).samples == SAMPLES[:3]
    with pytest.raises(InputError, match="different rows for 3 files"):
        read(tmp_path, sheet(SAMPLES[:3]), sheet(SAMPLES[3:]))


def test_a_table_of_samples_in_the_folder_is_no_data(tmp_path):
    write_gdc_folder(tmp_path, 2)
    table = tmp_path / "sheet.tsv"
    sheet(SAMPLES[:2]).to_csv(table, sep="\t", index=False)
    assert read(tmp_path, sheet(SAMPLES[:2]), samples=(str(table),)).samples == SAMPLES[:2]
    with pytest.raises(InputError, match="2 formats"):
        read(tmp_path, sheet(SAMPLES[:2]))


@pytest.mark.skipif(not FORMATS.exists(), reason="needs the real files of formats/")
@pytest.mark.parametrize("name", ["old", "new"])
def test_real_sample_sheets(name):
    table = pd.read_csv(FORMATS / f"gdc_sample_sheet.{name}_layout.tsv", sep="\t", dtype=str)
    paths = [Path("x", *row) for row in zip(table["File ID"], table["File Name"], strict=True)]
    listing = read_listing(paths, [table])
    is_several = table["Sample ID"].map(lambda cell: len(set(cell.split(", "))) > 1)
    assert listing.is_dropped == is_several.tolist() and len(listing.dropped) == is_several.sum()
    names = listing.labels["sample"][~is_several].str[:16]
    assert (names == table["Sample ID"][~is_several].str[:16]).all()
    cases = listing.labels["Case ID"].str.split(", ").str[0]
    assert (cases == table["Case ID"].str.split(", ").str[0]).all()


def test_types_are_those_of_two_columns_in_new_sheets(tmp_path):
    samples = [f"HCM-BROD-{i:04d}-C15" for i in range(4)]
    write_gdc_folder(tmp_path / "gdc", 4)
    table = sheet(samples, "new")
    table["Tumor Descriptor"] = ["Primary", "Metastatic", "Not Applicable", "Recurrence"]
    table["Tissue Type"] = ["Tumor", "Tumor", "Normal", "Tumor"]
    labels = read(tmp_path / "gdc", table).labels
    types = dict(zip(labels["sample"], labels["Sample Type"], strict=True))
    assert types == dict(
        zip(samples, ["Primary", "Metastatic", "Normal", "Recurrence"], strict=True)
    )


def test_a_sheet_of_other_files_is_refused(tmp_path):
    write_gdc_folder(tmp_path / "gdc", 2)
    for number, path in enumerate(sorted((tmp_path / "gdc").rglob("*.tsv"))):
        path.rename(tmp_path / "gdc" / f"TCGA-AA-{number:04d}-01A.tsv")
    with pytest.raises(InputError, match="lists none of the 2 files"):
        read(tmp_path / "gdc", sheet(["A", "B"]))
