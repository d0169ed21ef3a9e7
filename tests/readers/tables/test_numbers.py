"""Numbers are read as Python reads them, and nothing else is taken for a number."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorcam.errors import InputError
from tumorcam.readers.missing import MISSING, spellings_of_missing
from tumorcam.readers.tables.cells import Rows
from tumorcam.readers.tables.numbers import number, read_numbers

NUMBERS = "1 -1 +1.5 .5 5. 007 1e-5 1E5 2.5e+3 inf -inf Infinity nan -0 1e400 1e-400".split()
NO_NUMBERS = "1_000 0x1F True 1d3 3.5f ٣ １ 1'000 10% $5 1/2 1.5.2 --1 1e abc 1.#IND 1,5,2".split()


def rows_of(*rows, delimiter="\t"):
    lines = [delimiter.join(row).encode() for row in rows]
    numbers = list(range(2, len(rows) + 2))
    return Rows(lines, numbers, len(rows[0]), delimiter.encode(), Path("m.tsv"))


def read(*rows, columns=(1, 2), decimal=".", delimiter="\t"):
    names = [f"S{i}" for i in range(9)]
    return read_numbers(rows_of(*rows, delimiter=delimiter), columns, decimal, names)


@pytest.mark.parametrize("cell", NUMBERS)
def test_numbers_of_python(cell):
    for text in (cell, f" {cell} "):
        values = read(["a", "1", "2"], ["b", text, "3"])
        expected = [[1, 2], [float(cell), 3]]
        np.testing.assert_array_equal(values, expected)
        assert math.copysign(1, values[1, 0]) == math.copysign(1, float(cell)) or cell == "nan"


@pytest.mark.parametrize("cell", NO_NUMBERS)
def test_other_texts_are_refused_with_their_place(cell):
    with pytest.raises(InputError, match=r"m\.tsv line 3, column 3 \('S2'\)") as error:
        read(["a", "1", "2"], ["b", "3", cell])
    assert len(str(error.value)) < 500
    assert number(cell, ".") is None


@pytest.mark.parametrize("word", sorted({*MISSING, *spellings_of_missing(), "nA", "nOt RePorted"}))
def test_words_for_missing_values(word):
    values = read(["a", "1", "2"], ["b", word, f" {word} "])
    np.testing.assert_array_equal(values, [[1, 2], [math.nan, math.nan]])


def test_decimal_commas():
    values = read(["a", "1,5", "2"], ["b", ",5", "-1,25e3"], decimal=",")
    np.testing.assert_array_equal(values, [[1.5, 2], [0.5, -1250]])
    for other, expected in (("2", 2), (".", math.nan)):
        quoted = ["1\x005", other], ["1\x0025", "-3"]  # "1,5" in quotes, between commas
        values = read(*quoted, columns=(0, 1), decimal=",", delimiter=",")
        np.testing.assert_array_equal(values, [[1.5, expected], [1.25, -3]])


@pytest.mark.parametrize(
    ("cell", "decimal", "words"),
    [
        ("1,234", ".", "separators of thousands"),
        ("1,234.5", ".", "separators of thousands"),
        ("1,5", ".", r"input\.decimal = .comma"),
        ("1.5", ",", r"input\.decimal = .point"),
        ("1.234,5", ",", r"input\.decimal = .point"),
    ],
)
def test_signs_of_other_countries(cell, decimal, words):
    with pytest.raises(InputError, match=words):
        read(["a", "1", "2"], ["b", cell, "3"], decimal=decimal)


@pytest.mark.parametrize("columns", [(0, 1, 2, 3), (1, 2), (2, 3), (0, 2), (1, 3), (3,), (0,)])
def test_columns_in_any_places(columns):
    table = np.arange(12.0).reshape(3, 4)
    values = read(*[[str(value) for value in row] for row in table], columns=columns)
    np.testing.assert_array_equal(values, table[:, columns])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(width=64, allow_nan=True), min_size=6, max_size=6),
    st.sampled_from(["{!r}", "{:.3e}", "{:+.17g}", " {:.6f}", "{:.0f}"]),
)
def test_any_float_is_read_as_python_reads_it(floats, form):
    texts = [form.format(value) for value in floats]
    values = read(["a", *texts[:3]], ["b", *texts[3:]], columns=(1, 2, 3))
    np.testing.assert_array_equal(values.ravel(), [float(text) for text in texts])


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("0123456789.,+-eE_xnaif \"'\u0663d"), max_size=6))
def test_any_text_is_a_number_only_if_python_says_so(text):
    expected = number(text, ".")
    try:
        value = read(["a", "1", "2"], ["b", text, "3"])[1, 0]
    except InputError:
        assert expected is None
    else:
        assert expected is not None
        np.testing.assert_array_equal(value, expected)
