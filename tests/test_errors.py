import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.errors import quoted


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "'a'"),
        ("it's", '"it\'s"'),
        ("a\nb\x1b", r"'a\nb\x1b'"),
        ("\ud800", r"'\ud800'"),
        ("", "''"),
        ("x" * 198, "'" + "x" * 198 + "'"),
        ("x" * 199, "'" + "x" * 198 + "'… (1 more characters)"),
        ("\0" * 1000, "'" + r"\x00" * 49 + "'… (951 more characters)"),
        (1.5, "1.5"),
        (None, "None"),
        ([1, "a"], "[1, 'a']"),
        ([0] * 1000, "[" + "0, " * 66 + "0… (2800 more characters)"),
        (16**6000, "<int too large to show>"),
    ],
    ids=lambda value: repr(value)[:30] if isinstance(value, str) else "",
)
def test_a_value_is_written_as_python_writes_it(value, text):
    assert quoted(value) == text


def test_a_deeply_nested_value_is_named_by_its_type():
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    assert quoted(nested) == "<list too large to show>"


def test_a_huge_text_costs_nothing():
    huge = "x" * 50_000_000
    tracemalloc.start()
    assert quoted(huge).endswith("… (49999802 more characters)")
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@given(st.text(st.characters(exclude_categories=())) | st.lists(st.text() | st.floats()))
def test_a_quoted_value_is_short_and_printable(value):
    text = quoted(value)
    assert text.isprintable() and len(text) <= 240
    assert text == repr(value) or "more characters)" in text
