""".h5ad files: the same values, names and labels as AnnData reads, whatever the storage."""

import anndata
import h5py
import hdf5plugin
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from tumorcam.errors import InputError
from tumorcam.readers.binary import matrices
from tumorcam.readers.binary.anndata_file import read
from tumorcam.readers.binary.h5ad import read_h5ad
from tumorcam.settings import InputSettings
from tumorcam.storage.stored_values import StoredValues

KINDS = {"dense": np.array, "csr": scipy.sparse.csr_matrix, "csc": scipy.sparse.csc_matrix}
VALUES = np.array([[0, 1.5, 2], [3, 0, np.nan], [0, 0, 4], [5, 6, 0]], dtype=np.float32)
SAMPLES = ["TCGA-A1-0001-01", "TCGA-A1-0002-01", "TCGA-A1-0003-01", "TCGA-A1-0004-11"]


def made_up(kind="dense", values=VALUES):
    obs = pd.DataFrame(
        {
            "tumor": pd.Categorical(["ACC", "ACC", None, "UVM"]),
            "code": [1.0, 1.0, np.nan, 11.5],
            "is_old": pd.array([True, None, False, True], "boolean"),
            "days": pd.array([1, None, 3, 4], "Int64"),
            "grade": pd.Categorical([1.0, 2.0, 1.0, np.nan]),
        },
        index=SAMPLES,
    )
    var = pd.DataFrame(
        {"symbol": pd.Categorical(["A", None, ""]), "entrez": [1, 2, 3]}, index=["g1", "g2", "g3"]
    )
    return anndata.AnnData(KINDS[kind](values), obs=obs, var=var)


def write(data, folder, **options):
    path = folder / "a.h5ad"
    data.write_h5ad(path, **options)
    return path


def whole(matrix):
    return matrix.values.block(slice(0, len(matrix.genes))).T


def in_this_process(path, settings, is_sample=lambda _: False):
    answers = lambda names: [is_sample(name) for name in names]  # noqa: E731
    return read(path, settings, StoredValues(), answers)


@pytest.mark.parametrize("block_values", [1, 4, 7, 1000])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_the_same_values_from_any_storage(tmp_path, monkeypatch, kind, block_values, compression):
    monkeypatch.setattr(matrices, "BLOCK_VALUES", block_values)
    path = write(made_up(kind), tmp_path, compression=compression)
    matrix = in_this_process(path, InputSettings())
    table = anndata.read_h5ad(path).to_df()
    assert (matrix.samples, matrix.genes) == (list(table.index), list(table.columns))
    np.testing.assert_array_equal(whole(matrix), table)
    assert matrix.facts[0].text == f"AnnData .h5ad, {kind} float32"


@pytest.mark.parametrize("kind", KINDS)
def test_a_process_apart_reads_the_same(tmp_path, kind):
    path = write(made_up(kind), tmp_path)
    apart, here = read_h5ad(path, InputSettings(), tmp_path), in_this_process(path, InputSettings())
    np.testing.assert_array_equal(whole(apart), whole(here))
    assert (apart.samples, apart.genes, apart.facts) == (here.samples, here.genes, here.facts)
    pd.testing.assert_frame_equal(apart.labels, here.labels)
    pd.testing.assert_frame_equal(apart.annotation, here.annotation)
    assert apart.path == path


@pytest.mark.parametrize("chunks", [(4, 1), (3, 2), (1, 3), (4, 3)])
def test_chunks_of_any_shape(tmp_path, monkeypatch, chunks):
    monkeypatch.setattr(matrices, "BLOCK_VALUES", 4)
    path = write(made_up(), tmp_path)
    with h5py.File(path, "r+") as file:
        del file["X"]
        filters = hdf5plugin.Zstd() if chunks == (3, 2) else {}
        file.create_dataset("X", data=VALUES, chunks=chunks, **filters)
    np.testing.assert_array_equal(whole(in_this_process(path, InputSettings())), VALUES)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool", "float16", "float64"])
def test_numbers_of_any_type(tmp_path, dtype):
    values = np.nan_to_num(VALUES).astype(dtype)
    path = write(made_up(values=values), tmp_path)
    np.testing.assert_array_equal(whole(in_this_process(path, InputSettings())), values)


def test_labels_and_annotation_are_texts(tmp_path):
    matrix = in_this_process(write(made_up(), tmp_path), InputSettings())
    assert matrix.labels.to_dict("list") == {
        "sample": SAMPLES,
        "tumor": ["ACC", "ACC", "", "UVM"],
        "code": ["1", "1", "", "11.5"],
        "is_old": ["True", "", "False", "True"],
        "days": ["1", "", "3", "4"],
        "grade": ["1", "2", "1", ""],
    }
    annotation = matrix.annotation.to_dict("list")
    assert annotation == {"symbol": ["A", "", ""], "entrez": ["1", "2", "3"]}


def test_a_column_sample_keeps_its_content(tmp_path):
    data = made_up()
    data.obs = pd.DataFrame({"sample": ["a", "b", "c", "d"]}, index=SAMPLES)
    labels = in_this_process(write(data, tmp_path), InputSettings()).labels
    assert labels.to_dict("list") == {"sample": SAMPLES, "sample (2)": ["a", "b", "c", "d"]}
    data.obs = pd.DataFrame({"sample": SAMPLES}, index=SAMPLES)
    labels = in_this_process(write(data, tmp_path), InputSettings()).labels
    assert labels.to_dict("list") == {"sample": SAMPLES}


