"""Matrices come back value by value from any dialect, packing and orientation; damage is told."""

import bz2
import csv
import gzip
import io
import lzma

import numpy as np
import pytest

from tumorcam.errors import InputError
from tumorcam.readers.matrix import Matrix
from tumorcam.readers.tables import expression, lines
from tumorcam.readers.tables.expression import read_text_matrix
from tumorcam.settings import InputSettings

GENES = [f"GENE{i:03}" for i in range(40)]
SAMPLES = [f"TCGA-AA-{i:04}-01" for i in range(12)]
VALUES = np.random.default_rng(7).uniform(0, 15, (40, 12)).round(4)
PACKINGS = {"": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def is_sample(name):
    return name.startswith("TCGA-")


def table_of(values=VALUES, genes=GENES, samples=SAMPLES, form=repr):
    rows = [[gene, *map(form, row)] for gene, row in zip(genes, values.tolist(), strict=True)]
    return [["gene", *samples], *rows]


def text_of(table, delimiter="\t", end="\n"):
    return "".join(delimiter.join(row) + end for row in table)


def read(content, path, **settings):
    path = path / "m.tsv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_text_matrix(path, InputSettings(**settings), is_sample, None)


def values_of(matrix):
    return np.concatenate([band for _, band in matrix.values.bands()])


def check(matrix, samples=SAMPLES, values=VALUES, genes=GENES):
    assert matrix.genes == genes
    assert matrix.samples == samples
    np.testing.assert_array_equal(values_of(matrix), values.astype(np.float32))


@pytest.fixture(params=[64, 4000, 2**22])
def chunk_bytes(request, monkeypatch):
    """Chunks of a few rows, of many, or of all."""
    read_chunks = lines.read_chunks

    def in_small_chunks(stream, path):
        return read_chunks(stream, path, max(request.param, 2000), request.param)

    monkeypatch.setattr(expression, "read_chunks", in_small_chunks)


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_packings_and_line_ends(packing, end, chunk_bytes, tmp_path):
    content = text_of(table_of(), end=end).encode()
    check(read(PACKINGS[packing](content), tmp_path))
    check(read(PACKINGS[packing](b"\xef\xbb\xbf" + content.rstrip()), tmp_path))


@pytest.mark.parametrize("delimiter", ["\t", ",", ";", " "])
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_dialects(delimiter, decimal, quoting, chunk_bytes, tmp_path):
    table = [[cell.replace(".", decimal) for cell in row] for row in table_of()]
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, quoting=quoting, lineterminator="\n").writerows(table)
    check(read(stream.getvalue(), tmp_path))


def test_write_table_of_r(chunk_bytes, tmp_path):
    header, *rows = table_of(samples=[f'"{name}"' for name in SAMPLES])
    rows = [[f'"{row[0]}"', *row[1:]] for row in rows]
    for delimiter in ("\t", " ", ","):
        check(read(text_of([header[1:], *rows], delimiter), tmp_path))


@pytest.mark.parametrize(
    "description", ['"two\nlines"', '"a,b"', '"say ""so"""', '5" end of', '5", 3" ends', "Ä β"]
)
@pytest.mark.parametrize("n_rows", [1, 40])
def test_descriptions(description, n_rows, chunk_bytes, tmp_path):
    text = ["description", *([description] * n_rows), *(["none"] * (40 - n_rows))]
    delimiter = "," if description.startswith('"') else "\t"
    table = [[row[0], cell, *row[1:]] for row, cell in zip(table_of(), text, strict=True)]
    matrix = read(text_of(table, delimiter), tmp_path)
    check(matrix)
    plain = next(csv.reader([description], delimiter="\t"))[0] if n_rows else ""
    expected = "two\nlines" if "\n" in description else plain
    assert matrix.annotation["description"].tolist()[0] == expected


def test_quoted_cells_at_the_end(chunk_bytes, tmp_path):
    texts = ["note", *(['"a,b"', '"two\nlines"', '"c"', "d"] * 10)]
    table = [[*row, text] for row, text in zip(table_of(), texts, strict=True)]
    matrix = read(text_of(table, ","), tmp_path)
    check(matrix)
    assert matrix.annotation["note"].tolist() == ["a,b", "two\nlines", "c", "d"] * 10


