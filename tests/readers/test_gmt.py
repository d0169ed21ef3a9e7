import gzip

import pytest

from tumorcam.errors import InputError
from tumorcam.readers.gmt import read_gene_sets


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sets.gmt"


def test_sets_are_read_in_the_order_of_the_file(path):
    file = read_gene_sets(write(path, "B\tdescription\tTP53\tMYC\nA\t\tKRAS\n"))
    assert file.sets == {"B": ("TP53", "MYC"), "A": ("KRAS",)} and list(file.sets) == ["B", "A"]
    assert file.notes == []


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_do_not_count(path, end):
    lines = ["A\tna\tTP53\tMYC", "", "B\tna\tKRAS\t\t", ""]
    sets = read_gene_sets(write(path, end.join(lines))).sets
    assert sets == {"A": ("TP53", "MYC"), "B": ("KRAS",)}


def test_bad_lines_are_left_out_and_named(path):
    text = "A\tna\tX\tX\tY\n\nNO GENES\tna\n\tna\tX\nONE CELL\nA\tna\tY\tX\nA\tna\tZ\n   \n"
    file = read_gene_sets(write(path, text))
    assert file.sets == {"A": ("X", "Y"), "A (2)": ("Z",)}
    assert file.notes == [
        "Lines without the name of a set are left out: 4.",
        "Lines without a gene in the third cell or later are left out: 3, 5.",
        "Lines that repeat a set with the same genes are left out: 6.",
        "Sets that repeat a name with other genes get a number; their lines: 7.",
        "Genes that stand twice in their set count once: 1.",
    ]


def test_blanks_marks_and_weights_are_taken_off(path):
    text = "\ufeff A \thttp://x\t TP53 \tMYC,1.0\tHLA-A,0.25\n"
    assert read_gene_sets(write(path, text)).sets == {"A": ("TP53", "MYC", "HLA-A")}


def test_names_that_a_page_may_trip_over_are_kept(path):
    text = "=SUM(A1)\tna\tX\n<script>alert(1)</script>\tna\tX\nŒdème\tna\tX\n"
    names = list(read_gene_sets(write(path, text)).sets)
    assert names == ["=SUM(A1)", "<script>alert(1)</script>", "Œdème"]


def test_a_packed_file_is_unpacked(tmp_path):
    path = write(tmp_path / "sets.gmt.gz", gzip.compress(b"A\tna\tX\n"))
    assert read_gene_sets(path).sets == {"A": ("X",)}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n\n", "has no gene set"),
        (b"A B C\nD E F\n", "has no gene set"),
        ("Ödem\tna\tX\n".encode("latin-1"), "0xd6"),
        ("A\tna\tX\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_files_without_sets_or_of_another_encoding_are_refused(path, content, words):
    with pytest.raises(InputError, match=words) as error:
        read_gene_sets(write(path, content))
    assert "sets.gmt" in str(error.value)


def test_a_missing_file_is_refused(path):
    with pytest.raises(InputError, match="the file of gene sets"):
        read_gene_sets(path)
