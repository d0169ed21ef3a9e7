from collections.abc import Mapping
from dataclasses import dataclass, field

import h5py
import hypothesis.extra.numpy as npst
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tumorcam.errors import DamageError, FileError
from tumorcam.storage import records
from tumorcam.storage.records import ENTRIES_HERE, read_record, stored, write_record

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@dataclass(frozen=True)
class Maps:
    own: np.ndarray = stored(chunks=(None, 2), compressed=True)
    cube: np.ndarray | None = None


@dataclass(frozen=True)
class Everything:
    numbers: np.ndarray
    names: np.ndarray
    table: pd.DataFrame
    inner: Maps
    words: tuple[str, ...]
    weights: tuple[np.ndarray, ...]
    by_name: Mapping[str, np.ndarray]
    size: int
    share: float
    is_partial: bool
    title: str
    absent: Maps | None
    methods: Mapping[str, Maps] = field(metadata=ENTRIES_HERE)
    digest: str = ""


def everything():
    return Everything(
        numbers=np.arange(6.0).reshape(2, 3),
        names=np.array(["COAD", "Größe"]),
        table=pd.DataFrame({"tumor": ["a", "b"], "n": [3, 4], "score": [0.5, np.nan]}),
        inner=Maps(np.ones((3, 5), np.float16), np.zeros((3, 2, 2))),
        words=("one", "two", "zwölf"),
        weights=(np.arange(3), np.ones((2, 2), np.float32)),
        by_name={"x": np.arange(2), "y": np.arange(3)},
        size=7,
        share=0.25,
        is_partial=True,
        title="a title",
        absent=None,
        methods={"guided_grad_cam": Maps(np.eye(3)), "gradient": Maps(np.eye(2), np.ones(1))},
    )


def round_trip(path, record, **options):
    with h5py.File(path, "w") as file:
        write_record(file, record, **options)
        file.attrs["digest"] = ""  # as hdf5.create_file does at the end
    with h5py.File(path) as file:
        return read_record(file, type(record))


def assert_same(first, second):
    for name in first.__dataclass_fields__:
        left, right = getattr(first, name), getattr(second, name)
        assert_same_value(left, right)


def assert_same_value(left, right):
    assert type(left) is type(right)
    if isinstance(left, np.ndarray):
        assert left.dtype.kind == right.dtype.kind
        np.testing.assert_array_equal(left, right)
    elif isinstance(left, pd.DataFrame):
        pd.testing.assert_frame_equal(left, right)
    elif isinstance(left, Mapping):
        assert left.keys() == right.keys()
        for key in left:
            assert_same_value(left[key], right[key])
    elif isinstance(left, tuple) and left and isinstance(left[0], np.ndarray):
        for a, b in zip(left, right, strict=True):
            assert_same_value(a, b)
    elif hasattr(left, "__dataclass_fields__"):
        assert_same(left, right)
    else:
        assert left == right


@pytest.mark.parametrize("compression", records.COMPRESSION)
def test_a_record_of_everything_comes_back(tmp_path, compression):
    record = everything()
    second = round_trip(tmp_path / "a.h5", record, compression=compression)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["gradient/own"].fletcher32 and file["inner/own"].chunks == (3, 2)
        assert {"numbers", "names", "table", "inner", "guided_grad_cam"} <= file.keys()
        assert "absent" not in file and "methods" not in file
        assert (file.attrs["size"], file.attrs["title"]) == (7, "a title")
    assert_same(second, record)


def test_a_record_with_some_of_the_fields_reads_those(tmp_path):
    @dataclass(frozen=True)
    class Part:
        table: pd.DataFrame
        size: int

    round_trip(tmp_path / "a.h5", everything())
    with h5py.File(tmp_path / "a.h5") as file:
        assert read_record(file, Part).size == 7
        whole = read_record(file, Everything, without=["numbers"], digest="given")
        assert not whole.numbers.size and whole.digest == "given"


def test_a_part_of_an_array_is_read(tmp_path):
    round_trip(tmp_path / "a.h5", everything())
    with h5py.File(tmp_path / "a.h5") as file:
        part = records.read_array(file, "numbers", np.s_[:, 1])
        assert part.tolist() == [1.0, 4.0]
        assert records.array_shape(file, "numbers") == (2, 3)


def test_what_is_missing_or_another_thing_is_damage(tmp_path):
    round_trip(tmp_path / "a.h5", everything())
    for name in ("numbers", "inner/own", "table/n", "weights"):
        with h5py.File(tmp_path / "a.h5", "r+") as file:
            value = file[name][...] if isinstance(file[name], h5py.Dataset) else None
            del file[name]
            with pytest.raises(DamageError, match=r"a\.h5 cannot be read"):
                read_record(file, Everything)
            if value is not None:
                file[name] = value
            else:
                file.create_group(name)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file.attrs["size"]
        with pytest.raises(FileError):
            read_record(file, Everything)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    npst.arrays(
        st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.int32, bool]),
        npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9),
    )
)
def test_arrays_come_back_bit_for_bit(tmp_path, values):
    @dataclass(frozen=True)
    class Array:
        values: np.ndarray

    array = round_trip(tmp_path / "a.h5", Array(values)).values
    assert (array.dtype, array.shape) == (values.dtype, values.shape)
    assert array.tobytes() == values.tobytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(TEXTS))
def test_texts_come_back(tmp_path, words):
    @dataclass(frozen=True)
    class Texts:
        array: np.ndarray
        words: tuple[str, ...]

    texts = round_trip(tmp_path / "a.h5", Texts(np.array(words, dtype=str), tuple(words)))
    assert texts.array.tolist() == list(texts.words) == words


def test_a_table_without_rows_keeps_its_columns(tmp_path):
    @dataclass(frozen=True)
    class Table:
        table: pd.DataFrame

    table = round_trip(tmp_path / "a.h5", Table(everything().table.iloc[:0])).table
    assert list(table.columns) == ["tumor", "n", "score"] and table.empty
