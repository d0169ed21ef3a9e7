"""Gene names that a spreadsheet turned into dates or numbers."""

import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.errors import InputError
from tumorcam.readers.genes.excel_dates import RENAMED, find_dates, restore_dates

PATH = Path("m.tsv")
SYMBOLS = [f"GENE{i:03d}" for i in range(12)]
RESTORABLE = {key: gene for key, gene in RENAMED.items() if gene not in ("MARCHF1", "MARCHF2")}


def origin(name: str, *others: str) -> str | None:
    """What the name stands for among symbols; None if it is no date."""
    return find_dates([*SYMBOLS, *others, name]).get(len(SYMBOLS) + len(others))


@pytest.mark.parametrize(
    "name, gene",
    [
        ("2-Sep", "SEPTIN2"),
        ("02-SEP", "SEPTIN2"),
        ("Sep-02", "SEPTIN2"),
        ("2. Sep", "SEPTIN2"),
        ("3-Mrz", "MARCHF3"),
        ("1-Dec", "DELEC1"),
        ("15-Sep", "SELENOF"),
        ("4-Mar-21", "MARCHF4"),
        ("2021-03-04", "MARCHF4"),
        ("2021-03-04 00:00:00", "MARCHF4"),
        ("2001-12-01", "DELEC1"),
        ("3/4/2021", "MARCHF4"),
        ("1-Mar", ""),
        ("44256", ""),
        ("4-Oct", ""),
        ("2003-09-01", ""),
        ("3/9/2021", ""),
        ("2.31E+13", ""),
        ("TP53", None),
        ("SEPT2", None),
        ("MARC1", None),
        ("7157", None),
        ("44300", None),
    ],
)
def test_what_a_name_stands_for(name, gene):
    assert origin(name) == gene


def test_the_other_gene_of_a_date_decides():
    assert origin("1-Mar", "MTARC1") == "MARCHF1"


@pytest.mark.parametrize("others", [("2-Sep",), ("SEPTIN2",)])
def test_a_gene_that_there_would_be_twice_is_not_restored(others):
    assert origin("Sep-02", *others) == ""


@given(st.sampled_from(sorted(RESTORABLE)), st.integers(2016, 2030))
def test_every_spelling_of_a_date_gives_the_same_gene(key, year):
    date = datetime.date(year, *key)
    serial = str((date - datetime.date(1899, 12, 30)).days)
    for name in (f"{date.day}-{date:%b}", f"{date:%b-%d}", f"{date}", serial):
        assert origin(name) == RESTORABLE[key]


@pytest.mark.parametrize("numbers", [("44256", "7157"), ("2.31E+13", "1.0E+05")])
def test_numbers_among_entrez_ids_are_no_dates(numbers):
    assert find_dates([*numbers, "672", "1956"]) == {}


def test_dates_stop_the_job_and_say_what_to_set():
    with pytest.raises(InputError, match=r'2-Sep.*input.excel_dates = "restore"'):
        restore_dates([*SYMBOLS, "2-Sep"], "error", PATH)


@pytest.mark.parametrize("action", ["error", "restore"])
def test_what_cannot_be_restored_is_not_advised(action):
    with pytest.raises(InputError, match='"keep"') as caught:
        restore_dates([*SYMBOLS, "2-Sep", "2.31E+13"], action, PATH)
    assert "2.31E+13" in str(caught.value) and '"restore"' not in str(caught.value)


def test_restored_and_kept():
    names = [*SYMBOLS, "2-Sep"]
    restored = restore_dates(names, "restore", PATH)
    assert (
        restored.names == [*SYMBOLS, "SEPTIN2"] and "2-Sep is SEPTIN2" in restored.facts[0].reason
    )
    assert restore_dates([*names, "1-Mar"], "keep", PATH).names == [*names, "1-Mar"]
    assert restore_dates(SYMBOLS, "error", PATH).facts == []
