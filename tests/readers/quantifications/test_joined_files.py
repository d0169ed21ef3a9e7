"""Matrices of several files, joined by sample or by gene, against a pandas concat."""

import numpy as np
import pandas as pd
import pytest
from quantification_files import whole

from tumorcam.errors import InputError
from tumorcam.readers.matrix import Drop, Fact, Matrix
from tumorcam.readers.quantifications import joins
from tumorcam.readers.quantifications.reading import read_files
from tumorcam.settings import InputSettings
from tumorcam.storage.stored_values import StoredValues


def table_of(genes, samples, seed=0):
    values = np.random.default_rng(seed).normal(size=(len(genes), len(samples)))
    return pd.DataFrame(values.astype(np.float32), index=genes, columns=samples)


def genes(*numbers):
    return [f"G{number}" for number in numbers]


def samples(*numbers):
    return [f"S{number}" for number in numbers]


def join_tables(tmp_path, tables, by_samples=False):
    """Write each table to a file, and read them all as one input."""
    for name, table in tables.items():
        table.to_csv(tmp_path / name, sep="\t")

    def read_one(path):
        table = tables[path.name]
        values = StoredValues()
        if by_samples:
            values.add_samples(table.to_numpy().T)
        else:
            values.add_genes(table.to_numpy())
        return Matrix(
            path=path,
            samples=table.columns.tolist(),
            genes=table.index.tolist(),
            values=values,
            dropped=[Drop("row", path.name, "a label row")],
            facts=[Fact("orientation", "genes in rows", "names"), Fact("file", path.name, "")],
            annotation=pd.DataFrame({"name": table.index.str.lower()}),
        )

    paths = [tmp_path / name for name in tables]
    return read_files(paths, [], InputSettings(), lambda name: False, None, read_one)


@pytest.mark.parametrize("by_samples", [False, True])
def test_one_file_a_tumor_is_joined_by_sample(tmp_path, monkeypatch, by_samples):
    monkeypatch.setattr(joins, "BAND_VALUES", 20)
    order = np.random.default_rng(1).permutation(20)
    tables = {
        "BRCA.tsv": table_of(genes(*range(20)), samples(1, 2), 1),
        "LUAD.tsv.gz": table_of(genes(*order), samples(3, 4, 5), 2),
    }
    matrix = join_tables(tmp_path, tables, by_samples)
    expected = pd.concat(tables.values(), axis=1)
    pd.testing.assert_frame_equal(whole(matrix), expected)
    assert matrix.labels["file"].tolist() == ["BRCA", "BRCA", "LUAD", "LUAD", "LUAD"]
    assert matrix.annotation["name"].tolist() == [name.lower() for name in matrix.genes]
    texts = [fact.text for fact in matrix.facts]
    assert texts.count("genes in rows") == 1
    assert [text for text in texts if text.startswith("2 files are joined by sample")]
    assert [drop.name for drop in matrix.dropped] == list(tables)


def test_genes_that_not_all_files_have_are_dropped(tmp_path):
    tables = {
        "a.tsv": table_of(genes(0, 1, 2, 3), samples(1, 2), 1),
        "b.tsv": table_of(genes(9, 3, 2, 0), samples(3), 2),
    }
    matrix = join_tables(tmp_path, tables)
    pd.testing.assert_frame_equal(whole(matrix), pd.concat(tables.values(), axis=1, join="inner"))
    dropped = {(drop.kind, drop.name) for drop in matrix.dropped[2:]}
    assert dropped == {("gene", "G1"), ("gene", "G9")}


@pytest.mark.parametrize("by_samples", [False, True])
def test_one_file_a_chromosome_is_joined_by_gene(tmp_path, by_samples):
    tables = {
        "chr1.tsv": table_of(genes(0, 1, 2), samples(1, 2, 3, 4), 1),
        "chr2.tsv": table_of(genes(3, 4), samples(4, 2, 1, 7), 2),
    }
    matrix = join_tables(tmp_path, tables, by_samples)
    expected = pd.concat(tables.values(), join="inner")[samples(1, 2, 4)]
    pd.testing.assert_frame_equal(whole(matrix), expected)
    assert {(drop.kind, drop.name) for drop in matrix.dropped[2:]} == {
        ("sample", "S3"),
        ("sample", "S7"),
    }
    assert matrix.labels is None
    assert matrix.annotation["name"].tolist() == [name.lower() for name in matrix.genes]


def test_repeated_names_stay_for_the_rules_of_the_cohort(tmp_path):
    tables = {
        "a.tsv": table_of(["G0", "G1", "G1", "G2"], samples(1, 2, 3), 1),
        "b.tsv": table_of(["G1", "G0", "G2", "G1"], samples(3, 4, 5), 2),
    }
    matrix = join_tables(tmp_path, tables)
    assert matrix.samples == samples(1, 2, 3, 3, 4, 5)
    second = tables["b.tsv"].iloc[[1, 0, 3, 2]]
    expected = np.concatenate([tables["a.tsv"], second], axis=1)
    np.testing.assert_array_equal(whole(matrix), expected)


@pytest.mark.parametrize(
    ("other_genes", "other_samples", "common"),
    [((0, 1, 2), (1, 2), "both genes and samples"), ((7, 8), (8, 9), "neither genes nor samples")],
)
def test_files_that_do_not_belong_together_are_refused(
    tmp_path, other_genes, other_samples, common
):
    tables = {
        "a.tsv": table_of(genes(0, 1, 2), samples(1, 2)),
        "b.tsv": table_of(genes(*other_genes), samples(*other_samples)),
    }
    with pytest.raises(InputError, match=common) as caught:
        join_tables(tmp_path, tables)
    assert "input.expression" in str(caught.value) and len(str(caught.value)) < 1000


@pytest.mark.parametrize("content", [b"\x89HDF\r\n\x1a\n" + b"\0" * 99, b"PAR1" + b"\0" * 99])
def test_binary_files_go_to_their_own_readers(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    paths = []
    with pytest.raises(StopIteration):
        read_files([tmp_path / "a"], [], InputSettings(), str.isalpha, None, stop_after(paths))
    assert paths == [tmp_path / "a"]


def stop_after(paths):
    def read_one(path):
        paths.append(path)
        raise StopIteration

    return read_one


def test_one_matrix_is_read_as_it_is(tmp_path):
    tables = {"a.tsv": table_of(genes(0, 1, 2), samples(1, 2))}
    matrix = join_tables(tmp_path, tables)
    pd.testing.assert_frame_equal(whole(matrix), tables["a.tsv"])
    assert matrix.labels is None and len(matrix.facts) == 2


def test_many_files_of_some_samples(tmp_path):
    tables = {
        f"{number}.tsv": table_of(genes(*range(30)), samples(2 * number, 2 * number + 1), number)
        for number in range(12)
    }
    matrix = join_tables(tmp_path, tables)
    pd.testing.assert_frame_equal(whole(matrix), pd.concat(tables.values(), axis=1))
