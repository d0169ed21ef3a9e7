import gzip

import numpy as np
import pytest

from tumorcam.applied.orientation import orientation_by_genes

GENES = np.array([f"G{i}" for i in range(40)])


def write(path, rows):
    text = "\n".join("\t".join(row) for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def table(genes, samples):
    return [["id", *samples], *([gene, *("1" for _ in samples)] for gene in genes)]


@pytest.mark.parametrize("name", ["m.tsv", "m.tsv.gz"])
def test_the_run_s_genes_tell_where_genes_stand(tmp_path, name):
    rows = table([f"g{i}" for i in range(20)], ["x", "y", "z"])
    assert orientation_by_genes(write(tmp_path / name, rows), GENES) == "genes_in_rows"
    flipped = [list(row) for row in zip(*rows, strict=True)]
    assert orientation_by_genes(write(tmp_path / name, flipped), GENES) == "samples_in_rows"


def test_few_genes_and_genes_on_both_sides_tell_nothing(tmp_path):
    few = table(["G1", "G2", "x", "y"], ["a", "b"])
    assert orientation_by_genes(write(tmp_path / "few.tsv", few), GENES) == ""
    both = table(GENES[:8], GENES[10:16])
    assert orientation_by_genes(write(tmp_path / "both.tsv", both), GENES) == ""


def test_what_is_no_text_file_tells_nothing(tmp_path):
    assert orientation_by_genes(tmp_path, GENES) == ""
    assert orientation_by_genes(tmp_path / "missing.tsv", GENES) == ""
    (tmp_path / "m.h5ad").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(2000))
    assert orientation_by_genes(tmp_path / "m.h5ad", GENES) == ""
