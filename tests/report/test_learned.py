import dataclasses

import gseapy
import numpy as np
import openpyxl
import pandas as pd
import pytest
from made_up_run import finish_run

from tumorcam.report import learned, tables
from tumorcam.report.columns import LEARNED_COLUMNS
from tumorcam.report.results import read_run


@pytest.fixture
def tiny_config(tiny_config):
    """At this level the made-up run calls some pairs."""
    significance = dataclasses.replace(tiny_config.significance, q_decoy=0.2)
    return dataclasses.replace(tiny_config, significance=significance)


@pytest.fixture
def run(tiny_run):
    return read_run(finish_run(tiny_run))


@pytest.fixture
def first(run):
    return run.results.ranking(run.first_ranking)


def test_the_learned_table_has_the_learned_genes_of_the_whole_table(run, first):
    table = learned.learned_table(run.results, first)
    whole = tables.gene_table(run.results, first)
    expected = whole[whole["evidence"] == "learned"].reset_index(drop=True)
    assert len(table) and list(table) == [column.name for column in LEARNED_COLUMNS]
    names = [name for name in table if name != "expression"]
    pd.testing.assert_frame_equal(table[names], expected[names])


def test_expression_says_what_speaks_for_the_tumor(run, first):
    change = run.results.log2_fold_change.copy()
    tumors, genes = np.nonzero(first.evidence == "learned")
    change[tumors[:4], genes[:4]] = [0.5, -0.5, 0, np.nan]
    results = dataclasses.replace(run.results, log2_fold_change=change)
    table = learned.learned_table(results, first)
    by_pair = table.set_index(["tumor", "gene"])["expression"]
    pairs = zip(results.tumors[tumors[:4]], results.genes[genes[:4]], strict=True)
    assert [by_pair[pair] for pair in pairs] == ["high", "low", "same", "unknown"]


def test_without_a_learned_gene_the_files_are_empty(run, first, tmp_path):
    none = dataclasses.replace(first, evidence=np.full(first.evidence.shape, "none"))
    learned.write_learned_csv(tmp_path / "learned.csv", run.results, none)
    learned.write_gene_sets(tmp_path / "learned.gmt", run.results, none, level=0.2)
    assert pd.read_csv(tmp_path / "learned.csv").empty
    assert gseapy.read_gmt(str(tmp_path / "learned.gmt")) == {}


def test_gseapy_reads_the_gene_sets(run, first, tmp_path):
    learned.write_gene_sets(tmp_path / "learned.gmt", run.results, first, level=0.2)
    sets = gseapy.read_gmt(str(tmp_path / "learned.gmt"))
    table = learned.learned_table(run.results, first)
    assert sets == {tumor: rows["gene"].tolist() for tumor, rows in table.groupby("tumor")}
    description = (tmp_path / "learned.gmt").read_text(encoding="utf-8").split("\t")[1]
    assert description == "learned by gradient_x_input contrast of tumorcam at q_decoy <= 0.2"


def test_gseapy_ranks_by_a_rank_list(tiny_run, tmp_path):
    """Also where a comment says that shards were missing."""
    run = read_run(finish_run(tiny_run, missing=["r00-f00-b0000"]))
    first = run.results.ranking(run.first_ranking)
    tables.write_rank_lists(tmp_path, run.results, first)
    learned.write_gene_sets(tmp_path / "learned.gmt", run.results, first, level=0.2)
    sets = gseapy.read_gmt(str(tmp_path / "learned.gmt"))
    enriched = gseapy.prerank(
        rnk=str(tmp_path / "BRCA.rnk"), gene_sets=sets, outdir=None, min_size=2,
        permutation_num=20, seed=1, threads=1,
    )  # fmt: skip
    scores = enriched.res2d.set_index("Term")["NES"].astype(float)
    assert scores["BRCA"] > 0 and len(enriched.ranking) == len(run.results.genes)


def test_the_workbook_has_a_sheet_for_each_ranking(run, first, tmp_path):
    path = tmp_path / "learned.xlsx"
    learned.write_learned_workbook(path, run)
    sheets = pd.read_excel(path, sheet_name=None)
    assert len(sheets) == 8 and next(iter(sheets)) == "gradient_x_input contrast"
    assert list(sheets)[-2:] == ["columns", "about"]
    assert sheets["columns"]["column"].tolist() == [column.name for column in LEARNED_COLUMNS]
    expected = learned.learned_table(run.results, first)
    pd.testing.assert_frame_equal(
        sheets["gradient_x_input contrast"], expected, check_dtype=False, check_exact=False
    )
    about = sheets["about"].set_index("about")["value"]
    assert about["learned by Gradient × input, contrast"] == f"{len(expected)} (tumor, gene) pairs"
    assert openpyxl.load_workbook(path).worksheets[0].freeze_panes == "C2"


def test_a_sheet_beyond_the_limit_is_cut_and_says_so(run, first, tmp_path, monkeypatch):
    monkeypatch.setattr(learned, "MAX_ROWS", 2)
    learned.write_learned_workbook(tmp_path / "learned.xlsx", run)
    sheets = pd.read_excel(tmp_path / "learned.xlsx", sheet_name=None)
    assert len(sheets["gradient_x_input contrast"]) == 2
    assert sheets["about"]["value"].str.endswith("only the first 2 are here").any()
