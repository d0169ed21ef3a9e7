"""Rows and columns of a matrix are told apart over many rows, in every geometry that users have."""

import numpy as np
import pytest

from tumorcam.errors import InputError
from tumorcam.readers.tables.expression import read_text_matrix
from tumorcam.settings import InputSettings

GENES = [f"GENE{i:03}" for i in range(24)]
SAMPLES = [f"TCGA-AA-{i:04}-01" for i in range(9)]
VALUES = np.random.default_rng(3).uniform(0, 15, (24, 9)).round(4)
CODES = ["BRCA"] * 5 + ["COAD"] * 4


def is_sample(name):
    return name.startswith("TCGA-") or name in ("BRCA", "COAD")  # also cells of a samples table


def gene_rows(samples=SAMPLES, values=VALUES):
    """Header and rows with genes in rows."""
    rows = [[gene, *map(repr, row)] for gene, row in zip(GENES, values.tolist(), strict=True)]
    return ["gene", *samples], rows


def sample_rows():
    rows = [[name, *map(repr, row)] for name, row in zip(SAMPLES, VALUES.T.tolist(), strict=True)]
    return ["sample", *GENES], rows


def read(table, path, **settings):
    path = path / "m.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in table))
    return read_text_matrix(path, InputSettings(**settings), is_sample, None)


def values_of(matrix):
    return np.concatenate([band for _, band in matrix.values.bands()])


def check(matrix, samples=SAMPLES, values=VALUES, genes=GENES):
    assert matrix.genes == genes
    assert matrix.samples == samples
    np.testing.assert_array_equal(values_of(matrix), values.astype(np.float32))


def fact(matrix, topic):
    return next(fact.text for fact in matrix.facts if fact.topic == topic)


def test_both_orientations(tmp_path):
    header, rows = gene_rows()
    matrix = read([header, *rows], tmp_path)
    check(matrix)
    assert matrix.labels is None
    assert fact(matrix, "orientation") == "genes in rows, samples in columns"
    header, rows = sample_rows()
    matrix = read([header, *rows], tmp_path)
    check(matrix)
    assert fact(matrix, "orientation") == "samples in rows, genes in columns"
    assert fact(matrix, "sample column") == "sample"


@pytest.mark.parametrize("make", [gene_rows, sample_rows])
def test_missing_corner_and_unnamed_index(make, tmp_path):
    header, rows = make()
    check(read([header[1:], *rows], tmp_path))
    check(read([["", *header[1:]], *rows], tmp_path))
    for start in (0, 1):
        numbered = [[str(i), *row] for i, row in enumerate(rows, start)]
        check(read([["", *header], *numbered], tmp_path))
        check(read([["Unnamed: 0", *header], *numbered], tmp_path))
        check(read([header, *numbered], tmp_path))  # R's row names


@pytest.mark.parametrize("front", [True, False])
@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("biotype", "protein_coding"),
        ("anything", "text {}"),
        ("Length", "{}00"),
        ("Start", "1{}5"),
        ("chr", "1"),
        ("Entrez_Gene_Id", "{}"),
    ],
)
def test_annotation_of_genes(front, name, cell, tmp_path):
    header, rows = gene_rows()
    header = [header[0], name, *header[1:]] if front else [*header, name]
    cells = [cell.format(i + 7) for i in range(len(rows))]
    rows = [
        [row[0], text, *row[1:]] if front else [*row, text]
        for row, text in zip(rows, cells, strict=True)
    ]
    matrix = read([header, *rows], tmp_path)
    check(matrix)
    assert matrix.annotation[name].tolist() == cells
    assert fact(matrix, "annotation").endswith(name)


