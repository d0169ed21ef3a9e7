"""Columns recognised by their usual names, and the cells of a column."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.errors import InputError
from tumorcam.readers import column_names
from tumorcam.readers.column_names import cells_of, plain_spelling, require_column, usual_columns

USUAL_NAMES = {
    name: names
    for name, names in vars(column_names).items()
    if name.isupper() and isinstance(names, tuple)
}


def table(*columns: str) -> pd.DataFrame:
    return pd.DataFrame([["x"] * len(columns)], columns=list(columns))


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Chromosome/scaffold name", "chromosomescaffoldname"),
        ("_primary_disease", "primarydisease"),
        ("Gene start (bp)", "genestartbp"),
        ("#chrom", "chrom"),
        ("", ""),
    ],
)
def test_plain_spelling(name, plain):
    assert plain_spelling(name) == plain


@pytest.mark.parametrize("kind", USUAL_NAMES)
def test_usual_names_are_spelled_plainly_and_listed_once(kind):
    names = USUAL_NAMES[kind]
    assert len(names) > 2 and len(set(names)) == len(names)
    assert [plain_spelling(name) for name in names] == list(names)


def test_usual_columns_come_in_the_order_of_their_names():
    columns = table("age", "Study", "TUMOR", "tumor_type", "id")
    assert usual_columns(columns, column_names.TUMOR) == ["tumor_type", "TUMOR", "Study"]
    assert usual_columns(table("age"), column_names.TUMOR) == []


@given(st.permutations(column_names.SAMPLE))
def test_the_order_of_the_table_does_not_matter(columns):
    assert usual_columns(table(*columns), column_names.SAMPLE) == list(column_names.SAMPLE)


def test_a_configured_column_must_exist():
    require_column(table("a", "b"), "b", "input.tumor_column", Path("t.tsv"))
    message = (
        r"t\.tsv has no column 'c' as input\.tumor_column says; its columns are 'a', 'b'; set "
        r"input\.tumor_column to one of them"
    )
    with pytest.raises(InputError, match=message):
        require_column(table("a", "b"), "c", "input.tumor_column", Path("t.tsv"))


def test_cells_are_stripped_and_missing_ones_are_empty():
    cells = pd.DataFrame({"a": [" x ", "NA", "[Not Available]", "", "y"]})
    assert cells_of(cells, "a").tolist() == ["x", "", "", "", "y"]


def test_the_first_of_two_columns_with_the_same_name_counts():
    twice = pd.DataFrame([["first", "second"]], columns=["a", "a"])
    assert cells_of(twice, "a").tolist() == ["first"]
