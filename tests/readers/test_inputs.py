"""Opening of any input with its samples, and which files the input of a run is."""

import dataclasses

import anndata
import numpy as np
import pandas as pd
import pytest

from tumorcam.config import Config
from tumorcam.errors import InputError
from tumorcam.readers import inputs
from tumorcam.readers.h5ad import H5adExpression
from tumorcam.readers.table import TableExpression
from tumorcam.settings import InputSettings


@pytest.fixture
def tiny_h5ad(tiny_cohort, tmp_path) -> str:
    path = tmp_path / "tiny.h5ad"
    obs = tiny_cohort.samples.set_index("sample")
    var = pd.DataFrame(index=tiny_cohort.genes)
    anndata.AnnData(tiny_cohort.log2, obs=obs, var=var).write_h5ad(path)
    return str(path)


def test_a_table_with_its_samples(tiny_config, tiny_cohort):
    expression, samples = inputs.open_inputs(tiny_config.input)
    assert isinstance(expression, TableExpression)
    assert expression.genes == tiny_cohort.genes.tolist()
    assert samples.equals(tiny_cohort.samples)


def test_an_h5ad_brings_its_samples(tiny_h5ad, tiny_cohort):
    expression, samples = inputs.open_inputs(InputSettings(expression=tiny_h5ad))
    assert isinstance(expression, H5adExpression)
    assert samples.equals(tiny_cohort.samples)
    np.testing.assert_array_equal(next(expression.blocks()).values, tiny_cohort.log2)


def test_a_samples_table_replaces_obs(tiny_h5ad, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("sample,tumor\nTCGA-AA-0004-01A,XYZ\n")
    settings = InputSettings(expression=tiny_h5ad, samples=str(table))
    assert inputs.open_inputs(settings).samples["tumor"].tolist() == ["XYZ"]


def test_the_content_gives_the_format_unless_it_is_set(tiny_h5ad, tmp_path):
    renamed = tmp_path / "matrix.dat"
    renamed.write_bytes((tmp_path / "tiny.h5ad").read_bytes())
    settings = InputSettings(expression=str(renamed))
    assert isinstance(inputs.open_inputs(settings).expression, H5adExpression)
    with pytest.raises(InputError, match=r"matrix\.dat needs a samples table; set input.samples"):
        inputs.open_inputs(dataclasses.replace(settings, format="table"))


@pytest.mark.parametrize("key", ["expression", "samples"])
def test_a_missing_file_is_refused(tiny_config, key):
    settings = dataclasses.replace(tiny_config.input, **{key: "nowhere.tsv"})
    with pytest.raises(
        InputError, match=r"nowhere\.tsv is no file \(No such .*: check input\.expression"
    ):
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
    config = Config(run=run, input=InputSettings(samples="mine.tsv"))
    assert inputs.input_settings(config).samples == "mine.tsv"


def test_with_an_expression_the_input_is_the_configs(tiny_config):
    assert inputs.input_settings(tiny_config) is tiny_config.input
