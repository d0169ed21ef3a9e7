import io
import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.report import csv_files
from tumorcam.report.columns import FLAG, NUMBER, TEXT, WHOLE, Column
from tumorcam.report.csv_files import number_text, part_names, plain_text, write_csv, write_parts

COLUMNS = (
    Column("gene", TEXT, ""),
    Column("n", WHOLE, ""),
    Column("score", NUMBER, ""),
    Column("p_null", NUMBER, ""),
    Column("partial", FLAG, ""),
)


def table_of(scores, genes=None):
    n = len(scores)
    return pd.DataFrame(
        {
            "gene": genes or [f"G{i}" for i in range(n)],
            "n": np.arange(n, dtype=np.int16),
            "score": np.array(scores, dtype=np.float32),
            "p_null": np.full(n, np.nan),
            "partial": np.zeros(n, bool),
        }
    )


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@x", "\tx", "\nx"])
def test_a_cell_that_a_spreadsheet_would_run_gets_a_quote(cell):
    assert plain_text(cell) == "'" + cell
    assert plain_text("A" + cell) == "A" + cell


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((7.0, "7.0"), (-0.5, "-0.5"), (1 / 3, "0.333333"), (1234567.0, "1234570.0")),
        *((1e-300, "1e-300"), (math.nan, "NaN"), (math.inf, "inf"), (0.0, "0.0")),
    ],
)
def test_a_number_has_six_digits_and_is_no_whole_number(value, text):
    assert number_text(value) == text


@given(st.floats(allow_nan=False))
def test_a_number_with_all_digits_comes_back(value):
    text = number_text(value, digits=17)
    assert float(text) == value and not text.lstrip("-").isdigit()


@pytest.mark.parametrize("early", [math.nan, 1.0], ids=["unknown", "whole"])
def test_pandas_and_polars_read_the_same_types(tmp_path, early):
    """Neither looks at more than the first thousand cells, of which none has a fraction."""
    path = tmp_path / "t.csv"
    write_csv(path, [table_of([early] * 3000 + [0.5])], COLUMNS)
    by_pandas, by_polars = pd.read_csv(path), pl.read_csv(path)
    assert [str(kind) for kind in by_pandas.dtypes] == "object int64 float64 float64 bool".split()
    assert by_polars.dtypes == [pl.String, pl.Int64, pl.Float64, pl.Float64, pl.Boolean]
    assert by_pandas["score"].iloc[-1] == by_polars["score"][-1] == 0.5
    assert by_pandas["score"][:3000].isna().all() == math.isnan(early)


def test_names_with_signs_come_back(tmp_path):
    genes = ["TP53", 'a"b', "c,d", "1-Mar", "7157", "true", "MARCH1"]
    write_csv(tmp_path / "t.csv", [table_of([0.0] * 7, genes)], COLUMNS)
    assert pl.read_csv(tmp_path / "t.csv")["gene"].to_list() == genes
    assert pd.read_csv(tmp_path / "t.csv")["gene"].tolist() == genes


@given(st.lists(st.text("aZ,\"'\t\r\n;é ", min_size=1), min_size=1))
def test_any_text_comes_back(names):
    text = "\n".join(["gene", *map(csv_files.quoted_text, names)])
    read = pd.read_csv(
        io.StringIO(text, newline=""), keep_default_na=False, skip_blank_lines=False,
        lineterminator="\n",
    )  # fmt: skip
    assert read["gene"].tolist() == [plain_text(name) for name in names]


def test_a_long_table_is_split_by_whole_blocks(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(csv_files, "MAX_ROWS", 10)
    assert part_names("genes.csv", blocks=2, rows=5) == ["genes.csv"]
    names = part_names("genes.csv", blocks=5, rows=4)
    assert names == ["genes-1.csv", "genes-2.csv", "genes-3.csv"]
    whole = [table_of(np.arange(12.0)), table_of(np.arange(12.0, 20.0))]  # 3 and 2 blocks of 4
    with caplog.at_level("INFO", logger="tumorcam"):
        write_parts(tmp_path, names, whole, COLUMNS, rows=4)
    parts = [pd.read_csv(tmp_path / name) for name in names]
    assert [len(part) for part in parts] == [8, 8, 4]
    assert pd.concat(parts)["score"].tolist() == np.arange(20.0).tolist()
    assert "more than 10 rows is split" in caplog.text and "genes-3.csv" in caplog.text


def test_a_block_beyond_the_limit_is_a_part_of_its_own(monkeypatch):
    monkeypatch.setattr(csv_files, "MAX_ROWS", 10)
    assert part_names("a.b.csv", blocks=2, rows=11) == ["a.b-1.csv", "a.b-2.csv"]
    assert part_names("decoys.csv", blocks=50, rows=0) == ["decoys.csv"]


def test_a_table_with_other_columns_is_a_fault(tmp_path):
    with pytest.raises(ValueError, match="the table has the columns"):
        write_csv(tmp_path / "t.csv", [table_of([1.0])[["n", "gene"]]], COLUMNS)
    assert list(tmp_path.iterdir()) == []
