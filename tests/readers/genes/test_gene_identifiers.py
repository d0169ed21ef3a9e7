"""Kinds of gene IDs, cleaned names, and versions of Ensembl IDs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumorcam.readers.genes import identifiers


@pytest.mark.parametrize(
    "gene_id, kind",
    [
        ("ENSG00000141510", "Ensembl genes"),
        ("ENSG00000141510.18", "Ensembl genes"),
        ("ENSG00000002586.20_PAR_Y", "Ensembl genes"),
        ("ENSGR0000281849.1", "Ensembl genes"),
        ("ENSMUSG00000059552", "Ensembl genes"),
        ("ENST00000269305.9", "Ensembl transcripts"),
        ("7157", "Entrez IDs"),
        ("100130426.0", "Entrez IDs"),
        ("TP53", "gene symbols"),
        ("HLA-DRB1", "gene symbols"),
        ("RP11-1.1", "gene symbols"),
        ("ERCC-00002", "gene symbols"),
        ("TP53|7157", "SYMBOL|ENTREZ"),
        ("?|100130426", "SYMBOL|ENTREZ"),
        ("TP53 (7157)", "SYMBOL (ENTREZ)"),
        ("1007_s_at", "array probes"),
        ("hsa-mir-21", "microRNAs"),
        ("NM_000546.6", "RefSeq transcripts"),
        ("uc002gij.3", "UCSC transcripts"),
        ("12 % of all", "other names"),
    ],
)
def test_kind_of_an_id(gene_id, kind):
    assert identifiers.count_kinds([gene_id]) == {kind: 1}


def test_kinds_are_counted_most_frequent_first():
    counts = identifiers.count_kinds(["7157", "TP53", "EGFR"])
    assert list(counts.items()) == [("gene symbols", 2), ("Entrez IDs", 1)]


def test_names_are_cleaned_and_missing_ones_replaced():
    ids = [" TP53 ", "7157.0", "?|8225", "NA", "", "A1BG|1", "RP11-1.0"]
    fallbacks = [f"gene {i}" for i in range(7)]
    assert identifiers.clean_names(ids, fallbacks) == [
        *("TP53", "7157", "8225", "gene 3", "gene 4", "A1BG|1", "RP11-1.0")
    ]


def test_versions_go_where_ids_stay_distinct():
    names = ["ENSG00000000003.15", "ENSG00000002586.20", "ENSG00000002586.20_PAR_Y", "RP11-1.2"]
    unversioned = identifiers.without_versions(names)
    assert unversioned.names == [
        *("ENSG00000000003", "ENSG00000002586", "ENSG00000002586_PAR_Y", "RP11-1.2")
    ]
    assert (unversioned.n_stripped, unversioned.clash) == (3, "")


def test_versions_stay_where_two_genes_would_be_one():
    names = ["ENSG00000000003.15", "ENSG00000000003.16"]
    assert identifiers.without_versions(names) == (names, 0, "ENSG00000000003")


def test_a_repeated_id_is_no_clash():
    assert identifiers.without_versions(["ENSG00000000003.15"] * 2).n_stripped == 2


def test_copies_on_the_y_chromosome():
    assert identifiers.is_par_y("ENSG00000002586.20_PAR_Y")
    assert identifiers.is_par_y("ENSGR0000281849.1")
    assert not identifiers.is_par_y("ENSG00000281849.1")


@given(st.lists(st.text(max_size=20), max_size=8))
def test_any_names_are_named(ids):
    fallbacks = [f"gene {i}" for i in range(len(ids))]
    names = identifiers.clean_names(ids, fallbacks)
    assert all(names) and len(identifiers.without_versions(names).names) == len(ids)
    assert sum(identifiers.count_kinds(ids).values()) == len(ids)