def test_quote_that_does_not_end(chunk_bytes, tmp_path):
    table = table_of()
    table[30][0] = '"GENE029'
    check(read(text_of(table), tmp_path), genes=[*GENES[:29], '"GENE029', *GENES[30:]])


def test_lines_that_are_no_rows(chunk_bytes, tmp_path):
    header, *rows = table_of()
    blank = ["" for _ in header]
    table = [["#1.2"], ["40", "12"], header, *rows[:9], [""], blank, *rows[9:], [" "], blank]
    matrix = read(text_of(table), tmp_path)
    check(matrix)
    assert [drop.name for drop in matrix.dropped] == ["line 14", "line 47"]
    geo = [["!Series_title", '"x"'], [""], ["!series_matrix_table_begin"], header, *rows]
    matrix = read(text_of([*geo, ["!series_matrix_table_end"]]), tmp_path)
    check(matrix)
    assert [drop.name for drop in matrix.dropped] == ["line 45"]


def test_long_geo_series_matrix(chunk_bytes, tmp_path):
    above = "".join(f'!Sample_title\t"{i}"\n' for i in range(999))
    check(read(above + "!series_matrix_table_begin\n" + text_of(table_of()), tmp_path))


@pytest.mark.parametrize("text", ["a", "\n", "\t", '"', '"\t"\n"', "#\n!", "a\tb", "a b\n1 2\n"])
def test_texts_that_are_no_matrix(text, tmp_path):
    with pytest.raises(InputError):
        read(text, tmp_path)


@pytest.mark.parametrize("n_header", [0, 1, 3])
@pytest.mark.parametrize("n_rows", [0, 1, 2])
def test_delimiters_at_the_end(n_header, n_rows, chunk_bytes, tmp_path):
    header, *rows = table_of()
    table = [header + [""] * n_header, *(row + [""] * n_rows for row in rows)]
    table[20] = rows[19]
    table[25] = [*rows[24], "", ""] if n_rows != 1 else [*rows[24], ""]
    check(read(text_of(table), tmp_path))


def test_words_for_missing_values(chunk_bytes, tmp_path):
    table, values = table_of(), VALUES.copy()
    words = ["NA", "", "n/a", "#N/A", "null", "--", "'--", "?", ".", "not reported", "-", "nan"]
    for i, word in enumerate(words):
        table[3 * i + 1][i + 1] = word
        values[3 * i, i] = np.nan
    check(read(text_of(table), tmp_path), values=values)


def test_a_sample_without_values_stays(tmp_path):
    values = VALUES.copy()
    values[:, [0, 11]] = np.nan
    check(read(text_of(table_of(values)), tmp_path), values=values)


@pytest.mark.parametrize(
    ("row", "column", "cell", "words"),
    [
        (30, 4, "abc", r"line 31, column 5 \('TCGA-AA-0003-01'\): 'abc' is no number"),
        (30, 4, "1,234.5", "thousands"),
        (30, 4, "1,5", r"input\.decimal"),
        (30, 4, "1\t2", "line 31 has 14 cells; wanted 13"),
        (40, 12, None, "line 41 has 12 cells; wanted 13.*cut off"),
        (30, 12, None, "line 31 has 12 cells; wanted 13.*correct that line"),
        (30, 0, "G\x07", "control characters"),
        (30, 0, "G" * 600, "at most 500 characters"),
        (0, 4, "TCGA-\x07", "control characters"),
    ],
)
def test_damage_is_told_with_its_place(row, column, cell, words, chunk_bytes, tmp_path):
    table = table_of()
    table[row][column : column + 1] = [] if cell is None else [cell]
    with pytest.raises(InputError, match=words) as error:
        read(text_of(table), tmp_path)
    assert len(str(error.value)) < 1000


def test_cell_after_delimiters_at_the_end(monkeypatch, tmp_path):
    monkeypatch.setattr(lines.read_chunks, "__defaults__", (2000, 2000))
    table = [[*row, ""] for row in table_of()]
    table[39][-1] = "x"
    with pytest.raises(InputError, match=r"line 40 .*'x'"):
        read(text_of(table), tmp_path)


