"""The data dictionary against docs/tables.md and against the files that are written."""

import dataclasses
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import polars as pl
import pytest
from compared_runs import loosened, second_run
from made_up_checks import write_checks
from made_up_run import finish_run
from test_call_figures import application
from test_page_figures import grade
from written_tables import POLARS, check_file, check_folder, columns_of_file, named_tables

from tumorcam.cohort.cohort import read_cohort
from tumorcam.cohort.synthetic import synthesize_cohort
from tumorcam.cohort.synthetic_files import write_synthetic_cohort
from tumorcam.explain.sample import Question, SampleMap, full_table, picks_table
from tumorcam.operations import gdc_tables, learning_curve
from tumorcam.report import csv_files, page, tables
from tumorcam.report.call_figures import call_figures
from tumorcam.report.columns import columns_of
from tumorcam.report.comparison import compare_runs
from tumorcam.report.comparison_page import write_comparison
from tumorcam.report.dictionary import (
    ANSWER_TABLES,
    CALL_FIGURE_TABLES,
    COMPARISON_TABLES,
    DOWNLOAD_TABLES,
    ENRICHMENT_TABLES,
    FIGURE_TABLES,
    H5AD_PARTS,
    RUN_TABLES,
    SECTIONS,
    SYNTHETIC_TABLES,
    TRAINING_TABLES,
    tables_document,
)
from tumorcam.report.enrichment import EnrichmentOptions, plan_enrichment
from tumorcam.report.enrichment_page import run_tests, write_enrichment
from tumorcam.report.gene_text import gene_answer
from tumorcam.report.results import read_run
from tumorcam.report.tumor_text import tumor_answer
from tumorcam.settings import SynthesizeSettings
from tumorcam.storage.run_folder import RunFolder, SyntheticInput

DOC = Path(__file__).parents[2] / "docs" / "tables.md"
TABLES = [(section.title, table) for section in SECTIONS for table in section.tables]
REPORT_TABLES = [*RUN_TABLES, *FIGURE_TABLES]


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


def test_the_page_of_tables_is_what_the_code_says():
    text = DOC.read_text(encoding="utf-8")
    start = text.index("A CSV file has at most")
    assert text[start:] == tables_document(), f"write tables_document() into {DOC.name}"


def test_the_overview_links_to_every_section():
    lines = tables_document().splitlines()
    for title in (section.title for section in SECTIONS):
        assert f"## {title}" in lines
        assert any(f"[{title}](#{title.lower().replace(' ', '-')})" in line for line in lines)
    assert len({(title, table.name) for title, table in TABLES}) == len(TABLES)


@pytest.mark.parametrize("table", [table for _, table in TABLES], ids=lambda table: table.name)
def test_every_column_has_a_sentence_and_a_type(table):
    names = [column.name for column in table.columns]
    assert len(set(names)) == len(names)
    for column in table.columns:
        assert column.meaning[0].isalnum() and column.meaning.endswith("."), column.name
        assert "|" not in column.meaning + column.unit
        assert column.dtype in POLARS or table.name == "ranking.h5ad"


def test_every_table_of_the_report_is_in_the_dictionary(run):
    listed = {name for table in REPORT_TABLES for name in table.files} - {"TUMOR.rnk"}
    kinds = (".csv", ".parquet", ".xlsx", ".gmt", ".h5ad")
    written = {name for name in page.report_files(run) if name.endswith(kinds)}
    assert not written - listed
    assert not {name for name in listed - written if not name.startswith("figures/")}


def test_every_file_of_a_report_has_the_columns_and_types(tiny_run):
    config = finish_run(tiny_run)
    grade(config, [(0, 3), (1, 3), (2, 5)])  # so that two tumors share a gene
    write_checks(config)
    page.write_report(read_run(config))
    check_folder(RunFolder.of(config).report, REPORT_TABLES)


def test_figures_of_new_samples_have_the_columns_and_types(tmp_path):
    for figure in call_figures(application(4, 24)):
        page.write_figure(tmp_path / "figures", figure, partial=[])
    check_folder(tmp_path, CALL_FIGURE_TABLES)


