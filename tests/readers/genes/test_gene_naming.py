"""Names of a matrix's genes, and rows that are none."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tumorcam.errors import InputError
from tumorcam.readers.genes.naming import name_genes
from tumorcam.readers.matrix import Matrix
from tumorcam.settings import InputSettings
from tumorcam.storage.stored_values import StoredValues


def matrix(genes, **annotation):
    values = StoredValues()
    values.add_genes(np.zeros((len(genes), 2)))
    columns = pd.DataFrame(annotation, dtype=str)
    return Matrix(
        path=Path("m.tsv"), samples=["a", "b"], genes=genes, values=values, annotation=columns
    )


def texts(named):
    return " / ".join(f"{fact.text}: {fact.reason}" for fact in named.facts)


def test_star_counts():
    genes = ["N_unmapped", "ENSG00000000003.15", "ENSG00000002586.20_PAR_Y", "ERCC-00002"]
    named = name_genes(matrix(genes), InputSettings())
    assert named.names[1:] == ["ENSG00000000003", "ENSG00000002586_PAR_Y", "ERCC-00002"]
    assert named.is_gene.tolist() == [False, True, True, True]
    assert [drop.name for drop in named.dropped] == ["N_unmapped"]
    assert "2 Ensembl genes" in texts(named) and "1 ERCC spike-ins" in texts(named)
    assert "1 copies on the Y" in texts(named) and "2 Ensembl IDs without version" in texts(named)


def test_a_column_of_the_annotation_by_choice():
    genes = ["N_unmapped", "ENSG00000000003.15", "ENSG00000000005.6"]
    star = matrix(genes, gene_name=["", "TSPAN6", ""])
    named = name_genes(star, InputSettings(gene_column="gene_name"))
    assert named.names[1:] == ["TSPAN6", "ENSG00000000005"]
    assert named.is_gene.tolist() == [False, True, True]
    assert "1 are missing" in texts(named)


def test_counters_that_only_the_annotation_names():
    named = name_genes(matrix(["", "MYC"], gene_id=["__no_feature", "x"]), InputSettings())
    assert named.is_gene.tolist() == [False, True]


def test_missing_ids_and_entrez_ids():
    named = name_genes(matrix(["NA", "?|8225", "7157.0", "A1BG|1"]), InputSettings())
    assert named.names == ["gene 1", "8225", "7157", "A1BG|1"]


def test_a_gene_table_and_dates(tmp_path):
    table = tmp_path / "t.tsv"
    table.write_text("id\tsymbol\n1\t2-Sep\n2\tMYC\n3\tTP53\n")
    entrez = matrix(["1", "2", "3"])
    settings = InputSettings(gene_table=str(table), excel_dates="restore")
    assert name_genes(entrez, settings).names == ["SEPTIN2", "MYC", "TP53"]
    with pytest.raises(InputError, match="2-Sep"):
        name_genes(entrez, InputSettings(gene_table=str(table)))


def test_no_gene_at_all():
    for genes in ([], ["N_unmapped", "N_noFeature"]):
        with pytest.raises(InputError, match=r"m\.tsv has no gene: its \d rows"):
            name_genes(matrix(genes), InputSettings())
