"""Text matrices: orientation, separators, compression, annotation columns, and what is wrong."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.errors import InputError
from tumorcam.readers import blocks
from tumorcam.readers.table import TableExpression

SAMPLES = {"S1", "S2", "S3"}
GENES_IN_ROWS = "gene\tS1\tS2\tS3\nA\t1\t2\t3\nB\t4.5\t5\t6\n"
SAMPLES_IN_ROWS = "sample\tA\tB\nS1\t1\t4.5\nS2\t2\t5\nS3\t3\t6\n"
MATRIX = np.array([[1, 4.5], [2, 5], [3, 6]])  # (samples, genes)


def write(folder: Path, text: str | bytes, name: str = "matrix.tsv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def whole(expression: blocks.Expression) -> np.ndarray:
    """The (samples, genes) matrix from its blocks; every value comes exactly once."""
    matrix = np.full((len(expression.samples), len(expression.genes)), -99.0)
    times = np.zeros(matrix.shape, dtype=int)
    for block in expression.blocks():
        matrix[block.samples, block.genes] = block.values
        times[block.samples, block.genes] += 1
    assert (times == 1).all()
    return matrix


@pytest.mark.parametrize("text", [GENES_IN_ROWS, SAMPLES_IN_ROWS])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("\t", ","),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\n",
        lambda text: "\ufeff" + text,
        lambda text: gzip.compress(text.encode()),
        lambda text: text.replace("gene\t", "\t").replace("sample\t", "\t"),
        lambda text: re.sub(r"[^\t\n]+", r'"\g<0>"', text).replace("\t", ","),
    ],
    ids="tabs commas crlf unended blank-lines bom gzip no-corner quoted".split(),
)
def test_the_same_matrix_in_any_dress(tmp_path, text, change):
    expression = TableExpression(write(tmp_path, change(text)), SAMPLES)
    assert expression.samples == ["S1", "S2", "S3"]
    assert expression.genes == ["A", "B"]
    assert expression.dropped == []
    np.testing.assert_array_equal(whole(expression), MATRIX)


@pytest.mark.parametrize("block_values", [1, 2, 3, 4, 6, 7, 100])
@pytest.mark.parametrize("text", [GENES_IN_ROWS, SAMPLES_IN_ROWS])
def test_blocks_of_any_size_give_the_matrix(tmp_path, monkeypatch, text, block_values):
    monkeypatch.setattr(blocks, "BLOCK_VALUES", block_values)
    expression = TableExpression(write(tmp_path, text), SAMPLES)
    np.testing.assert_array_equal(whole(expression), MATRIX)
    np.testing.assert_array_equal(whole(expression), MATRIX)  # as often as wanted


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.lists(
            st.lists(st.floats(width=64), min_size=n, max_size=n), min_size=1, max_size=5
        )
    ),
    st.booleans(),
)
def test_every_number_is_read_back_exactly(tmp_path_factory, rows, genes_in_rows):
    matrix = np.array(rows)
    table = matrix.T if genes_in_rows else matrix
    samples = [f"S{i}" for i in range(len(matrix))]
    genes = [f"G{i}" for i in range(matrix.shape[1])]
    header, names = (samples, genes) if genes_in_rows else (genes, samples)
    lines = ["\t".join(["id", *header])]
    lines += ["\t".join([n, *map(repr, r)]) for n, r in zip(names, table.tolist(), strict=True)]
    path = write(tmp_path_factory.mktemp("table"), "\n".join(lines))
    np.testing.assert_array_equal(whole(TableExpression(path, set(samples))), matrix)


def test_annotation_columns_come_before_the_first_sample(tmp_path):
    text = "Hugo_Symbol,Entrez_Gene_Id,S1,S2,S3\nA,7.0,1,2,3\nB,100130426.0,4,5,6\n"
    path = write(tmp_path, text)
    assert TableExpression(path, SAMPLES).genes == ["A", "B"]
    by_entrez = TableExpression(path, SAMPLES, "Entrez_Gene_Id")
    assert by_entrez.genes == ["7", "100130426"]
    np.testing.assert_array_equal(whole(by_entrez), [[1, 4], [2, 5], [3, 6]])
    with pytest.raises(
        InputError, match=r"'symbol'.* there are: 'Hugo_Symbol', 'Entrez_Gene_Id'; set"
    ):
        TableExpression(path, SAMPLES, "symbol")


@pytest.mark.parametrize(
    "text", [GENES_IN_ROWS.removeprefix("gene\t"), SAMPLES_IN_ROWS.removeprefix("sample\t")]
)
@pytest.mark.parametrize("separator", ["\t", ","])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_header_without_its_corner_as_r_writes_it(tmp_path, text, separator, quote):
    """`write.table(x, sep=...)` and `write.table(t(x), sep=...)`: line 1 has one cell less."""
    text = re.sub(r"[A-Z]\w*", rf"{quote}\g<0>{quote}", text).replace("\t", separator)
    expression = TableExpression(write(tmp_path, text), SAMPLES)
    assert expression.samples == ["S1", "S2", "S3"]
    assert expression.genes == ["A", "B"]
    np.testing.assert_array_equal(whole(expression), MATRIX)


def test_samples_in_rows_without_corner_whose_first_sample_has_no_label(tmp_path):
    text = SAMPLES_IN_ROWS.removeprefix("sample\t").replace("S1", "X1")
    expression = TableExpression(write(tmp_path, text), SAMPLES)
    assert (expression.samples, expression.genes) == (["X1", "S2", "S3"], ["A", "B"])
    np.testing.assert_array_equal(whole(expression), MATRIX)


def test_a_row_cut_off_below_a_header_without_corner_is_refused(tmp_path):
    text = SAMPLES_IN_ROWS.removeprefix("sample\t").removesuffix("\t6\n")
    expression = TableExpression(write(tmp_path, text), SAMPLES)
    with pytest.raises(InputError, match=r"line 4 has 1 values; wanted 2 .* may be cut off"):
        list(expression.blocks())


@pytest.mark.parametrize("corner", ["sample", "Sample ID", "", "tumour_no"])
def test_a_separator_at_the_end_of_the_rows_shifts_no_value(tmp_path, corner):
    text = SAMPLES_IN_ROWS.replace("sample\t", f"{corner}\t")
    header, rows = text.split("\n", 1)
    path = write(tmp_path, header + "\n" + rows.replace("\n", "\t\n"))
    expression = TableExpression(path, SAMPLES)
    assert expression.genes == ["A", "B"]
    with pytest.raises(InputError, match=r"line 2 has 3 values; wanted 2 .* is damaged"):
        list(expression.blocks())


@pytest.mark.parametrize("corner", ["sample", "Sample ID", "barcode", ""])
def test_a_usual_corner_is_no_gene(tmp_path, corner):
    """Rows with one value too many must not move each value to the gene on its left."""
    path = write(tmp_path, f"{corner}\tA\tB\nS1\t1\t2\t3\n")
    expression = TableExpression(path, SAMPLES)
    assert expression.genes == ["A", "B"]
    with pytest.raises(InputError, match="line 2 has 3 values; wanted 2"):
        list(expression.blocks())


def test_rows_longer_than_the_header_are_not_shifted(tmp_path):
    expression = TableExpression(write(tmp_path, "gene\tS1\tS2\nA\t1\t2\t3\n"), SAMPLES)
    with pytest.raises(InputError, match="line 2 has 3 values; wanted 2"):
        list(expression.blocks())


def test_a_leading_tcga_sample_without_label_is_no_annotation(tmp_path):
    text = "gene\tTCGA-AA-0001-01\tS1\nA\t1\t2\n"
    assert TableExpression(write(tmp_path, text), SAMPLES).samples == ["TCGA-AA-0001-01", "S1"]


def test_a_label_row_is_dropped_and_listed(tmp_path):
    text = "Entrez_Gene_Id,S1,S2,S3\n,Lung_ad,Lung_ad,Lung_ad\n100130426.0,0,1,2\n7.0,3,4,5\n"
    expression = TableExpression(write(tmp_path, text), SAMPLES)
    assert expression.genes == ["100130426", "7"]
    assert [(d.kind, d.name) for d in expression.dropped] == [("row", "line 2")]
    assert "Lung_ad, Lung_ad" in expression.dropped[0].reason
    np.testing.assert_array_equal(whole(expression), [[0, 3], [1, 4], [2, 5]])


def test_a_first_gene_of_missing_values_is_no_label_row(tmp_path):
    expression = TableExpression(
        write(tmp_path, "gene,S1,S2\nA,NA,\nB,1,nan\nC,inf,-2e3\n"), SAMPLES
    )
    assert expression.dropped == []
    nan = np.nan
    np.testing.assert_array_equal(whole(expression), [[nan, 1, np.inf], [nan, nan, -2000]])


def test_genes_without_id_get_the_next_best_name(tmp_path):
    text = "symbol\tentrez\tS1\nA\t1\t1\n\t22\t2\n?|100130426\t3\t3\nNA\t\t4\n"
    expression = TableExpression(write(tmp_path, text), SAMPLES)
    assert expression.genes == ["A", "22", "?|100130426", "line 5"]
    columns = TableExpression(write(tmp_path, "\tA\t\nS1\t1\t2\n"), SAMPLES)
    assert columns.genes == ["A", "column 3"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("gene\tS1\n", "header but no rows"),
        ("gene;S1;S2\nA;1;2\n", "neither tab nor comma"),
        (
            "gene\tX1\tX2\nA\t1\t2\n",
            r"header \(X1, X2\) .*first column \(A\) .*table \(S1, S2, S3\)",
        ),
        (b"gene\tS1\n\xff\xfe\t1\n", "no UTF-8 text"),
        (gzip.compress(GENES_IN_ROWS.encode() * 99)[:-20], "gzip stream is cut off"),
    ],
    ids="nothing blank no-rows semicolons strangers latin1 truncated".split(),
)
def test_a_wrong_file_is_refused_when_opened(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=message) as error:
        TableExpression(path, SAMPLES)
    assert str(path) in str(error.value)


def test_a_damaged_gzip_is_refused(tmp_path):
    packed = bytearray(gzip.compress(GENES_IN_ROWS.encode() * 99))
    packed[-6] ^= 1  # its checksum
    with pytest.raises(InputError, match="download or write it again"):
        TableExpression(write(tmp_path, bytes(packed)), SAMPLES)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.tsv is no file \(No such file"):
        TableExpression(tmp_path / "none.tsv", SAMPLES)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("C\t7\t8", "line 4 has 2 values; wanted 3"),
        ("C\t7\t8\t9\t10", "line 4 has 4 values; wanted 3"),
        ("C\t7\tx\t9", "line 4, column 'S2': 'x' is no number"),
        ("C\t7\t8\t1_000", "line 4, column 'S3': '1_000' is no number"),
        ("C\t7\t8 9\t9", "line 4, column 'S2': '8 9' is no number"),
        ('C\t7\t"8,1"\t9', "line 4, column 'S2': '8,1' is no number"),
        ("C\t7\t１\t9", "line 4, column 'S2': '１' is no number"),
        ("C\t7\t0x10\t9", "line 4, column 'S2': '0x10' is no number"),
        ("C\t7\t8\t" + "x" * 10**6, r"'S3': 'x{198}'… \(\d+ more characters\) is no number"),
    ],
)
def test_a_wrong_row_is_refused_by_place(tmp_path, row, message):
    expression = TableExpression(write(tmp_path, GENES_IN_ROWS + row + "\n"), SAMPLES)
    with pytest.raises(InputError, match=message):
        list(expression.blocks())


def test_a_row_without_its_leading_cells_is_refused(tmp_path):
    path = write(tmp_path, "symbol\tentrez\tS1\nA\t1\t1\nB\n")
    with pytest.raises(InputError, match="line 3 ends after 'B'"):
        TableExpression(path, SAMPLES)


def test_a_gene_column_needs_genes_in_rows(tmp_path):
    with pytest.raises(InputError, match=r'genes in columns.*set input\.gene_column = "auto"'):
        TableExpression(write(tmp_path, SAMPLES_IN_ROWS), SAMPLES, "symbol")


def test_numbers_beyond_float64_are_infinite_and_blanks_are_not_in_the_way(tmp_path):
    path = write(tmp_path, "gene\tS1\tS2\tS3\nA\t1e999\t-inf\t 2 \n")
    np.testing.assert_array_equal(whole(TableExpression(path, SAMPLES)), [[np.inf], [-np.inf], [2]])


def test_a_separator_inside_quotes_makes_no_second_value(tmp_path):
    """With decimal commas and a cell too few, the number of values would be right."""
    path = write(tmp_path, 'gene,S1,S2\nB,1,2\nA,"1,5"\n')
    with pytest.raises(InputError, match="line 3 has 1 values; wanted 2"):
        list(TableExpression(path, SAMPLES).blocks())
    path = write(tmp_path, 'gene,S1,S2\nB,1,2\nA,"1,5",2\n')
    with pytest.raises(InputError, match="line 3, column 'S1': '1,5' is no number"):
        list(TableExpression(path, SAMPLES).blocks())


def test_a_single_sample_may_lack_values(tmp_path):
    path = write(tmp_path, "gene\tS1\nA\t\nB\t\n")
    assert np.isnan(whole(TableExpression(path, SAMPLES))).all()
