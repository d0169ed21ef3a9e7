"""Delimiters, decimal signs and lines above the header are decided over many rows."""

import numpy as np
import pytest

from tumorcam.errors import InputError
from tumorcam.readers.tables import dialect
from tumorcam.readers.tables.heading import read_heading
from tumorcam.readers.tables.lines import Chunk, read_chunks

HEADER = ["gene", "S1", "S2", "S3"]
ROWS = [[f"G{i}", f"{i}.25", "3.5", "0"] for i in range(30)]


def text_of(delimiter, rows=None, decimal=".", header=None):
    table = [HEADER if header is None else header, *(ROWS if rows is None else rows)]
    lines = [delimiter.join(cell.replace(".", decimal) for cell in row) for row in table]
    return "\n".join(lines) + "\n"


def heading_of(text, path, **settings):
    return read_heading(iter([Chunk(text.encode(), 1, True)]), path, **settings)


@pytest.mark.parametrize("name", dialect.DELIMITERS)
@pytest.mark.parametrize("decimal", [".", ","])
def test_delimiter_and_decimal_sign(name, decimal, tmp_path):
    if name == "comma" and decimal == ",":
        pytest.skip("such cells need quotes")
    heading = heading_of(text_of(dialect.DELIMITERS[name], decimal=decimal), tmp_path)
    assert heading.header == HEADER
    assert heading.dialect.decimal == decimal
    assert name in heading.facts[0].text


def test_quoted_decimal_commas_between_commas(tmp_path):
    rows = [[f'"{cell}"' for cell in row] for row in ROWS]
    heading = heading_of(text_of(",", rows, decimal=","), tmp_path)
    assert heading.rows[1].cells == ["G1", "1,25", "3,5", "0"]
    assert heading.dialect.decimal == ","


def test_commas_that_may_be_thousands(tmp_path):
    rows = [[f"G{i}", f'"{i + 1},250"', "3", "12"] for i in range(30)]
    with pytest.raises(InputError, match=r"input\.decimal"):
        heading_of(text_of(",", rows), tmp_path)
    assert heading_of(text_of(",", rows), tmp_path, decimal="comma").dialect.decimal == ","


@pytest.mark.parametrize("decimal", ["auto", "point", "comma"])
@pytest.mark.parametrize("sign", [",", "."])
def test_separators_of_thousands_are_refused(sign, decimal, tmp_path):
    counts = [["17", f"{i + 1}{sign}250", f"{i + 11}{sign}007", "12"] for i in range(30)]
    rows = [[f"G{i}", *row] for i, row in enumerate(counts)]
    header = ["gene", "S1", "S2", "S3", "S4"]
    with pytest.raises(InputError, match="separators of thousands; write"):
        heading_of(text_of("\t", rows, header=header), tmp_path, decimal=decimal)


@pytest.mark.parametrize(("number", "decimal"), [("1.757,45", "comma"), ("1,757.45", "point")])
def test_two_signs_are_separators_of_thousands(number, decimal, tmp_path):
    rows = [[f"G{i}", number, "3", "12"] for i in range(30)]
    with pytest.raises(InputError, match="separators of thousands; write"):
        heading_of(text_of("\t", rows), tmp_path, decimal=decimal)


@pytest.mark.parametrize("odd", ["0.250", "3.25", "1234.250"])
def test_three_decimals_are_no_thousands(odd, tmp_path):
    rows = [[f"G{i}", f"{i + 1}.250", f"{i + 11}.007", "12"] for i in range(30)]
    rows[7][1] = odd
    assert heading_of(text_of("\t", rows), tmp_path).dialect.decimal == "."


def test_commas_of_an_annotation_column_are_no_decimal_signs(tmp_path):
    header = ["gene", "exons", *(f"S{i}" for i in range(30))]
    rows = [[f"G{i}", "100,200", *(["7"] * 30)] for i in range(30)]
    heading = heading_of(text_of("\t", rows, header=header), tmp_path)
    assert heading.dialect.decimal == "."


def test_two_delimiters_that_fit(tmp_path):
    text = "a,b;c\n" + "".join(f"x{i},y;z\n" for i in range(9))
    with pytest.raises(InputError, match=r'input\.delimiter = "semicolon"|"comma"'):
        heading_of(text, tmp_path)
    assert heading_of(text, tmp_path, delimiter="comma").header == ["a", "b;c"]


