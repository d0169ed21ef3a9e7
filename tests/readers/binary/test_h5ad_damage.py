""".h5ad files that are damaged, hostile or something else: each is refused by one message."""

import gzip
import random
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from test_h5ad_matrix import in_this_process, made_up, write

from tumorcam.errors import InputError
from tumorcam.readers.binary import child, matrices
from tumorcam.readers.binary.h5ad import read_h5ad
from tumorcam.readers.matrix import Matrix
from tumorcam.settings import InputSettings

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "cases" / "h5ad"
SHARED_CASES = sorted(SHARED.glob("*/e.h5ad"))
N_FLIPPED, FLIPS = 30, 6
MAX_MESSAGE = 1000  # characters


def refused(path, match, **settings):
    with pytest.raises(InputError, match=match) as caught:
        in_this_process(path, InputSettings(**settings))
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) <= MAX_MESSAGE


@pytest.fixture
def edited(tmp_path):
    def edit(change, kind="dense"):
        path = write(made_up(kind), tmp_path)
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return edit


def replaced(name, make):
    def change(file):
        values = file[name][()]
        attributes = dict(file[name].attrs)
        del file[name]
        make(file, name, values)
        if isinstance(file.get(name, getlink=True), h5py.HardLink):
            file[name].attrs.update(attributes)

    return change


def virtual(file, name, values):
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[:] = h5py.VirtualSource("/etc/hosts", "X", values.shape)
    file.create_virtual_dataset(name, layout)


def outside(file, name, values):
    file.create_dataset(
        name, values.shape, values.dtype, external=[("/etc/hosts", 0, h5py.h5f.UNLIMITED)]
    )


def soft(file, name, values):
    file["other"] = values
    file[name] = h5py.SoftLink("/other")


def external(file, name, _):
    file[name] = h5py.ExternalLink("/etc/hosts", "/X")


def unwritten(file, name, values):
    file.create_dataset(name, values.shape, values.dtype, chunks=values.shape)


def unwritten_whole(file, name, values):
    file.create_dataset(name, values.shape, values.dtype)


def unknown_filter(file, name, values):
    plain, creation = h5py.h5s.create_simple(values.shape), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk(values.shape)
    creation.set_filter(32100, h5py.h5z.FLAG_OPTIONAL, ())
    kind = h5py.h5t.py_create(values.dtype)
    h5py.h5d.create(file.id, name.encode(), kind, plain, creation)
    h5py.h5d.DatasetID.write_direct_chunk(file[name].id, (0,) * values.ndim, values.tobytes())


@pytest.mark.parametrize("name", ["X", "obs/code"])
@pytest.mark.parametrize(
    ("make", "match"),
    [
        (virtual, "has its data in another place, which is refused"),
        (outside, "has its data in another place, which is refused"),
        (soft, "is a link to another place, which is refused"),
        (external, "is a link to another place, which is refused"),
        (unwritten, "is not whole: some of its values were never written"),
        (unwritten_whole, "is not whole: some of its values were never written"),
        (unknown_filter, r'filter 32100 .* not installed here; .* compression="gzip"'),
    ],
)
def test_data_that_are_not_in_the_file(edited, name, make, match):
    refused(edited(replaced(name, make)), match)


@pytest.mark.parametrize(
    "dtype",
    [
        "complex64",
        "S4",
        "V8",
        [("a", "f4"), ("b", "i4")],
        h5py.ref_dtype,
        h5py.string_dtype(),
        h5py.enum_dtype({"LOW": 0, "HIGH": 1}, "i1"),
        h5py.opaque_dtype(np.dtype("M8[s]")),
    ],
    ids=str,
)
def test_values_that_are_no_real_numbers(edited, dtype):
    def change(file):
        del file["X"]
        file.create_dataset("X", (4, 3), dtype)

    refused(edited(change), r"/X has 2 axes of type .*; wanted 2 of real numbers")


def put(name, index, value):
    def change(file):
        file["X"][name][index] = value

    return change


def retyped(name, dtype):
    return replaced(f"X/{name}", lambda file, place, values: file.__setitem__(place, dtype(values)))


def without_shape(file):
    del file["X"].attrs["shape"]


def huge_shape(file):
    file["X"].attrs["shape"] = [2**40, 3]


def without_indices(file):
    del file["X/indices"]