def test_comparison_and_tests_of_gene_sets_have_the_columns_and_types(tiny_run, tmp_path):
    config = finish_run(loosened(tiny_run))
    write_comparison(compare_runs(config, second_run(tmp_path / "b")), tmp_path / "compare")
    check_folder(tmp_path / "compare", COMPARISON_TABLES)
    (tmp_path / "sets.gmt").write_text("ONE\tna\tGENE00\tGENE01\tGENE20\n")
    cohort = read_cohort(RunFolder.of(config).cohort, config)
    options = EnrichmentOptions(permutations=100, min_size=2)
    plan = plan_enrichment(config, cohort, tmp_path / "sets.gmt", options)
    write_enrichment(plan, run_tests(plan), tmp_path / "enrich")
    check_folder(tmp_path / "enrich", ENRICHMENT_TABLES)


def test_a_made_up_cohort_has_the_columns_and_types(tmp_path):
    settings = SynthesizeSettings(
        tumors=("COAD", "READ"), samples_per_tumor=40, genes=200, drivers=6
    )
    cohort = synthesize_cohort(settings, np.random.default_rng(0))
    write_synthetic_cohort(cohort, SyntheticInput(tmp_path))
    names = cohort.samples["sample"].tolist()
    check_folder(tmp_path, named_tables(SYNTHETIC_TABLES, "SAMPLE", names))


def test_headers_that_are_written_elsewhere_are_those_of_the_dictionary():
    headers = {
        "history.csv": tuple(learning_curve.COLUMNS),
        "gdc_manifest.txt": gdc_tables.MANIFEST_HEADER,
        "gdc_sample_sheet.tsv": gdc_tables.SHEET_HEADER,
    }
    assert headers == {
        table.name: tuple(column.name for column in table.columns)
        for table in (*TRAINING_TABLES, *DOWNLOAD_TABLES)
    }


def test_parquet_and_csv_agree_in_types(report):
    parquet = report / "genes.parquet"
    assert pl.read_parquet(parquet).schema == pl.read_csv(report / "genes.csv").schema
    types = pd.read_csv(report / "genes.csv").dtypes
    pd.testing.assert_series_equal(pd.read_parquet(parquet).dtypes, types)


def test_lists_and_sets_have_the_columns(report):
    rows = (report / "BRCA.rnk").read_text(encoding="utf-8").splitlines()
    assert {row.count("\t") for row in rows} == {len(columns_of_file(RUN_TABLES, "TUMOR.rnk")) - 1}
    n_fields = len((report / "learned.gmt").read_text(encoding="utf-8").split("\n")[0].split("\t"))
    assert n_fields >= len(columns_of_file(RUN_TABLES, "learned.gmt"))
    sheets = pd.read_excel(report / "learned.xlsx", sheet_name=None)
    for name, sheet in sheets.items():
        title = f"learned.xlsx: {name}" if name in ("columns", "about") else "learned.xlsx"
        assert list(sheet) == [column.name for column in columns_of_file(RUN_TABLES, title)]


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
        columns = columns_of_file(ANSWER_TABLES, name)
        assert kinds == [(column.name, column.dtype) for column in columns]


def test_the_answer_of_a_sample_has_the_documented_columns(run, tmp_path):
    cohort, rng = run.cohort, np.random.default_rng(0)
    layout = cohort.layouts[0]
    image, saliency = rng.normal(size=(2, layout.side, layout.side)).astype(np.float32)
    expression = cohort.expression(slice(0, 1))[0, layout.source_gene]
    sample_map = SampleMap("r00-f00", layout, expression, image, saliency, np.ones(4, np.float32))
    question = Question(0, 1, "gradient", cutoff=0.2)
    picks = picks_table([sample_map], cohort.genes, cutoff=question.cutoff)
    tables.write_new_csv(tmp_path / "s.csv", full_table(cohort, question, sample_map, picks))
    check_file(tmp_path / "s.csv", columns_of_file(ANSWER_TABLES, "show --sample"))


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
