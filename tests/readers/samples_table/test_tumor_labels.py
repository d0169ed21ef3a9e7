"""The column of the tumor type is chosen by content, and each type has one spelling."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tumorcam.errors import InputError
from tumorcam.readers.samples_table.labels import one_spelling, read_labels

PATH = Path("s.tsv")
N = 30
CODES = ["BRCA", "COAD", "LUAD"] * 10
DISEASES = ["breast invasive carcinoma", "colon adenocarcinoma", "lung adenocarcinoma"] * 10
OTHERS = {  # columns that never are the tumor type
    "tumor": ["yes", "no", "no", "yes", "yes"] * 6,
    "label": ["train"] * 20 + ["test"] * 10,
    "disease_code": [""] * N,
    "project": ["TCGA"] * N,
    "study": ["TCGA", "TCGA", "GTEX"] * 10,
    "gender": ["MALE", "FEMALE"] * 15,
    "vital_status": ["Alive", "Dead"] * 15,
    "tumor_stage": ["Stage I", "Stage IIA", "Stage IV"] * 10,
    "cancer_grade": ["G1", "G2", "G3"] * 10,
    "diagnosis_age": [str(40 + i % 7) for i in range(N)],
    "tumor_purity": [f"0.{i % 9 + 1}" for i in range(N)],
    "tissue_source_site": ["AA", "3Z", "BB"] * 10,
    "tumor_id": [f"T{i:03}" for i in range(N)],
    "tumor_sample": [f"TCGA-AA-{i:04}-01" for i in range(N)],
    "cancer_status": ["TUMOR FREE", "WITH TUMOR"] * 15,
    "tumor_descriptor": ["Primary", "Metastatic"] * 15,
    "disease": ["Adenomas and Adenocarcinomas", "Ductal and Lobular Neoplasms"] * 15,
}


def read(columns, column="auto", others=(), is_normal=None):
    table = pd.DataFrame(columns, dtype=str)
    normal = pd.Series([False] * len(table) if is_normal is None else is_normal)
    return read_labels(table, column, others, normal, PATH)


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("cells", [CODES, DISEASES, [f"TCGA-{code}" for code in CODES]])
@pytest.mark.parametrize("name", ["my names", "type", "cancer_type", "_primary_disease"])
def test_a_tumor_column_wins_over_any_other(other, cells, name):
    labels = read({other: OTHERS[other], name: cells})
    assert labels.facts[0].value == name
    assert labels.cells.tolist() == CODES


@pytest.mark.parametrize("other", sorted({*OTHERS} - {"disease"}))
def test_other_columns_alone_are_refused(other):
    with pytest.raises(InputError, match=rf"surely the tumor type.*{other}.*input\.tumor_column"):
        read({other: OTHERS[other]})


@pytest.mark.parametrize(
    "name",
    "tumor_type;cancer type abbreviation;CANCER_TYPE;CANCER_TYPE_ACRONYM;Project ID;label;Class;"
    "SMTS;OncotreeLineage;primary disease or tissue;subtype".split(";"),
)
def test_other_words_are_labels_under_a_usual_name(name):
    assert read({name: list("ABC") * 10}).cells.tolist() == list("ABC") * 10


def test_a_code_that_looks_like_a_stage_is_a_label_under_a_usual_name():
    labels = [f"T{i % 5:02}" for i in range(N)]
    assert read({"tumor_type": labels}).cells.tolist() == labels


def test_diseases_are_labels_under_any_name():
    labels = ["Ewing sarcoma", "Neuroblastoma", "Wilms tumor"] * 10
    assert read({"x": labels}).cells.tolist() == labels


def test_a_finer_disease_comes_before_the_project():
    columns = {
        "project_id": ["CPTAC-2", "CPTAC-3", "CPTAC-3"] * 10,
        "primary_diagnosis": ["Renal cell carcinoma, NOS", "Adenocarcinoma, NOS", "Sarcoma"] * 10,
    }
    labels = read(columns)
    assert labels.facts[0].value == "primary_diagnosis"
    assert "'project_id' (2 values: CPTAC-3, CPTAC-2)" in labels.facts[0].others


def test_columns_that_say_the_same_do_not_compete():
    gaps = [code if i else "" for i, code in enumerate(CODES)]
    labels = read({"tumor_type": gaps, "_primary_disease": DISEASES, "acronym": CODES})
    assert labels.cells.tolist().count("") <= 1
    assert labels.facts[0].others == ""


@pytest.mark.parametrize("shift", [1, 2])
def test_different_columns_that_fit_equally_are_refused(shift):
    other = np.roll(CODES, shift).tolist()
    with pytest.raises(InputError) as refused:
        read({"tumor_type": CODES, "cancer_type": other})
    message = str(refused.value)
    assert "'tumor_type' (3 values: BRCA" in message and "'cancer_type' (3 values:" in message
    assert message.endswith("set input.tumor_column to the one to classify by")
    assert read({"tumor_type": CODES, "cancer_type": other}, "cancer_type").cells.tolist() == other


def test_columns_are_compared_among_tumors():
    normal = [True] * 9 + [False] * 21
    tissue = ["Breast - Mammary Tissue"] * 9 + DISEASES[9:]
    category = ["Breast"] * 9 + DISEASES[9:]
    labels = read(
        {"detailed_category": category, "primary disease or tissue": tissue}, is_normal=normal
    )
    assert labels.facts[0].value == "primary disease or tissue"
    assert labels.cells.tolist() == tissue[:9] + CODES[9:]


def test_one_study_is_nothing_to_classify():
    columns = {
        "_primary_disease": ["kidney clear cell carcinoma"] * N,
        "new_event": ["Additional New Tumor Event", "Recurrence of Tumor"] * 15,
    }
    with pytest.raises(
        InputError, match="'_primary_disease' is kidney clear cell carcinoma in all"
    ):
        read(columns)


def test_a_column_that_holds_something_else_is_no_candidate():
    with pytest.raises(InputError):
        read({"cancer_type": CODES}, others=["cancer_type"])


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["BRCA", "TCGA-BRCA", "COAD"], ["BRCA", "BRCA", "COAD"]),
        (["BRCA", "brca", "COAD"], ["BRCA", "BRCA", "COAD"]),
        (["brca", "coad", "coad"], ["BRCA", "COAD", "COAD"]),
        (["0", "0.0", "1"], ["0", "0", "1"]),
        (["LumA", "lumA ", "LumA", "LumB"], ["LumA", "LumA", "LumA", "LumB"]),
        (["Breast  cancer", "breast cancer", "Breast  cancer"], ["Breast  cancer"] * 3),
        (["sarcoma", "Ewing sarcoma"], ["sarcoma", "Ewing sarcoma"]),
        (["sarcoma", "Breast invasive carcinoma", ""], ["SARC", "BRCA", ""]),
        (["TCGA-BRCA", "BRCA", "other"], ["BRCA", "BRCA", "other"]),
    ],
)
def test_one_label_has_one_spelling(cells, labels):
    column = pd.Series(cells, dtype=str).str.strip()
    spelled = one_spelling(column, pd.Series([True] * len(cells)))
    assert spelled.cells.tolist() == labels
    changed = [cell.strip() for cell in cells] != labels
    assert bool(spelled.facts) == changed


def test_a_fact_lists_the_spellings():
    spelled = one_spelling(pd.Series(["BRCA", "brca", "BRCA"]), pd.Series([True] * 3))
    assert [tuple(fact[:3]) for fact in spelled.facts] == [
        ("labels", "one in several spellings", "BRCA = brca")
    ]


def test_missing_words_are_no_label():
    words = ["'--", "not reported", "[Not Applicable]", "Unknown", "#N/A", "-", "NA"]
    assert read({"tumor_type": words + CODES}).cells.tolist() == [""] * len(words) + CODES