def test_featurecounts(tmp_path):
    header, rows = gene_rows(values=np.round(VALUES * 10))
    header = ["Geneid", "Chr", "Start", "End", "Strand", "Length", *header[1:]]
    rows = [
        [row[0], "chr1;chr1", "1;5", "3;9", "+;+", f"9{i}", *row[1:]] for i, row in enumerate(rows)
    ]
    matrix = read([["# Program:featureCounts v2.0.1"], header, *rows], tmp_path, scale="counts")
    check(matrix, values=np.round(VALUES * 10))
    assert list(matrix.annotation) == ["Chr", "Start", "End", "Strand", "Length"]


def test_gene_column_in_any_place(tmp_path):
    header, rows = gene_rows()
    last = [[*row[1:], row[0]] for row in [header, *rows]]
    check(read(last, tmp_path))
    check(read(last, tmp_path, gene_column="gene"))
    with pytest.raises(InputError, match=r"'symbol'.*'gene'"):
        read(last, tmp_path, gene_column="symbol")


def test_gene_column_has_most_ids(tmp_path):
    header, rows = gene_rows()
    ids = [["ensembl", f"ENSG{i:011}"][1] for i in range(len(rows))]
    rows = [["+", ids[i], row[0], *row[1:]] for i, row in enumerate(rows)]
    table = [["strand", "ensembl", *header], *rows]
    check(read(table, tmp_path), genes=ids)
    matrix = read(table, tmp_path, gene_column="gene")
    check(matrix)
    assert matrix.annotation["ensembl"].tolist() == ids


def test_missing_gene_ids(tmp_path):
    header, rows = gene_rows()
    rows = [["NA" if i == 2 else row[0], f"{i}.0", *row[1:]] for i, row in enumerate(rows)]
    rows[4][0] = rows[4][1] = ""
    genes = [*GENES[:2], "2", GENES[3], "line 6", *GENES[5:]]
    check(read([[header[0], "entrez", *header[1:]], *rows], tmp_path), genes=genes)


def test_entrez_ids_that_became_floats(tmp_path):
    header, rows = gene_rows()
    rows = [[f"{i * 7 + 100}.0", *row[1:]] for i, row in enumerate(rows)]
    genes = [str(i * 7 + 100) for i in range(len(rows))]
    check(read([header, *rows], tmp_path), genes=genes)
    check(read([["", *header[1:]], *rows], tmp_path), genes=genes)


def test_no_gene_column(tmp_path):
    header, rows = gene_rows(values=np.round(VALUES * 10))
    with pytest.raises(InputError, match=r"no column of gene IDs.*input\.gene_column"):
        read([row[1:] for row in [header, *rows]], tmp_path)
    numbered = [[str(i), *row[1:]] for i, row in enumerate(rows)]
    with pytest.raises(InputError, match="no column of gene IDs"):
        read([["", *header[1:]], *numbered], tmp_path)


def test_samples_that_no_table_has_stay_samples(tmp_path):
    names = ["P1", "P2", *SAMPLES[2:7], "Q1", "Q2"]
    header, rows = gene_rows(names)
    check(read([header, *rows], tmp_path), samples=names)


def test_two_header_rows_of_pandas(tmp_path):
    header, rows = gene_rows()
    table = [["", *CODES], ["", *header[1:]], ["gene", *([""] * len(SAMPLES))], *rows]
    matrix = read(table, tmp_path)
    check(matrix)
    assert matrix.labels.drop(columns="sample").iloc[:, 0].tolist() == CODES
    assert matrix.labels["sample"].tolist() == SAMPLES


def test_label_row_of_cbioportal(tmp_path):
    header, rows = gene_rows()
    matrix = read([header, ["tumor", *CODES], *rows], tmp_path)
    check(matrix)
    assert matrix.labels["tumor"].tolist() == CODES
    assert [drop.name for drop in matrix.dropped] == ["line 2"]


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("name", ["age_at_diagnosis", "label", "OS.time", "Stage"])
def test_numeric_label_rows_are_no_genes(name, at_end, tmp_path):
    header, rows = gene_rows()
    row = [name, *(str(i % 2) for i in range(len(SAMPLES)))]
    rows = [*rows, row] if at_end else [row, *rows]
    matrix = read([header, *rows], tmp_path)
    check(matrix)
    assert matrix.labels[name].tolist() == row[1:]
    assert matrix.dropped[0].kind == "row"
    assert name in matrix.dropped[0].name


