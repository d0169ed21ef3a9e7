"""Tables that map gene IDs to names."""

import pytest

from tumorcam.errors import InputError
from tumorcam.readers.genes.gene_table import map_names

ROWS = [
    ("ENSG00000141510.18", "TP53", "7157", "protein_coding"),
    ("ENSG00000146648.21", "EGFR", "1956", "protein_coding"),
    ("ENSG00000012048.25", "BRCA1", "672.0", "protein_coding"),
    ("ENSG00000290825.2", "", "84771", "lncRNA"),
]


def write(path, rows=ROWS, header=("ensgene", "symbol", "entrez", "biotype")):
    lines = [header, *rows] if header else rows
    path.write_text("\n".join("\t".join(line) for line in lines) + "\n")
    return path


@pytest.mark.parametrize(
    "ids, names",
    [
        (["ENSG00000012048", "ENSG00000141510.3"], ["BRCA1", "TP53"]),
        (["672", "7157"], ["BRCA1", "TP53"]),
        (["x|672", "y|1956"], ["BRCA1", "EGFR"]),
        (["ENSG00000290825", "ENSG00000012048"], ["ENSG00000290825", "BRCA1"]),
        (["ENSG00000099999", "ENSG00000012048"], ["ENSG00000099999", "BRCA1"]),
    ],
)
def test_names_by_the_column_that_matches(tmp_path, ids, names):
    mapped = map_names(ids, write(tmp_path / "genes.tsv"))
    assert mapped.names == names
    n_named = sum(name != gene_id for name, gene_id in zip(names, ids, strict=True))
    assert mapped.facts[0].text == f"{n_named} of 2 IDs have a name"


def test_a_column_of_names_is_recognised_by_its_content(tmp_path):
    more = [(f"ENSG{i:011d}.1", f"GENE{i}", str(i), "protein_coding") for i in range(1, 40)]
    header = ("target", "label", "number", "kind")
    path = write(tmp_path / "genes.tsv", [*ROWS, *more], header)
    assert map_names(["ENSG00000141510", "ENSG00000146648"], path).names == ["TP53", "EGFR"]


def test_two_columns_without_header(tmp_path):
    rows = [("ENST00000269305.9", "ENSG1"), ("ENST00000275493.7", "ENSG2")]
    rows = [(transcript, name.replace("ENSG", "GENE")) for transcript, name in rows]
    mapped = map_names([row[0] for row in rows], write(tmp_path / "t.tsv", rows, header=None))
    assert mapped.names == ["GENE1", "GENE2"]


def test_transcripts_get_the_names_of_their_genes(tmp_path):
    rows = [("ENST00000269305.9", "TP53"), ("ENST00000413465.6", "TP53")]
    path = write(tmp_path / "t.tsv", rows, header=("tx", "gene"))
    mapped = map_names(["ENST00000269305", "ENST00000413465"], path)
    assert mapped.names == ["TP53", "TP53"]
    assert mapped.are_transcripts


def test_ids_that_share_a_name_are_told(tmp_path):
    rows = [("1", "TP53"), ("2", "TP53"), ("3", "MYC")]
    mapped = map_names(["1", "2", "3"], write(tmp_path / "t.tsv", rows, header=("id", "symbol")))
    assert mapped.facts[1].text == "1 IDs share a name with another one"
    assert not mapped.are_transcripts


def test_a_table_of_other_ids_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has 1 of the matrix's 3 gene IDs.*'symbol'"):
        map_names(["7157", "NM_1", "NM_2"], write(tmp_path / "genes.tsv"))


def test_several_columns_that_may_be_names_are_refused(tmp_path):
    rows = [("1", "TP53", "p53"), ("2", "MYC", "c-Myc")]
    path = write(tmp_path / "t.tsv", rows, header=("key", "a", "b"))
    with pytest.raises(InputError, match=r"2 columns may be the names.*rename"):
        map_names(["1", "2"], path)
