"""Several samples tables become one."""

from pathlib import Path

import pandas as pd
import pytest

from tumorcam.errors import InputError
from tumorcam.readers.samples_table.several_tables import combine_tables

PATHS = [Path("s.tsv"), Path("t.tsv")]
BARCODES = [f"TCGA-AA-000{i}-01" for i in range(4)]
NAMES = ["S1", "S2", "S3", "S4", "S5", "S6"]
DONORS = ["P1", "P1", "P2", "P2", "P3", "P3"]


def frame(**columns):
    return pd.DataFrame(columns, dtype=str)


def combined(first, second, samples, column="auto"):
    return combine_tables([first, second], samples, column, PATHS).table.to_dict("list")


def test_a_single_table_stays():
    table = frame(sample=NAMES)
    assert combine_tables([table], NAMES, "auto", PATHS[:1]).table is table


def test_further_rows():
    tables = frame(sample=NAMES[:2], tumor=["a", "b"]), frame(sample=NAMES[2:], tumor=list("abab"))
    assert combined(*tables, NAMES) == {"sample": NAMES, "tumor": list("ababab")}


def test_further_columns_of_barcodes_of_other_length():
    patients = frame(case=[name[:12] for name in BARCODES], project=list("aabb"))
    types = frame(sample=BARCODES[::-1], kind=list("wxyz"))
    table = combined(patients, types, BARCODES)
    assert table["case"] == BARCODES  # the names of the matrix
    assert table["project"] == list("aabb")
    assert table["kind"] == list("zyxw")


@pytest.mark.parametrize("order", [1, -1])
def test_a_table_of_patients_is_joined_by_their_column(order):
    samples = frame(SAMPLE_ID=NAMES, PATIENT_ID=DONORS)
    patients = frame(PATIENT_ID=["P3", "P1", "P2"], CANCER_TYPE=["c", "a", "b"])
    table = combined(*[samples, patients][::order], NAMES)
    assert table == {"SAMPLE_ID": NAMES, "PATIENT_ID": DONORS, "CANCER_TYPE": list("aabbcc")}


def test_columns_of_one_name_fill_each_other_or_both_stay():
    first = frame(sample=NAMES, a=["x", "x", "", "", "x", "x"], b=["1"] * 6)
    second = frame(sample=NAMES, a=["", "", "y", "y", "", ""], b=["2"] * 6)
    table = combined(first, second, NAMES)
    assert table["a"] == ["x", "x", "y", "y", "x", "x"]
    assert table["b"] == ["1"] * 6
    assert table["b (t.tsv)"] == ["2"] * 6


def test_a_table_of_other_samples_is_refused():
    with pytest.raises(InputError, match=r"t\.tsv: no column has a sample"):
        combined(frame(sample=NAMES), frame(id=["u", "v", "w"]), NAMES)


def test_facts_name_the_files_and_columns():
    tables = [frame(sample=NAMES[:2]), frame(id=NAMES)]
    facts = combine_tables(tables, NAMES, "auto", PATHS).facts
    assert [fact.text for fact in facts] == ["s.tsv, by column 'sample'", "t.tsv, by column 'id'"]
    assert facts[0].reason.startswith("2 samples")
