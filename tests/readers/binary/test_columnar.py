"""Parquet, Feather and Arrow files: both orientations, kinds of columns, and damage."""

import datetime
import decimal
import random

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from tumorcam.errors import InputError
from tumorcam.readers.binary import arrow_file, arrow_tables, child
from tumorcam.readers.binary.columnar import is_columnar, read_columnar
from tumorcam.settings import InputSettings
from tumorcam.storage.stored_values import StoredValues

SAMPLES = [f"TCGA-A1-000{i}-01" for i in range(5)]
GENES = ["TP53", "KRAS", "EGFR"]
VALUES = np.array([[1.5, 2, 3, 4, 5], [6, np.nan, 8, 9, 1e9], [0, 0, 0, 0.25, -1]])
FORMATS = ("parquet", "feather", "feather1")

pytestmark = pytest.mark.filterwarnings("ignore:Feather V1")


def write(table, folder, kind="parquet"):
    path = folder / f"a.{kind}"
    if kind == "parquet":
        table.to_parquet(path, row_group_size=2)
    elif kind == "feather":
        pa.feather.write_feather(pa.Table.from_pandas(table), str(path), chunksize=2)
    else:
        pa.feather.write_feather(table.reset_index(), str(path), version=1)
    return path


def is_sample(name):
    return name in SAMPLES


def in_this_process(path, is_sample=is_sample, **settings):
    answers = lambda names: [is_sample(name) for name in names]  # noqa: E731
    return arrow_file.read(path, InputSettings(**settings), StoredValues(), answers)


def whole(matrix):
    return matrix.values.block(slice(0, len(matrix.genes)))


def gene_rows():
    table = pd.DataFrame(VALUES, index=pd.Index(GENES, name="symbol"), columns=SAMPLES)
    table.insert(0, "entrez", [7157, 3845, 1956])
    table["band"] = ["17p", None, "7p"]
    return table


def sample_rows():
    table = pd.DataFrame(VALUES.T, index=SAMPLES, columns=GENES)
    table.insert(0, "tumor", ["ACC", None, "ACC", "UVM", "UVM"])
    return table


@pytest.mark.parametrize("kind", FORMATS)
def test_genes_in_rows(tmp_path, kind):
    path = write(gene_rows(), tmp_path, kind)
    assert is_columnar(path)
    matrix = read_columnar(path, InputSettings(), is_sample, tmp_path)
    assert (matrix.samples, matrix.genes) == (SAMPLES, GENES)
    np.testing.assert_array_equal(whole(matrix), VALUES.astype("f4"))
    assert matrix.labels is None
    annotation = {"entrez": ["7157", "3845", "1956"], "band": ["17p", "", "7p"]}
    assert matrix.annotation.to_dict("list") == annotation


@pytest.mark.parametrize("batch_values", [1, 8, 1000])
@pytest.mark.parametrize("kind", FORMATS)
def test_samples_in_rows(tmp_path, monkeypatch, kind, batch_values):
    monkeypatch.setattr(arrow_tables, "BATCH_VALUES", batch_values)
    matrix = in_this_process(write(sample_rows(), tmp_path, kind))
    assert (matrix.samples, matrix.genes) == (SAMPLES, GENES)
    np.testing.assert_array_equal(whole(matrix), VALUES.astype("f4"))
    labels = {"sample": SAMPLES, "tumor": ["ACC", "", "ACC", "UVM", "UVM"]}
    assert matrix.labels.to_dict("list") == labels
    assert list(matrix.annotation.columns) == []
    assert len(matrix.annotation) == len(GENES)


def test_columns_of_any_numbers_and_texts(tmp_path):
    columns = {
        "id": pa.array(SAMPLES[:2]).dictionary_encode(),
        "grade": pa.array(["a", "b"], pa.large_string()),
        "i8": pa.array([1, None], pa.int8()),
        "u64": pa.array([2**40, 2], pa.uint64()),
        "f2": pa.array(np.array([0.5, 2], np.float16)),
        "bool": pa.array([True, False]),
        "decimal": pa.array([decimal.Decimal("1.25"), None]),
        "levels": pa.array([3.5, 4]).dictionary_encode(),
        "null": pa.nulls(2),
    }
    pa.parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    matrix = in_this_process(tmp_path / "a.parquet")
    assert matrix.genes == list(columns)[2:]
    nan = np.nan
    expected = [[1, nan], [2**40, 2], [0.5, 2], [1, 0], [1.25, nan], [3.5, 4], [nan, nan]]
    np.testing.assert_array_equal(whole(matrix), np.array(expected, np.float32))
    assert matrix.labels["grade"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1], [2]]),
        pa.array([{"a": 1}, {"a": 2}]),
        pa.array([datetime.datetime(2026, 1, 1)] * 2),
        pa.array([b"a", b"b"]),
    ],
    ids=lambda column: str(column.type)[:6],
)
def test_other_columns_are_refused(tmp_path, column):
    table = pa.table({"id": SAMPLES[:2], "g": [1, 2], "odd": column})
    pa.parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a.parquet: column 'odd' is of type .*: leave the col"):
        in_this_process(tmp_path / "a.parquet")


def test_the_settings_decide(tmp_path):
    path = write(gene_rows(), tmp_path)
    assert in_this_process(path, gene_column="entrez").genes == ["7157", "3845", "1956"]
    nobody = lambda name: False  # noqa: E731
    with pytest.raises(InputError, match=r'set input.orientation = "genes_in_rows" or'):
        in_this_process(path, nobody)
    turned = in_this_process(path, nobody, orientation="genes_in_rows", gene_column="symbol")
    assert turned.samples == SAMPLES
    with pytest.raises(
        InputError, match=r"no column of gene IDs 'id' .* 'entrez', 'band', 'symbol'"
    ):
        in_this_process(path, gene_column="id")


def test_a_row_without_a_sample_is_dropped_with_its_reason(tmp_path):
    table = sample_rows().reset_index(names="id")
    table.loc[1, "id"] = None
    matrix = in_this_process(write(table, tmp_path))
    assert matrix.samples == [SAMPLES[0], *SAMPLES[2:]]
    assert [drop[:2] for drop in matrix.dropped] == [("row", "row 2")]
    np.testing.assert_array_equal(whole(matrix), np.delete(VALUES, 1, 1).astype("f4"))


def test_no_numbers_and_no_rows(tmp_path):
    with pytest.raises(InputError, match="no column of numbers"):
        in_this_process(write(sample_rows()[["tumor"]], tmp_path))
    with pytest.raises(InputError, match="no rows"):
        in_this_process(write(sample_rows()[:0], tmp_path), orientation="samples_in_rows")


def test_other_files_are_not_columnar(tmp_path):
    (tmp_path / "a.tsv").write_text("gene\ts1\n")
    assert not is_columnar(tmp_path / "a.tsv")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("number", range(3))
def test_damage_gives_a_matrix_or_one_message(tmp_path, monkeypatch, kind, number):
    monkeypatch.setattr(child, "SECONDS", 8)
    path, chance = write(gene_rows(), tmp_path, kind), random.Random(number)
    content = bytearray(path.read_bytes())
    for _ in range(8):
        content[chance.randrange(8, len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content[: len(content) // 2] if number == 0 else content)
    try:
        matrix = read_columnar(path, InputSettings(), is_sample, None)
    except InputError as error:
        assert str(path) in str(error) and len(str(error)) <= 1000
        return
    assert number
    assert matrix.values.shape == (len(matrix.genes), len(matrix.samples))
