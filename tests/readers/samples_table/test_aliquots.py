"""Which of several aliquots is kept."""

import pandas as pd
import pytest

from tumorcam.readers.samples_table.aliquots import latest_aliquots


def kept(*names, patient=None, sample_type="01"):
    table = pd.DataFrame(
        {
            "sample": names,
            "patient": [patient or name[:12] for name in names],
            "sample_type": sample_type,
        }
    )
    return [name for name, is_kept in zip(names, latest_aliquots(table), strict=True) if is_kept]


@pytest.mark.parametrize(
    ("latest", "other"),
    [
        # the first pair stands in the report of Firehose; the others follow from its rules
        ("TCGA-AB-2807-03D-01W-0755-09", "TCGA-AB-2807-03B-01W-0728-08"),
        ("TCGA-AA-0001-01A-11R-A200-07", "TCGA-AA-0001-01A-11R-A100-07"),
        ("TCGA-AA-0001-01A-21R-A100-07", "TCGA-AA-0001-01A-11R-A200-07"),
        ("TCGA-AA-0001-01B-11R-A100-07", "TCGA-AA-0001-01A-11R-A200-07"),
        ("TCGA-AA-0001-01A-11R-A100-07", "TCGA-AA-0001-01A-11T-A200-07"),
        ("TCGA-AA-0001-01A-11H-A100-07", "TCGA-AA-0001-01B-11R-A200-07"),
        ("TCGA-AA-0001-01B", "TCGA-AA-0001-01A"),
    ],
)
def test_the_latest_aliquot_is_kept(latest, other):
    assert kept(latest, other) == kept(other, latest) == [latest]
    dots = [name.replace("-", ".") for name in (latest, other)]
    assert kept(*dots, patient="P") == [dots[0]]


def test_of_the_preferred_analyte_the_later_plate_is_kept():
    names = [
        "TCGA-AA-0001-01A-21R-A100-07",
        "TCGA-AA-0001-01A-11R-A300-07",
        "TCGA-AA-0001-01A-11T-A400-07",
    ]
    assert kept(*names) == [names[1]]


def test_patients_and_types_are_apart():
    table = pd.DataFrame(
        {
            "sample": ["TCGA-AA-0001-01A", "TCGA-AA-0001-11A", "TCGA-AA-0002-01A"],
            "patient": ["TCGA-AA-0001", "TCGA-AA-0001", "TCGA-AA-0002"],
            "sample_type": ["01", "11", "01"],
        }
    )
    assert latest_aliquots(table).all()


def test_samples_that_are_no_aliquots_are_all_kept():
    tissues = ["GTEX-1117F-0226-SM-5GZZ7", "GTEX-1117F-0426-SM-5EGHI"]
    assert kept(*tissues, sample_type="11", patient="GTEX-1117F") == tissues
    assert kept("S1", "S2", patient="P", sample_type="") == ["S1", "S2"]
