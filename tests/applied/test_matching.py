from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tumorcam.applied.matching import match_genes
from tumorcam.readers.matrix import Matrix
from tumorcam.storage.stored_values import StoredValues

GENES = np.array(["CDH1", "ENSG00000141510", "KRT8", "TP53|7157"])


def matrix_of(ids, **annotation):
    table = pd.DataFrame(annotation, dtype=str)
    return Matrix(path=Path("m.tsv"), samples=["a"], genes=ids, values=StoredValues(),
                  annotation=table)  # fmt: skip


def matched(ids, genes=GENES, tables=(), **annotation):
    return match_genes(matrix_of(ids, **annotation), ids, genes, tables).names.tolist()


def test_case_versions_and_parts_of_ids_do_not_count():
    ids = ["krt8|3856", "ENSG00000141510.18", "XIST", "CDH1 (999)", "7157"]
    assert matched(ids) == ["KRT8", "ENSG00000141510", "", "CDH1", "TP53|7157"]


def test_a_column_of_the_matrix_names_what_its_ids_do_not():
    ids = ["999", "3856", "5"]
    names = matched(ids, symbol=["CDH1", "KRT8", "OTHER"])
    assert names == ["CDH1", "KRT8", ""]


def test_a_table_leads_from_one_kind_of_id_to_the_other():
    table = pd.DataFrame({"entrez": ["999", "3856"], "symbol": ["CDH1", "KRT8"]})
    assert matched(["3856", "999", "1"], tables=[table]) == ["KRT8", "CDH1", ""]


def test_the_spelling_with_most_genes_comes_first_and_others_fill_its_gaps():
    genes = np.array(["A", "B", "C", "D"])
    ids = ["A", "x", "y", "B"]  # by name A and B; by the column B, C and D
    match = match_genes(matrix_of(ids, symbol=["z", "B", "C", "D"]), ids, genes)
    assert match.names.tolist() == ["A", "B", "C", "D"]
    assert [fact.text for fact in match.facts] == [
        "3 by column 'symbol' of the matrix",
        "1 by name",
    ]


def test_rows_of_one_gene_keep_its_name_for_the_rule_of_duplicates():
    assert matched(["KRT8", "krt8", "CDH1"]) == ["KRT8", "KRT8", "CDH1"]


def test_a_spelling_that_two_genes_of_the_run_share_is_not_used():
    genes = np.array(["A|1", "A|2", "B|3"])
    assert matched(["A", "1", "B"], genes) == ["", "A|1", "B|3"]


def test_an_entrapped_gene_is_matched_by_the_name_before_its_mark():
    assert matched(["CDH1"], np.array(["CDH1 (permuted)"])) == ["CDH1 (permuted)"]


@pytest.mark.parametrize("ids", [[], ["", " "]])
def test_nothing_matches_nothing(ids):
    assert matched(ids) == [""] * len(ids)