@pytest.mark.parametrize("front", [True, False])
@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("cancer_type", CODES),
        ("whatever", CODES),
        ("label", list("000001111")),
        ("age", [f"{40 + i}.5" for i in range(9)]),
        ("days_to_death", ["", "NA", *"1234567"]),
        ("is_normal", list("010101010")),
    ],
)
def test_label_columns_are_no_genes(front, name, cells, tmp_path):
    header, rows = sample_rows()
    header = [header[0], name, *header[1:]] if front else [*header, name]
    rows = [
        [row[0], cell, *row[1:]] if front else [*row, cell]
        for row, cell in zip(rows, cells, strict=True)
    ]
    matrix = read([header, *rows], tmp_path)
    check(matrix)
    assert matrix.labels[name].tolist() == cells
    assert matrix.labels["sample"].tolist() == SAMPLES
    assert name in fact(matrix, "labels")


def test_samples_in_rows_that_end_in_delimiters(tmp_path):
    header, rows = sample_rows()
    padded = [[*row, ""] for row in rows]
    check(read([header, *padded], tmp_path))
    check(read([[*header[1:], ""], *padded], tmp_path))  # and the corner is missing
    with pytest.raises(InputError, match='the name "sample"'):
        read([header[1:], *([*row[:-1], ""] for row in rows)], tmp_path)


@pytest.mark.parametrize("make", [gene_rows, sample_rows])
def test_name_that_the_header_lacks(make, tmp_path):
    header, rows = make()
    with pytest.raises(InputError, match="the header has one name less"):
        read([header[:-1], *rows], tmp_path)


def test_samples_in_a_later_column(tmp_path):
    header, rows = sample_rows()
    header = ["", "SequencingID", "sample", "IsDefault", *header[1:]]
    rows = [[str(i), f"CDS-{i}", row[0], "Yes", *row[1:]] for i, row in enumerate(rows)]
    matrix = read([header, *rows], tmp_path)
    check(matrix)
    assert list(matrix.labels) == ["SequencingID", "IsDefault", "sample"]


def test_totals_are_listed(tmp_path):
    header, rows = gene_rows()
    total = ["Total", *map(str, VALUES.sum(0))]
    matrix = read([header, *rows, total], tmp_path)
    check(matrix)
    assert "sums" in matrix.dropped[0].reason


def test_rows_that_describe_samples_in_gct(tmp_path):
    header, rows = gene_rows()
    table = [["#1.3"], ["24", "9", "1", "2"], ["id", "title", *header[1:]]]
    table += [["dose", "na", *"123456789"], ["code", "na", *CODES]]
    table += [[row[0], "text", *row[1:]] for row in rows]
    matrix = read(table, tmp_path)
    check(matrix)
    assert matrix.labels["dose"].tolist() == [*"123456789"]
    assert matrix.labels["code"].tolist() == CODES
    assert matrix.annotation["title"].tolist() == ["text"] * 24


FIREHOSE = ["raw_count", "scaled_estimate", "transcript_id"]


def firehose():
    header = ["Hybridization REF", *(name for name in SAMPLES for _ in FIREHOSE)]
    measures = ["gene_id", *FIREHOSE * len(SAMPLES)]
    rows = [
        [gene, *(cell for value in row for cell in (repr(value), repr(value / 64), "uc001.1"))]
        for gene, row in zip(GENES, VALUES.tolist(), strict=True)
    ]
    return [header, measures, *rows]


def test_measures_of_firehose(tmp_path):
    check(read(firehose(), tmp_path, scale="counts"))
    check(read(firehose(), tmp_path, measure="raw_count", gene_column="gene_id"))
    check(read(firehose(), tmp_path, scale="scaled_estimate"), values=VALUES / 64)
    with pytest.raises(InputError, match=r"'raw_count', 'scaled_estimate'.*input\.measure"):
        read(firehose(), tmp_path)
    with pytest.raises(InputError, match=r"no measure 'tpm'"):
        read(firehose(), tmp_path, measure="tpm")