def test_no_delimiter(tmp_path):
    with pytest.raises(InputError, match="TSV or CSV"):
        heading_of("TP53\nEGFR\nKRAS\n", tmp_path)


def test_delimiters_within_cells_do_not_count(tmp_path):
    rows = [[f"G{i}", "chr1;chr1", "kinase, type 2", "1.5"] for i in range(30)]
    heading = heading_of(text_of("\t", rows), tmp_path)
    assert heading.rows[0].cells == rows[0]


@pytest.mark.parametrize(
    ("above", "n_dropped"),
    [
        ("# gene-model: GENCODE v36\n", 0),
        ('# Program:featureCounts v2.0.1; Command:"featureCounts" "-a"\n', 0),
        ("# a\n\n#b\n", 0),
        ("sep=\t\n", 0),
        ("#1.2\n30\t3\n", 0),
        ('!Series_title\t"x"\n!Series_type\n\n!series_matrix_table_begin\n', 0),
        ("Expression of three samples\n", 1),
    ],
)
def test_lines_above_the_header(above, n_dropped, tmp_path):
    heading = heading_of(above + text_of("\t"), tmp_path)
    assert heading.header == HEADER
    assert heading.rows[0].cells == ROWS[0]
    assert heading.line == above.count("\n") + 1
    assert len(heading.dropped) == n_dropped


def test_header_that_begins_with_a_comment_sign(tmp_path):
    heading = heading_of("# made by x\n#" + text_of("\t"), tmp_path)
    assert heading.header == HEADER
    assert len(heading.rows) == len(ROWS)


def test_commented_headers_of_cbioportal(tmp_path):
    above = "#Gene name\tOne\tTwo\tThree\n#STRING\tNUMBER\tNUMBER\tNUMBER\n"
    assert heading_of(above + text_of("\t"), tmp_path).header == HEADER


@pytest.mark.parametrize("n_header", [0, 1, 2])
@pytest.mark.parametrize("n_rows", [0, 1, 2])
def test_delimiters_at_the_end(n_header, n_rows, tmp_path):
    header, rows = HEADER + [""] * n_header, [row + [""] * n_rows for row in ROWS]
    heading = heading_of(text_of("\t", rows, header=header), tmp_path)
    assert heading.header[: len(HEADER)] == HEADER
    assert not any(heading.header[len(HEADER) :])
    assert len(heading.header) - heading.n_trailing == len(HEADER)
    assert [row.cells[: len(HEADER)] for row in heading.rows] == ROWS


def test_missing_corner_of_r(tmp_path):
    heading = heading_of(text_of("\t", header=HEADER[1:]), tmp_path)
    assert heading.header == ["row names", *HEADER[1:]]
    assert heading.rows[0].cells == ROWS[0]


def test_header_of_another_table(tmp_path):
    with pytest.raises(InputError, match="the header"):
        heading_of(text_of("\t", header=["gene", "S1"]), tmp_path)


@pytest.mark.parametrize("text", ["gene\tS1\n", "#\n#\n", "\n\n\n"])
def test_no_rows(text, tmp_path):
    with pytest.raises(InputError):
        heading_of(text, tmp_path)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_chunks_are_whole_rows(line_end, tmp_path):
    rng = np.random.default_rng(1)
    lines = [b'"a\n%d",%d' % (i, rng.integers(10 ** rng.integers(1, 9))) for i in range(2000)]
    content = b"\xef\xbb\xbf" + b"\n".join(lines).replace(b"\n", line_end)
    path = tmp_path / "m.csv"
    path.write_bytes(content)
    for size in (7, 64, 1000):
        with path.open("rb") as stream:
            chunks = list(read_chunks(stream, path, size, size))
        assert b"".join(chunk.text for chunk in chunks) == b"\n".join(lines) + b"\n"
        assert all(chunk.text.count(b'"') % 2 == 0 for chunk in chunks)
        line = 1
        for chunk in chunks:
            assert chunk.line == line
            line += chunk.text.count(b"\n")
        assert [chunk.is_last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_nul_byte_in_a_later_chunk(tmp_path):
    path = tmp_path / "m.tsv"
    path.write_bytes(b"a\tb\n" * 999 + b"\0\tb\n")
    with path.open("rb") as stream, pytest.raises(InputError, match="NUL"):
        list(read_chunks(stream, path, 64, 64))