@pytest.mark.parametrize("kind", ["csr", "csc"])
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (put("indices", 0, -1), "an index is outside 0 to"),
        (put("indices", 0, 9), "an index is outside 0 to"),
        (put("indptr", 0, 1), "do not ascend from 0"),
        (put("indptr", 1, -5), "do not ascend from 0"),
        (put("indptr", -1, 10**6), "do not ascend from 0"),
        (retyped("indptr", np.float64), "are no integers"),
        (retyped("indices", np.float32), "are no integers"),
        (retyped("data", lambda values: values[:-1]), "do not fit together"),
        (retyped("indptr", lambda values: values[:-1]), "do not fit together"),
        (without_shape, "does not say its shape"),
        (huge_shape, "do not fit together|has the shape"),
        (without_indices, "lacks data, indices or indptr"),
    ],
)
def test_sparse_matrices_that_contradict_themselves(edited, kind, change, match):
    refused(edited(change, kind), match)


@pytest.mark.parametrize("kind", ["csr", "csc"])
def test_an_index_that_repeats(edited, kind):
    def change(file):
        file["X/indices"][:2] = 0

    refused(edited(change, kind), "gives a value twice")


def test_declared_sizes_beyond_the_file(edited):
    def change(file):
        del file["X"]
        file.create_dataset("X", (4, 2**40), chunks=(4, 1000), compression="gzip")

    refused(edited(change), "not whole")

    def lengthen(file):
        del file["obs/code"]
        file.create_dataset("obs/code", (2**40,), "f8", chunks=(2**16,))

    refused(edited(lengthen), "/obs/code is too large")


def test_more_values_than_the_disk_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(matrices, "FLOAT32", 2**60)
    refused(write(made_up(), tmp_path), r"GB are free; free some space, or set run.folder")


def other_length(file):
    del file["X"]
    file["X"] = np.zeros((5, 3))


def empty(file):
    del file["X"]
    file["X"] = h5py.Empty("f4")


def without_table(file):
    del file["obs"].attrs["encoding-type"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (other_length, r"has the shape \(5, 3\), but obs has 4 rows and var 3"),
        (empty, "no matrix: neither X nor raw nor layers"),
        (without_table, "obs is no table of AnnData"),
        (lambda file: file["obs"].attrs.__setitem__("encoding-type", "foo"), "obs is no table"),
        (lambda file: file.__delitem__("obs"), "no .h5ad file: it has no obs and var"),
    ],
)
def test_files_that_are_no_anndata(edited, change, match):
    with pytest.raises(InputError, match=match):
        read_h5ad(edited(change), InputSettings(), None)


def test_other_formats_are_named_with_the_way_out(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["matrix/barcodes"] = [b"A"]
    refused(path, r"10x file .* scanpy.read_10x_h5\(.*a.h5'\).write_h5ad\('a.h5ad'\)")
    with h5py.File(path, "w") as file:
        file["matrix"], file["row_attrs/Gene"] = np.zeros((2, 2)), [b"A", b"B"]
    refused(path, r"a .loom file.* scanpy.read_loom\(")
    packed = tmp_path / "a.h5ad.gz"
    packed.write_bytes(gzip.compress(write(made_up(), tmp_path).read_bytes()))
    with pytest.raises(InputError, match=r"unpack it with `gunzip .*a.h5ad.gz`"):
        read_h5ad(packed, InputSettings(), None)
    path.write_bytes(b"gene\ts1\n")
    with pytest.raises(InputError, match=r"cannot be read as .h5ad"):
        read_h5ad(path, InputSettings(), None)
    with pytest.raises(InputError, match=r"is no file"):
        read_h5ad(tmp_path / "none.h5ad", InputSettings(), None)


@pytest.mark.parametrize("number", range(N_FLIPPED))
def test_flipped_bits_give_a_matrix_or_one_message(tmp_path, monkeypatch, number):
    monkeypatch.setattr(child, "SECONDS", 8)
    chance = random.Random(number)
    path = write(made_up(("dense", "csr", "csc")[number % 3]), tmp_path)
    content = bytearray(path.read_bytes())
    for _ in range(FLIPS):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    require_matrix_or_message(path)


@pytest.mark.skipif(not SHARED_CASES, reason=f"the shared cases are not in {SHARED}")
@pytest.mark.parametrize("case", SHARED_CASES, ids=lambda path: path.parent.name)
def test_shared_cases(tmp_path, monkeypatch, case):
    monkeypatch.setattr(child, "SECONDS", 8)
    path = tmp_path / "e.h5ad"
    shutil.copy(case, path)
    matrix = require_matrix_or_message(path)
    is_readable = "SILENTLY" in str(case) or case.parent.name == "h5-legacy"
    assert matrix is None or is_readable


def require_matrix_or_message(path: Path) -> Matrix | None:
    try:
        matrix = read_h5ad(path, InputSettings(), None, lambda _: False)
    except InputError as error:
        assert len(str(error)) <= MAX_MESSAGE
        assert str(path) in str(error)
        return None
    assert matrix.values.shape == (len(matrix.genes), len(matrix.samples))
    assert len(matrix.labels) == len(matrix.samples)
    assert len(matrix.annotation) == len(matrix.genes)
    return matrix
