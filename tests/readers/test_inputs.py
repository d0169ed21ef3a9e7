"""Opening of any input with its samples, and which files the input of a run is."""

import dataclasses

import anndata
import numpy as np
import pandas as pd
import pytest

from tumorcam.errors import InputError
from tumorcam.readers import inputs
from tumorcam.settings import InputSettings
from tumorcam.settings.config import Config


@pytest.fixture
def tiny_h5ad(tiny_cohort, tmp_path) -> str:
    path = tmp_path / "tiny.h5ad"
    obs = tiny_cohort.samples.set_index("sample")
    var = pd.DataFrame(index=tiny_cohort.genes)
    anndata.AnnData(tiny_cohort.log2, obs=obs, var=var).write_h5ad(path)
    return str(path)


def check(given, tiny_cohort):
    """The genes, samples and values of the tiny cohort."""
    assert given.matrix.genes == tiny_cohort.genes.tolist()
    assert given.samples.equals(tiny_cohort.samples)
    values = given.matrix.values.block(slice(0, len(tiny_cohort.genes)))
    np.testing.assert_array_equal(values, tiny_cohort.log2.T)


def test_a_table_with_its_samples(tiny_config, tiny_cohort, tmp_path):
    calls = []
    given = inputs.open_inputs(tiny_config.input, tmp_path, lambda *counts: calls.append(counts))
    check(given, tiny_cohort)
    assert all(n_read <= n_all for n_read, n_all in calls)
    topics = {fact.topic for fact in [*given.matrix.facts, *given.facts]}
    assert {"orientation", "tumor column"} <= topics


def test_an_h5ad_brings_its_samples(tiny_h5ad, tiny_cohort):
    check(inputs.open_inputs(InputSettings(expression=(tiny_h5ad,))), tiny_cohort)


@pytest.mark.parametrize("genes_in_rows", [True, False])
@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_columnar_files_by_their_content(tiny_cohort, tiny_files, tmp_path, suffix, genes_in_rows):
    table = pd.DataFrame(tiny_cohort.log2.T, tiny_cohort.genes, tiny_cohort.samples["sample"])
    table = (table if genes_in_rows else table.T).rename_axis(index="name", columns=None)
    path = tmp_path / "matrix.dat"
    getattr(table.reset_index(), f"to_{suffix}")(path)
    settings = InputSettings((str(path),), (str(tiny_files[1]),))
    check(inputs.open_inputs(settings), tiny_cohort)


def test_a_matrix_in_two_files(tiny_cohort, tiny_files, tmp_path):
    expression, samples = tiny_files
    table = pd.read_csv(expression, sep="\t", dtype=str, index_col=0)
    parts = tmp_path / "parts"
    parts.mkdir()
    for i, part in enumerate((table.iloc[:, :20], table.iloc[:, 20:])):
        part.to_csv(parts / f"{i}.tsv", sep="\t")
    for texts in ((str(parts),), (f"{parts}/*.tsv",), (f"{parts}/0.tsv", f"{parts}/1.tsv")):
        check(inputs.open_inputs(InputSettings(texts, (str(samples),))), tiny_cohort)


def test_a_samples_table_replaces_obs(tiny_h5ad, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("sample,tumor\nTCGA-AA-0004-01A,XYZ\nTCGA-AA-0005-01A,UVW\n")
    settings = InputSettings(expression=(tiny_h5ad,), samples=(str(table),))
    assert inputs.open_inputs(settings).samples["tumor"].tolist() == ["XYZ", "XYZ", "UVW", "UVW"]


def test_the_content_gives_the_format_unless_it_is_set(tiny_h5ad, tiny_cohort, tmp_path):
    renamed = tmp_path / "matrix.dat"
    renamed.write_bytes((tmp_path / "tiny.h5ad").read_bytes())
    settings = InputSettings(expression=(str(renamed),))
    check(inputs.open_inputs(settings), tiny_cohort)
    with pytest.raises(InputError, match=r"matrix\.dat .*HDF5.*format"):
        inputs.open_inputs(dataclasses.replace(settings, format="table"))


def test_a_matrix_without_labels_needs_a_samples_table(tiny_files):
    with pytest.raises(InputError, match=r"set input\.samples to a table with a row for each"):
        inputs.open_inputs(InputSettings((str(tiny_files[0]),)))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("expression", r"input\.expression = 'nowhere\.tsv': no file .*; set input\.expression to"),
        ("samples", r"nowhere\.tsv is no file \(No such .*: check input\.samples"),
        ("gene_table", r"nowhere\.tsv is no file \(No such .*: check input\.gene_table"),
    ],
)
def test_a_missing_file_is_refused(tiny_config, key, message):
    name = "nowhere.tsv" if key == "gene_table" else ("nowhere.tsv",)
    settings = dataclasses.replace(tiny_config.input, **{key: name})
    with pytest.raises(InputError, match=message):
        inputs.input_files(settings)
    if key != "gene_table":
        with pytest.raises(InputError, match=message):
            inputs.open_inputs(settings)


def test_without_an_expression_the_input_was_synthesized(tmp_path):
    config = Config(run=dataclasses.replace(Config().run, folder=str(tmp_path)))
    with pytest.raises(InputError, match="or run `tumorcam synthesize` first"):
        inputs.input_settings(config)
    (tmp_path / "input").mkdir()
    for name in ("expression.tsv.gz", "samples.tsv"):
        (tmp_path / "input" / name).touch()
    settings = inputs.input_settings(config)
    assert [path.name for path in inputs.input_files(settings)] == [
        "expression.tsv.gz",
        "samples.tsv",
    ]


def test_a_synthesized_matrix_may_get_other_labels(tmp_path):
    run = dataclasses.replace(Config().run, folder=str(tmp_path))
    (tmp_path / "input").mkdir()
    for name in ("expression.tsv.gz", "samples.tsv"):
        (tmp_path / "input" / name).touch()
    config = Config(run=run, input=InputSettings(samples=("mine.tsv",)))
    assert inputs.input_settings(config).samples == ("mine.tsv",)


def test_with_an_expression_the_input_is_the_configs(tiny_config):
    assert inputs.input_settings(tiny_config) is tiny_config.input
