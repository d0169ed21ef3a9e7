"""Several samples tables become one, by rows or by columns."""

from pathlib import Path

import pandas as pd
import pytest

from tumorcam.errors import InputError
from tumorcam.readers.samples_table.several import join_tables

PATHS = [Path("a.tsv"), Path("b.tsv")]
SAMPLES = pd.DataFrame({"SAMPLE_ID": ["S1", "S2", "S3"], "PATIENT_ID": ["P1", "P1", "P2"]})


def test_the_same_columns_are_rows_below_each_other():
    more = SAMPLES.assign(SAMPLE_ID=["S4", "S5", "S6"], note="x")
    joined, fact = join_tables([SAMPLES, more], PATHS)
    assert joined["SAMPLE_ID"].tolist() == [f"S{i}" for i in range(1, 7)]
    assert joined["note"].tolist() == [""] * 3 + ["x"] * 3
    assert fact.reason == "3 rows of b.tsv below"


def test_patients_give_their_columns_to_each_of_their_samples():
    """As the two clinical files of cBioPortal."""
    patients = pd.DataFrame(
        {"id": ["p2", "p1"], "SEX": ["F", "M"], "CANCER": ["LUAD", "BRCA"], "AGE": ["1", "2"]}
    )
    joined, fact = join_tables([SAMPLES, patients], PATHS)
    assert joined["CANCER"].tolist() == ["BRCA", "BRCA", "LUAD"]
    assert joined["SAMPLE_ID"].tolist() == ["S1", "S2", "S3"] and "'id'" in fact.reason


def test_a_row_without_a_partner_gets_empty_cells():
    patients = pd.DataFrame({"id": ["P2", "P9"], "CANCER": ["LUAD", "BRCA"], "x": "", "y": ""})
    joined, _ = join_tables([SAMPLES, patients.iloc[::-1]], PATHS)
    assert joined["CANCER"].tolist() == ["", "", "LUAD"]


def test_tables_without_anything_in_common_are_refused():
    other = pd.DataFrame({"a": ["x", "y"], "b": ["u", "v"], "c": ["1", "2"]})
    with pytest.raises(InputError, match=r"b\.tsv has neither the columns nor the IDs"):
        join_tables([SAMPLES, other], PATHS)
