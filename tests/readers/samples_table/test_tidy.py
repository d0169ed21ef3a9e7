"""Tables as their sources give them become tidy: sample, patient, tumor, sample type, source."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.errors import InputError
from tumorcam.readers.samples_table.tidy import tidy
from tumorcam.settings import InputSettings

PATH = Path("s.tsv")
TUMORS = ["BRCA", "COAD", "LAML"]
TUMOR = [TUMORS[i % 3] for i in range(18)]
DISEASE = {
    "BRCA": "breast invasive carcinoma",
    "COAD": "colon adenocarcinoma",
    "LAML": "acute myeloid leukemia",
}
TYPE = ["11" if i % 6 == 0 else "03" if t == "LAML" else "01" for i, t in enumerate(TUMOR)]
WORDS = {
    "01": "Primary Tumor",
    "03": "Primary Blood Derived Cancer - Peripheral Blood",
    "11": "Solid Tissue Normal",
}
LETTERS = {"01": "TP", "03": "TB", "11": "NT"}
PATIENT = [f"TCGA-AA-{i // 2:04}" for i in range(18)]
SAMPLE = [f"{p}-{k}" for p, k in zip(PATIENT, TYPE, strict=True)]
SAMPLE = [
    name if i % 2 else f"TCGA-AA-{i // 2 + 50:04}-{name[-2:]}" for i, name in enumerate(SAMPLE)
]
PATIENT = [name[:12] for name in SAMPLE]
ALIQUOT = [f"{name}A-11R-A123-07" for name in SAMPLE]
UUID = [f"{i:08x}-1111-4222-8333-aaaaaaaaaaaa" for i in range(18)]
TYPE_WORDS = [WORDS[kind] for kind in TYPE]
DISEASES = [DISEASE[tumor] for tumor in TUMOR]
STAGES = ["Stage I", "Stage II", "[Not Available]"] * 6
AGES = [str(40 + i) for i in range(18)]
GENDER = ["MALE", "FEMALE"] * 9
TABLES = {
    "Xena pan-cancer phenotype": (
        SAMPLE,
        {
            "sample": SAMPLE,
            "sample_type_id": [str(int(kind)) for kind in TYPE],
            "sample_type": TYPE_WORDS,
            "_primary_disease": DISEASES,
        },
    ),
    "Xena survival": (
        SAMPLE,
        {
            "sample": SAMPLE,
            "_PATIENT": PATIENT,
            "cancer type abbreviation": TUMOR,
            "age_at_initial_pathologic_diagnosis": AGES,
            "gender": GENDER,
            "ajcc_pathologic_tumor_stage": STAGES,
            "histological_type": ["Infiltrating Ductal Carcinoma", "Mucinous Carcinoma", ""] * 6,
            "vital_status": ["Alive", "Dead"] * 9,
            "tumor_status": ["TUMOR FREE", "WITH TUMOR"] * 9,
            "OS": ["0", "1"] * 9,
        },
    ),
    "Xena GDC hub": (
        [f"{name}A" for name in SAMPLE],
        {
            "submitter_id.samples": [f"{name}A" for name in SAMPLE],
            "disease_code": [""] * 18,
            "project_id.project": [f"TCGA-{tumor}" for tumor in TUMOR],
            "disease_type": ["Adenomas and Adenocarcinomas", "Myeloid Leukemias"] * 9,
            "sample_type.samples": TYPE_WORDS,
            "submitter_id": PATIENT,
        },
    ),
    "TCGAbiolinks colData": (
        ALIQUOT,
        {
            "barcode": ALIQUOT,
            "patient": PATIENT,
            "sample": [f"{name}A" for name in SAMPLE],
            "shortLetterCode": [LETTERS[kind] for kind in TYPE],
            "definition": TYPE_WORDS,
            "sample_type_id": [str(int(kind)) for kind in TYPE],
            "disease_type": ["Adenomas and Adenocarcinomas", "Myeloid Leukemias"] * 9,
            "project_id": [f"TCGA-{tumor}" for tumor in TUMOR],
            "name": DISEASES,
            "paper_BRCA_Subtype_PAM50": ["LumA", "NA", "NA"] * 6,
        },
    ),
    "recount3": (
        UUID,
        {
            "rail_id": [str(100000 + i) for i in range(18)],
            "external_id": UUID,
            "study": TUMOR,
            "tcga.tcga_barcode": ALIQUOT,
            "tcga.gdc_cases.submitter_id": PATIENT,
            "tcga.gdc_cases.project.project_id": [f"TCGA-{tumor}" for tumor in TUMOR],
            "tcga.gdc_cases.samples.sample_type": TYPE_WORDS,
            "tcga.gdc_cases.demographic.gender": GENDER,
        },
    ),
    "cBioPortal": (
        SAMPLE,
        {
            "PATIENT_ID": PATIENT,
            "SAMPLE_ID": SAMPLE,
            "ONCOTREE_CODE": ["BRCA", "COAD", "AML"] * 6,
            "CANCER_TYPE": ["Breast Cancer", "Colorectal Cancer", "Leukemia"] * 6,
            "CANCER_TYPE_DETAILED": DISEASES,
            "CANCER_TYPE_ACRONYM": TUMOR,
            "SAMPLE_TYPE": ["Normal" if kind == "11" else "Primary" for kind in TYPE],
        },
    ),
    "GDC sample sheet": (
        SAMPLE,
        {
            "File ID": UUID,
            "File Name": [f"{name}.tsv" for name in UUID],
            "Data Category": ["Transcriptome Profiling"] * 18,
            "Project ID": [f"TCGA-{tumor}" for tumor in TUMOR],
            "Case ID": PATIENT,
            "Sample ID": [f"{name}A" for name in SAMPLE],
            "Sample Type": TYPE_WORDS,
        },
    ),
    "GDC clinical": (
        ALIQUOT,
        {
            "case_id": UUID,
            "case_submitter_id": PATIENT,
            "project_id": [f"TCGA-{tumor}" for tumor in TUMOR],
            "age_at_index": AGES,
            "gender": GENDER,
            "ajcc_pathologic_stage": STAGES,
            "primary_diagnosis": ["Infiltrating duct carcinoma, NOS", "'--", "'--"] * 6,
        },
    ),
}


def read(samples, columns, **settings):
    table = pd.DataFrame(columns, dtype=str)
    return tidy(table, samples, InputSettings(**settings), PATH)


def columns_of(samples, columns, **settings):
    return read(samples, columns, **settings).table.to_dict("list")


@pytest.mark.parametrize("source", TABLES)
def test_a_table_gives_patients_tumors_and_types(source):
    samples, columns = TABLES[source]
    table = columns_of(samples, columns)
    assert table["sample"] == samples
    assert table["patient"] == PATIENT
    assert table["tumor"] == TUMOR
    assert table["sample_type"] == TYPE


@given(
    st.permutations(range(18)), st.randoms(use_true_random=False), st.sampled_from(sorted(TABLES))
)
def test_the_order_of_rows_columns_and_samples_changes_nothing(order, random, source):
    samples, columns = TABLES[source]
    names = random.sample(list(columns), len(columns))
    table = {name: [columns[name][i] for i in order] for name in names}
    tidied = columns_of(samples[::-1], table)
    assert tidied["sample"] == samples[::-1]
    assert tidied["tumor"] == TUMOR[::-1]
    assert tidied["sample_type"] == TYPE[::-1]


def test_toil_gives_disease_and_type():
    samples = [*SAMPLE, *(f"GTEX-11{i:02}A-0226-SM-5GZZ{i}" for i in range(6))]
    samples += [f"TARGET-20-PABLD{i}-09" for i in range(4)]
    columns = {
        "sample": samples,
        "detailed_category": [*DISEASES, *["Breast"] * 6, *["Acute Myeloid Leukemia"] * 4],
        "primary disease or tissue": [
            *DISEASES, *["Breast - Mammary Tissue"] * 6, *["acute myeloid leukemia"] * 4
        ],
        "_primary_site": [*["Breast", "Colon", "Blood"] * 6, *["Breast"] * 6, *["Blood"] * 4],
        "_sample_type": [*TYPE_WORDS, *["Normal Tissue"] * 6,
                         *["Primary Blood Derived Cancer - Bone Marrow"] * 4],
        "_gender": [*GENDER, *["Male"] * 10],
        "_study": ["TCGA"] * 18 + ["GTEX"] * 6 + ["TARGET"] * 4,
    }  # fmt: skip
    table = columns_of(samples, columns)
    assert table["patient"][18:20] == ["GTEX-1100A", "GTEX-1101A"]
    assert table["patient"][-1] == "TARGET-20-PABLD3"
    assert table["tumor"][:18] == TUMOR
    assert table["tumor"][18:] == ["Breast - Mammary Tissue"] * 6 + ["LAML"] * 4
    assert table["sample_type"] == [*TYPE, *["11"] * 6, *["09"] * 4]


def test_gtex_attributes_give_tissues():
    samples = [f"GTEX-11{i // 2:02}A-0{i}26-SM-5GZZ{i}" for i in range(8)]
    tissues = ["Breast", "Colon"] * 4
    detailed = ["Breast - Mammary Tissue", "Colon - Sigmoid", "Breast - Mammary Tissue",
                "Colon - Transverse"] * 2  # fmt: skip
    columns = {"SAMPID": samples, "SMRIN": ["7.1", "6.5"] * 4, "SMTS": tissues, "SMTSD": detailed}
    table = columns_of(samples, columns, tumor_column="SMTS")
    assert table["patient"] == [name[:10] for name in samples]
    assert table["tumor"] == tissues
    assert set(table["sample_type"]) == {"11"}


def test_cell_lines_have_patients_and_no_type():
    models = [f"ACH-{i:06}" for i in range(12)]
    columns = {
        "ModelID": models,
        "PatientID": [f"PT-{i // 2}" for i in range(12)],
        "OncotreeLineage": ["Breast", "Bowel", "Lung"] * 4,
        "OncotreePrimaryDisease": ["Invasive Breast Carcinoma", "Colorectal Adenocarcinoma",
                                   "Non-Small Cell Lung Cancer"] * 4,
    }  # fmt: skip
    table = columns_of(models, columns)
    assert table["patient"] == columns["PatientID"]
    assert table["tumor"] == columns["OncotreePrimaryDisease"]
    assert set(table["sample_type"]) == {""}


NAMES = [f"S{i}" for i in range(12)]
BASE = {"sample": NAMES, "tumor_type": ["A", "B"] * 6}


@pytest.mark.parametrize(
    ("name", "cells", "patients"),
    [
        ("patient", [f"P{i // 2}" for i in range(12)], [f"P{i // 2}" for i in range(12)]),
        ("Donor ID", [str(i // 2) for i in range(12)], [str(i // 2) for i in range(12)]),
        ("case", [str(i) for i in range(12)], [""] * 12),  # counts the rows
        ("case", [str(i + 1) for i in range(12)][::-1], [""] * 12),
        ("patient", ["P"] * 12, [""] * 12),
        ("patient_age", [str(50 + i // 2) for i in range(12)], [""] * 12),
        (
            "individual",
            ["P1", "P2", "P3", "P4", "NA", "P5"] * 2,
            [*"P1 P2 P3 P4".split(), "", "P5"] * 2,
        ),
    ],
)
def test_patients_of_other_ids_come_from_a_usual_column(name, cells, patients):
    assert columns_of(NAMES, {**BASE, name: cells})["patient"] == patients


def test_a_part_of_the_rows_does_not_hide_that_a_column_counts_them():
    table = columns_of(NAMES[3:9:2], {**BASE, "case": [str(i) for i in range(12)]},
                       tumor_column="tumor_type")  # fmt: skip
    assert table["patient"] == [""] * 3


def test_a_named_patient_column_counts_and_a_conflict_is_said():
    columns = {"sample": SAMPLE, "tumor_type": TUMOR, "patient": ["P"] * 18}
    tidied = read(SAMPLE, columns, patient_column="patient")
    assert set(tidied.table["patient"]) == {"P"}
    assert any("differ" in fact.reason for fact in tidied.facts if fact.topic == "patients")


def test_barcodes_count_before_a_column_of_patients():
    columns = {"sample": SAMPLE, "tumor_type": TUMOR, "patient": [f"P{i % 4}" for i in range(18)]}
    tidied = read(SAMPLE, columns)
    assert tidied.table["patient"].tolist() == PATIENT
    assert any("the barcode counts" in fact.text for fact in tidied.facts)


def test_a_column_that_calls_tumors_normal_is_refused_and_its_name_decides():
    columns = {"sample": SAMPLE, "tumor_type": TUMOR, "sample_type": ["Normal"] * 18}
    with pytest.raises(InputError) as refused:
        read(SAMPLE, columns)
    message = str(refused.value)
    assert "15 of 18 differ (barcode 01, column 11, barcode 03, column 11)" in message
    assert 'set input.sample_type_column = "sample_type" if the column is right' in message
    table = columns_of(SAMPLE, columns, sample_type_column="sample_type", tumor_column="tumor_type")
    assert set(table["sample_type"]) == {"11"}


def test_a_barcode_of_a_tumor_counts_before_the_column():
    columns = {"sample": SAMPLE, "tumor_type": TUMOR,
               "sample_type": ["Normal" if k == "11" else "Metastatic" for k in TYPE]}  # fmt: skip
    tidied = read(SAMPLE, columns)
    assert tidied.table["sample_type"].tolist() == TYPE
    assert any(fact.text == "the barcode counts" for fact in tidied.facts)


def test_a_pair_of_tumor_and_normal_barcodes_has_no_type():
    columns = {"id": UUID, "tumor_type": TUMOR,
               "Tumor_Sample_Barcode": [f"{p}-01" for p in PATIENT],
               "Matched_Norm_Sample_Barcode": [f"{p}-10" for p in PATIENT]}  # fmt: skip
    tidied = read(UUID, columns)
    assert tidied.table["patient"].tolist() == PATIENT
    assert set(tidied.table["sample_type"]) == {""}
    assert any("not taken from barcodes" in fact.text for fact in tidied.facts)


def test_rows_twice_and_alike_are_one_and_gaps_are_filled():
    columns = {"sample": [*SAMPLE, *SAMPLE], "tumor_type": [*TUMOR, *[""] * 9, *TUMOR[9:]]}
    table = columns_of(SAMPLE, columns)
    assert table["sample"] == SAMPLE
    assert table["tumor"] == TUMOR


def test_rows_twice_in_conflict_stay():
    columns = {"sample": [*SAMPLE, SAMPLE[1]], "tumor_type": [*TUMOR, "BRCA"]}
    tidied = read(SAMPLE, columns).table
    assert tidied.loc[tidied["sample"] == SAMPLE[1], "tumor"].tolist() == ["COAD", "BRCA"]


def test_sources_that_differ_are_unknown():
    columns = {"sample": [*SAMPLE, SAMPLE[1]], "tumor_type": [*TUMOR, TUMOR[1]],
               "batch": [*["1"] * 18, "2"]}  # fmt: skip
    table = columns_of(SAMPLE, columns)
    assert table["source"] == ["1", "", *["1"] * 16]


def test_a_patient_with_a_tumor_and_a_normal_row_is_refused():
    patients = [f"TCGA-AA-{i:04}" for i in range(6)]
    rows = [f"{p}-{kind}" for p in patients for kind in ("01", "11")]
    columns = {"sample": rows, "tumor_type": [TUMORS[i // 4] for i in range(12)]}
    with pytest.raises(InputError, match=r"6 samples .*several rows.*sample type 01, 11.*IDs that"):
        read(patients, columns)
    alone = {"sample": rows[::2], "tumor_type": [TUMORS[i // 2] for i in range(6)]}
    assert columns_of(patients, alone)["sample_type"] == ["01"] * 6


def test_missing_columns_are_refused_by_name():
    for setting in ("tumor_column", "patient_column", "sample_type_column", "source_column"):
        with pytest.raises(InputError, match=rf"no column 'x' as input\.{setting} says"):
            read(SAMPLE, {"sample": SAMPLE, "tumor_type": TUMOR}, **{setting: "x"})


def test_rows_without_samples_are_counted():
    columns = {"sample": SAMPLE, "tumor_type": TUMOR}
    facts = read(SAMPLE[:12], columns).facts
    assert [fact.reason for fact in facts if fact.topic == "samples table"] == [
        "18 rows, 6 of which belong to no sample of the matrix"
    ]


CELLS = st.sampled_from(
    ["", "NA", "S1", "s1", "S2", "S3", "X1", "1", "1.0", "BRCA", "brca", "COAD", "Normal", "Tumor",
     "TCGA-AA-0001-01", "TCGA-AA-0001", "tcga.aa.0001.11", "TCGA-AA-0002-06A", "GTEX-1117F", "yes"]
)  # fmt: skip
COLUMNS = st.lists(
    st.sampled_from(["sample", "id", "", "tumor", "tumor_type", "patient", "sample_type", "batch"]),
    min_size=1,
    max_size=5,
)


@given(st.data(), COLUMNS)
def test_any_table_is_read_or_refused(data, names):
    rows = data.draw(st.lists(st.tuples(*[CELLS] * len(names)), max_size=8))
    samples = data.draw(st.lists(CELLS.filter(bool), min_size=1, max_size=6))
    table = pd.DataFrame(rows, columns=names, dtype=str)
    try:
        tidied = tidy(table, samples, InputSettings(), PATH).table
    except InputError as refused:
        assert len(str(refused)) < 1000
        return
    assert list(tidied.columns) == ["sample", "patient", "tumor", "sample_type", "source"]
    assert set(tidied["sample"]) <= set(samples)
    assert all(isinstance(cell, str) for cell in tidied.to_numpy().ravel())
    assert not tidied.duplicated().any()