def test_letters_that_are_no_utf8(chunk_bytes, tmp_path):
    content = text_of(table_of()).encode()
    content = content.replace(b"GENE038", b"G\xe9NE038")
    with pytest.raises(InputError, match=r"line 40 has the byte 0xe9.*iconv"):
        read(content, tmp_path)


def test_settings_override_what_rows_tell(tmp_path):
    text = text_of([[cell.replace(".", ",") for cell in row] for row in table_of()])
    check(read(text, tmp_path, decimal="comma", delimiter="tab", orientation="genes_in_rows"))
    with pytest.raises(InputError, match=r"input\.decimal = .comma"):
        read(text, tmp_path, decimal="point")


def test_bytes_are_counted(tmp_path):
    path = tmp_path / "m.tsv"
    path.write_text(text_of(table_of()))
    n_bytes = []
    read_text_matrix(path, InputSettings(), is_sample, tmp_path, n_bytes.append)
    header = text_of(table_of()[:1])
    assert sum(n_bytes) == path.stat().st_size - len(header)


@pytest.mark.parametrize("seed", range(40))
def test_any_matrix_comes_back(seed, chunk_bytes, tmp_path):
    rng = np.random.default_rng(seed)
    n_genes, n_samples = rng.integers(3, 30), rng.integers(2, 30)
    values = rng.choice(
        [
            rng.uniform(0, 20, (n_genes, n_samples)).round(3),
            rng.poisson(300, (n_genes, n_samples)).astype(float),
        ]
    )
    values[rng.random(values.shape) < 0.05] = np.nan
    genes = [f"ENSG{i * 37:011}.{i % 9}" for i in range(n_genes)]
    samples = [f"TCGA-AB-{i:04}-{rng.integers(1, 12):02}A" for i in range(n_samples)]
    table = table_of(values, genes, samples, lambda x: "NA" if np.isnan(x) else f"{x:.10g}")
    if rng.random() < 0.5:
        table = [list(column) for column in zip(*table, strict=True)]
    if rng.random() < 0.3:
        table = [[str(i - 1) if i else "", *row] for i, row in enumerate(table)]
    elif rng.random() < 0.3:
        table[0] = table[0][1:]
    if rng.random() < 0.2:
        table = [[*row, ""] for row in table]
    delimiter = str(rng.choice(["\t", ",", ";"]))
    if delimiter != "," and not np.array_equal(values, values.round(), equal_nan=True):
        decimal = str(rng.choice([".", ","]))
        table = [
            table[0],
            *(
                [cell.replace(".", decimal) if not is_name(cell) else cell for cell in row]
                for row in table[1:]
            ),
        ]
    stream = io.StringIO()
    csv.writer(
        stream,
        delimiter=delimiter,
        quoting=int(rng.choice([csv.QUOTE_ALL, 0])),
        lineterminator=str(rng.choice(["\n", "\r\n"])),
    ).writerows(table)
    packing = str(rng.choice(list(PACKINGS)))
    check(read(PACKINGS[packing](stream.getvalue().encode()), tmp_path), samples, values, genes)


def is_name(cell):
    return cell.startswith(("ENSG", "TCGA"))


@pytest.mark.parametrize("seed", range(60))
def test_damaged_bytes_give_a_matrix_or_a_message(seed, tmp_path):
    rng = np.random.default_rng(seed)
    content = text_of(table_of()).encode()
    if seed % 3 == 0:
        content = gzip.compress(content)
    for _ in range(20):
        damaged = bytearray(content)
        for position in rng.integers(0, len(content), rng.integers(1, 5)):
            damaged[position] = rng.choice([rng.integers(256), *b'\n\r\t",;#!\0'])
        if rng.random() < 0.3:
            start, stop = sorted(rng.integers(0, len(damaged), 2))
            del damaged[start:stop]
        try:
            matrix = read(bytes(damaged), tmp_path)
        except InputError as error:
            assert len(str(error)) < 1000
        else:
            assert isinstance(matrix, Matrix)
            assert values_of(matrix).shape == (len(matrix.genes), len(matrix.samples))
