"""The samples table: which columns are read, and what TCGA barcodes add."""

from pathlib import Path

import pandas as pd
import pytest

from tumorcam.errors import InputError
from tumorcam.readers import samples
from tumorcam.settings import InputSettings

PATH = Path("samples.tsv")
AUTO = InputSettings()


def table(**columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns, dtype=str)


def tidied(
    columns: dict[str, list[str]], settings: InputSettings = AUTO, matrix: str = "a b c"
) -> dict[str, list[str]]:
    tidy = samples.tidy(table(**columns), matrix.split(), settings, PATH)
    assert list(tidy.columns) == ["sample", "patient", "tumor", "sample_type", "source"]
    return tidy.to_dict("list")


def test_tcga_barcodes_give_patient_and_sample_type():
    barcodes = ["TCGA-A7-A0CE-01A-11R-A00Z-07", "TCGA-A7-A0CE-11", "GTEX-1"]
    tidy = tidied(
        {"sample": barcodes, "tumor": ["BRCA", "BRCA", "none"]}, matrix=" ".join(barcodes)
    )
    assert tidy["patient"] == ["TCGA-A7-A0CE", "TCGA-A7-A0CE", "GTEX-1"]
    assert tidy["sample_type"] == ["01", "11", ""]
    assert tidy["source"] == ["", "", ""]


def test_columns_come_before_barcodes_and_barcodes_fill_gaps():
    barcodes = ["TCGA-A7-A0CE-01", "TCGA-A7-A0CF-01"]
    tidy = tidied(
        {
            "sampleID": barcodes,
            "cancer type": ["x", "x"],
            "patient": ["p1", "NA"],
            "sample_type": ["06", ""],
        },
        matrix=" ".join(barcodes),
    )
    assert tidy["patient"] == ["p1", "TCGA-A7-A0CF"]
    assert tidy["sample_type"] == ["06", "01"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("01", "01"),
        ("1", "01"),
        ("1.0", "01"),
        ("11", "11"),
        ("Primary Solid Tumor", "01"),
        ("Primary Tumor", "01"),
        ("Primary Blood Derived Cancer - Peripheral Blood", "03"),
        ("solid tissue normal", "11"),
        ("organoid", "organoid"),
        ("", ""),
    ],
)
def test_sample_types_become_codes(given, code):
    tidy = tidied({"sample": ["a"], "tumor": ["x"], "Sample Type": [given]})
    assert tidy["sample_type"] == [code]


@pytest.mark.parametrize("name", ["tumor_type", "Tumor", "cancer_type", "DISEASE", "Project ID"])
def test_the_tumor_column_is_recognised_by_its_usual_names(name):
    assert tidied({"id": ["a"], "age": ["7"], name: ["BRCA"]})["tumor"] == ["BRCA"]


def test_more_usual_names_come_first():
    tidy = tidied({"sample": ["a"], "study": ["s"], "tumor_type": ["t"], "batch": ["B1"]})
    assert (tidy["tumor"], tidy["source"]) == (["t"], ["B1"])


def test_the_sample_column_has_most_ids_in_common():
    columns = {"barcode": ["a-1", "b-1"], "sampleID": ["a", "b"], "sample": ["a", "x"]}
    assert tidied(columns | {"tumor": ["x", "y"]})["sample"] == ["a", "b"]
    assert tidied({"who": ["a", "b"], "tumor": ["x", "y"]})["sample"] == ["a", "b"]


def test_named_columns_are_used_and_must_exist():
    columns = {"who": ["a"], "what": ["BRCA"], "sample": ["z"], "tumor": ["?"]}
    named = InputSettings(sample_column="who", tumor_column="what", patient_column="sample")
    tidy = tidied(columns, named)
    assert (tidy["sample"], tidy["tumor"], tidy["patient"]) == (["a"], ["BRCA"], ["z"])
    for key in ("sample", "tumor", "patient", "sample_type", "source"):
        with pytest.raises(InputError, match=f"no column 'q' as input.{key}_column says"):
            tidied(columns, InputSettings(**{"sample_column": "who", f"{key}_column": "q"}))


def test_missing_labels_are_empty_and_equal_rows_are_one():
    tidy = tidied({"sample": ["a", "b", "a", ""], "tumor": [" x ", "NA", "x", "y"]})
    assert (tidy["sample"], tidy["tumor"]) == (["a", "b"], ["x", ""])


def test_a_table_without_tumor_is_refused():
    with pytest.raises(InputError, match=r"set input.tumor_column to one of: 'sample', 'age'"):
        tidied({"sample": ["a"], "age": ["7"]})


def test_a_table_of_other_samples_is_refused_with_both_sides():
    with pytest.raises(InputError, match=r"column 'sample' \(q\) .*matrix \(a, b, c\)"):
        tidied({"sample": ["q"], "tumor": ["x"]})


def test_all_that_may_be_ids():
    columns = table(sample=["a", "NA"], barcode=["a-1", " b-1 "], tumor=["x", "y"])
    assert samples.sample_ids(columns, AUTO, PATH) == {"a", "a-1", "b-1"}
    named = InputSettings(sample_column="barcode")
    assert samples.sample_ids(columns, named, PATH) == {"a-1", "b-1"}


def test_a_table_is_read_as_text(tmp_path):
    path = tmp_path / "samples.csv"
    path.write_bytes(b'\xef\xbb\xbfsample, sample_type,note\r\na,01,"x, y"\r\nb,NA,\r\n')
    assert samples.read_table(path).to_dict("list") == {
        "sample": ["a", "b"],
        "sample_type": ["01", "NA"],
        "note": ["x, y", ""],
    }


def test_a_header_without_its_corner_as_r_writes_it(tmp_path):
    path = tmp_path / "samples.tsv"
    path.write_text("sample\ttumor\n1\ta\tx\n2\tb\ty\n")
    assert samples.read_table(path)["sample"].tolist() == ["a", "b"]


def test_a_table_without_rows_is_refused():
    with pytest.raises(InputError, match="no sample of column 'sample'"):
        tidied({"sample": [], "tumor": []})


@pytest.mark.parametrize("row", ["c", "c\tx\ty"])
def test_a_ragged_table_is_refused_by_line(tmp_path, row):
    path = tmp_path / "samples.tsv"
    path.write_text(f"sample\ttumor\na\tx\n\n{row}\n")
    with pytest.raises(InputError, match=r"samples\.tsv line 4 has \d cells; wanted 2"):
        samples.read_table(path)
