"""The data dictionary against docs/tables.md and against the files that are written."""

import dataclasses
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import polars as pl
import pytest
from made_up_run import finish_run

from tumorcam.report import csv_files, page
from tumorcam.report.call_columns import MAP_ANSWER_COLUMNS, SHEET_COLUMNS
from tumorcam.report.columns import FLAG, NUMBER, TEXT, WHOLE, columns_of
from tumorcam.report.dictionary import (
    ANSWER_TABLES,
    CALL_TABLES,
    H5AD_PARTS,
    RUN_TABLES,
    tables_document,
)
from tumorcam.report.gene_text import gene_answer
from tumorcam.report.results import read_run
from tumorcam.report.tumor_text import tumor_answer

DOC = Path(__file__).parents[2] / "docs" / "tables.md"
TABLES = [*RUN_TABLES, *CALL_TABLES, *ANSWER_TABLES]
POLARS = {TEXT: pl.String, WHOLE: pl.Int64, NUMBER: pl.Float64, FLAG: pl.Boolean}
PANDAS = {TEXT: "object", WHOLE: "int64", NUMBER: "float64", FLAG: "bool"}
CSV_NAMES = ("learned.csv", "genes.csv", "decoys.csv")


@pytest.fixture
def tiny_config(tiny_config):
    """At this level the made-up run calls some pairs."""
    significance = dataclasses.replace(tiny_config.significance, q_decoy=0.2)
    return dataclasses.replace(tiny_config, significance=significance)


@pytest.fixture
def run(tiny_run):
    return read_run(finish_run(tiny_run))


@pytest.fixture
def report(run):
    page._write_tables(run, run.results.ranking(run.first_ranking), run.folder.report)
    return run.folder.report


def columns_of_file(name):
    return next(table.columns for table in TABLES if name in table.name.split(", "))


def test_the_page_of_tables_is_what_the_code_says():
    text = DOC.read_text(encoding="utf-8")
    start = text.index("A CSV file has at most")
    assert text[start:] == tables_document(), f"write tables_document() into {DOC.name}"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_has_a_sentence_and_a_type(table):
    names = [column.name for column in table.columns]
    assert len(set(names)) == len(names)
    for column in table.columns:
        assert column.meaning[0].isalnum() and column.meaning.endswith("."), column.name
        assert "|" not in column.meaning + column.unit
        assert column.dtype in POLARS or table.name == "ranking.h5ad"


def test_every_table_of_the_report_is_in_the_dictionary(run):
    listed = {name for table in RUN_TABLES for name in table.name.split(": ")[0].split(", ")}
    kinds = (".csv", ".parquet", ".xlsx", ".gmt", ".h5ad")
    assert listed - {"TUMOR.rnk"} == {n for n in page.report_files(run) if n.endswith(kinds)}


@pytest.mark.parametrize("name", CSV_NAMES)
def test_a_csv_file_has_the_columns_and_types(report, name):
    columns = columns_of_file(name)
    by_pandas, by_polars = pd.read_csv(report / name), pl.read_csv(report / name)
    assert len(by_pandas) == len(by_polars) > 0
    assert {k: str(v) for k, v in by_pandas.dtypes.items()} == {
        column.name: PANDAS[column.dtype] for column in columns
    }
    assert dict(by_polars.schema) == {column.name: POLARS[column.dtype] for column in columns}


def test_parquet_and_csv_agree_in_types(report):
    parquet = report / "genes.parquet"
    assert pl.read_parquet(parquet).schema == pl.read_csv(report / "genes.csv").schema
    types = pd.read_csv(report / "genes.csv").dtypes
    pd.testing.assert_series_equal(pd.read_parquet(parquet).dtypes, types)


