"""Small tables come back cell by cell, whatever program wrote them."""

import gzip

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorcam.errors import InputError
from tumorcam.readers.tables import frames
from tumorcam.readers.tables.frames import distinct_names, read_frame

HEADER = ["sample", "tumor", "stage"]
ROWS = [[f"TCGA-{i:02}", "BRCA", f"Stage {i}"] for i in range(12)]


def written(rows, delimiter="\t", end="\n"):
    return "".join(delimiter.join(row) + end for row in rows)


def frame_of(text, path):
    path = path / "samples.tsv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_frame(path, "input.samples")


def check(frame, header=HEADER, rows=ROWS):
    assert list(frame.table.columns) == header
    assert frame.table.to_numpy().tolist() == rows


@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(delimiter, end, tmp_path):
    check(frame_of(written([HEADER, *ROWS], delimiter, end), tmp_path))
    check(frame_of("\ufeff" + written([HEADER, *ROWS], delimiter, end).rstrip(end), tmp_path))


def test_packed(tmp_path):
    check(frame_of(gzip.compress(written([HEADER, *ROWS]).encode()), tmp_path))


@pytest.mark.parametrize("in_header", [False, True])
def test_delimiters_at_the_end_shift_no_column(in_header, tmp_path):
    header = [*HEADER, ""] if in_header else HEADER
    check(frame_of(written([header, *([*row, ""] for row in ROWS)]), tmp_path))


def test_delimiter_at_the_end_of_one_row(tmp_path):
    rows = [*ROWS[:5], [*ROWS[5], ""], *ROWS[6:]]
    check(frame_of(written([HEADER, *rows]), tmp_path))


def test_missing_corner_of_r(tmp_path):
    check(frame_of(written([HEADER[1:], *ROWS]), tmp_path), ["row names", *HEADER[1:]])
    rows = [row[:2] for row in ROWS]
    check(frame_of(written([["tumor"], *rows]), tmp_path), ["row names", "tumor"], rows)


def test_blank_rows_are_listed(tmp_path):
    rows = [*ROWS[:3], ["", "", ""], *ROWS[3:], [" "], ["", ""]]
    frame = frame_of(written([HEADER, *rows]), tmp_path)
    check(frame)
    assert [drop.name for drop in frame.dropped] == ["line 5", "line 16"]


def test_type_rows_below_the_header_are_listed(tmp_path):
    above = [["Sample ID", "Cancer", "The stage"], ["STRING", "STRING", "NUMBER"]]
    frame = frame_of(written([HEADER, *above, *ROWS]), tmp_path)
    check(frame)
    assert [drop.name for drop in frame.dropped] == ["line 2", "line 3"]


def test_rows_of_the_gdc_below_the_header(tmp_path):
    above = [["bcr_sample", "tumor_code", "stage_event"], ["CDE_ID:", "CDE_ID:2003301", "CDE_ID:"]]
    check(frame_of(written([HEADER, *above, *ROWS]), tmp_path))


def test_commented_header_rows_of_cbioportal(tmp_path):
    text = "#Sample\tCancer\tStage\n#STRING\tSTRING\tSTRING\n#1\t1\t1\n"
    check(frame_of(text + written([HEADER, *ROWS]), tmp_path))


def test_quotes(tmp_path):
    text = 'sample,tumor,note\n"a,1","BR""CA","two\nlines"\nb,5" end,\nc, d ,"e"\n'
    rows = [["a,1", 'BR"CA', "two\nlines"], ["b", '5" end', ""], ["c", "d", "e"]]
    check(frame_of(text, tmp_path), ["sample", "tumor", "note"], rows)


def test_quote_that_does_not_end(tmp_path):
    rows = [*ROWS[:3], ['"x', "y", "z"], *ROWS]
    check(frame_of(written([HEADER, *rows]), tmp_path), rows=rows)
    rows = ROWS * 40 + [['"x', "y", "z"]] + ROWS
    check(frame_of(written([HEADER, *rows]), tmp_path), rows=rows)


def test_columns_of_the_same_name(tmp_path):
    rows = [["stage", "tumor", "stage", "stage"], *([*row, "x"] for row in ROWS)]
    frame = frame_of(written(rows), tmp_path)
    assert list(frame.table.columns) == ["stage", "tumor", "stage (2)", "stage (3)"]
    assert distinct_names(["a", "a", "a (2)", "a"]) == ["a", "a (3)", "a (2)", "a (4)"]


def test_words_for_missing_values_stay(tmp_path):
    rows = [["a", "NA", "'--"], ["b", "", "None"]]
    check(frame_of(written([HEADER, *rows]), tmp_path), rows=rows)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (written([HEADER, *ROWS, ["x", "y"]]), "line 14 has 2 cells; wanted 3.*cut off"),
        (written([HEADER, *ROWS[:3], ["x", "y"], *ROWS]), "line 5 has 2 cells; wanted 3.*correct"),
        (written([HEADER, *ROWS[:3], ["x", "y", "z", "w"], *ROWS]), "line 5 has 4 cells"),
        (written([HEADER, *ROWS]).encode() + b"x\ty\t\xe9\n", "line 14 .*WINDOWS-1252|byte 0xe9"),
        ("sample\n" + "a\nb\n", "TSV or CSV"),
        ("a,b;c,d\n1,2;3,4\n5,6;7,8\n", "can be read with .* between its cells; save it as TSV"),
    ],
)
def test_damaged_tables_are_refused(text, words, tmp_path):
    with pytest.raises(InputError, match=words) as error:
        frame_of(text, tmp_path)
    assert "input.delimiter" not in str(error.value), "it tells the delimiter of matrices alone"


def test_table_that_is_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "MAX_BYTES", 100)
    with pytest.raises(InputError, match="more than 100 bytes"):
        frame_of(written([HEADER, *ROWS]), tmp_path)


CELLS = st.text(st.sampled_from("ab1,;\t\" \n.é'#"), max_size=5).map(str.strip)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=8),
    delimiter=st.sampled_from("\t,;"),
    packed=st.booleans(),
)
def test_any_table_comes_back(rows, delimiter, packed, tmp_path_factory):
    rows = [[f"id{i}", *row] for i, row in enumerate(rows)]
    table = pd.DataFrame(rows, columns=["id", "x", "y", "z"])
    text = table.to_csv(index=False, sep=delimiter, quoting=1).encode()
    path = tmp_path_factory.mktemp("frame") / "t.csv"
    path.write_bytes(gzip.compress(text) if packed else text)
    frame = read_frame(path, "input.samples")
    assert frame.table.to_numpy().tolist() == rows
