"""Real TCGA files as their portals ship them, where they lie beside the project."""

from pathlib import Path

import numpy as np
import pytest

from tumorcam.cohort import selection
from tumorcam.cohort.summary import confounded_tumors
from tumorcam.config import config_from_tables
from tumorcam.readers import markers, samples
from tumorcam.readers.h5ad import H5adExpression
from tumorcam.readers.inputs import open_inputs
from tumorcam.readers.table import TableExpression
from tumorcam.settings import FaithfulnessSettings, InputSettings

DATA = Path(__file__).parents[2] / "shared" / "data"
FORMATS = DATA / "formats"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA.exists(), reason=f"the real data are not there: {DATA}"),
]


def select(n_genes, cohort=(), **inputs):
    tables = {"input": inputs, "cohort": {"genes": n_genes} | dict(cohort)}
    config = config_from_tables(tables, source="test")
    return selection.select(config, *open_inputs(config.input))


def first_values(expression) -> np.ndarray:
    return next(iter(expression.blocks())).values


def test_19_types_as_xena_ships_them():
    kept = select(
        100,
        expression=str(DATA / "tcga_19types_log2rsem.tsv.gz"),
        samples=str(DATA / "tcga_19types_samples.tsv"),
    )
    assert kept.expression.shape == (1059, 100)
    assert kept.samples["tumor"].value_counts()["BRCA"] == 133
    assert kept.samples["tumor"].nunique() == 19
    assert set(kept.samples["sample_type"]) == {"01"}
    assert len(kept.dropped) == 0
    tumors, sources = (kept.samples[name].to_numpy(str) for name in ("tumor", "source"))
    assert len(confounded_tumors(tumors, sources)) == 12
    albumin = kept.expression[:, kept.genes == "ALB"]
    assert albumin[tumors == "LIHC"].mean() > albumin[tumors != "LIHC"].mean() + 5


def test_15_types_by_symbol_with_repeats():
    path = str(DATA / "tcga_15types_fullgenes_log2rsem.h5ad")
    kept = select(
        64, {"duplicates": "drop", "sample_types": []}, expression=path, gene_column="symbol"
    )
    assert kept.expression.shape == (497, 64)
    assert kept.samples["tumor"].nunique() == 15
    assert kept.dropped["kind"].tolist() == ["gene"] * 16
    names = H5adExpression(Path(path)).genes
    assert len(set(names)) == 20531
    assert names[:3] == ["1", "2", "9"]


def test_6_types_of_raw_counts():
    kept = select(64, expression=str(DATA / "tcga_6types_raw_counts.h5ad"), scale="counts")
    assert kept.expression.shape == (364, 64)
    assert kept.samples["tumor"].nunique() == 6
    assert all(gene.startswith("ENSG") for gene in kept.genes)
    assert 0 <= kept.expression.min() < kept.expression.max() < np.log2(1e6 + 1)


def test_labels_of_the_pan_cancer_atlas():
    path = DATA / "tcga_pancanatlas_sample_labels.tsv.gz"
    table = samples.read_table(path)
    tidy = samples.tidy(table, table["sample_id"].tolist(), InputSettings(), path)
    assert len(tidy) == 11060
    assert tidy["tumor"].nunique() == 33
    assert tidy["patient"][0] == "TCGA-02-0047"
    assert (tidy["sample_type"] == tidy["sample"].str[13:15]).all()


def test_cbioportal_table_with_a_label_row():
    path = FORMATS / "cbioportal_rsem_genes_by_samples_LUAD.head.csv"
    expression = TableExpression(path, {"TCGA-49-6742-01", "TCGA-49-6743-01"})
    assert expression.genes[:2] == ["100130426", "100133144"]
    assert len(expression.samples) == 20
    assert [drop.name for drop in expression.dropped] == ["line 2"]
    np.testing.assert_array_equal(first_values(expression)[:3, 1], [4.4444, 2.7021, 13.1059])


def test_two_gene_columns_and_crlf():
    path = FORMATS / "tulip_fpkm_uq_genes_by_samples.csv.gz"
    expression = TableExpression(path, {"CPT0019990006"}, "gene_name")
    assert expression.genes[:2] == ["TSPAN6", "TNMD"]
    assert expression.samples[-1] == "CPT0077290006"
    assert len(TableExpression(path, {"CPT0019990006"}).genes) == 60483
    np.testing.assert_array_equal(
        first_values(expression)[:, 0], [157778.5731, 76515.8557, 205326.5947]
    )


def test_samples_in_rows_with_an_empty_corner():
    expression = TableExpression(FORMATS / "seed_tumor_data_zscore.csv.gz", {"TCGA-NC-A5HM-01"})
    assert (len(expression.samples), len(expression.genes)) == (9, 11647)
    assert first_values(expression)[0, 0] == -0.6635524279629992


def test_xena_phenotypes():
    path = FORMATS / "xena_KIRC_clinicalMatrix.gz"
    table = samples.read_table(path)
    named = InputSettings(tumor_column="_primary_disease")
    tidy = samples.tidy(table, ["TCGA-3Z-A93Z-01"], named, path)
    assert tidy.iloc[0].tolist() == [
        "TCGA-3Z-A93Z-01", "TCGA-3Z-A93Z", "kidney clear cell carcinoma", "01", "",
    ]  # fmt: skip


def test_tissue_specific_genes_of_the_human_protein_atlas():
    """A cell of `tcga_hint` may name several tumors; no column is configured."""
    tumors = np.array(["BLCA", "COAD", "LIHC", "READ", "UVM"])
    genes = np.array(["ALB", "APOA1|335", "CDH17", "UPK2", "ENSG00000163347.6", "ACTB"])
    path = DATA / "markers" / "hpa_tissue_specific_genes.tsv"
    is_marker = markers.read_markers(FaithfulnessSettings(markers=str(path)), tumors, genes)
    assert {(str(tumors[t]), str(genes[g])) for t, g in np.argwhere(is_marker)} >= {
        ("LIHC", "ALB"), ("LIHC", "APOA1|335"), ("COAD", "CDH17"), ("READ", "CDH17"),
        ("BLCA", "UPK2"),
    }  # fmt: skip
    assert not is_marker[4].any() and not is_marker[:, 5].any()