def test_measures_before_the_samples(tmp_path):
    measures = ["unstranded", "stranded_first", "tpm_unstranded"]
    header = ["", "gene_name", *(f"{m}_{name}" for m in measures for name in SAMPLES)]
    rows = [
        [f"ENSG{i:011}", gene, *map(repr, [*row, *row, *(value / 4 for value in row)])]
        for i, (gene, row) in enumerate(zip(GENES, VALUES.tolist(), strict=True))
    ]
    matrix = read([header, *rows], tmp_path, scale="tpm", gene_column="gene_name")
    check(matrix, values=VALUES / 4)
    check(read([header, *rows], tmp_path, scale="counts", gene_column="gene_name"))


def test_one_measure_of_firehose(tmp_path):
    header, rows = gene_rows()
    matrix = read([header, ["gene_id", *["normalized_count"] * len(SAMPLES)], *rows], tmp_path)
    check(matrix)
    assert matrix.labels is None
    assert fact(matrix, "measure") == "normalized_count"


def test_samples_on_both_sides(tmp_path):
    table = [["", *SAMPLES], *([name, *map(str, VALUES[i])] for i, name in enumerate(SAMPLES))]
    with pytest.raises(InputError, match=r"input\.orientation"):
        read(table, tmp_path)
    matrix = read(table, tmp_path, orientation="genes_in_rows")
    check(matrix, values=VALUES[:9], genes=SAMPLES)
    matrix = read(table, tmp_path, orientation="samples_in_rows")
    check(matrix, values=VALUES[:9].T, genes=SAMPLES)


@pytest.mark.parametrize("orientation", ["genes_in_rows", "samples_in_rows"])
def test_no_sample_on_either_side(orientation, tmp_path):
    table = [["x", *"ABCD"], *([f"r{i}", *map(str, VALUES[i, :4])] for i in range(9))]
    with pytest.raises(InputError, match=r"input\.orientation"):
        read(table, tmp_path)
    matrix = read(table, tmp_path, orientation=orientation)
    names = [matrix.samples, matrix.genes]
    assert sorted(names) == [[*"ABCD"], [f"r{i}" for i in range(9)]]
    assert (matrix.samples == [*"ABCD"]) == (orientation == "genes_in_rows")


def test_numeric_samples(tmp_path):
    names = [str(i) for i in range(1, 10)]
    header, rows = gene_rows(names, np.round(VALUES % 9))
    path = tmp_path / "m.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in [header, *rows]))
    matrix = read_text_matrix(path, InputSettings(), lambda name: name in names, None)
    check(matrix, samples=names, values=np.round(VALUES % 9))


@pytest.mark.parametrize("make", [gene_rows, sample_rows])
def test_row_numbers_that_a_samples_table_has_as_ages(make, tmp_path):
    header, rows = make()
    table = [["", *header], *([str(i), *row] for i, row in enumerate(rows))]
    path = tmp_path / "m.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in table))
    names = {*SAMPLES[2:], *map(str, range(99))}
    check(read_text_matrix(path, InputSettings(), names.__contains__, None))


def test_row_numbers_as_samples(tmp_path):
    header, rows = sample_rows()
    rows = [[str(i), *row[1:]] for i, row in enumerate(rows)]
    path = tmp_path / "m.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in [["", *header[1:]], *rows]))
    matrix = read_text_matrix(path, InputSettings(), str.isdigit, None)
    check(matrix, samples=[str(i) for i in range(len(rows))])


def test_gene_column_with_samples_in_rows(tmp_path):
    header, rows = sample_rows()
    with pytest.raises(InputError, match=r'input\.gene_column = "auto"'):
        read([header, *rows], tmp_path, gene_column="gene")
