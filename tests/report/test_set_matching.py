from pathlib import Path

import numpy as np
import pytest

from tumorcam.errors import InputError
from tumorcam.readers.gmt import GeneSetFile
from tumorcam.report.set_matching import match_sets


def gene_sets(**sets):
    return GeneSetFile(
        Path("sets.gmt"), "", {name: tuple(genes) for name, genes in sets.items()}, []
    )


def match(genes, table=None, usable=None, **sets):
    genes = np.array(genes)
    is_usable = np.ones(len(genes), bool) if usable is None else np.array(usable)
    return match_sets(gene_sets(**sets), genes, is_usable, table)


def members(matched):
    return {n: m.tolist() for n, m in zip(matched.names, matched.members, strict=True)}


def test_whole_names_are_matched_whatever_their_case():
    matched = match(["TP53", "C1orf112", "MYC"], A=["MYC", "TP53", "GONE"], B=["C1ORF112"])
    assert members(matched) == {"A": [0, 2], "B": [1]}
    assert matched.file_sizes == [3, 1]
    assert matched.notes == [
        "3 of 4 gene names of the file are genes of the run, 0 of them by a table; they are 3 of "
        "the run's 3 genes."
    ]


@pytest.mark.parametrize("name", ["TP53", "7157", "tp53", "TP53|7157"])
def test_a_part_of_a_name_is_enough(name):
    assert members(match(["KRAS|3845", "TP53|7157"], A=[name])) == {"A": [1]}


def test_versions_of_ensembl_ids_do_not_count():
    assert members(match(["ENSG00000141510"], A=["ENSG00000141510.18"])) == {"A": [0]}


def test_a_name_that_fits_two_genes_counts_for_none():
    matched = match(["SLC35E2|728661", "SLC35E2|9906", "TP53|7157"], A=["SLC35E2", "TP53"])
    assert members(matched) == {"A": [2]}
    assert "Names that fit two or more genes of the run count for none: 1." in matched.notes


def test_two_names_of_one_gene_count_once():
    assert members(match(["TP53|7157", "MYC|4609"], A=["TP53", "7157"])) == {"A": [0]}


def test_genes_that_may_not_be_in_a_set_are_not_matched():
    matched = match(["TP53 (permuted)", "MYC"], usable=[False, True], A=["TP53", "MYC"])
    assert members(matched) == {"A": [1]}


@pytest.fixture
def table(tmp_path):
    rows = [
        ("gene_id", "chromosome", "start", "gene_name"),
        ("ENSG00000141510.18", "17", "7661779", "TP53"),
        ("ENSG00000136997.21", "8", "127735434", "MYC"),
        ("ENSG00000000001.1", "1", "1", "DOUBLE"),
        ("ENSG00000000002.1", "1", "2", "DOUBLE"),
    ]
    path = tmp_path / "annotation.tsv"
    path.write_text("\n".join("\t".join(row) for row in rows) + "\n")
    return path


def test_ensembl_ids_are_matched_to_symbols_by_a_table(table):
    genes = ["ENSG00000136997", "ENSG00000141510", "ENSG00000000001", "ENSG00000000002"]
    matched = match(genes, table, A=["TP53", "MYC", "DOUBLE", "GONE"])
    assert members(matched) == {"A": [0, 1]}
    assert "2 of 4 gene names of the file are genes of the run, 2 of them" in matched.notes[0]


def test_without_a_table_the_message_asks_for_one(table):
    with pytest.raises(
        InputError, match=r"no gene of the run among its 1 names: it has TP53"
    ) as error:
        match(["ENSG00000141510"], A=["TP53"])
    assert "--gene-table" in str(error.value) and "ENSG00000141510" in str(error.value)
    with pytest.raises(InputError, match=r"annotation.tsv does not help"):
        match(["ENSG00000009999"], table, A=["TP53"])


def test_names_that_differ_in_case_alone_raise_a_doubt():
    matched = match(["TP53", "MYC", "KRAS"], A=["Tp53", "Myc", "Kras"])
    assert any("same species" in note for note in matched.notes)
    matched = match(["TP53", "MYC", "KRAS"], A=["TP53", "MYC", "Kras"])
    assert not any("same species" in note for note in matched.notes)


def test_few_matches_raise_a_doubt():
    genes = [f"G{i}" for i in range(30)]
    matched = match(genes, A=["G1", *(f"X{i}" for i in range(30))])
    assert any(note.startswith("Few names match") for note in matched.notes)
