"""Lists of marker genes: files, columns, spellings of tumors and genes, and what is refused."""

import dataclasses
import gzip

import numpy as np
import pytest

from tumorcam.errors import InputError
from tumorcam.readers.markers import read_markers
from tumorcam.settings import FaithfulnessSettings

TUMORS = np.array(["BRCA", "COAD", "GBM/LGG", "READ"])
GENES = np.array(["A1BG|1", "KRT5", "ENSG00000000003.15", "TP53|7157", "?|999"])


def pairs(text, tmp_path, name="markers.tsv", **settings):
    """(tumor, gene) pairs of a file of this text."""
    path = tmp_path / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    is_marker = read_markers(FaithfulnessSettings(markers=str(path), **settings), TUMORS, GENES)
    assert is_marker.shape == (4, 5) and is_marker.dtype == bool
    return [(str(TUMORS[t]), str(GENES[g])) for t, g in np.argwhere(is_marker)]


GMT_PAIRS = [("BRCA", "A1BG|1"), ("BRCA", "KRT5"), ("COAD", "TP53|7157")]
GMT = "BRCA\tof HPA\tKRT5\tA1BG\nTCGA-coad\t\tTP53\tNONE\nOV\t\tKRT5\n"


@pytest.mark.parametrize("name", ["list.gmt", "list.gmt.gz"])
def test_a_gmt_file_names_its_tumor(tmp_path, name):
    assert pairs(GMT, tmp_path, name) == GMT_PAIRS


def test_a_table_like_the_human_protein_atlas(tmp_path):
    text = (
        "tissue\ttcga_hint\tgroup\tsymbol\tensembl\n"
        "Colon\tCOAD,READ\tEnriched\tTP53\tENSG00000141510\n"
        "Breast\tBRCA\tEnriched\tKRT5\tENSG00000186081\n"
        "Testis\tTGCT\tEnriched\tKRT5\tENSG00000186081\n"
        "Bone.Marrow\t\tEnriched\tA1BG\tENSG00000121410\n"
    )
    expected = [("BRCA", "KRT5"), ("COAD", "TP53|7157"), ("READ", "TP53|7157")]
    assert pairs(text, tmp_path) == expected
    assert pairs(text.replace("\t", ";").replace(",", "|").replace(";", ","), tmp_path) == expected
    columns = {"marker_gene_column": "symbol", "marker_tumor_column": "tcga_hint"}
    assert pairs(text, tmp_path, "table.tsv.gz", **columns) == expected


def test_ids_are_spelled_in_many_ways(tmp_path):
    rows = ["1\tBRCA", "ENSG00000000003\tBRCA", "TP53|7157\tGBM/LGG", "KRT5\tbrca; READ"]
    assert pairs("gene\tcancer\n" + "\n".join(rows), tmp_path) == [
        ("BRCA", "A1BG|1"), ("BRCA", "KRT5"), ("BRCA", "ENSG00000000003.15"),
        ("GBM/LGG", "TP53|7157"), ("READ", "KRT5"),
    ]  # fmt: skip


def test_no_list_is_no_markers():
    assert read_markers(FaithfulnessSettings(), TUMORS, GENES) is None


@pytest.mark.parametrize(
    ("name", "text", "settings", "words"),
    [
        ("absent.gmt", None, {}, r"absent.gmt is no file .*: check faithfulness.markers"),
        ("broken.tsv.gz", None, {}, r"broken.tsv.gz has a header but no rows"),
        ("list.gmt", "OV\t\tKRT5\n", {}, r"names no tumor of this run: it has OV; .*such as BRCA"),
        ("list.gmt", "BRCA\t\tX\n", {}, r"names no gene of this run: it has X; .*such as A1BG\|1"),
        ("list.gmt", "BRCA\t\tX\nOV\t\tKRT5\n", {}, r"no gene of this run for a tumor of this run"),
        ("list.gmt", "BRCA\tKRT5\n", {}, r"no GMT file: line 1 has fewer than three cells"),
        ("list.gmt", "", {}, r"list.gmt is empty; check faithfulness.markers"),
        ("t.csv", "", {}, r"t.csv is empty; check faithfulness.markers"),
        ("t.csv", "gene,tumor\nKRT5,OV\n", {}, r"names no tumor .*marker_tumor_column"),
        ("t.csv", "gene\nKRT5\n", {}, r"no two or more cells alike .*: 'gene'\); save it as TSV"),
        ("t.csv", "gene,tumor\nKRT5,BRCA\n", {"marker_gene_column": "symbol"},
         r"no column 'symbol' as faithfulness.marker_gene_column says; its columns are 'gene'"),
        ("t.csv", "gene,tumor\nKRT5,BRCA\n", {"marker_tumor_column": "type"}, r"no column 'type'"),
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_used_is_refused(tmp_path, name, text, settings, words):
    path = tmp_path / name
    if text is not None:
        path.write_text(text, encoding="utf-8")
    elif name.startswith("broken"):
        path.write_bytes(b"no gzip")
    faithfulness = dataclasses.replace(FaithfulnessSettings(markers=str(path)), **settings)
    with pytest.raises(InputError, match=words):
        read_markers(faithfulness, TUMORS, GENES)