def test_layers_and_raw(tmp_path):
    data = made_up("csr")
    data.raw = data.copy()
    data = data[:, ["g1", "g3"]].copy()
    data.layers["counts"] = np.arange(8).reshape(4, 2)
    data.X = None
    path = write(data, tmp_path)
    counts = in_this_process(path, InputSettings(layer="counts"))
    np.testing.assert_array_equal(whole(counts), np.arange(8).reshape(4, 2))
    assert counts.facts[1].text == "layers/counts"
    assert counts.facts[1].others == "raw"
    raw = in_this_process(path, InputSettings(layer="raw", gene_column="symbol"))
    assert raw.genes == ["A", "g2", "g3"]
    np.testing.assert_array_equal(whole(raw), VALUES)
    with pytest.raises(InputError, match=r"no X; .* 'raw', 'counts'; set input.layer to one"):
        in_this_process(path, InputSettings())
    with pytest.raises(InputError, match=r"no layer 'tpm'; .* 'raw', 'counts'; set input.layer"):
        in_this_process(path, InputSettings(layer="tpm"))


def test_genes_are_named_by_a_column_of_var(tmp_path):
    path = write(made_up(), tmp_path)
    assert in_this_process(path, InputSettings(gene_column="entrez")).genes == ["1", "2", "3"]
    matrix = in_this_process(path, InputSettings(gene_column="symbol"))
    assert matrix.genes == ["A", "g2", "g3"]
    assert "2 missing IDs" in matrix.facts[-1].reason
    with pytest.raises(InputError, match=r"no column 'name' .* are 'symbol', 'entrez'; set input"):
        in_this_process(path, InputSettings(gene_column="name"))


@pytest.mark.parametrize("kind", KINDS)
def test_genes_in_obs(tmp_path, kind):
    path = write(made_up(kind).T, tmp_path)
    is_sample = SAMPLES[:3].__contains__
    matrix = read_h5ad(path, InputSettings(gene_column="entrez"), None, is_sample)
    assert (matrix.samples, matrix.genes) == (SAMPLES, ["1", "2", "3"])
    np.testing.assert_array_equal(whole(matrix), VALUES)
    assert matrix.labels["tumor"].tolist() == ["ACC", "ACC", "", "UVM"]
    assert [fact.text for fact in matrix.facts if fact.topic == "orientation"] == [
        "genes in obs, samples in var"
    ]
    turned = in_this_process(path, InputSettings(orientation="genes_in_rows"))
    assert turned.samples == SAMPLES
    kept = in_this_process(path, InputSettings(orientation="samples_in_rows"), is_sample)
    assert kept.samples == ["g1", "g2", "g3"]


def test_row_numbers_give_way_to_a_column_of_samples(tmp_path):
    data = made_up()
    data.obs = pd.DataFrame({"tumor": list("AABB"), "barcode": SAMPLES}, index=list("0123"))
    path = write(data, tmp_path)
    assert in_this_process(path, InputSettings(), SAMPLES.__contains__).samples == SAMPLES
    assert in_this_process(path, InputSettings()).samples == list("0123")


def test_version_0_7(tmp_path):
    path = write(made_up(), tmp_path)
    with h5py.File(path, "r+") as file:
        del file["obs"]
        obs = file.create_group("obs")
        obs.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.1.0"})
        obs.attrs["_index"], obs.attrs["column-order"] = "index", ["tumor"]
        obs["index"] = SAMPLES
        obs["__categories/tumor"] = ["ACC", "UVM"]
        obs["tumor"] = np.array([0, 0, -1, 1], np.int8)
        obs["tumor"].attrs["categories"] = obs["__categories/tumor"].ref
    matrix = in_this_process(path, InputSettings())
    assert anndata.read_h5ad(path).obs["tumor"].isna().tolist() == [False, False, True, False]
    assert matrix.labels.to_dict("list") == {
        "sample": SAMPLES,
        "tumor": ["ACC", "ACC", "", "UVM"],
    }


@pytest.mark.parametrize("kind", KINDS)
def test_version_0_6(tmp_path, kind):
    path = tmp_path / "a.h5ad"
    sample = np.array(SAMPLES, "S")
    obs = np.rec.fromarrays(
        [sample, np.array([0, 0, -1, 1], "i1"), np.array([1, 2, 3, 4.5])],
        names="index,tumor,weight",
    )
    with h5py.File(path, "w") as file:
        file["obs"] = obs
        file["var"] = np.rec.fromarrays([np.array(["g1", "g2", "g3"], "S")], names="index")
        file["uns/tumor_categories"] = np.array(["ACC", "UVM"], "S")
        if kind == "dense":
            file["X"] = VALUES
        else:
            values, group = KINDS[kind](VALUES), file.create_group("X")
            group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = kind, VALUES.shape
            for name in ("data", "indices", "indptr"):
                group[name] = getattr(values, name)
    matrix = in_this_process(path, InputSettings())
    assert matrix.genes == ["g1", "g2", "g3"]
    assert matrix.labels.to_dict("list") == {
        "sample": SAMPLES,
        "tumor": ["ACC", "ACC", "", "UVM"],
        "weight": ["1", "2", "3", "4.5"],
    }
    np.testing.assert_array_equal(whole(matrix), VALUES)
