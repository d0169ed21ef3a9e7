import openpyxl
import pandas as pd
import pytest

from tumorcam.report.columns import NUMBER, TEXT, Column
from tumorcam.report.workbook import Sheet, about_sheet, column_sheet, write_workbook

COLUMNS = (Column("gene", TEXT, "The gene."), Column("score", NUMBER, "The score.", "logits"))
NAMES = ["=SUM(A1)", "+1", "-1", "@x", "SEPT2", "MARCH1", "1-Mar", "7157", "2E3", "bell\x07"]


def sheets():
    table = pd.DataFrame({"gene": NAMES, "score": [0.5, *[float("nan")] * 8, 2]})
    return [
        Sheet("first", table, COLUMNS, fixed=1),
        column_sheet(COLUMNS),
        about_sheet({"run": "=demo"}),
    ]


@pytest.fixture
def workbook(tmp_path):
    write_workbook(tmp_path / "t.xlsx", sheets())
    return openpyxl.load_workbook(tmp_path / "t.xlsx")


def test_text_stays_text_whatever_it_looks_like(workbook):
    cells = [row[0] for row in workbook["first"].iter_rows(min_row=2)]
    assert [cell.value for cell in cells] == [*NAMES[:-1], "bell?"]
    assert {(cell.data_type, cell.number_format) for cell in cells} == {("s", "@")}
    assert workbook["about"]["B2"].value == "=demo" and workbook["about"]["B2"].data_type == "s"


def test_numbers_are_numbers_and_unknown_ones_are_empty(workbook):
    assert [cell.value for cell in workbook["first"]["B"]] == ["score", 0.5, *[None] * 8, 2]
    assert workbook["first"]["B2"].data_type == "n"


def test_the_header_stays_in_view_and_filters(workbook):
    sheet = workbook["first"]
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("B2", "A1:B11")
    assert sheet["A1"].font.bold and sheet.column_dimensions["A"].width == 12
    assert [cell.value for cell in workbook["columns"][3]] == [
        "score", "float64", "logits", "The score."
    ]  # fmt: skip


def test_equal_tables_give_equal_bytes(tmp_path):
    for name in ("a.xlsx", "b.xlsx"):
        write_workbook(tmp_path / name, sheets())
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    modified = openpyxl.load_workbook(tmp_path / "a.xlsx").properties.modified
    assert modified.year == 1980