def test_lists_and_sets_have_the_columns(report):
    rows = (report / "BRCA.rnk").read_text(encoding="utf-8").splitlines()
    assert {row.count("\t") for row in rows} == {len(columns_of_file("TUMOR.rnk")) - 1}
    n_fields = len((report / "learned.gmt").read_text(encoding="utf-8").split("\n")[0].split("\t"))
    assert n_fields >= len(columns_of_file("learned.gmt"))
    sheets = pd.read_excel(report / "learned.xlsx", sheet_name=None)
    for name, sheet in sheets.items():
        title = f"learned.xlsx: {name}" if name in ("columns", "about") else "learned.xlsx"
        assert list(sheet) == [column.name for column in columns_of_file(title)]


def test_every_part_of_the_h5ad_is_documented(run, report):
    table = anndata.read_h5ad(report / "ranking.h5ad")
    groups = table.uns.pop("rank_genes_groups")
    kinds = {"X": table.X.dtype.name}
    for part in ("obs", "var"):
        kinds |= {f"{part}.{k}": v.name for k, v in getattr(table, part).dtypes.items()}
    kinds |= {f"obsm.{name}": values.dtype.name for name, values in table.obsm.items()}
    for key in run.results.keys:
        for name in list(table.layers):
            start = f"{key.method}_{key.view}_"
            if name.startswith(start):
                kind = table.layers[name].dtype.name
                kinds[f"layers.METHOD_VIEW_{name.removeprefix(start)}"] = kind
    for name, value in groups.items():
        kind = "dict" if isinstance(value, dict) else value.dtype[0].name
        kinds[f"uns.rank_genes_groups.{name}"] = kind.replace("object", "text")
    named = {dict: "dict", str: "text", bool: "bool", np.bool_: "bool"}
    kinds |= {f"uns.{name}": named[type(value)] for name, value in table.uns.items()}
    assert kinds == {column.name: column.dtype for column in H5AD_PARTS}


def test_answers_have_the_documented_columns(run):
    key, cohort = run.first_ranking, run.cohort
    answers = {
        "show --gene": gene_answer(cohort, run.results, key, 0),
        "show --tumor": tumor_answer(cohort, run.results, key, 0, top=5),
    }
    for name, answer in answers.items():
        kinds = [(column.name, column.dtype) for column in columns_of(answer.table)]
        assert kinds == [(column.name, column.dtype) for column in columns_of_file(name)]


def test_the_map_of_a_sample_has_a_column_for_each_of_its_picks():
    names = [column.name for column in MAP_ANSWER_COLUMNS]
    assert names[:5] == ["sample", "target", "method", "model", "gene"]
    assert [c.name for c in SHEET_COLUMNS.values()][:2] == ["Case ID", "Sample ID"]


def test_a_long_report_lists_its_parts(run, monkeypatch, tmp_path):
    monkeypatch.setattr(csv_files, "MAX_ROWS", 300)  # 8 tumors of 36 genes
    names = page.report_files(run)
    assert "genes.csv" not in names and [n for n in names if n.startswith("genes-")] == [
        "genes-1.csv", "genes-2.csv", "genes-3.csv"
    ]  # fmt: skip
    page.write_report(run)
    read = [pd.read_csv(run.folder.report / f"genes-{i}.csv") for i in (1, 2, 3)]
    assert [len(part) for part in read] == [288, 288, 288]
    html = run.folder.page.read_text(encoding="utf-8")
    assert "genes-2.csv" in html and "part 2 of 3" in html and 'href="genes.csv"' not in html


def test_xarray_opens_the_tables_with_their_names(run):
    xarray = pytest.importorskip("xarray")
    with xarray.open_datatree(run.folder.significance, engine="h5netcdf") as tree:
        q_decoy = tree["gradient_x_input/contrast"]["q_decoy"]
        assert q_decoy.dims == ("tumors", "genes")
        expected = run.results.ranking(run.first_ranking).q_decoy[1, 4]
        gene = str(run.results.genes[4])
        assert float(q_decoy.sel(tumors="BRCA", genes=gene)) == expected
    with h5py.File(run.folder.significance) as file:
        assert file["genes"].is_scale
