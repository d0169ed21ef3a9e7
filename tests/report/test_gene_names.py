import numpy as np
import pytest

from tumorcam.errors import InputError
from tumorcam.report.gene_names import read_aliases

TABLE = """symbol\tensembl\tentrez\tsynonyms
TP53\tENSG00000141510\t7157\tP53|LFS1, BCC7
KRT8\tENSG00000170421\t3856\t
MARCHF1\tENSG00000145416\t55016\tMARCH1
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "genes.tsv"
    path.write_text(TABLE, encoding="utf-8")
    return path


@pytest.mark.parametrize("gene", ["TP53", "tp53", "ENSG00000141510.12", "TP53|7157", "7157"])
def test_a_gene_is_matched_by_any_id_and_gets_the_other_names(table, gene):
    aliases = read_aliases(table, np.array([gene, "KRT8"]))
    every = ["TP53", "ENSG00000141510", "7157", "P53", "LFS1", "BCC7"]
    assert aliases[0] == [name for name in every if name != gene]
    assert aliases[1] == ["ENSG00000170421", "3856"]


def test_a_synonym_matches_no_gene(table):
    assert read_aliases(table, np.array(["MARCH1", "KRT8"]))[0] == []


def test_a_table_of_other_genes_is_refused(table):
    with pytest.raises(InputError, match="has none of the run's 2 genes"):
        read_aliases(table, np.array(["Trp53", "Krt8_mouse"]))


def test_a_table_without_ids_is_refused(tmp_path):
    path = tmp_path / "genes.tsv"
    path.write_text("colour\tsize\nred\t1\n", encoding="utf-8")
    with pytest.raises(InputError, match="no column with a usual name for the gene ID"):
        read_aliases(path, np.array(["TP53"]))
