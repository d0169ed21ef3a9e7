""".h5ad files: dense and sparse matrices, gene and sample names, and what is wrong."""

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from tumorcam.errors import InputError
from tumorcam.readers import blocks
from tumorcam.readers.h5ad import H5adExpression

MATRIX = np.array([[0, 1.5, 2], [3, 0, 0], [0, 0, 4], [5, 6, 0]], dtype=np.float32)
KINDS = {"dense": np.array, "csr": scipy.sparse.csr_matrix, "csc": scipy.sparse.csc_matrix}


@pytest.fixture
def write(tmp_path):
    def write_kind(kind="dense", **var):
        obs = pd.DataFrame(
            {
                "tumor": pd.Categorical(["ACC", "ACC", None, "UVM"]),
                "sample_type": [1.0, 1.0, np.nan, 11.0],
            },
            index=["s1", "s2", "s3", "s4"],
        )
        genes = pd.DataFrame({"entrez": [1, 2, 3]} | var, index=["g1", "g2", "g3"])
        path = tmp_path / f"{kind}.h5ad"
        anndata.AnnData(KINDS[kind](MATRIX), obs=obs, var=genes).write_h5ad(path)
        return path

    return write_kind


def whole(expression):
    matrix = np.full((len(expression.samples), len(expression.genes)), np.nan)
    for block in expression.blocks():
        assert np.isnan(matrix[block.samples, block.genes]).all()
        matrix[block.samples, block.genes] = block.values
    return matrix


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block_values", [1, 3, 4, 7, 8, 1000])
def test_the_same_matrix_from_any_storage(write, monkeypatch, kind, block_values):
    monkeypatch.setattr(blocks, "BLOCK_VALUES", block_values)
    expression = H5adExpression(write(kind))
    assert expression.samples == ["s1", "s2", "s3", "s4"]
    assert expression.genes == ["g1", "g2", "g3"]
    np.testing.assert_array_equal(whole(expression), MATRIX)


def test_obs_is_a_samples_table_of_text(write):
    obs = H5adExpression(write()).obs
    assert obs.to_dict("list") == {
        "obs_names": ["s1", "s2", "s3", "s4"],
        "tumor": ["ACC", "ACC", "", "UVM"],
        "sample_type": ["1.0", "1.0", "", "11.0"],
    }


def test_genes_are_named_by_a_column_of_var(write):
    path = write(symbol=pd.Categorical(["A", None, ""]))
    assert H5adExpression(path, "entrez").genes == ["1", "2", "3"]
    assert H5adExpression(path, "symbol").genes == ["A", "g2", "g3"]
    with pytest.raises(InputError, match=r"no column 'name' .* columns are 'entrez', 'symbol';"):
        H5adExpression(path, "name")


def test_a_file_that_is_cut_off_is_refused(write):
    path = write()
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"dense\.h5ad cannot be read as \.h5ad"):
        H5adExpression(path)


def test_a_damaged_matrix_is_refused_while_it_is_read(write):
    path = write()
    with h5py.File(path, "r+") as file:
        del file["X"]
        file.create_dataset("X", data=MATRIX, chunks=True, fletcher32=True)
        offset = file["X"].id.get_chunk_info(0).byte_offset
    damaged = bytearray(path.read_bytes())
    damaged[offset] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="cannot be read"):
        list(H5adExpression(path).blocks())


@pytest.mark.parametrize("name", ["X", "obs", "var"])
def test_a_file_without_its_parts_is_refused(write, name):
    path = write()
    with h5py.File(path, "r+") as file:
        del file[name]
    with pytest.raises(InputError, match="another kind of file"):
        H5adExpression(path)


def test_a_matrix_of_other_size_is_refused(write):
    path = write()
    with h5py.File(path, "r+") as file:
        del file["X"]
        file["X"] = MATRIX[:2]
    with pytest.raises(InputError, match=r"X has the shape \(2, 3\) but obs and var have 4 and 3"):
        H5adExpression(path)


def test_text_is_no_h5ad(tmp_path):
    path = tmp_path / "matrix.h5ad"
    path.write_text("gene\ts1\n")
    with pytest.raises(InputError, match="cannot be read as"):
        H5adExpression(path)


def instead(name, *arguments, **options):
    """A change of an open file: a new dataset of this name that keeps the old one's attributes."""

    def change(file):
        attributes = dict(file[name].attrs)
        del file[name]
        file.create_dataset(name, *arguments, **options).attrs.update(attributes)

    return change


def link_outside(file):
    del file["X"]
    file["X"] = h5py.ExternalLink("/dev/zero", "/X")


TEXT = h5py.string_dtype()
DAMAGE = {
    "huge": (instead("X", (10**6, 10**6), "f4"), r"X of shape \(1000000, 1000000\) is not whole"),
    "huge, in chunks": (instead("X", (10**12, 10**12), "f4", chunks=(1, 1000)), "is not whole"),
    "huge index": (instead("obs/_index", (10**12,), TEXT, chunks=(9,)), "obs/_index is too large"),
    "text": (instead("X", data=np.full((4, 3), "1", TEXT)), "X has 2 axes of object, wanted 2 of"),
    "complex": (instead("X", data=MATRIX + 1j), "X has 2 axes of complex64, wanted 2 of numbers"),
    "one axis": (instead("X", data=MATRIX.ravel()), "X has 1 axes of float32, wanted 2 of numbers"),
    "no index": (lambda file: file["obs"].attrs.__delitem__("_index"), "attribute: '_index'"),
    "no table": (instead("var/_index", data=np.float32(1)), "cannot be read as .h5ad"),
    "link": (link_outside, "points outside the file, which is refused"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_a_file_declares_is_refused_before_it_is_read(write, name):
    change, message = DAMAGE[name]
    path = write()
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(InputError, match=message) as error:
        H5adExpression(path)
    assert str(error.value).startswith(str(path)) and len(str(error.value)) < 1000


@pytest.mark.parametrize("kind", ["csr", "csc"])
@pytest.mark.parametrize(
    ("part", "index", "value", "message"),
    [
        ("indices", 0, 99, "cannot be read as .h5ad"),
        ("indices", 0, -1, "cannot be read as .h5ad"),
        ("indptr", 1, 99, "do not ascend from 0 to the number of values"),
        ("indptr", 0, 1, "do not ascend from 0 to the number of values"),
        ("indptr", -1, 2, "do not ascend from 0 to the number of values"),
    ],
)
def test_a_sparse_matrix_with_indices_out_of_range_is_refused(
    write, kind, part, index, value, message
):
    """Unchecked, such an index writes outside the array."""
    path = write(kind)
    with h5py.File(path, "r+") as file:
        file["X"][part][index] = value
    with pytest.raises(InputError, match=message):
        list(H5adExpression(path).blocks())


def test_values_that_nobody_wrote_are_no_zeros(write):
    path = write()
    with h5py.File(path, "r+") as file:
        instead("X", (4, 3), "f4", chunks=(2, 3))(file)
        file["X"][:2] = MATRIX[:2]
    with pytest.raises(InputError, match="some of its values were never written"):
        H5adExpression(path)
    with h5py.File(path, "r+") as file:
        file["X"][2:] = MATRIX[2:]
    np.testing.assert_array_equal(whole(H5adExpression(path)), MATRIX)
